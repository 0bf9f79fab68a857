//! Grants that another system obtained become connections, and lose nothing on the way.

use std::time::Duration;

use tokend_api::v1;
use tokend_client::Client;
use tokend_simulator::{Endpoint, Fault, IssuedTokens, Rotation};
use tokend_tests::{Database, Options, Tokend};
use tokio::task::JoinHandle;
use tonic::{Code, Request, Status};

use crate::answers::{
    eventually, instead_of, now, on_each_database, only_connection, refused, until_less_is_left,
    violations,
};

const SCOPES: &[&str] = &["events.read"];

#[tokio::test(flavor = "multi_thread")]
async fn an_imported_grant_is_vended_as_it_came_and_renewed_when_it_has_to_be() {
    on_each_database(async |database| {
        let tokend = on(database).await;
        let grant = tokend.simulator.grant("client-of-simshared", "ada", SCOPES);
        let imported = import(&tokend, with_both_tokens(&grant)).await.unwrap();
        assert_eq!(imported.status(), v1::ConnectionStatus::Authorized);
        assert_eq!(
            (imported.generation, imported.scopes.as_slice()),
            (1, &["events.read".to_owned()][..])
        );
        // Asked from the provider.
        assert_eq!(imported.account.as_ref().unwrap().email, "ada@example.com");
        assert_eq!(only_connection(&tokend).await, imported);

        let vended = tokend.get().await.unwrap();
        assert_eq!(vended.access_token, grant.access_token);
        assert_eq!(
            (vended.token_type.as_str(), vended.warnings.len()),
            ("Bearer", 0)
        );
        assert_eq!(tokend.simulator.ledger().token_calls(), 0);
        let renewed = tokend.get_with(instead_of(1)).await.unwrap();
        assert_eq!(renewed.generation, 2);
        assert!(
            tokend
                .simulator
                .ledger()
                .is_access_token_live(&renewed.access_token)
        );
        tokend.stop().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refresh_token_alone_is_redeemed_before_the_answer_and_once() {
    on_each_database(async |database| {
        let tokend = on(database).await;
        let grant = tokend.simulator.grant("client-of-users", "ada", SCOPES);
        let user = v1::ImportConnectionRequest {
            connector_id: "users".to_owned(),
            app_user_id: "ada".to_owned(),
            ..with_the_refresh_token(&grant)
        };
        let imported = import(&tokend, user.clone()).await.unwrap();
        assert_eq!(
            (imported.generation, imported.app_user_id.as_str()),
            (2, "ada")
        );
        assert_eq!(imported.account.as_ref().unwrap().id, "ada");
        let vended = tokend.get_for(&tokend.user_token("ada")).await.unwrap();
        let ledger = tokend.simulator.ledger();
        assert!(ledger.is_access_token_live(&vended.access_token));
        assert_eq!(ledger.refreshes(), 1);

        // Who did not hear the answer imports again: the spent token must neither be redeemed nor replace the living.
        let again = import(&tokend, user).await.unwrap();
        assert_eq!(
            (&again.connection_id, again.generation),
            (&imported.connection_id, 2)
        );
        assert_eq!(
            (
                ledger.refreshes(),
                ledger.reuses(),
                ledger.live_grants().len()
            ),
            (1, 0, 1)
        );
        tokend.stop().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn importing_what_is_there_changes_nothing_while_its_access_token_works() {
    on_each_database(async |database| {
        let tokend = on(database).await;
        let short = Some(Duration::from_secs(1));
        tokend.simulator.change(|behaviour| {
            behaviour.rotation = Rotation::None;
            behaviour.access_token_lifetime = short;
        });
        let grant = tokend.simulator.grant("client-of-simshared", "ada", SCOPES);
        let before = import(&tokend, with_the_refresh_token(&grant))
            .await
            .unwrap();
        tokend
            .simulator
            .change(|behaviour| behaviour.access_token_lifetime = Some(Duration::from_secs(3600)));
        until_less_is_left(before.expire_time, Duration::from_nanos(1)).await;
        // Nobody has a use for what ran out, whatever the line says of it.
        let renewed = import(&tokend, with_both_tokens(&grant)).await.unwrap();
        assert_eq!((before.generation, renewed.generation), (2, 3));
        let ledger = tokend.simulator.ledger();
        for line in [with_both_tokens(&grant), with_the_refresh_token(&grant)] {
            assert_eq!(import(&tokend, line).await.unwrap(), renewed);
        }
        assert_eq!(ledger.refreshes(), 2);
        let vended = tokend.get().await.unwrap();
        assert!(ledger.is_access_token_live(&vended.access_token));
        tokend.stop().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn importing_again_while_the_provider_is_slow_redeems_the_grant_once() {
    on_each_database(async |database| {
        let tokend = on(database).await;
        let grant = tokend.simulator.grant("client-of-simshared", "ada", SCOPES);
        let gate = tokend.simulator.faults().hold(Endpoint::Token);
        let first = spawn_import(&tokend.operator, with_the_refresh_token(&grant));
        gate.waiting(1).await;
        let before = only_connection(&tokend).await;
        // Whoever does not wait for it reruns it, with and without an access token.
        for line in [with_the_refresh_token(&grant), with_both_tokens(&grant)] {
            let mut hurried = Request::new(line);
            hurried.set_timeout(Duration::from_millis(500));
            let given_up = tokend.operator.admin().import_connection(hurried).await;
            given_up.unwrap_err();
        }
        let again = spawn_import(&tokend.operator, with_the_refresh_token(&grant));
        assert_eq!(only_connection(&tokend).await, before);
        gate.open();
        for imported in [first, again] {
            assert_eq!(imported.await.unwrap().unwrap().generation, 2);
        }
        redeemed_once(&tokend).await;
        tokend.stop().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn importing_again_through_another_replica_waits_for_the_one_that_redeems() {
    on_each_database(async |database| {
        let tokend = Tokend::start(Options {
            database,
            configure: |config| config.vending.claim_wait_seconds = 0,
            ..Options::default()
        })
        .await;
        let (other, _) = tokend.replica().await;
        let elsewhere = tokend.operator_at(&other).await;
        let grant = tokend.simulator.grant("client-of-simshared", "ada", SCOPES);
        let gate = tokend.simulator.faults().hold(Endpoint::Token);
        let first = spawn_import(&tokend.operator, with_the_refresh_token(&grant));
        gate.waiting(1).await;
        let before = only_connection(&tokend).await;
        for line in [with_the_refresh_token(&grant), with_both_tokens(&grant)] {
            let again = spawn_import(&elsewhere, line);
            eventually("the other replica answers", async || {
                again.is_finished().then_some(())
            })
            .await;
            let busy = again.await.unwrap();
            refused(busy, Code::Unavailable, "REFRESH_IN_PROGRESS");
            assert_eq!(only_connection(&tokend).await, before);
        }
        gate.open();
        assert_eq!(first.await.unwrap().unwrap().generation, 2);
        let again = spawn_import(&elsewhere, with_the_refresh_token(&grant));
        assert_eq!(again.await.unwrap().unwrap().generation, 2);
        redeemed_once(&tokend).await;
        other.stop().await;
        tokend.stop().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_grant_imported_over_one_that_is_under_way_is_redeemed_before_the_answer() {
    on_each_database(async |database| {
        let tokend = on(database).await;
        let wrong = tokend
            .simulator
            .grant("client-of-simshared", "grace", SCOPES);
        let right = tokend.simulator.grant("client-of-simshared", "ada", SCOPES);
        let gate = tokend.simulator.faults().hold(Endpoint::Token);
        let first = spawn_import(&tokend.operator, with_the_refresh_token(&wrong));
        gate.waiting(1).await;
        let second = spawn_import(&tokend.operator, with_the_refresh_token(&right));
        eventually("the grant is another one", async || {
            (only_connection(&tokend).await.generation == 2).then_some(())
        })
        .await;
        gate.open();
        first.await.unwrap().unwrap();
        let imported = second.await.unwrap().unwrap();
        assert_eq!(imported.generation, 3);
        assert_eq!(imported.account.unwrap().id, "ada");
        let vended = tokend.get().await.unwrap();
        let ledger = tokend.simulator.ledger();
        assert!(ledger.is_access_token_live(&vended.access_token));
        tokend.stop().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_that_is_there_gets_the_imported_grant_in_its_place() {
    on_each_database(async |database| {
        let tokend = on(database).await;
        let before = tokend.connect_shared().await;
        tokend.get().await.unwrap();
        let grant = tokend
            .simulator
            .grant("client-of-simshared", "grace", SCOPES);
        let imported = import(&tokend, with_both_tokens(&grant)).await.unwrap();
        assert_eq!(
            (&imported.connection_id, imported.generation),
            (&before.connection_id, 2)
        );
        assert_eq!(imported.account.unwrap().id, "grace");
        assert_eq!(tokend.get().await.unwrap().access_token, grant.access_token);
        let labelled = v1::ImportConnectionRequest {
            label: Some("second".to_owned()),
            ..with_both_tokens(&grant)
        };
        let labelled = import(&tokend, labelled).await.unwrap();
        assert_ne!(labelled.connection_id, before.connection_id);
        tokend.stop().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_importer_knows_is_not_asked_and_not_knowing_is_no_failure() {
    let tokend = on(Database::Sqlite).await;
    let faults = tokend.simulator.faults();
    let grant = tokend.simulator.grant("client-of-simshared", "ada", SCOPES);
    let told = v1::ImportConnectionRequest {
        account: Some(v1::Account {
            id: "told".to_owned(),
            ..Default::default()
        }),
        expire_time: None,
        ..with_both_tokens(&grant)
    };
    let imported = import(&tokend, told).await.unwrap();
    assert_eq!(imported.account.as_ref().unwrap().id, "told");
    assert_eq!(imported.expire_time, None);

    faults.push(Endpoint::Userinfo, Fault::status(500));
    let other = tokend.simulator.grant("client-of-simshared", "bob", SCOPES);
    let unknown = import(&tokend, with_both_tokens(&other)).await.unwrap();
    assert_eq!((unknown.account, unknown.generation), (None, 2));
    assert_eq!(faults.pending(Endpoint::Userinfo), 0);
    tokend.get().await.unwrap();
    tokend.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_grant_that_cannot_be_renewed_says_why_and_is_tried_again() {
    on_each_database(async |database| {
        let tokend = on(database).await;
        let grant = tokend.simulator.grant("client-of-simshared", "ada", SCOPES);
        let faults = tokend.simulator.faults();
        faults.push(Endpoint::Token, Fault::too_many_requests(1));
        let limited = import(&tokend, with_the_refresh_token(&grant)).await;
        refused(limited, Code::Unavailable, "PROVIDER_RATE_LIMITED");
        assert_eq!(
            only_connection(&tokend).await.status(),
            v1::ConnectionStatus::Expired
        );
        // No token was ever there: nothing empty may be handed out before one is.
        let vended = eventually("the provider is asked again", async || {
            tokend.get().await.ok()
        })
        .await;
        assert!(
            tokend
                .simulator
                .ledger()
                .is_access_token_live(&vended.access_token)
        );
        assert_eq!(only_connection(&tokend).await.generation, 2);

        let dead = tokend
            .simulator
            .grant("client-of-simshared", "grace", SCOPES);
        tokend.simulator.revoke_by_user("grace");
        let gone = import(&tokend, with_the_refresh_token(&dead)).await;
        refused(gone, Code::FailedPrecondition, "REAUTHORIZATION_REQUIRED");
        assert!(tokend.get().await.is_err());
        tokend.stop().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn importing_again_does_not_make_a_doubtful_refresh_token_a_good_one() {
    on_each_database(async |database| {
        let tokend = on(database).await;
        let grant = tokend.simulator.grant("client-of-simshared", "ada", SCOPES);
        let faults = tokend.simulator.faults();
        // Redeemed, and the answer is lost: a strict provider takes what follows for theft.
        faults.push(Endpoint::Token, Fault::LoseAnswer);
        let lost = import(&tokend, with_the_refresh_token(&grant)).await;
        refused(lost, Code::Unavailable, "PROVIDER_UNAVAILABLE");
        let before = only_connection(&tokend).await;
        for line in [with_the_refresh_token(&grant), with_both_tokens(&grant)] {
            assert!(import(&tokend, line).await.is_err());
            let after = only_connection(&tokend).await;
            assert_eq!(
                (after.generation, after.authorize_time),
                (1, before.authorize_time)
            );
        }
        tokend.stop().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_caller_that_goes_away_loses_no_imported_grant() {
    let tokend = on(Database::Sqlite).await;
    let grant = tokend.simulator.grant("client-of-simshared", "ada", SCOPES);
    let gate = tokend.simulator.faults().hold(Endpoint::Token);
    let mut admin = tokend.operator.admin();
    let request = with_the_refresh_token(&grant);
    let caller = tokio::spawn(async move { admin.import_connection(request).await });
    gate.waiting(1).await;
    caller.abort();
    assert!(caller.await.unwrap_err().is_cancelled());
    gate.open();
    eventually("the grant is renewed without its caller", async || {
        let connection = only_connection(&tokend).await;
        (connection.generation == 2 && connection.account.is_some()).then_some(())
    })
    .await;
    assert_eq!(tokend.simulator.ledger().refreshes(), 1);
    tokend.get().await.unwrap();
    tokend.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_wrong_with_an_import_is_told_and_nothing_is_stored() {
    let tokend = on(Database::Sqlite).await;
    let grant = tokend.simulator.grant("client-of-simshared", "ada", SCOPES);
    let good = with_both_tokens(&grant);
    let of_users = v1::ImportConnectionRequest {
        connector_id: "users".to_owned(),
        ..good.clone()
    };
    for (field, change) in [
        (
            "access_token",
            &(|it: &mut v1::ImportConnectionRequest| {
                it.access_token.clear();
                it.refresh_token.clear();
            }) as &dyn Fn(&mut v1::ImportConnectionRequest),
        ),
        ("access_token", &|it| it.access_token.push('\n')),
        ("refresh_token", &|it| it.refresh_token.push('\u{e9}')),
        ("scopes", &|it| it.scopes.push("events read".to_owned())),
        ("app_user_id", &|it| it.app_user_id = "ada".to_owned()),
        ("app_user_id", &|it| *it = of_users.clone()),
        ("connector_id", &|it| it.connector_id.clear()),
        ("expire_time", &|it| {
            it.expire_time.as_mut().unwrap().seconds = i64::MAX
        }),
        ("expire_time", &|it| {
            it.expire_time.as_mut().unwrap().nanos = -1
        }),
    ] {
        let mut request = good.clone();
        change(&mut request);
        let status = refused(
            import(&tokend, request).await,
            Code::InvalidArgument,
            "INVALID_FIELD",
        );
        assert_eq!(violations(&status), [field]);
        let text = format!("{status:?}");
        assert!(!text.contains(&grant.access_token), "{text}");
    }
    let mut config = good.clone();
    config
        .connection_config
        .insert("subdomain".to_owned(), "acme".to_owned());
    refused(
        import(&tokend, config).await,
        Code::InvalidArgument,
        "CONNECTION_CONFIG_INVALID",
    );
    let elsewhere = v1::ImportConnectionRequest {
        connector_id: "elsewhere".to_owned(),
        ..good.clone()
    };
    refused(
        import(&tokend, elsewhere).await,
        Code::NotFound,
        "CONNECTOR_NOT_FOUND",
    );

    let mut connectors = tokend.connectors();
    for connector in &mut connectors.connectors {
        connector.disabled = true;
    }
    tokend
        .operator
        .admin()
        .apply_connectors(connectors)
        .await
        .unwrap();
    refused(
        import(&tokend, good).await,
        Code::FailedPrecondition,
        "CONNECTOR_DISABLED",
    );

    let list = v1::ListConnectionsRequest::default();
    let listed = tokend
        .operator
        .admin()
        .list_connections(list)
        .await
        .unwrap();
    assert_eq!(listed.into_inner().connections, []);
    let mut backend = tokend.backend.admin();
    let nothing = v1::ImportConnectionRequest::default();
    let answer = backend.import_connection(nothing).await;
    refused(answer, Code::PermissionDenied, "CALLER_NOT_ALLOWED");
    tokend.stop().await;
}

async fn on(database: Database) -> Tokend {
    Tokend::start(Options {
        database,
        ..Options::default()
    })
    .await
}

async fn import(
    tokend: &Tokend,
    request: v1::ImportConnectionRequest,
) -> Result<v1::Connection, Status> {
    let imported = tokend.operator.admin().import_connection(request).await?;
    Ok(imported.into_inner().connection.unwrap())
}

fn spawn_import(
    operator: &Client,
    request: v1::ImportConnectionRequest,
) -> JoinHandle<Result<v1::Connection, Status>> {
    let mut admin = operator.admin();
    tokio::spawn(async move {
        let imported = admin.import_connection(request).await?;
        Ok(imported.into_inner().connection.unwrap())
    })
}

/// The grant was presented once, and what it was redeemed for is vended.
async fn redeemed_once(tokend: &Tokend) {
    let vended = tokend.get().await.unwrap();
    let ledger = tokend.simulator.ledger();
    assert!(ledger.is_access_token_live(&vended.access_token));
    assert_eq!(
        (
            vended.generation,
            ledger.refreshes(),
            ledger.reuses(),
            ledger.live_grants().len()
        ),
        (2, 1, 0, 1)
    );
}

fn with_both_tokens(grant: &IssuedTokens) -> v1::ImportConnectionRequest {
    let lifetime = grant.lifetime.unwrap_or(Duration::MAX);
    v1::ImportConnectionRequest {
        access_token: grant.access_token.clone(),
        expire_time: Some((now() + lifetime).into()),
        ..with_the_refresh_token(grant)
    }
}

fn with_the_refresh_token(grant: &IssuedTokens) -> v1::ImportConnectionRequest {
    v1::ImportConnectionRequest {
        connector_id: "simshared".to_owned(),
        refresh_token: grant.refresh_token.clone().unwrap(),
        ..Default::default()
    }
}
