//! Killing, and what was in flight in whoever was killed.

use std::{collections::BTreeSet, time::Duration};

use sqlx::{PgPool, Row};

use crate::fleet::Fleet;

/// Kills a random replica so many times and starts it again each time. Answers the connections whose refresh was under
/// way in a replica when it was killed.
pub(crate) async fn again_and_again(
    fleet: &mut Fleet,
    kills: usize,
    chance: &mut fastrand::Rng,
) -> BTreeSet<String> {
    let mut in_flight = BTreeSet::new();
    for _ in 0..kills {
        let quiet = Duration::from_millis(chance.u64(200..1200));
        tokio::time::sleep(quiet).await;
        let number = chance.usize(..fleet.replicas.len());
        let replica = &mut fleet.replicas[number];
        replica.kill().await;
        in_flight.extend(open_claims(&fleet.database, &replica.identity()).await);
        // Mostly at once, as a supervisor does; at times so late that the others have to take over.
        if chance.u8(..10) == 0 {
            tokio::time::sleep(Duration::from_secs(chance.u64(2..12))).await;
        }
        replica.start().await;
    }
    in_flight
}

/// A claim is written before the provider is called and closed when the answer is stored: what a dead replica holds is
/// what it had in flight.
async fn open_claims(database: &PgPool, replica: &str) -> Vec<String> {
    let query = "SELECT connection_id FROM refresh_claims WHERE state = 'OPEN' AND holder LIKE $1";
    let rows = sqlx::query(query)
        .bind(format!("{replica}/%"))
        .fetch_all(database)
        .await
        .unwrap();
    rows.iter().map(|row| row.get(0)).collect()
}
