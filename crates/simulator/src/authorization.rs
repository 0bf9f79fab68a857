//! `GET /authorize`: the consent that gives itself (RFC 6749 section 4.1.1, RFC 7636, RFC 9207).

use std::{collections::BTreeMap, sync::Arc};

use axum::{
    extract::{Query, State},
    http::{HeaderMap, StatusCode, header},
    response::{IntoResponse, Response},
};
use url::Url;

use crate::{
    behaviour::{Behaviour, Consent},
    browser::is_loopback,
    event::Happening,
    grants::Consented,
    options::Client,
    provider::Provider,
    sign_in::signed_in,
};

/// Answers with a redirect back to the client, or, when it is not safe to redirect, with a plain error.
pub(crate) async fn authorize(
    State(provider): State<Arc<Provider>>,
    Query(query): Query<BTreeMap<String, String>>,
    headers: HeaderMap,
) -> Response {
    let parameter = |name: &str| {
        query
            .get(name)
            .map(String::as_str)
            .filter(|value| !value.is_empty())
    };
    if let Some(state) = parameter("state") {
        provider.record(|records| records.books.keep_secret(state));
    }
    // Without a known client and its own redirect URI there is nowhere safe to send the browser (section 4.1.2.1).
    let Some(client) = parameter("client_id").and_then(|id| provider.client(id)) else {
        return unsafe_to_redirect(&provider, "unknown client_id");
    };
    let redirect_uri = parameter("redirect_uri").filter(|uri| is_registered(&client, uri));
    let Some((redirect_uri, mut back)) =
        redirect_uri.and_then(|uri| Some((uri, Url::parse(uri).ok()?)))
    else {
        return unsafe_to_redirect(&provider, "redirect_uri is not registered");
    };

    let behaviour = provider.conduct.towards(Some(&client.id));
    let outcome = check(&behaviour, &parameter).map(|()| {
        let consented = Consented {
            client_id: client.id.clone(),
            redirect_uri: redirect_uri.to_owned(),
            code_challenge: parameter("code_challenge").map(str::to_owned),
            nonce: parameter("nonce").map(str::to_owned),
            scopes: granted_scopes(&behaviour, &parameter),
            account: signed_in(&headers).unwrap_or_else(|| behaviour.account.clone()),
        };
        provider.record(|records| {
            let scopes = consented.scopes.clone();
            records.books.note(Happening::Authorized {
                client_id: client.id.clone(),
                scopes,
            });
            records.issue_code(consented)
        })
    });
    if let Err(error) = &outcome {
        provider.refuse("authorize", error);
    }
    let (name, value) = outcome.map_or_else(|error| ("error", error), |code| ("code", code));
    back.query_pairs_mut().append_pair(name, &value);
    if let Some(state) = parameter("state") {
        back.query_pairs_mut().append_pair("state", state);
    }
    back.query_pairs_mut()
        .append_pair("iss", &provider.base_url);
    (StatusCode::FOUND, [(header::LOCATION, back.to_string())]).into_response()
}

/// Scopes separated by spaces (RFC 6749 section 3.3) or by commas, as GitHub and Slack have them.
pub(crate) fn scopes_of(text: &str) -> Vec<String> {
    text.split([' ', ','])
        .filter(|scope| !scope.is_empty())
        .map(str::to_owned)
        .collect()
}

fn check<'a>(
    behaviour: &Behaviour,
    parameter: &impl Fn(&str) -> Option<&'a str>,
) -> Result<(), String> {
    if parameter("response_type") != Some("code") {
        return Err("unsupported_response_type".to_owned());
    }
    match (
        parameter("code_challenge"),
        parameter("code_challenge_method"),
    ) {
        (None, _) if behaviour.requires_pkce => return Err("invalid_request".to_owned()),
        // "plain" is not offered, and it is what a missing method means (RFC 7636 section 4.3).
        (Some(_), method) if method != Some("S256") => return Err("invalid_request".to_owned()),
        _ => {}
    }
    match &behaviour.consent {
        Consent::Granted => Ok(()),
        Consent::Denied => Err("access_denied".to_owned()),
        Consent::Error(error) => Err(error.clone()),
    }
}

/// What was asked, without what the user cannot be made to grant. `user_scope` is Slack's for user tokens.
fn granted_scopes<'a>(
    behaviour: &Behaviour,
    parameter: &impl Fn(&str) -> Option<&'a str>,
) -> Vec<String> {
    let asked = ["scope", "user_scope"]
        .into_iter()
        .filter_map(parameter)
        .flat_map(scopes_of);
    let grantable = |scope: &String| {
        behaviour
            .grantable_scopes
            .as_ref()
            .is_none_or(|all| all.contains(scope))
    };
    asked.filter(grantable).collect()
}

fn is_registered(client: &Client, redirect_uri: &str) -> bool {
    if client.redirect_uris.is_empty() {
        return Url::parse(redirect_uri).is_ok_and(|uri| is_loopback(&uri));
    }
    client
        .redirect_uris
        .iter()
        .any(|registered| registered == redirect_uri)
}

fn unsafe_to_redirect(provider: &Provider, why: &'static str) -> Response {
    provider.refuse("authorize", why);
    (StatusCode::BAD_REQUEST, why).into_response()
}
