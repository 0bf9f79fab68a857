//! Names and ids as types of their own, so that one cannot be passed for another.

use std::fmt;

/// A name or id that does not have the form its kind asks for.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{kind} must be {rule}")]
pub struct InvalidId {
    /// Which kind of name was read, in words.
    pub kind: &'static str,
    /// What that kind allows, in words.
    pub rule: &'static str,
}

macro_rules! name_type {
    ($(#[$doc:meta])* $name:ident, $kind:literal, $rule:literal, $valid:expr) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub struct $name(String);

        impl $name {
            /// Reads the name, or says what its kind allows.
            pub fn new(text: impl Into<String>) -> Result<Self, InvalidId> {
                let text = text.into();
                let valid: fn(&str) -> bool = $valid;
                if valid(&text) {
                    Ok(Self(text))
                } else {
                    Err(InvalidId { kind: $kind, rule: $rule })
                }
            }

            /// The name as text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{}({:?})", stringify!($name), self.0)
            }
        }
    };
}

name_type!(
    /// The tenant that every connector and connection lives in.
    WorkspaceName,
    "a workspace name",
    "1 to 63 characters of a-z, 0-9 and '-', starting with a letter or digit",
    |text| is_slug(text, b"-")
);

name_type!(
    /// The name of a catalogue entry, such as `googlecalendar`.
    IntegrationTypeName,
    "an integration type",
    "1 to 63 characters of a-z, 0-9, '_' and '-', starting with a letter or digit",
    |text| is_slug(text, b"_-")
);

name_type!(
    /// A connector's id: chosen by its creator or made by tokend, unique in its workspace.
    ConnectorId,
    "a connector id",
    "1 to 63 characters of a-z, 0-9, '_' and '-', starting with a letter or digit",
    |text| is_slug(text, b"_-")
);

name_type!(
    /// A connection's id, made by tokend: `conn_` and a time-ordered number. It survives reconnecting.
    ConnectionId,
    "a connection id",
    "'conn_' followed by 1 to 58 characters of a-z and 0-9",
    |text| text.strip_prefix("conn_").is_some_and(|rest| is_slug(rest, b"") && rest.len() <= 58)
);

name_type!(
    /// The id of one attempt to connect, made by tokend: `authz_` and a time-ordered number.
    AuthorizationId,
    "an authorization id",
    "'authz_' followed by 1 to 57 characters of a-z and 0-9",
    |text| text.strip_prefix("authz_").is_some_and(|rest| is_slug(rest, b"") && rest.len() <= 57)
);

name_type!(
    /// The id of a bulk revocation, made by tokend: `bulk_` and a time-ordered number.
    BulkRevocationId,
    "a bulk revocation id",
    "'bulk_' followed by 1 to 58 characters of a-z and 0-9",
    |text| text.strip_prefix("bulk_").is_some_and(|rest| is_slug(rest, b"") && rest.len() <= 58)
);

name_type!(
    /// The end user on whose behalf a caller asks, as the app's own JWT names it.
    AppUserId,
    "an app user id",
    "1 to 255 bytes without control characters",
    |text| (1..=255).contains(&text.len()) && !text.chars().any(char::is_control)
);

name_type!(
    /// Tells several connections of one owner under one connector apart; empty for the default one.
    Label,
    "a label",
    "at most 63 characters of a-z, 0-9, '.', '_' and '-', starting with a letter or digit",
    |text| text.is_empty() || is_slug(text, b"._-")
);

impl WorkspaceName {
    /// The workspace that is meant when none is named.
    pub fn default_workspace() -> Self {
        Self("default".to_owned())
    }
}

impl Label {
    /// The label of the connection that is meant when none is named.
    pub fn default_label() -> Self {
        Self(String::new())
    }
}

impl ConnectorId {
    /// An id for a connector whose creator chose none; `number` should be time-ordered (UUIDv7).
    pub fn from_uuid(number: uuid::Uuid) -> Self {
        Self(format!("ctr_{}", number.simple()))
    }

    /// The id a shared connector has unless its creator chose another: its integration type's name.
    pub fn of_shared(integration_type: &IntegrationTypeName) -> Self {
        Self(integration_type.0.clone())
    }
}

impl ConnectionId {
    /// The id for a new connection; `number` should be time-ordered (UUIDv7).
    pub fn from_uuid(number: uuid::Uuid) -> Self {
        Self(format!("conn_{}", number.simple()))
    }
}

impl BulkRevocationId {
    /// The id for a new bulk revocation; `number` should be time-ordered (UUIDv7).
    pub fn from_uuid(number: uuid::Uuid) -> Self {
        Self(format!("bulk_{}", number.simple()))
    }
}

impl AuthorizationId {
    /// The id for a new attempt; `number` should be time-ordered (UUIDv7).
    pub fn from_uuid(number: uuid::Uuid) -> Self {
        Self(format!("authz_{}", number.simple()))
    }
}

fn is_slug(text: &str, also: &[u8]) -> bool {
    let alphanumeric = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    let bytes = text.as_bytes();
    (1..=63).contains(&bytes.len())
        && alphanumeric(bytes[0])
        && bytes
            .iter()
            .all(|&byte| alphanumeric(byte) || also.contains(&byte))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_keep_to_their_alphabet() {
        for good in ["a", "default", "team-7"] {
            assert!(WorkspaceName::new(good).is_ok(), "{good}");
        }
        for bad in ["", "-a", "A", "a b", "a/b", "a.b", "ä", &"a".repeat(64)] {
            assert!(WorkspaceName::new(bad).is_err(), "{bad}");
        }
        assert!(Label::new("").is_ok());
        assert!(AppUserId::new("jane@acme.test").is_ok());
        assert!(AppUserId::new("jane\nadmin").is_err());
    }

    #[test]
    fn made_ids_read_back() {
        let number = uuid::Uuid::from_u128(u128::MAX);
        assert!(ConnectorId::new(ConnectorId::from_uuid(number).as_str()).is_ok());
        assert!(ConnectionId::new(ConnectionId::from_uuid(number).as_str()).is_ok());
        assert!(AuthorizationId::new(AuthorizationId::from_uuid(number).as_str()).is_ok());
        assert!(ConnectionId::new("ctr_1").is_err());
    }
}
