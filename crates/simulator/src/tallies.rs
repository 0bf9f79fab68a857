//! What the ledger counts: kept up with every event, whether or not the event itself is kept.

use std::{
    collections::{HashMap, VecDeque},
    time::Duration,
};

use crate::{
    event::{FamilyId, Happening},
    fingerprint::Fingerprint,
};

/// The counters of one provider.
#[derive(Default)]
pub(crate) struct Tallies {
    pub(crate) token_calls: usize,
    pub(crate) refreshes: usize,
    pub(crate) overlapping_refreshes: usize,
    pub(crate) reuses: usize,
    pub(crate) most_presentations: usize,
    pub(crate) most_redemptions: usize,
    refresh_tokens: HashMap<Fingerprint, RefreshTally>,
    families: HashMap<FamilyId, RefreshTally>,
    clients: HashMap<String, ClientTally>,
}

/// What happened to a refresh token, or to all of one grant.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct RefreshTally {
    pub(crate) presentations: usize,
    pub(crate) overlapping: usize,
    pub(crate) redemptions: usize,
    pub(crate) reuses: usize,
}

/// The token calls of one client.
#[derive(Debug, Default)]
pub(crate) struct ClientTally {
    pub(crate) calls: usize,
    pub(crate) times: VecDeque<Duration>,
    pub(crate) busiest_second: usize,
    pub(crate) early_calls: usize,
    last_second: VecDeque<Duration>,
    wait_until: Option<Duration>,
}

impl Tallies {
    /// Counts what happened this long after the start. Of each client's call times so many are kept.
    pub(crate) fn count(&mut self, what: &Happening, elapsed: Duration, kept_times: usize) {
        match what {
            Happening::TokenCalled { client_id, .. } => {
                self.token_calls += 1;
                self.client_mut(client_id).called(elapsed, kept_times);
            }
            Happening::ToldToWait { client_id, wait } => {
                let until = elapsed.saturating_add(Duration::from_secs(*wait));
                let client = self.client_mut(client_id);
                client.wait_until = client.wait_until.max(Some(until));
            }
            Happening::RefreshStarted {
                refresh_token,
                family,
                overlapping,
            } => {
                let overlaps = usize::from(*overlapping > 0);
                self.overlapping_refreshes += overlaps;
                let of_token = self.both(*refresh_token, *family, |tally| {
                    tally.presentations += 1;
                    tally.overlapping += overlaps;
                });
                self.most_presentations = self.most_presentations.max(of_token.presentations);
            }
            Happening::RefreshRedeemed {
                refresh_token,
                family,
                ..
            } => {
                self.refreshes += 1;
                let of_token = self.both(*refresh_token, Some(*family), |tally| {
                    tally.redemptions += 1;
                });
                self.most_redemptions = self.most_redemptions.max(of_token.redemptions);
            }
            Happening::ReuseDetected { token, family } => {
                self.reuses += 1;
                self.both(*token, Some(*family), |tally| tally.reuses += 1);
            }
            _ => {}
        }
    }

    pub(crate) fn refresh_token(&self, refresh_token: Fingerprint) -> RefreshTally {
        self.refresh_tokens
            .get(&refresh_token)
            .copied()
            .unwrap_or_default()
    }

    pub(crate) fn family(&self, family: FamilyId) -> RefreshTally {
        self.families.get(&family).copied().unwrap_or_default()
    }

    pub(crate) fn client(&self, client_id: &str) -> Option<&ClientTally> {
        self.clients.get(client_id)
    }

    fn client_mut(&mut self, client_id: &str) -> &mut ClientTally {
        self.clients.entry(client_id.to_owned()).or_default()
    }

    /// Counts for a token and for its grant; the token's tally afterwards.
    fn both(
        &mut self,
        token: Fingerprint,
        family: Option<FamilyId>,
        count: impl Fn(&mut RefreshTally),
    ) -> RefreshTally {
        if let Some(family) = family {
            count(self.families.entry(family).or_default());
        }
        let of_token = self.refresh_tokens.entry(token).or_default();
        count(of_token);
        *of_token
    }
}

impl ClientTally {
    fn called(&mut self, elapsed: Duration, kept_times: usize) {
        self.calls += 1;
        self.early_calls += usize::from(self.wait_until.is_some_and(|until| elapsed < until));
        while self
            .last_second
            .front()
            .is_some_and(|first| elapsed.saturating_sub(*first) >= Duration::from_secs(1))
        {
            self.last_second.pop_front();
        }
        self.last_second.push_back(elapsed);
        self.busiest_second = self.busiest_second.max(self.last_second.len());
        keep_latest(&mut self.times, elapsed, kept_times);
    }
}

/// Adds one and forgets the oldest where there are more than so many.
pub(crate) fn keep_latest<T>(all: &mut VecDeque<T>, latest: T, kept: usize) {
    all.push_back(latest);
    if all.len() > kept {
        all.pop_front();
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::ClientTally;

    #[test]
    fn the_busiest_second_is_any_stretch_of_one_second() {
        let mut tally = ClientTally::default();
        for millis in [100, 900, 1000, 1099, 1100, 5000, 5001] {
            tally.called(Duration::from_millis(millis), 3);
        }
        assert_eq!((tally.calls, tally.busiest_second), (7, 4));
        assert_eq!(tally.times.len(), 3);
    }
}
