//! P-18: replicas are restarted one after the other, as at a deploy, while callers call.

use std::time::Duration;

use crate::{
    accounts::connect,
    fleet::{Fleet, FleetOptions},
    load::{Habits, Load},
    provider_class::Class,
    scale::{asked, chance, thousands, turn},
};

/// How long access tokens live.
const LIFETIME: Duration = Duration::from_secs(60);

/// How long a replica works between two restarts.
const WORKS: Duration = Duration::from_millis(500);

#[tokio::test(flavor = "multi_thread")]
async fn p18_rolling_restarts_fail_no_vend_and_lose_no_rotation() {
    let Some(_turn) = turn().await else { return };
    let restarts = asked("RESTARTS", 3);
    let each = asked("CONNECTIONS", 20);
    let mut chance = chance();
    let mut fleet = Fleet::start(FleetOptions::default()).await;
    let accounts = connect(&fleet, &Class::ALL, each, LIFETIME).await;
    let ledger = fleet.simulator.ledger();
    let before = ledger.refreshes();
    let habits = Habits {
        callers: 16,
        pause: Duration::from_millis(10),
        reports: 5,
        uses: 20,
    };
    let load = Load::start(&fleet, &accounts, &habits, &mut chance);
    for number in 0..restarts {
        tokio::time::sleep(WORKS).await;
        let replicas = fleet.replicas.len();
        let replica = &mut fleet.replicas[number % replicas];
        let ended = replica.terminate().await;
        assert!(ended.success(), "{ended}");
        replica.start().await;
    }
    let met = load.stop().await;

    // Whoever holds the newest refresh token can renew: a rotation that was lost shows here.
    let mut lost = 0;
    for account in &accounts {
        let renewed = account.refresh(&fleet.clients[0]).await;
        let state = ledger.family_state(account.family).unwrap();
        lost += usize::from(renewed.is_err() || !state.live || state.reuses > 0);
    }
    println!(
        "rig-restart: {restarts} restarts, {} vends, {} failed, {} refreshes, {lost} rotations lost, slowest vend {:.1} s",
        thousands(met.vended),
        met.failed.values().sum::<usize>(),
        thousands(ledger.refreshes() - before),
        met.slowest.as_secs_f64(),
    );
    assert!(
        met.failed.is_empty() && met.foreign == 0 && met.dead == 0,
        "{met:?}"
    );
    assert_eq!(lost, 0);
}
