//! How the client proves itself, and with which of its secrets.

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use http::header::AUTHORIZATION;
use tokend_catalog::{ClientAuth, ErrorMeaning};
use tokend_model::{GrantType, RawTokenAnswer, Secret, TokenFailure, TokenFailureKind};
use tokio::time::Instant;
use url::form_urlencoded;

use crate::assertion::client_assertion;
use crate::body::read_json;
use crate::failure::by_body;
use crate::outgoing::Outgoing;
use crate::provider::{Provider, not_sent};

/// RFC 7523 section 2.2.
const JWT_ASSERTION: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";

impl Provider<'_> {
    /// Sends what `build` makes of a client secret: of the one that was taken last, and while the provider refuses the
    /// client, of each further one. A refused client has spent nothing. All tries share one timeout, of which a further
    /// one needs half: one cut short would leave the grant in doubt. `unauthorized` is what a 401 without a code means.
    pub(crate) async fn send(
        &self,
        unauthorized: TokenFailureKind,
        build: impl Fn(Option<&Secret>) -> Result<Outgoing, TokenFailure> + Send + Sync,
    ) -> Result<RawTokenAnswer, TokenFailure> {
        let connector = self.registration.connector;
        let timeout = self.transport.timeout();
        let deadline = Instant::now() + timeout;
        let mut secrets = self.accepted_secrets.in_order(connector).await.into_iter();
        let mut secret = secrets.next().flatten();
        let mut refused_one = false;
        loop {
            let request = build(secret)?.build()?;
            let left = deadline.saturating_duration_since(Instant::now());
            let sent = self
                .transport
                .send_within(left, request, &self.definition.errors);
            let answer = sent.await?;
            if !refused_one && secrets.len() == 0 {
                return Ok(answer);
            }
            if !self.refuses_client(&answer, unauthorized) {
                if let (true, Some(secret)) = (refused_one, secret) {
                    self.accepted_secrets.remember(connector, secret).await;
                }
                return Ok(answer);
            }
            refused_one = true;
            match secrets.next() {
                Some(next) if deadline.saturating_duration_since(Instant::now()) >= timeout / 2 => {
                    secret = next;
                }
                _ => return Ok(answer),
            }
        }
    }

    /// Adds what proves the client at the token endpoint, and wherever else it proves itself the same way.
    pub(crate) fn authenticate(
        &self,
        request: &mut Outgoing,
        secret: Option<&Secret>,
    ) -> Result<(), TokenFailure> {
        let names = &self.definition.client;
        let id = self.registration.connector.client_id.as_str();
        match (
            self.client_auth().map_err(not_sent)?,
            self.shared_secret(secret),
        ) {
            (ClientAuth::ClientSecretBasic, Some(secret)) => {
                return basic(request, id, Some(secret));
            }
            (ClientAuth::ClientSecretPost, Some(secret)) => {
                request.parameters.set(&names.secret_param, secret.expose());
            }
            (ClientAuth::PrivateKeyJwt, _) => {
                let assertion = client_assertion(self, secret)?;
                let parameters = &mut request.parameters;
                parameters.set("client_assertion_type", JWT_ASSERTION);
                parameters.set("client_assertion", assertion);
            }
            // The grant's own assertion says who the client is.
            _ if self.definition.grant_type() == GrantType::JwtBearer => return Ok(()),
            (
                ClientAuth::ClientSecretBasic | ClientAuth::ClientSecretPost | ClientAuth::None,
                _,
            ) => {}
        }
        request.parameters.set(&names.id_param, id);
        Ok(())
    }

    /// Whether the provider refuses the client. An answer that may hold tokens is not read: it has to be written down
    /// first. Only where the definition knows of refusals that come with a status of success, one is read that names
    /// such a refusal and no token.
    fn refuses_client(&self, answer: &RawTokenAnswer, unauthorized: TokenFailureKind) -> bool {
        if answer.may_hold_tokens() {
            let errors = self.definition.errors.codes.iter();
            let mut refusals =
                errors.filter(|(_, meaning)| **meaning == ErrorMeaning::ClientRejected);
            let names_token = ["access_token", "refresh_token"]
                .into_iter()
                .chain(self.definition.token.iter().flat_map(|token| {
                    let answer = &token.answer;
                    [answer.access_token.as_str(), answer.refresh_token.as_str()]
                }))
                .any(|member| mentions(&answer.body, member));
            if names_token || !refusals.any(|(code, _)| mentions(&answer.body, code)) {
                return false;
            }
        }
        let body = read_json(answer.content_type.as_deref(), &answer.body);
        by_body(
            answer.status,
            body.as_ref(),
            &self.definition.errors,
            unauthorized,
        )
        .is_some_and(|failure| failure.kind == TokenFailureKind::ClientRejected)
    }
}

/// HTTP Basic with the client's id and secret, each form-encoded first (RFC 6749 section 2.3.1).
pub(crate) fn basic(
    request: &mut Outgoing,
    id: &str,
    secret: Option<&Secret>,
) -> Result<(), TokenFailure> {
    let encode = |text: &str| form_urlencoded::byte_serialize(text.as_bytes()).collect::<String>();
    let secret = secret.map_or("", Secret::expose);
    let pair = BASE64_STANDARD.encode(format!("{}:{}", encode(id), encode(secret)));
    request.prove(AUTHORIZATION.as_str(), &format!("Basic {pair}"))
}

fn mentions(body: &[u8], word: &str) -> bool {
    !word.is_empty() && body.windows(word.len()).any(|part| part == word.as_bytes())
}
