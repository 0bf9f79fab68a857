//! Sealed columns: which they are, and the way of a secret into and out of them.

use tokend_keyring::{Keyring, SealContext};
use tokend_model::{Secret, WorkspaceName, ports::StorageError};

use crate::faults::corrupt;

/// The client secret of a connector.
pub(crate) const CLIENT_SECRET: &str = "connectors.client_secret";
/// Further client secrets of a connector: a JSON list, sealed as a whole.
pub(crate) const OTHER_CLIENT_SECRETS: &str = "connectors.other_client_secrets";
/// The tokens of a credential.
pub(crate) const CREDENTIAL_TOKENS: TokenColumns = TokenColumns {
    access: "credentials.access_token",
    refresh: "credentials.refresh_token",
};
/// The tokens of an orphan.
pub(crate) const ORPHAN_TOKENS: TokenColumns = TokenColumns {
    access: "orphans.access_token",
    refresh: "orphans.refresh_token",
};
/// The PKCE verifier of an authorization.
pub(crate) const PKCE_VERIFIER: &str = "authorizations.pkce_verifier";
/// The authorization code of an authorization.
pub(crate) const CODE: &str = "authorizations.code";
/// The tokens that an authorization holds until its starter agrees.
pub(crate) const ANSWER: &str = "authorizations.answer";

/// The columns of a table that keep a token set.
pub(crate) struct TokenColumns {
    pub(crate) access: &'static str,
    pub(crate) refresh: &'static str,
}

/// The row whose columns are sealed or opened.
pub(crate) struct SealedRow<'a> {
    pub(crate) keyring: &'a Keyring,
    pub(crate) workspace: &'a str,
    pub(crate) id: &'a str,
    pub(crate) generation: u32,
}

impl<'a> SealedRow<'a> {
    /// A row without generations.
    pub(crate) fn new(keyring: &'a Keyring, workspace: &'a WorkspaceName, id: &'a str) -> Self {
        Self {
            keyring,
            workspace: workspace.as_str(),
            id,
            generation: 0,
        }
    }

    /// Seals a secret for one column of the row.
    pub(crate) fn seal(
        &self,
        column: &'static str,
        secret: &Secret,
    ) -> Result<Vec<u8>, StorageError> {
        self.keyring
            .seal(&self.context(column), secret.expose().as_bytes())
            .map_err(|error| StorageError::Unavailable(Box::new(error)))
    }

    /// Opens a column of the row.
    pub(crate) fn open(&self, column: &'static str, sealed: &[u8]) -> Result<Secret, StorageError> {
        let opened = self
            .keyring
            .open(&self.context(column), sealed)
            .map_err(|error| corrupt(column, error))?;
        std::str::from_utf8(&opened)
            .map(Secret::new)
            .map_err(|_| corrupt(column, "it is not text"))
    }

    fn context(&self, column: &'static str) -> SealContext<'a> {
        SealContext {
            column,
            workspace: self.workspace,
            row_id: self.id,
            generation: self.generation,
        }
    }
}
