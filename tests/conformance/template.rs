//! Answers are JSON texts in which `$name` stands for what the provider fills in.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use serde_json::{Map, Value, json};

use crate::{books::Line, clock::now, provider::Provider};

impl Provider {
    /// The text with its values. A member whose value is not there is left out.
    pub(crate) fn rendered(&self, template: &str, line: Option<&Line>) -> String {
        self.rendered_with(template, line, None)
    }

    /// The same, with the values of a second token as `$second:name`.
    pub(crate) fn rendered_with(
        &self,
        template: &str,
        line: Option<&Line>,
        second: Option<&Line>,
    ) -> String {
        if template.is_empty() {
            return String::new();
        }
        let template: Value = serde_json::from_str(template).unwrap();
        self.value(&template, line, second)
            .unwrap_or_default()
            .to_string()
    }

    fn value(&self, template: &Value, line: Option<&Line>, second: Option<&Line>) -> Option<Value> {
        Some(match template {
            Value::String(text) => match (text.strip_prefix('$'), line) {
                (Some(name), Some(line)) => {
                    return match name.strip_prefix("second:") {
                        Some(name) => self.filled_in(name, second?),
                        None => self.filled_in(name, line),
                    };
                }
                _ => template.clone(),
            },
            Value::Array(items) => items
                .iter()
                .filter_map(|item| self.value(item, line, second))
                .collect(),
            Value::Object(members) => members
                .iter()
                .filter_map(|(name, value)| Some((name.clone(), self.value(value, line, second)?)))
                .collect::<Map<_, _>>()
                .into(),
            other => other.clone(),
        })
    }

    fn filled_in(&self, name: &str, line: &Line) -> Option<Value> {
        Some(match name {
            "access_token" => line.newest().into(),
            "interim_token" => line.interim.clone()?.into(),
            "refresh_token" => line.refresh.clone()?.into(),
            "scope_spaces" => self.reported(line).join(" ").into(),
            "scope_commas" => self.reported(line).join(",").into(),
            "scope_list" => self.reported(line).into(),
            "expires_at" => in_an_hour().into(),
            "id_token" => {
                let openid = line.scopes.iter().any(|scope| scope == "openid");
                openid.then(|| self.id_token())?.into()
            }
            other => panic!("no answer has ${other}"),
        })
    }

    /// The granted scopes in the words of the provider.
    fn reported(&self, line: &Line) -> Vec<String> {
        let rule = self.dialect.authorize.as_ref();
        let Some(rule) = rule.and_then(|authorize| authorize.scope.as_ref()) else {
            return line.scopes.clone();
        };
        let told = line
            .scopes
            .iter()
            .filter(|scope| !rule.unreported.contains(scope));
        told.map(|scope| rule.reported_as.get(scope).unwrap_or(scope).clone())
            .collect()
    }

    /// An ID token of the right form. Nobody checks its signature where it comes straight from the token endpoint
    /// (OpenID Connect Core section 3.1.3.7), so it has none worth the name.
    fn id_token(&self) -> String {
        let account = &self.dialect.account;
        let header = json!({"alg": "RS256", "typ": "JWT"});
        let claims = json!({
            "sub": account.id, "email": account.email, "name": account.name, "aud": self.client_id,
        });
        let encoded = [header, claims].map(|part| URL_SAFE_NO_PAD.encode(part.to_string()));
        format!("{}.{}.c2ln", encoded[0], encoded[1])
    }
}

/// RFC 3339, as GitHub writes it.
fn in_an_hour() -> String {
    let at = prost_types::Timestamp {
        seconds: now() + 3600,
        nanos: 0,
    };
    at.to_string()
}
