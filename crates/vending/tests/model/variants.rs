//! What is checked: one configuration per provider class and set of faults, and the variants of the protocol that must be caught.

use crate::{
    provider::Class,
    state::{Faults, SILENCE},
};

/// What tokend believes about the provider; CX is [`Policy::Strict`] whatever the provider does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Policy {
    StaysValid,
    /// Of at least 15 s; a shorter one is treated as strict.
    Overlap {
        window: u8,
    },
    UntilSuccessorUsed,
    Strict,
}

/// The protocol as it is to be, or with one thing wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Variant {
    Sound,
    /// Commits without looking at generation or claim.
    BlindWrite,
    /// Vends what is in memory only.
    VendBeforeDurable,
    /// Takes over by heartbeat, and replays at once, at a strict provider.
    EarlyTakeover,
    /// Throws away an answer that comes too late.
    LosingAnswerDropped,
    /// Compares only the deadline before it sends, although silence is enough to be taken over.
    DeadlineInsteadOfLease,
    /// Tries the orphans on the first `invalid_grant`, before confirming it.
    OrphansBeforeConfirmation,
    /// Gives up once the one last-chance replay was begun, without the provider's verdict on it.
    SingleLastChance,
    /// Plays the last chance although the earlier request may still be on its way.
    ReplayWithoutWaiting,
    /// Retries at once at an overlap provider although the earlier request may still be on its way.
    RetryWithoutWaiting,
    /// Calls attempts abandoned although the database has only just come back.
    TakeoverRightAfterOutage,
    /// Confirms a refused recovery only after the overlap window.
    ConfirmedAfterWindow,
}

#[derive(Debug, Clone)]
pub(crate) struct Configuration {
    pub(crate) name: &'static str,
    pub(crate) class: Class,
    pub(crate) policy: Policy,
    pub(crate) variant: Variant,
    pub(crate) replicas: usize,
    pub(crate) faults: Faults,
    /// How often the connection is renewed because it is due.
    pub(crate) renewals: u8,
    /// The age at which a claim's deadline has passed (T_call and margin, 65 s); a call ends a tick before.
    pub(crate) deadline: u8,
    /// Remaining life, in ticks, at which it is due.
    pub(crate) due: u8,
    /// Whether a pause may strike between the check of the deadline and the write.
    pub(crate) gap: bool,
    /// Whether the provider may take up to the deadline; otherwise it answers within a tick.
    pub(crate) slow: bool,
    /// Whether crash and pause always leave a replica running.
    pub(crate) one_running: bool,
}

/// The shortest window that a takeover can use (15 s and more): there is time for one recovery in it.
const ONE_RECOVERY: u8 = 3;
/// A window with time for as many recoveries as [`FAULTS`] can ask for.
const MANY_RECOVERIES: u8 = 6;

const fn overlap(window: u8, siblings: bool) -> Class {
    Class::Overlap { window, siblings }
}

/// Over before a takeover could use it.
const SHORT: Class = overlap(1, false);
const STRICT: Class = Class::Strict {
    revokes_family: true,
};
const STRICT_LENIENT: Class = Class::Strict {
    revokes_family: false,
};

const NONE: Faults = Faults {
    crashes: 0,
    pauses: 0,
    losses: 0,
    spurious: 0,
    outages: 0,
    deletes: 0,
    withdrawals: 0,
};
/// All that can befall an attempt, at once.
const ALL: Faults = Faults {
    crashes: 2,
    pauses: 1,
    losses: 1,
    spurious: 1,
    ..NONE
};
const STOPS: Faults = Faults {
    crashes: 2,
    pauses: 1,
    ..NONE
};
const ANSWERS: Faults = Faults {
    crashes: 1,
    losses: 1,
    spurious: 1,
    ..NONE
};
const CRASH: Faults = Faults {
    crashes: 1,
    spurious: 1,
    ..NONE
};
const PAUSE: Faults = Faults {
    pauses: 1,
    spurious: 1,
    ..NONE
};
const LOSS: Faults = Faults {
    losses: 1,
    spurious: 1,
    ..NONE
};
const CRASH_AND_PAUSE: Faults = Faults {
    crashes: 1,
    pauses: 1,
    ..NONE
};
const AWAY: Faults = Faults {
    pauses: 1,
    outages: 1,
    withdrawals: 1,
    ..NONE
};
const DELETED: Faults = Faults {
    crashes: 1,
    pauses: 1,
    deletes: 1,
    ..NONE
};
const NOT_STOPPED: Faults = Faults {
    pauses: 0,
    deletes: 1,
    ..AWAY
};

impl Configuration {
    fn new(name: &'static str, class: Class, policy: Policy, faults: Faults) -> Self {
        let overlap = matches!(policy, Policy::Overlap { .. });
        let deadline = match policy {
            Policy::StaysValid | Policy::UntilSuccessorUsed => 2,
            Policy::Strict => 3,
            Policy::Overlap { window } => window + 2,
        };
        Self {
            name,
            class,
            policy,
            variant: Variant::Sound,
            replicas: 2,
            faults,
            renewals: 2,
            deadline,
            due: deadline,
            gap: false,
            slow: !overlap,
            one_running: overlap,
        }
    }

    pub(crate) fn is(&self, variant: Variant) -> bool {
        self.variant == variant
    }

    /// Whether tokend promises to lose nothing here (P-01).
    pub(crate) fn loses_nothing(&self) -> bool {
        self.policy != Policy::Strict && !self.gap
    }

    /// How long an access token works, in ticks: longer than a deadline, as renewal starts early.
    pub(crate) fn life(&self) -> u8 {
        self.deadline + 1
    }

    /// The remaining life below which nothing depends on it any more.
    pub(crate) fn least_access(&self) -> u8 {
        match self.policy {
            Policy::StaysValid | Policy::UntilSuccessorUsed => self.due,
            Policy::Strict | Policy::Overlap { .. } => 0,
        }
    }

    /// The age before which a call at an overlap provider must begin, so that the window is still open when it gets there.
    pub(crate) fn usable(window: u8) -> u8 {
        window - SILENCE
    }

    /// The age at which a request is processed or gone for sure.
    pub(crate) fn latency(&self) -> u8 {
        if self.slow { self.deadline - 1 } else { 0 }
    }
}

/// All that is checked exhaustively.
pub(crate) fn configurations() -> Vec<Configuration> {
    vec![
        c0("C0, crashes and a pause", STOPS),
        c0("C0, bad answers", ANSWERS),
        c0("C0, outage", AWAY),
        c0("C0, deleted", DELETED),
        c1("C1 60 s, crashes and a pause", MANY_RECOVERIES, true, STOPS),
        c1("C1 60 s, bad answers", MANY_RECOVERIES, true, ANSWERS),
        c1(
            "C1 60 s, outage, deleted",
            MANY_RECOVERIES,
            true,
            NOT_STOPPED,
        ),
        c1("C1 15 s, crash", ONE_RECOVERY, false, CRASH),
        c1("C1 15 s, pause", ONE_RECOVERY, false, PAUSE),
        c1("C1 15 s, lost answer", ONE_RECOVERY, false, LOSS),
        c1("C1 15 s, outage, deleted", ONE_RECOVERY, false, NOT_STOPPED),
        strict("C1 short, crashes and a pause", SHORT, STOPS),
        strict("C1 short, bad answers", SHORT, ANSWERS),
        c2("C2, crashes and a pause", STOPS),
        c2("C2, bad answers", ANSWERS),
        c2("C2, outage", AWAY),
        c2("C2, deleted", DELETED),
        strict("C3, crashes and a pause", STRICT, STOPS),
        strict("C3, bad answers", STRICT, ANSWERS),
        strict("C3, outage", STRICT, AWAY),
        strict("C3, deleted", STRICT, DELETED),
        strict("C3 forgiving, crashes and a pause", STRICT_LENIENT, STOPS),
        Configuration {
            due: 1,
            ..strict("C3 renewed late, bad answers", STRICT, ANSWERS)
        },
        Configuration {
            gap: true,
            ..strict("C3, check-to-write gap", STRICT, CRASH_AND_PAUSE)
        },
        Configuration {
            replicas: 3,
            ..c0("C0, 3 replicas", CRASH_AND_PAUSE)
        },
        Configuration {
            replicas: 3,
            ..c1(
                "C1 60 s, 3 replicas",
                MANY_RECOVERIES,
                true,
                CRASH_AND_PAUSE,
            )
        },
        Configuration {
            replicas: 3,
            ..c2("C2, 3 replicas", CRASH_AND_PAUSE)
        },
        Configuration {
            replicas: 3,
            ..strict("C3, 3 replicas", STRICT, CRASH_AND_PAUSE)
        },
        strict("CX at C0, crashes and a pause", Class::StaysValid, STOPS),
        strict(
            "CX at C1, bad answers",
            overlap(ONE_RECOVERY, false),
            ANSWERS,
        ),
    ]
}

/// All faults of an attempt together: some ten million states, for a release build.
pub(crate) fn all_faults_at_once() -> Vec<Configuration> {
    vec![
        c0("C0, all at once", ALL),
        c1("C1 60 s, all at once", MANY_RECOVERIES, true, ALL),
        strict("C1 short, all at once", SHORT, ALL),
        c2("C2, all at once", ALL),
        strict("C3, all at once", STRICT, ALL),
        strict("C3 forgiving, all at once", STRICT_LENIENT, ALL),
        strict("CX at C0, all at once", Class::StaysValid, ALL),
        strict("CX at C1, all at once", overlap(ONE_RECOVERY, false), ALL),
    ]
}

fn c0(name: &'static str, faults: Faults) -> Configuration {
    Configuration::new(name, Class::StaysValid, Policy::StaysValid, faults)
}

fn c1(name: &'static str, window: u8, siblings: bool, faults: Faults) -> Configuration {
    Configuration::new(
        name,
        overlap(window, siblings),
        Policy::Overlap { window },
        faults,
    )
}

fn c2(name: &'static str, faults: Faults) -> Configuration {
    Configuration::new(
        name,
        Class::UntilSuccessorUsed,
        Policy::UntilSuccessorUsed,
        faults,
    )
}

fn strict(name: &'static str, class: Class, faults: Faults) -> Configuration {
    Configuration::new(name, class, Policy::Strict, faults)
}

/// A variant, the faults that show it, and the invariant it breaks.
pub(crate) fn broken(variant: Variant) -> Configuration {
    let sound = match variant {
        Variant::Sound | Variant::EarlyTakeover => strict("C3, crashes and a pause", STRICT, STOPS),
        Variant::BlindWrite | Variant::LosingAnswerDropped => c0("C0, pause", PAUSE),
        Variant::VendBeforeDurable => c2("C2, crash", CRASH),
        Variant::DeadlineInsteadOfLease => c1("C1 15 s, pause", ONE_RECOVERY, false, PAUSE),
        Variant::OrphansBeforeConfirmation => c1("C1 15 s, pause", ONE_RECOVERY, false, PAUSE),
        Variant::SingleLastChance => strict("C3, crashes", STRICT, STOPS),
        Variant::ReplayWithoutWaiting => strict("C3, lost answer", STRICT, LOSS),
        Variant::RetryWithoutWaiting => c1("C1 15 s, lost answer", ONE_RECOVERY, false, LOSS),
        Variant::TakeoverRightAfterOutage => strict("C3, outage", STRICT, AWAY),
        Variant::ConfirmedAfterWindow => c1("C1 15 s, crash", ONE_RECOVERY, false, CRASH),
    };
    Configuration { variant, ..sound }
}
