//! P-01 and P-02: replicas are killed at any moment under load, and what is lost is what could not be kept.

mod kills;
mod verdict;

use std::time::{Duration, Instant};

use tokend_simulator::{Endpoint, Fault, Simulator};

use crate::{
    accounts::connect,
    fleet::{Fleet, FleetOptions},
    load::{Habits, Load},
    provider_class::Class,
    scale::{asked, chance, thousands, turn},
};
use verdict::Verdict;

/// Longer than an answer takes, and short enough that a dead holder's claim is free again soon.
const TIMEOUT: &str = "10";

/// How long a refusal is doubted before it is believed.
const CONFIRM_AFTER: &str = "2";

/// How long access tokens live: the shorter, the more is going on.
const LIFETIME: Duration = Duration::from_secs(8);

/// How often answers that the provider has made leave it: until then, a kill loses them.
const ANSWERS_LEAVE: Duration = Duration::from_millis(20);

#[tokio::test(flavor = "multi_thread")]
async fn p01_p02_kills_lose_nothing_but_what_was_in_flight_at_strict_providers() {
    let Some(_turn) = turn().await else { return };
    let kills = asked("KILLS", 12);
    let each = asked("CONNECTIONS", 60);
    let mut chance = chance();
    let mut fleet = Fleet::start(FleetOptions {
        settings: vec![
            ("oauth.timeout_seconds", TIMEOUT.to_owned()),
            ("vending.confirm_after_seconds", CONFIRM_AFTER.to_owned()),
        ],
        ..FleetOptions::default()
    })
    .await;
    let accounts = connect(&fleet, &Class::ALL, each, LIFETIME).await;
    println!("{} accounts are connected", accounts.len());

    let answers = hold_answers_a_little(&fleet.simulator);
    let habits = Habits {
        callers: 24,
        pause: Duration::from_millis(20),
        reports: 10,
        uses: 50,
    };
    let load = Load::start(&fleet, &accounts, &habits, &mut chance);
    let ledger = fleet.simulator.ledger();
    let (before, began) = (ledger.refreshes(), Instant::now());
    let in_flight = kills::again_and_again(&mut fleet, kills, &mut chance).await;
    let (refreshes, took) = (ledger.refreshes() - before, began.elapsed());
    let met = load.stop().await;
    answers.abort();
    for class in Class::ALL {
        let faults = fleet.simulator.faults_of(&class.client_id());
        faults.clear(Endpoint::Token);
        faults.release(Endpoint::Token);
    }
    println!("callers met: {met:?}");

    let verdict = Verdict::of(&fleet, &accounts).await;
    let rate = refreshes as f64 / took.as_secs_f64();
    println!(
        "rig-crash: {kills} kills, {} refreshes ({rate:.0}/s), lost {}",
        thousands(refreshes),
        verdict.figure(&in_flight)
    );
    assert!(met.vended > 0 && met.foreign == 0, "{met:?}");
    verdict.check(&fleet, &in_flight);
}

/// Holds each answer, after it was made, until the next of the moments at which answers leave.
fn hold_answers_a_little(simulator: &Simulator) -> tokio::task::JoinHandle<()> {
    let faults: Vec<_> = Class::ALL
        .map(|class| simulator.faults_of(&class.client_id()))
        .into();
    for faults in &faults {
        faults.always(Endpoint::Token, Some(Fault::HoldAnswer));
    }
    tokio::spawn(async move {
        let mut leaving = tokio::time::interval(ANSWERS_LEAVE);
        loop {
            leaving.tick().await;
            for faults in &faults {
                faults.release(Endpoint::Token);
            }
        }
    })
}
