//! What all callers of one kind may use from the start, as the configuration says.

use tokend_model::{Timestamp, WorkspaceName, ports::CallerRole};

use crate::{Caller, CallerKind, OtherWorkspaces};

/// The workspaces and the role that callers have because of who vouches for them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Standing {
    workspace: WorkspaceName,
    other_workspaces: OtherWorkspaces,
    role: Option<CallerRole>,
}

/// A configured workspace or role that is none, and what is allowed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct InvalidStanding(String);

impl Standing {
    /// Reads the names of workspaces (the first is asked about unless another is named; `*` is all of them) and of a
    /// role (`backend`, `operator`, or nothing for none).
    pub fn read(workspaces: &[String], role: &str) -> Result<Self, InvalidStanding> {
        let role = match role {
            "" => None,
            "backend" => Some(CallerRole::Backend),
            "operator" => Some(CallerRole::Operator),
            other => {
                return Err(InvalidStanding(format!(
                    "role {other:?}: must be \"backend\", \"operator\" or \"\""
                )));
            }
        };
        let named = workspaces.iter().filter(|name| *name != "*");
        let named = named.map(|name| WorkspaceName::new(name.as_str()));
        let named = named.collect::<Result<Vec<_>, _>>();
        let named = named.map_err(|invalid| InvalidStanding(format!("workspaces: {invalid}")))?;
        let all = named.len() < workspaces.len();
        let mut named = named.into_iter();
        let workspace = match named.next() {
            Some(first) => first,
            None if all => WorkspaceName::default_workspace(),
            None => return Err(InvalidStanding("workspaces: name at least one".to_owned())),
        };
        let others: Vec<_> = named.collect();
        let other_workspaces = match (all, others.is_empty()) {
            (true, _) => OtherWorkspaces::All,
            (false, true) => OtherWorkspaces::None,
            (false, false) => OtherWorkspaces::Named(others),
        };
        Ok(Self {
            workspace,
            other_workspaces,
            role,
        })
    }

    /// A caller of that standing.
    pub fn caller(&self, name: String, kind: CallerKind, expire_time: Option<Timestamp>) -> Caller {
        Caller {
            name,
            workspace: self.workspace.clone(),
            other_workspaces: self.other_workspaces.clone(),
            role: self.role,
            kind,
            expire_time,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn workspaces_and_role_are_read() {
        let caller = |workspaces: &[&str], role: &str| {
            let workspaces: Vec<_> = workspaces.iter().map(|&name| name.to_owned()).collect();
            Standing::read(&workspaces, role)
                .map(|standing| standing.caller("x".to_owned(), CallerKind::Loopback, None))
        };
        let name = |name: &str| WorkspaceName::new(name).unwrap();

        let one = caller(&["shop"], "backend").unwrap();
        assert_eq!(one.workspace, name("shop"));
        assert_eq!(one.role, Some(CallerRole::Backend));
        assert!(!one.may_use(&name("default")));

        let two = caller(&["shop", "billing"], "").unwrap();
        assert_eq!(two.role, None);
        assert!(two.may_use(&name("billing")) && !two.may_use(&name("default")));

        let all = caller(&["*", "shop"], "operator").unwrap();
        assert_eq!(all.workspace, name("shop"));
        assert!(all.may_use(&name("billing")));
        assert_eq!(caller(&["*"], "").unwrap().workspace, name("default"));

        for (workspaces, role) in [
            (&[][..], ""),
            (&["Shop"], ""),
            (&["shop", ""], ""),
            (&["shop"], "admin"),
            (&["shop"], "Backend"),
        ] {
            assert!(caller(workspaces, role).is_err(), "{workspaces:?} {role}");
        }
    }
}
