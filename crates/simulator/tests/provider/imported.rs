//! Grants without a browser.

use tokend_simulator::{Behaviour, Happening};

use crate::person::Person;

#[tokio::test]
async fn a_grant_without_a_browser_is_as_good_as_any() {
    let person = Person::new(Behaviour::default()).await;
    let issued = person
        .simulator
        .grant("client-1", "user-7", &["calendar", "profile"]);
    let refresh_token = issued.refresh_token.clone().unwrap();
    assert_eq!(issued.lifetime, Behaviour::default().access_token_lifetime);
    assert_eq!(issued.scopes, ["calendar", "profile"]);
    assert!(!format!("{issued:?}").contains("-sim-"));
    assert_eq!(
        person
            .simulator
            .call_api(&issued.access_token)
            .await
            .unwrap(),
        200
    );
    person.refreshed(&refresh_token).await;

    let ledger = person.simulator.ledger();
    let state = ledger.family_state(issued.family).unwrap();
    assert_eq!(
        (
            state.account.as_str(),
            state.client_id.as_str(),
            state.redemptions
        ),
        ("user-7", "client-1", 1)
    );
    let granted = Happening::Granted {
        client_id: "client-1".to_owned(),
        family: issued.family,
    };
    assert!(ledger.events().iter().any(|event| event.what == granted));
    person.simulator.revoke_by_user("user-7");
    assert!(ledger.live_grants().is_empty());
}
