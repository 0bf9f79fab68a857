//! The ledger: what really happened at the provider, for tests to hold against what a client believes.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use crate::{
    event::{Event, FamilyId},
    fingerprint::Fingerprint,
    oracle::{FamilyState, Grant, RefreshTokenState},
    provider::Provider,
    tallies::Tallies,
};

/// A view of what happened and of what is alive now. Cheap to clone.
#[derive(Clone)]
pub struct Ledger {
    provider: Arc<Provider>,
}

impl Ledger {
    pub(crate) fn new(provider: Arc<Provider>) -> Self {
        Self { provider }
    }

    /// What happened, in order; only the latest, where [`kept_events`](crate::SimulatorOptions::kept_events) is set.
    pub fn events(&self) -> Vec<Event> {
        self.provider.lock().books.events().cloned().collect()
    }

    /// How many requests reached the token endpoint, faulted ones included.
    pub fn token_calls(&self) -> usize {
        self.tallied(|tallies| tallies.token_calls)
    }

    /// How many of them said to come from this client.
    pub fn token_calls_of(&self, client_id: &str) -> usize {
        self.tallied(|tallies| tallies.client(client_id).map_or(0, |client| client.calls))
    }

    /// When those calls arrived, since the simulator was started; only the latest, as with [`events`](Self::events).
    pub fn token_call_times(&self, client_id: &str) -> Vec<Duration> {
        self.tallied(|tallies| {
            let times = tallies.client(client_id).map(|client| &client.times);
            times.into_iter().flatten().copied().collect()
        })
    }

    /// The largest number of token calls of a client in any stretch of one second.
    pub fn busiest_second(&self, client_id: &str) -> usize {
        self.tallied(|tallies| {
            let client = tallies.client(client_id);
            client.map_or(0, |client| client.busiest_second)
        })
    }

    /// How many token calls of a client arrived before the `Retry-After` of an earlier answer to it was over. A call
    /// that crosses such an answer on its way counts too.
    pub fn early_calls(&self, client_id: &str) -> usize {
        self.tallied(|tallies| {
            let client = tallies.client(client_id);
            client.map_or(0, |client| client.early_calls)
        })
    }

    /// How many times any refresh token was redeemed.
    pub fn refreshes(&self) -> usize {
        self.tallied(|tallies| tallies.refreshes)
    }

    /// How many requests carried this refresh token, faulted and refused ones included.
    pub fn presentations_of(&self, refresh_token: &str) -> usize {
        let wanted = Fingerprint::of(refresh_token);
        self.tallied(|tallies| tallies.refresh_token(wanted).presentations)
    }

    /// How many times this refresh token was redeemed, whether or not the answers arrived.
    pub fn redemptions_of(&self, refresh_token: &str) -> usize {
        let wanted = Fingerprint::of(refresh_token);
        self.tallied(|tallies| tallies.refresh_token(wanted).redemptions)
    }

    /// The largest number of presentations of one refresh token value.
    pub fn most_presentations(&self) -> usize {
        self.tallied(|tallies| tallies.most_presentations)
    }

    /// The largest number of redemptions of one refresh token value.
    pub fn most_redemptions(&self) -> usize {
        self.tallied(|tallies| tallies.most_redemptions)
    }

    /// How many refreshes began while another with the same refresh token was in flight.
    pub fn overlapping_refreshes(&self) -> usize {
        self.tallied(|tallies| tallies.overlapping_refreshes)
    }

    /// How many times a spent code or refresh token was used again.
    pub fn reuses(&self) -> usize {
        self.tallied(|tallies| tallies.reuses)
    }

    /// How often refresh tokens of each grant were redeemed; grants without a redemption are there with 0.
    pub fn redemptions_by_family(&self) -> BTreeMap<FamilyId, usize> {
        let records = self.provider.lock();
        let tallies = records.books.tallies();
        let families = records.grants.families.keys();
        families
            .map(|family| (*family, tallies.family(*family).redemptions))
            .collect()
    }

    /// Every grant there ever was.
    pub fn grants(&self) -> Vec<Grant> {
        self.provider.lock().all_grants().collect()
    }

    /// The grants of an account (`sub`), oldest first.
    pub fn grants_of(&self, account: &str) -> Vec<Grant> {
        self.provider.lock().grants_of(account)
    }

    /// The grant that an access or refresh token belongs to: the client and the account that are behind it.
    pub fn grant_of(&self, token: &str) -> Option<Grant> {
        self.provider.lock().grant_of(token)
    }

    /// The grants that were not revoked.
    pub fn live_grants(&self) -> Vec<Grant> {
        let records = self.provider.lock();
        records.all_grants().filter(|grant| grant.live).collect()
    }

    /// All there is to know about a grant; `None` when there is none of that number.
    pub fn family_state(&self, family: FamilyId) -> Option<FamilyState> {
        let conduct = &self.provider.conduct;
        self.provider.lock().family_state(family, conduct)
    }

    /// The same of every grant, oldest first.
    pub fn family_states(&self) -> Vec<FamilyState> {
        let (conduct, records) = (&self.provider.conduct, self.provider.lock());
        let families = records.grants.families.keys();
        families
            .filter_map(|family| records.family_state(*family, conduct))
            .collect()
    }

    /// All there is to know about a refresh token; `None` for a value that was never issued.
    pub fn refresh_token_state(&self, refresh_token: &str) -> Option<RefreshTokenState> {
        let (conduct, wanted) = (&self.provider.conduct, Fingerprint::of(refresh_token));
        self.provider.lock().refresh_token_state(wanted, conduct)
    }

    /// Whether the provider accepts this access token now. Asking does not use it.
    pub fn is_access_token_live(&self, access_token: &str) -> bool {
        self.provider.lock().grants.bearer(access_token).is_some()
    }

    /// Whether the provider would redeem this refresh token now.
    pub fn is_redeemable(&self, refresh_token: &str) -> bool {
        let state = self.refresh_token_state(refresh_token);
        state.is_some_and(|state| state.redeemable)
    }

    /// The grant that an access or refresh token belongs to.
    pub fn family_of(&self, token: &str) -> Option<FamilyId> {
        self.provider.lock().grants.family_of(token)
    }

    /// Every code and token ever issued, and every state, verifier, client secret and completion token received:
    /// what must be found in no log and no database. None, where they are [not kept](crate::SimulatorOptions).
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

    fn tallied<T>(&self, read: impl FnOnce(&Tallies) -> T) -> T {
        read(self.provider.lock().books.tallies())
    }
}
