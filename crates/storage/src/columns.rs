//! Values as both databases keep them alike: times as unix milliseconds, lists and maps as JSON text.

use std::collections::BTreeMap;

use chrono::DateTime;
use tokend_model::{
    AccountChange, ConnectorKind, Expiry, InvalidId, Owner, Timestamp, ports::StorageError,
};

use crate::faults::corrupt;

const EXPIRES: &str = "AT";
const EXPIRES_UNKNOWN: &str = "UNKNOWN";
const EXPIRES_NEVER: &str = "NEVER";
const SHARED: &str = "SHARED";
/// The kind of an app user's rows.
pub(crate) const APP_USER: &str = "APP_USER";
const REFUSE: &str = "REFUSE";
const ASK: &str = "ASK";
const ACCEPT: &str = "ACCEPT";

/// Reads a time.
pub(crate) fn time(what: &'static str, milliseconds: i64) -> Result<Timestamp, StorageError> {
    DateTime::from_timestamp_millis(milliseconds).ok_or_else(|| corrupt(what, "it is not a time"))
}

/// Reads a time that may be absent.
pub(crate) fn optional_time(
    what: &'static str,
    milliseconds: Option<i64>,
) -> Result<Option<Timestamp>, StorageError> {
    milliseconds.map(|value| time(what, value)).transpose()
}

/// Writes a time that may be absent.
pub(crate) fn milliseconds(time: Option<Timestamp>) -> Option<i64> {
    time.map(|time| time.timestamp_millis())
}

/// Writes a list.
pub(crate) fn list_text(list: &[String]) -> String {
    serde_json::Value::from(list).to_string()
}

/// Reads a list.
pub(crate) fn list(what: &'static str, text: &str) -> Result<Vec<String>, StorageError> {
    serde_json::from_str(text).map_err(|_| corrupt(what, "it is not a list of texts"))
}

/// Writes a map.
pub(crate) fn map_text(map: &BTreeMap<String, String>) -> String {
    map.iter()
        .map(|(key, value)| (key.clone(), serde_json::Value::from(value.as_str())))
        .collect::<serde_json::Value>()
        .to_string()
}

/// Reads a map.
pub(crate) fn map(
    what: &'static str,
    text: &str,
) -> Result<BTreeMap<String, String>, StorageError> {
    serde_json::from_str(text).map_err(|_| corrupt(what, "it is not a map of texts"))
}

/// Reads a name or id.
pub(crate) fn name<T>(
    what: &'static str,
    text: String,
    read: fn(String) -> Result<T, InvalidId>,
) -> Result<T, StorageError> {
    read(text).map_err(|error| corrupt(what, error))
}

/// Writes whose accounts are meant.
pub(crate) fn kind_text(kind: ConnectorKind) -> &'static str {
    match kind {
        ConnectorKind::Shared => SHARED,
        ConnectorKind::AppUser => APP_USER,
    }
}

/// Reads whose accounts are meant.
pub(crate) fn kind(what: &'static str, text: &str) -> Result<ConnectorKind, StorageError> {
    match text {
        SHARED => Ok(ConnectorKind::Shared),
        APP_USER => Ok(ConnectorKind::AppUser),
        _ => Err(corrupt(what, "it is neither SHARED nor APP_USER")),
    }
}

/// Writes what happens when another account consents.
pub(crate) fn account_change_text(change: AccountChange) -> &'static str {
    match change {
        AccountChange::Refuse => REFUSE,
        AccountChange::Ask => ASK,
        AccountChange::Accept => ACCEPT,
    }
}

/// Reads what happens when another account consents.
pub(crate) fn account_change(
    what: &'static str,
    text: &str,
) -> Result<AccountChange, StorageError> {
    match text {
        REFUSE => Ok(AccountChange::Refuse),
        ASK => Ok(AccountChange::Ask),
        ACCEPT => Ok(AccountChange::Accept),
        _ => Err(corrupt(what, "it is neither REFUSE nor ASK nor ACCEPT")),
    }
}

/// Writes an owner: kind and app user, which is empty for the organisation since NULLs are never equal.
pub(crate) fn owner_columns(owner: &Owner) -> (&'static str, &str) {
    match owner {
        Owner::Shared => (SHARED, ""),
        Owner::AppUser(user) => (APP_USER, user.as_str()),
    }
}

/// Reads an owner.
pub(crate) fn owner(what: &'static str, text: &str, user: String) -> Result<Owner, StorageError> {
    match kind(what, text)? {
        ConnectorKind::Shared => Ok(Owner::Shared),
        ConnectorKind::AppUser => {
            name(what, user, tokend_model::AppUserId::new).map(Owner::AppUser)
        }
    }
}

/// Writes an expiry: its kind and time.
pub(crate) fn expiry_columns(expiry: Expiry) -> (&'static str, Option<i64>) {
    let kind = match expiry {
        Expiry::At(_) => EXPIRES,
        Expiry::Unknown => EXPIRES_UNKNOWN,
        Expiry::Never => EXPIRES_NEVER,
    };
    (kind, milliseconds(expiry.time()))
}

/// Reads an expiry.
pub(crate) fn expiry(
    what: &'static str,
    kind: &str,
    at: Option<i64>,
) -> Result<Expiry, StorageError> {
    match (kind, at) {
        (EXPIRES, Some(at)) => time(what, at).map(Expiry::At),
        (EXPIRES_UNKNOWN, None) => Ok(Expiry::Unknown),
        (EXPIRES_NEVER, None) => Ok(Expiry::Never),
        _ => Err(corrupt(what, "it is no expiry")),
    }
}

/// Reads a count that is never negative, such as a generation.
pub(crate) fn count(what: &'static str, value: i64) -> Result<u32, StorageError> {
    u32::try_from(value).map_err(|_| corrupt(what, "it is out of range"))
}
