//! Questions to policies, put together from what a test cares about.

use std::{fs, path::Path, sync::Arc};

use tokend_access::{
    AccessRequest, Action, AppUser, Caller, CallerKind, Decision, OtherWorkspaces, Policy, Resource,
};
use tokend_model::{AppUserId, Timestamp, WorkspaceName, ports::CallerRole};

/// A question; what is not set is a backend's vend of a shared connection without label, in workspace `default`.
#[derive(Clone)]
pub(crate) struct Question {
    pub(crate) caller: Caller,
    pub(crate) action: Action,
    pub(crate) workspace: &'static str,
    pub(crate) integration_type: String,
    pub(crate) connector_id: String,
    pub(crate) label: String,
    pub(crate) scopes: Vec<String>,
    pub(crate) user: Option<String>,
}

impl Question {
    pub(crate) fn decide(&self, policy: &Policy) -> Arc<Decision> {
        let workspace = WorkspaceName::new(self.workspace).unwrap();
        let user = self.user.as_ref().map(|id| AppUser {
            id: AppUserId::new(id.as_str()).unwrap(),
            issuer: "https://login.acme.test".to_owned(),
            expire_time: Timestamp::UNIX_EPOCH,
        });
        policy.decide(&AccessRequest {
            caller: &Arc::new(self.caller.clone()),
            action: self.action,
            workspace: &workspace,
            resource: Resource {
                integration_type: &self.integration_type,
                connector_id: &self.connector_id,
                owner: user.as_ref().map(|user| &user.id),
                label: &self.label,
            },
            scopes: &self.scopes,
            app_user: user.as_ref(),
        })
    }

    pub(crate) fn passes(&self, policy: &Policy) -> bool {
        self.decide(policy).allowed
    }

    pub(crate) fn about(self, integration_type: &str) -> Self {
        let integration_type = integration_type.to_owned();
        Self {
            integration_type,
            ..self
        }
    }

    pub(crate) fn doing(self, action: Action) -> Self {
        Self { action, ..self }
    }

    pub(crate) fn with(self, scopes: &[&str]) -> Self {
        let scopes = scopes.iter().map(|&scope| scope.to_owned()).collect();
        Self { scopes, ..self }
    }
}

/// Asked by a caller with an API key and that role.
pub(crate) fn asked_by(name: &str, role: Option<CallerRole>) -> Question {
    let kind = CallerKind::ApiKey {
        key_id: "k1".to_owned(),
    };
    asked_by_kind(name, role, kind)
}

pub(crate) fn asked_by_kind(name: &str, role: Option<CallerRole>, kind: CallerKind) -> Question {
    Question {
        caller: Caller {
            name: name.to_owned(),
            workspace: WorkspaceName::default_workspace(),
            other_workspaces: OtherWorkspaces::All,
            role,
            kind,
            expire_time: None,
        },
        action: Action::Vend,
        workspace: "default",
        integration_type: "googlecalendar".to_owned(),
        connector_id: String::new(),
        label: String::new(),
        scopes: Vec::new(),
        user: None,
    }
}

/// The policies in these texts, each a file of its own.
pub(crate) fn policy_of(texts: &[&str]) -> Policy {
    let directory = tempfile::tempdir().unwrap();
    for (number, text) in texts.iter().enumerate() {
        write(directory.path(), &format!("{number}.cedar"), text);
    }
    Policy::open(Some(directory.path().to_owned()), "test").unwrap()
}

pub(crate) fn write(directory: &Path, name: &str, text: &str) {
    fs::write(directory.join(name), text).unwrap();
}
