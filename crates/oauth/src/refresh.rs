//! The renewal of a token: with its refresh token (RFC 6749 section 6), or with what stands in its place.

use tokend_catalog::{CallEncoding, Method};
use tokend_model::{GrantType, RawTokenAnswer, Secret, TokenFailure, TokenFailureKind};

use crate::obtain;
use crate::outgoing::{Outgoing, as_call_encoding};
use crate::provider::{Provider, not_sent};

/// Asks for a renewal; the answer comes back unread.
pub(crate) async fn redeem_refresh_token(
    provider: &Provider<'_>,
    refresh_token: &Secret,
    scopes: &[String],
    redirect_uri: &str,
) -> Result<RawTokenAnswer, TokenFailure> {
    let definition = &provider.definition;
    match definition.grant_type() {
        GrantType::AuthorizationCode | GrantType::Static => {}
        // The subject token of an exchange; the others' word is not sent.
        GrantType::TokenExchange | GrantType::ClientCredentials | GrantType::JwtBearer => {
            return obtain::request(provider, Some(refresh_token), scopes).await;
        }
    }
    let refresh = &definition.refresh;
    let token = provider.token().map_err(not_sent)?;
    let url = refresh.url.as_ref().unwrap_or(&token.url);
    let url = provider.url(url).map_err(not_sent)?;
    let encoding = match refresh.method {
        Method::Get => CallEncoding::Query,
        _ => as_call_encoding(refresh.encoding.unwrap_or(token.encoding)),
    };
    let repeated = match refresh.repeat_scopes {
        true => provider
            .joined(scopes.iter().map(String::as_str))
            .map_err(not_sent)?,
        false => None,
    };
    let build = |secret: Option<&Secret>| {
        let mut request = Outgoing::new(refresh.method, url.clone(), encoding, &token.headers)?;
        let parameters = &mut request.parameters;
        parameters.set("grant_type", "refresh_token");
        parameters.set(&refresh.token_param, refresh_token.expose());
        if let Some(scopes) = &repeated {
            parameters.set("scope", scopes.as_str());
        }
        if refresh.repeat_redirect_uri {
            parameters.set("redirect_uri", redirect_uri);
        }
        let value = |name: &str| provider.param_value(name, secret, Some(refresh_token));
        parameters.set_all(&refresh.params, value);
        if refresh.client_auth {
            provider.authenticate(&mut request, secret)?;
        }
        Ok(request)
    };
    provider.send(TokenFailureKind::ClientRejected, build).await
}
