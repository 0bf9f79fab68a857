//! Tags: kept with the connection, replaced as a whole, found all together.

use std::collections::BTreeMap;

use tokend_model::{
    Connection, ConnectionFilter,
    ports::{Connections, Housekeeping, Imported, Page},
};

use crate::{
    rig::Rig,
    sample::{at, new_connection, service, stored_connector, stranger, user, workspace},
};

cases!(
    a_connection_keeps_its_tags_until_others_are_given,
    connections_are_found_by_all_of_their_tags,
    connections_are_found_by_several_types,
    tags_go_with_their_connection,
);

fn tags(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
    let owned = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
    pairs.iter().map(owned).collect()
}

async fn listed(rig: &Rig, filter: ConnectionFilter) -> Vec<Connection> {
    let page = Page {
        after: None,
        limit: 100,
    };
    let listed = rig.storage.list(&workspace(), &filter, &page).await;
    listed.unwrap()
}

async fn a_connection_keeps_its_tags_until_others_are_given(rig: Rig) {
    stored_connector(&rig.storage).await;
    let mut new = new_connection(user("ada"));
    let first = tags(&[("team", "sales"), ("tier", "gold \"1\"")]);
    new.tags = Some(first.clone());
    let made = rig.storage.connect(&new, at(2)).await.unwrap();
    assert_eq!(made.tags, first);
    new.tags = None;
    let again = rig.storage.connect(&new, at(3)).await.unwrap();
    assert_eq!(again.tags, first);
    let mut imported = new_connection(user("ada"));
    imported.tags = None;
    let Imported::Stored(stored) = rig.storage.import(&imported, at(4)).await.unwrap() else {
        panic!("it is another grant");
    };
    assert_eq!(stored.tags, first);

    let second = tags(&[("team", "support")]);
    let set = rig.storage.set_tags(&workspace(), &new.id, &second).await;
    assert_eq!(set.unwrap().unwrap().tags, second);
    let (read, _) = Connections::get(&rig.storage, &workspace(), &new.id)
        .await
        .unwrap()
        .unwrap();
    assert_eq!(read.tags, second);
    let described = rig.storage.describe(&workspace(), &new.id).await.unwrap();
    assert_eq!(described.unwrap().tags, second);
    let elsewhere = rig.storage.set_tags(&stranger(), &new.id, &first).await;
    assert_eq!(elsewhere.unwrap(), None);
    let none = rig
        .storage
        .set_tags(&workspace(), &new.id, &tags(&[]))
        .await;
    assert!(none.unwrap().unwrap().tags.is_empty());
}

async fn connections_are_found_by_all_of_their_tags(rig: Rig) {
    stored_connector(&rig.storage).await;
    for (name, given) in [
        ("ada", tags(&[("team", "sales"), ("tier", "gold")])),
        ("bob", tags(&[("team", "sales")])),
        ("eve", tags(&[("team", "gold"), ("tier", "sales")])),
        ("nil", tags(&[])),
    ] {
        let mut new = new_connection(user(name));
        new.tags = Some(given);
        rig.storage.connect(&new, at(2)).await.unwrap();
    }
    let found = async |given: &[(&str, &str)]| {
        let filter = ConnectionFilter {
            tags: tags(given),
            ..ConnectionFilter::default()
        };
        let owners = listed(&rig, filter).await;
        owners.into_iter().map(|one| one.owner).collect::<Vec<_>>()
    };
    assert_eq!(
        found(&[("team", "sales")]).await,
        [user("ada"), user("bob")]
    );
    assert_eq!(
        found(&[("team", "sales"), ("tier", "gold")]).await,
        [user("ada")]
    );
    assert_eq!(found(&[("team", "nobody")]).await, []);
    assert_eq!(found(&[]).await.len(), 4);
    let all = listed(&rig, ConnectionFilter::default()).await;
    assert_eq!(all[0].tags, tags(&[("team", "sales"), ("tier", "gold")]));
    assert!(all[3].tags.is_empty());
}

async fn connections_are_found_by_several_types(rig: Rig) {
    stored_connector(&rig.storage).await;
    let new = new_connection(user("ada"));
    rig.storage.connect(&new, at(2)).await.unwrap();
    for (types, expected) in [
        (vec!["googlecalendar", "slack"], 1),
        (vec!["slack"], 0),
        (vec![], 0),
    ] {
        let filter = ConnectionFilter {
            integration_types: Some(types.iter().map(|name| service(name)).collect()),
            ..ConnectionFilter::default()
        };
        assert_eq!(listed(&rig, filter).await.len(), expected, "{types:?}");
    }
}

async fn tags_go_with_their_connection(rig: Rig) {
    stored_connector(&rig.storage).await;
    let new = new_connection(user("ada"));
    rig.storage.connect(&new, at(2)).await.unwrap();
    rig.storage.delete(&workspace(), &new.id).await.unwrap();
    let left = rig.texts("SELECT name FROM connection_tags", "name").await;
    assert_eq!(left, Vec::<String>::new());
}
