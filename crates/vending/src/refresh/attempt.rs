//! One claimed attempt: from the right to call to what came of it.

use std::{sync::Arc, time::Duration};

use tokend_model::{
    Connection, ConnectionConfig, Credential, Presentation, RawTokenAnswer, Secret, TokenAnswer,
    TokenFailure, TokenFailureKind,
    ports::{Claim, Claimed, JournalPage, Orphan, Registration},
};
use tokio::time::{Instant, timeout};

use super::{RenewalCause, Subject, closed, until_run_out};
use crate::{Error, Vended, Vending, error::log_token_failure, provider_gate::Pass};

/// How long an answer waits for the journal's disk.
const SLOWEST_DISK: Duration = Duration::from_secs(3);

/// One claimed attempt: what was read before it, and why it is made.
pub(crate) struct Attempt {
    pub(crate) subject: Subject,
    pub(crate) cause: RenewalCause,
    pub(crate) claimed: Claimed,
    pub(crate) claiming: Instant,
    /// Whether the answer told another connection config, which the subject has by now.
    pub(crate) learned: bool,
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

/// A refresh token to try where the present one was refused for good.
struct Fallback {
    refresh_token: Secret,
    /// The late answer it is from, if it is from one.
    orphan: Option<String>,
}

impl Attempt {
    pub(crate) fn claim(&self) -> &Claim {
        &self.claimed.claim
    }

    pub(crate) fn registration(&self) -> Registration<'_> {
        Registration {
            connector: &self.subject.connector,
            connection_config: &self.subject.connection.connection_config,
            token: self.subject.connection.token_kind(),
        }
    }
}

impl Vending {
    /// Carries the attempt out and stores what came of it. `None`: the connection moved on meanwhile.
    pub(crate) async fn attempt(
        &self,
        mut attempt: Attempt,
        pass: Pass,
    ) -> Result<Option<Arc<Vended>>, Error> {
        // The answer to an earlier attempt, come too late: it is the successor, so nobody has to be called.
        if let Some(orphan) = attempt.claimed.orphan.take() {
            return self.store_orphan(attempt, orphan).await;
        }
        let doubt = attempt.claimed.uncertain_since;
        let presentation = self.presentation(&attempt.subject, attempt.cause, doubt);
        if presentation == Presentation::WhenRunOut {
            let now = self.shared.ports.clock.now();
            self.put_off(&attempt).await;
            return Err(until_run_out(&attempt.subject.credential, now));
        }
        let credential = &attempt.subject.credential;
        let Some(refresh_token) = credential.refresh_token.clone() else {
            let failure = not_tried(TokenFailureKind::GrantRejected, "there is no refresh token");
            return Err(self.record_failure(&attempt, &failure).await);
        };
        let mut base = credential.clone();
        let mut presented: Vec<Secret> = Vec::new();
        let mut token = refresh_token;
        let mut asserted = attempt.claiming;
        let mut orphan: Option<String> = None;
        loop {
            presented.push(token.clone());
            let failure = match self.call(&attempt, &token, asserted, &pass).await? {
                Outcome::Answered(answer, page) => {
                    pass.answered();
                    attempt.learned = learn(&mut attempt.subject.connection, &answer.captured);
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
                if let Some(id) = orphan.take() {
                    self.mark_tried(&attempt, &id).await;
                }
                if let Some(answer) = self.late_answer(&attempt).await {
                    pass.answered();
                    return self.store_orphan(attempt, answer).await;
                }
                // Only once the refusal is confirmed: what is tried now may end the grant if it was wrong.
                let asserting = Instant::now();
                if self.is_confirmed(&attempt)
                    && let Some(fallback) = self.fallback(&attempt, &presented).await
                {
                    orphan = fallback.orphan;
                    base.refresh_token = Some(fallback.refresh_token.clone());
                    token = fallback.refresh_token;
                    asserted = asserting;
                    continue;
                }
            }
            self.tell_gate(&attempt, pass, &failure);
            if failure.kind == TokenFailureKind::GrantRejected && self.is_lost(&attempt).await {
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

    /// Commits the answer to an earlier attempt; it has done its work then.
    async fn store_orphan(
        &self,
        attempt: Attempt,
        orphan: Orphan,
    ) -> Result<Option<Arc<Vended>>, Error> {
        let claim = attempt.claim().clone();
        let stored = self.store_renewed(attempt, orphan.credential, None).await?;
        if stored.is_some() {
            let refreshes = &self.shared.ports.refreshes;
            if let Err(error) = refreshes.mark_tried(&claim, &orphan.id).await {
                tracing::debug!(%error, "a late answer that was used is not marked so");
            }
        }
        Ok(stored)
    }

    /// The answer to an earlier attempt on this generation that has come meanwhile: the successor, for nothing.
    async fn late_answer(&self, attempt: &Attempt) -> Option<Orphan> {
        let next = attempt.claim().base.next();
        let mut orphans = self.orphans(attempt).await.into_iter();
        orphans.find(|orphan| !orphan.tried && orphan.credential.generation == next)
    }

    /// Another token of the connection that may be alive where the present one is not: that of an answer to the same
    /// attempt as the present one's, which came too late, or the one before. `None` too if the claim is lost meanwhile.
    async fn fallback(&self, attempt: &Attempt, presented: &[Secret]) -> Option<Fallback> {
        let base = attempt.claim().base;
        let sibling = self.orphans(attempt).await.into_iter().find_map(|orphan| {
            let fits = !orphan.tried && orphan.credential.generation == base;
            let refresh_token = orphan.credential.refresh_token.filter(|_| fits)?;
            Some(Fallback {
                refresh_token,
                orphan: Some(orphan.id),
            })
        });
        let found = match sibling.filter(|found| !presented.contains(&found.refresh_token)) {
            Some(found) => found,
            None => self
                .previous(attempt)
                .await
                .filter(|previous| !presented.contains(&previous.refresh_token))?,
        };
        let time_to_live = self.shared.options.claim_time_to_live;
        let refreshes = &self.shared.ports.refreshes;
        let prolonged = refreshes
            .heartbeat(attempt.claim(), Some(time_to_live))
            .await;
        prolonged.unwrap_or(false).then_some(found)
    }

    /// The token before the present one, where the provider's class leaves it a chance.
    async fn previous(&self, attempt: &Attempt) -> Option<Fallback> {
        let Subject {
            credential, facts, ..
        } = &attempt.subject;
        let now = self.shared.ports.clock.now();
        if !facts
            .rotation
            .previous_may_work(credential.receive_time, now)
        {
            return None;
        }
        let refreshes = &self.shared.ports.refreshes;
        let Claim {
            workspace,
            connection_id,
            base,
            ..
        } = attempt.claim();
        let previous = refreshes.previous_credential(workspace, connection_id, *base);
        Some(Fallback {
            refresh_token: previous.await.ok()??.refresh_token?,
            orphan: None,
        })
    }

    /// What came too late for this connection. Not knowing it must not keep a refusal from being recorded.
    async fn orphans(&self, attempt: &Attempt) -> Vec<Orphan> {
        let claim = attempt.claim();
        let refreshes = &self.shared.ports.refreshes;
        let orphans = refreshes
            .orphans(&claim.workspace, &claim.connection_id)
            .await;
        orphans
            .inspect_err(|error| tracing::warn!(%error, "late answers are not looked at"))
            .unwrap_or_default()
    }

    async fn mark_tried(&self, attempt: &Attempt, orphan: &str) {
        let refreshes = &self.shared.ports.refreshes;
        if let Err(error) = refreshes.mark_tried(attempt.claim(), orphan).await {
            tracing::debug!(%error, "a late answer that was refused will be tried again");
        }
    }

    /// Whether somebody else has the claim, or the connection moved on.
    async fn is_lost(&self, attempt: &Attempt) -> bool {
        let refreshes = &self.shared.ports.refreshes;
        let held = refreshes.heartbeat(attempt.claim(), None).await;
        matches!(held, Ok(false))
    }
}

/// Makes the answer durable; a disk that takes too long must not keep it from the database.
async fn journal(page: &mut Box<dyn JournalPage>, answer: &RawTokenAnswer) -> bool {
    match timeout(SLOWEST_DISK, page.record(answer)).await {
        Ok(Ok(())) => true,
        Ok(Err(error)) => {
            tracing::error!(%error, source = ?error.source, "an answer is in memory only until it is stored");
            false
        }
        Err(_) => {
            tracing::error!(
                "the journal's disk takes too long; an answer is in memory only until it is stored"
            );
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

/// Takes over what an answer tells for the connection config; whether that is another one then.
pub(crate) fn learn(connection: &mut Connection, captured: &ConnectionConfig) -> bool {
    let config = &mut connection.connection_config;
    let news = |(name, value): &(&String, &String)| config.get(*name) != Some(*value);
    let learned: ConnectionConfig = captured
        .iter()
        .filter(news)
        .map(|(name, value)| (name.clone(), value.clone()))
        .collect();
    let changed = !learned.is_empty();
    config.extend(learned);
    changed
}

pub(crate) fn not_tried(kind: TokenFailureKind, why: &str) -> TokenFailure {
    TokenFailure {
        kind,
        detail: why.to_owned(),
        retry_after: None,
    }
}
