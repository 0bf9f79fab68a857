//! Authorizations: every step is taken at most once, and nothing one-time is left behind.

use tokend_model::{
    Authorization, AuthorizationState, Completion, PendingCode, PendingGrant, Secret, TicketUse,
    ports::{Authorizations, StorageError},
};

use crate::{
    rig::Rig,
    sample::{at, authorization, hash, secret, stored_connector, ticket_use, user, workspace},
};

cases!(
    an_attempt_is_found_by_id_and_ticket,
    a_later_opening_replaces_the_earlier,
    a_state_is_taken_once,
    a_returned_state_ends_the_consent,
    a_code_waits_for_whoever_holds_the_token,
    a_completion_is_handed_out_once,
    a_completion_can_be_tried_again,
    final_states_are_final_and_erase,
    the_newest_open_attempt_is_found,
    attempts_out_of_time_are_ended_and_erased,
    attempts_long_out_of_time_are_removed,
    attempts_out_of_time_are_found_by_an_index,
);

async fn stored(rig: &Rig, completion_hash: Option<&[u8]>) -> (Authorization, Vec<u8>) {
    stored_connector(&rig.storage).await;
    let (attempt, ticket) = (authorization(), hash());
    rig.storage
        .insert(&attempt, &ticket, completion_hash)
        .await
        .unwrap();
    (attempt, ticket)
}

async fn consented(rig: &Rig, attempt: &Authorization) -> TicketUse {
    let ticket_use = ticket_use();
    assert!(begin(rig, attempt, &ticket_use).await);
    ticket_use
}

async fn begin(rig: &Rig, attempt: &Authorization, ticket_use: &TicketUse) -> bool {
    rig.storage
        .begin_consent(&workspace(), &attempt.id, ticket_use)
        .await
        .unwrap()
}

async fn state(rig: &Rig, attempt: &Authorization) -> AuthorizationState {
    let read = Authorizations::get(&rig.storage, &workspace(), &attempt.id).await;
    read.unwrap().unwrap().state
}

async fn code_stored(rig: &Rig, attempt: &Authorization) -> (PendingCode, Option<bool>) {
    let pending = PendingCode {
        code: secret(),
        completion_hash: hash(),
        connection_config: Default::default(),
    };
    let held = rig
        .storage
        .store_code(&workspace(), &attempt.id, &pending)
        .await
        .unwrap();
    (pending, held)
}

/// The code, the verifier and the redirect URI of a completion that has them.
fn redeemable(completion: Completion) -> (Secret, Secret, String) {
    match completion.grant {
        PendingGrant::Code {
            code,
            pkce_verifier,
            redirect_uri,
        } => (code, pkce_verifier, redirect_uri),
        other => panic!("{other:?}"),
    }
}

async fn an_attempt_is_found_by_id_and_ticket(rig: Rig) {
    let (attempt, ticket) = stored(&rig, None).await;
    let read = Authorizations::get(&rig.storage, &workspace(), &attempt.id).await;
    assert_eq!(read.unwrap().as_ref(), Some(&attempt));
    let read = rig.storage.find_by_ticket(&ticket).await;
    assert_eq!(read.unwrap().as_ref(), Some(&attempt));
    assert_eq!(rig.storage.find_by_ticket(&hash()).await.unwrap(), None);
    let again = rig.storage.insert(&authorization(), &ticket, None).await;
    assert!(matches!(again, Err(StorageError::Exists)), "{again:?}");
}

async fn a_later_opening_replaces_the_earlier(rig: Rig) {
    let (attempt, _) = stored(&rig, None).await;
    let first = consented(&rig, &attempt).await;
    assert_eq!(
        state(&rig, &attempt).await,
        AuthorizationState::AwaitingConsent
    );
    let second = consented(&rig, &attempt).await;
    let stale = rig.storage.take_state(&first.state_hash).await.unwrap();
    assert!(stale.is_none());
    let taken = rig.storage.take_state(&second.state_hash).await.unwrap();
    let taken = taken.unwrap();
    assert_eq!(taken.authorization.id, attempt.id);
    assert_eq!(taken.browser_hash, second.browser_hash);
}

async fn a_state_is_taken_once(rig: Rig) {
    let (attempt, _) = stored(&rig, None).await;
    let ticket_use = consented(&rig, &attempt).await;
    let tries = (0..50).map(|_| {
        let (storage, hash) = (rig.storage.clone(), ticket_use.state_hash.clone());
        tokio::spawn(async move { storage.take_state(&hash).await.unwrap() })
    });
    let taken = futures::future::join_all(tries).await;
    let taken = taken.into_iter().filter_map(Result::unwrap);
    assert_eq!(taken.count(), 1);
}

async fn a_returned_state_ends_the_consent(rig: Rig) {
    let (attempt, _) = stored(&rig, None).await;
    let ticket_use = consented(&rig, &attempt).await;
    rig.storage
        .take_state(&ticket_use.state_hash)
        .await
        .unwrap();
    assert!(!begin(&rig, &attempt, &self::ticket_use()).await);
    assert_eq!(code_stored(&rig, &attempt).await.1, Some(false));
    assert!(!begin(&rig, &attempt, &self::ticket_use()).await);
    assert_eq!(code_stored(&rig, &attempt).await.1, None);
}

async fn a_code_waits_for_whoever_holds_the_token(rig: Rig) {
    let held = hash();
    let (attempt, _) = stored(&rig, Some(&held)).await;
    assert_eq!(code_stored(&rig, &attempt).await.1, None);
    consented(&rig, &attempt).await;
    let (pending, has_token) = code_stored(&rig, &attempt).await;
    assert_eq!(has_token, Some(true));
    let begin = async |hash: &[u8]| {
        let begun = rig
            .storage
            .begin_completion(&workspace(), &attempt.id, hash)
            .await;
        begun.unwrap()
    };
    assert!(begin(&pending.completion_hash).await.is_none());
    assert_eq!(redeemable(begin(&held).await.unwrap()).0, pending.code);
}

async fn a_completion_is_handed_out_once(rig: Rig) {
    let (attempt, _) = stored(&rig, None).await;
    let ticket_use = consented(&rig, &attempt).await;
    let (pending, _) = code_stored(&rig, &attempt).await;
    let wrong = rig
        .storage
        .begin_completion(&workspace(), &attempt.id, &hash())
        .await;
    assert!(wrong.unwrap().is_none());
    let tries = (0..50).map(|_| {
        let (storage, id) = (rig.storage.clone(), attempt.id.clone());
        let hash = pending.completion_hash.clone();
        tokio::spawn(async move { storage.begin_completion(&workspace(), &id, &hash).await })
    });
    let begun = futures::future::join_all(tries).await;
    let mut begun: Vec<_> = begun
        .into_iter()
        .filter_map(|outcome| outcome.unwrap().unwrap())
        .collect();
    assert_eq!(begun.len(), 1);
    let begun = begun.remove(0);
    assert_eq!(begun.authorization.state, AuthorizationState::Completing);
    let (code, pkce_verifier, redirect_uri) = redeemable(begun);
    assert_eq!(code, pending.code);
    assert_eq!(pkce_verifier, ticket_use.pkce_verifier);
    assert_eq!(redirect_uri, ticket_use.redirect_uri);
}

async fn a_completion_can_be_tried_again(rig: Rig) {
    let (attempt, _) = stored(&rig, None).await;
    consented(&rig, &attempt).await;
    let (pending, _) = code_stored(&rig, &attempt).await;
    for _ in 0..2 {
        let hash = &pending.completion_hash;
        let begun = rig
            .storage
            .begin_completion(&workspace(), &attempt.id, hash)
            .await;
        assert_eq!(redeemable(begun.unwrap().unwrap()).0, pending.code);
        let back = AuthorizationState::AwaitingCompletion;
        rig.storage
            .advance(&workspace(), &attempt.id, back, "")
            .await
            .unwrap();
    }
}

async fn final_states_are_final_and_erase(rig: Rig) {
    let (attempt, ticket) = stored(&rig, None).await;
    consented(&rig, &attempt).await;
    let (pending, _) = code_stored(&rig, &attempt).await;
    for (to, reason) in [
        (AuthorizationState::Denied, "access_denied"),
        (AuthorizationState::Failed, "later"),
        (AuthorizationState::AwaitingCompletion, ""),
    ] {
        rig.storage
            .advance(&workspace(), &attempt.id, to, reason)
            .await
            .unwrap();
    }
    let read = rig.storage.find_by_ticket(&ticket).await.unwrap().unwrap();
    assert_eq!(read.state, AuthorizationState::Denied);
    assert_eq!(read.failure_reason, "access_denied");
    let hash = &pending.completion_hash;
    let begun = rig
        .storage
        .begin_completion(&workspace(), &attempt.id, hash)
        .await;
    assert!(begun.unwrap().is_none());
    assert!(!begin(&rig, &attempt, &ticket_use()).await);
    let sealed = "DELETE FROM authorizations WHERE code IS NOT NULL OR pkce_verifier IS NOT NULL";
    assert_eq!(rig.execute(sealed).await, 0);
}

async fn the_newest_open_attempt_is_found(rig: Rig) {
    let (first, _) = stored(&rig, None).await;
    let mut second = authorization();
    second.create_time = at(10);
    second.expire_time = at(610);
    rig.storage.insert(&second, &hash(), None).await.unwrap();
    let find = async |owner, now| {
        let (connector, label) = (&first.connector_id, &first.label);
        let open = rig
            .storage
            .find_open(&workspace(), connector, &owner, label, at(now))
            .await;
        open.unwrap().map(|found| found.id)
    };
    assert_eq!(find(user("ada"), 20).await, Some(second.id.clone()));
    assert_eq!(find(user("ada"), 610).await, None);
    assert_eq!(find(user("grace"), 20).await, None);
    let failed = AuthorizationState::Failed;
    rig.storage
        .advance(&workspace(), &second.id, failed, "x")
        .await
        .unwrap();
    assert_eq!(find(user("ada"), 20).await, Some(first.id.clone()));
    assert_eq!(find(user("ada"), 600).await, None);
}

async fn attempts_out_of_time_are_ended_and_erased(rig: Rig) {
    let (attempt, _) = stored(&rig, Some(&hash())).await;
    consented(&rig, &attempt).await;
    let ticket_use = ticket_use();
    assert!(begin(&rig, &attempt, &ticket_use).await);

    let too_early = rig
        .storage
        .expire(attempt.expire_time, "AUTHORIZATION_EXPIRED")
        .await;
    assert_eq!(too_early.unwrap(), 0);
    let later = attempt.expire_time + std::time::Duration::from_millis(1);
    let expire = || rig.storage.expire(later, "AUTHORIZATION_EXPIRED");
    assert_eq!(expire().await.unwrap(), 1);
    assert_eq!(expire().await.unwrap(), 0);

    let read = Authorizations::get(&rig.storage, &workspace(), &attempt.id)
        .await
        .unwrap()
        .unwrap();
    assert_eq!(read.state, AuthorizationState::Failed);
    assert_eq!(read.failure_reason, "AUTHORIZATION_EXPIRED");
    // The state was erased with the rest: a late callback finds nothing.
    assert!(
        rig.storage
            .take_state(&ticket_use.state_hash)
            .await
            .unwrap()
            .is_none()
    );
}

async fn attempts_long_out_of_time_are_removed(rig: Rig) {
    const DAY: i64 = 24 * 60 * 60;
    stored_connector(&rig.storage).await;
    let insert = async |expires: i64, state: Option<AuthorizationState>| {
        let mut attempt = authorization();
        attempt.expire_time = at(expires);
        rig.storage.insert(&attempt, &hash(), None).await.unwrap();
        if let Some(state) = state {
            let moved = rig
                .storage
                .advance(&workspace(), &attempt.id, state, "")
                .await;
            moved.unwrap();
        }
        attempt.id
    };
    let (denied, completed) = (AuthorizationState::Denied, AuthorizationState::Completed);
    let gone = [
        insert(599, None).await,
        insert(599, Some(denied)).await,
        insert(599, Some(completed)).await,
    ];
    let kept = [insert(600, Some(denied)).await, insert(601, None).await];
    // More than go in one statement.
    let bytes = if rig.is_postgres() { "bytea" } else { "blob" };
    let columns = "workspace, connector_id, owner_kind, owner_user, label, scopes, connection_config, state, failure_reason, create_time, expire_time";
    let copies = format!(
        "INSERT INTO authorizations (id, ticket_hash, {columns})
        WITH RECURSIVE copies (number) AS (SELECT 1 UNION ALL SELECT number + 1 FROM copies WHERE number < 1200)
        SELECT id || number, CAST(CAST(number AS text) AS {bytes}), {columns} FROM authorizations, copies WHERE id = '{}'",
        gone[0]
    );
    assert_eq!(rig.execute(&copies).await, 1200);

    let deadline = at(600 + DAY);
    let ended = rig.storage.expire(deadline, "AUTHORIZATION_EXPIRED").await;
    // The copies, and the two others that could still go on.
    assert_eq!(ended.unwrap(), 1200 + 2);
    for (ids, there) in [(&gone[..], false), (&kept[..], true)] {
        for id in ids {
            let read = Authorizations::get(&rig.storage, &workspace(), id).await;
            assert_eq!(read.unwrap().is_some(), there, "{id}");
        }
    }
    assert_eq!(rig.execute("DELETE FROM authorizations").await, 2);
}

async fn attempts_out_of_time_are_found_by_an_index(rig: Rig) {
    let (explain, column) = if rig.is_postgres() {
        // A table this small would be read whole, were it allowed.
        rig.execute("SET enable_seqscan = off").await;
        ("EXPLAIN", "QUERY PLAN")
    } else {
        ("EXPLAIN QUERY PLAN", "detail")
    };
    let old = "SELECT id FROM authorizations WHERE expire_time < 5 ORDER BY expire_time LIMIT 9";
    for statement in [
        "UPDATE authorizations SET failure_reason = '' WHERE expire_time < 5 AND state <> 'FAILED'",
        &format!("DELETE FROM authorizations WHERE id IN ({old})"),
    ] {
        let plan = rig.texts(&format!("{explain} {statement}"), column).await;
        let by_index = |line: &String| line.contains("ix_authorizations_expire_time");
        assert!(plan.iter().any(by_index), "{plan:?}");
    }
}
