//! The provider classes: what becomes of a refresh token that was redeemed, or was not for long.

use std::time::Duration;

use serde_json::Value;
use tokend_simulator::{Behaviour, Rotation};

use crate::person::Person;

const LONG: Duration = Duration::from_secs(3600);

async fn with(rotation: Rotation) -> Person {
    Person::new(Behaviour {
        rotation,
        ..Behaviour::default()
    })
    .await
}

#[tokio::test]
async fn an_additive_provider_issues_new_tokens_and_keeps_the_old() {
    let person = with(Rotation::Additive).await;
    let first = person.granted();
    let second = person.refreshed(&first.refresh).await;
    let third = person.refreshed(&second.refresh).await;
    let again = person.refreshed(&first.refresh).await;
    assert!(
        ![&first, &second, &third]
            .map(|t| &t.refresh)
            .contains(&&again.refresh)
    );
    let ledger = person.simulator.ledger();
    assert_eq!(
        (ledger.reuses(), ledger.family_states()[0].redeemable),
        (0, 4)
    );
}

#[tokio::test]
async fn an_overlap_forgives_the_immediate_predecessor_only() {
    let person = with(Rotation::Overlap { window: LONG }).await;
    let first = person.granted();
    let second = person.refreshed(&first.refresh).await;
    let third = person.refreshed(&second.refresh).await;
    person.refreshed(&second.refresh).await;
    let state = person.rejected(&first.refresh).await;
    assert_eq!((state.live, state.reuses, state.redeemable), (false, 1, 0));
    person.rejected(&third.refresh).await;
}

#[tokio::test]
async fn a_predecessor_works_until_the_new_access_token_is_used() {
    let person = with(Rotation::UntilUsed {
        grace: Duration::ZERO,
    })
    .await;
    let first = person.granted();
    // Using the old access token is no sign that the new ones arrived.
    person.refreshed(&first.refresh).await;
    assert_eq!(person.simulator.call_api(&first.access).await.unwrap(), 200);
    let again = person.refreshed(&first.refresh).await;
    let ledger = person.simulator.ledger();
    assert!(ledger.is_access_token_live(&again.access) && ledger.is_redeemable(&first.refresh));

    assert_eq!(person.simulator.call_api(&again.access).await.unwrap(), 200);
    assert!(!ledger.is_redeemable(&first.refresh) && ledger.is_redeemable(&again.refresh));
    let state = person.rejected(&first.refresh).await;
    assert_eq!((state.live, state.access_tokens_used), (false, 2));
}

#[tokio::test]
async fn a_predecessor_works_until_the_new_refresh_token_is_used_and_for_a_grace() {
    let person = with(Rotation::UntilUsed { grace: LONG }).await;
    let first = person.granted();
    let second = person.refreshed(&first.refresh).await;
    assert_eq!(
        person.simulator.call_api(&second.access).await.unwrap(),
        200
    );
    person.refreshed(&first.refresh).await;

    person.simulator.change(|behaviour| {
        behaviour.reuse_revokes_grant = false;
        behaviour.rotation = Rotation::UntilUsed {
            grace: Duration::ZERO,
        };
    });
    person.refreshed(&second.refresh).await;
    let state = person.rejected(&first.refresh).await;
    assert_eq!((state.live, state.reuses), (true, 1));
    // What was redeemed last is the predecessor now, and nothing of its successor was used.
    person.refreshed(&second.refresh).await;
}

#[tokio::test]
async fn a_strict_provider_may_refuse_a_reuse_without_ending_the_grant() {
    let person = Person::new(Behaviour {
        reuse_revokes_grant: false,
        ..Behaviour::default()
    })
    .await;
    let first = person.granted();
    let second = person.refreshed(&first.refresh).await;
    let state = person.rejected(&first.refresh).await;
    assert_eq!((state.live, state.reuses, state.redeemable), (true, 1, 1));
    person.refreshed(&second.refresh).await;
}

#[tokio::test]
async fn refresh_tokens_die_of_idleness_and_of_age_and_say_so_beforehand() {
    let person = Person::new(Behaviour {
        refresh_token_idle_limit: Some(2 * LONG),
        refresh_token_lifetime: Some(LONG),
        announces_refresh_lifetime: Some("refresh_expires_in".to_owned()),
        ..Behaviour::default()
    })
    .await;
    let first = person.granted();
    let answer: Value = person
        .refresh(&first.refresh)
        .await
        .unwrap()
        .json()
        .await
        .unwrap();
    let left = answer["refresh_expires_in"].as_u64().unwrap();
    assert!((3590..=3600).contains(&left), "{left}");
    let second = answer["refresh_token"].as_str().unwrap();

    for idle in [true, false] {
        person.simulator.change(|behaviour| {
            behaviour.refresh_token_idle_limit = idle.then_some(Duration::ZERO);
            behaviour.refresh_token_lifetime = (!idle).then_some(Duration::ZERO);
        });
        let state = person.rejected(second).await;
        assert_eq!((state.live, state.redeemable, state.reuses), (true, 0, 0));
    }
    person
        .simulator
        .change(|behaviour| behaviour.refresh_token_lifetime = None);
    person.refreshed(second).await;
}

#[tokio::test]
async fn one_refresh_token_too_many_drops_the_oldest_without_a_word() {
    let person = Person::new(Behaviour {
        rotation: Rotation::None,
        most_refresh_tokens: Some(2),
        ..Behaviour::default()
    })
    .await;
    let [first, second, third] = [person.granted(), person.granted(), person.granted()];
    person.simulator.grant("client-1", "user-2", &[]);
    let state = person.rejected(&first.refresh).await;
    assert_eq!(
        (state.live, state.redeemable, state.recoverable),
        (true, 0, false)
    );
    assert_eq!(person.simulator.call_api(&first.access).await.unwrap(), 200);
    assert_eq!(person.simulator.ledger().reuses(), 0);
    person.refreshed(&second.refresh).await;
    person.refreshed(&third.refresh).await;
}
