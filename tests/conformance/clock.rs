//! The provider's clock.

use std::time::{SystemTime, UNIX_EPOCH};

/// The seconds since 1970 (RFC 7519 section 2, NumericDate).
#[expect(
    clippy::disallowed_methods,
    reason = "a provider is at the edge, with a clock of its own"
)]
pub(crate) fn now() -> i64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    i64::try_from(now.as_secs()).unwrap()
}
