//! Tags: free words to find connections by.

use std::collections::BTreeMap;

use crate::Error;

/// No connection has more.
const MOST: usize = 16;

/// The longest name and the longest value, in bytes.
const LONGEST_NAME: usize = 63;
const LONGEST_VALUE: usize = 256;

/// Whether tags are of their form: at most 16, names `[a-z0-9][a-z0-9_.-]{0,62}`, values up to 256 bytes.
pub(crate) fn check_tags(tags: &BTreeMap<String, String>) -> Result<(), Error> {
    if tags.len() > MOST {
        let why = format!("are {}; at most {MOST} are kept", tags.len());
        return Err(Error::invalid("tags", why));
    }
    for (name, value) in tags {
        if !is_name(name) {
            let why = format!("has the name {name:?}, which is not [a-z0-9][a-z0-9_.-]{{0,62}}");
            return Err(Error::invalid("tags", why));
        }
        if value.len() > LONGEST_VALUE || value.chars().any(char::is_control) {
            let why = format!(
                "has a value for '{name}' that is longer than {LONGEST_VALUE} bytes, or not plain text"
            );
            return Err(Error::invalid("tags", why));
        }
    }
    Ok(())
}

fn is_name(name: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    let mut bytes = name.bytes();
    bytes.next().is_some_and(plain)
        && name.len() <= LONGEST_NAME
        && bytes.all(|byte| plain(byte) || matches!(byte, b'_' | b'.' | b'-'))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn takes(name: &str, value: &str) -> bool {
        check_tags(&BTreeMap::from([(name.to_owned(), value.to_owned())])).is_ok()
    }

    #[test]
    fn names_and_values_have_their_form() {
        let longest = "n".repeat(63);
        for name in ["team", "0", "a.b-c_d", &longest] {
            assert!(takes(name, "x"), "{name}");
        }
        let too_long = "n".repeat(64);
        for name in ["", "Team", "-a", "a b", "ä", &too_long] {
            assert!(!takes(name, "x"), "{name}");
        }
        assert!(takes("team", "") && takes("team", &"v".repeat(256)));
        assert!(!takes("team", &"v".repeat(257)) && !takes("team", "a\nb"));
    }

    #[test]
    fn there_are_not_too_many() {
        let of = |count: usize| (0..count).map(|n| (n.to_string(), String::new())).collect();
        assert!(check_tags(&of(16)).is_ok());
        assert!(check_tags(&of(17)).is_err());
    }
}
