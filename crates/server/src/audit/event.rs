//! Events as they are put on record: who did what, within bounds. What callers send is recorded as they sent it, as far
//! as it is short: nobody fills the trail with one call.

use std::net::SocketAddr;

use tokend_access::AccessError;
use tokend_model::{
    AuditAction, AuditActor, AuditEvent, AuditOutcome, AuditSubject, Timestamp, WorkspaceName,
};
use uuid::Uuid;

use crate::{
    admission::{Admitted, Call},
    failure::Failure,
    status,
};

/// The longest text of a record, in bytes; what is longer is cut, and ends with [`CUT`].
const LONGEST_TEXT: usize = 1024;
/// The most bytes of a list's entries together, or of all details; the rest are left out, and [`CUT`] says so.
const LONGEST_LIST: usize = 8 * 1024;
const CUT: &str = "…";

/// The name of the actor of what the server does by itself.
const SYSTEM: &str = "system";

/// Something that happened just now.
pub(super) fn event(
    time: Timestamp,
    workspace: &WorkspaceName,
    action: AuditAction,
    outcome: AuditOutcome,
) -> AuditEvent {
    AuditEvent {
        id: Uuid::now_v7().to_string(),
        time,
        workspace: workspace.clone(),
        action,
        outcome,
        reason: String::new(),
        actor: AuditActor::default(),
        subject: AuditSubject::default(),
        scopes: Vec::new(),
        policy_ids: Vec::new(),
        token_fingerprint: String::new(),
        details: Default::default(),
    }
}

/// Something about the trail itself, with further facts.
pub(super) fn of_trail(time: Timestamp, details: &[(&str, String)]) -> AuditEvent {
    let workspace = WorkspaceName::default_workspace();
    let mut event = event(
        time,
        &workspace,
        AuditAction::AuditTrail,
        AuditOutcome::Succeeded,
    );
    event.actor.caller = SYSTEM.to_owned();
    event.actor.caller_kind = SYSTEM.to_owned();
    let details = details
        .iter()
        .map(|(key, value)| ((*key).to_owned(), value.clone()));
    event.details = details.collect();
    event
}

/// What an admitted or refused call did. A workspace that its caller has no business in is named in the details only:
/// the trail of a workspace is not for others to write to.
pub(super) fn of_call(
    time: Timestamp,
    admitted: &Admitted,
    failure: Option<&Failure>,
) -> AuditEvent {
    let call = &admitted.call;
    let at_home = call.caller.may_use(&call.workspace);
    let workspace = match at_home {
        true => &call.workspace,
        false => &call.caller.workspace,
    };
    let outcome = match failure {
        None => AuditOutcome::Succeeded,
        Some(Failure::Access(AccessError::NotSuspended)) => AuditOutcome::Failed,
        Some(Failure::Access(_)) => AuditOutcome::Denied,
        Some(_) => AuditOutcome::Failed,
    };
    let mut event = event(time, workspace, admitted.audited, outcome);
    event.reason = failure.map(reason).unwrap_or_default();
    event.actor = actor(call);
    event.subject.integration_type = admitted.integration_type.clone();
    event.subject.connector_id = admitted.connector_id.clone();
    let policies = admitted.decision.policies.iter();
    event.policy_ids = policies.map(|policy| policy.id.clone()).collect();
    if !at_home {
        let asked = call.workspace.to_string();
        event.details.insert("askedWorkspace".to_owned(), asked);
    }
    event
}

/// Who makes a call, and from where.
pub(super) fn actor(call: &Call) -> AuditActor {
    let user = call.app_user.as_ref();
    AuditActor {
        caller: call.caller.name.clone(),
        caller_kind: call.caller.kind.name().to_owned(),
        credential_id: call.caller.kind.credential_id().to_owned(),
        app_user_id: user.map(|user| user.id.to_string()).unwrap_or_default(),
        app_user_issuer: user.map(|user| user.issuer.clone()).unwrap_or_default(),
        peer_address: address(call.peer),
        trace_id: call.trace_id.clone(),
    }
}

/// A peer's address; empty if it is not known.
pub(super) fn address(peer: Option<SocketAddr>) -> String {
    peer.map(|peer| peer.to_string()).unwrap_or_default()
}

/// The failure's reason, as callers are told it.
pub(super) fn reason(failure: &Failure) -> String {
    status::reason(failure).reason().to_owned()
}

/// The event with everything cut to what a record holds.
pub(super) fn bounded(mut event: AuditEvent) -> AuditEvent {
    let (actor, subject) = (&mut event.actor, &mut event.subject);
    for text in [
        &mut event.reason,
        &mut actor.caller,
        &mut actor.credential_id,
        &mut actor.app_user_id,
        &mut actor.app_user_issuer,
        &mut subject.integration_type,
        &mut subject.connector_id,
        &mut subject.connection_id,
        &mut subject.authorization_id,
    ] {
        cut(text);
    }
    for list in [&mut event.scopes, &mut event.policy_ids] {
        list.iter_mut().for_each(cut);
        let mut room = Room(LONGEST_LIST);
        let fitting = list.iter().take_while(|entry| room.take(entry)).count();
        if fitting < list.len() {
            list.truncate(fitting);
            list.push(CUT.to_owned());
        }
    }
    event.details.values_mut().for_each(cut);
    let mut room = Room(LONGEST_LIST);
    event
        .details
        .retain(|key, value| room.take(key) && room.take(value));
    event
}

/// Bytes that are left.
struct Room(usize);

impl Room {
    fn take(&mut self, text: &str) -> bool {
        let left = self.0.checked_sub(text.len());
        self.0 = left.unwrap_or(0);
        left.is_some()
    }
}

fn cut(text: &mut String) {
    if text.len() > LONGEST_TEXT {
        text.truncate(text.floor_char_boundary(LONGEST_TEXT));
        text.push_str(CUT);
    }
}
