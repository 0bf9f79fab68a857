//! The ledger: what really happened at the provider, for tests to hold against what a client believes.

use std::{collections::BTreeMap, sync::Arc};

use serde::Serialize;

use crate::{
    event::{Event, FamilyId, Fingerprint, Happening},
    provider::Provider,
};

/// A view of what happened and of what is alive now. Cheap to clone.
#[derive(Clone)]
pub struct Ledger {
    provider: Arc<Provider>,
}

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

impl Ledger {
    pub(crate) fn new(provider: Arc<Provider>) -> Self {
        Self { provider }
    }

    /// Everything that happened, in order.
    pub fn events(&self) -> Vec<Event> {
        self.provider.lock().books.events().to_vec()
    }

    /// How many requests reached the token endpoint, faulted ones included.
    pub fn token_calls(&self) -> usize {
        self.count(|what| matches!(what, Happening::TokenCalled { .. }))
    }

    /// How many times any refresh token was redeemed.
    pub fn refreshes(&self) -> usize {
        self.count(|what| matches!(what, Happening::RefreshRedeemed { .. }))
    }

    /// How many requests carried this refresh token, faulted and refused ones included.
    pub fn presentations_of(&self, refresh_token: &str) -> usize {
        let wanted = Fingerprint::of(refresh_token);
        self.count(|what| matches!(what, Happening::RefreshStarted { refresh_token, .. } if *refresh_token == wanted))
    }

    /// How many times this refresh token was redeemed, whether or not the answers arrived.
    pub fn redemptions_of(&self, refresh_token: &str) -> usize {
        let wanted = Fingerprint::of(refresh_token);
        self.count(|what| matches!(what, Happening::RefreshRedeemed { refresh_token, .. } if *refresh_token == wanted))
    }

    /// The largest number of presentations of one refresh token value.
    pub fn most_presentations(&self) -> usize {
        let mut counts = BTreeMap::new();
        for event in self.provider.lock().books.events() {
            if let Happening::RefreshStarted { refresh_token, .. } = &event.what {
                *counts.entry(refresh_token.clone()).or_insert(0) += 1;
            }
        }
        counts.into_values().max().unwrap_or(0)
    }

    /// How many refreshes began while another with the same refresh token was in flight.
    pub fn overlapping_refreshes(&self) -> usize {
        self.count(|what| matches!(what, Happening::RefreshStarted { overlapping, .. } if *overlapping > 0))
    }

    /// How many times a spent code or refresh token was used again.
    pub fn reuses(&self) -> usize {
        self.count(|what| matches!(what, Happening::ReuseDetected { .. }))
    }

    /// Every grant there ever was.
    pub fn grants(&self) -> Vec<Grant> {
        self.provider.lock().grants.all()
    }

    /// The grants that were not revoked.
    pub fn live_grants(&self) -> Vec<Grant> {
        self.grants()
            .into_iter()
            .filter(|grant| grant.live)
            .collect()
    }

    /// Whether the provider accepts this access token now.
    pub fn is_access_token_live(&self, access_token: &str) -> bool {
        self.provider.lock().grants.bearer(access_token).is_some()
    }

    /// Whether the provider would redeem this refresh token now.
    pub fn is_refresh_token_live(&self, refresh_token: &str) -> bool {
        let rotation = self.provider.behaviour().rotation;
        self.provider
            .lock()
            .grants
            .is_redeemable(refresh_token, rotation)
    }

    /// The grant that an access or refresh token belongs to.
    pub fn family_of(&self, token: &str) -> Option<FamilyId> {
        self.provider.lock().grants.family_of(token)
    }

    /// Every code and token ever issued, and every state, verifier, client secret and completion token received:
    /// what must be found in no log and no database.
    pub fn secrets_issued(&self) -> Vec<String> {
        self.provider
            .lock()
            .books
            .secrets()
            .map(str::to_owned)
            .collect()
    }

    /// Waits until something that is asked of the ledger holds; asked again after each event.
    pub async fn wait_until(&self, mut holds: impl FnMut(&Self) -> bool) {
        let mut changed = self.provider.changes();
        while !holds(self) {
            if changed.changed().await.is_err() {
                return;
            }
        }
    }

    fn count(&self, wanted: impl Fn(&Happening) -> bool) -> usize {
        self.provider
            .lock()
            .books
            .events()
            .iter()
            .filter(|event| wanted(&event.what))
            .count()
    }
}
