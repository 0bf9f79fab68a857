//! One simulator as many providers: each client has its own behaviour and its own script.

use tokend_simulator::{Behaviour, Client, Endpoint, Fault, Rotation};

use crate::person::{Person, Tokens, error};

/// Another client with a grant.
fn another(person: &Person, id: &str) -> (Client, String) {
    let client = Client::new(id);
    person.simulator.register(client.clone());
    let issued = person.simulator.grant(id, "user-1", &["calendar"]);
    (client, issued.refresh_token.unwrap())
}

#[tokio::test]
async fn each_client_meets_its_own_behaviour() {
    let person = Person::new(Behaviour::default()).await;
    person
        .simulator
        .change_client("stable", |behaviour| behaviour.rotation = Rotation::None);
    let (stable, kept) = another(&person, "stable");
    let (strict, spent) = another(&person, "strict");
    let ledger = person.simulator.ledger();
    for (client, refresh_token, successor) in [(&stable, &kept, false), (&strict, &spent, true)] {
        let tokens = Tokens::of(person.refresh_as(client, refresh_token).await.unwrap()).await;
        assert_eq!(!tokens.refresh.is_empty(), successor);
        assert_eq!(ledger.is_redeemable(refresh_token), !successor);
    }
    // What changes for everybody changes nothing for those who have their own.
    person
        .simulator
        .change(|behaviour| behaviour.rotation = Rotation::Additive);
    assert!(ledger.is_redeemable(&spent));
    let tokens = Tokens::of(person.refresh_as(&stable, &kept).await.unwrap()).await;
    assert_eq!(tokens.refresh, "");
}

#[tokio::test]
async fn a_clients_own_script_comes_first_and_meets_nobody_else() {
    let person = Person::new(Behaviour::default()).await;
    let (client, refresh_token) = another(&person, "faulted");
    let (own, general) = (
        person.simulator.faults_of("faulted"),
        person.simulator.faults(),
    );
    general.push(Endpoint::Token, Fault::status(500));
    own.push(Endpoint::Token, Fault::unavailable(9));

    let refused = person.refresh_as(&client, &refresh_token).await.unwrap();
    assert_eq!(refused.status(), 503);
    assert_eq!(general.pending(Endpoint::Token), 1);
    assert_eq!(
        person
            .refresh_as(&client, &refresh_token)
            .await
            .unwrap()
            .status(),
        500
    );

    own.always(Endpoint::Token, Some(Fault::error(401, "invalid_client")));
    let tokens = person.granted();
    person.refreshed(&tokens.refresh).await;
    let refused = person.refresh_as(&client, &refresh_token).await.unwrap();
    assert_eq!(error(refused).await, (401, "invalid_client".to_owned()));
    assert!(person.simulator.ledger().is_redeemable(&refresh_token));
}

#[tokio::test]
async fn a_clients_own_script_holds_its_userinfo_and_revocation_calls_too() {
    let person = Person::new(Behaviour::default()).await;
    let tokens = person.granted();
    let own = person.simulator.faults_of("client-1");
    own.push(Endpoint::Userinfo, Fault::status(500));
    own.push(Endpoint::Revoke, Fault::status(503));
    let base_url = person.simulator.base_url();
    let userinfo = person.http.get(format!("{base_url}/userinfo"));
    let userinfo = userinfo.bearer_auth(&tokens.access).send().await.unwrap();
    let revoke = person.http.post(format!("{base_url}/revoke"));
    let revoke = revoke.basic_auth("client-1", Some(&person.client.secret));
    let revoke = revoke
        .form(&[("token", &tokens.refresh)])
        .send()
        .await
        .unwrap();
    assert_eq!(
        (userinfo.status().as_u16(), revoke.status().as_u16()),
        (500, 503)
    );
    assert!(person.simulator.ledger().is_redeemable(&tokens.refresh));
}
