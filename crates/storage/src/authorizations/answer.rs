//! Tokens that are no connection yet, as one sealed text.

use std::collections::BTreeMap;

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use tokend_model::{Secret, TokenAnswer, WorkspaceName, ports::StorageError};

use crate::{
    Storage,
    columns::{expiry, expiry_columns, milliseconds, name, optional_time, time},
    entities::authorization::Model,
    faults::corrupt,
    sealed::{ANSWER, SealedRow},
};

/// A token answer as JSON. It is only ever sealed.
#[derive(Serialize, Deserialize)]
struct Held {
    access_token: Plain,
    token_type: String,
    refresh_token: Option<Plain>,
    expiry: String,
    expire_time: Option<i64>,
    refresh_expire_time: Option<i64>,
    scopes: Option<Vec<String>>,
    captured: BTreeMap<String, String>,
    receive_time: i64,
    others: BTreeMap<String, Held>,
}

/// A secret on its way into the sealed text, or out of it.
struct Plain(Secret);

/// Seals an answer for its attempt's row.
pub(super) fn seal(row: &SealedRow<'_>, answer: &TokenAnswer) -> Result<Vec<u8>, StorageError> {
    let text = serde_json::to_string(&Held::of(answer)).map_err(|error| corrupt(ANSWER, error))?;
    row.seal(ANSWER, &Secret::new(text))
}

/// Opens the answer of an attempt's row.
pub(super) fn open(row: &SealedRow<'_>, sealed: &[u8]) -> Result<TokenAnswer, StorageError> {
    let text = row.open(ANSWER, sealed)?;
    // The parser's own words could repeat what it read.
    let held: Held = serde_json::from_str(text.expose())
        .map_err(|_| corrupt(ANSWER, "it is no token answer"))?;
    held.read()
}

/// The answer that an attempt's row holds, if it holds one that can be opened: what cannot must keep nobody from erasing it.
pub(crate) fn readable_answer(
    storage: &Storage,
    row: &Model,
) -> Result<Option<TokenAnswer>, StorageError> {
    let Some(sealed) = &row.answer else {
        return Ok(None);
    };
    let workspace = name(
        "authorizations.workspace",
        row.workspace.clone(),
        WorkspaceName::new,
    )?;
    let sealing = SealedRow::new(&storage.keyring, &workspace, &row.id);
    Ok(open(&sealing, sealed)
        .inspect_err(
            |error| tracing::warn!(id = row.id, %error, "tokens that are held cannot be opened"),
        )
        .ok())
}

impl Held {
    fn of(answer: &TokenAnswer) -> Self {
        let (kind, expire_time) = expiry_columns(answer.expiry);
        Self {
            access_token: Plain(answer.access_token.clone()),
            token_type: answer.token_type.clone(),
            refresh_token: answer.refresh_token.clone().map(Plain),
            expiry: kind.to_owned(),
            expire_time,
            refresh_expire_time: milliseconds(answer.refresh_expire_time),
            scopes: answer.scopes.clone(),
            captured: answer.captured.clone(),
            receive_time: answer.receive_time.timestamp_millis(),
            others: answer
                .others
                .iter()
                .map(|(name, other)| (name.clone(), Self::of(other)))
                .collect(),
        }
    }

    fn read(self) -> Result<TokenAnswer, StorageError> {
        Ok(TokenAnswer {
            access_token: self.access_token.0,
            token_type: self.token_type,
            refresh_token: self.refresh_token.map(|token| token.0),
            expiry: expiry(ANSWER, &self.expiry, self.expire_time)?,
            refresh_expire_time: optional_time(ANSWER, self.refresh_expire_time)?,
            scopes: self.scopes,
            captured: self.captured,
            receive_time: time(ANSWER, self.receive_time)?,
            others: self
                .others
                .into_iter()
                .map(|(name, other)| Ok((name, other.read()?)))
                .collect::<Result<_, StorageError>>()?,
        })
    }
}

impl Serialize for Plain {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.0.expose())
    }
}

impl<'de> Deserialize<'de> for Plain {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer).map(|text| Self(Secret::new(text)))
    }
}
