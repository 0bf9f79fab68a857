//! What callers' names begin with, so that no two callers who prove themselves in different ways are named alike.

use crate::{InvalidIssuer, token_issuer::invalid};

/// What SPIFFE ids begin with, which are the names of callers by certificate.
const SPIFFE: &str = "spiffe://";

/// What Kubernetes' own names begin with.
const KUBERNETES: &str = "system:";

/// Which an API key's name never holds, so that no name that begins with one of these is an API key's.
const NOT_IN_API_KEYS: [char; 3] = [':', '/', '#'];

/// Refuses a prefix that makes names which another kind of caller may have.
pub(crate) fn check_prefix(issuer: &str, prefix: &str) -> Result<(), InvalidIssuer> {
    for reserved in [SPIFFE, KUBERNETES] {
        if overlap(prefix, reserved) {
            let problem = format!(
                "name_prefix must not be empty, nor be the beginning of {reserved:?}, nor begin with it"
            );
            return Err(invalid(issuer, problem));
        }
    }
    if !prefix.contains(NOT_IN_API_KEYS) {
        let problem = "name_prefix must hold ':', '/' or '#', which the names of API keys do not";
        return Err(invalid(issuer, problem));
    }
    Ok(())
}

/// Refuses a set of prefixes, each with its issuer, of which one is another's beginning.
pub(crate) fn check_prefixes(prefixes: &[(&str, &str)]) -> Result<(), InvalidIssuer> {
    for (index, (issuer, prefix)) in prefixes.iter().enumerate() {
        let others = &prefixes[..index];
        if let Some((other, _)) = others.iter().find(|(_, taken)| overlap(prefix, taken)) {
            let problem = format!(
                "name_prefix must tell its callers from those of issuer {other:?}: neither may begin with the other's"
            );
            return Err(invalid(issuer, problem));
        }
    }
    Ok(())
}

/// Whether some name may begin with both.
fn overlap(one: &str, other: &str) -> bool {
    one.starts_with(other) || other.starts_with(one)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_prefix_that_others_names_may_begin_with_is_refused() {
        for good in ["https://login.acme.test#", "ci:", "spiffy://", "systems:"] {
            assert!(check_prefix("issuer", good).is_ok(), "{good}");
        }
        for bad in [
            "",
            "spiffe://",
            "spiffe://acme.test/",
            "spiffe",
            "s",
            "system:",
            "system:serviceaccount:",
            "ci",
            "ci-",
        ] {
            assert!(check_prefix("issuer", bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn no_prefix_is_anothers_beginning() {
        let check =
            |prefixes: [&str; 3]| check_prefixes(&prefixes.map(|prefix| ("issuer", prefix)));
        assert!(check(["a:", "b:", "system:serviceaccount:"]).is_ok());
        for bad in [
            ["a:", "b:", "a:"],
            ["a:", "a:b", "c:"],
            ["x:", "a:b", "a:"],
            ["east/", "west/", "east/system:serviceaccount:"],
        ] {
            assert!(check(bad).is_err(), "{bad:?}");
        }
    }
}
