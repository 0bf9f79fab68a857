//! How many of those whom nobody knows are put on record one by one: anybody can call without credentials, as often as they
//! like.

use std::{
    collections::HashMap,
    net::{IpAddr, Ipv6Addr},
};

use tokend_model::Timestamp;

/// Single records a second of one address.
pub(super) const MOST_OF_ADDRESS: u32 = 10;
/// Single records a second of all together.
pub(super) const MOST: u32 = 50;

/// What strangers have had of the present second.
#[derive(Debug, Default)]
pub(super) struct Strangers {
    second: i64,
    all: u32,
    of_address: HashMap<Option<IpAddr>, u32>,
}

impl Strangers {
    /// Whether the call of a stranger gets a record of its own; otherwise it is counted with others.
    pub(super) fn take(&mut self, address: Option<IpAddr>, now: Timestamp) -> bool {
        if self.second != now.timestamp() {
            *self = Self {
                second: now.timestamp(),
                ..Self::default()
            };
        }
        if self.all >= MOST {
            return false;
        }
        let of_address = self.of_address.entry(address.map(network)).or_default();
        if *of_address >= MOST_OF_ADDRESS {
            return false;
        }
        *of_address += 1;
        self.all += 1;
        true
    }
}

/// The address, or the network of an IPv6 one: whoever has one address of that has all 2^64.
fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(v6) => Ipv6Addr::from_bits(v6.to_bits() >> 64 << 64).into(),
        v4 => v4,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_has_its_share_and_all_have_one_together() {
        let mut strangers = Strangers::default();
        let now = Timestamp::UNIX_EPOCH;
        let mut admitted = |address: String, now| {
            let address: IpAddr = address.parse().expect("an address");
            (0..1000)
                .filter(|_| strangers.take(Some(address), now))
                .count()
        };
        assert_eq!(admitted("192.0.2.1".to_owned(), now), 10);
        assert_eq!(admitted("::ffff:192.0.2.1".to_owned(), now), 0);
        assert_eq!(admitted("2001:db8::1".to_owned(), now), 10);
        assert_eq!(admitted("2001:db8::2:1".to_owned(), now), 0);
        let others = 2..100;
        let others: usize = others
            .map(|number| admitted(format!("192.0.2.{number}"), now))
            .sum();
        assert_eq!(others, 30);
        let next = now + chrono::TimeDelta::seconds(1);
        assert_eq!(admitted("192.0.2.1".to_owned(), next), 10);
    }
}
