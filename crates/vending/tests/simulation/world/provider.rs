//! The provider and its ledger: what is true of every grant, whatever the replicas believe.

mod grant;

use std::collections::HashMap;

use tokend_model::{Rotation, Timestamp, WorkspaceName};

pub(crate) use grant::{AccessToken, Answer, Grant, GrantEnd, RefreshToken};

use crate::plan::Conduct;

/// The provider with everything it ever issued.
pub(crate) struct Provider {
    pub(crate) conduct: Conduct,
    pub(crate) grants: Vec<Grant>,
    pub(crate) refresh_tokens: HashMap<String, RefreshToken>,
    pub(crate) access_tokens: HashMap<String, AccessToken>,
    pub(crate) answers: Vec<Answer>,
    calls: u64,
    /// Calls that may be under way, by refresh token.
    pub(crate) flights: HashMap<String, Vec<Flight>>,
    /// Until when each process was told to wait with a workspace's client.
    pub(crate) waits: HashMap<(usize, WorkspaceName), Timestamp>,
}

/// A call under way.
pub(crate) struct Flight {
    pub(crate) number: u64,
    pub(crate) begun: Timestamp,
}

impl Provider {
    pub(crate) fn new(conduct: Conduct) -> Self {
        Self {
            conduct,
            grants: Vec::new(),
            refresh_tokens: HashMap::new(),
            access_tokens: HashMap::new(),
            answers: Vec::new(),
            calls: 0,
            flights: HashMap::new(),
            waits: HashMap::new(),
        }
    }

    /// A user consents: a new grant with its first token set.
    pub(crate) fn consent(&mut self, subject: usize, now: Timestamp) -> usize {
        let grant = self.grants.len();
        self.grants.push(Grant::new(subject, now));
        let answer = self.issue(grant, None, true, (now, now));
        self.answers[answer].stored = Some(now);
        self.answers[answer].committed = true;
        answer
    }

    /// Redeems a refresh token for a call begun earlier; `None`: `invalid_grant`.
    pub(crate) fn redeem(
        &mut self,
        token: &str,
        begun: Timestamp,
        now: Timestamp,
    ) -> Option<usize> {
        let record = self.refresh_tokens.get(token)?;
        let (grant, depth) = (record.grant, record.depth);
        if !self.accepts(token, now) {
            self.punish(grant, token);
            return None;
        }
        let newest = self.grants[grant].depth;
        if self.conduct.rotation == Rotation::UntilSuccessorUsed {
            // Redeeming a token is using it: the one before it ends.
            self.succeed(token);
        }
        if let Some(record) = self.refresh_tokens.get_mut(token) {
            record.first_redeemed.get_or_insert(now);
        }
        if depth == newest {
            self.grants[grant].depth += 1;
            self.grants[grant].depth_since = now;
        }
        if !self.conduct.access_token_survives {
            for access in self.access_tokens.values_mut() {
                access.dead |= access.grant == grant;
            }
        }
        let rotates = self.conduct.rotation != Rotation::StaysValid || self.conduct.always_new;
        Some(self.issue(grant, Some(token.to_owned()), rotates, (begun, now)))
    }

    /// Whether the refresh token would buy an access token now.
    pub(crate) fn accepts(&self, token: &str, now: Timestamp) -> bool {
        let Some(record) = self.refresh_tokens.get(token) else {
            return false;
        };
        let grant = &self.grants[record.grant];
        if grant.end.is_some() || record.dead {
            return false;
        }
        match self.conduct.rotation {
            Rotation::StaysValid | Rotation::UntilSuccessorUsed => true,
            Rotation::Overlap { window } => {
                let age = (now - grant.depth_since).to_std().unwrap_or_default();
                record.depth == grant.depth || record.depth + 1 == grant.depth && age < window
            }
            Rotation::Strict | Rotation::Unknown => record.first_redeemed.is_none(),
        }
    }

    /// Whether an access token works now.
    pub(crate) fn works(&self, token: &str, now: Timestamp) -> bool {
        self.access_tokens.get(token).is_some_and(|access| {
            !access.dead && access.expires > now && self.grants[access.grant].end.is_none()
        })
    }

    /// Somebody calls the provider's API with an access token.
    pub(crate) fn use_access_token(&mut self, token: &str) {
        if self.conduct.rotation != Rotation::UntilSuccessorUsed {
            return;
        }
        let Some(access) = self.access_tokens.get(token) else {
            return;
        };
        let answer = access.answer;
        if let Some(parent) = self.answers[answer].parent.clone() {
            self.end_token(&parent);
        }
        self.end_siblings(answer);
    }

    pub(crate) fn end_grant(&mut self, grant: usize, end: GrantEnd) {
        self.grants[grant].end.get_or_insert(end);
    }

    /// A number for a call.
    pub(crate) fn next_call(&mut self) -> u64 {
        self.calls += 1;
        self.calls
    }

    /// The answer an access token came with.
    pub(crate) fn answer_of(&mut self, access_token: &str) -> Option<&mut Answer> {
        let answer = self.access_tokens.get(access_token)?.answer;
        self.answers.get_mut(answer)
    }

    /// The grant a refresh token is of.
    pub(crate) fn grant_of(&self, token: &str) -> Option<usize> {
        self.refresh_tokens.get(token).map(|record| record.grant)
    }

    fn succeed(&mut self, token: &str) {
        let Some(answer) = self.refresh_tokens.get(token).map(|record| record.answer) else {
            return;
        };
        if let Some(parent) = self.answers[answer].parent.clone() {
            self.end_token(&parent);
        }
        self.end_siblings(answer);
    }

    fn end_token(&mut self, token: &str) {
        if let Some(record) = self.refresh_tokens.get_mut(token) {
            record.dead = true;
        }
    }

    /// Ends what came of redeeming the same refresh token another time.
    fn end_siblings(&mut self, answer: usize) {
        let parent = &self.answers[answer].parent;
        let others: Vec<_> = (0..self.answers.len())
            .filter(|&other| other != answer && parent.is_some())
            .filter(|&other| self.answers[other].parent == *parent)
            .filter_map(|other| self.answers[other].refresh_token.clone())
            .collect();
        others.iter().for_each(|token| self.end_token(token));
    }

    fn punish(&mut self, grant: usize, token: &str) {
        let reused = self
            .refresh_tokens
            .get(token)
            .is_some_and(|record| record.first_redeemed.is_some());
        let watches = matches!(
            self.conduct.rotation,
            Rotation::Overlap { .. } | Rotation::Strict | Rotation::Unknown
        );
        if reused && watches && self.conduct.reuse_ends_grant {
            self.end_grant(grant, GrantEnd::Reuse);
        }
    }

    fn issue(
        &mut self,
        grant: usize,
        parent: Option<String>,
        rotates: bool,
        (begun, now): (Timestamp, Timestamp),
    ) -> usize {
        let answer = self.answers.len();
        let access_token = format!("access-{grant}-{answer}");
        let refresh_token = rotates.then(|| format!("refresh-{grant}-{answer}"));
        if let Some(token) = &refresh_token {
            let record = RefreshToken {
                grant,
                depth: self.grants[grant].depth,
                answer,
                first_redeemed: None,
                dead: false,
            };
            self.refresh_tokens.insert(token.clone(), record);
        }
        let access = AccessToken {
            grant,
            answer,
            expires: now + chrono::TimeDelta::from_std(self.conduct.lifetime).unwrap_or_default(),
            dead: false,
        };
        self.access_tokens.insert(access_token.clone(), access);
        self.answers.push(Answer {
            grant,
            parent,
            access_token,
            refresh_token,
            begun,
            delivered_to: None,
            journaled: false,
            stored: None,
            committed: false,
        });
        answer
    }
}
