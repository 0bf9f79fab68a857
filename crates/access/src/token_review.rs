//! Asks a Kubernetes API server whether a token is still good: it knows of deleted pods and service accounts.

use std::{sync::Arc, time::Duration};

use chrono::TimeDelta;
use moka::future::Cache;
use reqwest::Url;
use serde::Deserialize;
use serde_json::json;
use tokend_model::{Timestamp, ports::Clock};
use tokio::{sync::Semaphore, time::timeout};

use crate::{TokenRejection, issuer_http::IssuerHttp, verified_tokens::TokenDigest};

/// How long a yes counts: a deleted pod's token works no longer than this (threat T-11).
const YES_FOR: TimeDelta = TimeDelta::seconds(60);

/// How long a no counts, or that there was no answer: those who ask again at once do not add to the server's load.
const NO_FOR: TimeDelta = TimeDelta::seconds(1);

/// How many tokens' answers are remembered.
const REMEMBERED_ANSWERS: u64 = 50_000;

/// How many questions are asked at once.
const AT_ONCE: usize = 16;

/// How long a question waits for its turn.
const TURN_TIMEOUT: Duration = Duration::from_secs(5);

/// What one API server says about tokens.
pub(crate) struct TokenReviews {
    http: Arc<IssuerHttp>,
    url: Url,
    audiences: Vec<String>,
    clock: Arc<dyn Clock>,
    answers: Cache<TokenDigest, Answer>,
    turns: Semaphore,
}

#[derive(Clone, Copy)]
struct Answer {
    verdict: Verdict,
    time: Timestamp,
    until: Timestamp,
}

#[derive(Clone, Copy)]
enum Verdict {
    Confirmed,
    NotConfirmed,
    OtherAudience,
    NoAnswer,
}

/// The part of a TokenReview (authentication.k8s.io/v1) that an answer is told by.
#[derive(Deserialize)]
struct TokenReview {
    status: Status,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Status {
    authenticated: bool,
    audiences: Vec<String>,
    user: User,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct User {
    username: String,
}

impl TokenReviews {
    pub(crate) fn new(
        http: Arc<IssuerHttp>,
        url: Url,
        audiences: Vec<String>,
        clock: Arc<dyn Clock>,
    ) -> Self {
        Self {
            http,
            url,
            audiences,
            clock,
            answers: Cache::builder()
                .max_capacity(REMEMBERED_ANSWERS)
                .time_to_live(YES_FOR.to_std().unwrap_or_default())
                .build(),
            turns: Semaphore::new(AT_ONCE),
        }
    }

    /// Whether the token is this user's and still good. Answers until when that counts. Those who ask while another
    /// asks about the same token get the same answer.
    pub(crate) async fn confirm(
        &self,
        token: &str,
        digest: &TokenDigest,
        username: &str,
        expire_time: Timestamp,
    ) -> Result<Timestamp, TokenRejection> {
        let now = self.clock.now();
        let is_stale = |answer: &Answer| !(answer.time..answer.until).contains(&now);
        let answer = self
            .answers
            .entry_by_ref(digest)
            .or_insert_with_if(self.answer(token, username, expire_time), is_stale)
            .await
            .into_value();
        match answer.verdict {
            Verdict::Confirmed => Ok(answer.until),
            Verdict::NotConfirmed => Err(TokenRejection::NotConfirmed),
            Verdict::OtherAudience => Err(TokenRejection::WrongAudience),
            Verdict::NoAnswer => Err(TokenRejection::ReviewUnavailable),
        }
    }

    async fn answer(&self, token: &str, username: &str, expire_time: Timestamp) -> Answer {
        // Before the question: what happens after it is not in the answer.
        let time = self.clock.now();
        let verdict = match timeout(TURN_TIMEOUT, self.turns.acquire()).await {
            Ok(Ok(_turn)) => self.ask(token, username).await,
            _ => Verdict::NoAnswer,
        };
        let until = match verdict {
            Verdict::Confirmed => (time + YES_FOR).min(expire_time),
            _ => time + NO_FOR,
        };
        Answer {
            verdict,
            time,
            until,
        }
    }

    async fn ask(&self, token: &str, username: &str) -> Verdict {
        let question = json!({
            "apiVersion": "authentication.k8s.io/v1",
            "kind": "TokenReview",
            "spec": { "token": token, "audiences": self.audiences },
        });
        let body = match self.http.post(self.url.clone(), &question).await {
            Ok(body) => body,
            Err(error) => {
                let error = &error as &dyn std::error::Error;
                tracing::warn!(error, url = %self.url, "the API server does not review tokens");
                return Verdict::NoAnswer;
            }
        };
        let Ok(TokenReview { status }) = serde_json::from_slice(&body) else {
            tracing::warn!(url = %self.url, "the API server's answer is no TokenReview");
            return Verdict::NoAnswer;
        };
        // A reviewer that knows nothing of audiences leaves them out, and has confirmed only that the token is the
        // cluster's.
        let is_for_us = status
            .audiences
            .iter()
            .any(|audience| self.audiences.contains(audience));
        match status.authenticated && status.user.username == username {
            false => Verdict::NotConfirmed,
            true if is_for_us => Verdict::Confirmed,
            true => Verdict::OtherAudience,
        }
    }
}
