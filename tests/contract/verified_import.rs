//! Imports that are verified: only a grant that proves good takes the place of what is there.

use std::collections::HashMap;

use tokend_api::v1;
use tokend_simulator::{Endpoint, Fault, IssuedTokens, Rotation};
use tokend_tests::{Database, Options, Tokend};
use tonic::{Code, Status};

use crate::answers::{metadata, on_each_database, only_connection, refused, violations};

const SCOPES: &[&str] = &["events.read"];

async fn on(database: Database) -> Tokend {
    Tokend::start(Options {
        database,
        ..Options::default()
    })
    .await
}

fn verified(grant: &IssuedTokens) -> v1::ImportConnectionRequest {
    v1::ImportConnectionRequest {
        connector_id: "simshared".to_owned(),
        access_token: grant.access_token.clone(),
        refresh_token: grant.refresh_token.clone().unwrap(),
        scopes: SCOPES.iter().map(|&scope| scope.to_owned()).collect(),
        verify: true,
        tags: HashMap::from([("from".to_owned(), "elsewhere".to_owned())]),
        ..Default::default()
    }
}

async fn import(
    tokend: &Tokend,
    request: v1::ImportConnectionRequest,
) -> Result<v1::Connection, Status> {
    let imported = tokend.operator.admin().import_connection(request).await?;
    Ok(imported.into_inner().connection.unwrap())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_grant_is_renewed_before_it_becomes_a_connection() {
    on_each_database(async |database| {
        let tokend = on(database).await;
        let grant = tokend.simulator.grant("client-of-simshared", "ada", SCOPES);
        let gate = tokend.simulator.faults().hold(Endpoint::Token);
        let mut admin = tokend.operator.admin();
        let request = verified(&grant);
        let first = tokio::spawn(async move { admin.import_connection(request).await });
        gate.waiting(1).await;
        let early = tokend.get().await.unwrap_err();
        refused::<()>(Err(early), Code::FailedPrecondition, "NOT_CONNECTED");
        gate.open();
        let imported = first.await.unwrap().unwrap().into_inner();
        let imported = imported.connection.unwrap();
        assert_eq!(imported.account.as_ref().unwrap().email, "ada@example.com");
        assert_eq!(imported.tags["from"], "elsewhere");
        assert_eq!(imported.token, "");
        let vended = tokend.get().await.unwrap();
        assert_ne!(vended.access_token, grant.access_token);
        let ledger = tokend.simulator.ledger();
        assert!(ledger.is_access_token_live(&vended.access_token));

        // Who did not hear the answer imports again.
        let again = import(&tokend, verified(&grant)).await.unwrap();
        assert_eq!(again.connection_id, imported.connection_id);
        assert_eq!((ledger.refreshes(), ledger.reuses()), (1, 0));
        assert_eq!(only_connection(&tokend).await, again);
        tokend.stop().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_grant_that_proves_good_takes_the_place_of_what_is_there() {
    on_each_database(async |database| {
        let tokend = on(database).await;
        let before = tokend.connect_shared().await;
        let old = tokend.get().await.unwrap();
        let grant = tokend
            .simulator
            .grant("client-of-simshared", "grace", SCOPES);
        let imported = import(&tokend, verified(&grant)).await.unwrap();
        assert_eq!(imported.connection_id, before.connection_id);
        assert_eq!(imported.account.as_ref().unwrap().id, "grace");
        assert_eq!(only_connection(&tokend).await, imported);
        let vended = tokend.get().await.unwrap();
        assert_ne!(vended.access_token, old.access_token);
        let ledger = tokend.simulator.ledger();
        assert!(ledger.is_access_token_live(&vended.access_token));
        // It goes on from there.
        let renewed = tokend
            .get_with(crate::answers::instead_of(vended.generation))
            .await
            .unwrap();
        assert!(ledger.is_access_token_live(&renewed.access_token));
        assert_eq!(ledger.reuses(), 0);
        tokend.stop().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_grant_that_is_refused_replaces_nothing_and_leaves_nothing() {
    on_each_database(async |database| {
        let tokend = on(database).await;
        tokend.connect_shared().await;
        let before = only_connection(&tokend).await;
        let dead = tokend
            .simulator
            .grant("client-of-simshared", "grace", SCOPES);
        tokend.simulator.revoke_by_user("grace");
        let status = refused(
            import(&tokend, verified(&dead)).await,
            Code::FailedPrecondition,
            "REAUTHORIZATION_REQUIRED",
        );
        assert_eq!(metadata(&status, "connectionId"), "");
        assert_eq!(only_connection(&tokend).await, before);
        tokend.get().await.unwrap();

        let good = tokend
            .simulator
            .grant("client-of-simshared", "grace", SCOPES);
        let faults = tokend.simulator.faults();
        faults.push(Endpoint::Token, Fault::too_many_requests(1));
        let limited = import(&tokend, verified(&good)).await;
        refused(limited, Code::Unavailable, "PROVIDER_RATE_LIMITED");
        assert_eq!(only_connection(&tokend).await, before);
        tokend.stop().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_may_have_been_redeemed_is_kept_until_it_is_imported_again() {
    on_each_database(async |database| {
        let tokend = Tokend::start(Options {
            database,
            rotation: "stays_valid",
            ..Options::default()
        })
        .await;
        tokend
            .simulator
            .change(|behaviour| behaviour.rotation = Rotation::None);
        let grant = tokend.simulator.grant("client-of-simshared", "ada", SCOPES);
        let faults = tokend.simulator.faults();
        faults.push(Endpoint::Token, Fault::LoseAnswer);
        let lost = import(&tokend, verified(&grant)).await;
        refused(lost, Code::Unavailable, "PROVIDER_UNAVAILABLE");
        let kept = only_connection(&tokend).await;
        assert!(kept.token.starts_with("(import)"), "{}", kept.token);
        let nothing = tokend.get().await.unwrap_err();
        refused::<()>(Err(nothing), Code::FailedPrecondition, "NOT_CONNECTED");

        let imported = crate::answers::eventually("it may be tried again", async || {
            import(&tokend, verified(&grant)).await.ok()
        })
        .await;
        assert_eq!(imported.connection_id, kept.connection_id);
        assert_eq!(only_connection(&tokend).await.token, "");
        tokend.get().await.unwrap();
        tokend.stop().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_verified_is_told() {
    let tokend = on(Database::Sqlite).await;
    let grant = tokend.simulator.grant("client-of-simshared", "ada", SCOPES);
    let mut without = verified(&grant);
    without.refresh_token.clear();
    let status = refused(
        import(&tokend, without).await,
        Code::InvalidArgument,
        "INVALID_FIELD",
    );
    assert_eq!(violations(&status), ["refresh_token"]);
    let mut learned = verified(&grant);
    learned
        .learned_config
        .insert("team_id".to_owned(), "T1".to_owned());
    let status = refused(
        import(&tokend, learned).await,
        Code::InvalidArgument,
        "CONNECTION_CONFIG_INVALID",
    );
    assert_eq!(violations(&status), ["connection_config.team_id"]);
    let stored = v1::ImportConnectionRequest {
        verify: false,
        access_token: String::new(),
        ..verified(&grant)
    };
    tokend.simulator.revoke_by_user("ada");
    let status = refused(
        import(&tokend, stored).await,
        Code::FailedPrecondition,
        "REAUTHORIZATION_REQUIRED",
    );
    // That one is there, and is tried again.
    let there = only_connection(&tokend).await.connection_id;
    assert_eq!(metadata(&status, "connectionId"), there);
    tokend.stop().await;
}
