//! Whom app users' tokens must be made out to, so that one service cannot bring the tokens that were meant for another
//! (threat T-09).

use std::{borrow::Cow, collections::BTreeMap};

use crate::{InvalidIssuer, IssuerOptions, token_issuer::check_audiences};

/// Stands for the calling caller's name.
const CALLER: &str = "{caller}";

/// The audiences of one issuer's tokens.
pub(crate) enum AppUserAudiences {
    /// Whoever calls; each may name the caller.
    OfAnyCaller(Vec<String>),
    /// The callers that are listed, each with its own.
    OfEach(BTreeMap<String, Vec<String>>),
}

impl AppUserAudiences {
    pub(crate) fn new(options: &IssuerOptions) -> Result<Self, InvalidIssuer> {
        if options.caller_audiences.is_empty() {
            check_audiences(&options.issuer, &options.audiences)?;
            return Ok(Self::OfAnyCaller(options.audiences.clone()));
        }
        for audiences in options.caller_audiences.values() {
            check_audiences(&options.issuer, audiences)?;
        }
        Ok(Self::OfEach(options.caller_audiences.clone()))
    }

    /// What the tokens that this caller brings must be made out to; `None` if it may bring none.
    pub(crate) fn of(&self, caller: &str) -> Option<Cow<'_, [String]>> {
        match self {
            Self::OfEach(audiences) => Some(Cow::Borrowed(audiences.get(caller)?)),
            Self::OfAnyCaller(audiences) => {
                if !audiences.iter().any(|audience| audience.contains(CALLER)) {
                    return Some(Cow::Borrowed(audiences));
                }
                let named = audiences
                    .iter()
                    .map(|audience| audience.replace(CALLER, caller));
                Some(Cow::Owned(named.collect()))
            }
        }
    }
}
