//! P-08, P-09, P-17 and P-28: the database or the provider is away, slow, or out of reach of one replica.

mod cold_start;
mod database_away;
mod database_slow;
mod partition;

use std::{sync::Arc, time::Duration};

use crate::{accounts::Account, fleet::Fleet, hot::ask};

/// Access tokens that outlive the test.
const LONG: Duration = Duration::from_secs(3600);

/// Lets every replica know all of these accounts.
async fn known_everywhere(fleet: &Fleet, accounts: &[Arc<Account>]) {
    for client in &fleet.clients {
        for account in accounts {
            ask(client, account).await.unwrap();
        }
    }
}

/// How many token calls the provider has seen.
fn provider_calls(fleet: &Fleet) -> usize {
    fleet.simulator.ledger().token_calls()
}
