//! Credentials: the secret part of a connection, in generations.

use crate::{Secret, Timestamp};

/// Counts the credentials a connection has had, from 1; it never decreases.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Generation(pub u32);

/// One token set of a connection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Credential {
    /// Which of the connection's token sets this is.
    pub generation: Generation,
    /// What the caller sends to the provider's API.
    pub access_token: Secret,
    /// How it is sent, as the provider named it; usually `Bearer` (RFC 6749 section 7.1).
    pub token_type: String,
    /// What buys the next access token, where the provider gave one.
    pub refresh_token: Option<Secret>,
    /// When the access token runs out.
    pub expiry: Expiry,
    /// When the refresh token runs out, where the provider said so.
    pub refresh_expire_time: Option<Timestamp>,
    /// The scopes of this token set; empty where the provider did not say and none were asked for.
    pub scopes: Vec<String>,
    /// When the provider's answer arrived here.
    pub receive_time: Timestamp,
}

/// How a credential came about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum CredentialSource {
    /// A user consented, and the code was redeemed.
    Authorization,
    /// The one before it was renewed.
    Refresh,
    /// An operator brought it from another system.
    Import,
    /// A person made it at the provider and entered it here.
    Static,
}

/// When an access token runs out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Expiry {
    /// At this time.
    At(Timestamp),
    /// The provider gave no `expires_in`: neither invented nor taken for eternity. It is vended until a
    /// caller reports it rejected.
    Unknown,
    /// The integration type's tokens do not expire.
    Never,
}

impl Generation {
    /// The generation of a connection's first credential.
    pub const FIRST: Self = Self(1);

    /// The one after this.
    pub fn next(self) -> Self {
        Self(self.0.saturating_add(1))
    }
}

impl CredentialSource {
    /// The name the contract and the database use.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Authorization => "AUTHORIZATION",
            Self::Refresh => "REFRESH",
            Self::Import => "IMPORT",
            Self::Static => "STATIC",
        }
    }

    /// Reads that name.
    pub fn parse(text: &str) -> Option<Self> {
        [
            Self::Authorization,
            Self::Refresh,
            Self::Import,
            Self::Static,
        ]
        .into_iter()
        .find(|source| source.as_str() == text)
    }
}

impl Expiry {
    /// The time, where there is one.
    pub fn time(self) -> Option<Timestamp> {
        match self {
            Self::At(time) => Some(time),
            Self::Unknown | Self::Never => None,
        }
    }
}
