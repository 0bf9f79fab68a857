//! Why a call failed, whoever found it out.

use tokend_access::AccessError;
use tokend_vending::Error;

/// Why a call failed.
#[derive(Debug, Clone)]
pub(crate) enum Failure {
    /// It was not let in.
    Access(AccessError),
    /// It was let in, and came to this.
    UseCase(Error),
    /// It came to something that cannot be put on record.
    AuditUnavailable,
}

impl From<AccessError> for Failure {
    fn from(error: AccessError) -> Self {
        Self::Access(error)
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self::UseCase(error)
    }
}
