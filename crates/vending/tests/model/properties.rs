//! The invariants of section 3.5 as properties of states, and what must happen somewhere so that they say something.

use stateright::Property;

use crate::{
    state::{Accusation, Faults, Process, State, Status},
    variants::{Configuration, Policy},
};

pub(crate) const NO_OVERLAP: &str =
    "I-1: no redemption while an earlier one may be in flight; a second one is recorded";
pub(crate) const NO_SKIP: &str = "I-2: a generation follows from the one before";
pub(crate) const DURABLE: &str = "I-3: nothing is vended that is not durable";
pub(crate) const NO_DROP: &str = "I-4: every answer is committed, orphaned, journaled or revoked";
pub(crate) const TRUE_ERROR: &str = "I-5: ERROR only if the grant is dead or lost";
pub(crate) const STAYS_DELETED: &str = "I-6: deleted stays deleted, and its grants reach 0";
pub(crate) const NOTHING_LOST: &str = "P-01: nothing is lost";
pub(crate) const LOSS_HAS_A_CAUSE: &str =
    "P-02: only a crash, a pause or a lost answer costs a connection";
pub(crate) const COMES_TO_REST: &str =
    "I-9: at rest, a living connection is authorized and a lost one says so";

type Check = fn(&Configuration, &State) -> bool;

pub(crate) fn of(configuration: &Configuration) -> Vec<Property<Configuration>> {
    let mut properties = vec![
        Property::always(NO_OVERLAP, |_, state: &State| {
            !state.ledger.overlapped && !state.ledger.unrecorded
        }),
        Property::always(NO_SKIP, |_, state: &State| !state.ledger.misplaced),
        Property::always(DURABLE, |_, state: &State| !state.ledger.hasty),
        Property::always(NO_DROP, no_drop),
        Property::always(TRUE_ERROR, true_error),
        Property::always(STAYS_DELETED, stays_deleted),
        Property::always(NOTHING_LOST, nothing_lost),
        Property::always(LOSS_HAS_A_CAUSE, loss_has_a_cause),
        Property::always(COMES_TO_REST, comes_to_rest),
    ];
    let faults = configuration.faults;
    let strict = configuration.policy == Policy::Strict;
    let mut sometimes = |name, applies: bool, check: Check| {
        if applies {
            properties.push(Property::sometimes(name, check));
        }
    };
    let stops = faults.crashes + faults.pauses > 0;
    sometimes("all renewals succeed", true, |model, state| {
        state.database.generation >= model.renewals
    });
    sometimes(
        "an attempt of somebody else is recovered",
        stops,
        |_, state| state.database.uncertainty.is_some() && state.database.claim.is_some(),
    );
    sometimes(
        "an answer survives its process in the journal",
        faults.crashes > 0,
        |_, state| {
            state
                .replicas
                .iter()
                .any(|replica| replica.process == Process::Crashed && replica.journal.is_some())
        },
    );
    sometimes(
        "a late answer becomes an orphan",
        faults.pauses > 0 && !strict,
        |_, state| !state.database.orphans.is_empty(),
    );
    sometimes(
        "an orphan heals the connection",
        faults.pauses > 0 && faults.crashes > 0 && !strict,
        |_, state| {
            state
                .database
                .orphans
                .iter()
                .any(|orphan| orphan.token == state.database.current)
        },
    );
    sometimes(
        "a refusal is believed only after confirmation",
        faults.spurious > 0,
        |_, state| state.database.claim.is_some() && state.database.accusation != Accusation::None,
    );
    sometimes(
        "a rotation is lost, and said to be",
        strict && !configuration.name.starts_with("CX at C0"),
        |_, state| {
            state.database.status
                == Status::Error {
                    rotation_lost: true,
                }
        },
    );
    sometimes(
        "a late answer finds the connection deleted",
        faults.deletes > 0,
        |_, state| {
            matches!(state.database.status, Status::Deleted { .. })
                && state
                    .replicas
                    .iter()
                    .any(|replica| replica.journal.is_some())
        },
    );
    sometimes(
        "withdrawn consent ends in ERROR",
        faults.withdrawals > 0,
        |_, state| {
            state.ledger.withdrawn
                && state.database.status
                    == Status::Error {
                        rotation_lost: false,
                    }
        },
    );
    properties
}

fn no_drop(_: &Configuration, state: &State) -> bool {
    let settled = state.ledger.settled | state.ledger.lost;
    let held = state.replicas.iter().filter_map(|replica| replica.held());
    let accounted = held.fold(settled, |bits, token| bits | 1 << token);
    state.provider.issued() & !accounted == 0
}

fn true_error(_: &Configuration, state: &State) -> bool {
    // What is on its way into the database heals the connection when it gets there; I-9 sees to it that it does.
    let stored = state.stored().any(|token| state.provider.accepts(token));
    !matches!(state.database.status, Status::Error { .. }) || !stored
}

fn stays_deleted(model: &Configuration, state: &State) -> bool {
    if state.ledger.revived {
        return false;
    }
    // What died with a process or on the network was never in our hands, and cannot be revoked.
    let living = state.provider.accepted() & !state.ledger.lost;
    !matches!(state.database.status, Status::Deleted { .. })
        || living == 0
        || !model.is_settled(state)
}

fn nothing_lost(model: &Configuration, state: &State) -> bool {
    !model.loses_nothing() || is_over(state) || state.is_recoverable()
}

fn loss_has_a_cause(model: &Configuration, state: &State) -> bool {
    let spent = |faults: Faults| faults.crashes + faults.pauses + faults.losses;
    let struck = spent(state.faults) < spent(model.faults);
    is_over(state) || state.is_recoverable() || struck
}

fn comes_to_rest(model: &Configuration, state: &State) -> bool {
    let healthy = match state.database.status {
        Status::Authorized => state.is_recoverable() || state.database.generation >= model.renewals,
        Status::Error { .. } => !state.is_recoverable(),
        Status::Deleted { revoked } => revoked,
    };
    healthy || !model.is_settled(state)
}

/// The connection ended for a reason that no protocol can help.
fn is_over(state: &State) -> bool {
    state.ledger.withdrawn || matches!(state.database.status, Status::Deleted { .. })
}
