//! One sequence of operations, on both databases side by side.

use std::time::{Duration, Instant};

use chrono::TimeDelta;
use tokend_model::Timestamp;

use super::{
    choice::Choice,
    database::Database,
    operation::Operation,
    outcome::{Outcome, Seen, rounded},
    real, simulated,
};
use crate::world::tables::Tables;

/// How much sooner or later an operation may be done without another outcome; otherwise it is left out.
const LEEWAY: TimeDelta = TimeDelta::milliseconds(400);

/// A real operation that took longer may have come too late for that.
const LONGEST: Duration = Duration::from_millis(200);

/// Runs the sequence of a seed; answers how many operations were compared.
pub(super) async fn run(database: &mut Database, seed: u64, length: usize) -> usize {
    database.empty().await;
    let mut tables = Tables::default();
    let mut choice = Choice::new(seed);
    let mut moment = database.now().await;
    let mut ahead = TimeDelta::zero();
    let mut compared = 0;
    for step in 0..length {
        moment += choice.pause();
        let operation = choice.operation(&tables);
        if !is_clear(&tables, &operation, &choice, moment) {
            continue;
        }
        let began = Instant::now();
        // The real clock has gone on, but not by as much: what is there is made older, or younger.
        let now = database.now().await;
        database
            .shift((now - moment - ahead).num_milliseconds())
            .await;
        ahead = now - moment;
        let outcome = real::perform(&database.storage, &operation, now).await;
        if began.elapsed() > LONGEST {
            break;
        }
        let expected = simulated::perform(&mut tables, &operation, moment);
        let what = format!("seed {seed}, step {step}: {operation:?}");
        assert_eq!(outcome, expected, "{what}");
        choice.learn(&operation, &expected);
        // Looking at all takes most of the time.
        let all = step % 5 == 0 || matches!(operation, Operation::TakeDue(..));
        let touched = operation.connection();
        for (workspace, id) in choice.connections() {
            if !all && Some(id) != touched {
                continue;
            }
            let seen = real::look(&database.storage, workspace, id, now).await;
            let expected = simulated::look(&tables, workspace, id, moment);
            assert_eq!(seen, expected, "{what}");
        }
        compared += 1;
    }
    compared
}

/// Whether the outcome is the same a little sooner and a little later.
fn is_clear(tables: &Tables, operation: &Operation, choice: &Choice, moment: Timestamp) -> bool {
    let sooner = foresee(tables, operation, choice, moment - LEEWAY);
    sooner == foresee(tables, operation, choice, moment + LEEWAY)
}

/// What an operation would come to, and everything after it.
fn foresee(
    tables: &Tables,
    operation: &Operation,
    choice: &Choice,
    moment: Timestamp,
) -> (Outcome, Vec<Seen>, Option<Timestamp>) {
    let mut tables = tables.clone();
    let outcome = simulated::perform(&mut tables, operation, moment);
    let connections = choice.connections();
    let seen = connections
        .map(|(workspace, id)| simulated::look(&tables, workspace, id, moment))
        .collect();
    let resumed = tables.pulse.map(|pulse| rounded(pulse.resumed, moment));
    (outcome, seen, resumed)
}
