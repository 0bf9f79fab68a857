//! An exhaustive model of the refresh protocol: claim, call, journal, commit, with every fault, for every provider class.
//!
//! It models the rules, not the code: `policy.rs` says when to take over, what to present and when it is too late,
//! `protocol.rs` the steps, `world.rs` the faults. Each rule that a reader might want to drop has a variant without it
//! in `variants.rs`, and a test below that shows what breaks.

mod action;
mod policy;
mod properties;
mod protocol;
mod provider;
mod state;
mod variants;
mod verdict;
mod world;

use std::sync::LazyLock;

use crate::{
    properties::{
        COMES_TO_REST, DURABLE, LOSS_HAS_A_CAUSE, NO_DROP, NO_OVERLAP, NO_SKIP, NOTHING_LOST,
        STAYS_DELETED, TRUE_ERROR,
    },
    variants::{Variant, all_faults_at_once, configurations},
    verdict::{Verdict, caught, exhaust},
};

/// Every configuration, checked once for all tests.
static VERDICTS: LazyLock<Vec<Verdict>> = LazyLock::new(|| {
    let verdicts = configurations().into_iter().map(exhaust);
    verdicts.inspect(|verdict| println!("{verdict}")).collect()
});

/// The variants and the invariant that each of them breaks.
const BROKEN: [(Variant, &str); 11] = [
    (Variant::BlindWrite, NO_SKIP),
    (Variant::VendBeforeDurable, DURABLE),
    (Variant::EarlyTakeover, NO_OVERLAP),
    (Variant::LosingAnswerDropped, NO_DROP),
    (Variant::DeadlineInsteadOfLease, NO_OVERLAP),
    (Variant::OrphansBeforeConfirmation, NOTHING_LOST),
    (Variant::SingleLastChance, TRUE_ERROR),
    (Variant::ReplayWithoutWaiting, NO_OVERLAP),
    (Variant::RetryWithoutWaiting, NOTHING_LOST),
    (Variant::TakeoverRightAfterOutage, LOSS_HAS_A_CAUSE),
    (Variant::ConfirmedAfterWindow, NOTHING_LOST),
];

#[test]
fn i_1_no_redemption_overlaps_another() {
    assert_holds(NO_OVERLAP);
}

#[test]
fn i_2_generations_follow_each_other() {
    assert_holds(NO_SKIP);
}

#[test]
fn i_3_only_what_is_durable_is_vended() {
    assert_holds(DURABLE);
}

#[test]
fn i_4_no_answer_is_dropped() {
    assert_holds(NO_DROP);
}

#[test]
fn i_5_error_is_true() {
    assert_holds(TRUE_ERROR);
}

#[test]
fn i_6_deleted_stays_deleted() {
    assert_holds(STAYS_DELETED);
}

#[test]
fn i_9_every_connection_comes_to_rest() {
    assert_holds(COMES_TO_REST);
}

#[test]
fn p_01_nothing_is_lost_where_the_provider_allows_it() {
    assert_holds(NOTHING_LOST);
}

#[test]
fn p_02_every_loss_has_a_cause() {
    assert_holds(LOSS_HAS_A_CAUSE);
}

#[test]
fn everything_worth_seeing_happens() {
    for verdict in VERDICTS.iter() {
        assert!(verdict.missing.is_empty(), "{verdict}");
    }
}

#[test]
fn a_commit_without_the_fence_is_caught() {
    assert_caught(Variant::BlindWrite);
}

#[test]
fn vending_before_durable_is_caught() {
    assert_caught(Variant::VendBeforeDurable);
}

#[test]
fn a_takeover_before_the_deadline_at_a_strict_provider_is_caught() {
    assert_caught(Variant::EarlyTakeover);
}

#[test]
fn a_dropped_losing_answer_is_caught() {
    assert_caught(Variant::LosingAnswerDropped);
}

#[test]
fn sending_by_the_deadline_after_the_lease_ran_out_is_caught() {
    assert_caught(Variant::DeadlineInsteadOfLease);
}

#[test]
fn trying_orphans_before_confirming_a_refusal_is_caught() {
    assert_caught(Variant::OrphansBeforeConfirmation);
}

#[test]
fn giving_up_without_a_verdict_on_the_last_chance_is_caught() {
    assert_caught(Variant::SingleLastChance);
}

#[test]
fn a_last_chance_while_the_earlier_request_travels_is_caught() {
    assert_caught(Variant::ReplayWithoutWaiting);
}

#[test]
fn a_retry_while_the_earlier_request_travels_is_caught_at_an_overlap_provider() {
    assert_caught(Variant::RetryWithoutWaiting);
}

#[test]
fn a_takeover_right_after_a_database_outage_is_caught() {
    assert_caught(Variant::TakeoverRightAfterOutage);
}

#[test]
fn a_confirmation_after_the_overlap_window_is_caught() {
    assert_caught(Variant::ConfirmedAfterWindow);
}

#[test]
fn the_figure() {
    let states: usize = VERDICTS.iter().map(|verdict| verdict.states).sum();
    let broken: usize = VERDICTS.iter().map(|verdict| verdict.broken.len()).sum();
    let caught = BROKEN
        .iter()
        .filter(|(variant, _)| !caught(*variant).is_empty())
        .count();
    let verdict = if broken == 0 {
        "no invariant broken".to_owned()
    } else {
        format!("{broken} INVARIANTS BROKEN")
    };
    let (configurations, variants) = (VERDICTS.len(), BROKEN.len());
    println!(
        "model: {configurations} configurations, {states} states, {verdict}; {caught} of {variants} broken variants caught"
    );
}

#[test]
#[ignore = "ten million states: for a release build"]
fn all_faults_at_once_break_nothing() {
    for verdict in all_faults_at_once().into_iter().map(exhaust) {
        println!("{verdict}");
        assert!(
            verdict.broken.is_empty() && verdict.missing.is_empty(),
            "{verdict}"
        );
    }
}

fn assert_holds(invariant: &str) {
    for verdict in VERDICTS.iter() {
        let path = verdict.broken.iter().find(|(name, _)| *name == invariant);
        assert!(path.is_none(), "{}: {path:?}", verdict.name);
    }
}

/// The variant breaks the invariant it is said to break; with the rule in place the same faults break nothing.
fn assert_caught(variant: Variant) {
    let expected = BROKEN
        .iter()
        .find(|(broken, _)| *broken == variant)
        .map(|(_, name)| *name);
    let found = caught(variant);
    let names: Vec<_> = found.iter().map(|(name, _)| *name).collect();
    assert!(
        names.iter().any(|name| Some(*name) == expected),
        "{variant:?}: {names:?}"
    );
    let sound = exhaust(variants::Configuration {
        variant: Variant::Sound,
        ..variants::broken(variant)
    });
    assert!(sound.broken.is_empty(), "{sound}");
}
