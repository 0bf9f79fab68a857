//! Whether the simulated database does what the real ones do: the same operations, chosen by a seed, on both, with
//! equal outcomes and equal rows after each.

mod choice;
mod database;
mod operation;
mod outcome;
mod real;
mod sequence;
mod simulated;

use database::Database;

/// Sequences on each database, and operations in each.
const SEQUENCES: u64 = 40;
const LENGTH: usize = 60;

#[tokio::test(flavor = "multi_thread")]
async fn sqlite_does_as_the_simulated_database() {
    database::on_sqlite(agree).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn postgres_does_as_the_simulated_database() {
    database::on_postgres(agree).await;
}

async fn agree(mut database: Database) {
    let mut compared = 0;
    for seed in 0..SEQUENCES {
        compared += sequence::run(&mut database, seed, LENGTH).await;
    }
    println!("{compared} operations agree");
    let possible = usize::try_from(SEQUENCES).unwrap_or_default() * LENGTH;
    assert!(compared > possible / 2, "only {compared} were compared");
}
