//! Asks the provider whose account a token is for.

use http::header;
use serde_json::Value;
use tokend_catalog::Pointer;
use tokend_model::{Account, Secret, TokenFailure, TokenFailureKind};

use crate::body::read_object;
use crate::failure::{by_body, failure};
use crate::provider::{Provider, definition_headers, http_method, not_sent};
use crate::transport::Transport;

/// The longest id, address or name that is kept, in bytes.
const MAX_TEXT: usize = 512;

/// The account as far as the provider tells; empty where the definition has no such call.
pub(crate) async fn identify(
    transport: &Transport,
    provider: &Provider<'_>,
    access_token: &Secret,
) -> Result<Account, TokenFailure> {
    let Some(identity) = &provider.definition.identity else {
        return Ok(Account::default());
    };
    let Some(url) = provider.url_if_given(&identity.url).map_err(not_sent)? else {
        return Ok(Account::default());
    };
    let request = transport
        .client()
        .request(http_method(identity.method), url)
        .header(header::ACCEPT, "application/json")
        .headers(definition_headers(&identity.headers)?)
        .bearer_auth(access_token.expose())
        .build()
        .map_err(|_| failure(TokenFailureKind::NotSent, "the request could not be built"))?;
    let raw = transport.send(request).await?;
    let object = read_object(raw.content_type.as_deref(), &raw.body);
    let unauthorized = TokenFailureKind::GrantRejected;
    let errors = &provider.definition.errors;
    if let Some(failure) = by_body(raw.status, object.as_ref(), errors, unauthorized) {
        return Err(failure);
    }
    let object = object.ok_or_else(|| {
        failure(
            TokenFailureKind::Garbage,
            "the account is not a JSON object",
        )
    })?;
    Ok(Account {
        id: first(&object, &identity.id),
        email: first(&object, &identity.email),
        name: first(&object, &identity.name),
    })
}

fn first(object: &Value, pointers: &[Pointer]) -> Option<String> {
    pointers.iter().find_map(|pointer| {
        let text = match object.pointer(pointer.as_str())? {
            Value::String(text) => text.trim().to_owned(),
            Value::Number(number) => number.to_string(),
            _ => return None,
        };
        let usable =
            !text.is_empty() && text.len() <= MAX_TEXT && !text.chars().any(char::is_control);
        usable.then_some(text)
    })
}
