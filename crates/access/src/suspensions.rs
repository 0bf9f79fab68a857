//! What operators have stopped.

use tokend_model::WorkspaceName;

use crate::{Action, Caller, Suspended};

/// What operators have stopped, as this replica knows it.
#[derive(Default)]
pub struct Suspensions {}

impl Suspensions {
    /// Whether the caller is stopped, or for what is no administration the integration type or the workspace.
    pub fn find(
        &self,
        _caller: &Caller,
        _workspace: &WorkspaceName,
        _integration_type: &str,
        _action: Action,
    ) -> Option<Suspended> {
        None
    }
}
