//! What a redemption does to a refresh token: the provider classes, and the rule of each.

use std::time::{Duration, Instant};

/// What happens to a refresh token when it is redeemed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rotation {
    /// It stays valid and no other is issued (class C0, Google's way).
    None,
    /// A new one is issued and the old ones stay valid (class C0, Microsoft's way).
    Additive,
    /// A successor is issued; the immediate predecessor may be redeemed again within the window, counted from its
    /// first redemption (class C1). Afterwards, and for older ones at once, a use is a reuse.
    Overlap {
        /// How long the old one is still accepted.
        window: Duration,
    },
    /// A successor is issued; the immediate predecessor may be redeemed again until the new refresh token or the access
    /// token that came with it is used (class C2).
    UntilUsed {
        /// How long the old one is still accepted after that.
        grace: Duration,
    },
    /// A successor is issued and the old one is dead (class C3; RFC 9700 section 4.14.2).
    Strict,
}

/// How far a grant's refresh tokens have come: the first has depth 1, and a successor one more than what it was
/// redeemed from. Redeemed twice, a token has two successors of the same depth.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Lineage {
    newest: u64,
    superseded: Option<Instant>,
    used: Option<Instant>,
}

impl Lineage {
    /// A token of this depth is issued.
    pub(crate) fn advance(&mut self, depth: u64, now: Instant) {
        if depth > self.newest {
            *self = Self {
                newest: depth,
                superseded: Some(now),
                used: None,
            };
        }
    }

    /// A token of this depth, refresh or access, is used.
    pub(crate) fn mark_used(&mut self, depth: u64, now: Instant) {
        if depth == self.newest {
            self.used.get_or_insert(now);
        }
    }

    /// Whether a refresh token of this depth may be redeemed now.
    pub(crate) fn accepts(&self, rotation: Rotation, depth: u64, now: Instant) -> bool {
        let within = |since: Instant, limit: Duration| now.saturating_duration_since(since) < limit;
        match rotation {
            Rotation::None | Rotation::Additive => true,
            _ if depth >= self.newest => true,
            _ if depth + 1 < self.newest => false,
            Rotation::Overlap { window } => {
                self.superseded.is_some_and(|since| within(since, window))
            }
            Rotation::UntilUsed { grace } => self.used.is_none_or(|since| within(since, grace)),
            Rotation::Strict => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use super::{Lineage, Rotation};

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn an_overlap_covers_the_immediate_predecessor_for_its_window() {
        let (now, mut lineage) = (Instant::now(), Lineage::default());
        let overlap = Rotation::Overlap {
            window: 30 * SECOND,
        };
        (1..=3).for_each(|depth| lineage.advance(depth, now));
        // A second redemption of the predecessor issues the same depth again, and does not lengthen the window.
        lineage.advance(3, now + 20 * SECOND);
        assert!(lineage.accepts(overlap, 2, now + 29 * SECOND));
        assert!(!lineage.accepts(overlap, 2, now + 30 * SECOND));
        assert!(!lineage.accepts(overlap, 1, now));
        assert!(lineage.accepts(overlap, 3, now + 9000 * SECOND));
    }

    #[test]
    fn a_predecessor_lives_until_its_successor_is_used_and_its_grace_is_over() {
        let (now, mut lineage) = (Instant::now(), Lineage::default());
        let until_used = Rotation::UntilUsed { grace: 10 * SECOND };
        lineage.advance(1, now);
        lineage.mark_used(1, now);
        lineage.advance(2, now);
        // Late use of the old set tells nothing about the arrival of the new one.
        lineage.mark_used(1, now);
        assert!(lineage.accepts(until_used, 1, now + 9000 * SECOND));
        lineage.mark_used(2, now + 100 * SECOND);
        assert!(lineage.accepts(until_used, 1, now + 109 * SECOND));
        assert!(!lineage.accepts(until_used, 1, now + 110 * SECOND));
        assert!(lineage.accepts(until_used, 2, now + 9000 * SECOND));
    }
}
