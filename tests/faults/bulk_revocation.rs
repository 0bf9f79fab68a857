//! F-24: a replica that carries out a bulk revocation is killed; another goes on, and no grant is left at the provider.

use std::time::{Duration, Instant};

use tokend_api::v1::{
    BulkRevocation, BulkRevocationState, GetBulkRevocationRequest, StartBulkRevocationRequest,
};
use tokend_client::Client;

use crate::{
    accounts::connect,
    fleet::{Fleet, FleetOptions},
    provider_class::Class,
    scale::{asked, turn},
};

/// How long access tokens live.
const LIFETIME: Duration = Duration::from_secs(3600);

/// Longer than a job waits for its holder, and than it takes.
const PATIENCE: Duration = Duration::from_secs(60);

#[tokio::test(flavor = "multi_thread")]
async fn f24_a_killed_replica_s_bulk_revocation_is_gone_on_with() {
    let Some(_turn) = turn().await else { return };
    let connections = asked("CONNECTIONS", 120);
    let mut fleet = Fleet::start(FleetOptions {
        settings: vec![("oauth.max_calls_per_second", "20".to_owned())],
        ..FleetOptions::default()
    })
    .await;
    let class = Class::ALL[0];
    let accounts = connect(&fleet, &[class], connections, LIFETIME).await;
    let start = StartBulkRevocationRequest {
        integration_type: class.integration_type().to_owned(),
        ..Default::default()
    };
    let mut admin = fleet.clients[0].admin();
    let started = admin.start_bulk_revocation(start).await.unwrap();
    let job = started.into_inner().bulk_revocation.unwrap();
    assert_eq!(job.total_count, connections as i64);

    until(&fleet.clients[0], &job, |job| job.revoked_count >= 20).await;
    let holder = fleet
        .replicas
        .iter()
        .position(|replica| replica.logged("a bulk revocation goes on here"))
        .unwrap();
    fleet.replicas[holder].kill().await;
    let killed = Instant::now();
    let other = &fleet.clients[(holder + 1) % fleet.clients.len()];
    let left = until(other, &job, |_| true).await;
    assert_eq!(left.state(), BulkRevocationState::Running);
    let done = until(other, &job, |job| job.state() == BulkRevocationState::Done).await;
    println!(
        "F-24: killed at {} of {connections}, done {:.1} s later",
        left.revoked_count,
        killed.elapsed().as_secs_f64()
    );
    assert_eq!(
        (done.revoked_count, done.provider_failed_count),
        (connections as i64, 0)
    );
    let ledger = fleet.simulator.ledger();
    let alive = accounts
        .iter()
        .filter(|account| ledger.family_state(account.family).unwrap().live);
    assert_eq!(alive.count(), 0, "no grant is left at the provider");
}

async fn until(
    client: &Client,
    job: &BulkRevocation,
    is_there: impl Fn(&BulkRevocation) -> bool,
) -> BulkRevocation {
    let begun = Instant::now();
    loop {
        let get = GetBulkRevocationRequest {
            bulk_revocation_id: job.bulk_revocation_id.clone(),
        };
        let found = client.admin().get_bulk_revocation(get).await.unwrap();
        let found = found.into_inner().bulk_revocation.unwrap();
        if is_there(&found) {
            return found;
        }
        assert!(begun.elapsed() < PATIENCE, "{found:?}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}
