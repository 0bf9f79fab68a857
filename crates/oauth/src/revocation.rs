//! Ends a grant at the provider: RFC 7009, or what the definition says instead.

use http::header;
use serde_json::json;
use tokend_catalog::{ClientAuth, Encoding, RevocableToken, Revoke, RevokeAuth};
use tokend_model::{Credential, Secret, TokenFailure, TokenFailureKind};

use crate::body::read_object;
use crate::failure::{by_body, failure};
use crate::provider::{Provider, definition_headers, http_method, not_sent};
use crate::transport::Transport;

/// Revokes the credential; `false` where there is no endpoint, or none that takes what the credential has.
pub(crate) async fn revoke(
    transport: &Transport,
    provider: &Provider<'_>,
    credential: &Credential,
) -> Result<bool, TokenFailure> {
    let Some(revoke) = &provider.definition.revoke else {
        return Ok(false);
    };
    let Some(url) = provider.url_if_given(&revoke.url).map_err(not_sent)? else {
        return Ok(false);
    };
    let Some(token) = preferred(revoke, credential) else {
        return Ok(false);
    };
    let mut request = transport
        .client()
        .request(http_method(revoke.method), url)
        .header(header::ACCEPT, "application/json")
        .headers(definition_headers(&revoke.headers)?);
    let mut members = vec![(revoke.param.as_str(), token.expose())];
    let connector = provider.registration.connector;
    match (revoke.auth, provider.client_auth().map_err(not_sent)?) {
        (RevokeAuth::None, _) => {}
        (RevokeAuth::Bearer, _) => {
            request = request.bearer_auth(token.expose());
            members.clear();
        }
        (RevokeAuth::ClientSecretBasic, _)
        | (RevokeAuth::AsToken, ClientAuth::ClientSecretBasic) => {
            request = provider.basic_auth(request);
        }
        (RevokeAuth::AsToken, ClientAuth::ClientSecretPost | ClientAuth::None) => {
            members.push(("client_id", &connector.client_id));
            if let Some(secret) = &connector.client_secret {
                members.push(("client_secret", secret.expose()));
            }
        }
    }
    request = match revoke.encoding {
        Encoding::Form => request.form(&members),
        Encoding::Json => {
            let object: serde_json::Map<_, _> = members
                .into_iter()
                .map(|(name, value)| (name.to_owned(), json!(value)))
                .collect();
            request.json(&object)
        }
    };
    let request = request
        .build()
        .map_err(|_| failure(TokenFailureKind::NotSent, "the request could not be built"))?;
    let raw = transport.send(request).await?;
    let object = read_object(raw.content_type.as_deref(), &raw.body);
    let unauthorized = match revoke.auth {
        RevokeAuth::Bearer => TokenFailureKind::GrantRejected,
        _ => TokenFailureKind::ClientRejected,
    };
    let errors = &provider.definition.errors;
    match by_body(raw.status, object.as_ref(), errors, unauthorized) {
        None => Ok(true),
        // What is dead already need not be ended; RFC 7009 section 2.2 answers 200 to that.
        Some(failure) if failure.kind == TokenFailureKind::GrantRejected => Ok(true),
        Some(failure) => Err(failure),
    }
}

fn preferred<'c>(revoke: &Revoke, credential: &'c Credential) -> Option<&'c Secret> {
    revoke.accepts.iter().find_map(|accepted| match accepted {
        RevocableToken::RefreshToken => credential.refresh_token.as_ref(),
        RevocableToken::AccessToken => Some(&credential.access_token),
    })
}
