//! API keys as text: `tokend_<key id>_<secret>`. The prefix lets secret scanners find a leaked one.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use ring::{
    digest,
    rand::{SecureRandom, SystemRandom},
};
use subtle::{Choice, ConstantTimeEq};
use tokend_model::{
    Secret, Timestamp, WorkspaceName,
    ports::{ApiKeyRecord, CallerRole},
};

const PREFIX: &str = "tokend";
const KEY_ID_LEN: usize = 16;
const SECRET_LEN: usize = 43;
const LONGEST_CALLER_NAME: usize = 128;
/// What the audit trail calls the server itself.
const SYSTEM: &str = "system";

/// A new API key: shown once, then only its hash remains.
#[derive(Debug)]
pub struct ApiKey {
    /// The whole key, as its caller has to send it.
    pub key: Secret,
    /// What is kept of it.
    pub record: ApiKeyRecord,
}

/// Why no key can be made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ApiKeyError {
    /// The name is not one that the holder of an API key may have.
    #[error(
        "a caller's name must be 1 to {LONGEST_CALLER_NAME} characters without ':', '/', '#', '{{', spaces and control \
         characters, and not '{SYSTEM}'"
    )]
    InvalidCallerName,
    /// The operating system gives no random bytes.
    #[error("the operating system gives no random bytes")]
    RandomnessUnavailable,
}

impl ApiKey {
    /// Makes a key with a secret of 256 random bits.
    ///
    /// Its caller's name is kept apart from those of callers that prove themselves otherwise: SPIFFE ids and what is
    /// made of the claims of JWTs have one of `:`, `/`, `#` and `{` in them.
    pub fn generate(
        caller: impl Into<String>,
        workspace: WorkspaceName,
        role: CallerRole,
        create_time: Timestamp,
        expire_time: Option<Timestamp>,
    ) -> Result<Self, ApiKeyError> {
        let caller = caller.into();
        if !may_hold_a_key(&caller) {
            return Err(ApiKeyError::InvalidCallerName);
        }
        let key_id: String = random_bytes::<{ KEY_ID_LEN / 2 }>()?
            .iter()
            .map(|byte| format!("{byte:02x}"))
            .collect();
        let secret = Secret::new(URL_SAFE_NO_PAD.encode(random_bytes::<32>()?));
        Ok(Self {
            key: Secret::new(format!("{PREFIX}_{key_id}_{}", secret.expose())),
            record: ApiKeyRecord {
                key_id,
                secret_hash: hash(secret.expose()).to_vec(),
                workspace,
                caller,
                role,
                create_time,
                expire_time,
                last_used_time: None,
            },
        })
    }
}

/// Whether the holder of an API key may have this name.
pub fn may_hold_a_key(caller: &str) -> bool {
    let is_foreign = |letter: char| {
        matches!(letter, ':' | '/' | '#' | '{') || letter.is_whitespace() || letter.is_control()
    };
    (1..=LONGEST_CALLER_NAME).contains(&caller.chars().count())
        && !caller.contains(is_foreign)
        && caller != SYSTEM
}

/// The public half of a key as a number, so that comparing two takes the same time whatever they are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct KeyId(u128);

impl KeyId {
    /// Reads the text; `None` if it is not as long as an id.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let bytes: [u8; KEY_ID_LEN] = text.as_bytes().try_into().ok()?;
        Some(Self(u128::from_be_bytes(bytes)))
    }
}

impl ConstantTimeEq for KeyId {
    fn ct_eq(&self, other: &Self) -> Choice {
        self.0.ct_eq(&other.0)
    }
}

/// The two halves of a key somebody sent.
pub(crate) struct PresentedKey<'a> {
    pub(crate) key_id: KeyId,
    secret: &'a str,
}

impl<'a> PresentedKey<'a> {
    /// Takes the text apart; `None` if it does not have a key's form.
    pub(crate) fn parse(text: &'a str) -> Option<Self> {
        let rest = text.strip_prefix(PREFIX)?.strip_prefix('_')?;
        let (key_id, secret) = rest.split_at_checked(KEY_ID_LEN)?;
        let secret = secret.strip_prefix('_')?;
        let is_id = |byte: u8| byte.is_ascii_lowercase() | byte.is_ascii_digit();
        let is_base64url =
            |byte: u8| byte.is_ascii_alphanumeric() | (byte == b'-') | (byte == b'_');
        // All of it is looked at, whatever there is.
        let is_well_formed = (secret.len() == SECRET_LEN)
            & key_id.bytes().fold(true, |all, byte| all & is_id(byte))
            & secret
                .bytes()
                .fold(true, |all, byte| all & is_base64url(byte));
        let key_id = KeyId::parse(key_id)?;
        is_well_formed.then_some(Self { key_id, secret })
    }

    /// SHA-256 of the secret half, to compare with the one kept.
    pub(crate) fn secret_hash(&self) -> [u8; digest::SHA256_OUTPUT_LEN] {
        hash(self.secret)
    }
}

fn hash(secret: &str) -> [u8; digest::SHA256_OUTPUT_LEN] {
    let mut hash = [0; digest::SHA256_OUTPUT_LEN];
    hash.copy_from_slice(digest::digest(&digest::SHA256, secret.as_bytes()).as_ref());
    hash
}

fn random_bytes<const N: usize>() -> Result<[u8; N], ApiKeyError> {
    let mut bytes = [0; N];
    SystemRandom::new()
        .fill(&mut bytes)
        .map_err(|_| ApiKeyError::RandomnessUnavailable)?;
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn generate() -> ApiKey {
        ApiKey::generate(
            "billing",
            WorkspaceName::default_workspace(),
            CallerRole::Backend,
            Timestamp::UNIX_EPOCH,
            None,
        )
        .unwrap()
    }

    #[test]
    fn a_generated_key_reads_back_and_matches_its_record() {
        // Often enough to meet secrets with '_' and '-' in any place.
        for _ in 0..200 {
            let ApiKey { key, record } = generate();
            let presented = PresentedKey::parse(key.expose()).unwrap();
            assert_eq!(Some(presented.key_id), KeyId::parse(&record.key_id));
            assert_eq!(presented.secret_hash().as_slice(), record.secret_hash);
        }
    }

    #[test]
    fn no_two_keys_are_alike_and_debug_tells_nothing() {
        let (one, other) = (generate(), generate());
        assert_ne!(one.key, other.key);
        assert_ne!(one.record.key_id, other.record.key_id);
        let secret = one.key.expose().splitn(3, '_').nth(2).unwrap();
        assert!(!format!("{one:?}").contains(secret));
    }

    #[test]
    fn a_name_that_another_kind_of_caller_could_have_holds_no_key() {
        for name in [
            "billing",
            "calendar-backend",
            "b.2_x@acme",
            "Zürich",
            &"é".repeat(128),
        ] {
            assert!(may_hold_a_key(name), "{name}");
        }
        for name in [
            "",
            "system",
            "spiffe://acme.example/billing",
            "payments/billing",
            "https:billing",
            "issuer#billing",
            "{sub}",
            "two words",
            "line\u{a0}",
            "bell\u{7}",
            &"a".repeat(129),
        ] {
            assert!(!may_hold_a_key(name), "{name}");
            let refused = ApiKey::generate(
                name,
                WorkspaceName::default_workspace(),
                CallerRole::Backend,
                Timestamp::UNIX_EPOCH,
                None,
            );
            assert_eq!(refused.unwrap_err(), ApiKeyError::InvalidCallerName);
        }
    }

    #[test]
    fn other_texts_are_no_keys() {
        let key = generate().key;
        let key = key.expose();
        for text in [
            "",
            "tokend",
            "tokend__",
            &key[1..],
            &key[..key.len() - 1],
            &format!("{key}A"),
            &key.replacen("tokend", "Tokend", 1),
            &format!("{}é", &key[..key.len() - 2]),
        ] {
            assert!(PresentedKey::parse(text).is_none());
        }
    }
}
