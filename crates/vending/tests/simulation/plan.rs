//! What a seed decides before its run begins: the provider's class, the size of the world and its faults.

use std::{ops::Range, time::Duration};

use tokend_model::{RefreshFacts, Rotation};

use crate::dice::Dice;

/// The world and the faults of one seed.
#[derive(Debug, Clone)]
pub(crate) struct Plan {
    pub(crate) replicas: usize,
    pub(crate) connections: usize,
    pub(crate) callers: usize,
    /// What the catalogue says of the provider.
    pub(crate) facts: RefreshFacts,
    /// What the provider really does.
    pub(crate) conduct: Conduct,
    pub(crate) faults: Faults,
    /// Whether a replica is killed only while all others serve, and not soon after another.
    pub(crate) one_at_a_time: bool,
    /// How long faults happen, in seconds of simulated time.
    pub(crate) storm: u64,
    /// When the database cannot be reached, in seconds since the start.
    pub(crate) database_outage: Option<Range<u64>>,
    /// When the provider cannot be reached.
    pub(crate) provider_outage: Option<Range<u64>>,
    /// How far each replica's clock is off, in seconds.
    pub(crate) clock_errors: Vec<i64>,
    /// Whether the user ends the first connection's grant at the provider.
    pub(crate) user_revokes: bool,
    /// Whether an operator deletes and reconnects in between.
    pub(crate) operator: bool,
}

/// How the provider really treats refresh tokens.
#[derive(Debug, Clone)]
pub(crate) struct Conduct {
    pub(crate) rotation: Rotation,
    /// Whether a reused refresh token ends its grant where reuse is not allowed.
    pub(crate) reuse_ends_grant: bool,
    pub(crate) access_token_survives: bool,
    /// Whether a provider whose refresh tokens stay valid gives new ones all the same.
    pub(crate) always_new: bool,
    /// How long access tokens live.
    pub(crate) lifetime: Duration,
}

/// How often each fault happens, per port call; 0: not in this run.
#[derive(Debug, Clone, Default)]
pub(crate) struct Faults {
    pub(crate) crash: f64,
    pub(crate) freeze: f64,
    pub(crate) slow: f64,
    pub(crate) statement_fails: f64,
    pub(crate) outcome_unknown: f64,
    pub(crate) answer_lost: f64,
    pub(crate) rate_limited: f64,
    pub(crate) server_error: f64,
    pub(crate) garbage: f64,
    pub(crate) spurious_refusal: f64,
    pub(crate) journal_fails: f64,
}

impl Plan {
    pub(crate) fn of(dice: &Dice) -> Self {
        let rotation = match dice.between(0..8) {
            0 => Rotation::StaysValid,
            1 => Rotation::UntilSuccessorUsed,
            2 => Rotation::Unknown,
            3 | 4 => Rotation::Strict,
            _ => Rotation::Overlap {
                window: Duration::from_secs(dice.pick(&[5, 15, 30, 60, 60, 120, 600, 1800])),
            },
        };
        let real = match rotation {
            Rotation::Unknown => dice.pick(&[
                Rotation::StaysValid,
                Rotation::UntilSuccessorUsed,
                Rotation::Strict,
                Rotation::Strict,
                Rotation::Overlap {
                    window: Duration::from_secs(30),
                },
            ]),
            known => known,
        };
        let survives = dice.chance(0.7);
        let conduct = Conduct {
            rotation: real,
            reuse_ends_grant: dice.chance(0.7),
            access_token_survives: survives,
            always_new: dice.chance(0.5),
            lifetime: Duration::from_secs(dice.pick(&[60, 90, 120, 300, 600])),
        };
        let storm = dice.between(60..400);
        let crashes_only = dice.chance(0.2);
        let replicas = 2 + dice.below(2);
        Self {
            replicas,
            connections: 1 + dice.below(3),
            callers: 1 + dice.below(4),
            facts: RefreshFacts {
                rotation,
                access_token_survives_refresh: survives,
                ..RefreshFacts::default()
            },
            conduct,
            faults: faults(dice, crashes_only),
            one_at_a_time: crashes_only,
            storm,
            database_outage: outage(dice, crashes_only, storm),
            provider_outage: outage(dice, crashes_only, storm),
            clock_errors: (0..replicas).map(|_| clock_error(dice)).collect(),
            user_revokes: dice.chance(0.15),
            operator: dice.chance(0.2),
        }
    }

    /// How often what is due is looked for, in milliseconds: the rarer, the faster the run, and the later what was
    /// abandoned is found.
    pub(crate) fn scheduler_pause(&self) -> Range<u64> {
        match self.has_short_window() {
            true => 500..1500,
            false => 500..6000,
        }
    }

    /// Whether a replica that looks for due renewals less often than real ones do would miss the provider's window.
    pub(crate) fn has_short_window(&self) -> bool {
        matches!(self.facts.rotation, Rotation::Overlap { window } if window < Duration::from_secs(60))
    }

    /// How long a request is on its way in a slow moment, and its answer, in milliseconds. No provider carries a
    /// request out after its caller gave up; where a silent holder is taken over, not after that either: what was
    /// sent by a process that died meanwhile would otherwise come when the window is over.
    pub(crate) fn slow_ways(&self) -> (Range<u64>, Range<u64>) {
        match self.facts.rotation {
            Rotation::Overlap { window } if window >= Duration::from_secs(15) => {
                (1000..8000, 0..60_000)
            }
            _ => (1000..60_000, 0..4000),
        }
    }

    /// Whether all that people do is done: no process dies or hangs over it, and nobody is out of reach.
    pub(crate) fn lets_people_finish(&self) -> bool {
        let faults = &self.faults;
        let troubles = [
            faults.crash,
            faults.freeze,
            faults.slow,
            faults.statement_fails,
            faults.outcome_unknown,
        ];
        self.database_outage.is_none()
            && self.provider_outage.is_none()
            && troubles.iter().all(|&share| share == 0.0)
    }

    /// Whether nothing may be lost, whatever happens.
    pub(crate) fn never_loses(&self) -> bool {
        match self.facts.rotation {
            Rotation::StaysValid | Rotation::UntilSuccessorUsed => true,
            // Longer than all that can go wrong in a run.
            Rotation::Overlap { window } if window >= Duration::from_secs(1800) => true,
            // An answer lost on the way is noticed after the call's whole time: too late for a window.
            Rotation::Overlap { window } => window >= Duration::from_secs(15) && self.one_at_a_time,
            Rotation::Strict | Rotation::Unknown => false,
        }
    }
}

fn faults(dice: &Dice, crashes_only: bool) -> Faults {
    let share = |most: f64, possible: bool| match possible && dice.chance(0.4) {
        true => most * f64::from(u32::try_from(dice.between(1..101)).unwrap_or(1)) / 100.0,
        false => 0.0,
    };
    let others = !crashes_only;
    let mut faults = Faults {
        crash: share(0.03, true),
        freeze: share(0.01, others),
        slow: share(0.05, others),
        statement_fails: share(0.1, others),
        outcome_unknown: share(0.1, others),
        answer_lost: share(0.3, others),
        rate_limited: share(0.3, others),
        server_error: share(0.3, others),
        garbage: share(0.2, others),
        spurious_refusal: share(0.2, others),
        journal_fails: share(0.1, others),
    };
    if crashes_only {
        faults.crash = faults.crash.max(0.01);
    }
    faults
}

fn outage(dice: &Dice, crashes_only: bool, storm: u64) -> Option<Range<u64>> {
    if crashes_only || !dice.chance(0.2) {
        return None;
    }
    let start = dice.between(0..storm);
    let length = dice.between(1..storm);
    Some(start..(start + length).min(storm))
}

fn clock_error(dice: &Dice) -> i64 {
    match dice.chance(0.2) {
        true => i64::try_from(dice.between(0..3)).unwrap_or(0) - 1,
        false => 0,
    }
}
