//! API keys as text: `tokend_<key id>_<secret>`. The prefix lets secret scanners find a leaked one.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use ring::{
    digest,
    rand::{SecureRandom, SystemRandom},
};
use tokend_model::{
    Secret, Timestamp, WorkspaceName,
    ports::{ApiKeyRecord, CallerRole},
};

const PREFIX: &str = "tokend";
const KEY_ID_LEN: usize = 16;
const SECRET_LEN: usize = 43;

/// A new API key: shown once, then only its hash remains.
#[derive(Debug)]
pub struct ApiKey {
    /// The whole key, as its caller has to send it.
    pub key: Secret,
    /// What is kept of it.
    pub record: ApiKeyRecord,
}

/// The operating system gives no random bytes.
#[derive(Debug, thiserror::Error)]
#[error("the operating system gives no random bytes")]
pub struct RandomnessUnavailable;

impl ApiKey {
    /// Makes a key with a secret of 256 random bits.
    pub fn generate(
        caller: impl Into<String>,
        workspace: WorkspaceName,
        role: CallerRole,
        create_time: Timestamp,
        expire_time: Option<Timestamp>,
    ) -> Result<Self, RandomnessUnavailable> {
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
                caller: caller.into(),
                role,
                create_time,
                expire_time,
            },
        })
    }
}

/// The two halves of a key somebody sent.
pub(crate) struct PresentedKey<'a> {
    pub(crate) key_id: &'a str,
    secret: &'a str,
}

impl<'a> PresentedKey<'a> {
    /// Takes the text apart; `None` if it does not have a key's form.
    pub(crate) fn parse(text: &'a str) -> Option<Self> {
        let rest = text.strip_prefix(PREFIX)?.strip_prefix('_')?;
        let (key_id, secret) = rest.split_once('_')?;
        let is_id = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
        let is_base64url = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
        (key_id.len() == KEY_ID_LEN
            && key_id.bytes().all(is_id)
            && secret.len() == SECRET_LEN
            && secret.bytes().all(is_base64url))
        .then_some(Self { key_id, secret })
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

fn random_bytes<const N: usize>() -> Result<[u8; N], RandomnessUnavailable> {
    let mut bytes = [0; N];
    SystemRandom::new()
        .fill(&mut bytes)
        .map_err(|_| RandomnessUnavailable)?;
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
            assert_eq!(presented.key_id, record.key_id);
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
