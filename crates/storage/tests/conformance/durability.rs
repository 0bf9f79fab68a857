//! What the database says of its commits.

use tokend_storage::{Durability, Storage};

use crate::rig::Rig;

cases!(a_database_says_what_its_commits_are_worth);

async fn a_database_says_what_its_commits_are_worth(rig: Rig) {
    let said = rig.storage.durability().await.unwrap();
    if !rig.is_postgres() {
        assert_eq!(said, Durability::Durable);
        return;
    }
    let name = rig.texts("SELECT CAST(current_database() AS TEXT) AS name", "name");
    let name = name.await.remove(0);
    rig.execute(&format!(
        "ALTER DATABASE {name} SET synchronous_commit = off"
    ))
    .await;
    // Our own connections are better than that; a standby is what they cannot make.
    let careless = Storage::connect(rig.options.clone(), rig.keyring.clone());
    let careless = careless.await.unwrap();
    for storage in [&rig.storage, &careless] {
        let said = storage.durability().await.unwrap();
        let Durability::AtRisk { why } = said else {
            panic!("a server of its own has no standby");
        };
        assert!(!why.contains("synchronous_commit="), "{why}");
    }
}
