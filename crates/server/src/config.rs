//! Configuration: the embedded defaults, then a file, then the environment. Reading it touches nothing else.

use std::{net::SocketAddr, path::Path, path::PathBuf, time::Duration};

use figment::{
    Figment,
    error::Kind,
    providers::{Env, Format, Toml},
};
use serde::Deserialize;
use tokend_model::Secret;

/// All keys with their defaults and meanings: the reference.
pub const DEFAULTS: &str = include_str!("../config.default.toml");

/// What `tokend serve` is run with. The keys are explained in [`DEFAULTS`].
#[derive(Debug, Clone, Deserialize)]
#[cfg_attr(test, derive(serde::Serialize))]
#[serde(deny_unknown_fields)]
#[expect(missing_docs, reason = "config.default.toml explains each key")]
pub struct Config {
    pub grpc: Grpc,
    pub http: Http,
    pub operations: Operations,
    pub database: Database,
    pub keys: Keys,
    pub connect: Connect,
    pub vending: Vending,
    pub oauth: OAuth,
    pub access: Access,
    pub log: Log,
}

/// `[grpc]`
#[derive(Debug, Clone, Deserialize)]
#[cfg_attr(test, derive(serde::Serialize))]
#[serde(deny_unknown_fields)]
#[expect(missing_docs, reason = "config.default.toml explains each key")]
pub struct Grpc {
    pub listen: SocketAddr,
    pub tls_certificate_file: PathBuf,
    pub tls_private_key_file: PathBuf,
    pub reflection: bool,
    pub max_request_bytes: usize,
    pub max_concurrent_streams: u32,
    pub request_timeout_seconds: u64,
}

/// `[http]`
#[derive(Debug, Clone, Deserialize)]
#[cfg_attr(test, derive(serde::Serialize))]
#[serde(deny_unknown_fields)]
#[expect(missing_docs, reason = "config.default.toml explains each key")]
pub struct Http {
    pub listen: SocketAddr,
    pub public_url: String,
}

/// `[operations]`
#[derive(Debug, Clone, Deserialize)]
#[cfg_attr(test, derive(serde::Serialize))]
#[serde(deny_unknown_fields)]
#[expect(missing_docs, reason = "config.default.toml explains each key")]
pub struct Operations {
    pub listen: SocketAddr,
}

/// `[database]`. The URL may hold a password: it is not shown by Debug.
#[derive(Clone, Deserialize)]
#[cfg_attr(test, derive(serde::Serialize))]
#[serde(deny_unknown_fields)]
#[expect(missing_docs, reason = "config.default.toml explains each key")]
pub struct Database {
    pub url: String,
    pub url_file: PathBuf,
    pub max_connections: u32,
    pub acquire_timeout_seconds: u64,
    pub migrate_on_start: bool,
}

/// `[keys]`
#[derive(Debug, Clone, Deserialize)]
#[cfg_attr(test, derive(serde::Serialize))]
#[serde(deny_unknown_fields)]
#[expect(missing_docs, reason = "config.default.toml explains each key")]
pub struct Keys {
    pub file: PathBuf,
}

/// `[connect]`
#[derive(Debug, Clone, Deserialize)]
#[cfg_attr(test, derive(serde::Serialize))]
#[serde(deny_unknown_fields)]
#[expect(missing_docs, reason = "config.default.toml explains each key")]
pub struct Connect {
    pub return_urls: Vec<String>,
    pub authorization_ttl_seconds: u64,
}

/// `[vending]`
#[derive(Debug, Clone, Deserialize)]
#[cfg_attr(test, derive(serde::Serialize))]
#[serde(deny_unknown_fields)]
#[expect(missing_docs, reason = "config.default.toml explains each key")]
pub struct Vending {
    pub default_min_ttl_seconds: u64,
    pub first_pause_seconds: u64,
    pub longest_pause_seconds: u64,
    pub confirm_after_seconds: u64,
    pub claim_wait_seconds: u64,
    pub flush_uses_seconds: u64,
}

/// `[oauth]`
#[derive(Debug, Clone, Deserialize)]
#[cfg_attr(test, derive(serde::Serialize))]
#[serde(deny_unknown_fields)]
#[expect(missing_docs, reason = "config.default.toml explains each key")]
pub struct OAuth {
    pub timeout_seconds: u64,
    pub connect_timeout_seconds: u64,
    pub max_answer_bytes: usize,
    pub allow_loopback: bool,
    pub allow_private_networks: bool,
}

/// `[access]`
#[derive(Debug, Clone, Deserialize)]
#[cfg_attr(test, derive(serde::Serialize))]
#[serde(deny_unknown_fields)]
#[expect(missing_docs, reason = "config.default.toml explains each key")]
pub struct Access {
    pub app_users: Vec<AppUsers>,
}

/// `[[access.app_users]]`
#[derive(Debug, Clone, Deserialize)]
#[cfg_attr(test, derive(serde::Serialize))]
#[serde(deny_unknown_fields)]
#[expect(missing_docs, reason = "config.default.toml explains each key")]
pub struct AppUsers {
    #[serde(default = "default_workspace")]
    pub workspace: String,
    pub issuer: String,
    #[serde(default)]
    pub jwks_url: String,
    pub audiences: Vec<String>,
    #[serde(default)]
    pub algorithms: Vec<String>,
    #[serde(default = "default_user_id_claim")]
    pub user_id_claim: String,
}

/// `[log]`
#[derive(Debug, Clone, Deserialize)]
#[cfg_attr(test, derive(serde::Serialize))]
#[serde(deny_unknown_fields)]
#[expect(missing_docs, reason = "config.default.toml explains each key")]
pub struct Log {
    pub format: LogFormat,
    pub level: String,
}

/// How log lines look.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[cfg_attr(test, derive(serde::Serialize))]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    /// For a terminal.
    Human,
    /// One JSON object a line.
    Json,
}

/// A configuration that cannot be used; says which key, where it came from, and what is allowed.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The file that was named is not there.
    #[error("there is no configuration file {}", .0.display())]
    Missing(PathBuf),
    /// One or more keys are wrong.
    #[error("{}", .0.join("\n"))]
    Invalid(Vec<String>),
}

impl Config {
    /// Reads the defaults, then `file` (or `tokend.toml` in the working directory, if there is one), then the
    /// environment.
    pub fn load(file: Option<&Path>) -> Result<Self, ConfigError> {
        let file = match file {
            Some(file) if !file.is_file() => return Err(ConfigError::Missing(file.to_owned())),
            Some(file) => Some(file),
            None => Some(Path::new("tokend.toml")).filter(|file| file.is_file()),
        };
        let mut figment = Figment::from(Toml::string(DEFAULTS));
        if let Some(file) = file {
            figment = figment.merge(Toml::file_exact(file));
        }
        // Only keys have '__'; TOKEND_API_KEY and the like are the command line's own.
        let keys = Env::prefixed("TOKEND_")
            .filter(|name| name.as_str().contains("__"))
            .split("__");
        Self::extract(&figment.merge(keys))
    }

    /// The defaults alone.
    pub fn defaults() -> Result<Self, ConfigError> {
        Self::extract(&Figment::from(Toml::string(DEFAULTS)))
    }

    /// The database URL, from its key or its file.
    pub fn database_url(&self) -> Result<Secret, ConfigError> {
        let Database { url, url_file, .. } = &self.database;
        if url_file.as_os_str().is_empty() {
            return Ok(Secret::new(url.clone()));
        }
        let read = std::fs::read_to_string(url_file).map_err(|error| {
            ConfigError::Invalid(vec![format!(
                "database.url_file {}: {error}",
                url_file.display()
            )])
        })?;
        Ok(Secret::new(read.trim()))
    }

    fn extract(figment: &Figment) -> Result<Self, ConfigError> {
        let config: Self = figment.extract().map_err(|error| {
            ConfigError::Invalid(error.into_iter().map(|error| explain(&error)).collect())
        })?;
        config.check()?;
        Ok(config)
    }

    /// What no single key's type can tell.
    fn check(&self) -> Result<(), ConfigError> {
        let mut wrong = Vec::new();
        let set = |path: &Path| !path.as_os_str().is_empty();
        if set(&self.grpc.tls_certificate_file) != set(&self.grpc.tls_private_key_file) {
            wrong.push(
                "grpc.tls_certificate_file and grpc.tls_private_key_file go together".to_owned(),
            );
        }
        let public_url = &self.http.public_url;
        if !public_url.is_empty() && !is_public_url(public_url) {
            wrong.push(format!(
                "http.public_url {public_url:?}: must be http:// or https://, a host, and nothing after the port"
            ));
        }
        for (key, value) in [
            (
                "connect.authorization_ttl_seconds",
                self.connect.authorization_ttl_seconds,
            ),
            (
                "vending.flush_uses_seconds",
                self.vending.flush_uses_seconds,
            ),
            ("oauth.timeout_seconds", self.oauth.timeout_seconds),
            (
                "grpc.request_timeout_seconds",
                self.grpc.request_timeout_seconds,
            ),
        ] {
            if value == 0 {
                wrong.push(format!("{key}: must be at least 1"));
            }
        }
        match wrong.is_empty() {
            true => Ok(()),
            false => Err(ConfigError::Invalid(wrong)),
        }
    }

    /// How long an authorization may take.
    pub(crate) fn authorization_time_to_live(&self) -> Duration {
        Duration::from_secs(self.connect.authorization_ttl_seconds)
    }
}

impl std::fmt::Debug for Database {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Database")
            .field("url_file", &self.url_file)
            .finish_non_exhaustive()
    }
}

fn is_public_url(text: &str) -> bool {
    url::Url::parse(text).is_ok_and(|url| {
        matches!(url.scheme(), "http" | "https")
            && url.has_host()
            && url.path() == "/"
            && url.query().is_none()
            && url.fragment().is_none()
    })
}

/// One error, with where the value came from and, for an unknown key, the nearest known one.
fn explain(error: &figment::Error) -> String {
    let source = error
        .metadata
        .as_ref()
        .map(|metadata| match &metadata.source {
            Some(source) => source.to_string(),
            None => metadata.name.to_string(),
        });
    let place = match source {
        Some(source) if source.ends_with("environment variable(s)") => {
            format!("TOKEND_{}: ", error.path.join("__").to_uppercase())
        }
        Some(source) => format!("{source}: "),
        None => String::new(),
    };
    let path = error.path.join(".");
    match &error.kind {
        Kind::UnknownField(name, known) => {
            let nearest = known
                .iter()
                .map(|known| (strsim::damerau_levenshtein(name, known), known))
                .min()
                .filter(|(distance, _)| *distance <= 3);
            let hint = match nearest {
                Some((_, known)) => format!("did you mean '{known}'?"),
                None => format!("known here are {}", known.join(", ")),
            };
            let inside = error
                .path
                .split_last()
                .map(|(_, section)| section.join("."))
                .unwrap_or_default();
            let section = if inside.is_empty() {
                inside
            } else {
                format!(" in [{inside}]")
            };
            format!("{place}unknown key '{name}'{section}; {hint}")
        }
        kind => format!("{place}{path}: {kind}"),
    }
}

fn default_workspace() -> String {
    "default".to_owned()
}

fn default_user_id_claim() -> String {
    "sub".to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn load(text: &str) -> Result<Config, String> {
        let figment = Figment::from(Toml::string(DEFAULTS)).merge(Toml::string(text));
        Config::extract(&figment).map_err(|error| error.to_string())
    }

    #[test]
    fn the_default_file_has_every_key_and_no_other() {
        let file: toml::Table = DEFAULTS.parse().expect("the file is TOML");
        let config = Config::defaults().expect("the defaults load");
        let written = toml::Table::try_from(&config).expect("the struct is a table");
        assert_eq!(file, written);
    }

    #[test]
    fn an_unknown_key_names_the_nearest() {
        let error = load("[database]\nurll = 'x'").expect_err("unknown");
        assert!(
            error.contains("unknown key 'urll'") && error.contains("did you mean 'url'?"),
            "{error}"
        );
        let error = load("[databse]\nurl = 'x'").expect_err("unknown");
        assert!(error.contains("did you mean 'database'?"), "{error}");
    }

    #[test]
    fn wrong_values_name_their_key() {
        let error = load("[grpc]\nlisten = 'everywhere'").expect_err("no address");
        assert!(error.contains("grpc.listen"), "{error}");
        let error = load("[grpc]\ntls_certificate_file = 'a.pem'").expect_err("no key");
        assert!(error.contains("tls_private_key_file"), "{error}");
        let error = load("[http]\npublic_url = 'https://t.example/base'").expect_err("a path");
        assert!(error.contains("http.public_url"), "{error}");
    }

    #[test]
    fn debug_hides_the_database_url() {
        let config = load("[database]\nurl = 'postgres://u:canary@h/d'").expect("loads");
        assert!(!format!("{config:?}").contains("canary"));
    }
}
