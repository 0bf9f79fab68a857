//! May this caller do that to this? Default deny: what no policy permits is refused.

use std::sync::Arc;

use tokend_model::{AppUserId, WorkspaceName, ports::CallerRole};

use crate::{Action, AppUser, Caller};

/// A question to the policy.
#[derive(Debug, Clone)]
pub struct AccessRequest<'a> {
    /// Who asks.
    pub caller: &'a Arc<Caller>,
    /// What it would do.
    pub action: Action,
    /// Where.
    pub workspace: &'a WorkspaceName,
    /// To what.
    pub resource: Resource<'a>,
    /// With which scopes; none: with all that were granted.
    pub scopes: &'a [String],
    /// For whom.
    pub app_user: Option<&'a AppUser>,
}

/// What something would be done to. What is not known, or does not apply, is empty.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub struct Resource<'a> {
    /// The integration type, by its canonical name.
    pub integration_type: &'a str,
    /// The connector; empty for a shared one, which goes by its integration type.
    pub connector_id: &'a str,
    /// The app user whose connection it is; none for the organisation's.
    pub owner: Option<&'a AppUserId>,
    /// Which of the owner's connections; empty for the default one.
    pub label: &'a str,
}

/// What the policy says to a question.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Decision {
    /// Whether it may be done.
    pub allowed: bool,
    /// The policies that decided; none if none applied.
    pub policies: Vec<DecidingPolicy>,
}

/// A policy that took part in a decision.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DecidingPolicy {
    /// Its name.
    pub id: String,
    /// Whether it permits or forbids.
    pub effect: Effect,
    /// What it says, for a person to read.
    pub description: String,
    /// Where it was written, such as `billing.cedar:12`; empty if it is built in.
    pub location: String,
}

/// What a policy says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Effect {
    /// It permits.
    Permit,
    /// It forbids, whatever others permit.
    Forbid,
}

/// The policies in force.
pub struct Policy {}

impl Policy {
    /// The policies that come with tokend: backends vend, operators do all, in their own workspaces.
    pub fn built_in() -> Self {
        Self {}
    }

    /// What the policies in force say.
    pub fn decide(&self, request: &AccessRequest<'_>) -> Arc<Decision> {
        let allowed = match request.caller.role {
            Some(CallerRole::Operator) => true,
            Some(CallerRole::Backend) => !request.action.is_administrative(),
            None => false,
        };
        Arc::new(Decision {
            allowed,
            policies: Vec::new(),
        })
    }
}
