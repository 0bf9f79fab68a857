//! What the ledger keeps of grants, tokens and answers.

use std::sync::Arc;

use tokend_model::{ConnectionId, Timestamp};

use crate::world::process::Process;

/// A user's consent with everything that came of it.
pub(crate) struct Grant {
    /// Which connection it was given for.
    pub(crate) subject: usize,
    /// The connection it came to be.
    pub(crate) connection: Option<ConnectionId>,
    pub(crate) end: Option<GrantEnd>,
    /// How often the refresh token was rotated.
    pub(crate) depth: u32,
    /// When it last was.
    pub(crate) depth_since: Timestamp,
    /// When the provider last refused it without cause.
    pub(crate) spurious_refusal: Option<Timestamp>,
    /// Whether revoking it was tried while the provider was away: that is not tried again.
    pub(crate) out_of_reach: bool,
    /// Refusals since the user ended it.
    pub(crate) refusals_after_end: u32,
}

/// Why a grant is over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum GrantEnd {
    /// The user took the consent back at the provider.
    User,
    /// A refresh token was redeemed again that had been used up.
    Reuse,
    /// We asked for it.
    Revoked,
}

/// A refresh token the provider issued.
pub(crate) struct RefreshToken {
    pub(crate) grant: usize,
    pub(crate) depth: u32,
    pub(crate) answer: usize,
    pub(crate) first_redeemed: Option<Timestamp>,
    pub(crate) dead: bool,
}

/// An access token the provider issued.
pub(crate) struct AccessToken {
    pub(crate) grant: usize,
    pub(crate) answer: usize,
    pub(crate) expires: Timestamp,
    pub(crate) dead: bool,
}

/// A token set the provider issued.
pub(crate) struct Answer {
    pub(crate) grant: usize,
    /// The refresh token that bought it; none for a consent.
    pub(crate) parent: Option<String>,
    pub(crate) access_token: String,
    /// The new refresh token, where one came.
    pub(crate) refresh_token: Option<String>,
    /// When the call for it began.
    pub(crate) begun: Timestamp,
    /// The process it reached, if it did.
    pub(crate) delivered_to: Option<Arc<Process>>,
    pub(crate) journaled: bool,
    /// When it was committed, or kept as an orphan.
    pub(crate) stored: Option<Timestamp>,
    /// Whether it was committed.
    pub(crate) committed: bool,
}

impl Grant {
    pub(crate) fn new(subject: usize, now: Timestamp) -> Self {
        Self {
            subject,
            connection: None,
            end: None,
            depth: 0,
            depth_since: now,
            spurious_refusal: None,
            out_of_reach: false,
            refusals_after_end: 0,
        }
    }
}
