//! The device authorization grant (RFC 8628): a code is shown on a device and entered elsewhere.

use std::time::Duration;

use serde_json::Value;
use tokend_catalog::{CallEncoding, Device, Method, is_loopback};
use tokend_model::ports::{DeviceAnswer, DeviceAuthorization, InvalidRegistration};
use tokend_model::{RawTokenAnswer, Secret, TokenFailure, TokenFailureKind};
use url::Url;

use crate::answer::{read_first, read_success};
use crate::body::read_json;
use crate::failure::{failure, reported_code};
use crate::outgoing::{Outgoing, Parameters};
use crate::provider::{Provider, not_sent};

/// What is waited between two questions where the provider does not say (RFC 8628 section 3.2).
const DEFAULT_INTERVAL_SECONDS: u64 = 5;

/// The longest time that is believed, in seconds.
const MAX_SECONDS: u64 = 24 * 3600;

/// The longest code for people that is shown, in bytes.
const MAX_USER_CODE: usize = 64;

/// Asks for a device code.
pub(crate) async fn request_device_code(
    provider: &Provider<'_>,
    scopes: &[String],
) -> Result<DeviceAuthorization, TokenFailure> {
    let device = device(provider).map_err(not_sent)?;
    let url = provider.url(&device.url).map_err(not_sent)?;
    let joined = provider.joined(scopes.iter().map(String::as_str));
    let joined = joined.map_err(not_sent)?;
    let headers = &provider.token().map_err(not_sent)?.headers;
    let build = |secret: Option<&Secret>| {
        let mut request = Outgoing::new(Method::Post, url.clone(), CallEncoding::Form, headers)?;
        let value = |name: &str| provider.param_value(name, secret, None);
        request.parameters.set_all(&device.params, value);
        if let Some(scopes) = &joined {
            request.parameters.set("scope", scopes.as_str());
        }
        // Section 3.1: as at the token endpoint.
        provider.authenticate(&mut request, secret)?;
        Ok(request)
    };
    let raw = provider
        .send(TokenFailureKind::ClientRejected, build)
        .await?;
    let answer = read_success(&provider.definition, &raw)?;
    read_authorization(&answer).ok_or_else(|| {
        failure(
            TokenFailureKind::Garbage,
            "no usable device code, user code, verification URI and lifetime",
        )
    })
}

/// Asks once for the token.
pub(crate) async fn redeem_device_code(
    provider: &Provider<'_>,
    device_code: &Secret,
) -> Result<DeviceAnswer, TokenFailure> {
    let device = device(provider).map_err(not_sent)?;
    let mut grant = Parameters::default();
    grant.set("grant_type", device.grant_type.as_str());
    grant.set("device_code", device_code.expose());
    let raw = provider.send_grant(&grant).await?;
    if let Some(told) = told(provider, &raw) {
        return Ok(told);
    }
    let answer = read_first(&provider.definition, &raw)?;
    Ok(DeviceAnswer::Granted(Box::new(answer)))
}

fn device<'p>(provider: &'p Provider<'_>) -> Result<&'p Device, InvalidRegistration> {
    provider.definition.device.as_ref().ok_or_else(|| {
        InvalidRegistration("the integration type is not connected from devices".to_owned())
    })
}

/// What is said instead of a token, where it is no failure (RFC 8628 section 3.5).
fn told(provider: &Provider<'_>, raw: &RawTokenAnswer) -> Option<DeviceAnswer> {
    let body = read_json(raw.content_type.as_deref(), &raw.body)?;
    match reported_code(&body, &provider.definition.errors)?.as_str() {
        "authorization_pending" => Some(DeviceAnswer::Pending { slow_down: false }),
        "slow_down" => Some(DeviceAnswer::Pending { slow_down: true }),
        // The second is a word from before the RFC.
        "access_denied" | "authorization_declined" => Some(DeviceAnswer::Denied),
        "expired_token" => Some(DeviceAnswer::Expired),
        _ => None,
    }
}

fn read_authorization(answer: &Value) -> Option<DeviceAuthorization> {
    let text = |name: &str| answer.get(name).and_then(Value::as_str);
    let seconds = |name: &str| match answer.get(name)? {
        Value::Number(number) => number.as_u64(),
        Value::String(text) => text.trim().parse().ok(),
        _ => None,
    };
    let user_code = text("user_code")?.trim();
    let fits = !user_code.is_empty()
        && user_code.len() <= MAX_USER_CODE
        && !user_code.chars().any(char::is_control);
    let device_code = text("device_code").filter(|code| !code.is_empty())?;
    // Drafts called it a URL, and some providers still do.
    let uri = text("verification_uri").or(text("verification_url"));
    let time_to_live = seconds("expires_in").filter(|seconds| *seconds > 0)?;
    let interval = seconds("interval").unwrap_or(DEFAULT_INTERVAL_SECONDS);
    Some(DeviceAuthorization {
        device_code: Secret::new(device_code),
        user_code: fits.then(|| user_code.to_owned())?,
        verification_uri: for_a_browser(uri?)?,
        verification_uri_complete: text("verification_uri_complete").and_then(for_a_browser),
        time_to_live: Duration::from_secs(time_to_live.min(MAX_SECONDS)),
        poll_interval: Duration::from_secs(interval.clamp(1, MAX_SECONDS)),
    })
}

/// A page that a person may be sent to.
fn for_a_browser(uri: &str) -> Option<String> {
    let url = Url::parse(uri).ok()?;
    let fits = url.scheme() == "https" || url.scheme() == "http" && is_loopback(&url);
    fits.then(|| uri.to_owned())
}
