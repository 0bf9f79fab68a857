//! Keys that authenticate what is readable: the audit trail's records and fingerprints. Derived, so that no key is used
//! for two things.

use std::fmt;

use ring::{
    hkdf::{HKDF_SHA256, Salt},
    hmac,
};

use crate::key::Key;

/// What a derived key authenticates.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MacPurpose {
    /// The records of the audit trail.
    AuditRecords,
    /// Fingerprints of tokens that were handed out.
    TokenFingerprints,
}

/// A key for HMAC-SHA256 (RFC 2104), derived from a key of the ring with HKDF (RFC 5869).
#[derive(Clone)]
pub struct MacKey(hmac::Key);

impl MacKey {
    pub(crate) fn derive(key: &Key, purpose: MacPurpose) -> Option<Self> {
        // Without a salt: the key is random, and the same has to come out each time.
        let extracted = Salt::new(HKDF_SHA256, &[]).extract(key.bytes.as_slice());
        let info = [purpose.info()];
        let expanded = extracted.expand(&info, hmac::HMAC_SHA256).ok()?;
        Some(Self(expanded.into()))
    }

    /// The authentication code of these bytes.
    pub fn sign(&self, bytes: &[u8]) -> [u8; 32] {
        let mut code = [0; 32];
        for (to, from) in code.iter_mut().zip(hmac::sign(&self.0, bytes).as_ref()) {
            *to = *from;
        }
        code
    }

    /// Whether this is the authentication code of these bytes; takes the same time either way.
    pub fn verify(&self, bytes: &[u8], code: &[u8]) -> bool {
        hmac::verify(&self.0, bytes, code).is_ok()
    }
}

impl fmt::Debug for MacKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("MacKey")
    }
}

impl MacPurpose {
    fn info(self) -> &'static [u8] {
        match self {
            Self::AuditRecords => b"tokend audit record v1",
            Self::TokenFingerprints => b"tokend token fingerprint v1",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Keyring, generate_key_line};

    #[test]
    fn keys_of_other_purposes_and_other_rings_are_others() {
        let (id, line) = generate_key_line().expect("randomness");
        let ring = Keyring::parse(line.expose()).expect("a key");
        let again = Keyring::parse(line.expose()).expect("a key");
        let (_, line) = generate_key_line().expect("randomness");
        let other = Keyring::parse(line.expose()).expect("a key");
        let records = ring
            .mac_key(&id, MacPurpose::AuditRecords)
            .expect("known id");
        let code = records.sign(b"record");
        let verifies = |ring: &Keyring, purpose, bytes: &[u8]| {
            let key = ring.mac_key(ring.primary_key_id(), purpose);
            key.is_some_and(|key| key.verify(bytes, &code))
        };
        assert!(verifies(&again, MacPurpose::AuditRecords, b"record"));
        assert!(!verifies(&again, MacPurpose::AuditRecords, b"records"));
        assert!(!verifies(&again, MacPurpose::TokenFingerprints, b"record"));
        assert!(!verifies(&other, MacPurpose::AuditRecords, b"record"));
        assert!(other.mac_key(&id, MacPurpose::AuditRecords).is_none());
        assert_eq!(format!("{records:?}"), "MacKey");
    }
}
