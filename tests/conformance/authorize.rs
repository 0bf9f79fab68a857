//! The authorization endpoint, with a person who always consents.

use std::collections::BTreeMap;

use ring::hmac;
use serde_json::Value;
use url::Url;

use crate::{
    books::Asked,
    dialect::{Authorize, Pkce, ScopeRule},
    provider::{Provider, random},
    wire::{Params, pairs, text},
};

impl Provider {
    /// Where the browser goes from the authorization URL; or what is wrong about that.
    pub(crate) fn consent(&self, url: &Url) -> Result<Url, String> {
        let authorize = self.dialect.authorize.as_ref();
        let authorize = authorize.ok_or("no browser was expected")?;
        let mut params = pairs(url.query().unwrap_or_default().as_bytes())?;
        let mut endpoint = url.clone();
        endpoint.set_query(None);
        if endpoint.as_str() != authorize.url {
            return Err(format!("the authorization endpoint is not {endpoint}"));
        }
        let mut take = |name: &str| params.remove(name).as_ref().map(text);
        let client_id = take(&self.dialect.client.id_param);
        demand(client_id.as_ref() == Some(&self.client_id), "client_id")?;
        let redirect_uri = take("redirect_uri");
        demand(
            redirect_uri.as_ref() == Some(&self.redirect_uri),
            "redirect_uri",
        )?;
        let response_type = take("response_type");
        let usual = response_type.as_deref() == Some("code");
        demand(
            usual || !authorize.response_type && response_type.is_none(),
            "response_type",
        )?;
        let state = take("state").unwrap_or_default();
        demand(state_is_good(authorize, &state), "state")?;
        let asked = Asked {
            challenge: challenge(authorize.pkce, &mut params)?,
            scopes: match &authorize.scope {
                Some(rule) => self.scopes(rule, &mut params)?,
                None => Vec::new(),
            },
            second: self.second_scopes(authorize, &mut params)?,
            polls: 0,
        };
        for (name, expected) in &authorize.params {
            let given = params.remove(name);
            demand(given == Some(Value::from(expected.as_str())), name)?;
        }
        params.retain(|name, _| !authorize.optional.contains(name));
        demand(params.is_empty(), &format!("{:?}: unknown", params.keys()))?;
        let code = random("code");
        let mut back = Url::parse(&self.redirect_uri).map_err(|error| error.to_string())?;
        back.query_pairs_mut()
            .extend_pairs(self.callback(authorize, &code, &state));
        let mut books = self.books();
        books.seen.challenge = asked.challenge.is_some();
        books.codes.insert(code, asked);
        Ok(back)
    }

    fn scopes(&self, rule: &ScopeRule, params: &mut Params) -> Result<Vec<String>, String> {
        let given = params.remove(&rule.param).as_ref().map(text);
        let given = given.unwrap_or_default();
        let scopes: Vec<_> = given
            .split(&rule.separator)
            .filter(|scope| !scope.is_empty())
            .map(str::to_owned)
            .collect();
        let unknown: Vec<_> = scopes
            .iter()
            .filter(|scope| !self.dialect.knows_scope(&self.integration_type, scope))
            .collect();
        if !unknown.is_empty() || scopes.is_empty() {
            return Err(format!("scopes: {unknown:?} are unknown, of {scopes:?}"));
        }
        match rule.single && scopes.len() > 1 {
            true => Err("only one scope may be asked for".to_owned()),
            false => Ok(scopes),
        }
    }

    /// The scopes of the second token.
    fn second_scopes(
        &self,
        authorize: &Authorize,
        params: &mut Params,
    ) -> Result<Vec<String>, String> {
        let (Some(second), Some(rule)) = (&self.dialect.second, &authorize.scope) else {
            return Ok(Vec::new());
        };
        let given = params.remove(&second.scope_param);
        let given = given.as_ref().map(text).unwrap_or_default();
        let asked = given
            .split(&rule.separator)
            .filter(|scope| !scope.is_empty());
        let asked: Vec<_> = asked.map(str::to_owned).collect();
        let known = asked.iter().all(|scope| second.scopes.contains(scope));
        demand(known, &second.scope_param)?;
        Ok(asked)
    }

    fn callback<'c>(
        &self,
        authorize: &'c Authorize,
        code: &'c str,
        state: &'c str,
    ) -> BTreeMap<&'c str, String> {
        let extra = authorize.callback.iter();
        let mut query: BTreeMap<_, _> = extra
            .map(|(name, value)| (name.as_str(), value.clone()))
            .chain([("code", code.to_owned()), ("state", state.to_owned())])
            .collect();
        if authorize.callback_hmac {
            // All other parameters, sorted by name, as they stand in the query.
            let pairs: Vec<_> = query
                .iter()
                .map(|(name, value)| format!("{name}={value}"))
                .collect();
            let key = hmac::Key::new(hmac::HMAC_SHA256, self.client_secret.as_bytes());
            let tag = hmac::sign(&key, pairs.join("&").as_bytes());
            let hex = tag
                .as_ref()
                .iter()
                .map(|byte| format!("{byte:02x}"))
                .collect();
            query.insert("hmac", hex);
        }
        query
    }
}

fn challenge(pkce: Pkce, params: &mut Params) -> Result<Option<String>, String> {
    let challenge = params.remove("code_challenge").as_ref().map(text);
    let method = params.remove("code_challenge_method").as_ref().map(text);
    match (&challenge, pkce) {
        (None, Pkce::Demanded) => Err("code_challenge: missing".to_owned()),
        (None, _) => Ok(None),
        (Some(_), Pkce::Forbidden) => {
            Err("code_challenge: would make it a public client".to_owned())
        }
        (Some(_), Pkce::Ignored) => Ok(None),
        (Some(given), _) => {
            // A SHA-256 in base64url (RFC 7636 section 4.2).
            demand(method.as_deref() == Some("S256"), "code_challenge_method")?;
            demand(given.len() == 43, "code_challenge")?;
            Ok(challenge)
        }
    }
}

fn state_is_good(authorize: &Authorize, state: &str) -> bool {
    match &authorize.state {
        Some(rule) => {
            (rule.shortest..=rule.longest).contains(&state.len())
                && state.chars().all(|letter| rule.letters.contains(letter))
        }
        None => !state.is_empty(),
    }
}

fn demand(holds: bool, what: &str) -> Result<(), String> {
    match holds {
        true => Ok(()),
        false => Err(format!("the authorization request: {what}")),
    }
}
