//! Who has how much of what there is for all: connections, handshakes and calls of each kind. One address gets half at most, so that
//! whoever floods leaves room for others.

use std::{
    collections::HashMap,
    net::{IpAddr, Ipv6Addr},
    sync::{
        Arc, Mutex, PoisonError, Weak,
        atomic::{AtomicU32, Ordering},
    },
};

/// What there is for all.
#[derive(Debug)]
pub(crate) struct Shares {
    pub(crate) connections: Limit,
    pub(crate) handshakes: Limit,
    pub(crate) calls: Limit,
    /// Calls of `AdminService` whose callers are not known yet: their messages may be large.
    pub(crate) unidentified: Limit,
    /// Health checks, as probes make them.
    pub(crate) checks: Limit,
    /// Health and reflection besides, which anybody may ask for: streams that last.
    pub(crate) streams: Limit,
    addresses: Mutex<HashMap<IpAddr, Weak<AddressShare>>>,
}

/// How many of each there may be at once; 0 is no limit.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Limits {
    pub(crate) connections: u32,
    pub(crate) handshakes: u32,
    pub(crate) calls: u32,
    pub(crate) unidentified: u32,
    pub(crate) checks: u32,
    pub(crate) streams: u32,
}

/// How many of something there may be at once.
#[derive(Debug)]
pub(crate) struct Limit {
    most: u32,
    taken: Arc<AtomicU32>,
}

/// What the connections of one address have taken.
#[derive(Debug, Default)]
pub(crate) struct AddressShare {
    pub(crate) connections: Arc<AtomicU32>,
    pub(crate) handshakes: Arc<AtomicU32>,
    pub(crate) calls: Arc<AtomicU32>,
    pub(crate) unidentified: Arc<AtomicU32>,
    pub(crate) checks: Arc<AtomicU32>,
    pub(crate) streams: Arc<AtomicU32>,
}

/// One of them. Given back when dropped.
#[derive(Debug)]
pub(crate) struct Slot {
    taken: Arc<AtomicU32>,
    by_address: Arc<AtomicU32>,
}

impl Shares {
    pub(crate) fn new(limits: Limits) -> Self {
        Self {
            connections: Limit::new(limits.connections),
            handshakes: Limit::new(limits.handshakes),
            calls: Limit::new(limits.calls),
            unidentified: Limit::new(limits.unidentified),
            checks: Limit::new(limits.checks),
            streams: Limit::new(limits.streams),
            addresses: Mutex::default(),
        }
    }

    /// What this address has; it is remembered for as long as somebody holds it.
    pub(crate) fn of(&self, address: IpAddr) -> Arc<AddressShare> {
        let mut addresses = self
            .addresses
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        let key = neighbourhood(address);
        if let Some(share) = addresses.get(&key).and_then(Weak::upgrade) {
            return share;
        }
        if addresses.len() == addresses.capacity() {
            addresses.retain(|_, share| share.strong_count() > 0);
        }
        let share = Arc::default();
        addresses.insert(key, Arc::downgrade(&share));
        share
    }
}

impl Limit {
    fn new(most: u32) -> Self {
        Self {
            most: match most {
                0 => u32::MAX,
                most => most,
            },
            taken: Arc::default(),
        }
    }

    /// One more, if there is one left, for this address too.
    pub(crate) fn take(&self, by_address: &Arc<AtomicU32>) -> Option<Slot> {
        let up_to = |count: &AtomicU32, most: u32| {
            let next = |taken: u32| (taken < most).then(|| taken + 1);
            let taken = count.fetch_update(Ordering::Relaxed, Ordering::Relaxed, next);
            taken.is_ok()
        };
        if !up_to(by_address, self.most.div_ceil(2)) {
            return None;
        }
        if !up_to(&self.taken, self.most) {
            by_address.fetch_sub(1, Ordering::Relaxed);
            return None;
        }
        Some(Slot {
            taken: self.taken.clone(),
            by_address: by_address.clone(),
        })
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        self.taken.fetch_sub(1, Ordering::Relaxed);
        self.by_address.fetch_sub(1, Ordering::Relaxed);
    }
}

/// What one machine may have as many addresses of as it likes counts as one (RFC 4291 section 2.5.4: 64 bits).
pub(super) fn neighbourhood(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(v6) => {
            let [a, b, c, d, ..] = v6.segments();
            Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0).into()
        }
        v4 => v4,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_address_gets_half_and_all_get_no_more_than_there_is() {
        let shares = Shares::new(Limits {
            connections: 5,
            ..Limits::default()
        });
        let take = |address: &str| {
            let share = shares.of(address.parse().unwrap());
            shares
                .connections
                .take(&share.connections)
                .map(|slot| (slot, share))
        };
        let greedy: Vec<_> = (0..10).filter_map(|_| take("10.0.0.1")).collect();
        assert_eq!(greedy.len(), 3, "half of 5, rounded up");
        let others = [take("10.0.0.2"), take("10.0.0.3")];
        assert!(
            others.iter().all(Option::is_some),
            "there is room for others"
        );
        assert!(take("10.0.0.4").is_none(), "and no more");
        drop(greedy);
        assert!(
            take("10.0.0.1").is_some(),
            "what was given back is there again"
        );
    }

    #[test]
    fn zero_is_no_limit() {
        let shares = Shares::new(Limits::default());
        let share = shares.of([10, 0, 0, 1].into());
        let all: Vec<_> = (0..10_000)
            .map_while(|_| shares.calls.take(&share.calls))
            .collect();
        assert_eq!(all.len(), 10_000);
    }

    #[test]
    fn addresses_of_one_machine_count_together_and_are_forgotten() {
        let shares = Shares::new(Limits::default());
        let of = |address: &str| shares.of(address.parse().unwrap());
        let first = of("2001:db8::1");
        assert!(Arc::ptr_eq(&first, &of("2001:db8::2")));
        assert!(!Arc::ptr_eq(&first, &of("2001:db8:0:1::1")));
        let v4 = of("10.0.0.1");
        assert!(Arc::ptr_eq(&v4, &of("::ffff:10.0.0.1")));
        for last in 0..10_000u32 {
            drop(shares.of(IpAddr::from(last.to_be_bytes())));
        }
        assert!(shares.addresses.lock().unwrap().len() < 100);
    }
}
