//! Callers that ask for tokens all the time, and hold each one against the ledger.

use std::{
    collections::BTreeMap,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use reqwest::StatusCode;
use tokend_client::{Client, Connection, Error};
use tokend_simulator::Ledger;
use tokio::task::JoinSet;

use crate::{accounts::Account, fleet::Fleet};

/// What the callers of a load do.
#[derive(Debug, Clone)]
pub(crate) struct Habits {
    /// How many callers there are.
    pub(crate) callers: usize,
    /// How long each pauses between two calls.
    pub(crate) pause: Duration,
    /// How many of a hundred calls report the token they got before as refused, so that it is renewed.
    pub(crate) reports: u8,
    /// How many of a hundred tokens are used at the provider.
    pub(crate) uses: u8,
}

/// Callers at work.
pub(crate) struct Load {
    stop: Arc<AtomicBool>,
    callers: JoinSet<Tally>,
}

/// What callers met.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    /// Tokens they got.
    pub(crate) vended: usize,
    /// Of these, those that belong to another account.
    pub(crate) foreign: usize,
    /// Of these, those that the provider did not take, though they were used at once.
    pub(crate) dead: usize,
    /// Calls that brought none, by why.
    pub(crate) failed: BTreeMap<String, usize>,
    /// How long the slowest call took that brought a token.
    pub(crate) slowest: Duration,
}

struct Caller {
    habits: Habits,
    clients: Vec<Client>,
    accounts: Arc<[Arc<Account>]>,
    ledger: Ledger,
    api: String,
    http: reqwest::Client,
    chance: fastrand::Rng,
    tally: Tally,
}

impl Load {
    /// Callers of any of these accounts at any replica, until they are stopped.
    pub(crate) fn start(
        fleet: &Fleet,
        accounts: &[Arc<Account>],
        habits: &Habits,
        chance: &mut fastrand::Rng,
    ) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let accounts: Arc<[_]> = accounts.into();
        // reqwest wants a TLS provider even for plain HTTP.
        _ = rustls::crypto::ring::default_provider().install_default();
        let http = reqwest::Client::builder().no_proxy().build().unwrap();
        let mut callers = JoinSet::new();
        for _ in 0..habits.callers {
            let caller = Caller {
                habits: habits.clone(),
                clients: fleet.clients.clone(),
                accounts: accounts.clone(),
                ledger: fleet.simulator.ledger(),
                api: format!("{}/api/events", fleet.simulator.base_url()),
                http: http.clone(),
                chance: chance.fork(),
                tally: Tally::default(),
            };
            callers.spawn(caller.work(stop.clone()));
        }
        Self { stop, callers }
    }

    /// Lets each caller finish its call, and answers what they met.
    pub(crate) async fn stop(self) -> Tally {
        self.stop.store(true, Ordering::Relaxed);
        let tallies = self.callers.join_all().await;
        tallies.into_iter().fold(Tally::default(), Tally::plus)
    }
}

impl Caller {
    async fn work(mut self, stop: Arc<AtomicBool>) -> Tally {
        let mut generations = BTreeMap::new();
        while !stop.load(Ordering::Relaxed) {
            let number = self.chance.usize(..self.accounts.len());
            let account = self.accounts[number].clone();
            let client = self.clients[self.chance.usize(..self.clients.len())].clone();
            let known = generations.get(&number).copied();
            let reported = known.filter(|_| self.chance.u8(..100) < self.habits.reports);
            let asked = Instant::now();
            match account.get(&client, reported).await {
                Ok(vended) => {
                    generations.insert(number, vended.generation);
                    self.tally.slowest = self.tally.slowest.max(asked.elapsed());
                    self.hold_against_ledger(&account, &vended).await;
                }
                Err(error) => *self.tally.failed.entry(why(&error)).or_default() += 1,
            }
            tokio::time::sleep(self.habits.pause).await;
        }
        self.tally
    }

    async fn hold_against_ledger(&mut self, account: &Account, vended: &Connection) {
        self.tally.vended += 1;
        let token = vended.access_token.expose();
        if self.ledger.family_of(token) != Some(account.family) {
            self.tally.foreign += 1;
        }
        let alive = match self.chance.u8(..100) < self.habits.uses {
            true => {
                let used = self.http.get(&self.api).bearer_auth(token).send().await;
                used.unwrap().status() == StatusCode::OK
            }
            false => self.ledger.is_access_token_live(token),
        };
        self.tally.dead += usize::from(!alive);
    }
}

impl Tally {
    fn plus(mut self, other: Self) -> Self {
        for (why, times) in other.failed {
            *self.failed.entry(why).or_default() += times;
        }
        Self {
            vended: self.vended + other.vended,
            foreign: self.foreign + other.foreign,
            dead: self.dead + other.dead,
            failed: self.failed,
            slowest: self.slowest.max(other.slowest),
        }
    }
}

/// A failure's code and reason, without what differs from call to call.
pub(crate) fn why(error: &Error) -> String {
    match error.reason {
        Some(reason) => format!("{:?} {}", error.code, reason.reason()),
        None => format!("{:?} {}", error.code, error.message),
    }
}
