//! The device authorization endpoint (RFC 8628), with a person who may be slow to enter the code.

use serde_json::json;

use crate::{
    books::Asked,
    client_auth::nothing_left,
    dialect::{Device, Encoding},
    provider::{Provider, Refusal, random},
    wire::{Answer, Params, Request, text},
};

impl Provider {
    /// Issues a device code.
    pub(crate) fn device_authorization(
        &self,
        device: &Device,
        request: &Request,
    ) -> Result<Answer, Refusal> {
        let read = request.params("", &[Encoding::Form]);
        let mut params = read.map_err(Refusal::request)?;
        // Clients that prove themselves need not be named (RFC 8628 section 3.1).
        let proven = request.basic() == Some((self.client_id.clone(), self.client_secret.clone()));
        let id = params
            .remove(&self.dialect.client.id_param)
            .as_ref()
            .map(text);
        let secret = params
            .remove(&self.dialect.client.secret_param)
            .as_ref()
            .map(text);
        let named = id.as_ref() == Some(&self.client_id);
        if !(named || proven && id.is_none())
            || secret.is_some_and(|secret| secret != self.client_secret)
        {
            return Err(Refusal::new(
                401,
                "invalid_client",
                "client_id, or HTTP Basic",
            ));
        }
        let scopes = params
            .remove("scope")
            .as_ref()
            .map(text)
            .unwrap_or_default();
        nothing_left(&params)?;
        let asked = self.scopes_asked(&scopes)?;
        let code = random("device");
        self.books().codes.insert(code.clone(), asked);
        let body = json!({
            "device_code": code,
            "user_code": "WDJB-MJHT",
            device.verification_uri_member.as_str(): device.verification_uri,
            "expires_in": 900,
            "interval": 1,
        });
        Ok(Answer {
            status: 200,
            body: body.to_string(),
        })
    }

    /// What was asked for, once the person has entered the code.
    pub(crate) fn polled(&self, params: &mut Params) -> Result<Option<Asked>, Refusal> {
        params.remove("grant_type");
        let code = params
            .remove("device_code")
            .as_ref()
            .map(text)
            .unwrap_or_default();
        let mut books = self.books();
        let unknown = || Refusal::new(400, "invalid_grant", "this device code was not issued");
        let asked = books.codes.get_mut(&code).ok_or_else(unknown)?;
        asked.polls += 1;
        let slow = self
            .dialect
            .device
            .as_ref()
            .is_some_and(|device| device.slow);
        match slow && asked.polls == 1 {
            true => Ok(None),
            false => Ok(books.codes.remove(&code)),
        }
    }
}
