//! Refusals on record. Anybody can bring them about as often as they like: they get less of the trail than what succeeds,
//! and where there is no room for a record of each, one says how many they were.

use std::{
    net::{IpAddr, SocketAddr},
    sync::{Arc, PoisonError},
};

use tokend_access::AccessError;
use tokend_api::v1::ErrorReason;
use tokend_model::{
    AuditAction, AuditEvent, AuditOutcome, AuditSubject, IntegrationTypeName, Timestamp,
    WorkspaceName,
};

use super::{
    Audit,
    event::{actor, address, bounded, event, of_call, reason},
    sink::Sink,
};
use crate::{
    admission::{Admitted, Ask, Call},
    config::AuditSink,
    failure::Failure,
};

impl Audit {
    /// A caller could not be authenticated.
    pub(crate) async fn unauthenticated(
        &self,
        error: &AccessError,
        peer: Option<SocketAddr>,
        trace_id: &str,
    ) {
        let workspace = WorkspaceName::default_workspace();
        let mut event = self.denied(&workspace, error);
        event.actor.peer_address = address(peer);
        event.actor.trace_id = trace_id.to_owned();
        self.record_strangers(event, peer.map(|peer| peer.ip()))
            .await;
    }

    /// An app user could not be authenticated.
    pub(crate) async fn user_unauthenticated(&self, call: &Call, error: &AccessError) {
        let workspace = match call.caller.may_use(&call.workspace) {
            true => &call.workspace,
            false => &call.caller.workspace,
        };
        let mut event = self.denied(workspace, error);
        event.actor = actor(call);
        self.record_refusal(event, true).await;
    }

    /// A call was refused.
    pub(crate) async fn refused(&self, admitted: &Admitted, ask: &Ask<'_>, error: &AccessError) {
        let failure = Failure::from(error.clone());
        let mut event = of_call(self.clock.now(), admitted, Some(&failure));
        event.scopes = ask.scopes.to_vec();
        event
            .details
            .insert("action".to_owned(), ask.action.to_string());
        if !ask.label.is_empty() {
            event
                .details
                .insert("label".to_owned(), ask.label.to_owned());
        }
        self.record_refusal(event, true).await;
    }

    /// No token was handed out.
    pub(crate) async fn not_vended(&self, admitted: &Admitted, failure: &Failure) {
        let event = of_call(self.clock.now(), admitted, Some(failure));
        self.record_refusal(event, true).await;
    }

    /// What somebody brought about whom nobody knows.
    pub(super) async fn record_strangers(&self, event: AuditEvent, address: Option<IpAddr>) {
        let singly = {
            let strangers = self.strangers.lock();
            let mut strangers = strangers.unwrap_or_else(PoisonError::into_inner);
            strangers.take(address, event.time)
        };
        self.record_refusal(event, singly).await;
    }

    /// Counts a refusal, and puts it on record `singly` if there is room for it. What is refused stays refused, on record
    /// or not.
    pub(super) async fn record_refusal(&self, event: AuditEvent, singly: bool) {
        let event = Arc::new(bounded(event));
        let counted = self.naming_what_is_known(&event);
        self.counts.count(&counted);
        if singly {
            for sink in self.line_sinks() {
                if sink.take_refusal(&event).await {
                    return;
                }
            }
        }
        self.untold.count(&counted);
    }

    /// Writes how many refusals there were that have no record of their own.
    pub(super) async fn tell_untold(&self, start: Timestamp, end: Timestamp) {
        for event in self.untold.take(start, end) {
            let event = Arc::new(event);
            for sink in self.line_sinks() {
                if sink.take(&event, self.limit).await {
                    break;
                }
            }
        }
    }

    /// What an event names of what there is: it is counted, and names that nothing bears would make each one of its own.
    pub(super) fn naming_what_is_known(&self, event: &AuditEvent) -> AuditEvent {
        let mut known = event.clone();
        let names_nothing = [
            ErrorReason::IntegrationTypeUnknown,
            ErrorReason::ConnectorNotFound,
            ErrorReason::ConnectionNotFound,
            ErrorReason::AuthorizationNotFound,
            ErrorReason::InvalidField,
        ]
        .iter()
        .any(|reason| reason.reason() == event.reason);
        let was_looked_for = event.outcome == AuditOutcome::Failed && !names_nothing;
        if event.outcome == AuditOutcome::Succeeded || was_looked_for {
            return known;
        }
        let AuditSubject {
            integration_type,
            connector_id,
            ..
        } = std::mem::take(&mut known.subject);
        let in_catalogue = |name| self.catalogue.get(&event.workspace, &name).is_some();
        // Of a connector that there is not, no integration type is known.
        if IntegrationTypeName::new(&integration_type).is_ok_and(in_catalogue) {
            known.subject.integration_type = integration_type;
            known.subject.connector_id = connector_id;
        }
        known
    }

    /// The database has refusals by the minute only: nobody makes it write by being refused.
    fn line_sinks(&self) -> impl Iterator<Item = &Sink> {
        let sinks = self.sinks.iter();
        sinks.filter(|sink| sink.kind() != AuditSink::Database)
    }

    fn denied(&self, workspace: &WorkspaceName, error: &AccessError) -> AuditEvent {
        let mut event = event(
            self.clock.now(),
            workspace,
            AuditAction::Authentication,
            AuditOutcome::Denied,
        );
        event.reason = reason(&error.clone().into());
        event.details.insert("why".to_owned(), error.to_string());
        event
    }
}
