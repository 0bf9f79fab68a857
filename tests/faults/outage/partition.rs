//! P-17: a replica is cut off from the database, and its callers are not cut off from it.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use futures::future::join_all;
use tokend_api::v1;
use tokend_client::Client;
use tonic::Status;

use super::{LONG, known_everywhere};
use crate::{
    accounts::{Account, connect},
    fleet::{Fleet, FleetOptions},
    hot::{ask, comes_back_later},
    provider_class::Class,
    scale::{asked, turn},
};

/// How often a replica asks what changed: it is behind by this much even when all is well.
const POLL: Duration = Duration::from_secs(2);

/// Between two looks at a replica.
const INTERVAL: Duration = Duration::from_millis(50);

/// What answering takes on a busy machine.
const SLACK: Duration = Duration::from_secs(1);

/// Far more than any limit here.
const PATIENCE: Duration = Duration::from_secs(60);

#[tokio::test(flavor = "multi_thread")]
async fn p17_a_partitioned_replica_stops_vending_at_the_stale_limit() {
    let Some(_turn) = turn().await else { return };
    let limit = Duration::from_secs(asked("STALE_LIMIT", 7));
    let mut fleet = Fleet::start(FleetOptions {
        replicas: 3,
        settings: vec![
            ("vending.stale_limit_seconds", limit.as_secs().to_string()),
            ("database.acquire_timeout_seconds", "1".to_owned()),
        ],
        proxied: true,
    })
    .await;
    let unlimited = &mut fleet.replicas[1];
    unlimited.terminate().await;
    unlimited.set("TOKEND_VENDING__STALE_LIMIT_SECONDS", "0");
    unlimited.start().await;
    let accounts = connect(&fleet, &[Class::Strict], 2, LONG).await;
    let [revoked, kept] = accounts.as_slice() else {
        panic!("two were asked for")
    };
    known_everywhere(&fleet, &accounts).await;

    fleet.proxies[0].swallow();
    fleet.proxies[1].cut();
    let began = Instant::now();
    revoke(&fleet.clients[2], revoked).await.unwrap();
    assert!(ask(&fleet.clients[2], revoked).await.is_err());
    let ends = join_all([0, 1].map(|number| {
        let client = &fleet.clients[number];
        last_vend(client, &accounts, began)
    }))
    .await;
    println!(
        "rig-outage: a replica cut off from the database vended for {:.1} s of at most {} s, and for {:.1} s where the limit is 0",
        ends[0].as_secs_f64(),
        limit.as_secs(),
        ends[1].as_secs_f64(),
    );
    assert!(ends[0] <= limit + SLACK, "{ends:?}");
    assert!(ends[0] >= limit - POLL - SLACK, "{ends:?}");
    assert!(ends[1] <= 2 * POLL + SLACK, "{ends:?}");

    fleet.proxies.iter().for_each(|proxy| proxy.open());
    for client in &fleet.clients {
        tokend_tests::eventually("what was kept is vended again", async || {
            ask(client, kept).await.ok()
        })
        .await;
        let refused = ask(client, revoked).await.unwrap_err();
        assert_eq!(
            refused.code(),
            tonic::Code::FailedPrecondition,
            "{refused:?}"
        );
    }
}

/// Asks until neither account is vended; answers when one last was.
async fn last_vend(client: &Client, accounts: &[Arc<Account>], began: Instant) -> Duration {
    let mut last = Duration::ZERO;
    loop {
        let asked = began.elapsed();
        assert!(asked < PATIENCE, "it vends for ever");
        let answers = join_all(accounts.iter().map(|account| ask(client, account))).await;
        let mut refused = answers.into_iter().filter_map(Result::err).peekable();
        if refused.peek().is_none() {
            last = began.elapsed();
        } else {
            refused.for_each(|status| comes_back_later(&status));
            return last;
        }
        tokio::time::sleep(INTERVAL).await;
    }
}

async fn revoke(client: &Client, account: &Account) -> Result<(), Status> {
    let request = v1::RevokeConnectionRequest {
        connection_id: account.connection_id.clone(),
        ..Default::default()
    };
    client.admin().revoke_connection(request).await.map(drop)
}
