//! The provider: which refresh tokens it takes, by class, and what it does about the others.

/// Refresh tokens are numbered as the provider issues them.
pub(crate) type Token = u8;

/// How a provider treats a redeemed refresh token (reliability programme, section 3.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Class {
    /// C0: stays valid.
    StaysValid,
    /// C1: the immediate predecessor is taken for a window in ticks; anything older ends the grant.
    Overlap {
        window: u8,
        /// Whether a second redemption within the window leaves the first successor valid. Where not, only the
        /// newest token and its predecessor are.
        siblings: bool,
    },
    /// C2: valid until its successor is used.
    UntilSuccessorUsed,
    /// C3: dead at once; presenting it again may end the grant.
    Strict { revokes_family: bool },
}

/// No end in sight.
const UNLIMITED: u8 = u8::MAX;

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Provider {
    issued: Token,
    /// Bit per token: not redeemed yet, or valid anyway.
    live: u8,
    /// Redeemed, yet still taken for so many ticks.
    superseded: Option<(Token, u8)>,
}

impl Provider {
    pub(crate) fn new() -> Self {
        Self {
            issued: 0,
            live: 1,
            superseded: None,
        }
    }

    /// Bits of all refresh tokens issued in answers so far.
    pub(crate) fn issued(&self) -> u8 {
        bits_up_to(self.issued) & !1
    }

    /// Bits of the refresh tokens that would be taken now.
    pub(crate) fn accepted(&self) -> u8 {
        self.live | self.superseded.map_or(0, |(token, _)| 1 << token)
    }

    pub(crate) fn accepts(&self, token: Token) -> bool {
        self.accepted() & 1 << token != 0
    }

    /// Whether there is a number left for another refresh token: the bound of the model.
    pub(crate) fn can_issue(&self) -> bool {
        u32::from(self.issued) + 1 < u8::BITS
    }

    /// Redeems: the new refresh token, or `invalid_grant`.
    pub(crate) fn redeem(&mut self, token: Token, class: Class) -> Option<Token> {
        if !self.accepts(token) {
            let revokes = match class {
                Class::Overlap { .. } => true,
                Class::Strict { revokes_family } => revokes_family,
                Class::StaysValid | Class::UntilSuccessorUsed => false,
            };
            if revokes {
                self.withdraw();
            }
            return None;
        }
        self.issued += 1;
        let new = 1 << self.issued;
        let again = self.superseded.is_some_and(|(old, _)| old == token);
        match class {
            Class::StaysValid => self.live |= new,
            Class::Overlap { siblings: true, .. } | Class::UntilSuccessorUsed if again => {
                self.live |= new;
            }
            Class::Overlap { window, siblings } => {
                // Redeemed again, the predecessor drops out: the newest token is the predecessor now.
                let replaced = if again {
                    newest(self.live)
                } else {
                    Some(token)
                };
                self.superseded = replaced.map(|token| (token, window));
                self.live = if siblings {
                    self.live & !(1 << token) | new
                } else {
                    new
                };
            }
            Class::UntilSuccessorUsed => {
                self.superseded = Some((token, UNLIMITED));
                self.live = new;
            }
            Class::Strict { .. } => self.live = new,
        }
        Some(self.issued)
    }

    /// The user withdraws consent.
    pub(crate) fn withdraw(&mut self) {
        (self.live, self.superseded) = (0, None);
    }

    /// The access token that came with `token` is used at the API.
    pub(crate) fn use_access(&mut self, token: Token, class: Class) {
        if class == Class::UntilSuccessorUsed && self.live & 1 << token != 0 {
            (self.live, self.superseded) = (1 << token, None);
        }
    }

    /// Revokes a token (RFC 7009): where old ones stay valid they are one grant, elsewhere only this one dies, which
    /// is the harsher reading.
    pub(crate) fn revoke(&mut self, token: Token, class: Class) {
        if class == Class::StaysValid {
            return self.withdraw();
        }
        self.live &= !(1 << token);
        self.superseded = self.superseded.filter(|(old, _)| *old != token);
    }

    pub(crate) fn tick(&mut self) {
        if let Some((_, left)) = &mut self.superseded
            && *left != UNLIMITED
        {
            *left -= 1;
        }
        self.superseded = self.superseded.filter(|(_, left)| *left > 0);
    }
}

fn bits_up_to(token: Token) -> u8 {
    u8::MAX >> (u8::BITS - 1 - u32::from(token))
}

fn newest(bits: u8) -> Option<Token> {
    (0..8).rev().find(|token| bits & 1 << token != 0)
}
