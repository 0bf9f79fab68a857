//! An app user's way: connecting, coming back, completing, getting a token, disconnecting.

use std::time::Duration;

use tokend_api::v1;
use tokend_simulator::{Account, Endpoint, Fault};
use tokend_tests::{Options, Tokend, databases};
use tonic::Code;

use crate::{
    answers::{help_url, refused},
    calls::{
        complete, connect, connections, consented, disconnect, get, nothing_was_redeemed, returned,
        start, wish,
    },
};

const PRECONDITION: Code = Code::FailedPrecondition;

#[tokio::test(flavor = "multi_thread")]
async fn connecting_ends_in_a_token() {
    for database in databases() {
        let tokend = start(database).await;
        let started = connect(&tokend, "ada", wish(&tokend)).await.unwrap();
        let tickets = format!("{}/oauth/start/", tokend.public_url());
        assert!(started.redirect_url.starts_with(&tickets));
        assert_eq!(started.already_connected, None);
        let pending = get(&tokend, "ada", Default::default()).await;
        refused(pending, PRECONDITION, "AUTHORIZATION_PENDING");

        let page = tokend.browse(&started.redirect_url).await;
        let back = page.final_url.as_str();
        assert!(back.starts_with(&tokend.simulator.app_return_url()));
        nothing_was_redeemed(&tokend).await;
        let pending = get(&tokend, "ada", Default::default()).await;
        refused(pending, PRECONDITION, "AUTHORIZATION_PENDING");

        let returned = returned(&tokend, &started.authorization_id).await;
        let connection = complete(&tokend, "ada", &returned).await.unwrap();
        assert_eq!(connection.app_user_id, "ada");
        assert_eq!(connection.connector_id, "users");
        assert_eq!(connection.status(), v1::ConnectionStatus::Authorized);
        assert_eq!(
            connection.account.as_ref().unwrap().email,
            "ada@example.com"
        );
        let vended = get(&tokend, "ada", Default::default()).await.unwrap();
        assert_eq!(vended.connection_id, connection.connection_id);
        assert_eq!(
            (vended.generation, vended.token_type.as_str()),
            (1, "Bearer")
        );
        assert_eq!(vended.scopes, ["events.read"]);
        let ledger = tokend.simulator.ledger();
        assert!(ledger.is_access_token_live(&vended.access_token));
        assert_eq!(ledger.token_calls(), 1);

        let again = connect(&tokend, "ada", wish(&tokend)).await.unwrap();
        let already = v1::AlreadyConnected {
            connection_id: connection.connection_id,
        };
        assert_eq!(
            again,
            v1::ConnectAppUserResponse {
                already_connected: Some(already),
                ..Default::default()
            }
        );
        tokend.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn reconnecting_keeps_the_connection_and_raises_the_generation() {
    for database in databases() {
        let tokend = start(database).await;
        let first = tokend.connect_user("ada").await;
        let old = get(&tokend, "ada", Default::default()).await.unwrap();
        let reconnect = v1::ConnectAppUserRequest {
            reconnect: true,
            ..wish(&tokend)
        };
        let returned = consented(&tokend, "ada", reconnect).await;
        let meanwhile = get(&tokend, "ada", Default::default()).await.unwrap();
        assert_eq!(meanwhile, old, "the old connection works until then");

        let second = complete(&tokend, "ada", &returned).await.unwrap();
        assert_eq!(second.connection_id, first.connection_id);
        let new = get(&tokend, "ada", Default::default()).await.unwrap();
        assert_eq!(
            (new.connection_id, new.generation),
            (first.connection_id, 2)
        );
        assert_ne!(new.access_token, old.access_token);
        assert_eq!(connections(&tokend).await.len(), 1, "{database:?}");
        tokend.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refused_reconnect_leaves_the_old_connection_as_it_was() {
    let tokend = Tokend::start(Options::default()).await;
    tokend.connect_user("ada").await;
    let old = get(&tokend, "ada", Default::default()).await.unwrap();
    tokend
        .simulator
        .change(|b| b.consent = tokend_simulator::Consent::Denied);
    let reconnect = v1::ConnectAppUserRequest {
        reconnect: true,
        ..wish(&tokend)
    };
    let started = connect(&tokend, "ada", reconnect).await.unwrap();
    tokend.browse(&started.redirect_url).await;
    let still = get(&tokend, "ada", Default::default()).await.unwrap();
    assert_eq!(still, old);
    tokend.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn two_users_keep_apart() {
    for database in databases() {
        let tokend = start(database).await;
        let ada = tokend.connect_user("ada").await;
        let nobody = get(&tokend, "bob", Default::default()).await;
        refused(nobody, PRECONDITION, "NOT_CONNECTED");

        tokend.simulator.change(|b| {
            b.account = Account {
                sub: "user-2".to_owned(),
                email: "bob@example.com".to_owned(),
                name: "Bob Example".to_owned(),
            }
        });
        let bob = tokend.connect_user("bob").await;
        assert_ne!(ada.connection_id, bob.connection_id);
        let adas = get(&tokend, "ada", Default::default()).await.unwrap();
        let bobs = get(&tokend, "bob", Default::default()).await.unwrap();
        assert_eq!(adas.connection_id, ada.connection_id);
        assert_eq!(bobs.connection_id, bob.connection_id);
        assert_eq!(adas.account.unwrap().email, "ada@example.com");
        assert_eq!(bobs.account.unwrap().email, "bob@example.com");
        let ledger = tokend.simulator.ledger();
        assert_ne!(
            ledger.family_of(&adas.access_token).unwrap(),
            ledger.family_of(&bobs.access_token).unwrap()
        );

        assert!(disconnect(&tokend, "ada", None).await.unwrap().disconnected);
        let bobs = get(&tokend, "bob", Default::default()).await.unwrap();
        assert!(ledger.is_access_token_live(&bobs.access_token));
        tokend.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn labels_tell_connections_apart() {
    let tokend = Tokend::start(Options::default()).await;
    let default = tokend.connect_user("ada").await;
    let labelled = v1::ConnectAppUserRequest {
        label: Some("work".to_owned()),
        ..wish(&tokend)
    };
    let returned = consented(&tokend, "ada", labelled).await;
    let work = complete(&tokend, "ada", &returned).await.unwrap();
    assert_eq!(work.label, "work");
    assert_ne!(work.connection_id, default.connection_id);

    let with_label = |label: &str| v1::GetCurrentAppUserConnectionRequest {
        label: Some(label.to_owned()),
        ..Default::default()
    };
    let vended = get(&tokend, "ada", with_label("work")).await.unwrap();
    assert_eq!(vended.connection_id, work.connection_id);
    let vended = get(&tokend, "ada", Default::default()).await.unwrap();
    assert_eq!(vended.connection_id, default.connection_id);
    let unknown = get(&tokend, "ada", with_label("home")).await;
    refused(unknown, Code::NotFound, "CONNECTION_NOT_FOUND");
    let others = get(&tokend, "bob", with_label("work")).await;
    refused(others, Code::NotFound, "CONNECTION_NOT_FOUND");

    let gone = disconnect(&tokend, "ada", Some("work")).await.unwrap();
    assert!(gone.disconnected);
    let vended = get(&tokend, "ada", Default::default()).await.unwrap();
    assert_eq!(vended.connection_id, default.connection_id);
    tokend.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn disconnecting_leaves_nothing_here_and_nothing_alive_there() {
    for database in databases() {
        let tokend = start(database).await;
        tokend.connect_user("ada").await;
        let vended = get(&tokend, "ada", Default::default()).await.unwrap();
        let ledger = tokend.simulator.ledger();

        let answer = disconnect(&tokend, "ada", None).await.unwrap();
        assert!(answer.disconnected);
        let revoked = v1::ProviderRevocation::Revoked;
        assert_eq!(answer.provider_revocation(), revoked);
        assert_eq!(ledger.live_grants().len(), 0, "{:?}", ledger.grants());
        assert!(!ledger.is_access_token_live(&vended.access_token));
        assert_eq!(connections(&tokend).await, []);
        let after = get(&tokend, "ada", Default::default()).await;
        refused(after, PRECONDITION, "NOT_CONNECTED");

        let again = disconnect(&tokend, "ada", None).await.unwrap();
        assert!(!again.disconnected, "{database:?}");
        tokend.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_provider_that_cannot_revoke_now_keeps_nobody_connected() {
    let tokend = Tokend::start(Options::default()).await;
    tokend.connect_user("ada").await;
    tokend
        .simulator
        .faults()
        .push(Endpoint::Revoke, Fault::status(500));
    let answer = disconnect(&tokend, "ada", None).await.unwrap();
    let failed = v1::ProviderRevocation::Failed;
    assert_eq!(
        (answer.disconnected, answer.provider_revocation()),
        (true, failed)
    );
    assert_eq!(connections(&tokend).await, []);
    tokend.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn missing_consent_comes_with_a_link_that_works() {
    for database in databases() {
        let tokend = start(database).await;
        let without = get(&tokend, "ada", Default::default()).await;
        let status = refused(without, PRECONDITION, "NOT_CONNECTED");
        assert_eq!(help_url(&status), None);

        let with_link = || v1::GetCurrentAppUserConnectionRequest {
            connect_return_url: tokend.simulator.app_return_url(),
            ..Default::default()
        };
        let missing = get(&tokend, "ada", with_link()).await;
        let status = refused(missing, PRECONDITION, "NOT_CONNECTED");
        let link = help_url(&status).unwrap();
        let page = tokend.browse(&link).await;
        let id = page.query("authorization_id").unwrap();
        let returned = returned(&tokend, &id).await;
        complete(&tokend, "ada", &returned).await.unwrap();
        let vended = get(&tokend, "ada", with_link()).await.unwrap();
        assert_eq!(vended.generation, 1, "{database:?}");
        tokend.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dead_grant_comes_with_a_link_that_revives_the_connection() {
    let tokend = Tokend::start(Options {
        configure: |config| config.vending.confirm_after_seconds = 1,
        ..Options::default()
    })
    .await;
    let connection = tokend.connect_user("ada").await;
    tokend.simulator.revoke_by_user("user-1");
    let complaint = || v1::GetCurrentAppUserConnectionRequest {
        rejected_generation: Some(1),
        connect_return_url: tokend.simulator.app_return_url(),
        ..Default::default()
    };
    let status = crate::answers::eventually("the grant is given up", async || {
        let error = get(&tokend, "ada", complaint()).await.unwrap_err();
        (tokend_tests::reason(&error) == "REAUTHORIZATION_REQUIRED").then_some(error)
    })
    .await;
    let page = tokend.browse(&help_url(&status).unwrap()).await;
    let returned = returned(&tokend, &page.query("authorization_id").unwrap()).await;
    let revived = complete(&tokend, "ada", &returned).await.unwrap();
    assert_eq!(revived.connection_id, connection.connection_id);
    let vended = get(&tokend, "ada", Default::default()).await.unwrap();
    assert!(
        tokend
            .simulator
            .ledger()
            .is_access_token_live(&vended.access_token)
    );
    tokend.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_attempt_lives_for_ten_minutes_unless_configured() {
    let tokend = Tokend::start(Options::default()).await;
    let started = connect(&tokend, "ada", wish(&tokend)).await.unwrap();
    let request = v1::GetAuthorizationRequest {
        authorization_id: started.authorization_id,
        wait_time: None,
    };
    let answer = tokend.operator.admin().get_authorization(request).await;
    let attempt = answer.unwrap().into_inner().authorization.unwrap();
    let time = |time: Option<prost_types::Timestamp>| {
        std::time::SystemTime::try_from(time.unwrap()).unwrap()
    };
    let lifetime = time(attempt.expire_time).duration_since(time(attempt.create_time));
    assert_eq!(lifetime.unwrap(), Duration::from_secs(600));
    assert_eq!(attempt.expire_time, started.expire_time);
    assert_eq!(attempt.app_user_id, "ada");
    tokend.stop().await;
}
