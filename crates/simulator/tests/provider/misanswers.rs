//! The table of odd answers, each made over a socket and looked at by a naive client.

use std::{collections::BTreeSet, error::Error, io};

use reqwest::StatusCode;
use serde_json::Value;
use tokend_simulator::{Behaviour, Endpoint, Fault, Misanswer, Outcome};

use crate::person::Person;

/// What a naive client sees: a status and a body, or nothing whole.
type Seen = Option<(StatusCode, Vec<u8>)>;

#[tokio::test]
async fn every_odd_answer_is_what_its_row_says() {
    let person = Person::new(Behaviour::default()).await;
    let ledger = person.simulator.ledger();
    for misanswer in Misanswer::all() {
        let tokens = person.granted();
        person
            .simulator
            .faults()
            .push(Endpoint::Token, misanswer.fault());
        let seen = call(&person, &tokens.refresh).await;
        let name = misanswer.name;
        assert!(
            agrees(misanswer.outcome, &seen),
            "{name}: {:?}",
            misanswer.outcome
        );
        assert_eq!(
            ledger.redemptions_of(&tokens.refresh),
            usize::from(misanswer.processed),
            "{name}"
        );
        assert_eq!(
            ledger.is_redeemable(&tokens.refresh),
            !misanswer.processed,
            "{name}"
        );
    }
}

#[test]
fn the_table_has_sixty_rows_of_every_class_and_no_name_twice() {
    let names: BTreeSet<_> = Misanswer::all().iter().map(|row| row.name).collect();
    assert!(names.len() >= 60 && names.len() == Misanswer::all().len());
    let outcomes: Vec<_> = Misanswer::all().iter().map(|row| row.outcome).collect();
    for outcome in [
        Outcome::RateLimited,
        Outcome::GrantRejected,
        Outcome::ClientRejected,
        Outcome::RequestRejected,
        Outcome::Ambiguous,
        Outcome::Garbage,
        Outcome::Success,
        Outcome::SuccessKeepingRefreshToken,
        Outcome::SuccessWithoutIdentity,
    ] {
        assert!(outcomes.contains(&outcome), "{outcome:?}");
    }
    assert!(Misanswer::named("204").is_some_and(|row| row.processed));
}

#[tokio::test]
async fn a_reset_is_told_from_a_close() {
    let person = Person::new(Behaviour::default()).await;
    for processed in [true, false] {
        let tokens = person.granted();
        let faults = person.simulator.faults();
        faults.push(Endpoint::Token, Fault::Reset { processed });
        let failed = person.refresh(&tokens.refresh).await.unwrap_err();
        assert!(is_reset(&failed), "{failed:?}");
        let redemptions = person.simulator.ledger().redemptions_of(&tokens.refresh);
        assert_eq!(redemptions, usize::from(processed));
    }
    let tokens = person.granted();
    person
        .simulator
        .faults()
        .push(Endpoint::Token, Fault::LoseAnswer);
    let failed = person.refresh(&tokens.refresh).await.unwrap_err();
    assert!(!is_reset(&failed), "{failed:?}");
}

async fn call(person: &Person, refresh_token: &str) -> Seen {
    let response = person.refresh(refresh_token).await.ok()?;
    let status = response.status();
    Some((status, response.bytes().await.ok()?.to_vec()))
}

/// Whether an answer has what its class is told by.
fn agrees(outcome: Outcome, seen: &Seen) -> bool {
    let Some((status, body)) = seen else {
        return outcome == Outcome::Ambiguous;
    };
    let text = String::from_utf8_lossy(body);
    let json: Option<Value> = serde_json::from_str(text.trim_start_matches('\u{feff}')).ok();
    let member = |name: &str| json.as_ref().and_then(|json| json[name].as_str());
    let has = |name: &str, prefix| member(name).is_some_and(|token| token.starts_with(prefix));
    let usable = *status == 200 && has("access_token", "at-sim-") && member("error").is_none();
    let successor = has("refresh_token", "rt-sim-");
    match outcome {
        Outcome::RateLimited => *status == 429 || *status == 503,
        Outcome::GrantRejected => text.contains("invalid_grant"),
        Outcome::ClientRejected => *status == 401 || text.contains("_client"),
        Outcome::RequestRejected => status.is_redirection() || status.is_client_error(),
        // The one of 16 MiB is good but for its size.
        Outcome::Ambiguous | Outcome::Garbage => !usable || body.len() > 1 << 20,
        Outcome::Success => usable && successor,
        Outcome::SuccessKeepingRefreshToken => usable && !successor,
        Outcome::SuccessWithoutIdentity => usable && successor && text.contains("id_token"),
    }
}

fn is_reset(failed: &reqwest::Error) -> bool {
    let mut cause = failed.source();
    while let Some(error) = cause {
        let io = error.downcast_ref::<io::Error>();
        if io.is_some_and(|io| io.kind() == io::ErrorKind::ConnectionReset) {
            return true;
        }
        cause = error.source();
    }
    false
}
