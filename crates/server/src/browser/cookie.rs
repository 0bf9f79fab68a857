//! The cookie that binds an attempt to the browser that opened its ticket.

use axum::http::{HeaderMap, header};
use tokend_model::Secret;
use tokend_vending::{OpenedTicket, binding_name};

/// The `Set-Cookie` value. `Lax`, because the provider's redirect back is a top-level navigation from elsewhere.
pub(super) fn bind(opened: &OpenedTicket, https: bool) -> String {
    let secure = if https { "; Secure" } else { "" };
    format!(
        "{}={}; Path=/oauth; HttpOnly; SameSite=Lax; Max-Age={}{secure}",
        opened.binding_name,
        opened.browser_binding.expose(),
        opened.time_to_live.as_secs(),
    )
}

/// The value this browser holds for the attempt with that state.
pub(super) fn read(headers: &HeaderMap, state: &Secret) -> Option<Secret> {
    let name = binding_name(state);
    headers
        .get_all(header::COOKIE)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|line| line.split(';'))
        .filter_map(|pair| pair.trim().split_once('='))
        .find(|(key, _)| *key == name)
        .map(|(_, value)| Secret::new(value))
}
