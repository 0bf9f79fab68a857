//! What is the same about all requests in which the client proves itself: its proof, headers, and fixed parameters.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::{
    dialect::{ClientAuth, Encoding},
    provider::{Provider, Refusal},
    wire::{Answer, Params, Request, text},
};

/// What one endpoint demands of every request.
pub(crate) struct Demands<'d> {
    pub(crate) url: &'d str,
    pub(crate) auth: &'d [ClientAuth],
    pub(crate) encoding: &'d [Encoding],
    pub(crate) headers: &'d BTreeMap<String, String>,
    pub(crate) params: &'d BTreeMap<String, Value>,
    pub(crate) optional: &'d [String],
}

impl Provider {
    /// The parameters that are left when all of that is there.
    pub(crate) fn met(&self, demands: &Demands<'_>, request: &Request) -> Result<Params, Refusal> {
        let own_query = demands.url.split_once('?').map_or("", |(_, query)| query);
        let read = request.params(own_query, demands.encoding);
        let mut params = read.map_err(Refusal::request)?;
        headers(demands.headers, request)?;
        self.client(demands.auth, request, &mut params)?;
        for (name, expected) in demands.params {
            let given = params.remove(name);
            let same = given
                .as_ref()
                .is_some_and(|given| text(given) == text(expected));
            if !same {
                return Err(Refusal::request(format!("{name} is not {expected}")));
            }
        }
        params.retain(|name, _| !demands.optional.contains(name));
        Ok(params)
    }

    fn client(
        &self,
        accepted: &[ClientAuth],
        request: &Request,
        params: &mut Params,
    ) -> Result<(), Refusal> {
        // What proves nothing there is not taken: it is left over, and complained about.
        if accepted == [ClientAuth::None] || accepted == [ClientAuth::Assertion] {
            return Ok(());
        }
        let names = &self.dialect.client;
        let mut take = |name: &str| params.remove(name).as_ref().map(text);
        let id = take(&names.id_param);
        let secret = take(&names.secret_param);
        let assertion = take("client_assertion").zip(take("client_assertion_type"));
        let basic = request.basic();
        let expected = (self.client_id.clone(), self.client_secret.clone());
        let (used, good) = match (basic, secret, assertion) {
            (Some(pair), None, None) => (ClientAuth::ClientSecretBasic, pair == expected),
            (None, Some(secret), None) => {
                let good = id.clone().map(|id| (id, secret)) == Some(expected);
                (ClientAuth::ClientSecretPost, good)
            }
            (None, None, Some((assertion, kind))) => {
                let usual = kind == "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";
                (
                    ClientAuth::PrivateKeyJwt,
                    usual && self.believes(&assertion).is_ok(),
                )
            }
            (None, None, None) => (ClientAuth::None, false),
            _ => return Err(self.invalid_client("the client proves itself in two ways".to_owned())),
        };
        let same_id = id.is_none_or(|id| id == self.client_id);
        match accepted.contains(&used) && good && same_id {
            true => Ok(()),
            false => Err(self.invalid_client(format!(
                "{used:?} with good values: {good}; accepted: {accepted:?}"
            ))),
        }
    }

    fn invalid_client(&self, complaint: String) -> Refusal {
        let own = self.dialect.token.as_ref();
        let own = own.and_then(|token| token.invalid_client.as_ref());
        Refusal {
            answer: own.map_or_else(|| Answer::error(401, "invalid_client"), Answer::from),
            complaint,
        }
    }
}

/// All headers have to be there; of media types, the one meant.
pub(crate) fn headers(
    expected: &BTreeMap<String, String>,
    request: &Request,
) -> Result<(), Refusal> {
    for (name, value) in expected {
        let given = request.header(name);
        let media = given
            .split(',')
            .map(|range| range.split(';').next().unwrap_or_default().trim());
        if given != value && !media.into_iter().any(|range| range == value) {
            return Err(Refusal::request(format!(
                "the header {name} is not {value:?}"
            )));
        }
    }
    Ok(())
}

/// What is left of the parameters is not known here.
pub(crate) fn nothing_left(params: &Params) -> Result<(), Refusal> {
    match params.is_empty() {
        true => Ok(()),
        false => Err(Refusal::request(format!(
            "unknown parameters: {:?}",
            params.keys()
        ))),
    }
}
