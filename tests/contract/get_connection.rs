//! GetConnection: what is in the answer, and which connection is meant.

use std::time::{Duration, SystemTime};

use tokend_api::v1;
use tokend_tests::{Options, Tokend, databases};
use tonic::Code;

use crate::answers::{instead_of, metadata, now, refused};

#[tokio::test(flavor = "multi_thread")]
async fn the_answer_has_what_a_backend_needs_and_the_token_works() {
    for database in databases() {
        let tokend = Tokend::start(Options {
            database,
            ..Options::default()
        })
        .await;
        tokend.simulator.change(|behaviour| {
            behaviour.grantable_scopes = Some(vec!["events.read".to_owned()]);
        });
        ask_for_scopes(&tokend, &["events.read", "events.write"]).await;
        let connection = tokend.connect_shared().await;

        let vended = tokend.get().await.unwrap();

        let ledger = tokend.simulator.ledger();
        assert!(
            ledger.is_access_token_live(&vended.access_token),
            "{database:?}"
        );
        let http = reqwest::Client::builder().no_proxy().build().unwrap();
        let api = http.get(format!("{}/api/events", tokend.simulator.base_url()));
        let called = api.bearer_auth(&vended.access_token).send().await.unwrap();
        assert_eq!(called.status(), 200);
        assert_eq!(vended.connection_id, connection.connection_id);
        assert_eq!(
            (vended.token_type.as_str(), vended.generation),
            ("Bearer", 1)
        );
        assert_eq!(vended.scopes, ["events.read"]);
        assert_eq!(vended.missing_scopes, ["events.write"]);
        let account = vended.account.unwrap();
        let told = (
            account.id.as_str(),
            account.email.as_str(),
            account.name.as_str(),
        );
        assert_eq!(told, ("user-1", "ada@example.com", "Ada Example"));
        let expires = SystemTime::try_from(vended.expire_time.unwrap()).unwrap();
        let left = expires.duration_since(now()).unwrap();
        assert!(
            left > Duration::from_secs(3500) && left <= Duration::from_secs(3600),
            "{left:?}"
        );
        tokend.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn each_label_is_a_connection_of_its_own() {
    let tokend = Tokend::start(Options::default()).await;
    let personal = connect_labelled(&tokend, "ada", Some("personal")).await;
    let default = connect_labelled(&tokend, "ada", None).await;
    assert_ne!(personal, default);

    let got = |label: Option<&str>| {
        let label = label.map(str::to_owned);
        let user_token = tokend.user_token("ada");
        let get = tokend
            .backend
            .get_current_app_user_connection("users", user_token);
        async move {
            let options = tokend_client::GetOptions {
                label,
                ..Default::default()
            };
            get.with_options(options).await
        }
    };
    let (one, other) = (
        got(Some("personal")).await.unwrap(),
        got(None).await.unwrap(),
    );
    assert_eq!(
        (one.connection_id.as_str(), other.connection_id.as_str()),
        (&*personal, &*default)
    );
    assert_ne!(one.access_token.expose(), other.access_token.expose());
    let unknown = got(Some("work")).await.unwrap_err();
    assert_eq!(unknown.reason.unwrap().reason(), "CONNECTION_NOT_FOUND");
    tokend.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_scope_that_was_not_granted_is_named() {
    let tokend = Tokend::start(Options::default()).await;
    tokend.connect_shared().await;
    let wanting = |scopes: &[&str]| v1::GetConnectionRequest {
        scopes: scopes.iter().map(|&scope| scope.to_owned()).collect(),
        ..Default::default()
    };

    let answer = tokend
        .get_with(wanting(&["events.read", "events.write"]))
        .await;
    let status = refused(answer, Code::FailedPrecondition, "SCOPE_NOT_GRANTED");
    assert_eq!(metadata(&status, "missingScopes"), "events.write");
    assert_eq!(
        tokend
            .get_with(wanting(&["events.read"]))
            .await
            .unwrap()
            .generation,
        1
    );
    tokend.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_without_an_end_is_vended_until_somebody_complains() {
    let tokend = Tokend::start(Options::default()).await;
    tokend
        .simulator
        .change(|behaviour| behaviour.access_token_lifetime = None);
    tokend.connect_shared().await;

    let year = v1::GetConnectionRequest {
        min_ttl: Some(prost_types::Duration {
            seconds: 31_536_000,
            nanos: 0,
        }),
        ..Default::default()
    };
    let vended = tokend.get_with(year).await.unwrap();
    assert_eq!((vended.expire_time, vended.generation), (None, 1));
    assert_eq!(tokend.get_with(instead_of(1)).await.unwrap().generation, 2);
    assert_eq!(tokend.simulator.ledger().refreshes(), 1);
    tokend.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn get_access_token_answers_the_same_token_alone() {
    let tokend = Tokend::start(Options::default()).await;
    tokend.connect_shared().await;
    let get = v1::GetAccessTokenRequest {
        integration_type: "simshared".to_owned(),
    };
    #[expect(deprecated, reason = "clients of the first hour go on calling it")]
    let answer = tokend
        .backend
        .connectors()
        .get_access_token(get)
        .await
        .unwrap()
        .into_inner();
    assert_eq!(
        answer.access_token,
        tokend.get().await.unwrap().access_token
    );
    tokend.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_missing_is_told_apart() {
    for database in databases() {
        let tokend = Tokend::start(Options {
            database,
            ..Options::default()
        })
        .await;
        let get = async |integration_type: &str| {
            let integration_type = integration_type.to_owned();
            let get = v1::GetConnectionRequest {
                integration_type,
                ..Default::default()
            };
            tokend.backend.connectors().get_connection(get).await
        };
        let unknown = refused(
            get("simsharde").await,
            Code::NotFound,
            "INTEGRATION_TYPE_UNKNOWN",
        );
        assert!(unknown.message().contains("'simshared'"), "{unknown:?}");
        assert_eq!(metadata(&unknown, "integrationType"), "simsharde");
        refused(get("github").await, Code::NotFound, "CONNECTOR_NOT_FOUND");
        refused(
            get("simshared").await,
            Code::FailedPrecondition,
            "NOT_CONNECTED",
        );

        let start = v1::StartAuthorizationRequest {
            integration_type: "simshared".to_owned(),
            ..Default::default()
        };
        tokend
            .operator
            .admin()
            .start_authorization(start)
            .await
            .unwrap();
        refused(
            get("simshared").await,
            Code::FailedPrecondition,
            "AUTHORIZATION_PENDING",
        );
        tokend.stop().await;
    }
}

async fn ask_for_scopes(tokend: &Tokend, scopes: &[&str]) {
    let update = v1::UpdateConnectorRequest {
        connector: Some(v1::Connector {
            connector_id: "simshared".to_owned(),
            scopes: scopes.iter().map(|&scope| scope.to_owned()).collect(),
            ..Default::default()
        }),
        update_mask: None,
    };
    tokend
        .operator
        .admin()
        .update_connector(update)
        .await
        .unwrap();
}

/// Connects an account of an app user under a label, and answers the connection's id.
async fn connect_labelled(tokend: &Tokend, user: &str, label: Option<&str>) -> String {
    let connect = v1::ConnectAppUserRequest {
        connector_id: "users".to_owned(),
        return_url: Some(tokend.simulator.app_return_url()),
        label: label.map(str::to_owned),
        ..Default::default()
    };
    let user_token = tokend.user_token(user);
    let started = tokend
        .backend
        .connect_app_user(connect, &user_token)
        .await
        .unwrap();
    tokend.browse(&started.redirect_url).await;
    let returned = tokend
        .simulator
        .wait_for_return(&started.authorization_id)
        .await;
    let completion_token = returned["completion_token"].as_str();
    let completed = tokend
        .backend
        .complete_app_user_connection(started.authorization_id, completion_token, &user_token)
        .await
        .unwrap();
    completed.connection.unwrap().connection_id
}
