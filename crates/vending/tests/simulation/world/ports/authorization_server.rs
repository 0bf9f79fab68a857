//! The token endpoint over the network: answers that are slow, lost, refused, or none at all.

use std::{collections::BTreeMap, ops::Range, time::Duration};

use async_trait::async_trait;
use tokend_model::{
    ConnectionConfig, Credential, Expiry, RawTokenAnswer, Secret, TokenAnswer, TokenFailure,
    TokenFailureKind,
    ports::{
        AuthorizationServer, AuthorizeUrl, DeviceAnswer, DeviceAuthorization, DiscoveryFailure,
        Identified, InvalidRegistration, Registration, UnusableRegistration,
    },
};
use tokio::{sync::oneshot, time::timeout};
use zeroize::Zeroizing;

use super::super::{provider::GrantEnd, wire::Wire};

/// How long a token call may take in all.
pub(crate) const CALL_TIME: Duration = Duration::from_secs(60);

/// The field of a connection that has a token endpoint of its own, and two hosts that give no tokens.
pub(crate) const ELSEWHERE: &str = "elsewhere";
pub(crate) const SILENT: &str = "silent";
pub(crate) const OVERLOADED: &str = "overloaded";

pub(super) struct TokenEndpoint(pub(super) Wire);

/// What comes back over the network.
enum Reply {
    /// A whole HTTP answer, with the ledger's number of the token set in it.
    Whole(u16, Vec<u8>, Option<usize>),
    Refused(TokenFailure),
    Nothing,
}

/// What becomes of a call, decided before it is sent.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Fate {
    Normal,
    NotSent,
    RateLimited,
    SpuriousRefusal,
    /// Not carried out, and no answer or an error.
    LostBefore(Loss),
    /// Carried out, and the answer lost.
    LostAfter(Loss),
}

/// How an answer gets lost.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Loss {
    Silence,
    Reset,
    ServerError,
    Html,
    Truncated,
    ErrorIn200,
}

#[async_trait]
impl AuthorizationServer for TokenEndpoint {
    async fn authorize_url(
        &self,
        _registration: Registration<'_>,
        _scopes: &[String],
        _redirect_uri: &str,
    ) -> Result<AuthorizeUrl, UnusableRegistration> {
        Err(InvalidRegistration("not simulated".to_owned()).into())
    }

    async fn token_endpoint(
        &self,
        registration: Registration<'_>,
    ) -> Result<String, UnusableRegistration> {
        let host = registration.connection_config.get(ELSEWHERE);
        let host = host.map_or("provider", String::as_str);
        Ok(format!("https://{host}.example.com/token"))
    }

    async fn redeem_code(
        &self,
        _registration: Registration<'_>,
        _code: &Secret,
        _pkce_verifier: &Secret,
        _redirect_uri: &str,
    ) -> Result<TokenAnswer, TokenFailure> {
        Err(failure(TokenFailureKind::NotSent, "not simulated"))
    }

    async fn obtain(
        &self,
        _registration: Registration<'_>,
        _subject_token: Option<&Secret>,
        _scopes: &[String],
    ) -> Result<TokenAnswer, TokenFailure> {
        Err(failure(TokenFailureKind::NotSent, "not simulated"))
    }

    async fn request_device_code(
        &self,
        _registration: Registration<'_>,
        _scopes: &[String],
    ) -> Result<DeviceAuthorization, TokenFailure> {
        Err(failure(TokenFailureKind::NotSent, "not simulated"))
    }

    async fn redeem_device_code(
        &self,
        _registration: Registration<'_>,
        _device_code: &Secret,
    ) -> Result<DeviceAnswer, TokenFailure> {
        Err(failure(TokenFailureKind::NotSent, "not simulated"))
    }

    async fn redeem_refresh_token(
        &self,
        registration: Registration<'_>,
        refresh_token: &Secret,
        _scopes: &[String],
        _redirect_uri: &str,
    ) -> Result<RawTokenAnswer, TokenFailure> {
        if let Some(host) = registration.connection_config.get(ELSEWHERE) {
            elsewhere(host).await?;
        }
        let wire = &self.0;
        if wire.process.is_dead() || wire.process.is_stopped() {
            // What is stopped does not come to the point of sending; its clocks were looked at before.
            wire.process.runs().await;
            return Err(failure(TokenFailureKind::NotSent, "stopped"));
        }
        let token = refresh_token.expose().to_owned();
        let flight = wire.world.begin_call(&wire.process, &token);
        let reply = timeout(CALL_TIME, self.exchange(token.clone())).await;
        wire.process.runs().await;
        wire.world.end_call(&token, flight);
        match reply.unwrap_or(Reply::Nothing) {
            Reply::Whole(status, body, answer) => {
                wire.note("answer", format_args!("{status} to {token}: {answer:?}"));
                if let Some(answer) = answer {
                    let mut provider = wire.world.provider();
                    provider.answers[answer].delivered_to = Some(wire.process.clone());
                }
                Ok(RawTokenAnswer {
                    status,
                    content_type: Some("application/json".to_owned()),
                    body: Zeroizing::new(body),
                    receive_time: wire.world.now() + wire.process.clock_error,
                })
            }
            Reply::Refused(failure) => {
                wire.note("answer", format_args!("to {token}: {failure}"));
                if let Some(pause) = failure.retry_after {
                    wire.world.note_wait(&wire.process, &token, pause);
                }
                Err(failure)
            }
            Reply::Nothing => {
                wire.note("answer", format_args!("to {token}: none"));
                Err(failure(TokenFailureKind::Ambiguous, "no answer"))
            }
        }
    }

    async fn read_refresh_answer(
        &self,
        _registration: Registration<'_>,
        answer: &RawTokenAnswer,
    ) -> Result<TokenAnswer, TokenFailure> {
        self.0.process.runs().await;
        read(answer)
    }

    async fn revoke(
        &self,
        _registration: Registration<'_>,
        credential: &Credential,
    ) -> Result<bool, TokenFailure> {
        let wire = &self.0;
        wire.enter("revoke").await;
        wire.travel(1..500).await;
        let token = credential.refresh_token.as_ref().map(Secret::expose);
        let mut provider = wire.world.provider();
        let grant = token.and_then(|token| provider.grant_of(token));
        if wire.world.provider_is_away() {
            if let Some(grant) = grant {
                provider.grants[grant].out_of_reach = true;
            }
            return Err(failure(TokenFailureKind::NotSent, "away"));
        }
        if let Some(grant) = grant {
            provider.end_grant(grant, GrantEnd::Revoked);
        }
        Ok(true)
    }

    async fn discover(
        &self,
        _registration: Registration<'_>,
        _access_token: &Secret,
    ) -> Result<ConnectionConfig, DiscoveryFailure> {
        Ok(ConnectionConfig::new())
    }

    async fn identify(
        &self,
        _registration: Registration<'_>,
        _access_token: &Secret,
    ) -> Result<Identified, TokenFailure> {
        Ok(Identified::default())
    }
}

impl TokenEndpoint {
    /// Sends the request, and waits for what comes back. The provider works on, whoever waits.
    async fn exchange(&self, token: String) -> Reply {
        let (world, process) = (&self.0.world, &self.0.process);
        let fate = self.fate(&token);
        let (to, back) = match world.fault(world.plan.faults.slow) {
            true => world.plan.slow_ways(),
            false => (5..400, 5..400),
        };
        let (sender, receiver) = oneshot::channel();
        let (there, begun) = (world.clone(), world.now());
        tokio::spawn(async move {
            tokio::time::sleep(there.dice.milliseconds(to)).await;
            let reply = there.process_call(&token, begun, fate);
            tokio::time::sleep(there.dice.milliseconds(back)).await;
            let _ = sender.send(reply);
        });
        if world.kills(world.plan.faults.crash * 4.0) {
            let moment = world.dice.milliseconds(0..600);
            tokio::time::sleep(moment).await;
            // Another may have died meanwhile.
            if world.kills(1.0) {
                self.0.note("call", format_args!("KILLED during"));
                self.0.kill();
            }
        }
        process.runs().await;
        self.0.leave("call").await;
        receiver.await.unwrap_or(Reply::Nothing)
    }

    fn fate(&self, token: &str) -> Fate {
        const LOSSES: [Loss; 3] = [Loss::Silence, Loss::Reset, Loss::ServerError];
        const GARBAGE: [Loss; 3] = [Loss::Html, Loss::Truncated, Loss::ErrorIn200];
        let (world, faults) = (&self.0.world, &self.0.world.plan.faults);
        let either = |loss| match world.dice.chance(0.5) {
            true => Fate::LostBefore(loss),
            false => Fate::LostAfter(loss),
        };
        if world.provider_is_away() {
            return match world.dice.chance(0.7) {
                true => Fate::NotSent,
                false => Fate::LostBefore(Loss::Silence),
            };
        }
        if world.fault(faults.rate_limited) {
            Fate::RateLimited
        } else if world.fault(faults.spurious_refusal) && world.may_refuse_without_cause(token) {
            Fate::SpuriousRefusal
        } else if world.fault(faults.answer_lost) {
            either(world.dice.pick(&LOSSES))
        } else if world.fault(faults.server_error) {
            either(Loss::ServerError)
        } else if world.fault(faults.garbage) {
            match world.dice.pick(&GARBAGE) {
                // That one says that nothing was done.
                Loss::ErrorIn200 => Fate::LostBefore(Loss::ErrorIn200),
                loss => either(loss),
            }
        } else {
            Fate::Normal
        }
    }
}

impl super::super::World {
    fn process_call(&self, token: &str, begun: tokend_model::Timestamp, fate: Fate) -> Reply {
        let now = self.now();
        match fate {
            Fate::NotSent => Reply::Refused(failure(TokenFailureKind::NotSent, "connect")),
            Fate::RateLimited => Reply::Refused(TokenFailure {
                retry_after: Some(Duration::from_secs(self.dice.between(1..120))),
                ..failure(TokenFailureKind::RateLimited, "429")
            }),
            Fate::SpuriousRefusal => {
                self.trace
                    .write(|| format!("provider refuses {token} without cause"));
                self.refusal()
            }
            Fate::LostBefore(loss) => self.lose(loss, None),
            Fate::LostAfter(loss) => {
                let answer = self.provider().redeem(token, begun, now);
                self.trace
                    .write(|| format!("provider redeems {token}: {answer:?}, answer lost"));
                self.lose(loss, answer)
            }
            Fate::Normal => {
                let mut provider = self.provider();
                let answer = provider.redeem(token, begun, now);
                self.trace
                    .write(|| format!("provider redeems {token}: {answer:?}"));
                match answer {
                    Some(answer) => {
                        let lifetime = provider.conduct.lifetime.as_secs();
                        let issued = &provider.answers[answer];
                        Reply::Whole(200, body(issued, lifetime), Some(answer))
                    }
                    None => {
                        drop(provider);
                        self.note_refusal(token);
                        self.refusal()
                    }
                }
            }
        }
    }

    fn refusal(&self) -> Reply {
        let body = br#"{"error":"invalid_grant"}"#.to_vec();
        match self.dice.chance(0.5) {
            true => Reply::Whole(400, body, None),
            false => Reply::Refused(failure(TokenFailureKind::GrantRejected, "invalid_grant")),
        }
    }

    fn lose(&self, loss: Loss, answer: Option<usize>) -> Reply {
        match loss {
            Loss::Silence => Reply::Nothing,
            Loss::Reset => Reply::Refused(failure(TokenFailureKind::Ambiguous, "reset")),
            Loss::ServerError => Reply::Refused(failure(TokenFailureKind::Ambiguous, "502")),
            Loss::Html => Reply::Whole(200, b"<html>Welcome</html>".to_vec(), None),
            Loss::ErrorIn200 => Reply::Whole(
                200,
                br#"{"error":"temporarily_unavailable"}"#.to_vec(),
                None,
            ),
            Loss::Truncated => {
                let provider = self.provider();
                let lifetime = provider.conduct.lifetime.as_secs();
                let whole = answer.map(|answer| body(&provider.answers[answer], lifetime));
                let mut cut = whole.unwrap_or_else(|| b"{\"access".to_vec());
                let kept: Range<usize> = 0..cut.len() / 2;
                cut.truncate(kept.end);
                Reply::Whole(200, cut, None)
            }
        }
    }
}

async fn elsewhere(host: &str) -> Result<(), TokenFailure> {
    match host {
        OVERLOADED => Err(TokenFailure {
            retry_after: Some(Duration::from_secs(900)),
            ..failure(TokenFailureKind::RateLimited, "429")
        }),
        SILENT => {
            tokio::time::sleep(CALL_TIME).await;
            Err(failure(TokenFailureKind::Ambiguous, "no answer"))
        }
        _ => Ok(()),
    }
}

fn body(answer: &super::super::provider::Answer, lifetime: u64) -> Vec<u8> {
    let mut object = serde_json::json!({
        "access_token": answer.access_token,
        "token_type": "Bearer",
        "expires_in": lifetime,
    });
    if let Some(refresh_token) = &answer.refresh_token {
        object["refresh_token"] = refresh_token.as_str().into();
    }
    object.to_string().into_bytes()
}

/// Reads what a token endpoint answered (RFC 6749 sections 5.1 and 5.2).
fn read(answer: &RawTokenAnswer) -> Result<TokenAnswer, TokenFailure> {
    let garbage = || failure(TokenFailureKind::Garbage, "no token in it");
    let object: serde_json::Value = serde_json::from_slice(&answer.body).map_err(|_| garbage())?;
    if let Some(error) = object["error"].as_str() {
        let kind = match error {
            "invalid_grant" => TokenFailureKind::GrantRejected,
            _ => TokenFailureKind::RequestRejected,
        };
        return Err(failure(kind, "error"));
    }
    let access_token = object["access_token"].as_str().ok_or_else(garbage)?;
    let expires_in = object["expires_in"].as_i64().unwrap_or_default();
    Ok(TokenAnswer {
        access_token: Secret::new(access_token),
        token_type: "Bearer".to_owned(),
        refresh_token: object["refresh_token"].as_str().map(Secret::new),
        expiry: Expiry::At(answer.receive_time + chrono::TimeDelta::seconds(expires_in)),
        refresh_expire_time: None,
        scopes: None,
        captured: ConnectionConfig::new(),
        others: BTreeMap::new(),
        receive_time: answer.receive_time,
    })
}

fn failure(kind: TokenFailureKind, detail: &str) -> TokenFailure {
    TokenFailure {
        kind,
        detail: detail.to_owned(),
        retry_after: None,
    }
}
