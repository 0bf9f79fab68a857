//! A record: one line of JSON that names the one before it, and a keyed hash over all of it.
//!
//! The hash is HMAC-SHA256 over the line's bytes up to the field `hash`, which is the last: nothing has to be written
//! anew in the same way to check it.

use std::{borrow::Cow, collections::BTreeMap, fmt::Write, io, sync::Arc};

use serde::{Deserialize, Serialize};
use serde_json::ser::{Formatter, Serializer};
use tokend_keyring::{Keyring, MacKey, MacPurpose};
use tokend_model::{
    AuditEvent, Timestamp,
    ports::{AuditPlace, AuditSeal, SealedAuditRecord, StorageError},
};

/// What comes before the hash's digits, and behind them.
const HASH_FIELD: &str = ",\"hash\":\"";
const END: &str = "\"}";
const DIGITS: usize = 64;

/// The fields of a record, in their order in the line.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Record<'a> {
    pub(crate) stream: Cow<'a, str>,
    pub(crate) sequence: i64,
    pub(crate) id: Cow<'a, str>,
    pub(crate) time: Timestamp,
    pub(crate) workspace: Cow<'a, str>,
    pub(crate) action: Cow<'a, str>,
    pub(crate) outcome: Cow<'a, str>,
    pub(crate) reason: Cow<'a, str>,
    pub(crate) caller: Cow<'a, str>,
    pub(crate) caller_kind: Cow<'a, str>,
    pub(crate) credential_id: Cow<'a, str>,
    pub(crate) app_user_id: Cow<'a, str>,
    pub(crate) app_user_issuer: Cow<'a, str>,
    pub(crate) integration_type: Cow<'a, str>,
    pub(crate) connector_id: Cow<'a, str>,
    pub(crate) connection_id: Cow<'a, str>,
    pub(crate) generation: u32,
    pub(crate) authorization_id: Cow<'a, str>,
    pub(crate) scopes: Cow<'a, [String]>,
    pub(crate) policy_ids: Cow<'a, [String]>,
    pub(crate) peer_address: Cow<'a, str>,
    pub(crate) trace_id: Cow<'a, str>,
    pub(crate) token_fingerprint: Cow<'a, str>,
    pub(crate) details: Cow<'a, BTreeMap<String, String>>,
    pub(crate) previous_hash: Cow<'a, str>,
    pub(crate) key_id: Cow<'a, str>,
    #[serde(skip_serializing)]
    pub(crate) hash: Cow<'a, str>,
}

/// Why a line is not a record of ours.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Unverified {
    /// It is not of a record's form.
    #[error("it is no record: {0}")]
    Malformed(String),
    /// Its key is not in the key file.
    #[error("its key {0:?} is not in the key file")]
    UnknownKey(String),
    /// It was changed, or made without the key.
    #[error("its hash is wrong: it was changed, or made by somebody without the key")]
    NotAuthentic,
}

/// Makes and checks records with the keys of the ring.
pub(crate) struct Sealer {
    keyring: Arc<Keyring>,
    key_id: String,
    records: MacKey,
    fingerprints: MacKey,
}

impl Sealer {
    /// With the ring's first key; `None` never happens with keys of the right length.
    pub(crate) fn new(keyring: Arc<Keyring>) -> Option<Self> {
        let key_id = keyring.primary_key_id().to_owned();
        Some(Self {
            records: keyring.mac_key(&key_id, MacPurpose::AuditRecords)?,
            fingerprints: keyring.mac_key(&key_id, MacPurpose::TokenFingerprints)?,
            key_id,
            keyring,
        })
    }

    /// A token's keyed fingerprint: 128 bits, in hexadecimal.
    pub(crate) fn fingerprint(&self, token: &str) -> String {
        hexadecimal(&self.fingerprints.sign(token.as_bytes())[..16])
    }

    /// Reads a line (without its end) if its hash is right.
    pub(crate) fn open(&self, line: &[u8]) -> Result<Record<'static>, Unverified> {
        let record: Record<'static> = serde_json::from_slice(line)
            .map_err(|error| Unverified::Malformed(error.to_string()))?;
        let malformed = || Unverified::Malformed("the hash is not at its end".to_owned());
        let end = line
            .len()
            .checked_sub(HASH_FIELD.len() + DIGITS + END.len())
            .ok_or_else(malformed)?;
        let (body, tail) = line.split_at(end);
        let expected = format!("{HASH_FIELD}{}{END}", record.hash);
        if tail != expected.as_bytes() {
            return Err(malformed());
        }
        let hash = bytes(&record.hash).ok_or_else(malformed)?;
        let other_key;
        let key = if record.key_id == self.key_id {
            &self.records
        } else {
            let found = self
                .keyring
                .mac_key(&record.key_id, MacPurpose::AuditRecords);
            other_key = found.ok_or_else(|| Unverified::UnknownKey(record.key_id.to_string()))?;
            &other_key
        };
        match key.verify(body, &hash) {
            true => Ok(record),
            false => Err(Unverified::NotAuthentic),
        }
    }
}

impl AuditSeal for Sealer {
    fn seal(
        &self,
        event: &AuditEvent,
        place: &AuditPlace,
    ) -> Result<SealedAuditRecord, StorageError> {
        let unwritable = |error: serde_json::Error| StorageError::Corrupt {
            what: "an audit event",
            why: error.to_string(),
        };
        let record = Record::new(event, place, &self.key_id);
        let mut line = line(&record).map_err(unwritable)?;
        line.pop();
        let hash = hexadecimal(&self.records.sign(line.as_bytes()));
        line.reserve_exact(HASH_FIELD.len() + DIGITS + END.len() + 1);
        for part in [HASH_FIELD, &hash, END] {
            line.push_str(part);
        }
        Ok(SealedAuditRecord { line, hash })
    }
}

impl<'a> Record<'a> {
    fn new(event: &'a AuditEvent, place: &'a AuditPlace, key_id: &'a str) -> Self {
        let (actor, subject) = (&event.actor, &event.subject);
        Self {
            stream: place.stream.as_str().into(),
            sequence: place.sequence,
            id: event.id.as_str().into(),
            time: event.time,
            workspace: event.workspace.as_str().into(),
            action: event.action.name().into(),
            outcome: event.outcome.name().into(),
            reason: event.reason.as_str().into(),
            caller: actor.caller.as_str().into(),
            caller_kind: actor.caller_kind.as_str().into(),
            credential_id: actor.credential_id.as_str().into(),
            app_user_id: actor.app_user_id.as_str().into(),
            app_user_issuer: actor.app_user_issuer.as_str().into(),
            integration_type: subject.integration_type.as_str().into(),
            connector_id: subject.connector_id.as_str().into(),
            connection_id: subject.connection_id.as_str().into(),
            generation: subject.generation.map_or(0, |generation| generation.0),
            authorization_id: subject.authorization_id.as_str().into(),
            scopes: event.scopes.as_slice().into(),
            policy_ids: event.policy_ids.as_slice().into(),
            peer_address: actor.peer_address.as_str().into(),
            trace_id: actor.trace_id.as_str().into(),
            token_fingerprint: event.token_fingerprint.as_str().into(),
            details: Cow::Borrowed(&event.details),
            previous_hash: place.previous_hash.as_str().into(),
            key_id: key_id.into(),
            hash: "".into(),
        }
    }
}

/// What steers terminals and editors although JSON would let it pass: DEL, the C1 controls, separators of lines, and
/// what turns the direction of writing.
fn is_escaped(letter: char) -> bool {
    matches!(
        letter,
        '\u{7f}'..='\u{9f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{feff}'
    )
}

/// Compact JSON in which nothing steers a terminal.
struct Plain;

impl Formatter for Plain {
    fn write_string_fragment<W: io::Write + ?Sized>(
        &mut self,
        writer: &mut W,
        fragment: &str,
    ) -> io::Result<()> {
        let mut rest = fragment;
        while let Some(at) = rest.find(is_escaped) {
            let (plain, behind) = rest.split_at(at);
            writer.write_all(plain.as_bytes())?;
            let mut letters = behind.chars();
            for letter in letters.by_ref().take(1) {
                write!(writer, "\\u{:04x}", u32::from(letter))?;
            }
            rest = letters.as_str();
        }
        writer.write_all(rest.as_bytes())
    }
}

fn line(record: &Record<'_>) -> Result<String, serde_json::Error> {
    let mut bytes = Vec::with_capacity(1024);
    record.serialize(&mut Serializer::with_formatter(&mut bytes, Plain))?;
    String::from_utf8(bytes).map_err(serde::ser::Error::custom)
}

fn hexadecimal(bytes: &[u8]) -> String {
    bytes
        .iter()
        .fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
            let _ = write!(text, "{byte:02x}");
            text
        })
}

fn bytes(text: &str) -> Option<Vec<u8>> {
    let pairs = text.as_bytes().chunks(2);
    pairs
        .map(|pair| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok())
        .collect()
}
