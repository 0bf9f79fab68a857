//! What the ledger knows: per grant, per refresh token, per client, and within bounded memory.

use tokend_simulator::{Behaviour, Endpoint, Fault, Rotation, SimulatorOptions};

use crate::person::Person;

#[tokio::test]
async fn a_lost_answer_is_undelivered_and_what_it_costs_depends_on_the_class() {
    for (rotation, recoverable) in [(Rotation::Strict, false), (Rotation::Additive, true)] {
        let person = Person::new(Behaviour {
            rotation,
            ..Behaviour::default()
        })
        .await;
        let first = person.granted();
        let second = person.refreshed(&first.refresh).await;
        let ledger = person.simulator.ledger();
        // The answer is here before the provider has written down that it left.
        let delivered = |refresh: &str| ledger.refresh_token_state(refresh).unwrap().delivered;
        ledger.wait_until(|_| delivered(&second.refresh)).await;
        let family = ledger.family_of(&first.refresh).unwrap();
        let state = ledger.family_state(family).unwrap();
        assert!(state.newest_delivered && state.recoverable);

        for fault in [
            Fault::LoseAnswer,
            Fault::TruncateAnswer,
            Fault::Reset { processed: true },
            Fault::processed(500, "text/plain", ""),
            Fault::without("refresh_token"),
        ] {
            let held = person.refreshed(&person.granted().refresh).await.refresh;
            ledger.wait_until(|_| delivered(&held)).await;
            let name = format!("{fault:?}");
            person.simulator.faults().push(Endpoint::Token, fault);
            if let Ok(answer) = person.refresh(&held).await {
                _ = answer.bytes().await;
            }
            let state = ledger
                .family_state(ledger.family_of(&held).unwrap())
                .unwrap();
            assert_eq!(
                (state.generation, state.newest_delivered),
                (3, false),
                "{name}"
            );
            assert_eq!(state.recoverable, recoverable, "{name}");
        }
        // An odd answer in which the tokens stand was delivered all the same.
        let tokens = person.granted();
        let oddity = Fault::with("expires_in", "-1");
        person.simulator.faults().push(Endpoint::Token, oddity);
        let next = person.refreshed(&tokens.refresh).await.refresh;
        ledger.wait_until(|_| delivered(&next)).await;
    }
}

#[tokio::test]
async fn an_answer_that_the_client_does_not_wait_for_is_undelivered() {
    let person = std::sync::Arc::new(Person::new(Behaviour::default()).await);
    let tokens = person.granted();
    let (faults, ledger) = (person.simulator.faults(), person.simulator.ledger());
    faults.push(Endpoint::Token, Fault::HoldAnswer);
    let caller = std::sync::Arc::clone(&person);
    let refresh_token = tokens.refresh.clone();
    let call = tokio::spawn(async move { caller.refresh(&refresh_token).await });
    faults.waiting(Endpoint::Token, 1).await;
    call.abort();
    let family = ledger.family_of(&tokens.refresh).unwrap();
    ledger
        .wait_until(|ledger| {
            let finished = |event: &tokend_simulator::Event| {
                matches!(
                    event.what,
                    tokend_simulator::Happening::RefreshFinished { .. }
                )
            };
            ledger.events().iter().any(finished)
        })
        .await;
    let state = ledger.family_state(family).unwrap();
    assert!(state.live && state.redeemable == 1 && !state.recoverable);
}

#[tokio::test]
async fn calls_are_counted_by_grant_token_and_client() {
    let person = Person::new(Behaviour::default()).await;
    let (first, idle) = (person.granted(), person.granted());
    let second = person.refreshed(&first.refresh).await;
    person.refreshed(&second.refresh).await;
    person.rejected(&first.refresh).await;

    let ledger = person.simulator.ledger();
    let [family, idle] = [&first, &idle].map(|tokens| ledger.family_of(&tokens.refresh).unwrap());
    let redemptions = ledger.redemptions_by_family();
    assert_eq!((redemptions[&family], redemptions[&idle]), (2, 0));
    let state = ledger.family_state(family).unwrap();
    assert_eq!(
        (state.presentations, state.redemptions, state.reuses),
        (3, 2, 1)
    );
    let token = ledger.refresh_token_state(&first.refresh).unwrap();
    assert_eq!(
        (token.presentations, token.redemptions, token.reuses),
        (2, 1, 1)
    );
    assert!(token.delivered && !token.redeemable);
    assert_eq!(ledger.refresh_token_state("rt-sim-guessed"), None);
    assert_eq!(
        (ledger.most_redemptions(), ledger.most_presentations()),
        (1, 2)
    );

    assert_eq!(ledger.token_calls_of("client-1"), 3);
    let times = ledger.token_call_times("client-1");
    assert!(times.len() == 3 && times.is_sorted());
    assert!((1..=3).contains(&ledger.busiest_second("client-1")));
    assert_eq!(ledger.token_calls_of("somebody"), 0);
    assert!(ledger.token_call_times("somebody").is_empty());
}

#[tokio::test]
async fn a_call_before_its_retry_after_is_noticed() {
    let person = Person::new(Behaviour::default()).await;
    let tokens = person.granted();
    let (faults, ledger) = (person.simulator.faults(), person.simulator.ledger());
    faults.push(Endpoint::Token, Fault::too_many_requests(0));
    faults.push(Endpoint::Token, Fault::unavailable(3600));
    for _ in 0..2 {
        person.refresh(&tokens.refresh).await.unwrap();
        assert_eq!(ledger.early_calls("client-1"), 0);
    }
    person.refreshed(&tokens.refresh).await;
    assert_eq!(
        (ledger.early_calls("client-1"), ledger.early_calls("other")),
        (1, 0)
    );
}

#[tokio::test]
async fn events_and_secrets_can_be_forgotten_and_the_counts_stay() {
    let person = Person::at(SimulatorOptions {
        kept_events: 3,
        keeps_secrets: false,
        ..SimulatorOptions::default()
    })
    .await;
    let mut refresh_token = person.granted().refresh;
    for _ in 0..5 {
        refresh_token = person.refreshed(&refresh_token).await.refresh;
    }
    let ledger = person.simulator.ledger();
    assert_eq!((ledger.token_calls(), ledger.refreshes()), (5, 5));
    assert_eq!(ledger.token_call_times("client-1").len(), 3);
    let events = ledger.events();
    assert!(events.len() == 3 && events[0].sequence > 20);
    assert!(ledger.secrets_issued().is_empty());
}
