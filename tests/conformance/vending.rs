//! Vending, and what has to be true of whatever is vended.

use std::collections::BTreeMap;

use serde_json::Value;
use tokend_api::v1;

use crate::{
    clock::now,
    dialect::Grant,
    journey::{Failure, Journey, at},
    wire::text,
};

/// How far a lifetime may be off, in seconds: calls take their time.
const TOLERANCE: i64 = 60;

impl Journey<'_> {
    /// `GetConnection`, as a backend.
    pub(crate) async fn vend(
        &self,
        rejected_generation: Option<u32>,
    ) -> Result<v1::VendedConnection, Failure> {
        self.vend_token("", rejected_generation).await
    }

    /// The same for one of several tokens.
    async fn vend_token(
        &self,
        token: &str,
        rejected_generation: Option<u32>,
    ) -> Result<v1::VendedConnection, Failure> {
        let get = v1::GetConnectionRequest {
            integration_type: self.entry.integration_type.clone(),
            token: token.to_owned(),
            rejected_generation,
            ..Default::default()
        };
        let mut connectors = self.world.backend.connectors();
        let vended = connectors.get_connection(get).await.map_err(at("vend"))?;
        Ok(vended.into_inner())
    }

    /// The second token, where there is one, after it was renewed by itself.
    pub(crate) async fn second(&self) -> Result<Option<String>, Failure> {
        let Some(second) = &self.dialect.second else {
            return Ok(None);
        };
        let first = self.vend_token(&second.name, None).await?;
        let renewed = self
            .vend_token(&second.name, Some(first.generation))
            .await?;
        let is_second = |token: &str| {
            let mut books = self.provider.books();
            let line = books.by_access(token);
            line.is_some_and(|line| {
                line.scopes
                    .iter()
                    .all(|scope| second.scopes.contains(scope))
            })
        };
        let both = is_second(&first.access_token) && is_second(&renewed.access_token);
        match both && first.access_token != renewed.access_token {
            true => Ok(Some(renewed.access_token)),
            false => Err("the second token was not renewed by itself".to_owned()),
        }
    }

    /// What was vended works at the provider, and comes with what belongs to it.
    pub(crate) fn check(&self, vended: &v1::VendedConnection, later: bool) -> Result<(), Failure> {
        if !self.works(&vended.access_token) {
            return Err("the vended token does not work at the provider".to_owned());
        }
        self.check_config(vended, later)?;
        self.check_account(vended)?;
        self.check_lifetime(vended, later)?;
        let expected = match self.dialect.grant {
            Grant::Basic => "basic",
            _ => "bearer",
        };
        if vended.token_type.to_lowercase() != expected {
            return Err(format!("token type: {:?}", vended.token_type));
        }
        match vended.missing_scopes.is_empty() {
            true => Ok(()),
            false => Err(format!("missing scopes: {:?}", vended.missing_scopes)),
        }
    }

    fn check_config(&self, vended: &v1::VendedConnection, later: bool) -> Result<(), Failure> {
        let dialect = self.dialect;
        let mut expected: BTreeMap<_, _> = dialect.config.clone();
        expected.extend(dialect.captured.clone());
        if later {
            expected.extend(dialect.captured_later.clone());
        }
        let given: BTreeMap<_, _> = vended.connection_config.clone().into_iter().collect();
        let mut pairs = expected.iter();
        let there = pairs.all(|(name, value)| given.get(name) == Some(value));
        // Defaults may be there beside it.
        let known = |name: &String| {
            let mut fields = self.entry.connection_config_fields.iter();
            fields.any(|field| field.name == *name && !field.learned) || expected.contains_key(name)
        };
        match there && given.keys().all(known) {
            true => Ok(()),
            false => Err(format!(
                "connection config: {given:?}, expected {expected:?}"
            )),
        }
    }

    fn check_account(&self, vended: &v1::VendedConnection) -> Result<(), Failure> {
        let account = vended.account.clone().unwrap_or_default();
        let given = (&account.id, &account.email, &account.name);
        let told = &self.dialect.account;
        match given == (&told.id, &told.email, &told.name) {
            true => Ok(()),
            false => Err(format!("account: {account:?}, expected {told:?}")),
        }
    }

    /// It ends when the provider said, or at no known time.
    fn check_lifetime(&self, vended: &v1::VendedConnection, later: bool) -> Result<(), Failure> {
        let given = vended.expire_time.as_ref().map(|at| at.seconds - now());
        let told = self.lifetime(later);
        let same = match (given, told) {
            (Some(given), Some(told)) => (given - told).abs() <= TOLERANCE,
            (given, told) => given.is_none() && told.is_none(),
        };
        match same {
            true => Ok(()),
            false => Err(format!(
                "expires in {given:?} s, the provider said {told:?}"
            )),
        }
    }

    /// The seconds that the provider gives an access token, in the answer that brought it.
    fn lifetime(&self, later: bool) -> Option<i64> {
        let dialect = self.dialect;
        let first = dialect.token.as_ref().map(|token| &token.answer);
        let first = dialect.exchange.as_ref().map(|call| &call.answer).or(first);
        let renewed = dialect
            .refresh
            .as_ref()
            .and_then(|refresh| refresh.answer.as_ref());
        let answer = renewed.filter(|_| later).or(first)?;
        seconds(&serde_json::from_str(answer).unwrap())
    }

    /// Whether the provider takes this token.
    pub(crate) fn works(&self, token: &str) -> bool {
        match self.dialect.credential {
            Some(_) => self.is_entered(token),
            None => self.provider.books().works(token),
        }
    }
}

/// What `expires_in` says, wherever in the answer it is; a time is always an hour ahead.
fn seconds(answer: &Value) -> Option<i64> {
    match answer {
        Value::Object(members) => members
            .iter()
            .find_map(|(name, value)| match name.as_str() {
                "expires_in" => text(value).parse().ok(),
                "expires_at" => Some(3600),
                _ => seconds(value),
            }),
        Value::Array(items) => items.iter().find_map(seconds),
        _ => None,
    }
}
