use std::time::Duration;

use tokend_simulator::{Behaviour, Rotation};

use crate::person::{Person, Tokens, error};

fn rotating(rotation: Rotation) -> Behaviour {
    Behaviour {
        rotation,
        ..Behaviour::default()
    }
}

#[tokio::test]
async fn without_rotation_the_refresh_token_stays() {
    let person = Person::new(rotating(Rotation::None)).await;
    let first = person.connect().await;
    for _ in 0..2 {
        let next = Tokens::of(person.refresh(&first.refresh).await.unwrap()).await;
        assert_eq!(next.refresh, "");
        assert_ne!(next.access, first.access);
    }
    let ledger = person.simulator.ledger();
    assert_eq!(
        (
            ledger.redemptions_of(&first.refresh),
            ledger.refreshes(),
            ledger.token_calls()
        ),
        (2, 2, 3)
    );
    assert_eq!(ledger.live_grants()[0].generation, 3);
}

#[tokio::test]
async fn strict_rotation_ends_the_family_at_a_reuse() {
    let person = Person::new(rotating(Rotation::Strict)).await;
    let first = person.connect().await;
    let other = person.connect().await;
    let second = Tokens::of(person.refresh(&first.refresh).await.unwrap()).await;
    let ledger = person.simulator.ledger();
    assert!(ledger.is_redeemable(&second.refresh) && !ledger.is_redeemable(&first.refresh));
    assert_eq!(
        ledger.family_of(&first.refresh),
        ledger.family_of(&second.access)
    );

    assert_eq!(
        error(person.refresh(&first.refresh).await.unwrap()).await.1,
        "invalid_grant"
    );
    assert_eq!(
        error(person.refresh(&second.refresh).await.unwrap())
            .await
            .1,
        "invalid_grant"
    );
    assert_eq!(person.events_status(&second.access).await, 401);
    assert_eq!(person.events_status(&other.access).await, 200);
    assert_eq!((ledger.reuses(), ledger.live_grants().len()), (1, 1));
    assert_eq!(
        (
            ledger.redemptions_of(&first.refresh),
            ledger.presentations_of(&first.refresh)
        ),
        (1, 2)
    );
}

#[tokio::test]
async fn an_overlap_window_forgives_until_it_is_over() {
    let person = Person::new(rotating(Rotation::Overlap {
        window: Duration::from_secs(3600),
    }))
    .await;
    let first = person.connect().await;
    let ledger = person.simulator.ledger();
    Tokens::of(person.refresh(&first.refresh).await.unwrap()).await;
    let again = Tokens::of(person.refresh(&first.refresh).await.unwrap()).await;
    assert_eq!(
        (ledger.reuses(), ledger.redemptions_of(&first.refresh)),
        (0, 2)
    );

    person.simulator.change(|behaviour| {
        behaviour.rotation = Rotation::Overlap {
            window: Duration::ZERO,
        }
    });
    assert_eq!(
        error(person.refresh(&first.refresh).await.unwrap()).await.1,
        "invalid_grant"
    );
    assert!(!ledger.is_redeemable(&again.refresh));
    assert_eq!((ledger.reuses(), ledger.live_grants().len()), (1, 0));
}

#[tokio::test]
async fn a_refresh_can_narrow_scopes_but_not_widen_them() {
    let person = Person::new(rotating(Rotation::Strict)).await;
    let first = person.connect().await;
    let ask = async |scope| {
        let parameters = [
            ("grant_type", "refresh_token"),
            ("refresh_token", first.refresh.as_str()),
            ("scope", scope),
        ];
        person.call(&parameters).await.unwrap()
    };
    assert_eq!(error(ask("calendar mail").await).await.1, "invalid_scope");
    assert_eq!(person.simulator.ledger().redemptions_of(&first.refresh), 0);
    let narrowed: serde_json::Value = ask("calendar").await.json().await.unwrap();
    assert_eq!(narrowed["scope"], "calendar");
}

#[tokio::test]
async fn access_tokens_end_by_time_and_where_asked_by_a_refresh() {
    let person = Person::new(Behaviour {
        access_token_survives_refresh: false,
        ..Behaviour::default()
    })
    .await;
    let first = person.connect().await;
    let second = Tokens::of(person.refresh(&first.refresh).await.unwrap()).await;
    assert_eq!(
        (
            person.events_status(&first.access).await,
            person.events_status(&second.access).await
        ),
        (401, 200)
    );

    person
        .simulator
        .change(|behaviour| behaviour.access_token_lifetime = Some(Duration::ZERO));
    let third = Tokens::of(person.refresh(&second.refresh).await.unwrap()).await;
    assert!(
        !person
            .simulator
            .ledger()
            .is_access_token_live(&third.access)
    );
}

#[tokio::test]
async fn revocation_ends_the_grant_and_needs_its_client() {
    let person = Person::new(Behaviour::default()).await;
    let tokens = person.connect().await;
    let url = format!("{}/revoke", person.simulator.base_url());
    let form = [("token", tokens.refresh.as_str())];
    let stranger = person
        .http
        .post(&url)
        .basic_auth("client-1", Some("guess"))
        .form(&form)
        .send()
        .await
        .unwrap();
    assert_eq!(error(stranger).await, (401, "invalid_client".to_owned()));
    assert_eq!(person.simulator.ledger().live_grants().len(), 1);
    for _ in 0..2 {
        let secret = Some(&person.client.secret);
        let revoked = person
            .http
            .post(&url)
            .basic_auth("client-1", secret)
            .form(&form)
            .send()
            .await
            .unwrap();
        assert_eq!(revoked.status(), 200);
    }
    assert!(person.simulator.ledger().live_grants().is_empty());
    assert_eq!(person.events_status(&tokens.access).await, 401);

    let again = person.connect().await;
    person.simulator.revoke_by_user("user-1");
    assert_eq!(
        error(person.refresh(&again.refresh).await.unwrap()).await.1,
        "invalid_grant"
    );
}
