//! The sections of the configuration, as they are read.

use std::{collections::BTreeMap, net::SocketAddr, path::PathBuf};

use serde::Deserialize;

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
    pub max_metadata_bytes: u32,
    pub max_connections: u32,
    pub max_connection_age_seconds: u64,
    pub max_concurrent_calls: u32,
    pub handshake_timeout_seconds: u64,
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

/// `[deployment]`
#[derive(Debug, Clone, Deserialize)]
#[cfg_attr(test, derive(serde::Serialize))]
#[serde(deny_unknown_fields)]
#[expect(missing_docs, reason = "config.default.toml explains each key")]
pub struct Deployment {
    pub id: String,
    pub file: PathBuf,
}

/// `[journal]`
#[derive(Debug, Clone, Deserialize)]
#[cfg_attr(test, derive(serde::Serialize))]
#[serde(deny_unknown_fields)]
#[expect(missing_docs, reason = "config.default.toml explains each key")]
pub struct Journal {
    pub directory: PathBuf,
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
    pub renew_ahead: bool,
    pub renew_unused_for_seconds: u64,
    pub claim_wait_seconds: u64,
    pub stale_limit_seconds: u64,
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
    pub max_concurrent_calls: u32,
    pub max_calls_per_second: u32,
    pub max_answer_bytes: usize,
    pub allow_loopback: bool,
    pub allow_private_networks: bool,
    pub proxy_url: String,
    pub ca_file: PathBuf,
}

/// `[access]`
#[derive(Debug, Clone, Deserialize)]
#[cfg_attr(test, derive(serde::Serialize))]
#[serde(deny_unknown_fields)]
#[expect(missing_docs, reason = "config.default.toml explains each key")]
pub struct Access {
    pub environment: String,
    pub policy_path: PathBuf,
    pub app_users: Vec<AppUsers>,
    pub spiffe: Vec<Spiffe>,
    pub kubernetes: Vec<Kubernetes>,
    pub jwt_callers: Vec<JwtCallers>,
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
    #[serde(default)]
    pub audiences: Vec<String>,
    #[serde(default)]
    pub caller_audiences: BTreeMap<String, Vec<String>>,
    #[serde(default)]
    pub algorithms: Vec<String>,
    #[serde(default = "default_user_id_claim")]
    pub user_id_claim: String,
    #[serde(default)]
    pub user_id_prefix: String,
    #[serde(default)]
    pub shares_user_ids: bool,
    #[serde(default = "default_max_token_age_seconds")]
    pub max_token_age_seconds: u64,
}

/// `[[access.spiffe]]`
#[derive(Debug, Clone, Deserialize)]
#[cfg_attr(test, derive(serde::Serialize))]
#[serde(deny_unknown_fields)]
#[expect(missing_docs, reason = "config.default.toml explains each key")]
pub struct Spiffe {
    pub trust_domain: String,
    pub bundle_file: PathBuf,
    #[serde(default = "default_workspaces")]
    pub workspaces: Vec<String>,
    #[serde(default)]
    pub role: String,
}

/// `[[access.kubernetes]]`
#[derive(Debug, Clone, Deserialize)]
#[cfg_attr(test, derive(serde::Serialize))]
#[serde(deny_unknown_fields)]
#[expect(missing_docs, reason = "config.default.toml explains each key")]
pub struct Kubernetes {
    #[serde(default = "default_cluster_issuer")]
    pub issuer: String,
    #[serde(default = "default_audiences")]
    pub audiences: Vec<String>,
    #[serde(default = "default_api_server")]
    pub api_server: String,
    #[serde(default = "default_cluster_ca")]
    pub ca_file: PathBuf,
    #[serde(default = "default_cluster_token")]
    pub token_file: PathBuf,
    #[serde(default)]
    pub token_review: bool,
    #[serde(default)]
    pub name_prefix: String,
    #[serde(default = "default_workspaces")]
    pub workspaces: Vec<String>,
    #[serde(default)]
    pub role: String,
}

/// `[[access.jwt_callers]]`
#[derive(Debug, Clone, Deserialize)]
#[cfg_attr(test, derive(serde::Serialize))]
#[serde(deny_unknown_fields)]
#[expect(missing_docs, reason = "config.default.toml explains each key")]
pub struct JwtCallers {
    pub issuer: String,
    #[serde(default)]
    pub jwks_url: String,
    pub audiences: Vec<String>,
    #[serde(default)]
    pub algorithms: Vec<String>,
    #[serde(default = "default_user_id_claim")]
    pub caller_claim: String,
    #[serde(default)]
    pub name_prefix: Option<String>,
    #[serde(default = "default_workspaces")]
    pub workspaces: Vec<String>,
    #[serde(default)]
    pub role: String,
    #[serde(default = "default_max_token_age_seconds")]
    pub max_token_age_seconds: u64,
}

/// `[quotas]`
#[derive(Debug, Clone, Deserialize)]
#[cfg_attr(test, derive(serde::Serialize))]
#[serde(deny_unknown_fields)]
#[expect(missing_docs, reason = "config.default.toml explains each key")]
pub struct Quotas {
    pub caller_vends_per_second: u32,
    pub workspace_vends_per_second: u32,
    pub caller_connections_per_minute: u32,
    pub workspace_connections_per_minute: u32,
    pub rejected_generations_per_minute: u32,
}

/// `[audit]`
#[derive(Debug, Clone, Deserialize)]
#[cfg_attr(test, derive(serde::Serialize))]
#[serde(deny_unknown_fields)]
#[expect(missing_docs, reason = "config.default.toml explains each key")]
pub struct Audit {
    pub sinks: Vec<AuditSink>,
    pub file: PathBuf,
    pub sync: AuditSync,
    pub sink_timeout_seconds: u64,
    pub retention_days: u64,
}

/// Where audit records may go.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Deserialize)]
#[cfg_attr(test, derive(serde::Serialize))]
#[serde(rename_all = "lowercase")]
pub enum AuditSink {
    /// Lines of JSON appended to a file.
    File,
    /// Lines of JSON on stdout.
    Stdout,
    /// Rows of the database.
    Database,
}

/// When a record in a file is safe enough for its token to leave.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[cfg_attr(test, derive(serde::Serialize))]
#[serde(rename_all = "lowercase")]
pub enum AuditSync {
    /// Once the disk has it; it outlives a power cut.
    Always,
    /// Once the operating system has it, which brings it to the disk within a second; it outlives the process.
    Second,
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

impl std::fmt::Debug for Database {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Database")
            .field("url_file", &self.url_file)
            .finish_non_exhaustive()
    }
}

fn default_workspace() -> String {
    "default".to_owned()
}

fn default_workspaces() -> Vec<String> {
    vec![default_workspace()]
}

fn default_user_id_claim() -> String {
    "sub".to_owned()
}

fn default_max_token_age_seconds() -> u64 {
    tokend_access::DEFAULT_MAX_TOKEN_AGE.as_secs()
}

fn default_cluster_issuer() -> String {
    "https://kubernetes.default.svc.cluster.local".to_owned()
}

fn default_audiences() -> Vec<String> {
    vec!["tokend".to_owned()]
}

fn default_api_server() -> String {
    "https://kubernetes.default.svc".to_owned()
}

fn default_cluster_ca() -> PathBuf {
    PathBuf::from("/var/run/secrets/kubernetes.io/serviceaccount/ca.crt")
}

fn default_cluster_token() -> PathBuf {
    PathBuf::from("/var/run/secrets/kubernetes.io/serviceaccount/token")
}
