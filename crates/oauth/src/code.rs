//! The authorization code grant (RFC 6749 section 4.1) with PKCE (RFC 7636), and the exchange that may follow it.

use oauth2::{CsrfToken, PkceCodeChallenge};
use tokend_catalog::Exchange;
use tokend_model::ports::{AuthorizeUrl, InvalidRegistration};
use tokend_model::{Secret, TokenAnswer, TokenFailure, TokenFailureKind};

use crate::answer::{read_first, token_at};
use crate::capture;
use crate::outgoing::Parameters;
use crate::provider::{Provider, not_sent};

/// Random bytes of a state.
const STATE_BYTES: u32 = 32;

/// Makes an authorization request with a fresh state and challenge.
pub(crate) fn authorize_url(
    provider: &Provider<'_>,
    scopes: &[String],
    redirect_uri: &str,
) -> Result<AuthorizeUrl, InvalidRegistration> {
    let authorize = provider.authorize()?;
    let state = CsrfToken::new_random_len(STATE_BYTES).into_secret();
    let (challenge, verifier) = PkceCodeChallenge::new_random_sha256();
    let mut parameters = Parameters::default();
    parameters.set_all(&authorize.params, |name| {
        provider.param_value(name, None, None)
    });
    parameters.set("response_type", "code");
    let client_id = provider.registration.connector.client_id.as_str();
    parameters.set(&provider.definition.client.id_param, client_id);
    parameters.set("redirect_uri", redirect_uri);
    parameters.set("state", state.as_str());
    if authorize.pkce {
        parameters.set("code_challenge", challenge.as_str());
        parameters.set("code_challenge_method", challenge.method().as_str());
    }
    for (param, scopes) in by_token(provider, scopes) {
        let joined = provider.joined(scopes.iter().map(String::as_str))?;
        if let (false, Some(scopes)) = (param.is_empty(), joined) {
            parameters.set(param, scopes);
        }
    }
    let mut url = provider.url(&authorize.url)?;
    parameters.append_to(&mut url);
    Ok(AuthorizeUrl {
        url: Secret::new(url),
        state: Secret::new(state),
        pkce_verifier: Secret::new(verifier.into_secret()),
    })
}

/// Redeems the code, and makes the exchange where the definition has one.
pub(crate) async fn redeem_code(
    provider: &Provider<'_>,
    code: &Secret,
    pkce_verifier: &Secret,
    redirect_uri: &str,
) -> Result<TokenAnswer, TokenFailure> {
    let mut grant = Parameters::default();
    grant.set("grant_type", "authorization_code");
    grant.set("code", code.expose());
    grant.set("redirect_uri", redirect_uri);
    if provider.authorize().map_err(not_sent)?.pkce {
        grant.set("code_verifier", pkce_verifier.expose());
    }
    let raw = provider.send_grant(&grant).await?;
    let first = read_first(&provider.definition, &raw)?;
    match &provider.definition.exchange {
        None => Ok(first),
        Some(exchange) => exchanged(provider, exchange, first)
            .await
            .map_err(code_spent),
    }
}

/// The answer to the exchange of the first answer's access token; what it does not tell is as the first one told. Where
/// it fails the first token is left to run out: nobody here knows whether revoking it would end the grant of a connection
/// that the owner has already.
async fn exchanged(
    provider: &Provider<'_>,
    exchange: &Exchange,
    first: TokenAnswer,
) -> Result<TokenAnswer, TokenFailure> {
    let call = provider.call(exchange.call(), &first.access_token).await?;
    let Some(answered) = call else {
        return Ok(first);
    };
    let definition = &provider.definition;
    let receive_time = answered.receive_time;
    let object = answered.json()?;
    let second = token_at(definition, &exchange.answer, &object, receive_time)?;
    let mut captured = first.captured;
    captured.extend(capture::of_token_answer(definition, &object));
    Ok(TokenAnswer {
        scopes: second.scopes.or(first.scopes),
        captured,
        others: first.others,
        ..second
    })
}

/// The exchange may not have been carried out, but the code is spent.
fn code_spent(failure: TokenFailure) -> TokenFailure {
    let kind = match failure.kind {
        TokenFailureKind::NotSent | TokenFailureKind::RateLimited => TokenFailureKind::Ambiguous,
        kind => kind,
    };
    TokenFailure {
        kind,
        detail: format!("the exchange: {}", failure.detail),
        ..failure
    }
}

/// The scopes of each token, as the provider calls them, with the parameter that carries them.
fn by_token<'p>(provider: &'p Provider<'_>, scopes: &[String]) -> Vec<(&'p str, Vec<String>)> {
    let definition = &provider.definition;
    let main = definition.authorize.iter();
    let main = main.map(|authorize| ("", authorize.scope_param.as_str()));
    let others = definition.token.iter().flat_map(|token| &token.other);
    let others =
        others.filter_map(|other| Some((other.name.as_str(), other.scope_param.as_deref()?)));
    main.chain(others)
        .map(|(token, param)| (param, definition.integration_type.scopes_of(token, scopes)))
        .collect()
}
