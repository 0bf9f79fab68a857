//! Callers that prove themselves by a JWT of any OpenID Connect issuer.

use std::{sync::Arc, time::Duration};

use tokend_model::ports::Clock;

use crate::{
    Caller, CallerKind, DEFAULT_ALGORITHMS, DEFAULT_MAX_TOKEN_AGE, InvalidIssuer, KeySetOptions,
    Standing, TokenRejection,
    caller_name_prefix::check_prefix,
    jws::Jws,
    token_callers::Proven,
    token_issuer::{TokenIssuer, check_audiences, invalid},
};

/// Longer texts name nobody.
const MAX_CLAIM_LEN: usize = 255;

/// An issuer whose tokens prove callers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JwtCallerOptions {
    /// The exact `iss` of its tokens.
    pub issuer: String,
    /// Where its keys are (RFC 7517 section 5). Found through OpenID Connect Discovery if absent.
    pub jwks_url: Option<String>,
    /// The names that stand for this service in `aud`; at least one.
    pub audiences: Vec<String>,
    /// The algorithms it may sign with, by their JWA names; asymmetric ones only.
    pub algorithms: Vec<String>,
    /// The claim that names the caller.
    pub caller_claim: String,
    /// Put before that name; holds `:`, `/` or `#`, and is like no other's.
    pub name_prefix: String,
    /// What its callers may ask about and do.
    pub standing: Standing,
    /// How long ago its tokens may have been issued; zero: as long as they say.
    pub max_token_age: Duration,
}

/// The callers of one issuer.
pub(crate) struct JwtCallers {
    options: JwtCallerOptions,
    tokens: TokenIssuer,
}

impl JwtCallerOptions {
    /// An issuer with discovered keys, [`DEFAULT_ALGORITHMS`], the caller in `sub`, and names that begin with the
    /// issuer and `#`.
    pub fn new(issuer: impl Into<String>, audiences: Vec<String>, standing: Standing) -> Self {
        let issuer = issuer.into();
        Self {
            name_prefix: format!("{issuer}#"),
            issuer,
            jwks_url: None,
            audiences,
            algorithms: DEFAULT_ALGORITHMS.map(str::to_owned).to_vec(),
            caller_claim: "sub".to_owned(),
            standing,
            max_token_age: DEFAULT_MAX_TOKEN_AGE,
        }
    }
}

impl JwtCallers {
    pub(crate) fn new(
        options: JwtCallerOptions,
        clock: &Arc<dyn Clock>,
        key_sets: KeySetOptions,
    ) -> Result<Self, InvalidIssuer> {
        let issuer = options.issuer.as_str();
        check_audiences(issuer, &options.audiences)?;
        check_prefix(issuer, &options.name_prefix)?;
        if options.caller_claim.is_empty() {
            return Err(invalid(issuer, "caller_claim must not be empty"));
        }
        let tokens = TokenIssuer::new(
            issuer,
            options.jwks_url.as_deref(),
            &options.algorithms,
            clock,
            key_sets,
        )?
        .with_max_age(options.max_token_age);
        Ok(Self { options, tokens })
    }

    pub(crate) fn issuer(&self) -> &str {
        &self.options.issuer
    }

    /// What its callers' names begin with.
    pub(crate) fn name_prefix(&self) -> &str {
        &self.options.name_prefix
    }

    pub(crate) async fn authenticate(&self, jws: &Jws<'_>) -> Result<Proven, TokenRejection> {
        let expire_time = self.tokens.verify(jws, &self.options.audiences).await?;
        let claim = jws.claims.text(&self.options.caller_claim)?;
        if !is_name(claim) {
            let claim = self.options.caller_claim.clone();
            return Err(TokenRejection::ClaimMalformed(claim));
        }
        Ok(Proven {
            caller: self.caller(claim),
            until: expire_time,
        })
    }

    /// The caller somebody of this name would be, if it is one of this issuer's.
    pub(crate) fn named(&self, name: &str) -> Option<Caller> {
        let claim = name.strip_prefix(self.name_prefix())?;
        is_name(claim).then(|| self.caller(claim))
    }

    fn caller(&self, claim: &str) -> Caller {
        let name = format!("{}{claim}", self.options.name_prefix);
        let issuer = self.options.issuer.clone();
        let standing = &self.options.standing;
        standing.caller(name, CallerKind::Jwt { issuer }, None)
    }
}

fn is_name(claim: &str) -> bool {
    (1..=MAX_CLAIM_LEN).contains(&claim.len()) && !claim.contains(char::is_control)
}
