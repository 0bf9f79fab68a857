//! What browsers do on our own pages, on record: nobody calls there, and accounts are connected all the same.

use std::net::SocketAddr;

use tokend_model::{
    AuditAction, AuditEvent, AuditOutcome, Authorization, Connection, Owner, WorkspaceName,
};
use tokend_vending::Error;

use super::{
    Audit,
    event::{address, event, reason},
};
use crate::failure::Failure;

/// The name and the kind of the caller that a browser is.
const BROWSER: &str = "browser";

/// An attempt to connect an account, as it is completed on a page.
#[derive(Debug)]
pub(crate) struct OnPage {
    /// Where the browser is.
    pub(crate) peer: SocketAddr,
    /// The attempt; absent as long as it is not known which one it is.
    pub(crate) authorization: Option<Authorization>,
    /// The attempt's integration type; empty if it is not known.
    pub(crate) integration_type: String,
}

impl Audit {
    /// An account was connected.
    pub(crate) async fn connected(
        &self,
        on_page: &OnPage,
        connection: &Connection,
    ) -> Result<(), Failure> {
        let mut event = self.on_page(on_page, AuditOutcome::Succeeded);
        event.subject.connection_id = connection.id.to_string();
        event.scopes = connection.scopes.clone();
        self.record(event).await
    }

    /// No account was connected.
    pub(crate) async fn not_connected(&self, on_page: &OnPage, failure: &Failure) {
        let outcome = match failure {
            Failure::Access(_) | Failure::UseCase(Error::CompletionMismatch) => {
                AuditOutcome::Denied
            }
            _ => AuditOutcome::Failed,
        };
        let mut event = self.on_page(on_page, outcome);
        event.reason = reason(failure);
        self.record_strangers(event, Some(on_page.peer.ip())).await;
    }

    fn on_page(&self, on_page: &OnPage, outcome: AuditOutcome) -> AuditEvent {
        let authorization = on_page.authorization.as_ref();
        let elsewhere = WorkspaceName::default_workspace();
        let workspace = authorization.map_or(&elsewhere, |authorization| &authorization.workspace);
        let action = AuditAction::AuthorizationComplete;
        let mut event = event(self.clock.now(), workspace, action, outcome);
        event.actor.caller = BROWSER.to_owned();
        event.actor.caller_kind = BROWSER.to_owned();
        event.actor.peer_address = address(Some(on_page.peer));
        if let Some(authorization) = authorization {
            if let Owner::AppUser(id) = &authorization.owner {
                event.actor.app_user_id = id.to_string();
            }
            event.subject.integration_type = on_page.integration_type.clone();
            event.subject.connector_id = authorization.connector_id.to_string();
            event.subject.authorization_id = authorization.id.to_string();
        }
        event
    }
}
