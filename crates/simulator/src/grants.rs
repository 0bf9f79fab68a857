//! What the provider has issued, and what of it is still good.

use std::{
    collections::{BTreeMap, HashMap},
    time::{Duration, Instant},
};

use crate::{
    event::{FamilyId, Fingerprint, Happening, RevocationCause},
    ledger::Grant,
    options::{Account, Behaviour, Rotation},
    provider::Records,
    random,
};

/// How long an authorization code is good for (RFC 6749 section 4.1.2 recommends at most ten minutes).
const CODE_LIFETIME: Duration = Duration::from_secs(600);

/// Codes, grants and tokens.
#[derive(Default)]
pub(crate) struct Grants {
    pub(crate) codes: HashMap<String, Code>,
    pub(crate) families: BTreeMap<FamilyId, Family>,
    pub(crate) refresh_tokens: HashMap<String, RefreshToken>,
    access_tokens: HashMap<String, AccessToken>,
}

/// What a user agreed to, and what its redemption must show.
#[derive(Clone)]
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
    pub(crate) consented: Consented,
    pub(crate) family: Option<FamilyId>,
    expires: Instant,
}

/// A grant and everything that descends from it.
pub(crate) struct Family {
    pub(crate) consented: Consented,
    pub(crate) generation: u64,
    pub(crate) live: bool,
}

/// A refresh token.
pub(crate) struct RefreshToken {
    pub(crate) family: FamilyId,
    pub(crate) first_redeemed: Option<Instant>,
}

struct AccessToken {
    family: FamilyId,
    scopes: Vec<String>,
    expires: Option<Instant>,
    revoked: bool,
}

/// What a good access token stands for.
pub(crate) struct Bearer {
    pub(crate) account: Account,
    pub(crate) scopes: Vec<String>,
}

/// A fresh set of tokens.
pub(crate) struct Issued {
    pub(crate) consented: Consented,
    pub(crate) scopes: Vec<String>,
    pub(crate) access_token: String,
    pub(crate) refresh_token: Option<String>,
    pub(crate) lifetime: Option<Duration>,
}

impl Grants {
    /// Every grant, oldest first.
    pub(crate) fn all(&self) -> Vec<Grant> {
        let grant = |(id, family): (&FamilyId, &Family)| Grant {
            family: *id,
            client_id: family.consented.client_id.clone(),
            account: family.consented.account.sub.clone(),
            scopes: family.consented.scopes.clone(),
            generation: family.generation,
            live: family.live,
        };
        self.families.iter().map(grant).collect()
    }

    /// What an access token stands for, while it is good.
    pub(crate) fn bearer(&self, access_token: &str) -> Option<Bearer> {
        let token = self.access_tokens.get(access_token)?;
        let family = self.families.get(&token.family)?;
        let expired = token
            .expires
            .is_some_and(|expires| expires <= Instant::now());
        (family.live && !token.revoked && !expired).then(|| Bearer {
            account: family.consented.account.clone(),
            scopes: token.scopes.clone(),
        })
    }

    /// Whether a redemption of this refresh token would succeed now.
    pub(crate) fn is_redeemable(&self, refresh_token: &str, rotation: Rotation) -> bool {
        self.refresh_tokens.get(refresh_token).is_some_and(|token| {
            token.is_accepted(rotation)
                && self
                    .families
                    .get(&token.family)
                    .is_some_and(|family| family.live)
        })
    }

    /// The grant that an access or refresh token belongs to.
    pub(crate) fn family_of(&self, token: &str) -> Option<FamilyId> {
        let refresh = self.refresh_tokens.get(token).map(|token| token.family);
        refresh.or_else(|| self.access_tokens.get(token).map(|token| token.family))
    }
}

impl Code {
    /// Whether it is too old.
    pub(crate) fn is_expired(&self) -> bool {
        self.expires <= Instant::now()
    }
}

impl RefreshToken {
    /// Whether the rotation policy lets it be redeemed now.
    pub(crate) fn is_accepted(&self, rotation: Rotation) -> bool {
        match (rotation, self.first_redeemed) {
            (Rotation::None, _) | (_, None) => true,
            (Rotation::Overlap { window }, Some(first)) => first.elapsed() < window,
            (Rotation::Strict, Some(_)) => false,
        }
    }
}

impl Records {
    /// Issues a code for what was consented to.
    pub(crate) fn issue_code(&mut self, consented: Consented) -> String {
        let code = random::id("code-sim-");
        self.books.keep_secret(&code);
        self.books.note(Happening::CodeIssued {
            client_id: consented.client_id.clone(),
            code: Fingerprint::of(&code),
        });
        let expires = Instant::now() + CODE_LIFETIME;
        self.grants.codes.insert(
            code.clone(),
            Code {
                consented,
                family: None,
                expires,
            },
        );
        code
    }

    /// Opens a grant.
    pub(crate) fn open_family(&mut self, consented: Consented) -> FamilyId {
        let id = FamilyId(self.grants.families.len() as u64 + 1);
        self.grants.families.insert(
            id,
            Family {
                consented,
                generation: 0,
                live: true,
            },
        );
        id
    }

    /// Issues the next generation of tokens of a grant; `None` when there is no such grant.
    pub(crate) fn issue(
        &mut self,
        id: FamilyId,
        scopes: Vec<String>,
        with_refresh_token: bool,
        behaviour: &Behaviour,
    ) -> Option<Issued> {
        let family = self.grants.families.get_mut(&id)?;
        family.generation += 1;
        let (generation, consented) = (family.generation, family.consented.clone());

        let lifetime = behaviour.access_token_lifetime;
        let access_token = random::id("at-sim-");
        self.books.keep_secret(&access_token);
        let expires = lifetime.and_then(|lifetime| Instant::now().checked_add(lifetime));
        let record = AccessToken {
            family: id,
            scopes: scopes.clone(),
            expires,
            revoked: false,
        };
        self.grants
            .access_tokens
            .insert(access_token.clone(), record);

        let refresh_token = with_refresh_token.then(|| random::id("rt-sim-"));
        if let Some(refresh_token) = &refresh_token {
            self.books.keep_secret(refresh_token);
            let record = RefreshToken {
                family: id,
                first_redeemed: None,
            };
            self.grants
                .refresh_tokens
                .insert(refresh_token.clone(), record);
        }

        self.books.note(Happening::TokenIssued {
            family: id,
            generation,
            access_token: Fingerprint::of(&access_token),
            refresh_token: refresh_token.as_deref().map(Fingerprint::of),
        });
        Some(Issued {
            consented,
            scopes,
            access_token,
            refresh_token,
            lifetime,
        })
    }

    /// Ends a grant with all its tokens.
    pub(crate) fn revoke_family(&mut self, id: FamilyId, cause: RevocationCause) {
        if let Some(family) = self
            .grants
            .families
            .get_mut(&id)
            .filter(|family| family.live)
        {
            family.live = false;
            self.books
                .note(Happening::GrantRevoked { family: id, cause });
        }
    }

    /// Ends the access tokens of a grant; the grant lives on.
    pub(crate) fn revoke_access_tokens(&mut self, id: FamilyId) {
        for (value, token) in &mut self.grants.access_tokens {
            if token.family == id && !token.revoked {
                token.revoked = true;
                let access_token = Fingerprint::of(value);
                self.books.note(Happening::AccessTokenRevoked {
                    family: id,
                    access_token,
                });
            }
        }
    }

    /// Ends what a token stands for (RFC 7009 section 2.1): with a refresh token its grant, with an access token only
    /// that one, unless its grant has no refresh token and so nothing else to live on. Unknown tokens are no error.
    pub(crate) fn revoke(&mut self, client_id: &str, token: &str) {
        let owned = |family: &Family| family.consented.client_id == client_id;
        let Some(id) = self.grants.family_of(token) else {
            return;
        };
        if !self.grants.families.get(&id).is_some_and(owned) {
            return;
        }
        let refreshable = self
            .grants
            .refresh_tokens
            .values()
            .any(|token| token.family == id);
        match self.grants.access_tokens.get_mut(token) {
            Some(access_token) if refreshable => {
                access_token.revoked = true;
                let access_token = Fingerprint::of(token);
                self.books.note(Happening::AccessTokenRevoked {
                    family: id,
                    access_token,
                });
            }
            _ => self.revoke_family(id, RevocationCause::Client),
        }
    }
}
