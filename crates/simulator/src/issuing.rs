//! How codes, grants and tokens come into being, and what is learnt about them on their way.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use crate::{
    behaviour::Behaviour,
    event::{FamilyId, Happening},
    fingerprint::Fingerprint,
    grants::{self, AccessToken, Bearer, Code, Consented, Family, Issued, RefreshToken, Verdict},
    provider::Records,
    random,
};

/// How long an authorization code is good for (RFC 6749 section 4.1.2 recommends at most ten minutes).
const CODE_LIFETIME: Duration = Duration::from_secs(600);

impl Records {
    /// Issues a code for what was consented to.
    pub(crate) fn issue_code(&mut self, consented: Consented) -> String {
        let code = random::id("code-sim-");
        self.books.keep_secret(&code);
        self.books.note(Happening::CodeIssued {
            client_id: consented.client_id.clone(),
            code: Fingerprint::of(&code),
        });
        let record = Code {
            consented: Arc::new(consented),
            family: None,
            expires: Instant::now() + CODE_LIFETIME,
        };
        self.grants.codes.insert(code.clone(), record);
        code
    }

    /// Opens a grant and issues its first tokens.
    pub(crate) fn grant(&mut self, consented: &Arc<Consented>, behaviour: &Behaviour) -> Issued {
        let family = FamilyId(self.grants.families.len() as u64 + 1);
        let scopes = consented.scopes.clone();
        let with_refresh_token = behaviour.issues_refresh_tokens;
        self.issue(family, consented, scopes, 1, with_refresh_token, behaviour)
    }

    /// Issues the next generation of tokens of a grant. `depth` is how far down the line of refresh tokens they are,
    /// and a new refresh token is only among them if asked for.
    pub(crate) fn issue(
        &mut self,
        id: FamilyId,
        consented: &Arc<Consented>,
        scopes: Vec<String>,
        depth: u64,
        with_refresh_token: bool,
        behaviour: &Behaviour,
    ) -> Issued {
        let now = Instant::now();
        let opened = || Family::opened(Arc::clone(consented), now);
        let family = self.grants.families.entry(id).or_insert_with(opened);
        family.generation += 1;
        let generation = family.generation;
        let scopes: Arc<[String]> = scopes.into();

        let lifetime = behaviour.access_token_lifetime;
        let access_token = random::id("at-sim-");
        let record = AccessToken {
            family: id,
            depth,
            scopes: Arc::clone(&scopes),
            expires: lifetime.and_then(|lifetime| now.checked_add(lifetime)),
            revoked: false,
            used: false,
        };
        let access_fingerprint = Fingerprint::of(&access_token);
        family.access_tokens.push(access_fingerprint);
        self.books.keep_secret(&access_token);
        self.grants.access_tokens.insert(access_fingerprint, record);

        let refresh_token = with_refresh_token.then(|| random::id("rt-sim-"));
        let refresh_fingerprint = refresh_token.as_deref().map(Fingerprint::of);
        if let (Some(value), Some(fingerprint)) = (&refresh_token, refresh_fingerprint) {
            family.lineage.advance(depth, now);
            family.refresh_tokens.push(fingerprint);
            let record = RefreshToken {
                family: id,
                depth,
                touched: now,
                dropped: false,
                delivered: false,
            };
            self.books.keep_secret(value);
            self.grants.refresh_tokens.insert(fingerprint, record);
        }
        let opened = family.opened;
        self.books.note(Happening::TokenIssued {
            family: id,
            generation,
            access_token: access_fingerprint,
            refresh_token: refresh_fingerprint,
        });
        if let (Some(most), Some(newest)) = (behaviour.most_refresh_tokens, refresh_fingerprint) {
            self.drop_oldest(consented, newest, most, behaviour);
        }
        Issued {
            family: id,
            generation,
            consented: Arc::clone(consented),
            scopes,
            access_token,
            refresh_token,
            lifetime,
            refresh_lifetime: grants::left(behaviour, opened, now, now),
        }
    }

    /// An answer with this set of tokens has left as a whole.
    pub(crate) fn delivered(
        &mut self,
        family: FamilyId,
        generation: u64,
        refresh_token: Option<Fingerprint>,
    ) {
        let token = refresh_token.and_then(|token| self.grants.refresh_tokens.get_mut(&token));
        if let Some(token) = token {
            token.delivered = true;
        }
        self.books.note(Happening::AnswerDelivered {
            family,
            generation,
            refresh_token,
        });
    }

    /// Uses an access token; what it stands for, while it is good.
    pub(crate) fn use_access_token(&mut self, access_token: &str) -> Option<Bearer> {
        let bearer = self.grants.bearer(access_token)?;
        let fingerprint = Fingerprint::of(access_token);
        let token = self.grants.access_tokens.get_mut(&fingerprint)?;
        let family = self.grants.families.get_mut(&token.family)?;
        family.lineage.mark_used(token.depth, Instant::now());
        if !std::mem::replace(&mut token.used, true) {
            family.access_tokens_used += 1;
            self.books.note(Happening::AccessTokenUsed {
                family: token.family,
                access_token: fingerprint,
            });
        }
        Some(bearer)
    }

    /// Drops the oldest live refresh tokens of a client and account until there are no more than so many.
    fn drop_oldest(
        &mut self,
        consented: &Consented,
        newest: Fingerprint,
        most: usize,
        behaviour: &Behaviour,
    ) {
        let now = Instant::now();
        let holder = (consented.client_id.clone(), consented.account.sub.clone());
        let mut held = self.grants.holders.remove(&holder).unwrap_or_default();
        held.push_back(newest);
        held.retain(|token| self.grants.verdict(*token, behaviour, now) == Some(Verdict::Good));
        let surplus = held.len().saturating_sub(most);
        for oldest in held.drain(..surplus) {
            if let Some(token) = self.grants.refresh_tokens.get_mut(&oldest) {
                token.dropped = true;
                self.books.note(Happening::RefreshTokenDropped {
                    family: token.family,
                    refresh_token: oldest,
                });
            }
        }
        self.grants.holders.insert(holder, held);
    }
}
