//! What is compared: outcomes and rows, their times in whole seconds from now. Everything is decided by whole seconds
//! here, so that the moments that a real statement takes make no difference.

use std::time::Duration;

use chrono::TimeDelta;
use tokend_model::{
    Connection, Credential, Generation, Timestamp,
    ports::{ClaimOutcome, CommitOutcome, DueRenewal, Ended, KeptGeneration, Orphan},
};

/// Longer than a sequence, in seconds.
const LONG_PAST: i64 = 1_000_000;

type Found = Option<(Connection, Option<Credential>)>;

/// What an operation came to.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Outcome {
    Done,
    Connected(Box<Connection>),
    Ended(Ended),
    Claim(Box<ClaimOutcome>),
    Beats(bool),
    Commit(CommitOutcome),
    Due(Vec<DueRenewal>),
    Credential(Option<Box<Credential>>),
}

/// A connection with all that can be seen of it.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Seen {
    found: Found,
    generations: Vec<(Generation, bool)>,
    orphans: Vec<(Credential, bool)>,
}

impl Outcome {
    /// The same with its times in whole seconds from `now`.
    pub(super) fn rounded(self, now: Timestamp) -> Self {
        match self {
            Self::Connected(mut connection) => {
                round_connection(&mut connection, now);
                Self::Connected(connection)
            }
            Self::Ended(mut found) => {
                for (connection, _) in &mut found {
                    round_connection(connection, now);
                }
                Self::Ended(found)
            }
            Self::Claim(mut claim) => {
                match claim.as_mut() {
                    ClaimOutcome::Held(left) | ClaimOutcome::Paused(left) => {
                        *left = Duration::from_secs_f64(left.as_secs_f64().round());
                    }
                    ClaimOutcome::Claimed(claimed) => {
                        round(&mut claimed.uncertain_since, now);
                        if let Some(orphan) = &mut claimed.orphan {
                            orphan.id.clear();
                        }
                    }
                    ClaimOutcome::Moved | ClaimOutcome::NotOurs => {}
                }
                Self::Claim(claim)
            }
            Self::Due(mut due) => {
                for renewal in &mut due {
                    renewal.due_time = rounded(renewal.due_time, now);
                    renewal.next_time = rounded(renewal.next_time, now);
                }
                // Those due in the same second come in either order.
                due.sort_by(|a, b| {
                    (a.due_time, &a.connection_id).cmp(&(b.due_time, &b.connection_id))
                });
                Self::Due(due)
            }
            other => other,
        }
    }
}

impl Seen {
    pub(super) fn new(
        mut found: Found,
        generations: &[KeptGeneration],
        orphans: Vec<Orphan>,
        now: Timestamp,
    ) -> Self {
        if let Some((connection, _)) = &mut found {
            round_connection(connection, now);
        }
        let generations = generations.iter();
        let orphans = orphans.into_iter();
        Self {
            found,
            generations: generations
                .map(|kept| (kept.generation, kept.renewable))
                .collect(),
            orphans: orphans
                .map(|orphan| (orphan.credential, orphan.tried))
                .collect(),
        }
    }
}

fn round_connection(connection: &mut Connection, now: Timestamp) {
    let health = &mut connection.refresh_health;
    for time in [
        &mut connection.renewal_time,
        &mut health.retry_time,
        &mut health.accused_time,
        &mut health.uncertain_since,
    ] {
        round(time, now);
    }
}

fn round(time: &mut Option<Timestamp>, now: Timestamp) {
    *time = time.map(|time| rounded(time, now));
}

pub(super) fn rounded(time: Timestamp, now: Timestamp) -> Timestamp {
    let milliseconds = (time - now).num_milliseconds();
    let seconds = (milliseconds + 500).div_euclid(1000);
    // What is to come before all else has no time of its own, and cannot be made older.
    Timestamp::UNIX_EPOCH + TimeDelta::seconds(seconds.max(-LONG_PAST))
}
