//! Callers of tokens that replicas have in memory: whatever happens elsewhere, they are to notice nothing.

use std::{
    collections::BTreeMap,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use tokend_api::v1;
use tokend_client::Client;
use tokio::task::JoinSet;
use tonic::Status;
use tonic_types::StatusExt;

use crate::accounts::Account;

/// Callers at each replica.
const CALLERS: usize = 2;

/// Between two calls of one caller.
const PAUSE: Duration = Duration::from_millis(5);

/// Callers at work: each asks once and takes what it is told; nothing is tried again.
pub(crate) struct Hot {
    stop: Arc<AtomicBool>,
    callers: JoinSet<Served>,
}

/// What they were told.
#[derive(Debug, Default)]
pub(crate) struct Served {
    took: Vec<Duration>,
    /// Calls that brought no token, by why.
    pub(crate) failed: BTreeMap<String, usize>,
}

impl Hot {
    /// Callers of any of these accounts at any of these replicas, until they are stopped.
    pub(crate) fn start(clients: &[Client], accounts: &[Arc<Account>]) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let mut callers = JoinSet::new();
        for client in clients.iter().flat_map(|client| vec![client; CALLERS]) {
            let (client, accounts, stop) = (client.clone(), accounts.to_vec(), stop.clone());
            callers.spawn(async move {
                let mut served = Served::default();
                for account in accounts.iter().cycle() {
                    if stop.load(Ordering::Relaxed) {
                        break;
                    }
                    let asked = Instant::now();
                    match ask(&client, account).await {
                        Ok(_) => served.took.push(asked.elapsed()),
                        Err(status) => *served.failed.entry(told(&status)).or_default() += 1,
                    }
                    tokio::time::sleep(PAUSE).await;
                }
                served
            });
        }
        Self { stop, callers }
    }

    /// Lets each caller finish its call, and answers what they were told.
    pub(crate) async fn stop(self) -> Served {
        self.stop.store(true, Ordering::Relaxed);
        let all = self.callers.join_all().await;
        let mut sum = all.into_iter().fold(Served::default(), |mut sum, one| {
            sum.took.extend(one.took);
            for (why, times) in one.failed {
                *sum.failed.entry(why).or_default() += times;
            }
            sum
        });
        sum.took.sort();
        sum
    }
}

impl Served {
    /// How many calls there were.
    pub(crate) fn calls(&self) -> usize {
        self.took.len() + self.failed.values().sum::<usize>()
    }

    /// How many of a hundred calls brought a token.
    pub(crate) fn percent(&self) -> f64 {
        100.0 * self.took.len() as f64 / self.calls() as f64
    }

    /// The time that 99 of a hundred answers with a token did not take.
    pub(crate) fn p99(&self) -> Duration {
        self.took[self.took.len() * 99 / 100]
    }
}

/// Asks for an account's token, once.
pub(crate) async fn ask(
    client: &Client,
    account: &Account,
) -> Result<v1::VendedConnection, Status> {
    ask_instead_of(client, account, None).await
}

/// The same, complaining about the token of that generation.
pub(crate) async fn ask_instead_of(
    client: &Client,
    account: &Account,
    rejected_generation: Option<u32>,
) -> Result<v1::VendedConnection, Status> {
    let request = v1::GetConnectionRequest {
        integration_type: account.class.integration_type().to_owned(),
        label: Some(account.label.clone()),
        rejected_generation,
        ..Default::default()
    };
    let answer = client.connectors().get_connection(request).await?;
    Ok(answer.into_inner())
}

/// An error's code and reason.
pub(crate) fn told(status: &Status) -> String {
    let reason = status.get_details_error_info().map(|info| info.reason);
    format!("{:?} {}", status.code(), reason.unwrap_or_default())
}

/// That the database is unavailable, and when to come back.
#[track_caller]
pub(crate) fn comes_back_later(status: &Status) {
    assert_eq!(
        told(status),
        "Unavailable STORAGE_UNAVAILABLE",
        "{status:?}"
    );
    let retry = status.get_details_retry_info();
    let delay = retry.and_then(|info| info.retry_delay);
    assert!(delay.is_some_and(|delay| !delay.is_zero()), "{status:?}");
}
