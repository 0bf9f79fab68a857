//! May this caller do that here? The one question every call asks, so that a policy can answer it one day.

use std::fmt;

use tokend_model::{WorkspaceName, ports::CallerRole};

use crate::{AccessError, Caller};

/// What a call is about to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Action {
    /// Hand out the token of a shared connection.
    Vend,
    /// Hand out the token of an app user's connection.
    VendForUser,
    /// Start or complete an app user's authorization.
    Connect,
    /// Remove an app user's connection.
    Disconnect,
    /// Read what is there, without tokens.
    ReadMetadata,
    /// Call `AdminService`.
    Administer,
}

impl fmt::Display for Action {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Vend => "get shared connections",
            Self::VendForUser => "get app users' connections",
            Self::Connect => "connect app users",
            Self::Disconnect => "disconnect app users",
            Self::ReadMetadata => "list what is there",
            Self::Administer => "administer",
        })
    }
}

/// Allows the action or answers [`AccessError::NotAllowed`]. Callers keep to their own workspace; a backend may do
/// all but administer, an operator all.
pub fn authorize(
    caller: &Caller,
    action: Action,
    workspace: &WorkspaceName,
) -> Result<(), AccessError> {
    let allowed = match caller.role {
        CallerRole::Operator => true,
        CallerRole::Backend => action != Action::Administer,
    };
    if allowed && caller.may_use(workspace) {
        return Ok(());
    }
    Err(AccessError::NotAllowed {
        caller: caller.name.clone(),
        action,
        workspace: workspace.clone(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::CallerKind;

    const ACTIONS: [Action; 6] = [
        Action::Vend,
        Action::VendForUser,
        Action::Connect,
        Action::Disconnect,
        Action::ReadMetadata,
        Action::Administer,
    ];

    fn caller(role: CallerRole) -> Caller {
        Caller {
            name: "billing".to_owned(),
            workspace: WorkspaceName::default_workspace(),
            role,
            kind: CallerKind::Loopback,
        }
    }

    #[test]
    fn only_operators_administer() {
        let here = WorkspaceName::default_workspace();
        for action in ACTIONS {
            assert_eq!(
                authorize(&caller(CallerRole::Operator), action, &here),
                Ok(())
            );
            assert_eq!(
                authorize(&caller(CallerRole::Backend), action, &here).is_ok(),
                action != Action::Administer,
                "{action}"
            );
        }
    }

    #[test]
    fn nobody_leaves_their_workspace() {
        let there = WorkspaceName::new("other").unwrap();
        for role in [CallerRole::Backend, CallerRole::Operator] {
            for action in ACTIONS {
                let refused = authorize(&caller(role), action, &there).unwrap_err();
                assert!(matches!(refused, AccessError::NotAllowed { .. }));
            }
        }
    }
}
