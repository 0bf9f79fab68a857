//! What is true about grants and refresh tokens, for tests to hold against what a client believes.

use std::time::Instant;

use serde::Serialize;

use crate::{
    conduct::Conduct,
    event::FamilyId,
    fingerprint::Fingerprint,
    grants::{Family, Verdict},
    provider::Records,
};

/// A grant: what one consent led to.
#[derive(Clone, Debug, Serialize)]
pub struct Grant {
    /// Its number.
    pub family: FamilyId,
    /// The client it was given to.
    pub client_id: String,
    /// The account (`sub`) that gave it.
    pub account: String,
    /// The granted scopes.
    pub scopes: Vec<String>,
    /// How often tokens were issued under it; 1 after the code's redemption.
    pub generation: u64,
    /// Whether it was not revoked.
    pub live: bool,
}

/// The truth about a grant, and what was done with its refresh tokens.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct FamilyState {
    /// Its number.
    pub family: FamilyId,
    /// The client it was given to.
    pub client_id: String,
    /// The account (`sub`) that gave it.
    pub account: String,
    /// How often tokens were issued under it.
    pub generation: u64,
    /// Whether it was not revoked.
    pub live: bool,
    /// How many different refresh tokens would be redeemed now.
    pub redeemable: usize,
    /// Whether one of those was ever in an answer that left as a whole. If not, the client can have none that works:
    /// no client could have kept this grant, or it has none to refresh it with.
    pub recoverable: bool,
    /// Whether the newest refresh token was in an answer that left as a whole. The provider cannot know whether it
    /// was received.
    pub newest_delivered: bool,
    /// How many requests carried one of its refresh tokens.
    pub presentations: usize,
    /// How many of those arrived while another with the same value was in flight.
    pub overlapping: usize,
    /// How many of them were redeemed.
    pub redemptions: usize,
    /// How often a spent code or refresh token was used again.
    pub reuses: usize,
    /// How many of its access tokens were used at least once.
    pub access_tokens_used: usize,
}

/// The truth about a refresh token.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct RefreshTokenState {
    /// Its grant.
    pub family: FamilyId,
    /// Whether it would be redeemed now.
    pub redeemable: bool,
    /// Whether it was in an answer that left as a whole.
    pub delivered: bool,
    /// How many requests carried it.
    pub presentations: usize,
    /// How many of those arrived while another was in flight.
    pub overlapping: usize,
    /// How often it was redeemed.
    pub redemptions: usize,
    /// How often it was used again when it was spent.
    pub reuses: usize,
}

impl Records {
    /// Every grant, oldest first.
    pub(crate) fn all_grants(&self) -> impl Iterator<Item = Grant> {
        self.grants.families.iter().map(as_grant)
    }

    /// The grants of an account, oldest first.
    pub(crate) fn grants_of(&self, account: &str) -> Vec<Grant> {
        let of_account =
            |(_, family): &(&FamilyId, &Family)| family.consented.account.sub == account;
        let families = self.grants.families.iter().filter(of_account);
        families.map(as_grant).collect()
    }

    /// The grant that a token belongs to.
    pub(crate) fn grant_of(&self, token: &str) -> Option<Grant> {
        let family = self.grants.family_of(token)?;
        self.grants.families.get_key_value(&family).map(as_grant)
    }

    pub(crate) fn family_state(&self, id: FamilyId, conduct: &Conduct) -> Option<FamilyState> {
        let family = self.grants.families.get(&id)?;
        let consented = &family.consented;
        let (behaviour, now) = (conduct.towards(Some(&consented.client_id)), Instant::now());
        let is_good = |token: &&Fingerprint| {
            self.grants.verdict(**token, &behaviour, now) == Some(Verdict::Good)
        };
        let good: Vec<_> = family.refresh_tokens.iter().filter(is_good).collect();
        let newest = family.refresh_tokens.last();
        let tally = self.books.tallies().family(id);
        Some(FamilyState {
            family: id,
            client_id: consented.client_id.clone(),
            account: consented.account.sub.clone(),
            generation: family.generation,
            live: family.live,
            redeemable: good.len(),
            recoverable: good.into_iter().any(|token| self.was_delivered(*token)),
            newest_delivered: newest.is_some_and(|token| self.was_delivered(*token)),
            presentations: tally.presentations,
            overlapping: tally.overlapping,
            redemptions: tally.redemptions,
            reuses: tally.reuses,
            access_tokens_used: family.access_tokens_used,
        })
    }

    pub(crate) fn refresh_token_state(
        &self,
        refresh_token: Fingerprint,
        conduct: &Conduct,
    ) -> Option<RefreshTokenState> {
        let token = self.grants.refresh_tokens.get(&refresh_token)?;
        let family = self.grants.families.get(&token.family)?;
        let behaviour = conduct.towards(Some(&family.consented.client_id));
        let verdict = self
            .grants
            .verdict(refresh_token, &behaviour, Instant::now());
        let tally = self.books.tallies().refresh_token(refresh_token);
        Some(RefreshTokenState {
            family: token.family,
            redeemable: verdict == Some(Verdict::Good),
            delivered: token.delivered,
            presentations: tally.presentations,
            overlapping: tally.overlapping,
            redemptions: tally.redemptions,
            reuses: tally.reuses,
        })
    }

    fn was_delivered(&self, refresh_token: Fingerprint) -> bool {
        let token = self.grants.refresh_tokens.get(&refresh_token);
        token.is_some_and(|token| token.delivered)
    }
}

fn as_grant((id, family): (&FamilyId, &Family)) -> Grant {
    Grant {
        family: *id,
        client_id: family.consented.client_id.clone(),
        account: family.consented.account.sub.clone(),
        scopes: family.consented.scopes.clone(),
        generation: family.generation,
        live: family.live,
    }
}
