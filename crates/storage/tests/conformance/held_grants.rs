//! Attempts that are asked about again and again, and attempts that hold tokens until somebody agrees.

use std::{collections::BTreeMap, time::Duration};

use tokend_model::{
    Authorization, AuthorizationState, Completion, PendingCode, PendingDevice, PendingGrant,
    TokenAnswer,
    ports::{Authorizations, Connections, StorageError},
};

use crate::{
    rig::Rig,
    sample::{
        at, authorization, hash, new_connection, secret, stored_connector, ticket_use, user,
        workspace,
    },
};

cases!(
    a_device_is_asked_about_again_and_again,
    what_the_callback_told_is_kept,
    tokens_are_held_until_somebody_agrees,
    held_tokens_end_with_their_connection,
    abandoned_tokens_are_found_until_their_attempt_ends,
    held_tokens_do_not_open_in_another_row,
);

fn device(poll_time: i64) -> PendingDevice {
    PendingDevice {
        device_code: secret(),
        poll_interval: Duration::from_millis(5500),
        poll_time: at(poll_time),
    }
}

/// An answer in which everything is there.
fn answer() -> TokenAnswer {
    let other = TokenAnswer {
        refresh_token: None,
        ..new_connection(user("ada")).answer
    };
    TokenAnswer {
        scopes: Some(vec!["calendar.read".to_owned()]),
        captured: BTreeMap::from([("team_id".to_owned(), "7".to_owned())]),
        others: BTreeMap::from([("user".to_owned(), other)]),
        ..new_connection(user("ada")).answer
    }
}

async fn begin(rig: &Rig, attempt: &Authorization, hash: &[u8]) -> Option<Completion> {
    rig.storage
        .begin_completion(&workspace(), &attempt.id, hash)
        .await
        .unwrap()
}

/// A device's attempt whose code is being redeemed, and the hash that completes it.
async fn completing(rig: &Rig) -> (Authorization, Vec<u8>) {
    stored_connector(&rig.storage).await;
    let attempt = Authorization {
        state: AuthorizationState::AwaitingCompletion,
        ..authorization()
    };
    let hash = hash();
    let inserted = rig.storage.insert_device(&attempt, &hash, &device(1)).await;
    inserted.unwrap();
    assert!(begin(rig, &attempt, &hash).await.is_some());
    (attempt, hash)
}

async fn hold(rig: &Rig, attempt: &Authorization, answer: &TokenAnswer) {
    rig.storage
        .hold(&workspace(), &attempt.id, answer, "ACCOUNT_CHANGED")
        .await
        .unwrap();
}

async fn a_device_is_asked_about_again_and_again(rig: Rig) {
    stored_connector(&rig.storage).await;
    let attempt = Authorization {
        state: AuthorizationState::AwaitingCompletion,
        ..authorization()
    };
    let (hash, device) = (hash(), device(5));
    let inserted = rig.storage.insert_device(&attempt, &hash, &device).await;
    inserted.unwrap();
    let mut expected = device.clone();
    for round in 1..4 {
        let begun = begin(&rig, &attempt, &hash).await.unwrap();
        assert_eq!(begun.authorization.state, AuthorizationState::Completing);
        let PendingGrant::Device(found) = begun.grant else {
            panic!("{:?}", begun.grant)
        };
        assert_eq!(found.device_code, device.device_code);
        assert_eq!(found.poll_interval, expected.poll_interval);
        assert_eq!(found.poll_time, expected.poll_time);
        assert!(
            begin(&rig, &attempt, &hash).await.is_none(),
            "one at a time"
        );
        expected.poll_interval += Duration::from_secs(5);
        expected.poll_time = at(round * 60);
        rig.storage
            .put_off(&workspace(), &attempt.id, &expected)
            .await
            .unwrap();
    }
    let ended = AuthorizationState::Denied;
    rig.storage
        .advance(&workspace(), &attempt.id, ended, "AUTHORIZATION_DENIED")
        .await
        .unwrap();
    rig.storage
        .put_off(&workspace(), &attempt.id, &expected)
        .await
        .unwrap();
    assert!(begin(&rig, &attempt, &hash).await.is_none());
    let sealed = "DELETE FROM authorizations WHERE code IS NOT NULL";
    assert_eq!(rig.execute(sealed).await, 0);
}

async fn what_the_callback_told_is_kept(rig: Rig) {
    stored_connector(&rig.storage).await;
    let (attempt, ticket) = (authorization(), hash());
    let inserted = rig.storage.insert(&attempt, &ticket, None).await;
    inserted.unwrap();
    let begun = rig
        .storage
        .begin_consent(&workspace(), &attempt.id, &ticket_use())
        .await;
    assert!(begun.unwrap());
    let pending = PendingCode {
        code: secret(),
        completion_hash: hash(),
        connection_config: BTreeMap::from([("realm_id".to_owned(), "42".to_owned())]),
    };
    let stored = rig
        .storage
        .store_code(&workspace(), &attempt.id, &pending)
        .await;
    assert_eq!(stored.unwrap(), Some(false));
    let begun = begin(&rig, &attempt, &pending.completion_hash).await;
    let config = begun.unwrap().authorization.connection_config;
    assert_eq!(config, pending.connection_config);
}

async fn tokens_are_held_until_somebody_agrees(rig: Rig) {
    let (attempt, hash) = completing(&rig).await;
    let answer = answer();
    for _ in 0..2 {
        hold(&rig, &attempt, &answer).await;
        let waiting = Authorizations::get(&rig.storage, &workspace(), &attempt.id).await;
        let waiting = waiting.unwrap().unwrap();
        assert_eq!(waiting.state, AuthorizationState::AwaitingCompletion);
        assert_eq!(waiting.failure_reason, "ACCOUNT_CHANGED");
        let begun = begin(&rig, &attempt, &hash).await.unwrap();
        let PendingGrant::Answer(held) = begun.grant else {
            panic!("{:?}", begun.grant)
        };
        assert_eq!(*held, answer);
    }
    let code = "DELETE FROM authorizations WHERE code IS NOT NULL";
    assert_eq!(
        rig.execute(code).await,
        0,
        "a code that was redeemed is gone"
    );
}

async fn held_tokens_end_with_their_connection(rig: Rig) {
    let (attempt, hash) = completing(&rig).await;
    hold(&rig, &attempt, &answer()).await;
    begin(&rig, &attempt, &hash).await.unwrap();
    let mut new = new_connection(user("ada"));
    new.authorization = Some(attempt.id.clone());
    rig.storage.connect(&new, at(2)).await.unwrap();
    let sealed = "DELETE FROM authorizations WHERE answer IS NOT NULL";
    assert_eq!(rig.execute(sealed).await, 0);
    let late = rig
        .storage
        .hold(&workspace(), &attempt.id, &answer(), "x")
        .await;
    assert!(matches!(late, Err(StorageError::Changed)), "{late:?}");
}

async fn abandoned_tokens_are_found_until_their_attempt_ends(rig: Rig) {
    let (attempt, _) = completing(&rig).await;
    let answer = answer();
    hold(&rig, &attempt, &answer).await;
    let abandoned = async |seconds| rig.storage.abandoned(at(seconds), 10).await.unwrap();
    assert!(abandoned(600).await.is_empty(), "its time is not over");
    for _ in 0..2 {
        // Ending what ran out of time leaves it.
        let ended = rig.storage.expire(at(601), "AUTHORIZATION_EXPIRED").await;
        assert_eq!(ended.unwrap(), 0);
        let found = abandoned(601).await;
        assert_eq!(found.len(), 1);
        assert_eq!(found[0].0.id, attempt.id);
        assert_eq!(found[0].1, answer);
    }
    let failed = AuthorizationState::Failed;
    rig.storage
        .advance(&workspace(), &attempt.id, failed, "AUTHORIZATION_EXPIRED")
        .await
        .unwrap();
    assert!(abandoned(601).await.is_empty());
}

async fn held_tokens_do_not_open_in_another_row(rig: Rig) {
    let (first, _) = completing(&rig).await;
    hold(&rig, &first, &answer()).await;
    let other = Authorization {
        state: AuthorizationState::AwaitingCompletion,
        ..authorization()
    };
    let hash = hash();
    let inserted = rig.storage.insert_device(&other, &hash, &device(1)).await;
    inserted.unwrap();
    let moved = format!(
        "UPDATE authorizations SET answer = (SELECT answer FROM authorizations WHERE id = '{}') WHERE id = '{}'",
        first.id, other.id
    );
    assert_eq!(rig.execute(&moved).await, 1);
    let begun = rig
        .storage
        .begin_completion(&workspace(), &other.id, &hash)
        .await;
    assert!(
        matches!(begun, Err(StorageError::Corrupt { .. })),
        "{begun:?}"
    );
}
