use std::{sync::Arc, time::Duration};

use tokend_simulator::{Behaviour, Endpoint, Fault, Happening};

use crate::person::{Person, Tokens, error};

#[tokio::test]
async fn canned_answers_come_once_each_in_order_and_leave_the_grant_alone() {
    let person = Person::new(Behaviour::default()).await;
    let tokens = person.connect().await;
    let faults = person.simulator.faults();
    let script = [
        Fault::too_many_requests(7),
        Fault::error(400, "invalid_grant"),
        Fault::error(200, "temporarily_unavailable"),
        Fault::html(),
        Fault::redirect("http://127.0.0.1:9/elsewhere"),
        Fault::huge_body(1 << 20),
    ];
    script
        .into_iter()
        .for_each(|fault| faults.push(Endpoint::Token, fault));

    let refused = person.refresh(&tokens.refresh).await.unwrap();
    assert_eq!(
        (refused.status().as_u16(), &refused.headers()["retry-after"]),
        (429, &"7".parse().unwrap())
    );
    assert_eq!(
        error(person.refresh(&tokens.refresh).await.unwrap()).await,
        (400, "invalid_grant".to_owned())
    );
    assert_eq!(
        error(person.refresh(&tokens.refresh).await.unwrap()).await,
        (200, "temporarily_unavailable".to_owned())
    );
    assert_eq!(
        person.refresh(&tokens.refresh).await.unwrap().headers()["content-type"],
        "text/html"
    );
    assert_eq!(person.refresh(&tokens.refresh).await.unwrap().status(), 302);
    assert_eq!(
        person
            .refresh(&tokens.refresh)
            .await
            .unwrap()
            .bytes()
            .await
            .unwrap()
            .len(),
        1 << 20
    );
    assert_eq!(faults.pending(Endpoint::Token), 0);

    let ledger = person.simulator.ledger();
    assert_eq!(
        (
            ledger.redemptions_of(&tokens.refresh),
            ledger.presentations_of(&tokens.refresh)
        ),
        (0, 6)
    );
    Tokens::of(person.refresh(&tokens.refresh).await.unwrap()).await;
}

#[tokio::test]
async fn a_closed_connection_did_not_redeem_and_a_lost_answer_did() {
    let person = Person::new(Behaviour::default()).await;
    let tokens = person.connect().await;
    let (faults, ledger) = (person.simulator.faults(), person.simulator.ledger());
    faults.push(Endpoint::Token, Fault::Close);
    assert!(person.refresh(&tokens.refresh).await.is_err());
    assert_eq!(ledger.redemptions_of(&tokens.refresh), 0);
    faults.push(Endpoint::Token, Fault::LoseAnswer);
    assert!(person.refresh(&tokens.refresh).await.is_err());
    assert_eq!(ledger.redemptions_of(&tokens.refresh), 1);
    assert!(!ledger.is_redeemable(&tokens.refresh));
}

#[tokio::test]
async fn truncated_dripped_and_mislabelled_answers_are_processed() {
    let person = Person::new(Behaviour::default()).await;
    let tokens = person.connect().await;
    let faults = person.simulator.faults();
    faults.push(Endpoint::Token, Fault::Mislabel("text/plain".to_owned()));
    faults.push(Endpoint::Token, Fault::Drip(Duration::from_millis(1)));
    faults.push(Endpoint::Token, Fault::TruncateAnswer);

    let mislabelled = person.refresh(&tokens.refresh).await.unwrap();
    assert_eq!(mislabelled.headers()["content-type"], "text/plain");
    let second = Tokens::of(mislabelled).await;
    let third = Tokens::of(person.refresh(&second.refresh).await.unwrap()).await;
    // The head and the first half arrive, the rest never does.
    let mut truncated = person.refresh(&third.refresh).await.unwrap();
    let announced = truncated.content_length().unwrap();
    let half = truncated.chunk().await.unwrap().unwrap();
    assert!(!half.is_empty() && (half.len() as u64) < announced);
    assert!(truncated.chunk().await.is_err());
    assert_eq!(person.simulator.ledger().redemptions_of(&third.refresh), 1);
}

#[tokio::test]
async fn a_gate_shows_overlapping_redemptions() {
    let person = Arc::new(Person::new(Behaviour::default()).await);
    let tokens = person.connect().await;
    let gate = person.simulator.faults().hold(Endpoint::Token);
    let calls: Vec<_> = (0..2)
        .map(|_| {
            let (person, refresh) = (Arc::clone(&person), tokens.refresh.clone());
            tokio::spawn(async move { person.refresh(&refresh).await.unwrap().status().as_u16() })
        })
        .collect();
    gate.waiting(2).await;
    let ledger = person.simulator.ledger();
    assert_eq!(
        (
            ledger.presentations_of(&tokens.refresh),
            ledger.redemptions_of(&tokens.refresh)
        ),
        (2, 0)
    );
    gate.open();
    let mut statuses = futures::future::try_join_all(calls).await.unwrap();
    statuses.sort_unstable();
    assert_eq!(statuses, [200, 400]);
    assert_eq!(
        (
            ledger.overlapping_refreshes(),
            ledger.most_presentations(),
            ledger.reuses()
        ),
        (1, 2, 1)
    );
}

#[tokio::test]
async fn a_held_answer_was_redeemed_and_a_hung_request_was_not() {
    let person = Arc::new(Person::new(Behaviour::default()).await);
    let tokens = person.connect().await;
    let (faults, ledger) = (person.simulator.faults(), person.simulator.ledger());
    let refresh = |refresh_token: &str| {
        let (person, refresh_token) = (Arc::clone(&person), refresh_token.to_owned());
        tokio::spawn(async move { person.refresh(&refresh_token).await.unwrap() })
    };
    faults.push(Endpoint::Token, Fault::Hang);
    let call = refresh(&tokens.refresh);
    faults.waiting(Endpoint::Token, 1).await;
    assert_eq!(ledger.redemptions_of(&tokens.refresh), 0);
    faults.release(Endpoint::Token);
    let second = Tokens::of(call.await.unwrap()).await;

    faults.push(Endpoint::Token, Fault::HoldAnswer);
    let call = refresh(&second.refresh);
    faults.waiting(Endpoint::Token, 1).await;
    assert_eq!(ledger.redemptions_of(&second.refresh), 1);
    call.abort();
    // The client went away: the ledger sees the end of the call.
    let finished = |events: &[tokend_simulator::Event]| {
        events
            .iter()
            .filter(|event| matches!(event.what, Happening::RefreshFinished { .. }))
            .count()
    };
    ledger
        .wait_until(|ledger| finished(&ledger.events()) == 2)
        .await;
}

#[tokio::test]
async fn a_standing_fault_lasts_until_it_is_ended() {
    let person = Person::new(Behaviour::default()).await;
    let tokens = person.connect().await;
    let faults = person.simulator.faults();
    faults.always(Endpoint::Token, Some(Fault::status(503)));
    for _ in 0..3 {
        assert_eq!(person.refresh(&tokens.refresh).await.unwrap().status(), 503);
    }
    faults.clear(Endpoint::Token);
    Tokens::of(person.refresh(&tokens.refresh).await.unwrap()).await;
}

#[tokio::test]
async fn shutdown_ends_hung_requests_and_frees_the_port() {
    let person = Person::new(Behaviour::default()).await;
    let tokens = person.connect().await;
    let faults = person.simulator.faults();
    faults.push(Endpoint::Token, Fault::Hang);
    let base_url = person.simulator.base_url().to_owned();
    let call = person.http.post(format!("{base_url}/token"));
    let call = call.basic_auth("client-1", Some(&person.client.secret));
    let call = call.form(&[
        ("grant_type", "refresh_token"),
        ("refresh_token", &tokens.refresh),
    ]);
    let call = tokio::spawn(call.send());
    faults.waiting(Endpoint::Token, 1).await;
    let waited = tokio::time::timeout(Duration::from_secs(4), person.simulator.shutdown()).await;
    assert!(waited.is_ok());
    assert!(
        call.await
            .unwrap()
            .is_ok_and(|response| response.status() == 503)
    );
    assert!(person.http.get(base_url).send().await.is_err());
}
