//! What was asked, by whom, and what was answered; the model is asked later whether that may be.

use tokend_api::v1;
use tokend_simulator::{FamilyId, Ledger};
use tokend_tests::reason;
use tonic::Status;

use crate::{
    model::Moment,
    places::{Connector, Slot},
};

/// Who asks, as the call's metadata says.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Asker {
    /// The workspace and number of the caller whose key it is; none, if no such key exists.
    pub(crate) caller: Option<(usize, usize)>,
    /// The workspace that is named.
    pub(crate) workspace: usize,
    /// The app user's token; none was needed, or none came.
    pub(crate) user: Option<UserToken>,
}

/// An app user's token.
#[derive(Debug, Clone, Copy)]
pub(crate) enum UserToken {
    /// Of that user, by the issuer of that workspace.
    Of(usize, usize),
    /// Signed with a key that is none of the issuer's.
    Forged(usize, usize),
}

/// One wish for a token.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Wish {
    /// Under which connector; none, if no such connector exists.
    pub(crate) connector: Option<Connector>,
    pub(crate) label: usize,
    /// Whether the token has to be renewed first.
    pub(crate) renews: bool,
}

/// What was answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// A token.
    Vended {
        /// The grant it is of; none, if nobody issued it.
        grant: Option<FamilyId>,
        connection_id: String,
        /// The account that the answer tells.
        account: String,
        /// Whether the provider took it at that moment.
        live: bool,
    },
    /// No token.
    Refused(Refusal),
}

/// Why not, as far as it matters who was let in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum Refusal {
    CallerUnknown,
    UserUnknown,
    NotAllowed,
    Stopped,
    NoConnector,
    NotConnected,
    /// For now: renewing was needed and did not work out.
    NotNow,
    /// Nothing that should come here.
    Unexpected,
}

/// A wish and what came of it.
#[derive(Debug, Clone)]
pub(crate) struct Observation {
    pub(crate) asker: Asker,
    /// Whether the call as a whole needs an app user.
    pub(crate) for_user: bool,
    pub(crate) wish: Wish,
    pub(crate) begun: Moment,
    pub(crate) done: Moment,
    pub(crate) outcome: Outcome,
}

impl Observation {
    /// Where the asker's connection is.
    pub(crate) fn slot(&self) -> Option<Slot> {
        let connector = self.wish.connector?;
        let user = match (connector.is_shared(), self.asker.user) {
            (true, _) => None,
            (false, Some(UserToken::Of(_, user))) => Some(user),
            (false, _) => return None,
        };
        Some(Slot {
            workspace: self.asker.workspace,
            connector,
            user,
            label: self.wish.label,
        })
    }
}

impl Outcome {
    /// An answer, traced through the provider's ledger.
    pub(crate) fn of(answer: Result<v1::VendedConnection, Status>, ledger: &Ledger) -> Self {
        match answer {
            Ok(vended) => Self::vended(vended, ledger),
            Err(status) => Self::Refused(Refusal::of(&reason(&status))),
        }
    }

    pub(crate) fn vended(vended: v1::VendedConnection, ledger: &Ledger) -> Self {
        Self::Vended {
            grant: ledger.family_of(&vended.access_token),
            connection_id: vended.connection_id,
            account: vended.account.map(|account| account.id).unwrap_or_default(),
            live: ledger.is_access_token_live(&vended.access_token),
        }
    }
}

impl Refusal {
    /// The class of a reason of the contract.
    pub(crate) fn of(reason: &str) -> Self {
        match reason {
            "CALLER_UNAUTHENTICATED" => Self::CallerUnknown,
            "APP_USER_UNAUTHENTICATED" => Self::UserUnknown,
            "CALLER_NOT_ALLOWED" => Self::NotAllowed,
            "SUSPENDED" => Self::Stopped,
            "CONNECTOR_NOT_FOUND" => Self::NoConnector,
            "NOT_CONNECTED" | "CONNECTION_NOT_FOUND" | "AUTHORIZATION_PENDING" => {
                Self::NotConnected
            }
            "REFRESH_IN_PROGRESS" | "PROVIDER_UNAVAILABLE" | "REAUTHORIZATION_REQUIRED" => {
                Self::NotNow
            }
            _ => Self::Unexpected,
        }
    }
}
