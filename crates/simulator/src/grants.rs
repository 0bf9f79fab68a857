//! What the provider has issued, and what of it is still good.

use std::{
    collections::{BTreeMap, HashMap, VecDeque},
    sync::Arc,
    time::{Duration, Instant},
};

use crate::{
    behaviour::{Account, Behaviour},
    event::FamilyId,
    fingerprint::Fingerprint,
    rotation::Lineage,
};

/// Codes, grants and tokens. Tokens are known by their fingerprints.
#[derive(Default)]
pub(crate) struct Grants {
    pub(crate) codes: HashMap<String, Code>,
    pub(crate) families: BTreeMap<FamilyId, Family>,
    pub(crate) refresh_tokens: HashMap<Fingerprint, RefreshToken>,
    pub(crate) access_tokens: HashMap<Fingerprint, AccessToken>,
    /// The refresh tokens of each client and account, oldest first, while their number is limited.
    pub(crate) holders: HashMap<(String, String), VecDeque<Fingerprint>>,
}

/// What a user agreed to, and what its redemption must show.
pub(crate) struct Consented {
    pub(crate) client_id: String,
    pub(crate) redirect_uri: String,
    pub(crate) code_challenge: Option<String>,
    pub(crate) nonce: Option<String>,
    pub(crate) scopes: Vec<String>,
    pub(crate) account: Account,
}

/// An authorization code.
pub(crate) struct Code {
    pub(crate) consented: Arc<Consented>,
    pub(crate) family: Option<FamilyId>,
    pub(crate) expires: Instant,
}

/// A grant and everything that descends from it.
pub(crate) struct Family {
    pub(crate) consented: Arc<Consented>,
    pub(crate) opened: Instant,
    pub(crate) generation: u64,
    pub(crate) live: bool,
    pub(crate) lineage: Lineage,
    /// Every one ever issued, oldest first.
    pub(crate) refresh_tokens: Vec<Fingerprint>,
    /// Those that were not revoked.
    pub(crate) access_tokens: Vec<Fingerprint>,
    pub(crate) access_tokens_used: usize,
}

/// A refresh token.
pub(crate) struct RefreshToken {
    pub(crate) family: FamilyId,
    pub(crate) depth: u64,
    /// When it was issued or last redeemed.
    pub(crate) touched: Instant,
    pub(crate) dropped: bool,
    pub(crate) delivered: bool,
}

/// An access token.
pub(crate) struct AccessToken {
    pub(crate) family: FamilyId,
    pub(crate) depth: u64,
    pub(crate) scopes: Arc<[String]>,
    pub(crate) expires: Option<Instant>,
    pub(crate) revoked: bool,
    pub(crate) used: bool,
}

/// What a good access token stands for.
pub(crate) struct Bearer {
    pub(crate) account: Account,
    pub(crate) scopes: Arc<[String]>,
}

/// A fresh set of tokens.
pub(crate) struct Issued {
    pub(crate) family: FamilyId,
    pub(crate) generation: u64,
    pub(crate) consented: Arc<Consented>,
    pub(crate) scopes: Arc<[String]>,
    pub(crate) access_token: String,
    pub(crate) refresh_token: Option<String>,
    pub(crate) lifetime: Option<Duration>,
    /// How long the refresh token has left if it is not used; `None` when it has no limit.
    pub(crate) refresh_lifetime: Option<Duration>,
}

/// What a provider makes of a refresh token that it knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// It would be redeemed.
    Good,
    /// Its grant ended, it died of age, or it was dropped.
    Dead,
    /// It was redeemed already, and the rotation does not let it be redeemed again.
    Spent,
}

impl Grants {
    /// What an access token stands for, while it is good.
    pub(crate) fn bearer(&self, access_token: &str) -> Option<Bearer> {
        let token = self.access_tokens.get(&Fingerprint::of(access_token))?;
        let family = self.families.get(&token.family)?;
        let expired = token
            .expires
            .is_some_and(|expires| expires <= Instant::now());
        (family.live && !token.revoked && !expired).then(|| Bearer {
            account: family.consented.account.clone(),
            scopes: Arc::clone(&token.scopes),
        })
    }

    /// What would become of a redemption of this refresh token; `None` for a value that was never issued.
    pub(crate) fn verdict(
        &self,
        refresh_token: Fingerprint,
        behaviour: &Behaviour,
        now: Instant,
    ) -> Option<Verdict> {
        let token = self.refresh_tokens.get(&refresh_token)?;
        let family = self.families.get(&token.family)?;
        let accepts = |rotation| family.lineage.accepts(rotation, token.depth, now);
        let left = left(behaviour, family.opened, token.touched, now);
        Some(
            if !family.live || token.dropped || left.is_some_and(|left| left.is_zero()) {
                Verdict::Dead
            } else if accepts(behaviour.rotation) {
                Verdict::Good
            } else {
                Verdict::Spent
            },
        )
    }

    /// The grant that an access or refresh token belongs to.
    pub(crate) fn family_of(&self, token: &str) -> Option<FamilyId> {
        let token = Fingerprint::of(token);
        let refresh = self.refresh_tokens.get(&token).map(|token| token.family);
        refresh.or_else(|| self.access_tokens.get(&token).map(|token| token.family))
    }

    /// The client that a token was issued to.
    pub(crate) fn client_of(&self, token: &str) -> Option<&str> {
        let family = self.families.get(&self.family_of(token)?)?;
        Some(&family.consented.client_id)
    }
}

impl Family {
    /// A grant without tokens yet.
    pub(crate) fn opened(consented: Arc<Consented>, now: Instant) -> Self {
        Self {
            consented,
            opened: now,
            generation: 0,
            live: true,
            lineage: Lineage::default(),
            refresh_tokens: Vec::new(),
            access_tokens: Vec::new(),
            access_tokens_used: 0,
        }
    }
}

impl Code {
    /// Whether it is too old.
    pub(crate) fn is_expired(&self) -> bool {
        self.expires <= Instant::now()
    }
}

/// How long a refresh token has left under the limits of now, if nobody uses it.
pub(crate) fn left(
    behaviour: &Behaviour,
    opened: Instant,
    touched: Instant,
    now: Instant,
) -> Option<Duration> {
    let left = |limit: Duration, since| limit.saturating_sub(now.saturating_duration_since(since));
    let of_idleness = behaviour
        .refresh_token_idle_limit
        .map(|limit| left(limit, touched));
    let of_age = behaviour
        .refresh_token_lifetime
        .map(|limit| left(limit, opened));
    of_idleness.into_iter().chain(of_age).min()
}
