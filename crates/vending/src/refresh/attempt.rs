//! One claimed attempt: from the right to call to what came of it.

use std::sync::Arc;

use tokend_model::{
    Credential, Presentation, RawTokenAnswer, Secret, TokenAnswer, TokenFailure, TokenFailureKind,
    ports::{Claim, Claimed, JournalPage, Registration},
};
use tokio::time::Instant;

use super::{RenewalCause, Subject, closed, until_run_out};
use crate::{Error, Vended, Vending, error::log_token_failure, provider_gate::Pass};

/// One claimed attempt: what was read before it, and why it is made.
pub(crate) struct Attempt {
    pub(crate) subject: Subject,
    pub(crate) cause: RenewalCause,
    pub(crate) claimed: Claimed,
    pub(crate) claiming: Instant,
}

/// A page of the journal and whether the answer is on it.
pub(crate) struct Journaled {
    pub(crate) page: Box<dyn JournalPage>,
    pub(crate) durable: bool,
}

/// What a call came to.
enum Outcome {
    Answered(Box<TokenAnswer>, Journaled),
    Failed(TokenFailure),
    /// Nothing was sent: the claim may be somebody else's before an answer comes.
    TooLate,
}

impl Attempt {
    pub(crate) fn claim(&self) -> &Claim {
        &self.claimed.claim
    }

    pub(crate) fn registration(&self) -> Registration<'_> {
        Registration {
            connector: &self.subject.connector,
            connection_config: &self.subject.connection.connection_config,
        }
    }
}

impl Vending {
    /// Carries the attempt out and stores what came of it. `None`: the connection moved on meanwhile.
    pub(crate) async fn attempt(
        &self,
        attempt: Attempt,
        pass: Pass,
    ) -> Result<Option<Arc<Vended>>, Error> {
        let Subject { credential, .. } = &attempt.subject;
        // The answer to an earlier attempt, come too late: it is the successor, so nobody has to be called.
        if let Some(orphan) = &attempt.claimed.orphan {
            let renewed = orphan.credential.clone();
            return self.store_renewed(attempt, renewed, None).await;
        }
        let doubt = attempt.claimed.uncertain_since;
        let presentation = self.presentation(&attempt.subject, attempt.cause, doubt);
        if presentation == Presentation::WhenRunOut {
            let now = self.shared.ports.clock.now();
            self.put_off(&attempt).await;
            return Err(until_run_out(credential, now));
        }
        let Some(refresh_token) = credential.refresh_token.clone() else {
            let failure = not_tried(TokenFailureKind::GrantRejected, "there is no refresh token");
            return Err(self.record_failure(&attempt, &failure).await);
        };
        let mut base = credential.clone();
        let mut presented: Vec<Secret> = Vec::new();
        let mut token = refresh_token;
        let mut asserted = attempt.claiming;
        loop {
            presented.push(token.clone());
            let failure = match self.call(&attempt, &token, asserted, &pass).await? {
                Outcome::Answered(answer, page) => {
                    pass.answered();
                    let renewed = succeed(&base, *answer);
                    return self.store_renewed(attempt, renewed, Some(page)).await;
                }
                Outcome::TooLate => {
                    let failure = not_tried(TokenFailureKind::NotSent, "claiming took too long");
                    return Err(self.record_failure(&attempt, &failure).await);
                }
                Outcome::Failed(failure) => failure,
            };
            if failure.kind == TokenFailureKind::GrantRejected {
                if let Some(answer) = self.late_answer(&attempt).await? {
                    pass.answered();
                    return self.store_renewed(attempt, answer, None).await;
                }
                // Only once the refusal is confirmed: what is tried now may end the grant if it was wrong.
                let asserting = Instant::now();
                if self.is_confirmed(&attempt)
                    && let Some(fallback) = self.fallback(&attempt, &presented).await?
                {
                    token = fallback.refresh_token.clone().unwrap_or(token);
                    base.refresh_token = fallback.refresh_token;
                    asserted = asserting;
                    continue;
                }
            }
            self.tell_gate(&attempt, pass, &failure);
            if failure.kind == TokenFailureKind::GrantRejected
                && !self.is_still_held(&attempt).await?
            {
                return Ok(None);
            }
            return Err(self.record_failure(&attempt, &failure).await);
        }
    }

    /// Presents the token once. What can fail after the answer is tried before the call: sealing, and room on the disk.
    async fn call(
        &self,
        attempt: &Attempt,
        refresh_token: &Secret,
        asserted: Instant,
        pass: &Pass,
    ) -> Result<Outcome, Error> {
        let mut page = match self.shared.ports.journal.open(attempt.claim()).await {
            Ok(page) => page,
            Err(error) => {
                tracing::error!(%error, source = ?error.source, "no token is redeemed without a journal");
                self.shared.journal_rest.begin();
                self.put_off(attempt).await;
                return Err(Error::JournalUnavailable);
            }
        };
        if let Err(changed) = pass.still_open() {
            page.discard().await;
            self.put_off(attempt).await;
            return Err(closed(changed));
        }
        let answer = match self.redeem(attempt, refresh_token, asserted).await {
            None => {
                page.discard().await;
                return Ok(Outcome::TooLate);
            }
            Some(Ok(answer)) => answer,
            Some(Err(failure)) => {
                page.discard().await;
                return Ok(failed(attempt, failure));
            }
        };
        let durable = answer.may_hold_tokens() && journal(&mut page, &answer).await;
        let server = &self.shared.ports.authorization_server;
        let read = server
            .read_refresh_answer(attempt.registration(), &answer)
            .await;
        match read {
            Ok(read) => Ok(Outcome::Answered(
                Box::new(read),
                Journaled { page, durable },
            )),
            Err(failure) => {
                match failure.kind {
                    TokenFailureKind::Garbage if durable => page.set_aside().await,
                    _ => page.discard().await,
                }
                Ok(failed(attempt, failure))
            }
        }
    }

    /// Lets the others at this provider know how it is.
    fn tell_gate(&self, attempt: &Attempt, pass: Pass, failure: &TokenFailure) {
        if failure.kind == TokenFailureKind::RateLimited {
            let pause = self.rate_limit_pause(failure);
            let registration = attempt.subject.registration();
            // Before the pass is given back: whoever waits for it must find the gate closed.
            self.shared.gate.pause(&registration, pause);
        }
        match failure.kind {
            // Another call with the same client would fare no better.
            TokenFailureKind::NotSent
            | TokenFailureKind::Ambiguous
            | TokenFailureKind::ClientRejected => pass.unanswered(),
            _ => pass.answered(),
        }
    }

    /// The answer to an earlier attempt on this generation that has come meanwhile: the successor, for nothing.
    async fn late_answer(&self, attempt: &Attempt) -> Result<Option<Credential>, Error> {
        let claim = attempt.claim();
        let orphans = self
            .shared
            .ports
            .refreshes
            .orphans(&claim.workspace, &claim.connection_id)
            .await?;
        Ok(orphans
            .into_iter()
            .find(|orphan| !orphan.tried && orphan.credential.generation == claim.base.next())
            .map(|orphan| orphan.credential))
    }

    /// Another token of the connection that may be alive where the present one is not: that of an answer which came
    /// too late, or the one before. Each is tried once. `None` too if the claim is lost meanwhile.
    async fn fallback(
        &self,
        attempt: &Attempt,
        presented: &[Secret],
    ) -> Result<Option<Credential>, Error> {
        let refreshes = &self.shared.ports.refreshes;
        let claim = attempt.claim();
        let untried = |credential: &Credential| {
            let token = credential.refresh_token.as_ref();
            token.is_some_and(|token| !presented.contains(token))
        };
        let orphans = refreshes
            .orphans(&claim.workspace, &claim.connection_id)
            .await?;
        let orphan = orphans
            .into_iter()
            .find(|orphan| !orphan.tried && untried(&orphan.credential));
        let now = self.shared.ports.clock.now();
        let facts = &attempt.subject.facts;
        let received = attempt.subject.credential.receive_time;
        let found = match orphan {
            Some(orphan) => {
                refreshes.mark_tried(claim, &orphan.id).await?;
                Some(orphan.credential)
            }
            None if facts.rotation.previous_may_work(received, now) => {
                let previous = refreshes.previous_credential(claim).await?;
                previous.filter(untried)
            }
            None => None,
        };
        let time_to_live = self.shared.options.claim_time_to_live;
        match found {
            Some(found) if refreshes.heartbeat(claim, Some(time_to_live)).await? => Ok(Some(found)),
            _ => Ok(None),
        }
    }

    async fn is_still_held(&self, attempt: &Attempt) -> Result<bool, Error> {
        let refreshes = &self.shared.ports.refreshes;
        Ok(refreshes.heartbeat(attempt.claim(), None).await?)
    }
}

async fn journal(page: &mut Box<dyn JournalPage>, answer: &RawTokenAnswer) -> bool {
    match page.record(answer).await {
        Ok(()) => true,
        Err(error) => {
            tracing::error!(%error, source = ?error.source, "an answer is in memory only until it is stored");
            false
        }
    }
}

fn failed(attempt: &Attempt, failure: TokenFailure) -> Outcome {
    log_token_failure("refresh", attempt.subject.connection.id.as_str(), &failure);
    Outcome::Failed(failure)
}

/// The next generation: a returned refresh token replaces, an absent one keeps the old (RFC 6749 section 6).
pub(crate) fn succeed(base: &Credential, answer: TokenAnswer) -> Credential {
    let replaced = answer.refresh_token.is_some();
    Credential {
        generation: base.generation.next(),
        access_token: answer.access_token,
        token_type: answer.token_type,
        refresh_token: answer.refresh_token.or_else(|| base.refresh_token.clone()),
        expiry: answer.expiry,
        refresh_expire_time: match replaced {
            true => answer.refresh_expire_time,
            false => answer.refresh_expire_time.or(base.refresh_expire_time),
        },
        scopes: answer.scopes.unwrap_or_else(|| base.scopes.clone()),
        receive_time: answer.receive_time,
    }
}

pub(crate) fn not_tried(kind: TokenFailureKind, why: &str) -> TokenFailure {
    TokenFailure {
        kind,
        detail: why.to_owned(),
        retry_after: None,
    }
}
