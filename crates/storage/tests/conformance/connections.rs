//! Connections: made, made anew, listed, counted, revoked and removed.

use tokend_model::{
    Account, AuthorizationState, ConnectionFilter, ConnectionStatus, ConnectionUse, ConnectorKind,
    Expiry, Generation, Label, Owner,
    ports::{Authorizations, Connections, Page, StorageError},
};

use crate::{
    rig::Rig,
    sample::{
        at, authorization, connector_id, hash, new_connection, secret, service, stored_connection,
        stored_connector, stranger, user, workspace,
    },
};

cases!(
    a_new_connection_is_read_as_it_was_made,
    reconnecting_keeps_the_id_and_counts_on,
    an_old_refresh_token_stays_only_where_it_may,
    owners_and_labels_tell_connections_apart,
    a_connection_ends_its_authorization_or_is_not_made,
    a_connection_needs_its_connector,
    listing_narrows_and_pages,
    deleting_answers_the_last_credential,
    revoking_keeps_the_record_only,
    uses_are_added_up,
    an_account_is_noted,
    kept_generations_are_told_unopened,
    first_connections_of_one_owner_become_one,
);

fn everything() -> Page {
    Page {
        after: None,
        limit: 100,
    }
}

async fn a_new_connection_is_read_as_it_was_made(rig: Rig) {
    stored_connector(&rig.storage).await;
    let new = new_connection(Owner::Shared);
    let made = rig.storage.connect(&new, at(2)).await.unwrap();
    assert_eq!(made.id, new.id);
    assert_eq!(made.account, new.account);
    assert_eq!(made.connection_config, new.connection_config);
    assert_eq!(made.scopes, new.scopes);
    assert_eq!(made.generation, Generation::FIRST);
    assert_eq!(made.status, ConnectionStatus::Authorized);
    assert_eq!(made.expiry, Expiry::At(at(3600)));
    assert_eq!(made.renewal_time, new.renewal_time);
    assert_eq!((made.create_time, made.refresh_time), (at(2), at(1)));
    assert_eq!((made.use_count, made.last_use_time), (0, None));
    let got = Connections::get(&rig.storage, &workspace(), &new.id)
        .await
        .unwrap();
    let found = rig
        .storage
        .find(&workspace(), &new.connector_id, &new.owner, &new.label, "")
        .await
        .unwrap();
    assert_eq!(got, found);
    let (connection, credential) = got.unwrap();
    assert_eq!(connection, made);
    let credential = credential.unwrap();
    assert_eq!(credential.generation, Generation::FIRST);
    assert_eq!(credential.access_token, new.answer.access_token);
    assert_eq!(credential.refresh_token, new.answer.refresh_token);
    assert_eq!(credential.refresh_expire_time, Some(at(86_400)));
    assert_eq!(credential.token_type, "Bearer");
    assert_eq!(credential.expiry, Expiry::At(at(3600)));
    assert_eq!(credential.scopes, new.scopes);
    assert_eq!(credential.receive_time, at(1));
}

async fn reconnecting_keeps_the_id_and_counts_on(rig: Rig) {
    let first = stored_connection(&rig.storage).await;
    rig.storage
        .revoke(&workspace(), &first.id, "BY_USER")
        .await
        .unwrap();
    let mut second = new_connection(user("ada"));
    second.answer.expiry = Expiry::Never;
    second.renewal_time = Some(at(7000));
    let made = rig.storage.connect(&second, at(50)).await.unwrap();
    assert_eq!(made.id, first.id);
    assert_eq!(made.generation, Generation(2));
    assert_eq!(made.renewal_time, second.renewal_time);
    assert_eq!(made.status, ConnectionStatus::Authorized);
    assert_eq!(made.status_reason, "");
    assert_eq!((made.create_time, made.authorize_time), (at(2), at(50)));
    let (connection, credential) = Connections::get(&rig.storage, &workspace(), &first.id)
        .await
        .unwrap()
        .unwrap();
    assert_eq!(connection, made);
    assert_eq!(credential.unwrap().access_token, second.answer.access_token);
    assert_eq!(rig.execute("DELETE FROM credentials").await, 1);
}

async fn an_old_refresh_token_stays_only_where_it_may(rig: Rig) {
    let first = stored_connection(&rig.storage).await;
    for (keep, expected) in [(true, first.answer.refresh_token.clone()), (false, None)] {
        let mut again = new_connection(user("ada"));
        again.answer.refresh_token = None;
        again.answer.refresh_expire_time = None;
        again.keep_refresh_token = keep;
        rig.storage.connect(&again, at(9)).await.unwrap();
        let (_, credential) = Connections::get(&rig.storage, &workspace(), &first.id)
            .await
            .unwrap()
            .unwrap();
        let credential = credential.unwrap();
        assert_eq!(credential.access_token, again.answer.access_token);
        assert_eq!(credential.refresh_token, expected);
        assert_eq!(credential.refresh_expire_time, expected.map(|_| at(86_400)));
    }
}

async fn owners_and_labels_tell_connections_apart(rig: Rig) {
    stored_connector(&rig.storage).await;
    let mut labelled = new_connection(user("ada"));
    labelled.label = Label::new("work").unwrap();
    let all = [
        new_connection(Owner::Shared),
        new_connection(user("ada")),
        new_connection(user("grace")),
        labelled,
    ];
    for new in &all {
        let made = rig.storage.connect(new, at(2)).await.unwrap();
        assert_eq!(made.id, new.id);
    }
    for new in &all {
        let found = rig
            .storage
            .find(&workspace(), &new.connector_id, &new.owner, &new.label, "")
            .await
            .unwrap();
        assert_eq!(found.unwrap().0.id, new.id);
    }
}

async fn a_connection_ends_its_authorization_or_is_not_made(rig: Rig) {
    stored_connector(&rig.storage).await;
    let attempt = authorization();
    Authorizations::insert(&rig.storage, &attempt, &hash(), None)
        .await
        .unwrap();
    let mut new = new_connection(user("ada"));
    new.authorization = Some(attempt.id.clone());
    let early = rig.storage.connect(&new, at(2)).await;
    assert!(matches!(early, Err(StorageError::Changed)), "{early:?}");
    let read = Connections::get(&rig.storage, &workspace(), &new.id).await;
    assert_eq!(read.unwrap(), None);
    rig.storage
        .advance(
            &workspace(),
            &attempt.id,
            AuthorizationState::Completing,
            "",
        )
        .await
        .unwrap();
    rig.storage.connect(&new, at(2)).await.unwrap();
    let ended = Authorizations::get(&rig.storage, &workspace(), &attempt.id)
        .await
        .unwrap()
        .unwrap();
    assert_eq!(ended.state, AuthorizationState::Completed);
    assert_eq!(ended.connection_id, Some(new.id));
}

async fn a_connection_needs_its_connector(rig: Rig) {
    let new = new_connection(user("ada"));
    let orphan = rig.storage.connect(&new, at(2)).await;
    assert!(matches!(orphan, Err(StorageError::Changed)), "{orphan:?}");
}

async fn listing_narrows_and_pages(rig: Rig) {
    stored_connector(&rig.storage).await;
    let mut ids = Vec::new();
    for owner in [user("ada"), user("grace"), Owner::Shared] {
        let made = rig.storage.connect(&new_connection(owner), at(2)).await;
        ids.push(made.unwrap().id);
    }
    rig.storage.revoke(&workspace(), &ids[1], "").await.unwrap();
    let list = async |filter: ConnectionFilter, page: Page| -> Vec<_> {
        let list = Connections::list(&rig.storage, &workspace(), &filter, &page).await;
        list.unwrap().into_iter().map(|row| row.id).collect()
    };
    let all = ConnectionFilter::default();
    assert_eq!(list(all.clone(), everything()).await, ids);
    let second = Page {
        after: Some(ids[0].as_str().to_owned()),
        limit: 1,
    };
    assert_eq!(list(all.clone(), second).await, ids[1..2]);
    let revoked = ConnectionFilter {
        statuses: Some(vec![ConnectionStatus::Revoked, ConnectionStatus::Error]),
        ..all.clone()
    };
    assert_eq!(list(revoked, everything()).await, ids[1..2]);
    let shared = ConnectionFilter {
        kind: Some(ConnectorKind::Shared),
        label: Some(Label::default_label()),
        ..all.clone()
    };
    assert_eq!(list(shared, everything()).await, ids[2..]);
    let ada = ConnectionFilter {
        kind: Some(ConnectorKind::AppUser),
        owner: Some(user("ada")),
        connector_id: Some(connector_id("calendar")),
        integration_type: Some(service("googlecalendar")),
        ..all.clone()
    };
    assert_eq!(list(ada, everything()).await, ids[..1]);
    for none in [
        ConnectionFilter {
            connector_id: Some(connector_id("other")),
            ..all.clone()
        },
        ConnectionFilter {
            integration_type: Some(service("slack")),
            ..all.clone()
        },
        ConnectionFilter {
            label: Some(Label::new("work").unwrap()),
            ..all.clone()
        },
        ConnectionFilter {
            statuses: Some(Vec::new()),
            ..all.clone()
        },
    ] {
        assert!(list(none, everything()).await.is_empty());
    }
}

async fn deleting_answers_the_last_credential(rig: Rig) {
    let new = stored_connection(&rig.storage).await;
    let last = rig.storage.delete(&workspace(), &new.id).await.unwrap();
    let [(connection, credential)] = last.try_into().unwrap();
    assert_eq!(connection.id, new.id);
    assert_eq!(credential.unwrap().refresh_token, new.answer.refresh_token);
    let again = rig.storage.delete(&workspace(), &new.id).await;
    assert_eq!(again.unwrap(), []);
    assert_eq!(rig.execute("DELETE FROM credentials").await, 0);
}

async fn revoking_keeps_the_record_only(rig: Rig) {
    let new = stored_connection(&rig.storage).await;
    let last = rig.storage.revoke(&workspace(), &new.id, "BY_USER").await;
    let [(connection, credential)] = last.unwrap().try_into().unwrap();
    assert_eq!(credential.unwrap().access_token, new.answer.access_token);
    assert_eq!(connection.status, ConnectionStatus::Revoked);
    assert_eq!(connection.status_reason, "BY_USER");
    assert_eq!(connection.renewal_time, None);
    let read = Connections::get(&rig.storage, &workspace(), &new.id).await;
    assert_eq!(read.unwrap(), Some((connection, None)));
    assert_eq!(rig.execute("DELETE FROM credentials").await, 0);
}

async fn uses_are_added_up(rig: Rig) {
    let new = stored_connection(&rig.storage).await;
    let other = new_connection(user("grace"));
    rig.storage.connect(&other, at(2)).await.unwrap();
    let uses = |workspace, connection_id, count, seconds| ConnectionUse {
        workspace,
        connection_id,
        count,
        last_use_time: at(seconds),
    };
    let gone = new_connection(user("gone")).id;
    let batch = [
        uses(workspace(), other.id.clone(), 1, 5),
        uses(workspace(), new.id.clone(), 2, 20),
        uses(workspace(), new.id.clone(), 3, 10),
        uses(workspace(), gone, 1, 5),
        uses(stranger(), new.id.clone(), 100, 99),
    ];
    let batch = &batch;
    rig.storage.record_uses(&batch[..4]).await.unwrap();
    rig.storage.record_uses(&batch[4..]).await.unwrap();
    rig.storage.record_uses(&batch[2..3]).await.unwrap();
    rig.storage.record_uses(&[]).await.unwrap();
    let all = ConnectionFilter::default();
    let list = Connections::list(&rig.storage, &workspace(), &all, &everything()).await;
    let counts: Vec<_> = list
        .unwrap()
        .into_iter()
        .map(|row| (row.id, row.use_count, row.last_use_time))
        .collect();
    let mut expected = vec![(new.id, 8, Some(at(20))), (other.id, 1, Some(at(5)))];
    expected.sort_by(|one, other| one.0.cmp(&other.0));
    assert_eq!(counts, expected);
}

async fn an_account_is_noted(rig: Rig) {
    let new = stored_connection(&rig.storage).await;
    let account = Account {
        name: Some("Ada".to_owned()),
        ..Account::default()
    };
    rig.storage
        .set_account(&stranger(), &new.id, &Account::default())
        .await
        .unwrap();
    let read = async || Connections::get(&rig.storage, &workspace(), &new.id).await;
    assert_eq!(read().await.unwrap().unwrap().0.account, new.account);
    rig.storage
        .set_account(&workspace(), &new.id, &account)
        .await
        .unwrap();
    assert_eq!(read().await.unwrap().unwrap().0.account, account);
}

async fn first_connections_of_one_owner_become_one(rig: Rig) {
    stored_connector(&rig.storage).await;
    let tries = (0..20).map(|_| {
        let storage = rig.storage.clone();
        tokio::spawn(async move {
            let mut new = new_connection(user("ada"));
            new.answer.access_token = secret();
            storage.connect(&new, at(2)).await.unwrap()
        })
    });
    let mut made = Vec::new();
    for one in futures::future::join_all(tries).await {
        made.push(one.unwrap());
    }
    assert!(made.iter().all(|one| one.id == made[0].id));
    let mut generations: Vec<_> = made.iter().map(|one| one.generation.0).collect();
    generations.sort_unstable();
    assert!(generations.into_iter().eq(1..=20));
}

async fn kept_generations_are_told_unopened(rig: Rig) {
    let new = stored_connection(&rig.storage).await;
    let kept_in = async |workspace| rig.storage.generations(&workspace, &new.id).await.unwrap();
    let key_id = rig.keyring.primary_key_id();
    let kept = kept_in(workspace()).await;
    assert_eq!(kept.len(), 1);
    assert_eq!(kept[0].generation, Generation::FIRST);
    assert_eq!(kept[0].source, Some(new.source));
    assert_eq!(
        (kept[0].receive_time, kept[0].expiry),
        (at(1), new.answer.expiry)
    );
    assert_eq!(kept[0].refresh_expire_time, new.answer.refresh_expire_time);
    assert_eq!((kept[0].renewable, kept[0].key_id.as_str()), (true, key_id));
    // Opening it would fail from here on.
    rig.execute("UPDATE credentials SET source = NULL, generation = 7")
        .await;
    let moved = kept_in(workspace()).await;
    assert_eq!(
        (moved[0].generation, moved[0].source),
        (Generation(7), None)
    );
    assert_eq!(moved[0].key_id, key_id);
    assert_eq!(kept_in(stranger()).await, []);
}
