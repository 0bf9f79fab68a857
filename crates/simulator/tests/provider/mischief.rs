//! What goes wrong by chance.

use std::time::{Duration, Instant};

use tokend_simulator::{Behaviour, Endpoint, Fault, Mischief, Rotation};

use crate::person::Person;

/// A provider that never rotates, so that every call can be the same.
async fn mischievous(mischief: Mischief) -> Person {
    Person::new(Behaviour {
        rotation: Rotation::None,
        mischief: Some(mischief),
        ..Behaviour::default()
    })
    .await
}

#[tokio::test]
async fn the_same_seed_goes_wrong_in_the_same_way() {
    let mischief = Mischief {
        seed: 42,
        lose_answer: 0.15,
        truncate_answer: 0.15,
        late_server_error: 0.1,
        close: 0.1,
        server_error: 0.1,
        too_many_requests: 0.1,
        spurious_invalid_grant: 0.1,
        ..Mischief::default()
    };
    let mut runs = Vec::new();
    for _ in 0..2 {
        let person = mischievous(mischief.clone()).await;
        let tokens = person.granted();
        let mut seen = Vec::new();
        for _ in 0..60 {
            let answer = person.refresh(&tokens.refresh).await;
            let status = answer.as_ref().ok().map(|answer| answer.status().as_u16());
            let whole = match answer {
                Ok(answer) => answer.bytes().await.is_ok(),
                Err(_) => false,
            };
            seen.push((status, whole));
        }
        let state = &person.simulator.ledger().family_states()[0];
        assert!(state.live && state.redemptions < state.presentations);
        runs.push((seen, state.redemptions));
    }
    assert_eq!(runs[0], runs[1]);
    for wanted in [
        (Some(200), true),
        (Some(200), false),
        (Some(400), true),
        (Some(429), true),
        (Some(500), true),
        (None, false),
    ] {
        assert!(runs[0].0.contains(&wanted), "{wanted:?} in {:?}", runs[0].0);
    }
}

#[tokio::test]
async fn a_delay_is_kept_and_a_script_goes_before_chance() {
    let delay = Duration::from_millis(30);
    let person = mischievous(Mischief {
        spurious_invalid_grant: 1.0,
        delay: Some(delay..=2 * delay),
        ..Mischief::default()
    })
    .await;
    let tokens = person.granted();
    let begun = Instant::now();
    let state = person.rejected(&tokens.refresh).await;
    assert!(begun.elapsed() >= delay);
    assert_eq!(
        (state.live, state.redeemable, state.redemptions),
        (true, 1, 0)
    );

    person
        .simulator
        .faults()
        .push(Endpoint::Token, Fault::status(418));
    assert_eq!(person.refresh(&tokens.refresh).await.unwrap().status(), 418);
    person
        .simulator
        .change(|behaviour| behaviour.mischief = None);
    person.refreshed(&tokens.refresh).await;
}
