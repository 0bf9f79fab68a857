//! The pages themselves: small, without script, without anything from elsewhere.

use axum::{
    http::{StatusCode, header},
    response::{IntoResponse, Response},
};
use maud::{DOCTYPE, Markup, html};
use tokend_access::{AccessError, Suspended};
use tokend_api::v1::ErrorReason;
use tokend_model::{Authorization, AuthorizationId, Owner, Secret};
use tokend_vending::Error;
use tonic::Code;

use crate::failure::Failure;

const STYLE: &str = include_str!("style.css");

/// `GET /oauth/style.css`
pub(super) async fn style() -> Response {
    ([(header::CONTENT_TYPE, "text/css; charset=utf-8")], STYLE).into_response()
}

/// A page that says one thing.
pub(super) fn message(status: StatusCode, title: &str, text: &str) -> Response {
    page(status, title, html! { p { (text) } })
}

/// What went wrong, in the error's words, which hold no secret and nothing of the provider's.
pub(super) fn error(error: &Error) -> Response {
    let code = ErrorReason::from_reason(error.reason())
        .unwrap_or(ErrorReason::Internal)
        .code();
    let status = match code {
        Code::InvalidArgument | Code::FailedPrecondition => StatusCode::BAD_REQUEST,
        Code::PermissionDenied => StatusCode::FORBIDDEN,
        Code::NotFound => StatusCode::NOT_FOUND,
        Code::Unavailable => StatusCode::SERVICE_UNAVAILABLE,
        _ => StatusCode::INTERNAL_SERVER_ERROR,
    };
    let body = html! {
        p { (capitalized(&error.to_string())) "." }
        p { "Go back to where you started and connect again." }
        p.reason { (error.reason()) }
    };
    page(status, "Not connected", body)
}

/// Why a call of a page's came to nothing.
pub(super) fn failure(failure: &Failure) -> Response {
    match failure {
        Failure::UseCase(found) => error(found),
        Failure::Access(AccessError::Suspended(by)) => stopped(*by),
        Failure::Access(_) => error(&Error::CompletionMismatch),
        Failure::AuditUnavailable => {
            let body = html! {
                p { "Nothing can be put on record at the moment, so nothing was connected. Try again later." }
                p.reason { (ErrorReason::AuditUnavailable.reason()) }
            };
            page(StatusCode::SERVICE_UNAVAILABLE, "Not connected", body)
        }
    }
}

/// That an operator keeps anything from being connected here now.
fn stopped(stopped: Suspended) -> Response {
    let body = html! {
        p { (capitalized(&stopped.to_string())) "." }
        p { "Nothing was connected. Try again later." }
        p.reason { "SUSPENDED" }
    };
    page(StatusCode::FORBIDDEN, "Not connected", body)
}

/// The question whether this browser's user is the one to connect.
pub(super) fn confirm(
    context: &str,
    service: &str,
    authorization: &Authorization,
    completion_token: &Secret,
    binding: &str,
) -> Response {
    let owner = match &authorization.owner {
        Owner::Shared => "the whole organisation".to_owned(),
        Owner::AppUser(id) => id.to_string(),
    };
    let body = html! {
        p { "Connect this " (service) " account for " strong { (owner) } "?" }
        p { "If that is not you, close this page: nothing has been connected." }
        (form(context, &authorization.id, completion_token, binding, html! {
            button type="submit" { "Connect" }
        }))
    };
    page(StatusCode::OK, &format!("Connect {service}"), body)
}

/// The question whether another account than the connected one is meant.
pub(super) fn confirm_other_account(
    context: &str,
    service: &str,
    authorization_id: &AuthorizationId,
    completion_token: &Secret,
    binding: &str,
) -> Response {
    let body = html! {
        p { "You gave access to another " (service) " account than the one that is connected. Use the other one from now on?" }
        p { "If that was a mistake, close this page: everything stays as it is." }
        (form(context, authorization_id, completion_token, binding, html! {
            input type="hidden" name="accept_account_change" value="true";
            button type="submit" { "Use the other account" }
        }))
    };
    page(StatusCode::OK, "Another account", body)
}

/// The form that completes an attempt in this browser.
fn form(
    context: &str,
    authorization_id: &AuthorizationId,
    completion_token: &Secret,
    binding: &str,
    rest: Markup,
) -> Markup {
    html! {
        form method="post" action={ "/oauth/complete/" (context) } {
            input type="hidden" name="authorization_id" value=(authorization_id);
            input type="hidden" name="completion_token" value=(completion_token.expose());
            input type="hidden" name="binding" value=(binding);
            (rest)
        }
    }
}

/// It worked.
pub(super) fn connected(service: &str, account: Option<&str>) -> Response {
    let body = html! {
        p {
            (service) " is connected"
            @if let Some(account) = account { " as " strong { (account) } }
            ". You can close this page."
        }
    };
    page(StatusCode::OK, "Connected", body)
}

fn page(status: StatusCode, title: &str, body: Markup) -> Response {
    let page = html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                title { (title) }
                link rel="stylesheet" href="/oauth/style.css";
            }
            body { main { h1 { (title) } (body) } }
        }
    };
    (status, page).into_response()
}

fn capitalized(text: &str) -> String {
    let mut letters = text.chars();
    letters
        .next()
        .map(|first| first.to_uppercase().chain(letters).collect())
        .unwrap_or_default()
}
