//! The audit trail: who asked for what, and what came of it. No token leaves without its record.

use std::net::SocketAddr;

use tokend_access::{AccessError, Action};
use tokend_vending::Vended;

use crate::{
    admission::{Admitted, Ask, Call},
    failure::Failure,
};

/// Puts on record what is done.
pub(crate) struct Audit {}

impl Audit {
    /// A caller could not be authenticated.
    pub(crate) async fn unauthenticated(
        &self,
        _error: &AccessError,
        _peer: Option<SocketAddr>,
        _trace_id: &str,
    ) {
    }

    /// An app user could not be authenticated.
    pub(crate) async fn user_unauthenticated(&self, _call: &Call, _error: &AccessError) {}

    /// A call was refused.
    pub(crate) async fn refused(&self, admitted: &Admitted, ask: &Ask<'_>, error: &AccessError) {
        let Call {
            caller, workspace, ..
        } = &*admitted.call;
        let action: Action = ask.action;
        tracing::info!(caller = %caller.name, %action, %workspace, %error, "a call was refused");
    }

    /// A token is about to be handed out; [`Failure::AuditUnavailable`] if that cannot be put on record.
    pub(crate) async fn vended(&self, admitted: &Admitted, vended: &Vended) -> Result<(), Failure> {
        tracing::debug!(
            caller = %admitted.call.caller.name,
            connection = %vended.connection_id,
            generation = vended.generation.0,
            "a token was vended"
        );
        Ok(())
    }

    /// No token was handed out.
    pub(crate) async fn not_vended(&self, _admitted: &Admitted, _failure: &Failure) {}

    /// Something other than vending was done, or failed.
    pub(crate) async fn done(
        &self,
        _admitted: &Admitted,
        _named: &[(&'static str, String)],
        _failure: Option<&Failure>,
    ) -> Result<(), Failure> {
        Ok(())
    }

    /// Whether anything can be put on record now: to be asked before something is done that cannot be undone.
    pub(crate) fn check(&self) -> Result<(), Failure> {
        Ok(())
    }
}
