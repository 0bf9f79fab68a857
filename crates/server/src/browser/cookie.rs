//! The cookie that binds an attempt to the browser that opened its ticket.

use axum::http::{HeaderMap, header};
use tokend_model::Secret;
use tokend_vending::OpenedTicket;

/// The `Set-Cookie` value. `Lax`, because the provider's redirect back is a top-level navigation from elsewhere.
pub(super) fn bind(opened: &OpenedTicket, https: bool) -> String {
    let secure = if https { "; Secure" } else { "" };
    // Rounded up: a browser drops a cookie of 0 seconds at once.
    let max_age = opened.time_to_live.as_millis().div_ceil(1000);
    format!(
        "{}={}; Path=/oauth; HttpOnly; SameSite=Lax; Max-Age={max_age}{secure}",
        opened.binding_name,
        opened.browser_binding.expose(),
    )
}

/// The value this browser holds under that name.
pub(super) fn read(headers: &HeaderMap, name: &str) -> Option<Secret> {
    headers
        .get_all(header::COOKIE)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|line| line.split(';'))
        .filter_map(|pair| pair.trim().split_once('='))
        .find(|(key, _)| *key == name)
        .map(|(_, value)| Secret::new(value))
}
