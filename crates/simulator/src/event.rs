//! What can happen at the provider, as the ledger records it. Token values appear as fingerprints only.

use std::time::Duration;

use chrono::{DateTime, Utc};
use serde::Serialize;

use crate::{fault::Endpoint, fingerprint::Fingerprint};

/// One entry of the ledger.
#[derive(Clone, Debug, Serialize)]
pub struct Event {
    /// Strictly increasing, without gaps, from 1.
    pub sequence: u64,
    /// Wall-clock time.
    pub at: DateTime<Utc>,
    /// Monotonic time since the simulator was started.
    #[serde(rename = "elapsed_seconds", serialize_with = "seconds")]
    pub elapsed: Duration,
    /// What happened.
    #[serde(flatten)]
    pub what: Happening,
}

/// What happened.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum Happening {
    /// A request reached the authorization endpoint and was consented to.
    Authorized {
        /// The client that asked.
        client_id: String,
        /// What was granted.
        scopes: Vec<String>,
    },
    /// An authorization code was issued.
    CodeIssued {
        /// To whom.
        client_id: String,
        /// Which.
        code: Fingerprint,
    },
    /// A grant was made without a browser, by the test itself.
    Granted {
        /// To whom.
        client_id: String,
        /// Which.
        family: FamilyId,
    },
    /// A request reached the token endpoint.
    TokenCalled {
        /// Who says to be calling; empty when the request does not say.
        client_id: String,
        /// As it was sent; empty when the request could not be read.
        grant_type: String,
        /// How the client authenticated.
        client_auth: ClientAuth,
        /// How the body was written.
        body: BodyFormat,
    },
    /// A code was redeemed for a new grant.
    CodeRedeemed {
        /// Which.
        code: Fingerprint,
        /// The new grant.
        family: FamilyId,
    },
    /// A refresh token was presented.
    RefreshStarted {
        /// Which.
        refresh_token: Fingerprint,
        /// Its grant, if it is known.
        family: Option<FamilyId>,
        /// How many requests with the same value were still in flight.
        overlapping: usize,
    },
    /// That request is over: answered, cut, or given up by the client.
    RefreshFinished {
        /// Which.
        refresh_token: Fingerprint,
        /// Its grant, if it is known.
        family: Option<FamilyId>,
    },
    /// A refresh token was redeemed, whether or not the answer ever arrives.
    RefreshRedeemed {
        /// Which.
        refresh_token: Fingerprint,
        /// Its grant.
        family: FamilyId,
        /// The generation that was issued for it.
        generation: u64,
    },
    /// Tokens were issued.
    TokenIssued {
        /// Under which grant.
        family: FamilyId,
        /// The how manieth set of this grant, from 1.
        generation: u64,
        /// The new access token.
        access_token: Fingerprint,
        /// The new refresh token, if one was issued.
        refresh_token: Option<Fingerprint>,
    },
    /// The last byte of an answer with tokens was given to the operating system for sending.
    AnswerDelivered {
        /// Under which grant.
        family: FamilyId,
        /// Which set of this grant.
        generation: u64,
        /// The new refresh token, if one is in it.
        refresh_token: Option<Fingerprint>,
    },
    /// An access token was used for the first time.
    AccessTokenUsed {
        /// Its grant.
        family: FamilyId,
        /// Which.
        access_token: Fingerprint,
    },
    /// The oldest refresh token was dropped because there were too many.
    RefreshTokenDropped {
        /// Its grant.
        family: FamilyId,
        /// Which.
        refresh_token: Fingerprint,
    },
    /// A spent code or refresh token was used again.
    ReuseDetected {
        /// Which.
        token: Fingerprint,
        /// Its grant, which ends for it unless the provider lets that pass.
        family: FamilyId,
    },
    /// A whole grant ended.
    GrantRevoked {
        /// Which.
        family: FamilyId,
        /// Why.
        cause: RevocationCause,
    },
    /// One access token ended, its grant lives on.
    AccessTokenRevoked {
        /// Its grant.
        family: FamilyId,
        /// Which.
        access_token: Fingerprint,
    },
    /// The provider said no.
    Refused {
        /// Where: authorize, token, revoke, userinfo or events.
        endpoint: &'static str,
        /// The error code, or why the browser was not sent back.
        error: String,
    },
    /// The token endpoint answered with `Retry-After`.
    ToldToWait {
        /// Who.
        client_id: String,
        /// How long.
        #[serde(rename = "seconds")]
        wait: u64,
    },
    /// A scripted fault, or one of the mischief, took effect.
    Faulted {
        /// Where.
        endpoint: Endpoint,
        /// The kind of fault.
        fault: &'static str,
    },
}

/// The number of a grant: everything that descends from one authorization code.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
pub struct FamilyId(pub u64);

/// How a client authenticated (RFC 6749 section 2.3.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum ClientAuth {
    /// HTTP basic authentication.
    ClientSecretBasic,
    /// Parameters in the body.
    ClientSecretPost,
    /// Not at all.
    None,
}

/// How a request's body was written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum BodyFormat {
    /// `application/x-www-form-urlencoded`.
    Form,
    /// `application/json`.
    Json,
}

/// Why a grant ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum RevocationCause {
    /// A code was used twice (RFC 6749 section 4.1.2).
    CodeReuse,
    /// A spent refresh token was used again.
    RefreshTokenReuse,
    /// The client asked for it (RFC 7009).
    Client,
    /// The user withdrew consent at the provider.
    User,
}

fn seconds<S: serde::Serializer>(elapsed: &Duration, to: S) -> Result<S::Ok, S::Error> {
    to.serialize_f64(elapsed.as_secs_f64())
}
