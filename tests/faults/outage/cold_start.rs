//! P-28: all replicas start anew while the provider is away.

use std::time::Duration;

use futures::future::join_all;
use tokend_simulator::{Endpoint, Fault};
use tokend_tests::eventually;

use super::{LONG, known_everywhere, provider_calls};
use crate::{
    accounts::connect,
    fleet::{Fleet, FleetOptions},
    hot::{ask, told},
    provider_class::Class,
    replica::Replica,
    scale::{asked, turn},
};

/// Runs out before the replicas are back.
const SHORT: Duration = Duration::from_secs(2);

#[tokio::test(flavor = "multi_thread")]
async fn p28_all_replicas_start_with_the_provider_away_and_vend_what_is_unexpired() {
    let Some(_turn) = turn().await else { return };
    let each = asked("CONNECTIONS", 10);
    let mut fleet = Fleet::start(FleetOptions {
        settings: vec![("oauth.timeout_seconds", "10".to_owned())],
        ..FleetOptions::default()
    })
    .await;
    let unexpired = [Class::StaysValid, Class::Overlap, Class::UntilSuccessorUsed];
    let unexpired = connect(&fleet, &unexpired, each, LONG).await;
    let faults = fleet.simulator.faults_of(&Class::Strict.client_id());
    faults.always(Endpoint::Token, Some(Fault::Hang));
    let run_out = connect(&fleet, &[Class::Strict], 1, SHORT).await;
    known_everywhere(&fleet, &unexpired).await;

    join_all(fleet.replicas.iter_mut().map(Replica::kill)).await;
    join_all(fleet.replicas.iter_mut().map(Replica::start)).await;
    let before = provider_calls(&fleet);
    let mut vended = 0;
    for client in &fleet.clients {
        for account in &unexpired {
            let token = ask(client, account).await.unwrap();
            let ledger = fleet.simulator.ledger();
            assert!(ledger.is_access_token_live(&token.access_token));
            vended += 1;
        }
    }
    // What has run out is nowhere to be had; what says so says when to come back.
    eventually("it is refused", async || {
        let refused = ask(&fleet.clients[0], &run_out[0]).await.err()?;
        let why = told(&refused);
        assert!(why.starts_with("Unavailable "), "{refused:?}");
        Some(())
    })
    .await;
    println!(
        "rig-outage: {} replicas started with the provider away, {vended} of {vended} unexpired tokens vended, {} provider calls",
        fleet.replicas.len(),
        provider_calls(&fleet) - before,
    );
}
