//! A token endpoint's answer as it came: what is written down before anybody tries to understand it.

use std::fmt;

use zeroize::Zeroizing;

use crate::Timestamp;

/// A whole answer of a token endpoint, unread. Its body may hold the only living refresh token of a connection.
#[derive(Clone, PartialEq, Eq)]
pub struct RawTokenAnswer {
    /// The HTTP status.
    pub status: u16,
    /// The `Content-Type`, where there was one.
    pub content_type: Option<String>,
    /// The body, byte by byte.
    pub body: Zeroizing<Vec<u8>>,
    /// When its last byte arrived.
    pub receive_time: Timestamp,
}

impl RawTokenAnswer {
    /// Whether a token may be in it: any success, whatever its body says.
    pub fn may_hold_tokens(&self) -> bool {
        (200..300).contains(&self.status)
    }
}

impl fmt::Debug for RawTokenAnswer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RawTokenAnswer")
            .field("status", &self.status)
            .field("content_type", &self.content_type)
            .field("bytes", &self.body.len())
            .field("receive_time", &self.receive_time)
            .finish_non_exhaustive()
    }
}
