//! The call itself: once, within the claim's time, with a heartbeat beside it.

use std::time::Duration;

use chrono::TimeDelta;
use futures::future::{Either, select};
use tokend_model::{RawTokenAnswer, Secret, TokenFailure, TokenFailureKind};
use tokio::time::{Instant, timeout, timeout_at};

use super::attempt::Attempt;
use crate::Vending;

/// How often the holder of a claim says that it lives.
const HEARTBEAT: Duration = Duration::from_secs(2);

/// How long an answer that may have arrived in time is still looked for when the claim's time is over.
const LAST_LOOK: Duration = Duration::from_secs(2);

/// A token's life is counted from the answer's arrival. Whatever arrived later than this was kept waiting, by the
/// provider or because this process was stopped, and nobody knows how long ago the token was made.
const LONGEST_WAY_BACK: TimeDelta = TimeDelta::seconds(5);

impl Vending {
    /// Redeems the token. Nothing is sent twice, and nothing is sent late (`None`): a process that was stopped since
    /// it `asserted` its claim may have lost it. Who has the claim afterwards is for the commit to find out.
    pub(super) async fn redeem(
        &self,
        attempt: &Attempt,
        refresh_token: &Secret,
        asserted: Instant,
    ) -> Option<Result<RawTokenAnswer, TokenFailure>> {
        let deadline = asserted + self.shared.options.claim_time_to_live;
        let server = &self.shared.ports.authorization_server;
        let scopes = &attempt.subject.credential.scopes;
        let redirect_uri = self.redirect_uri(&attempt.subject.connector);
        let mut call = std::pin::pin!(server.redeem_refresh_token(
            attempt.registration(),
            refresh_token,
            scopes,
            &redirect_uri,
        ));
        let in_time = async {
            match timeout_at(deadline, call.as_mut()).await {
                Ok(called) => Some(called),
                // After a stop of this process the answer may be there, only nobody has looked yet.
                Err(_) => timeout(LAST_LOOK, call).await.ok(),
            }
        };
        let heartbeats = std::pin::pin!(self.keep_claim(attempt));
        if asserted.elapsed() >= self.shared.options.claim_margin {
            return None;
        }
        let sent = self.shared.ports.clock.now();
        // Both are driven at once: a database that hangs must not keep the answer from being read.
        let called = match select(std::pin::pin!(in_time), heartbeats).await {
            Either::Left((called, _)) => called,
            Either::Right(((), in_time)) => in_time.await,
        };
        let called = called.map(|answered| {
            answered.map(|answer| RawTokenAnswer {
                receive_time: answer.receive_time.min(sent + LONGEST_WAY_BACK),
                ..answer
            })
        });
        Some(called.unwrap_or_else(|| {
            Err(TokenFailure {
                kind: TokenFailureKind::Ambiguous,
                detail: "no whole answer within the claim's time".to_owned(),
                retry_after: None,
            })
        }))
    }

    /// Ends once the claim is somebody else's: then there is nothing left to say.
    async fn keep_claim(&self, attempt: &Attempt) {
        loop {
            tokio::time::sleep(HEARTBEAT).await;
            let refreshes = &self.shared.ports.refreshes;
            match refreshes.heartbeat(attempt.claim(), None).await {
                Ok(true) => {}
                Ok(false) => return,
                Err(error) => tracing::debug!(%error, "a heartbeat was not written"),
            }
        }
    }
}
