//! The check of connection config values against a definition's fields.

use std::collections::BTreeMap;

use tokend_model::{ConnectionConfig, ConnectionConfigField, InvalidConnectionConfig};

use crate::{Capture, CaptureFrom, Definition};

/// The longest value, in bytes.
const MAX_VALUE: usize = 2048;

impl Definition {
    /// Checks what an operator gives with a connector: known keys, matching values, and all that only an operator can give.
    pub(crate) fn check_connector_config(
        &self,
        given: &BTreeMap<String, String>,
    ) -> Result<ConnectionConfig, InvalidConnectionConfig> {
        let mut violations = self.mismatches(given);
        for field in self.required().filter(|field| field.operator_only) {
            if !given.contains_key(&field.name) {
                violations.push((
                    field.name.clone(),
                    "is required on the connector".to_owned(),
                ));
            }
        }
        settle(given.clone(), violations)
    }

    /// Checks what is given when connecting, over the connector's values, and fills in the defaults.
    pub(crate) fn check_connection_config(
        &self,
        of_connector: &ConnectionConfig,
        given: &BTreeMap<String, String>,
    ) -> Result<ConnectionConfig, InvalidConnectionConfig> {
        let mut values: ConnectionConfig = of_connector
            .iter()
            .filter(|(name, _)| self.field(name).is_some())
            .map(|(name, value)| (name.clone(), value.clone()))
            .collect();
        let mut violations = Vec::new();
        for (name, value) in given {
            if self.field(name).is_some_and(|field| field.operator_only) {
                let why = "can only be set on the connector, by an operator";
                violations.push((name.clone(), why.to_owned()));
            } else if values.get(name).is_some_and(|fixed| fixed != value) {
                let why = "is fixed by the connector";
                violations.push((name.clone(), why.to_owned()));
            } else {
                values.insert(name.clone(), value.clone());
            }
        }
        for field in self.asked_fields() {
            if let Some(default) = &field.default_value {
                values
                    .entry(field.name.clone())
                    .or_insert_with(|| default.clone());
            }
        }
        violations.extend(self.mismatches(&values));
        for field in self.required() {
            if !values.contains_key(&field.name) {
                violations.push((field.name.clone(), "is required".to_owned()));
            }
        }
        settle(values, violations)
    }

    /// What the parameters of the provider's callback tell.
    pub(crate) fn learn_from_callback(
        &self,
        parameters: &BTreeMap<String, String>,
    ) -> Result<ConnectionConfig, InvalidConnectionConfig> {
        let mut values = ConnectionConfig::new();
        let mut violations = Vec::new();
        let of_callback = |capture: &&Capture| capture.from == CaptureFrom::Callback;
        for capture in self.captures.iter().filter(of_callback) {
            let name = capture.pointer.as_str().trim_start_matches('/');
            let told = parameters
                .get(name)
                .filter(|value| value.len() <= MAX_VALUE && capture.pattern.matches(value));
            match told.or(capture.default.as_ref()) {
                Some(value) => {
                    values.insert(capture.name.clone(), value.clone());
                }
                None if capture.required => {
                    let why = format!("the provider's answer has no valid {name}");
                    violations.push((capture.name.clone(), why));
                }
                None => {}
            }
        }
        settle(values, violations)
    }

    /// Checks values that somebody else learnt from the provider.
    pub(crate) fn check_learned_config(
        &self,
        given: &BTreeMap<String, String>,
    ) -> Result<ConnectionConfig, InvalidConnectionConfig> {
        let mismatch = |(name, value): (&String, &String)| {
            let capture = self.all_captures().find(|capture| capture.name == *name);
            let why = match capture {
                None => "is not learnt from this integration type's provider",
                Some(capture) if value.len() <= MAX_VALUE && capture.pattern.matches(value) => {
                    return None;
                }
                Some(_) => "does not look like what the provider tells",
            };
            Some((name.clone(), why.to_owned()))
        };
        let violations = given.iter().filter_map(mismatch).collect();
        settle(given.clone(), violations)
    }

    /// The fields that have to be given because there is no default.
    fn required(&self) -> impl Iterator<Item = &ConnectionConfigField> {
        self.asked_fields()
            .filter(|field| field.required && field.default_value.is_none())
    }

    fn mismatches(&self, values: &BTreeMap<String, String>) -> Vec<(String, String)> {
        values
            .iter()
            .filter_map(|(name, value)| {
                let why = self.mismatch(name, value)?;
                Some((name.clone(), why))
            })
            .collect()
    }

    fn mismatch(&self, name: &str, value: &str) -> Option<String> {
        let (Some(field), Some(pattern)) = (self.field(name), self.patterns.get(name)) else {
            let known: Vec<&str> = self.patterns.keys().map(String::as_str).collect();
            return Some(match known.as_slice() {
                [] => "is not known; this integration type takes no values".to_owned(),
                known => format!("is not known; there are: {}", known.join(", ")),
            });
        };
        if value.len() > MAX_VALUE || value.chars().any(char::is_control) {
            Some(format!(
                "must be at most {MAX_VALUE} bytes without control characters"
            ))
        } else if pattern.matches(value) {
            None
        } else {
            Some(field.validation_error.clone())
        }
    }
}

fn settle(
    values: ConnectionConfig,
    violations: Vec<(String, String)>,
) -> Result<ConnectionConfig, InvalidConnectionConfig> {
    if violations.is_empty() {
        Ok(values)
    } else {
        Err(InvalidConnectionConfig { violations })
    }
}
