//! The tokens of one consent: stored together, renewed each by itself, ended together.

use tokend_model::{
    Account, Connection, ConnectionId, ConnectionStatus, Credential, Expiry, Generation, Label,
    ports::{
        Authorizations, CommitOutcome, Connections, Housekeeping, NewConnection, NewSibling,
        StagedImports, StorageError,
    },
};
use uuid::Uuid;

use crate::{
    attempts::{MINUTE, claimed, commit, renewed},
    rig::Rig,
    sample::{
        at, authorization, hash, new_connection, secret, stored_connector, texts, user, workspace,
    },
};

cases!(
    they_are_stored_with_their_main_one_or_not_at_all,
    a_new_consent_keeps_their_ids_and_ends_those_that_did_not_come,
    what_is_not_about_them_leaves_them,
    each_is_renewed_by_itself,
    they_are_revoked_together,
    they_are_deleted_together,
    a_main_one_is_kept_while_a_sibling_lives,
);

fn sibling(token: &str) -> NewSibling {
    let mut answer = new_connection(user("ada")).answer;
    answer.expiry = Expiry::At(at(7200));
    NewSibling {
        id: ConnectionId::from_uuid(Uuid::now_v7()),
        token: token.to_owned(),
        answer,
        scopes: texts(&["chat.write"]),
        renewal_time: Some(at(5000)),
    }
}

/// A consent of ada's with these tokens beside the main one.
fn consent(tokens: &[&str]) -> NewConnection {
    NewConnection {
        siblings: Some(tokens.iter().map(|token| sibling(token)).collect()),
        ..new_connection(user("ada"))
    }
}

async fn stored(rig: &Rig, tokens: &[&str]) -> NewConnection {
    stored_connector(&rig.storage).await;
    let new = consent(tokens);
    rig.storage.connect(&new, at(2)).await.unwrap();
    new
}

async fn find(
    rig: &Rig,
    new: &NewConnection,
    token: &str,
) -> Option<(Connection, Option<Credential>)> {
    let (connector, owner, label) = (&new.connector_id, &new.owner, &new.label);
    rig.storage
        .find(&workspace(), connector, owner, label, token)
        .await
        .unwrap()
}

async fn they_are_stored_with_their_main_one_or_not_at_all(rig: Rig) {
    stored_connector(&rig.storage).await;
    let attempt = authorization();
    Authorizations::insert(&rig.storage, &attempt, &hash(), None)
        .await
        .unwrap();
    let mut new = consent(&["user", "webhook"]);
    new.authorization = Some(attempt.id);
    let early = rig.storage.connect(&new, at(2)).await;
    assert!(matches!(early, Err(StorageError::Changed)), "{early:?}");
    for token in ["", "user", "webhook"] {
        assert_eq!(find(&rig, &new, token).await, None, "{token}");
    }

    new.authorization = None;
    let made = rig.storage.connect(&new, at(2)).await.unwrap();
    assert_eq!((&made.id, made.token.as_str()), (&new.id, ""));
    for given in new.siblings.iter().flatten() {
        let (found, credential) = find(&rig, &new, &given.token).await.unwrap();
        assert_eq!((&found.id, &found.token), (&given.id, &given.token));
        assert_eq!(found.generation, Generation::FIRST);
        assert_eq!(found.expiry, Expiry::At(at(7200)));
        assert_eq!(found.renewal_time, Some(at(5000)));
        assert_eq!(found.scopes, texts(&["chat.write"]));
        // Whose account it is its own token tells.
        assert_eq!(found.account, Account::default());
        assert_eq!(found.connection_config, made.connection_config);
        assert_eq!(found.tags, made.tags);
        let credential = credential.unwrap();
        assert_eq!(credential.access_token, given.answer.access_token);
        assert_eq!(credential.refresh_token, given.answer.refresh_token);
    }
    let (connector, owner) = (&new.connector_id, &new.owner);
    let located = rig
        .storage
        .locate(&workspace(), connector, owner, &new.label)
        .await;
    assert_eq!(located.unwrap(), Some(made));
}

async fn a_new_consent_keeps_their_ids_and_ends_those_that_did_not_come(rig: Rig) {
    let new = stored(&rig, &["user", "webhook"]).await;
    let (user_before, _) = find(&rig, &new, "user").await.unwrap();
    let (webhook_before, _) = find(&rig, &new, "webhook").await.unwrap();

    let mut again = consent(&["user"]);
    // Nothing of another person's may stay.
    again.siblings.as_mut().unwrap()[0].answer.refresh_token = None;
    rig.storage.connect(&again, at(9)).await.unwrap();
    let (found, credential) = find(&rig, &new, "user").await.unwrap();
    assert_eq!(found.id, user_before.id);
    assert_eq!(found.generation, Generation(2));
    assert_eq!(credential.unwrap().refresh_token, None);
    let (gone, credential) = find(&rig, &new, "webhook").await.unwrap();
    assert_eq!(gone.status, ConnectionStatus::Revoked);
    assert_eq!(gone.status_reason, "SCOPE_NOT_GRANTED");
    assert_eq!((gone.renewal_time, credential), (None, None));

    let back = consent(&["webhook", "user"]);
    rig.storage.connect(&back, at(12)).await.unwrap();
    let (found, credential) = find(&rig, &new, "webhook").await.unwrap();
    assert_eq!(found.id, webhook_before.id);
    assert_eq!(found.status, ConnectionStatus::Authorized);
    assert!(credential.is_some());
}

async fn what_is_not_about_them_leaves_them(rig: Rig) {
    let new = stored(&rig, &["user"]).await;
    let before = find(&rig, &new, "user").await.unwrap();
    let entered = new_connection(user("ada"));
    rig.storage.connect(&entered, at(9)).await.unwrap();
    rig.storage
        .import(&new_connection(user("ada")), at(10))
        .await
        .unwrap();
    assert_eq!(find(&rig, &new, "").await.unwrap().0.generation.0, 3);
    assert_eq!(find(&rig, &new, "user").await.unwrap(), before);
}

async fn each_is_renewed_by_itself(rig: Rig) {
    let new = stored(&rig, &["user"]).await;
    let (beside, _) = find(&rig, &new, "user").await.unwrap();
    let of_beside = NewConnection {
        id: beside.id.clone(),
        ..new.clone()
    };
    // Claims of the one are in nobody's way.
    claimed(&rig, &new, 1, MINUTE).await;
    let main = find(&rig, &new, "").await.unwrap();
    let open = claimed(&rig, &of_beside, 1, MINUTE).await;
    let mut next = renewed();
    next.connection_config = Some([("learned".to_owned(), "x".to_owned())].into());
    assert_eq!(commit(&rig, &open, &next).await, CommitOutcome::Committed);
    let (renewed, _) = find(&rig, &new, "user").await.unwrap();
    assert_eq!(renewed.generation, Generation(2));
    assert_eq!(renewed.connection_config["learned"], "x");
    assert_eq!(find(&rig, &new, "").await.unwrap(), main);
}

async fn they_are_revoked_together(rig: Rig) {
    let new = stored(&rig, &["user", "webhook"]).await;
    let (named, _) = find(&rig, &new, "user").await.unwrap();
    let ended = rig.storage.revoke(&workspace(), &named.id, "BY_USER").await;
    let ended = ended.unwrap();
    let tokens: Vec<&str> = ended.iter().map(|(it, _)| it.token.as_str()).collect();
    assert_eq!(tokens, ["user", "", "webhook"], "the named one first");
    for (connection, credential) in &ended {
        assert_eq!(connection.status, ConnectionStatus::Revoked);
        assert_eq!(connection.status_reason, "BY_USER");
        assert!(credential.is_some(), "{}", connection.token);
        let left = find(&rig, &new, &connection.token).await.unwrap();
        assert_eq!(left, (connection.clone(), None));
    }
    assert_eq!(rig.execute("DELETE FROM credentials").await, 0);
}

async fn they_are_deleted_together(rig: Rig) {
    let new = stored(&rig, &["user"]).await;
    let elsewhere = NewConnection {
        label: Label::new("other").unwrap(),
        ..consent(&["user"])
    };
    rig.storage.connect(&elsewhere, at(3)).await.unwrap();
    // What has yet to prove good is not of this consent.
    let mut staged = new_connection(user("ada"));
    staged.answer.refresh_token = Some(secret());
    rig.storage.stage(&staged, at(4)).await.unwrap();

    let ended = rig.storage.delete(&workspace(), &new.id).await.unwrap();
    let tokens: Vec<&str> = ended.iter().map(|(it, _)| it.token.as_str()).collect();
    assert_eq!(tokens, ["", "user"]);
    for token in ["", "user"] {
        assert_eq!(find(&rig, &new, token).await, None);
        assert!(find(&rig, &elsewhere, token).await.is_some());
    }
    let left = Connections::get(&rig.storage, &workspace(), &staged.id).await;
    assert!(left.unwrap().is_some());
    let ended = rig.storage.delete(&workspace(), &staged.id).await.unwrap();
    assert_eq!(ended.len(), 1);
}

async fn a_main_one_is_kept_while_a_sibling_lives(rig: Rig) {
    let new = stored(&rig, &["user"]).await;
    let end = "UPDATE connections SET status = 'ERROR', ended_time = 0";
    let reap = async || {
        let reaped = rig
            .storage
            .reap_connections(&workspace(), MINUTE, 9, false)
            .await;
        reaped.unwrap().len()
    };
    assert_eq!(rig.execute(&format!("{end} WHERE token = ''")).await, 1);
    assert_eq!(reap().await, 0);
    assert!(find(&rig, &new, "").await.is_some());
    assert_eq!(rig.execute(end).await, 2);
    assert_eq!(reap().await, 2);
}
