//! P-05: a replica is stopped in the middle of a refresh for longer than its claim lasts, and goes on then.

use std::{sync::Arc, time::Duration};

use tokend_api::v1::ConnectionStatus;
use tokend_client::Connection;
use tokend_simulator::{Endpoint, FamilyState, Fault};
use tokend_tests::eventually;

use crate::{
    accounts::{Account, connect},
    fleet::{Fleet, FleetOptions},
    provider_class::Class,
    scale::turn,
};

/// Access tokens outlive the test.
const LIFETIME: Duration = Duration::from_secs(3600);

/// How long a caller is ready to wait for another replica's claim to end.
const PATIENCE: Duration = Duration::from_secs(40);

/// The generation that everybody begins with.
const FIRST: u32 = 1;

/// Token calls take two seconds at most, and claims last five longer: the shortest there are.
fn options() -> FleetOptions {
    FleetOptions {
        replicas: 2,
        settings: vec![
            ("vending.renew_ahead", "false".to_owned()),
            ("vending.claim_wait_seconds", "30".to_owned()),
            ("oauth.timeout_seconds", "2".to_owned()),
            ("oauth.connect_timeout_seconds", "1".to_owned()),
        ],
        proxied: true,
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn p05_a_paused_holder_overwrites_nothing_and_its_answer_is_kept() {
    let Some(_turn) = turn().await else { return };
    let mut options = options();
    // Whoever waits for the answer still does when the other has taken over.
    options
        .settings
        .retain(|(key, _)| !key.starts_with("oauth"));
    let mut fleet = Fleet::start(options).await;
    let classes = [Class::StaysValid, Class::Overlap, Class::UntilSuccessorUsed];
    let accounts = connect(&fleet, &classes, 1, LIFETIME).await;

    for account in &accounts {
        hold_answer(&fleet, account).await;
    }
    fleet.replicas[0].pause().await;
    for account in &accounts {
        let taken_over = renew(&fleet, 1, account).await.unwrap();
        assert_eq!(taken_over.generation, FIRST + 1, "{account:?}");
        assert_eq!(orphans(&fleet, account).await, 0);
    }
    for account in &accounts {
        faults(&fleet, account).release(Endpoint::Token);
    }
    fleet.replicas[0].resume().await;

    for account in &accounts {
        eventually("the late answer is kept", async || {
            (orphans(&fleet, account).await == 1).then_some(())
        })
        .await;
        let state = state(&fleet, account);
        assert_eq!((state.redemptions, state.reuses), (2, 0), "{state:?}");
        works_at_both(&fleet, account, FIRST + 1).await;
    }
    println!(
        "rig-pause: {} holders stopped past their claims, {} late answers kept, 0 generations overwritten",
        accounts.len(),
        accounts.len()
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn p05_a_holder_paused_before_its_commit_loses_no_rotation_of_a_strict_provider() {
    let Some(_turn) = turn().await else { return };
    let mut fleet = Fleet::start(options()).await;
    let accounts = connect(&fleet, &[Class::Strict], 1, LIFETIME).await;
    let account = &accounts[0];

    hold_answer(&fleet, account).await;
    fleet.proxies[0].swallow();
    faults(&fleet, account).release(Endpoint::Token);
    eventually("the answer is in the journal", async || {
        fleet.replicas[0].has_journaled().then_some(())
    })
    .await;
    fleet.replicas[0].pause().await;
    refused_while_in_doubt(&fleet, account).await;
    fleet.replicas[0].resume().await;
    fleet.proxies[0].open();

    arrives_after_all(&fleet, account).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn p05_a_holder_paused_in_its_call_loses_no_rotation_of_a_strict_provider() {
    let Some(_turn) = turn().await else { return };
    let mut fleet = Fleet::start(options()).await;
    let accounts = connect(&fleet, &[Class::Strict], 1, LIFETIME).await;
    let account = &accounts[0];

    hold_answer(&fleet, account).await;
    fleet.replicas[0].pause().await;
    faults(&fleet, account).release(Endpoint::Token);
    eventually("the answer has arrived", async || {
        state(&fleet, account).newest_delivered.then_some(())
    })
    .await;
    refused_while_in_doubt(&fleet, account).await;
    fleet.replicas[0].resume().await;

    arrives_after_all(&fleet, account).await;
}

/// Lets a caller of the first replica report the token, and holds the answer to the refresh that follows.
async fn hold_answer(fleet: &Fleet, account: &Arc<Account>) {
    let faults = faults(fleet, account);
    faults.push(Endpoint::Token, Fault::HoldAnswer);
    let (client, account) = (fleet.clients[0].clone(), account.clone());
    // What this caller is told does not matter; nor that it goes away.
    tokio::spawn(async move { account.get(&client, Some(FIRST)).await });
    faults.waiting(Endpoint::Token, 1).await;
}

/// Reports the first token at a replica, and waits for another.
async fn renew(
    fleet: &Fleet,
    replica: usize,
    account: &Account,
) -> Result<Connection, tokend_client::Error> {
    let client = fleet.clients[replica].with_timeout(PATIENCE);
    account.get(&client, Some(FIRST)).await
}

/// The other replica takes over, and knows that it must not redeem what may have been redeemed.
async fn refused_while_in_doubt(fleet: &Fleet, account: &Account) {
    let in_doubt = "SELECT uncertain_since IS NOT NULL FROM connections WHERE id = $1";
    let client = fleet.clients[1].with_timeout(Duration::from_secs(2));
    eventually("the other replica takes over", async || {
        assert!(account.get(&client, Some(FIRST)).await.is_err());
        let in_doubt: bool = sqlx::query_scalar(in_doubt)
            .bind(&account.connection_id)
            .fetch_one(&fleet.database)
            .await
            .unwrap();
        in_doubt.then_some(())
    })
    .await;
    assert_eq!(state(fleet, account).presentations, 1);
    // The token that the account was connected with still works, and who has not been refused gets it.
    let present = account.get(&fleet.clients[1], None).await.unwrap();
    assert_eq!(present.generation, FIRST);
}

/// The late answer is what the connection lives on: nothing was lost, and nothing redeemed twice.
async fn arrives_after_all(fleet: &Fleet, account: &Account) {
    eventually("the late answer is committed", async || {
        let described = account.describe(&fleet.clients[1]).await.unwrap();
        assert_eq!(described.status(), ConnectionStatus::Authorized);
        (described.generation == FIRST + 1).then_some(())
    })
    .await;
    let state = state(fleet, account);
    assert_eq!((state.presentations, state.reuses), (1, 0), "{state:?}");
    works_at_both(fleet, account, FIRST + 1).await;
}

/// Both replicas vend the generation, and it can be renewed.
async fn works_at_both(fleet: &Fleet, account: &Account, generation: u32) {
    let ledger = fleet.simulator.ledger();
    for replica in 0..2 {
        let vended = renew(fleet, replica, account).await.unwrap();
        assert_eq!(vended.generation, generation);
        assert!(ledger.is_access_token_live(vended.access_token.expose()));
    }
    let renewed = account.refresh(&fleet.clients[0]).await.unwrap();
    assert_eq!(renewed.generation, generation + 1);
}

async fn orphans(fleet: &Fleet, account: &Account) -> i64 {
    sqlx::query_scalar("SELECT count(*) FROM orphans WHERE connection_id = $1")
        .bind(&account.connection_id)
        .fetch_one(&fleet.database)
        .await
        .unwrap()
}

fn faults(fleet: &Fleet, account: &Account) -> tokend_simulator::Faults {
    fleet.simulator.faults_of(&account.class.client_id())
}

fn state(fleet: &Fleet, account: &Account) -> FamilyState {
    fleet
        .simulator
        .ledger()
        .family_state(account.family)
        .unwrap()
}
