//! How fast one address may make connections: nothing that anybody may ask for without a credential costs more than a
//! handshake does.

use std::{net::IpAddr, num::NonZeroU32};

use governor::{DefaultKeyedRateLimiter, Quota, RateLimiter};

use super::shares::neighbourhood;

/// New connections of one address, a second.
const A_SECOND: NonZeroU32 = NonZeroU32::new(50).unwrap();
/// As many at once: those of a node whose workloads all start, or of a proxy that comes back.
const AT_ONCE: NonZeroU32 = NonZeroU32::new(500).unwrap();

/// When more addresses are known, those that have been quiet are forgotten.
const MOST_KNOWN: usize = 10_000;

/// How fast each address makes connections.
#[derive(Debug)]
pub(super) struct Tempo(DefaultKeyedRateLimiter<IpAddr>);

impl Tempo {
    pub(super) fn new() -> Self {
        let quota = Quota::per_second(A_SECOND).allow_burst(AT_ONCE);
        Self(RateLimiter::keyed(quota))
    }

    /// Whether this address may make another one now.
    pub(super) fn allows(&self, address: IpAddr) -> bool {
        if self.0.len() > MOST_KNOWN {
            self.0.retain_recent();
        }
        self.0.check_key(&neighbourhood(address)).is_ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whoever_knocks_too_often_is_kept_out_and_others_are_not() {
        let tempo = Tempo::new();
        let knocks = |last: u8| tempo.allows([10, 0, 0, last].into());
        assert!((0..AT_ONCE.get()).all(|_| knocks(1)));
        let allowed = (0..500).filter(|_| knocks(1)).count();
        assert!(allowed < 100, "{allowed}");
        assert!(knocks(2));
    }

    #[test]
    fn quiet_addresses_are_forgotten() {
        let tempo = Tempo::new();
        for number in 0..100_000u32 {
            assert!(tempo.allows(number.to_be_bytes().into()));
        }
        assert!(tempo.0.len() < 50_000, "{}", tempo.0.len());
    }
}
