//! SPIFFE ids, as strictly as the SPIFFE-ID specification (section 2) writes them.

use std::{fmt, str::FromStr};

const SCHEME: &str = "spiffe://";
/// SPIFFE-ID section 2.3.
const LONGEST_ID: usize = 2048;
/// SPIFFE-ID section 2.3.
const LONGEST_TRUST_DOMAIN: usize = 255;

/// The name of a workload: `spiffe://`, a trust domain, and a path that may be empty.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct SpiffeId {
    id: String,
    path: usize,
}

/// A text that is no SPIFFE id, and why.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum InvalidSpiffeId {
    /// It is longer than 2048 bytes, or its trust domain than 255.
    #[error("a SPIFFE id has at most 2048 bytes, 255 of them in its trust domain")]
    TooLong,
    /// It does not start with `spiffe://`, in lower case.
    #[error("a SPIFFE id starts with spiffe://")]
    Scheme,
    /// The trust domain is empty, or has anything but these characters: a user, a port and a query are none.
    #[error("a trust domain has only a-z, 0-9, '.', '-' and '_'")]
    TrustDomain,
    /// A segment of the path has other characters: a query, a fragment and an escape are none.
    #[error("a SPIFFE id's path has only a-z, A-Z, 0-9, '.', '-' and '_' between its slashes")]
    Character,
    /// A segment of the path is empty, `.` or `..`.
    #[error("a SPIFFE id's path has no empty segment, no '.' and no '..'")]
    Segment,
}

impl SpiffeId {
    /// Without scheme and path.
    pub fn trust_domain(&self) -> &str {
        &self.id[SCHEME.len()..self.path]
    }

    /// With its leading slash; empty if there is none.
    pub fn path(&self) -> &str {
        &self.id[self.path..]
    }

    /// All of it.
    pub fn as_str(&self) -> &str {
        &self.id
    }
}

impl FromStr for SpiffeId {
    type Err = InvalidSpiffeId;

    fn from_str(text: &str) -> Result<Self, InvalidSpiffeId> {
        if text.len() > LONGEST_ID {
            return Err(InvalidSpiffeId::TooLong);
        }
        let rest = text.strip_prefix(SCHEME).ok_or(InvalidSpiffeId::Scheme)?;
        let trust_domain = rest.find('/').unwrap_or(rest.len());
        check_trust_domain(&rest[..trust_domain])?;
        // What is left is nothing, or starts with a slash.
        for segment in rest[trust_domain..].split('/').skip(1) {
            check_segment(segment)?;
        }
        Ok(Self {
            id: text.to_owned(),
            path: SCHEME.len() + trust_domain,
        })
    }
}

impl fmt::Display for SpiffeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.id)
    }
}

/// The name alone (SPIFFE-ID section 2.1).
pub(crate) fn check_trust_domain(name: &str) -> Result<(), InvalidSpiffeId> {
    if name.len() > LONGEST_TRUST_DOMAIN {
        return Err(InvalidSpiffeId::TooLong);
    }
    let allowed = |byte: u8| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'.' | b'-' | b'_');
    match !name.is_empty() && name.bytes().all(allowed) {
        true => Ok(()),
        false => Err(InvalidSpiffeId::TrustDomain),
    }
}

/// SPIFFE-ID section 2.2.
fn check_segment(segment: &str) -> Result<(), InvalidSpiffeId> {
    if matches!(segment, "" | "." | "..") {
        return Err(InvalidSpiffeId::Segment);
    }
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b'_');
    match segment.bytes().all(allowed) {
        true => Ok(()),
        false => Err(InvalidSpiffeId::Character),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_of_the_specification_are_read() {
        for (text, trust_domain, path) in [
            ("spiffe://acme.test/billing", "acme.test", "/billing"),
            ("spiffe://acme.test", "acme.test", ""),
            (
                "spiffe://k8s_1.acme-2.test/ns/prod/sa/web.v1_A-b",
                "k8s_1.acme-2.test",
                "/ns/prod/sa/web.v1_A-b",
            ),
            ("spiffe://acme.test/...", "acme.test", "/..."),
        ] {
            let id: SpiffeId = text.parse().unwrap();
            assert_eq!((id.trust_domain(), id.path()), (trust_domain, path));
            assert_eq!(id.as_str(), text);
        }
    }

    #[test]
    fn whatever_is_not_exactly_an_id_is_refused() {
        use InvalidSpiffeId::{Character, Scheme, Segment, TooLong, TrustDomain};
        let long_path = format!("spiffe://acme.test/{}", "a".repeat(2030));
        let long_domain = format!("spiffe://{}/a", "a".repeat(256));
        for (text, why) in [
            ("", Scheme),
            ("acme.test/billing", Scheme),
            ("https://acme.test/billing", Scheme),
            ("SPIFFE://acme.test/billing", Scheme),
            ("spiffe:/acme.test/billing", Scheme),
            (" spiffe://acme.test/billing", Scheme),
            ("spiffe://", TrustDomain),
            ("spiffe:///billing", TrustDomain),
            ("spiffe://Acme.test/billing", TrustDomain),
            ("spiffe://acme.test:443/billing", TrustDomain),
            ("spiffe://user@acme.test/billing", TrustDomain),
            ("spiffe://acme.test?x=1", TrustDomain),
            ("spiffe://acme.test#x", TrustDomain),
            ("spiffe://acme%2etest/billing", TrustDomain),
            ("spiffe://äcme.test/billing", TrustDomain),
            ("spiffe://acme.test\\billing", TrustDomain),
            ("spiffe://acme.test/", Segment),
            ("spiffe://acme.test/billing/", Segment),
            ("spiffe://acme.test//billing", Segment),
            ("spiffe://acme.test/./billing", Segment),
            ("spiffe://acme.test/a/../billing", Segment),
            ("spiffe://acme.test/billing?x=1", Character),
            ("spiffe://acme.test/billing#x", Character),
            ("spiffe://acme.test/bill%69ng", Character),
            ("spiffe://acme.test/billing\0", Character),
            ("spiffe://acme.test/bill ing", Character),
            ("spiffe://acme.test/bílling", Character),
            (&long_path, TooLong),
            (&long_domain, TooLong),
        ] {
            assert_eq!(text.parse::<SpiffeId>(), Err(why), "{text}");
        }
    }
}
