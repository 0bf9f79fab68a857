//! Who is signed in at the provider in a browser: an account of its own, where the behaviour's shall not do for all.

use axum::{
    extract::Query,
    http::{HeaderMap, header},
    response::IntoResponse,
};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use url::Url;

use crate::behaviour::Account;

const COOKIE: &str = "simulator-account";

/// `GET /sign-in?sub=...&email=...&name=...`: whoever consents in this browser from now on is that account.
pub(crate) async fn sign_in(Query(account): Query<Account>) -> impl IntoResponse {
    let value = URL_SAFE_NO_PAD.encode(serde_json::json!(account).to_string());
    let cookie = format!("{COOKIE}={value}; HttpOnly; Path=/");
    ([(header::SET_COOKIE, cookie)], "Signed in.\n")
}

/// The URL of that page.
pub(crate) fn url(base_url: &str, account: &Account) -> String {
    let parameters = [
        ("sub", &account.sub),
        ("email", &account.email),
        ("name", &account.name),
    ];
    Url::parse_with_params(&format!("{base_url}/sign-in"), parameters)
        .map(String::from)
        .unwrap_or_default()
}

/// The account that is signed in in the browser which sent these headers.
pub(crate) fn signed_in(headers: &HeaderMap) -> Option<Account> {
    let cookies = headers.get_all(header::COOKIE).into_iter();
    let value = cookies
        .filter_map(|line| line.to_str().ok())
        .flat_map(|line| line.split(';'))
        .filter_map(|pair| pair.trim().split_once('='))
        .find_map(|(name, value)| (name == COOKIE).then_some(value))?;
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(value).ok()?).ok()
}
