//! How often what happens often happened: the database has it by the minute, not one by one.

use std::{
    collections::{BTreeMap, HashMap},
    sync::{Arc, Mutex, PoisonError},
};

use chrono::SecondsFormat;
use tokend_model::{
    AuditAction, AuditActor, AuditEvent, AuditOutcome, AuditSubject, Timestamp,
    ports::{AuditSeal, AuditTrail},
};
use uuid::Uuid;

/// As many different ones are told apart in a minute, of what succeeded and of what did not; the rest are counted together.
const MOST: usize = 10_000;
/// As many refusals of one caller are told apart: it does not hide the others' by being refused in ever new ways.
const MOST_REFUSED_OF_CALLER: usize = MOST / 10;
/// Kept for when the database is back, with those of the next minutes.
const APPENDED_TOGETHER: usize = 500;

/// Counts since they were last written. What is refused has room of its own, so that it displaces nothing else.
#[derive(Default)]
pub(super) struct Counts {
    succeeded: Mutex<Kinds>,
    others: Mutex<Kinds>,
}

/// What is told apart, and how often it happened.
#[derive(Default)]
struct Kinds {
    counted: HashMap<AuditEvent, i64>,
    of_caller: HashMap<String, usize>,
}

impl Counts {
    /// Counts an event together with those that differ in nothing but time, trace and the like.
    pub(super) fn count(&self, event: &AuditEvent) {
        self.add(alike(event), 1);
    }

    /// What was counted since `start`, as events that say how often, until `end`.
    pub(super) fn take(&self, start: Timestamp, end: Timestamp) -> Vec<AuditEvent> {
        let taken = self.taken().into_iter();
        taken
            .map(|(event, count)| told(event, count, start, end))
            .collect()
    }

    /// Writes what was counted since `start`; what cannot be written is kept.
    pub(super) async fn flush(
        &self,
        trail: &dyn AuditTrail,
        seal: &Arc<dyn AuditSeal>,
        start: Timestamp,
        end: Timestamp,
    ) -> Result<(), tokend_model::ports::StorageError> {
        let mut workspaces: BTreeMap<String, Vec<(AuditEvent, i64)>> = BTreeMap::new();
        for (event, count) in self.taken() {
            let workspace = event.workspace.to_string();
            workspaces
                .entry(workspace)
                .or_default()
                .push((event, count));
        }
        let mut result = Ok(());
        for counted in workspaces.into_values() {
            for chunk in counted.chunks(APPENDED_TOGETHER) {
                let Some((first, _)) = chunk.first() else {
                    continue;
                };
                let events = chunk
                    .iter()
                    .map(|(event, count)| Arc::new(told(event.clone(), *count, start, end)));
                let written = trail.append(&first.workspace, events.collect(), seal.clone());
                if let Err(error) = written.await {
                    for (event, count) in chunk {
                        self.add(event.clone(), *count);
                    }
                    result = Err(error);
                }
            }
        }
        result
    }

    fn add(&self, alike: AuditEvent, count: i64) {
        let (kinds, most_of_caller) = match alike.outcome {
            AuditOutcome::Succeeded => (&self.succeeded, MOST),
            _ => (&self.others, MOST_REFUSED_OF_CALLER),
        };
        let mut kinds = kinds.lock().unwrap_or_else(PoisonError::into_inner);
        kinds.add(alike, count, most_of_caller);
    }

    fn taken(&self) -> Vec<(AuditEvent, i64)> {
        let taken = |kinds: &Mutex<Kinds>| {
            let mut kinds = kinds.lock().unwrap_or_else(PoisonError::into_inner);
            std::mem::take(&mut *kinds).counted
        };
        let (succeeded, others) = (taken(&self.succeeded), taken(&self.others));
        succeeded.into_iter().chain(others).collect()
    }
}

impl Kinds {
    fn add(&mut self, alike: AuditEvent, count: i64, most_of_caller: usize) {
        let kind = if self.counted.contains_key(&alike) {
            alike
        } else if self.counted.len() >= MOST {
            together(alike, AuditActor::default())
        } else {
            let caller = alike.actor.caller.clone();
            let of_caller = self.of_caller.entry(caller.clone()).or_default();
            if *of_caller < most_of_caller {
                *of_caller += 1;
                alike
            } else {
                let caller_kind = alike.actor.caller_kind.clone();
                let actor = AuditActor {
                    caller,
                    caller_kind,
                    ..AuditActor::default()
                };
                together(alike, actor)
            }
        };
        let sum = self.counted.entry(kind).or_default();
        *sum = sum.saturating_add(count);
    }
}

/// What events that are counted together have in common.
fn alike(event: &AuditEvent) -> AuditEvent {
    AuditEvent {
        id: String::new(),
        time: Timestamp::UNIX_EPOCH,
        actor: AuditActor {
            peer_address: String::new(),
            trace_id: String::new(),
            ..event.actor.clone()
        },
        subject: AuditSubject {
            generation: None,
            ..event.subject.clone()
        },
        scopes: Vec::new(),
        token_fingerprint: String::new(),
        details: BTreeMap::new(),
        reason: event.reason.clone(),
        workspace: event.workspace.clone(),
        policy_ids: event.policy_ids.clone(),
        ..*event
    }
}

/// What is left of an event that there is no more room to tell apart.
fn together(alike: AuditEvent, actor: AuditActor) -> AuditEvent {
    let details = [("overflow".to_owned(), "true".to_owned())];
    AuditEvent {
        id: String::new(),
        reason: String::new(),
        actor,
        subject: AuditSubject::default(),
        policy_ids: Vec::new(),
        details: details.into(),
        ..alike
    }
}

fn told(alike: AuditEvent, count: i64, start: Timestamp, end: Timestamp) -> AuditEvent {
    let mut event = AuditEvent {
        id: Uuid::now_v7().to_string(),
        time: start,
        ..alike
    };
    let facts = [
        ("count", count.to_string()),
        (
            "intervalEndTime",
            end.to_rfc3339_opts(SecondsFormat::Millis, true),
        ),
    ];
    let facts = facts.map(|(key, value)| (key.to_owned(), value));
    event.details.extend(facts);
    event
}

/// Whether such events are counted, and not told one by one in the database: what every backend does all day.
pub(super) fn are_counted(action: AuditAction) -> bool {
    use AuditAction::{AccessExplain, Authentication, MetadataRead, Vend};
    matches!(action, Vend | MetadataRead | Authentication | AccessExplain)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::audit::event;
    use tokend_model::WorkspaceName;

    #[test]
    fn memory_is_bounded_and_nothing_is_lost_of_the_sum() {
        let counts = Counts::default();
        let workspace = WorkspaceName::default_workspace();
        for number in 0..MOST + 500 {
            let mut vend = event::event(
                Timestamp::UNIX_EPOCH,
                &workspace,
                AuditAction::Vend,
                AuditOutcome::Succeeded,
            );
            vend.subject.connection_id = number.to_string();
            counts.count(&vend);
            counts.count(&vend);
        }
        let counted = &counts.succeeded.lock().expect("nobody panicked").counted;
        assert!(counted.len() <= MOST + 1, "{}", counted.len());
        assert_eq!(counted.values().sum::<i64>(), 2 * (MOST as i64 + 500));
        let overflow = counted.iter().find(|(event, _)| !event.details.is_empty());
        assert_eq!(overflow.map(|(_, count)| *count), Some(2 * 500));
    }

    #[test]
    fn who_is_refused_in_ever_new_ways_hides_nothing() {
        let counts = Counts::default();
        let workspace = WorkspaceName::default_workspace();
        let by = |caller: &str, number: usize, outcome| {
            let mut event = event::event(
                Timestamp::UNIX_EPOCH,
                &workspace,
                AuditAction::Vend,
                outcome,
            );
            event.actor.caller = caller.to_owned();
            event.subject.connector_id = number.to_string();
            event
        };
        for number in 0..2 * MOST {
            counts.count(&by("flooding", number, AuditOutcome::Denied));
        }
        counts.count(&by("other", 1, AuditOutcome::Denied));
        counts.count(&by("other", 1, AuditOutcome::Succeeded));
        let told = counts.take(Timestamp::UNIX_EPOCH, Timestamp::UNIX_EPOCH);
        let others: Vec<_> = told
            .iter()
            .filter(|event| event.actor.caller == "other")
            .collect();
        assert_eq!(others.len(), 2, "{others:?}");
        assert!(others.iter().all(|event| event.subject.connector_id == "1"));
        assert!(told.len() <= MOST_REFUSED_OF_CALLER + 3, "{}", told.len());
        let sum: usize = told
            .iter()
            .filter(|event| event.actor.caller == "flooding")
            .map(|event| event.details["count"].parse::<usize>().expect("a count"))
            .sum();
        assert_eq!(sum, 2 * MOST);
    }
}
