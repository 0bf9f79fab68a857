//! Configuration: the embedded defaults, then a file, then the environment. Reading it touches nothing else.

mod sections;

use std::{
    path::{Path, PathBuf},
    time::Duration,
};

use figment::{
    Figment,
    error::Kind,
    providers::{Env, Format, Toml},
};
use serde::Deserialize;
use tokend_model::Secret;

pub use self::sections::{
    Access, AppUsers, Audit, AuditSink, AuditSync, Connect, Database, Deployment, Grpc, Http,
    Journal, JwtCallers, Keys, Kubernetes, Log, LogFormat, OAuth, Operations, Quotas, Spiffe,
    Vending,
};

/// All keys with their defaults and meanings: the reference.
pub const DEFAULTS: &str = include_str!("../config.default.toml");

/// No time may be longer, in seconds: a longer one is a slip, and sums of times with it could overflow.
const LONGEST_SPAN: u64 = 365 * 24 * 60 * 60;
/// In seconds: callers wait so long for an audit sink that hangs before the next is asked.
const LONGEST_SINK_TIMEOUT: u64 = 10;

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
    pub deployment: Deployment,
    pub journal: Journal,
    pub connect: Connect,
    pub vending: Vending,
    pub oauth: OAuth,
    pub access: Access,
    pub quotas: Quotas,
    pub audit: Audit,
    pub log: Log,
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

    /// Where the policies are; none: those that come with tokend are in force.
    pub fn policy_path(&self) -> Option<PathBuf> {
        let path = &self.access.policy_path;
        Some(path.clone()).filter(|path| !path.as_os_str().is_empty())
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
        if !self.access.spiffe.is_empty() && !set(&self.grpc.tls_certificate_file) {
            wrong.push(
                "access.spiffe needs grpc.tls_certificate_file and grpc.tls_private_key_file"
                    .to_owned(),
            );
        }
        let public_url = &self.http.public_url;
        if !public_url.is_empty() && !is_public_url(public_url) {
            wrong.push(format!(
                "http.public_url {public_url:?}: must be http:// or https://, a host, and nothing after the port"
            ));
        }
        for return_url in &self.connect.return_urls {
            if let Err(error) = tokend_vending::check_return_url(return_url) {
                wrong.push(format!("connect.{error}"));
            }
        }
        for (key, value, least) in self.spans() {
            if value < least || value > LONGEST_SPAN {
                wrong.push(format!(
                    "{key} = {value}: must be {least} to {LONGEST_SPAN} (a year)"
                ));
            }
        }
        if self.oauth.connect_timeout_seconds >= self.oauth.timeout_seconds {
            wrong.push(
                "oauth.connect_timeout_seconds must be less than oauth.timeout_seconds, which includes it"
                    .to_owned(),
            );
        }
        for (key, value) in [
            (
                "grpc.max_concurrent_streams",
                self.grpc.max_concurrent_streams,
            ),
            ("grpc.max_metadata_bytes", self.grpc.max_metadata_bytes),
            ("database.max_connections", self.database.max_connections),
            (
                "oauth.max_concurrent_calls",
                self.oauth.max_concurrent_calls,
            ),
            (
                "oauth.max_calls_per_second",
                self.oauth.max_calls_per_second,
            ),
        ] {
            if value == 0 {
                wrong.push(format!("{key}: must be at least 1"));
            }
        }
        let sinks = &self.audit.sinks;
        if sinks.is_empty() {
            wrong.push(
                "audit.sinks: must name one at least; no token leaves without its record"
                    .to_owned(),
            );
        }
        if (1..sinks.len()).any(|at| sinks[..at].contains(&sinks[at])) {
            wrong.push("audit.sinks: must not name one twice".to_owned());
        }
        if sinks.contains(&AuditSink::File) && !set(&self.audit.file) {
            wrong.push("audit.file: must be set, since audit.sinks names it".to_owned());
        }
        let sink_timeout = self.audit.sink_timeout_seconds;
        if (LONGEST_SINK_TIMEOUT + 1..=LONGEST_SPAN).contains(&sink_timeout) {
            wrong.push(format!(
                "audit.sink_timeout_seconds = {sink_timeout}: must be 1 to {LONGEST_SINK_TIMEOUT}; every call waits so long for a sink that hangs"
            ));
        }
        let proxy_url = &self.oauth.proxy_url;
        if !proxy_url.is_empty() && !is_proxy_url(proxy_url) {
            // Not repeated: what is wrong with it may be a password.
            wrong.push(
                "oauth.proxy_url: must be http:// or https://, a host, and nothing after the port; \
                 a user name and password are not taken"
                    .to_owned(),
            );
        }
        if !set(&self.journal.directory) {
            wrong.push(
                "journal.directory: must be set; no token is renewed without a journal".to_owned(),
            );
        }
        match wrong.is_empty() {
            true => Ok(()),
            false => Err(ConfigError::Invalid(wrong)),
        }
    }

    /// Each key in seconds, with its value and the least it may be. What may be 0 means "at once" or "not at all".
    fn spans(&self) -> [(&'static str, u64, u64); 17] {
        let Self {
            grpc,
            database,
            connect,
            vending,
            oauth,
            audit,
            ..
        } = self;
        [
            (
                "grpc.max_connection_age_seconds",
                grpc.max_connection_age_seconds,
                0,
            ),
            (
                "grpc.handshake_timeout_seconds",
                grpc.handshake_timeout_seconds,
                1,
            ),
            ("audit.sink_timeout_seconds", audit.sink_timeout_seconds, 1),
            ("audit.retention_days", audit.retention_days, 1),
            (
                "grpc.request_timeout_seconds",
                grpc.request_timeout_seconds,
                1,
            ),
            (
                "database.acquire_timeout_seconds",
                database.acquire_timeout_seconds,
                1,
            ),
            (
                "connect.authorization_ttl_seconds",
                connect.authorization_ttl_seconds,
                1,
            ),
            (
                "vending.default_min_ttl_seconds",
                vending.default_min_ttl_seconds,
                0,
            ),
            (
                "vending.first_pause_seconds",
                vending.first_pause_seconds,
                0,
            ),
            (
                "vending.longest_pause_seconds",
                vending.longest_pause_seconds,
                0,
            ),
            (
                "vending.confirm_after_seconds",
                vending.confirm_after_seconds,
                0,
            ),
            (
                "vending.renew_unused_for_seconds",
                vending.renew_unused_for_seconds,
                0,
            ),
            ("vending.claim_wait_seconds", vending.claim_wait_seconds, 0),
            (
                "vending.stale_limit_seconds",
                vending.stale_limit_seconds,
                0,
            ),
            ("vending.flush_uses_seconds", vending.flush_uses_seconds, 1),
            ("oauth.timeout_seconds", oauth.timeout_seconds, 1),
            (
                "oauth.connect_timeout_seconds",
                oauth.connect_timeout_seconds,
                1,
            ),
        ]
    }

    /// How long an authorization may take.
    pub(crate) fn authorization_time_to_live(&self) -> Duration {
        Duration::from_secs(self.connect.authorization_ttl_seconds)
    }
}

fn is_proxy_url(text: &str) -> bool {
    let has_credentials = |url: url::Url| !url.username().is_empty() || url.password().is_some();
    is_public_url(text) && !url::Url::parse(text).is_ok_and(has_credentials)
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
        kind => {
            let kind = kind.to_string().replace('`', "'");
            match path.is_empty() {
                true => format!("{place}{kind}"),
                false => format!("{place}{path}: {kind}"),
            }
        }
    }
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
        let spiffe = "[[access.spiffe]]\ntrust_domain = 'acme.test'\nbundle_file = 'bundle.pem'\n";
        let error = load(spiffe).expect_err("client certificates without TLS");
        assert!(error.contains("access.spiffe needs grpc.tls_"), "{error}");
        let tls = "[grpc]\ntls_certificate_file = 'a.pem'\ntls_private_key_file = 'a.key'\n";
        assert!(load(&format!("{tls}{spiffe}")).is_ok());
        let error = load("[log]\nformat = 'xml'").expect_err("no format");
        assert!(
            error.contains("log.format") && error.contains("'human'") && !error.contains('`'),
            "{error}"
        );
        let error = load("[connect]\nreturn_urls = ['ftp:nope']").expect_err("no web page");
        assert!(error.contains("connect.return_urls"), "{error}");
        let error = load("[http]\npublic_url = 'https://t.example/base'").expect_err("a path");
        assert!(error.contains("http.public_url"), "{error}");
        for proxy in [
            "proxy:3128",
            "socks5://proxy",
            "http://u:canary@proxy:3128",
            "http://proxy/x",
        ] {
            let error = load(&format!("[oauth]\nproxy_url = '{proxy}'")).expect_err("no proxy");
            assert!(
                error.contains("oauth.proxy_url") && !error.contains("canary"),
                "{error}"
            );
        }
        assert!(load("[oauth]\nproxy_url = 'http://proxy.internal:3128'").is_ok());
    }

    #[test]
    fn an_audit_trail_has_sinks_and_does_not_hold_calls_up() {
        for (text, key) in [
            ("sinks = []", "audit.sinks"),
            ("sinks = ['file', 'database', 'file']", "audit.sinks"),
            ("file = ''", "audit.file"),
            ("sink_timeout_seconds = 11", "audit.sink_timeout_seconds"),
            ("sink_timeout_seconds = 0", "audit.sink_timeout_seconds"),
        ] {
            let error = load(&format!("[audit]\n{text}")).expect_err(text);
            assert!(error.contains(key), "{error}");
            assert_eq!(error.lines().count(), 1, "{error}");
        }
        assert!(load("[audit]\nsinks = ['database']\nfile = ''").is_ok());
        assert!(load("[audit]\nsink_timeout_seconds = 10").is_ok());
    }

    #[test]
    fn every_time_is_at_most_a_year() {
        let defaults: toml::Table = DEFAULTS.parse().expect("the file is TOML");
        let mut checked = 0;
        for (section, keys) in &defaults {
            let keys = keys.as_table().expect("a section");
            for key in keys.keys().filter(|key| key.ends_with("_seconds")) {
                let with = |value: u64| load(&format!("[{section}]\n{key} = {value}"));
                for too_long in [LONGEST_SPAN + 1, i64::MAX.unsigned_abs()] {
                    let error = with(too_long).expect_err(key);
                    assert!(error.contains(&format!("{section}.{key} = ")), "{error}");
                }
                checked += 1;
            }
        }
        let spans = Config::defaults().expect("loads").spans();
        let seconds = spans.iter().filter(|(key, ..)| key.ends_with("_seconds"));
        assert_eq!(checked, seconds.count());
        assert!(load("[oauth]\ntimeout_seconds = 31536000").is_ok());
    }

    #[test]
    fn all_that_is_wrong_is_told_at_once() {
        let error = load(
            "[grpc]\nrequest_timeout_seconds = 0\n\
             [database]\nmax_connections = 0\nacquire_timeout_seconds = 0\n\
             [oauth]\ntimeout_seconds = 5\nconnect_timeout_seconds = 5",
        )
        .expect_err("four mistakes");
        for key in [
            "grpc.request_timeout_seconds",
            "database.max_connections",
            "database.acquire_timeout_seconds",
            "oauth.connect_timeout_seconds",
        ] {
            assert!(error.contains(key), "{key}: {error}");
        }
        assert_eq!(error.lines().count(), 4, "{error}");
    }

    #[test]
    fn debug_hides_the_database_url() {
        let config = load("[database]\nurl = 'postgres://u:canary@h/d'").expect("loads");
        assert!(!format!("{config:?}").contains("canary"));
    }
}
