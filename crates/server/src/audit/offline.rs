//! Acts of an operator on the database itself, without a server: on the database's trail like all others.

use std::sync::Arc;

use tokend_model::{
    AuditAction, AuditOutcome, WorkspaceName,
    ports::{AuditTrail, Clock},
};

use super::{
    event::{bounded, event},
    record::Sealer,
};
use crate::{StartError, clock::SystemClock, config::Config, wire_up::read_keyring};

/// What an operator did on the database.
#[derive(Debug, Clone)]
pub struct OfflineAct {
    /// Where.
    pub workspace: WorkspaceName,
    /// What.
    pub action: AuditAction,
    /// Further facts by name, such as the caller that was added.
    pub details: Vec<(&'static str, String)>,
}

/// Puts an act on the database's trail. Who did it is known as far as the operating system says it.
pub async fn record_offline(
    config: &Config,
    trail: &impl AuditTrail,
    act: OfflineAct,
) -> Result<(), StartError> {
    let keyring = Arc::new(read_keyring(config)?);
    let sealer = Sealer::new(keyring).ok_or(StartError::AuditKey)?;
    let mut event = event(
        SystemClock.now(),
        &act.workspace,
        act.action,
        AuditOutcome::Succeeded,
    );
    event.actor.caller = std::env::var("USER").unwrap_or_else(|_| "operator".to_owned());
    event.actor.caller_kind = "operator".to_owned();
    let details = act.details.into_iter();
    event.details = details
        .map(|(key, value)| (key.to_owned(), value))
        .collect();
    let events = vec![Arc::new(bounded(event))];
    trail
        .append(&act.workspace, events, Arc::new(sealer))
        .await
        .map_err(|_| StartError::Storage)
}
