//! A connection that holds two tokens: each with its own expiry, renewed by itself, vended by its name, ended together.

use tokend_api::v1;
use tokend_simulator::Client;
use tokend_tests::{Tokend, TwoTokens, databases};
use tonic::{Code, Status};

use crate::{
    answers::{refused, violations},
    calls::{complete, connections, consented, disconnect, get, list, start as started, wish},
    own_types::apply,
};

/// The test's connectors, at that provider.
async fn at(tokend: &Tokend, provider: &TwoTokens) {
    let connector = |id: &str, kind: v1::ConnectorKind| {
        let client = Client::new(format!("client-of-{id}"));
        v1::Connector {
            connector_id: id.to_owned(),
            integration_type: "simshared".to_owned(),
            kind: kind.into(),
            client_id: client.id,
            client_secret: client.secret,
            scopes: ["chat", "user:search"].map(str::to_owned).into(),
            ..Default::default()
        }
    };
    let connectors = vec![
        connector("simshared", v1::ConnectorKind::Shared),
        connector("users", v1::ConnectorKind::AppUser),
    ];
    apply(tokend, "simshared", provider.definition(), connectors).await;
}

fn of(token: &str) -> v1::GetCurrentAppUserConnectionRequest {
    v1::GetCurrentAppUserConnectionRequest {
        token: token.to_owned(),
        ..Default::default()
    }
}

fn seconds(vended: &v1::VendedConnection) -> i64 {
    vended.expire_time.unwrap().seconds
}

/// That there is no such token, for that reason.
async fn without(tokend: &Tokend, token: &str, because: &str) -> Status {
    let code = match because {
        "INVALID_FIELD" => Code::InvalidArgument,
        _ => Code::FailedPrecondition,
    };
    refused(get(tokend, "ada", of(token)).await, code, because)
}

async fn connected(tokend: &Tokend) -> v1::Connection {
    let returned = consented(tokend, "ada", wish(tokend)).await;
    complete(tokend, "ada", &returned).await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn each_token_is_vended_and_renewed_by_itself() {
    for database in databases() {
        let (tokend, provider) = (started(database).await, TwoTokens::start().await);
        at(&tokend, &provider).await;
        let connection = connected(&tokend).await;
        assert_eq!(
            (connection.token.as_str(), &connection.scopes),
            ("", &vec!["chat".to_owned()])
        );
        assert!(connection.missing_scopes.is_empty());

        let main = get(&tokend, "ada", of("")).await.unwrap();
        let user = get(&tokend, "ada", of("user")).await.unwrap();
        assert_eq!(main.connection_id, connection.connection_id);
        assert_ne!(user.connection_id, main.connection_id);
        assert_ne!(user.access_token, main.access_token);
        assert!((3500..3700).contains(&(seconds(&user) - seconds(&main))));
        assert_eq!(
            (main.scopes.concat(), user.scopes.concat()),
            ("chat".into(), "search".into())
        );
        for vended in [&main, &user] {
            assert!(
                vended.missing_scopes.is_empty(),
                "{:?}",
                vended.missing_scopes
            );
            assert_eq!(
                (vended.token_type.as_str(), vended.generation),
                ("Bearer", 1)
            );
        }
        let whose = [&main, &user].map(|vended| vended.account.clone().unwrap().id);
        assert_eq!(whose, ["bot", "person"]);

        let refused_with_401 = v1::GetCurrentAppUserConnectionRequest {
            rejected_generation: Some(1),
            ..of("user")
        };
        let renewed = get(&tokend, "ada", refused_with_401).await.unwrap();
        assert_eq!(
            (&renewed.connection_id, renewed.generation),
            (&user.connection_id, 2)
        );
        assert_ne!(renewed.access_token, user.access_token);
        assert_eq!(get(&tokend, "ada", of("user")).await.unwrap(), renewed);
        assert_eq!(get(&tokend, "ada", of("")).await.unwrap(), main);
        assert_eq!(provider.books().renewed, ["person"]);

        let shown = connections(&tokend).await;
        let tokens: Vec<&str> = shown.iter().map(|row| row.token.as_str()).collect();
        assert_eq!(tokens, ["", "user"]);
        let listed = list(&tokend, "ada", Default::default()).await.unwrap();
        let [row] = listed.connections.as_slice() else {
            panic!("{listed:?}");
        };
        assert_eq!(row.connection_id, main.connection_id);
        assert_eq!(row.other_tokens, ["user"]);

        let gone = disconnect(&tokend, "ada", None).await.unwrap();
        assert!(gone.disconnected);
        assert_eq!(gone.provider_revocation(), v1::ProviderRevocation::Revoked);
        assert_eq!(provider.books().revoked, ["bot", "person"]);
        assert_eq!(connections(&tokend).await, []);
        for token in ["", "user"] {
            without(&tokend, token, "NOT_CONNECTED").await;
        }
        tokend.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_that_is_not_there_says_why() {
    let (tokend, provider) = (
        Tokend::start(Default::default()).await,
        TwoTokens::start().await,
    );
    without(&tokend, "", "NOT_CONNECTED").await;
    let one_only = without(&tokend, "user", "INVALID_FIELD").await;
    assert!(violations(&one_only)[0].1.contains("main token only"));

    at(&tokend, &provider).await;
    without(&tokend, "user", "NOT_CONNECTED").await;
    // What is kept while an import is verified has such a name.
    for other in ["bot", "USER", "(import)conn_1"] {
        let unknown = without(&tokend, other, "INVALID_FIELD").await;
        let [(field, why)] = violations(&unknown).try_into().unwrap();
        assert_eq!(field, "token");
        assert!(why.ends_with("beside its main one: user"), "{why}");
    }

    let before = connected(&tokend).await;
    let user = get(&tokend, "ada", of("user")).await.unwrap();
    let narrower = v1::ConnectAppUserRequest {
        scopes: vec!["chat".to_owned()],
        reconnect: true,
        ..wish(&tokend)
    };
    let returned = consented(&tokend, "ada", narrower).await;
    let after = complete(&tokend, "ada", &returned).await.unwrap();
    assert_eq!(
        (&after.connection_id, after.generation),
        (&before.connection_id, 2)
    );
    let missing = without(&tokend, "user", "SCOPE_NOT_GRANTED").await;
    assert!(missing.message().contains("user:"), "{missing:?}");
    assert!(get(&tokend, "ada", of("")).await.is_ok());
    let listed = list(&tokend, "ada", Default::default()).await.unwrap();
    assert!(listed.connections[0].other_tokens.is_empty());

    let again = v1::ConnectAppUserRequest {
        reconnect: true,
        ..wish(&tokend)
    };
    let returned = consented(&tokend, "ada", again).await;
    complete(&tokend, "ada", &returned).await.unwrap();
    let back = get(&tokend, "ada", of("user")).await.unwrap();
    assert_eq!(
        (&back.connection_id, back.generation),
        (&user.connection_id, 2)
    );
    tokend.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn operators_end_both_by_either() {
    let (tokend, provider) = (
        Tokend::start(Default::default()).await,
        TwoTokens::start().await,
    );
    at(&tokend, &provider).await;
    tokend.connect_shared().await;
    let user = tokend
        .backend
        .get_connection("simshared")
        .token("user")
        .await
        .unwrap();
    let main = tokend.backend.get_connection("simshared").await.unwrap();
    assert_ne!(user.access_token, main.access_token);

    let revoke = v1::RevokeConnectionRequest {
        connection_id: user.connection_id.clone(),
        ..Default::default()
    };
    let mut admin = tokend.operator.admin();
    let revoked = admin.revoke_connection(revoke).await.unwrap().into_inner();
    assert_eq!(
        revoked.provider_revocation(),
        v1::ProviderRevocation::Revoked
    );
    assert_eq!(
        revoked.connection.unwrap().connection_id,
        user.connection_id
    );
    let mut whose = provider.books().revoked.clone();
    whose.sort_unstable();
    assert_eq!(whose, ["bot", "person"]);
    refused(
        tokend.get().await,
        Code::FailedPrecondition,
        "NOT_CONNECTED",
    );

    connected(&tokend).await;
    let erase = v1::EraseUserRequest {
        app_user_id: "ada".to_owned(),
        dry_run: true,
    };
    let told = admin.erase_user(erase.clone()).await.unwrap().into_inner();
    let erase = v1::EraseUserRequest {
        dry_run: false,
        ..erase
    };
    let erased = admin.erase_user(erase).await.unwrap().into_inner();
    let ids = |answer: &v1::EraseUserResponse| -> Vec<String> {
        let told = answer.connections.iter();
        told.map(|it| it.connection_id.clone()).collect()
    };
    assert_eq!(ids(&erased).len(), 1);
    assert_eq!(ids(&told), ids(&erased));
    assert_eq!(provider.books().revoked.len(), 4);

    connected(&tokend).await;
    assert_eq!(needing_consent(&tokend, &["user:search"]).await, 0);
    for more in ["more", "user:more"] {
        assert_eq!(needing_consent(&tokend, &["chat", more]).await, 1, "{more}");
    }
    let delete = v1::DeleteConnectorRequest {
        connector_id: "users".to_owned(),
        force: true,
        ..Default::default()
    };
    let deleted = admin.delete_connector(delete).await.unwrap().into_inner();
    assert_eq!(deleted.deleted_connections, 1);
    assert_eq!(provider.books().revoked.len(), 6);
    tokend.stop().await;
}

/// How many have to consent again if `users` asks for these scopes.
async fn needing_consent(tokend: &Tokend, scopes: &[&str]) -> i32 {
    let mut admin = tokend.operator.admin();
    let get = v1::GetConnectorRequest {
        connector_id: "users".to_owned(),
    };
    let present = admin.get_connector(get).await.unwrap().into_inner();
    let plan = v1::ApplyConnectorsRequest {
        connectors: vec![v1::Connector {
            scopes: scopes.iter().map(|&scope| scope.to_owned()).collect(),
            ..present.connector.unwrap()
        }],
        dry_run: true,
        ..Default::default()
    };
    let planned = admin.apply_connectors(plan).await.unwrap().into_inner();
    planned.changes[0].connections_needing_consent
}
