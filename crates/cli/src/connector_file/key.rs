//! The keys of a connector file: one table, which the reader, the writer and the JSON Schema all go by.

use std::collections::HashMap;

use tokend_api::v1::{self, AccountChange, ConnectorKind};

/// A key that may stand in a connector file.
pub(crate) struct Key {
    pub(crate) name: &'static str,
    pub(crate) form: Form,
    /// For a person who writes a file; editors show it.
    pub(crate) description: &'static str,
}

/// What the value of a key looks like, and which field of the contract's connector it is.
#[derive(Clone, Copy)]
pub(crate) enum Form {
    /// Not tokend's to look at, such as `$schema`.
    Ignored,
    /// One text.
    Text(fn(&mut v1::Connector) -> &mut String),
    /// The name of an integration type.
    IntegrationType(fn(&mut v1::Connector) -> &mut String),
    /// A list of texts.
    Texts(fn(&mut v1::Connector) -> &mut Vec<String>),
    /// An object of texts.
    Map(fn(&mut v1::Connector) -> &mut HashMap<String, String>),
    /// `true` or `false`.
    Flag(fn(&mut v1::Connector) -> &mut bool),
    /// One of some words; the first is the one that is meant where the key is missing.
    Word(
        &'static [(&'static str, i32)],
        fn(&mut v1::Connector) -> &mut i32,
    ),
    /// Where client secrets are: one text, or a list of which the first is tried first.
    Secret(fn(String) -> SecretPlace),
}

/// Where a client secret is, which never stands in a connector file itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum SecretPlace {
    /// A file, from the connector file's folder.
    File(String),
    /// A variable of the environment.
    Variable(String),
}

/// The words of `kind`.
const KINDS: [(&str, i32); 2] = [
    ("shared", ConnectorKind::Shared as i32),
    ("app_user", ConnectorKind::AppUser as i32),
];

/// The words of `accountChange`.
const ACCOUNT_CHANGES: [(&str, i32); 3] = [
    ("accept", AccountChange::Accept as i32),
    ("ask", AccountChange::Ask as i32),
    ("refuse", AccountChange::Refuse as i32),
];

/// All of them, in the order in which they are written.
pub(crate) const KEYS: [Key; 13] = [
    Key {
        name: "$schema",
        form: Form::Ignored,
        description: "The JSON Schema of this file, for editors.",
    },
    Key {
        name: "integrationType",
        form: Form::IntegrationType(|connector| &mut connector.integration_type),
        description: "The integration type, such as \"googlecalendar\". Without it the file's name says it.",
    },
    Key {
        name: "connectorId",
        form: Form::Text(|connector| &mut connector.connector_id),
        description: "The connector's id, [a-z0-9][a-z0-9_-]{0,62}. A shared connector without one has its integration type's name; an app_user connector needs one: the name that backends ask for.",
    },
    Key {
        name: "kind",
        form: Form::Word(&KINDS, |connector| &mut connector.kind),
        description: "Whose accounts are connected under it: the organisation's own, of which each integration type has one connector, or each app user's.",
    },
    Key {
        name: "displayName",
        form: Form::Text(|connector| &mut connector.display_name),
        description: "The name for people, shown on the consent page. Without it the integration type's.",
    },
    Key {
        name: "clientId",
        form: Form::Text(|connector| &mut connector.client_id),
        description: "The client_id of the OAuth client that is registered at the provider (RFC 6749 section 2.2).",
    },
    Key {
        name: "clientSecretFile",
        form: Form::Secret(SecretPlace::File),
        description: "The file with the client's secret, from this file's folder. A list while a secret is being rotated: the first is tried first.",
    },
    Key {
        name: "clientSecretEnv",
        form: Form::Secret(SecretPlace::Variable),
        description: "The environment variable with the client's secret, in place of clientSecretFile. A list while a secret is being rotated: the first is tried first.",
    },
    Key {
        name: "scopes",
        form: Form::Texts(|connector| &mut connector.scopes),
        description: "The scopes to ask for, in the provider's words. Without them those that the integration type suggests for reading and for telling whose account it is.",
    },
    Key {
        name: "connectionConfig",
        form: Form::Map(|connector| &mut connector.connection_config),
        description: "Values of the connection config that hold for all connections, such as a subdomain.",
    },
    Key {
        name: "returnUrls",
        form: Form::Texts(|connector| &mut connector.return_urls),
        description: "Where a browser may be sent after consent: whole URLs, compared exactly.",
    },
    Key {
        name: "accountChange",
        form: Form::Word(&ACCOUNT_CHANGES, |connector| &mut connector.account_change),
        description: "What to do when consent is given again with another account: take it, ask whoever connects to confirm it, or refuse it.",
    },
    Key {
        name: "disabled",
        form: Form::Flag(|connector| &mut connector.disabled),
        description: "Switched off: nothing is vended and nobody can connect. Connections are kept.",
    },
];

impl Key {
    /// The key of a name.
    pub(crate) fn named(name: &str) -> Option<&'static Self> {
        KEYS.iter().find(|key| key.name == name)
    }

    /// The key that a field of the contract, such as `client_id`, is written with.
    pub(crate) fn of_field(field: &str) -> Option<&'static Self> {
        let name = match field {
            // Where a secret is refused, it is the one that a file names.
            "client_secret" | "other_client_secrets" => "clientsecretfile".to_owned(),
            _ => field.replace('_', ""),
        };
        KEYS.iter().find(|key| key.name.eq_ignore_ascii_case(&name))
    }
}

/// A connector that says no more than a file without keys does.
pub(crate) fn unwritten(integration_type: String) -> v1::Connector {
    v1::Connector {
        integration_type,
        kind: ConnectorKind::Shared.into(),
        account_change: AccountChange::Accept.into(),
        ..Default::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_word_left_out_means_the_first() {
        let mut unwritten = unwritten("slack".to_owned());
        for key in &KEYS {
            if let Form::Word(words, field) = key.form {
                assert_eq!(*field(&mut unwritten), words[0].1, "{}", key.name);
            }
        }
    }

    #[test]
    fn a_field_of_the_contract_is_found_by_its_name() {
        for (field, name) in [
            ("scopes", "scopes"),
            ("connection_config", "connectionConfig"),
            ("client_id", "clientId"),
            ("client_secret", "clientSecretFile"),
            ("account_change", "accountChange"),
        ] {
            assert_eq!(Key::of_field(field).map(|key| key.name), Some(name));
        }
        assert!(Key::of_field("etag").is_none());
    }
}
