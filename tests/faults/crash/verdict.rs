//! What is true of each connection in the end, against what tokend says of it.

use std::{
    collections::BTreeSet,
    sync::Arc,
    time::{Duration, Instant},
};

use futures::{StreamExt, stream};
use tokend_api::v1::ConnectionStatus;

use crate::{accounts::Account, fleet::Fleet, provider_class::Class};

/// Everything is decided within this time: P-02 allows a call's longest time and two minutes.
const PATIENCE: Duration = Duration::from_secs(130);

/// Between two attempts to renew a connection that is in doubt.
const INTERVAL: Duration = Duration::from_millis(250);

/// How many connections are asked about at a time.
const AT_ONCE: usize = 16;

/// What became of one connection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum End {
    /// It can be renewed, and what comes of it works.
    Alive,
    /// tokend says that a rotation was lost.
    Lost,
    /// Neither came true in time: this was the last that was said.
    Undecided(String),
}

/// What became of all.
pub(crate) struct Verdict {
    ends: Vec<(Arc<Account>, End)>,
}

impl Verdict {
    /// Renews each connection until it works or tokend gives it up.
    pub(crate) async fn of(fleet: &Fleet, accounts: &[Arc<Account>]) -> Self {
        let ends = stream::iter(accounts.iter().cloned())
            .map(|account| async move {
                let end = end_of(fleet, &account).await;
                (account, end)
            })
            .buffer_unordered(AT_ONCE)
            .collect()
            .await;
        Self { ends }
    }

    /// `C0 0/100 C1 0/100 C2 0/100, C3 2/100 = reported 2 <= in flight 5`
    pub(crate) fn figure(&self, in_flight: &BTreeSet<String>) -> String {
        let count = |class| {
            let of_class = self
                .ends
                .iter()
                .filter(|(account, _)| account.class == class);
            let lost = of_class.clone().filter(|(_, end)| *end != End::Alive);
            format!("{} {}/{}", class.name(), lost.count(), of_class.count())
        };
        let strict = |(account, _): &&(Arc<Account>, End)| account.class == Class::Strict;
        let of_strict = self.ends.iter().filter(strict);
        let reported = of_strict.clone().filter(|(_, end)| *end == End::Lost);
        let at_stake = of_strict.filter(|(account, _)| in_flight.contains(&account.connection_id));
        format!(
            "{} {} {}, {} = reported {} <= in flight {}",
            count(Class::StaysValid),
            count(Class::Overlap),
            count(Class::UntilSuccessorUsed),
            count(Class::Strict),
            reported.count(),
            at_stake.count()
        )
    }

    /// Nothing is lost but at strict providers; what is lost there was in flight at a kill, is reported, and is really
    /// dead; and nothing else was called dead.
    pub(crate) fn check(&self, fleet: &Fleet, in_flight: &BTreeSet<String>) {
        let ledger = fleet.simulator.ledger();
        let mut wrong = Vec::new();
        for (account, end) in &self.ends {
            let state = ledger.family_state(account.family).unwrap();
            let justified = account.class == Class::Strict
                && in_flight.contains(&account.connection_id)
                && state.redeemable == 0;
            let fine = match end {
                End::Alive => state.recoverable && state.newest_delivered,
                End::Lost => justified,
                End::Undecided(_) => false,
            };
            let redeemed_at_once = account.class == Class::Strict && state.overlapping > 0;
            if !fine || redeemed_at_once {
                wrong.push(format!("{account:?}: {end:?}, but {state:?}"));
            }
        }
        assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    }
}

async fn end_of(fleet: &Fleet, account: &Account) -> End {
    let (ledger, client) = (fleet.simulator.ledger(), &fleet.clients[0]);
    let began = Instant::now();
    loop {
        let said = match account.refresh(client).await {
            Ok(_) => match account.get(client, None).await {
                Ok(vended) => {
                    let token = vended.access_token.expose();
                    let own = ledger.family_of(token) == Some(account.family);
                    if own && ledger.is_access_token_live(token) {
                        return End::Alive;
                    }
                    "a token that does not work".to_owned()
                }
                Err(error) => format!("{error:?}"),
            },
            Err(status) => format!("{status:?}"),
        };
        let described = account.describe(client).await;
        if let Ok(described) = &described
            && described.status() == ConnectionStatus::Error
            && described.status_reason == "ROTATION_LOST"
        {
            return End::Lost;
        }
        if began.elapsed() >= PATIENCE {
            return End::Undecided(format!("{described:?}, {said}"));
        }
        tokio::time::sleep(INTERVAL).await;
    }
}
