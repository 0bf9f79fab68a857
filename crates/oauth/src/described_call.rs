//! The calls beside the token endpoint, made as their section of the definition describes them.

use serde_json::Value;
use tokend_catalog::{Call, CallAuth};
use tokend_model::{Secret, Timestamp, TokenFailure, TokenFailureKind};

use crate::assertion::grant_assertion;
use crate::body::read_json;
use crate::client_auth::basic;
use crate::failure::{by_body, failure};
use crate::outgoing::Outgoing;
use crate::provider::{Provider, not_sent};

/// An answer that reports no error.
pub(crate) struct Answered {
    /// What is in it, where that is JSON or a form.
    pub(crate) body: Option<Value>,
    /// When its last byte arrived.
    pub(crate) receive_time: Timestamp,
}

impl Answered {
    /// What is in it, where there has to be something.
    pub(crate) fn json(self) -> Result<Value, TokenFailure> {
        let none = || failure(TokenFailureKind::Garbage, "the answer is not JSON");
        self.body.ok_or_else(none)
    }
}

impl Provider<'_> {
    /// Makes the call about a token; `None` where the provider has none, because a value of its URL is not given.
    pub(crate) async fn call(
        &self,
        call: Call<'_>,
        token: &Secret,
    ) -> Result<Option<Answered>, TokenFailure> {
        let Some(url) = self.url_if_given(call.url).map_err(not_sent)? else {
            return Ok(None);
        };
        let unauthorized = match call.auth {
            CallAuth::Bearer | CallAuth::None => TokenFailureKind::GrantRejected,
            CallAuth::AsToken | CallAuth::ClientSecretBasic | CallAuth::Assertion => {
                TokenFailureKind::ClientRejected
            }
        };
        let build = |secret: Option<&Secret>| {
            let mut request = Outgoing::new(call.method, url.clone(), call.encoding, call.headers)?;
            let value = |name: &str| self.param_value(name, secret, Some(token));
            request.parameters.set_all(call.params, value);
            request.body = call.body.map(str::to_owned);
            self.prove(&mut request, call.auth, secret, token)?;
            Ok(request)
        };
        let raw = self.send(unauthorized, build).await?;
        let body = read_json(raw.content_type.as_deref(), &raw.body);
        let errors = &self.definition.errors;
        match by_body(raw.status, body.as_ref(), errors, unauthorized) {
            Some(failure) => Err(failure),
            None => Ok(Some(Answered {
                body,
                receive_time: raw.receive_time,
            })),
        }
    }

    fn prove(
        &self,
        request: &mut Outgoing,
        auth: CallAuth,
        secret: Option<&Secret>,
        token: &Secret,
    ) -> Result<(), TokenFailure> {
        match auth {
            CallAuth::Bearer => {
                let api = &self.definition.integration_type.api;
                let scheme = self.filled(&api.token_scheme);
                let value = format!("{scheme} {}", token.expose());
                request.prove(&self.filled(&api.token_header), value.trim_start())
            }
            CallAuth::AsToken => self.authenticate(request, secret),
            CallAuth::ClientSecretBasic => {
                let id = &self.registration.connector.client_id;
                basic(request, id, self.shared_secret(secret))
            }
            CallAuth::Assertion => {
                let assertion = self.definition.assertion.as_ref().ok_or_else(|| {
                    failure(TokenFailureKind::NotSent, "the definition has no assertion")
                })?;
                request.bear(&grant_assertion(self, assertion, secret, &[])?)
            }
            CallAuth::None => Ok(()),
        }
    }
}
