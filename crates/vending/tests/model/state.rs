//! What the model remembers: the database's rows, each replica, the provider and the faults still to come.
//!
//! Times are ages in ticks (about 8 s each) that stop counting at the deadline, so that a state does not depend on when it was reached.

use crate::provider::{Provider, Token};

/// Ticks without a heartbeat after which a holder counts as gone (8 s).
pub(crate) const SILENCE: u8 = 1;

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct State {
    pub(crate) database: Database,
    pub(crate) replicas: Vec<Replica>,
    /// Requests whose sender is gone: the provider may still process them, nobody hears the answer.
    pub(crate) strays: Vec<Stray>,
    pub(crate) provider: Provider,
    pub(crate) faults: Faults,
    pub(crate) ledger: Ledger,
}

/// The rows of one connection, and whether statements succeed.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Database {
    pub(crate) up: bool,
    /// It came back less than a tick ago: those who live have not yet been able to say so.
    pub(crate) just_back: bool,
    pub(crate) status: Status,
    pub(crate) generation: u8,
    pub(crate) current: Token,
    pub(crate) previous: Option<Previous>,
    /// Ticks for which the present access token still works.
    pub(crate) access: u8,
    pub(crate) vended: bool,
    pub(crate) claim: Option<Claim>,
    pub(crate) uncertainty: Option<Uncertainty>,
    pub(crate) accusation: Accusation,
    /// Oldest first.
    pub(crate) orphans: Vec<Orphan>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Status {
    Authorized,
    /// ERROR, and whether the reason is "rotation lost".
    Error {
        rotation_lost: bool,
    },
    /// Deleted by an operator, and whether the stored grants were revoked at the provider already.
    Deleted {
        revoked: bool,
    },
}

/// The generation before the present one, and how long ago it was replaced.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Previous {
    pub(crate) token: Token,
    pub(crate) age: u8,
    pub(crate) tried: bool,
}

/// Who may redeem the present refresh token. The epoch is implied: a replica has one attempt at a time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct Claim {
    pub(crate) holder: usize,
    pub(crate) age: u8,
    /// Ticks since the last heartbeat.
    pub(crate) silence: u8,
}

/// Attempts were made on the present generation whose outcome nobody knows: the ages of the first and the latest.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Uncertainty {
    pub(crate) first: u8,
    pub(crate) latest: u8,
    /// Whether the one replay of a strict class was begun; only the variant that allows a single one asks.
    pub(crate) last_chance_taken: bool,
}

/// How far an `invalid_grant` has been believed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Accusation {
    None,
    /// Refused once; to be confirmed after this many ticks.
    Suspect {
        wait: u8,
    },
    /// Refused twice: what is left is to try the fallbacks.
    Confirmed,
}

/// An answer that came too late to be committed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Orphan {
    pub(crate) token: Token,
    pub(crate) base: u8,
    pub(crate) tried: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct Replica {
    pub(crate) process: Process,
    /// In memory: gone with the process.
    pub(crate) attempt: Option<Attempt>,
    /// On disk: an answer and the generation it follows.
    pub(crate) journal: Option<Recorded>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum Process {
    Running,
    Paused,
    Crashed,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct Attempt {
    pub(crate) phase: Phase,
    pub(crate) presents: Token,
    pub(crate) source: Source,
    pub(crate) base: u8,
    /// Claimed as a recovery of an attempt before, and recorded as such.
    pub(crate) recovery: bool,
    /// Ticks since the claim and since the last heartbeat, on the replica's own monotonic clock.
    pub(crate) age: u8,
    pub(crate) silence: u8,
}

/// Where the refresh token that an attempt presents comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum Source {
    Current,
    Orphan,
    Previous,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum Phase {
    Claimed,
    /// The deadline was checked, the write not yet made: the gap that no client can close.
    Checked,
    Sent,
    /// The answer is in memory only.
    Answered(Token),
    /// The answer is in the journal too.
    Recorded,
    Refused,
    /// Sent, and nothing usable came back.
    Unknown,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct Recorded {
    pub(crate) token: Token,
    pub(crate) base: u8,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct Stray {
    pub(crate) presents: Token,
    pub(crate) age: u8,
}

/// How often each fault may still strike.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub(crate) struct Faults {
    pub(crate) crashes: u8,
    pub(crate) pauses: u8,
    pub(crate) losses: u8,
    pub(crate) spurious: u8,
    pub(crate) outages: u8,
    pub(crate) deletes: u8,
    /// The user withdraws consent at the provider.
    pub(crate) withdrawals: u8,
}

/// The truth that nobody in the system sees, kept to judge it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub(crate) struct Ledger {
    /// Refresh tokens presented so far.
    pub(crate) presented: u8,
    /// Refresh tokens that were committed, kept as orphans or revoked.
    pub(crate) settled: u8,
    /// Refresh tokens that died with a process's memory or on the network.
    pub(crate) lost: u8,
    /// The user withdrew consent.
    pub(crate) withdrawn: bool,
    /// A token was redeemed while an earlier redemption of it could still be in flight.
    pub(crate) overlapped: bool,
    /// A token was redeemed again without a record that says so.
    pub(crate) unrecorded: bool,
    /// A write put a generation where it does not belong.
    pub(crate) misplaced: bool,
    /// An access token went out while its refresh token was in memory only.
    pub(crate) hasty: bool,
    /// A deleted connection became active again.
    pub(crate) revived: bool,
}

impl State {
    /// The connection as it was authorised, with nothing happening yet.
    pub(crate) fn new(replicas: usize, life: u8, faults: Faults) -> Self {
        let idle = Replica {
            process: Process::Running,
            attempt: None,
            journal: None,
        };
        Self {
            database: Database {
                up: true,
                just_back: false,
                status: Status::Authorized,
                generation: 0,
                current: 0,
                previous: None,
                access: life,
                vended: true,
                claim: None,
                uncertainty: None,
                accusation: Accusation::None,
                orphans: Vec::new(),
            },
            replicas: vec![idle; replicas],
            strays: Vec::new(),
            provider: Provider::new(),
            faults,
            ledger: Ledger::default(),
        }
    }

    /// Replicas are alike: of all states that differ in their order only, one stands for all.
    pub(crate) fn canonical(&self) -> Self {
        let holder = self.database.claim.map(|claim| claim.holder);
        let mut order: Vec<usize> = (0..self.replicas.len()).collect();
        order.sort_by_key(|&index| (self.replicas[index], holder == Some(index)));
        let mut canonical = self.clone();
        for (place, &index) in order.iter().enumerate() {
            canonical.replicas[place] = self.replicas[index];
            if let Some(claim) = &mut canonical.database.claim
                && holder == Some(index)
            {
                claim.holder = place;
            }
        }
        canonical.strays.sort_unstable();
        canonical
    }

    /// Whether the replica's attempt still holds the claim.
    pub(crate) fn owns(&self, replica: usize) -> bool {
        self.replicas[replica].attempt.is_some()
            && self
                .database
                .claim
                .is_some_and(|claim| claim.holder == replica)
    }

    /// The refresh tokens in the database.
    pub(crate) fn stored(&self) -> impl Iterator<Item = Token> {
        [self.database.current]
            .into_iter()
            .chain(self.database.previous.map(|previous| previous.token))
            .chain(self.database.orphans.iter().map(|orphan| orphan.token))
    }

    /// Whether the provider would still take one of the refresh tokens that we have.
    pub(crate) fn is_recoverable(&self) -> bool {
        let held = self.replicas.iter().filter_map(Replica::held);
        self.stored()
            .chain(held)
            .any(|token| self.provider.accepts(token))
    }
}

impl Replica {
    /// The refresh token of an answer that is not in the database yet: in the journal, or only in memory.
    pub(crate) fn held(&self) -> Option<Token> {
        let in_memory = self.attempt.and_then(|attempt| match attempt.phase {
            Phase::Answered(token) => Some(token),
            _ => None,
        });
        self.journal.map(|recorded| recorded.token).or(in_memory)
    }
}

impl Ledger {
    /// Whether an invariant was broken on the way here.
    pub(crate) fn is_broken(&self) -> bool {
        self.overlapped || self.unrecorded || self.misplaced || self.hasty || self.revived
    }
}
