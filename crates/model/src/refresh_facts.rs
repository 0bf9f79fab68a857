//! What a provider does with refresh tokens, as the catalogue knows it, and what that allows.

use std::time::Duration;

use crate::{Expiry, Timestamp};

/// How a provider treats refresh tokens; every integration type says so.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RefreshFacts {
    /// What becomes of a refresh token when it is redeemed.
    pub rotation: Rotation,
    /// Whether access tokens issued before go on working when their grant is refreshed. Where not, renewing early
    /// takes a working token out of its users' hands.
    pub access_token_survives_refresh: bool,
    /// A refresh token that is not redeemed for this long dies.
    pub idle_limit: Option<Duration>,
    /// The consent ends this long after it was given, whatever is redeemed.
    pub consent_limit: Option<Duration>,
    /// The most token calls a second the provider takes from one client.
    pub calls_per_second: Option<u32>,
    /// How long access tokens usually live where the provider's answers do not say.
    pub assumed_lifetime: Option<Duration>,
}

/// What becomes of a refresh token when it is redeemed: the provider's class.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rotation {
    /// Class C0: it stays valid, whether or not a new one comes with the answer.
    StaysValid,
    /// Class C1: it may be redeemed again for a while; later that counts as theft.
    Overlap {
        /// How long, from its first redemption.
        window: Duration,
    },
    /// Class C2: it stays valid until the access or refresh token that replaced it is used.
    UntilSuccessorUsed,
    /// Class C3: it is dead, and redeeming it again may end the grant (RFC 9700 section 4.14.2).
    Strict,
    /// Class CX: nobody has found out; treated as strict.
    Unknown,
}

/// When a claim that its holder has not closed may be taken over before its deadline. Where silence is enough, so is
/// the certain death of its holder.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct TakeoverRule {
    /// Once there was no heartbeat for this long; `None`: never before the deadline.
    pub silence: Option<Duration>,
    /// Only while the attempt is younger than this; `None`: at any age.
    pub only_within: Option<Duration>,
}

/// Whether a refresh token may be presented to its provider.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Presentation {
    /// Yes.
    Free,
    /// Not while the present access token works: the provider may take it for theft and end both. Once nothing works
    /// any more there is nothing left to lose by it.
    WhenRunOut,
}

/// Heartbeats come every 2 s; four of them missing is no delay any more.
pub const SILENCE: Duration = Duration::from_secs(8);

/// Windows shorter than this are over before a takeover could use them.
const SHORTEST_USEFUL_WINDOW: Duration = Duration::from_secs(15);

impl Default for RefreshFacts {
    /// Nothing is known: the cautious assumptions.
    fn default() -> Self {
        Self {
            rotation: Rotation::Unknown,
            access_token_survives_refresh: true,
            idle_limit: None,
            consent_limit: None,
            calls_per_second: None,
            assumed_lifetime: None,
        }
    }
}

impl Rotation {
    /// When an attempt that somebody left open may be taken over. Redeeming twice is harmless for all but strict
    /// providers, so that only these have to wait for the end of the other's deadline.
    pub fn takeover(self) -> TakeoverRule {
        match self {
            Self::StaysValid | Self::UntilSuccessorUsed => TakeoverRule {
                silence: Some(SILENCE),
                only_within: None,
            },
            Self::Overlap { window } if window >= SHORTEST_USEFUL_WINDOW => TakeoverRule {
                silence: Some(SILENCE),
                only_within: Some(usable(window)),
            },
            Self::Overlap { .. } | Self::Strict | Self::Unknown => TakeoverRule::default(),
        }
    }

    /// Whether a refresh token may be presented at `now`. `uncertain_since` is when the first attempt on it began
    /// whose outcome nobody knows, and `works` whether the present access token still does.
    pub fn presentation(
        self,
        uncertain_since: Option<Timestamp>,
        works: bool,
        now: Timestamp,
    ) -> Presentation {
        let Some(since) = uncertain_since.filter(|_| works) else {
            return Presentation::Free;
        };
        match self {
            Self::StaysValid | Self::UntilSuccessorUsed => Presentation::Free,
            Self::Overlap { window } if now - since < delta(usable(window)) => Presentation::Free,
            Self::Overlap { .. } | Self::Strict | Self::Unknown => Presentation::WhenRunOut,
        }
    }

    /// How long a request whose answer was lost may still be carried out, as far as it matters: after that the same
    /// token is presented again. `longest` is the longest a call can last.
    pub fn settles_within(self, longest: Duration) -> Duration {
        match self {
            Self::StaysValid | Self::UntilSuccessorUsed => Duration::ZERO,
            // The window leaves no time for more.
            Self::Overlap { window } if window >= SHORTEST_USEFUL_WINDOW => SILENCE,
            Self::Overlap { .. } | Self::Strict | Self::Unknown => longest,
        }
    }

    /// How long after a first refusal it is confirmed: sooner than usual where the window that may still help closes.
    pub fn confirms_after(self, usual: Duration, uncertain_since: Option<Timestamp>) -> Duration {
        match (self, uncertain_since) {
            (Self::Overlap { window }, Some(_)) => usual.min(usable(window) / 4),
            _ => usual,
        }
    }

    /// Whether the refresh token before one received at `received` is worth trying when that one is refused.
    pub fn previous_may_work(self, received: Timestamp, now: Timestamp) -> bool {
        match self {
            Self::StaysValid => true,
            Self::Overlap { window } => now - received < delta(usable(window)),
            Self::UntilSuccessorUsed | Self::Strict | Self::Unknown => false,
        }
    }

    /// Whether a new access token may be used although its refresh token is on this replica's disk only. Using it
    /// would end the old refresh token where that is what keeps it alive.
    pub fn allows_use_before_commit(self) -> bool {
        !matches!(self, Self::UntilSuccessorUsed)
    }
}

impl RefreshFacts {
    /// By when the user has to consent again, as far as that is known.
    pub fn needs_user_by(
        &self,
        authorized: Timestamp,
        expiry: Expiry,
        refresh_expires: Option<Timestamp>,
        renewable: bool,
    ) -> Option<Timestamp> {
        if !renewable {
            return expiry.time();
        }
        let limit = self.consent_limit.map(|limit| authorized + delta(limit));
        // A rotated refresh token brings its own new end.
        let fixed = refresh_expires.filter(|_| self.rotation == Rotation::StaysValid);
        limit.into_iter().chain(fixed).min()
    }
}

/// The part of a window that a call begun in it can still use.
fn usable(window: Duration) -> Duration {
    window.saturating_sub((window / 5).min(Duration::from_secs(5)))
}

fn delta(duration: Duration) -> chrono::TimeDelta {
    chrono::TimeDelta::from_std(duration).unwrap_or(chrono::TimeDelta::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    const MINUTE: Duration = Duration::from_secs(60);

    fn at(seconds: i64) -> Timestamp {
        chrono::DateTime::from_timestamp(1_800_000_000 + seconds, 0).unwrap_or_default()
    }

    #[test]
    fn only_strict_providers_wait_for_the_deadline() {
        let soon = |rotation: Rotation| rotation.takeover().silence.is_some();
        assert!(soon(Rotation::StaysValid) && soon(Rotation::UntilSuccessorUsed));
        assert!(soon(Rotation::Overlap { window: MINUTE }));
        let short = Duration::from_secs(14);
        for rotation in [
            Rotation::Strict,
            Rotation::Unknown,
            Rotation::Overlap { window: short },
        ] {
            assert_eq!(rotation.takeover(), TakeoverRule::default(), "{rotation:?}");
        }
        let rule = Rotation::Overlap { window: MINUTE }.takeover();
        assert_eq!(rule.only_within, Some(Duration::from_secs(55)));
    }

    #[test]
    fn a_strict_provider_sees_a_doubtful_token_again_only_when_nothing_works_any_more() {
        for rotation in [Rotation::Strict, Rotation::Unknown] {
            let may = |since, works| rotation.presentation(since, works, at(10));
            assert_eq!(may(None, true), Presentation::Free);
            assert_eq!(may(Some(at(0)), true), Presentation::WhenRunOut);
            assert_eq!(may(Some(at(0)), false), Presentation::Free);
        }
    }

    #[test]
    fn a_window_is_used_while_it_is_open() {
        let rotation = Rotation::Overlap { window: MINUTE };
        let may = |now| rotation.presentation(Some(at(0)), true, at(now));
        assert_eq!(may(54), Presentation::Free);
        assert_eq!(may(55), Presentation::WhenRunOut);
        assert!(rotation.previous_may_work(at(0), at(54)));
        assert!(!rotation.previous_may_work(at(0), at(55)));
    }

    #[test]
    fn a_lost_request_is_given_the_time_to_be_carried_out() {
        let longest = Duration::from_secs(65);
        assert_eq!(Rotation::StaysValid.settles_within(longest), Duration::ZERO);
        assert_eq!(Rotation::Strict.settles_within(longest), longest);
        let overlap = Rotation::Overlap { window: MINUTE };
        assert_eq!(overlap.settles_within(longest), SILENCE);
        assert_eq!(overlap.confirms_after(MINUTE, None), MINUTE);
        let soon = overlap.confirms_after(MINUTE, Some(at(0)));
        assert!(soon < Duration::from_secs(15), "{soon:?}");
    }

    #[test]
    fn the_user_is_needed_when_the_consent_ends() {
        let facts = RefreshFacts {
            rotation: Rotation::StaysValid,
            consent_limit: Some(MINUTE),
            ..RefreshFacts::default()
        };
        let hour = Expiry::At(at(3600));
        let by = |end, renewable| facts.needs_user_by(at(0), hour, end, renewable);
        assert_eq!(by(None, true), Some(at(60)));
        assert_eq!(by(Some(at(30)), true), Some(at(30)));
        assert_eq!(by(None, false), Some(at(3600)));
        let rotating = RefreshFacts::default();
        assert_eq!(
            rotating.needs_user_by(at(0), hour, Some(at(30)), true),
            None
        );
    }
}
