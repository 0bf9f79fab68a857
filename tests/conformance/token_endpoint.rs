//! The token endpoint: codes, client credentials, assertions and exchanged tokens become tokens.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use ring::digest::{SHA256, digest};
use serde_json::Value;

use crate::{
    books::{Asked, Line},
    client_auth::{Demands, nothing_left},
    dialect::{AssertionPlace, Encoding, Grant, RenewedWith, TokenEndpoint},
    provider::{Provider, Refusal, random},
    wire::{Answer, Params, Request, text},
};

const JWT_BEARER: &str = "urn:ietf:params:oauth:grant-type:jwt-bearer";
const TOKEN_EXCHANGE: &str = "urn:ietf:params:oauth:grant-type:token-exchange";
const DEVICE_CODE: &str = "urn:ietf:params:oauth:grant-type:device_code";
const ALL: [Encoding; 3] = [Encoding::Form, Encoding::Json, Encoding::Query];

impl Provider {
    /// Answers at the token endpoint.
    pub(crate) fn token(
        &self,
        endpoint: &TokenEndpoint,
        request: &Request,
    ) -> Result<Answer, Refusal> {
        let own_query = endpoint.url.split_once('?').map_or("", |(_, query)| query);
        let peek = request.params(own_query, &ALL).unwrap_or_default();
        let grant_type = peek.get("grant_type").map(text).unwrap_or_default();
        let refresh = self.dialect.refresh.as_ref();
        if refresh.is_some_and(|refresh| refresh.url.is_none() && refresh.grant_type == grant_type)
        {
            return self.refresh(request, &endpoint.url);
        }
        let device = self.dialect.device.as_ref();
        let device = device.filter(|_| grant_type == DEVICE_CODE);
        let demands = Demands {
            url: &endpoint.url,
            auth: device.map_or(&endpoint.auth, |device| &device.auth),
            encoding: &endpoint.encoding,
            headers: &endpoint.headers,
            params: &endpoint.params,
            optional: &endpoint.optional,
        };
        let mut params = self.met(&demands, request)?;
        let asked = match (device, self.dialect.grant) {
            (Some(_), _) => match self.polled(&mut params)? {
                Some(asked) => asked,
                None => return Ok(Answer::error(400, "authorization_pending")),
            },
            (None, Grant::AuthorizationCode) => self.redeemed(endpoint, &mut params)?,
            (None, Grant::ClientCredentials) => {
                take(&mut params, "grant_type", "client_credentials")?;
                self.asked_here(endpoint, &mut params)?
            }
            (None, Grant::TokenExchange) => {
                take(&mut params, "grant_type", TOKEN_EXCHANGE)?;
                take(&mut params, "subject_token", &self.subject_token)?;
                let kind = "urn:ietf:params:oauth:token-type:access_token";
                take(&mut params, "subject_token_type", kind)?;
                self.asked_here(endpoint, &mut params)?
            }
            (None, Grant::JwtBearer) => self.asserted(request, &mut params)?,
            (None, Grant::Static | Grant::Basic) => {
                return Err(Refusal::request("there is nothing to get here"));
            }
        };
        nothing_left(&params)?;
        let second = (!asked.second.is_empty()).then(|| Line::new(asked.second.clone(), true));
        let line = self.granted(asked);
        let answer = Answer {
            status: endpoint.status,
            body: self.rendered_with(&endpoint.answer, Some(&line), second.as_ref()),
        };
        self.books().lines.extend([line].into_iter().chain(second));
        Ok(answer)
    }

    fn granted(&self, asked: Asked) -> Line {
        let renewed = self.dialect.refresh.as_ref();
        let rule = self.dialect.authorize.as_ref();
        let offline = rule
            .and_then(|authorize| authorize.scope.as_ref())
            .and_then(|scope| scope.offline.as_ref());
        let renewable = renewed.is_some_and(|refresh| refresh.with == RenewedWith::RefreshToken)
            && offline.is_none_or(|offline| asked.scopes.contains(offline));
        let mut line = Line::new(asked.scopes, renewable);
        if self.dialect.exchange.is_some() {
            line.access.clear();
            line.interim = Some(random("interim"));
        }
        line
    }

    /// RFC 6749 section 4.1.3, with the verifier of RFC 7636 section 4.5.
    fn redeemed(&self, endpoint: &TokenEndpoint, params: &mut Params) -> Result<Asked, Refusal> {
        if endpoint.grant_type || params.contains_key("grant_type") {
            take(params, "grant_type", "authorization_code")?;
        }
        if endpoint.redirect_uri || params.contains_key("redirect_uri") {
            take(params, "redirect_uri", &self.redirect_uri)?;
        }
        let code = params.remove("code").as_ref().map(text).unwrap_or_default();
        let asked = self.books().codes.remove(&code);
        let asked = asked.ok_or_else(|| {
            Refusal::new(
                400,
                "invalid_grant",
                "this code was not issued, or was redeemed",
            )
        })?;
        let verifier = params.remove("code_verifier").as_ref().map(text);
        let answered = verifier.as_ref().map(|verifier| {
            let hash = digest(&SHA256, verifier.as_bytes());
            URL_SAFE_NO_PAD.encode(hash)
        });
        // Who ignores challenges ignores verifiers too.
        match asked.challenge.is_none() || asked.challenge == answered {
            true => Ok(asked),
            false => Err(Refusal::new(400, "invalid_grant", "code_verifier")),
        }
    }

    /// What is asked for without a person.
    fn asked_here(&self, endpoint: &TokenEndpoint, params: &mut Params) -> Result<Asked, Refusal> {
        if !endpoint.scope {
            return Ok(Asked::default());
        }
        let scopes = params
            .remove("scope")
            .as_ref()
            .map(text)
            .unwrap_or_default();
        self.scopes_asked(&scopes)
    }

    /// The assertion (RFC 7523 section 3), with its scopes.
    fn asserted(&self, request: &Request, params: &mut Params) -> Result<Asked, Refusal> {
        let place = self
            .dialect
            .assertion
            .as_ref()
            .map(|assertion| assertion.place);
        let token = match place.unwrap_or_default() {
            AssertionPlace::Bearer => request.bearer().map(str::to_owned),
            AssertionPlace::Parameter => {
                take(params, "grant_type", JWT_BEARER)?;
                params.remove("assertion").as_ref().map(text)
            }
        };
        let claims = self
            .believes(&token.unwrap_or_default())
            .map_err(|complaint| Refusal::new(400, "invalid_grant", complaint))?;
        let claim = self.dialect.assertion.as_ref();
        match claim.and_then(|assertion| assertion.scope_claim.as_ref()) {
            Some(name) => self.scopes_asked(claims[name].as_str().unwrap_or_default()),
            None => Ok(Asked::default()),
        }
    }

    /// Scopes as a list with spaces, all of them known.
    pub(crate) fn scopes_asked(&self, text: &str) -> Result<Asked, Refusal> {
        let scopes: Vec<_> = text.split_whitespace().map(str::to_owned).collect();
        let known = |scope: &String| self.dialect.knows_scope(&self.integration_type, scope);
        match !scopes.is_empty() && scopes.iter().all(known) {
            true => Ok(Asked {
                scopes,
                ..Asked::default()
            }),
            false => Err(Refusal::new(
                400,
                "invalid_scope",
                format!("scopes: {scopes:?}"),
            )),
        }
    }
}

/// Takes a parameter that has to have this value.
pub(crate) fn take(params: &mut Params, name: &str, expected: &str) -> Result<(), Refusal> {
    match params.remove(name) {
        Some(Value::String(given)) if given == expected => Ok(()),
        Some(_) => Err(Refusal::request(format!("{name} has another value"))),
        None => Err(Refusal::request(format!("{name} is missing"))),
    }
}
