//! The grants that nobody has to consent to: client credentials (RFC 6749 section 4.4), JWT bearer (RFC 7523), and
//! token exchange (RFC 8693).

use tokend_catalog::{Assertion, AssertionPlace};
use tokend_model::{
    GrantType, RawTokenAnswer, Secret, TokenAnswer, TokenFailure, TokenFailureKind,
};

use crate::answer::read_first;
use crate::assertion::grant_assertion;
use crate::failure::failure;
use crate::outgoing::Parameters;
use crate::provider::{Provider, not_sent};

/// Gets a token. What renews it stands in the place of the answer's refresh token: see [`crate::answer`].
pub(crate) async fn obtain(
    provider: &Provider<'_>,
    subject_token: Option<&Secret>,
    scopes: &[String],
) -> Result<TokenAnswer, TokenFailure> {
    let raw = request(provider, subject_token, scopes).await?;
    let mut answer = read_first(&provider.definition, &raw)?;
    if provider.definition.grant_type() == GrantType::TokenExchange {
        answer.refresh_token = subject_token.cloned();
    }
    Ok(answer)
}

/// Asks for a token, the first time and each time again.
pub(crate) async fn request(
    provider: &Provider<'_>,
    subject_token: Option<&Secret>,
    scopes: &[String],
) -> Result<RawTokenAnswer, TokenFailure> {
    let definition = &provider.definition;
    let mut grant = Parameters::default();
    if let Some(scopes) = joined(provider, scopes)? {
        grant.set("scope", scopes);
    }
    match (
        definition.grant_type(),
        &definition.assertion,
        &definition.subject,
    ) {
        (GrantType::ClientCredentials, ..) => {
            grant.set("grant_type", "client_credentials");
            provider.send_grant(&grant).await
        }
        (GrantType::JwtBearer, Some(assertion), _) => {
            request_by_assertion(provider, assertion, &grant, scopes).await
        }
        (GrantType::TokenExchange, _, Some(subject)) => {
            let token = subject_token.ok_or_else(|| not_usable("there is no subject token"))?;
            let value = |name: &str| provider.param_value(name, None, None);
            grant.set_all(&subject.params, value);
            let kind = [("subject_token_type".to_owned(), subject.token_type.clone())];
            grant.set_all(&kind.into(), value);
            grant.set("subject_token", token.expose());
            grant.set(
                "grant_type",
                "urn:ietf:params:oauth:grant-type:token-exchange",
            );
            provider.send_grant(&grant).await
        }
        _ => Err(not_usable("the integration type needs a consent")),
    }
}

async fn request_by_assertion(
    provider: &Provider<'_>,
    assertion: &Assertion,
    grant: &Parameters,
    scopes: &[String],
) -> Result<RawTokenAnswer, TokenFailure> {
    provider
        .send(TokenFailureKind::ClientRejected, |secret| {
            let signed = grant_assertion(provider, assertion, secret, scopes)?;
            let mut request = provider.grant_request(secret)?;
            match assertion.place {
                AssertionPlace::Bearer => request.bear(&signed)?,
                AssertionPlace::Parameter => {
                    let parameters = &mut request.parameters;
                    if assertion.scope_claim.is_none() {
                        parameters.merge(grant);
                    }
                    let jwt_bearer = "urn:ietf:params:oauth:grant-type:jwt-bearer";
                    parameters.set("grant_type", jwt_bearer);
                    parameters.set("assertion", signed);
                    provider.authenticate(&mut request, secret)?;
                }
            }
            Ok(request)
        })
        .await
}

fn joined(provider: &Provider<'_>, scopes: &[String]) -> Result<Option<String>, TokenFailure> {
    let scopes = scopes.iter().map(String::as_str);
    provider.joined(scopes).map_err(not_sent)
}

fn not_usable(why: &str) -> TokenFailure {
    failure(TokenFailureKind::NotSent, why)
}
