//! `POST /device`: codes for devices without a browser (RFC 8628), which are decided by the test or by a person's page.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use axum::{
    Json,
    body::Bytes,
    extract::State,
    http::HeaderMap,
    response::{IntoResponse, Response},
};
use serde_json::json;

use crate::{
    Simulator,
    authorization::scopes_of,
    behaviour::Behaviour,
    event::{ClientAuth, Happening},
    grants::{Consented, Issued},
    provider::{Provider, locked},
    random,
    redemption::Refusal,
    token_answer,
    token_request::TokenRequest,
};

pub(crate) const DEVICE_CODE: &str = "urn:ietf:params:oauth:grant-type:device_code";

/// The shortest time between two questions that is announced; sooner ones are told to slow down.
const INTERVAL: Duration = Duration::from_secs(1);

/// How long codes are good.
const LIFETIME: Duration = Duration::from_secs(300);

/// Codes that were given to devices.
#[derive(Default)]
pub(crate) struct Devices(Mutex<HashMap<String, Device>>);

struct Device {
    client_id: String,
    user_code: String,
    scopes: Vec<String>,
    /// What the person decided.
    granted: Option<bool>,
    expires: Instant,
    /// When the last question came.
    asked: Instant,
}

impl Simulator {
    /// The person enters a device's code, and consents or not.
    pub fn decide_device(&self, user_code: &str, granted: bool) {
        let mut devices = locked(&self.provider().devices.0);
        let mut entered = devices.values_mut();
        if let Some(device) = entered.find(|device| device.user_code == user_code) {
            device.granted = Some(granted);
        }
    }

    /// Ends a device's code as its time does.
    pub fn expire_device(&self, user_code: &str) {
        let mut devices = locked(&self.provider().devices.0);
        let mut entered = devices.values_mut();
        if let Some(device) = entered.find(|device| device.user_code == user_code) {
            device.expires = Instant::now();
        }
    }
}

/// `POST /device` (RFC 8628 section 3.1).
pub(crate) async fn authorize(
    State(provider): State<Arc<Provider>>,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let request = TokenRequest::read(&headers, &body);
    let asked = request.and_then(|request| {
        let client_id = request.authenticate(&provider)?.to_owned();
        let scopes = request.parameter("scope").map(scopes_of);
        Ok((client_id, scopes.unwrap_or_default()))
    });
    let (client_id, scopes) = match asked {
        Ok(asked) => asked,
        Err(refusal) => {
            provider.refuse("device", refusal.0);
            let behaviour = provider.conduct.towards(None);
            return token_answer::refused(&behaviour, ClientAuth::None, refusal);
        }
    };
    let (device_code, user_code) = (random::id("device-sim-"), random::id("user-"));
    provider.record(|records| records.books.keep_secret(&device_code));
    let now = Instant::now();
    let device = Device {
        client_id,
        user_code: user_code.clone(),
        scopes,
        granted: None,
        expires: now + LIFETIME,
        asked: now,
    };
    locked(&provider.devices.0).insert(device_code.clone(), device);
    Json(json!({
        "device_code": device_code,
        "user_code": user_code,
        "verification_uri": format!("{}/device", provider.base_url),
        "verification_uri_complete": format!("{}/device?user_code={user_code}", provider.base_url),
        "expires_in": LIFETIME.as_secs(),
        "interval": INTERVAL.as_secs(),
    }))
    .into_response()
}

/// The answer to a device that asks (RFC 8628 section 3.5). A code brings tokens once.
pub(crate) fn redeem(
    provider: &Provider,
    request: &TokenRequest,
    client_id: &str,
    behaviour: &Behaviour,
) -> Result<Issued, Refusal> {
    let device_code = request.required("device_code")?;
    let consented = decided(provider, device_code, client_id, behaviour)?;
    let consented = Arc::new(consented);
    Ok(provider.record(|records| {
        let issued = records.grant(&consented, behaviour);
        records.books.note(Happening::Granted {
            client_id: client_id.to_owned(),
            family: issued.family,
        });
        issued
    }))
}

fn decided(
    provider: &Provider,
    device_code: &str,
    client_id: &str,
    behaviour: &Behaviour,
) -> Result<Consented, Refusal> {
    let mut devices = locked(&provider.devices.0);
    let known = devices.get_mut(device_code);
    let device = known
        .filter(|device| device.client_id == client_id)
        .ok_or(Refusal("invalid_grant"))?;
    let now = Instant::now();
    if device.expires <= now {
        return Err(Refusal("expired_token"));
    }
    let since = now.duration_since(std::mem::replace(&mut device.asked, now));
    if since < INTERVAL {
        return Err(Refusal("slow_down"));
    }
    match device.granted {
        None => Err(Refusal("authorization_pending")),
        Some(false) => Err(Refusal("access_denied")),
        Some(true) => {
            let scopes = std::mem::take(&mut device.scopes);
            devices.remove(device_code);
            Ok(Consented {
                client_id: client_id.to_owned(),
                redirect_uri: String::new(),
                code_challenge: None,
                nonce: None,
                scopes,
                account: behaviour.account.clone(),
            })
        }
    }
}
