//! How often what happens often happened: the database has it by the minute, not one by one.

use std::{
    collections::{BTreeMap, HashMap},
    sync::{Arc, Mutex, PoisonError},
};

use tokend_model::{
    AuditAction, AuditActor, AuditEvent, AuditSubject, Timestamp,
    ports::{AuditSeal, AuditTrail},
};
use uuid::Uuid;

/// As many different ones are told apart in a minute; the rest are counted together.
const MOST: usize = 10_000;
/// Kept for when the database is back, with those of the next minutes.
const APPENDED_TOGETHER: usize = 500;

/// Counts since they were last written.
#[derive(Default)]
pub(super) struct Counts {
    counted: Mutex<HashMap<AuditEvent, i64>>,
}

impl Counts {
    /// Counts an event together with those that differ in nothing but time, trace and the like.
    pub(super) fn count(&self, event: &AuditEvent) {
        self.add(alike(event), 1);
    }

    /// Writes what was counted since `start`; what cannot be written is kept.
    pub(super) async fn flush(
        &self,
        trail: &dyn AuditTrail,
        seal: &Arc<dyn AuditSeal>,
        start: Timestamp,
        end: Timestamp,
    ) -> Result<(), tokend_model::ports::StorageError> {
        let taken = {
            let mut counted = self.counted.lock().unwrap_or_else(PoisonError::into_inner);
            std::mem::take(&mut *counted)
        };
        let mut workspaces: BTreeMap<String, Vec<(AuditEvent, i64)>> = BTreeMap::new();
        for (event, count) in taken {
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
        let mut counted = self.counted.lock().unwrap_or_else(PoisonError::into_inner);
        let full = counted.len() >= MOST;
        if let Some(before) = counted.get_mut(&alike) {
            *before = before.saturating_add(count);
        } else if full {
            let sum = counted.entry(together(alike)).or_default();
            *sum = sum.saturating_add(count);
        } else {
            counted.insert(alike, count);
        }
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
fn together(alike: AuditEvent) -> AuditEvent {
    let details = [("overflow".to_owned(), "true".to_owned())];
    AuditEvent {
        id: String::new(),
        reason: String::new(),
        actor: AuditActor::default(),
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
        ("intervalEndTime", end.to_rfc3339()),
    ];
    let facts = facts.map(|(key, value)| (key.to_owned(), value));
    event.details.extend(facts);
    event
}

/// Whether such events are counted, and not told one by one in the database: what every backend does all day.
pub(super) fn are_counted(action: AuditAction) -> bool {
    use AuditAction::{Authentication, MetadataRead, Vend};
    matches!(action, Vend | MetadataRead | Authentication)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::audit::event;
    use tokend_model::{AuditOutcome, WorkspaceName};

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
        let counted = counts.counted.lock().expect("nobody panicked");
        assert!(counted.len() <= MOST + 1, "{}", counted.len());
        assert_eq!(counted.values().sum::<i64>(), 2 * (MOST as i64 + 500));
        let overflow = counted.iter().find(|(event, _)| !event.details.is_empty());
        assert_eq!(overflow.map(|(_, count)| *count), Some(2 * 500));
    }
}
