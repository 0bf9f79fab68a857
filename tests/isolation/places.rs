//! What there is in every workspace, under the same names: whatever is found by less than its whole name is found in
//! the wrong place.

use std::fmt;

/// The workspaces.
pub(crate) const WORKSPACES: [&str; 5] = ["amber", "birch", "cedar", "dune", "ember"];

/// The app users, the same in each workspace; one is called as the owner of shared connections may be.
pub(crate) const USERS: [&str; 4] = ["ada", "bob", "shared", "ada.work"];

/// The labels; the first is the default one.
pub(crate) const LABELS: [&str; 2] = ["", "work"];

/// The callers of each workspace; the last is an operator.
pub(crate) const CALLERS: [&str; 3] = ["front", "back", "ops"];

/// A caller's name: no two workspaces may have one of the same.
pub(crate) fn caller_name(workspace: usize, caller: usize) -> String {
    format!("{}.{}", WORKSPACES[workspace], CALLERS[caller])
}

/// The caller that is an operator.
pub(crate) const OPERATOR: usize = 2;

/// The workspace and caller that no app user's token is made out to: there it speaks for none.
pub(crate) const SPEAKS_FOR_NONE: (usize, usize) = (4, 1);

/// The integration types.
pub(crate) const TYPES: [&str; 2] = ["simcalendar", "simfiles"];

/// The connectors of each workspace.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum Connector {
    /// The shared one of a type.
    Shared(usize),
    /// That of app users of a type.
    AppUsers(usize),
}

/// All of them.
pub(crate) const CONNECTORS: [Connector; 4] = [
    Connector::Shared(0),
    Connector::Shared(1),
    Connector::AppUsers(0),
    Connector::AppUsers(1),
];

/// A place for a connection: all that tells one from another.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct Slot {
    pub(crate) workspace: usize,
    pub(crate) connector: Connector,
    /// Whose; nobody's under a shared connector.
    pub(crate) user: Option<usize>,
    pub(crate) label: usize,
}

impl Connector {
    pub(crate) fn integration_type(self) -> usize {
        match self {
            Self::Shared(integration_type) | Self::AppUsers(integration_type) => integration_type,
        }
    }

    /// Its id, the same in each workspace. The first app users' one is called as the other type is.
    pub(crate) fn id(self) -> &'static str {
        match self {
            Self::Shared(0) => "calendar",
            Self::Shared(_) => "files",
            Self::AppUsers(0) => TYPES[1],
            Self::AppUsers(_) => "users",
        }
    }

    pub(crate) fn is_shared(self) -> bool {
        matches!(self, Self::Shared(_))
    }

    /// Where connections of a workspace under it can be.
    pub(crate) fn slots(self, workspace: usize) -> impl Iterator<Item = Slot> {
        let users = match self.is_shared() {
            true => vec![None],
            false => (0..USERS.len()).map(Some).collect(),
        };
        users.into_iter().flat_map(move |user| {
            (0..LABELS.len()).map(move |label| Slot {
                workspace,
                connector: self,
                user,
                label,
            })
        })
    }
}

impl Slot {
    /// Everywhere that a connection can be.
    pub(crate) fn all() -> impl Iterator<Item = Self> {
        let of_workspace = |workspace| {
            CONNECTORS
                .into_iter()
                .flat_map(move |connector| connector.slots(workspace))
        };
        (0..WORKSPACES.len()).flat_map(of_workspace)
    }

    pub(crate) fn label(&self) -> Option<String> {
        Some(LABELS[self.label].to_owned()).filter(|label| !label.is_empty())
    }
}

/// The account that is connected there: the mark that its tokens carry.
impl fmt::Display for Slot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let user = self.user.map_or("", |user| USERS[user]);
        let (workspace, connector) = (WORKSPACES[self.workspace], self.connector.id());
        write!(f, "{workspace}/{connector}/{user}/{}", LABELS[self.label])
    }
}
