//! Starting and stopping: bind, wire up, serve; then stop taking calls, finish exchanges, write what is left.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use tokio::net::TcpListener;
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use crate::{
    audit::Audit,
    browser,
    config::{Config, ConfigError},
    grpc::{self, Health},
    operations::{self, Readiness},
    service::Acts,
    upkeep,
    wire::Tls,
    wire_up::{Callers, Wired, wire_up},
};

/// A running server. [`Server::stop`] ends it in order; dropping it does not.
pub struct Server {
    grpc: SocketAddr,
    browser: SocketAddr,
    operations: SocketAddr,
    public_url: String,
    vending: tokend_vending::Vending,
    audit: Arc<Audit>,
    acts: Acts,
    health: Health,
    readiness: Readiness,
    stop_listening: CancellationToken,
    stop_upkeep: CancellationToken,
    listeners: TaskTracker,
    upkeep: TaskTracker,
    grace: Duration,
}

/// Added to the longest a call may take before a stop goes on without it.
const GRACE_MARGIN: Duration = Duration::from_secs(5);

/// Why the server does not start, and what to do.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The configuration cannot be used.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// There is no usable key file.
    #[error(transparent)]
    Keys(#[from] tokend_keyring::KeyFileError),
    /// The database cannot be opened.
    #[error(transparent)]
    Connect(#[from] tokend_storage::ConnectError),
    /// The tables cannot be brought up to date.
    #[error("the database cannot be migrated")]
    Migrate(#[source] tokend_model::ports::StorageError),
    /// The database was opened but cannot be read.
    #[error(
        "the database cannot be read; if 'database.migrate_on_start' is off, run 'tokend migrate' first"
    )]
    Storage,
    /// The database was sealed with a key that is not in the key file.
    #[error(
        "what the database holds was sealed with the key '{key_id}', which is not in {}; use the key file that \
         belongs to this database", .file.display()
    )]
    WrongKey {
        /// The key that is needed.
        key_id: String,
        /// The key file that was read.
        file: std::path::PathBuf,
    },
    /// The file that names the deployment cannot be used.
    #[error(transparent)]
    Deployment(#[from] crate::deployment::DeploymentFileError),
    /// The journal's directory cannot be used.
    #[error("journal.directory cannot be used")]
    Journal(#[from] tokend_model::ports::JournalError),
    /// The file of the audit trail cannot be used.
    #[error("audit.file {} cannot be used", .file.display())]
    AuditFile {
        /// The file.
        file: std::path::PathBuf,
        /// Why.
        source: crate::audit::LinesError,
    },
    /// No key for the audit trail's records can be derived.
    #[error("no key for the audit trail can be derived from the key file")]
    AuditKey,
    /// An address cannot be listened on.
    #[error(
        "{key} {address} cannot be listened on; is another tokend running, or should {key} name another port?"
    )]
    Listen {
        /// The configuration key.
        key: &'static str,
        /// The address.
        address: SocketAddr,
        /// The operating system's word.
        source: std::io::Error,
    },
    /// TLS cannot be had as it is configured.
    #[error(transparent)]
    Tls(#[from] crate::wire::TlsError),
    /// What reflection would tell does not read.
    #[error("gRPC reflection cannot be served")]
    Reflection(#[from] tonic_reflection::server::Error),
    /// A trust domain of callers cannot be used.
    #[error("access.spiffe cannot be used")]
    TrustDomain(#[from] tokend_access::InvalidTrustDomain),
    /// An integration type that came with tokend does not read.
    #[error(transparent)]
    Catalogue(#[from] tokend_catalog::InvalidEmbeddedDefinition),
    /// The HTTP client for providers cannot be made.
    #[error(transparent)]
    HttpClient(#[from] tokend_oauth::HttpClientUnavailable),
    /// An issuer of app users' tokens cannot be used.
    #[error("access.app_users cannot be used")]
    Issuer(#[from] tokend_access::InvalidIssuer),
    /// An issuer of callers' tokens cannot be used.
    #[error("access.jwt_callers or access.kubernetes cannot be used")]
    CallerIssuer(#[source] tokend_access::InvalidIssuer),
    /// What callers may do is not configured rightly.
    #[error("{section} cannot be used")]
    Standing {
        /// The section of the configuration.
        section: &'static str,
        /// What is wrong with it.
        source: tokend_access::InvalidStanding,
    },
    /// The policies do not read or fit.
    #[error("access.policy_path cannot be used")]
    Policies(#[from] tokend_access::InvalidPolicies),
    /// A workspace's name is none.
    #[error("{0}")]
    Workspace(String),
    /// Calls without credentials were to be taken from elsewhere than this machine.
    #[error(transparent)]
    NotLoopback(#[from] tokend_access::NotLoopback),
}

impl Server {
    /// Starts with the configuration; answers once calls are taken.
    pub async fn start(config: &Config, callers: Callers) -> Result<Self, StartError> {
        // Whoever embeds the server may have installed the provider already.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let grpc_listener = listen("grpc.listen", config.grpc.listen).await?;
        let browser_listener = listen("http.listen", config.http.listen).await?;
        let operations_listener = listen("operations.listen", config.operations.listen).await?;
        let address = |listener: &TcpListener, key| {
            listener.local_addr().map_err(|source| StartError::Listen {
                key,
                address: SocketAddr::from(([0, 0, 0, 0], 0)),
                source,
            })
        };
        let grpc = address(&grpc_listener, "grpc.listen")?;
        let browser = address(&browser_listener, "http.listen")?;
        let operations = address(&operations_listener, "operations.listen")?;
        let public_url = match config.http.public_url.trim_end_matches('/') {
            "" => format!("http://{browser}"),
            url => url.to_owned(),
        };

        let plain = config.grpc.tls_certificate_file.as_os_str().is_empty();
        if plain && !grpc.ip().is_loopback() {
            tracing::warn!(%grpc, "gRPC is served without TLS to other machines: tokens travel in the clear");
        }

        let wired = wire_up(config, callers, grpc, public_url.clone()).await?;
        recover(&wired).await?;
        let readiness = Readiness::new(wired.guard.clone());
        let (stop_listening, stop_upkeep) = (CancellationToken::new(), CancellationToken::new());
        let (listeners, upkeep) = (TaskTracker::new(), TaskTracker::new());
        // Whatever has been started ends again if the rest cannot be.
        let (listeners_guard, upkeep_guard) = (
            stop_listening.clone().drop_guard(),
            stop_upkeep.clone().drop_guard(),
        );
        let probes = operations::routes(readiness.clone());
        listeners.spawn(serve_http(
            operations_listener,
            probes,
            stop_listening.clone(),
        ));

        let Wired {
            vending,
            admission,
            clock,
            guard,
            storage,
        } = &wired;
        let pages = browser::routes(vending.clone(), admission, &public_url);
        listeners.spawn(serve_http(browser_listener, pages, stop_listening.clone()));
        let flush_interval = Duration::from_secs(config.vending.flush_uses_seconds);
        upkeep.spawn(upkeep::flush_uses(
            vending.clone(),
            flush_interval,
            stop_upkeep.clone(),
        ));
        upkeep.spawn(upkeep::expire_authorizations(
            vending.clone(),
            stop_upkeep.clone(),
        ));
        upkeep.spawn(upkeep::keep_time(
            storage.clone(),
            clock.clone(),
            stop_upkeep.clone(),
        ));
        upkeep.spawn(upkeep::guard_database(guard.clone(), stop_upkeep.clone()));
        upkeep.spawn(upkeep::recover_journals(
            vending.clone(),
            stop_upkeep.clone(),
        ));
        upkeep.spawn(upkeep::follow_changes(vending.clone(), stop_upkeep.clone()));
        if config.vending.renew_ahead {
            upkeep.spawn(upkeep::keep_renewing(vending.clone(), stop_upkeep.clone()));
        }
        upkeep.spawn(upkeep::tidy(
            vending.clone(),
            storage.clone(),
            stop_upkeep.clone(),
        ));
        upkeep.spawn(upkeep::reload_keys(admission.clone(), stop_upkeep.clone()));
        upkeep.spawn(upkeep::keep_audit(
            admission.audit.clone(),
            config.audit.retention_days,
            stop_upkeep.clone(),
        ));
        upkeep.spawn(upkeep::write_last_uses(
            admission.clone(),
            stop_upkeep.clone(),
        ));
        upkeep.spawn(upkeep::reload_suspensions(
            admission.clone(),
            stop_upkeep.clone(),
        ));
        upkeep.spawn(upkeep::carry_out_bulk_revocations(
            vending.clone(),
            admission.audit.clone(),
            stop_upkeep.clone(),
        ));
        upkeep.spawn(upkeep::reload_policies(
            admission.clone(),
            stop_upkeep.clone(),
        ));
        upkeep.spawn(upkeep::reload_integration_types(
            vending.clone(),
            stop_upkeep.clone(),
        ));

        let vending = vending.clone();
        let audit = admission.audit.clone();
        let acts = admission.acts.clone();
        let spiffe = wired.admission.callers.spiffe.clone();
        let tls = Tls::load(&config.grpc, spiffe).await?.map(Arc::new);
        if let Some(tls) = &tls {
            upkeep.spawn(upkeep::reload_certificates(
                tls.clone(),
                stop_upkeep.clone(),
            ));
        }
        let (health, serve_grpc) = grpc::prepare(config, wired, tls).await?;
        listeners.spawn(serve_grpc.run(grpc_listener, stop_listening.clone()));
        health.set_serving(true).await;
        readiness.set(true);
        tracing::info!(%grpc, %browser, %operations, %public_url, "tokend is ready");
        listeners_guard.disarm();
        upkeep_guard.disarm();
        Ok(Self {
            grpc,
            browser,
            operations,
            public_url,
            vending,
            audit,
            acts,
            health,
            readiness,
            stop_listening,
            stop_upkeep,
            listeners,
            upkeep,
            grace: grace(config),
        })
    }

    /// Where gRPC is served.
    pub fn grpc_address(&self) -> SocketAddr {
        self.grpc
    }

    /// Where browsers are served.
    pub fn browser_address(&self) -> SocketAddr {
        self.browser
    }

    /// Where probes are served.
    pub fn operations_address(&self) -> SocketAddr {
        self.operations
    }

    /// What redirect URIs and tickets begin with.
    pub fn public_url(&self) -> &str {
        &self.public_url
    }

    /// Ends in order: health says so, no new calls, calls in flight and exchanges with providers finish, use counts
    /// are written. A connection that somebody keeps open does not hold this up for longer than the longest call.
    pub async fn stop(self) {
        tracing::info!("tokend is stopping");
        self.vending.begin_closing();
        self.readiness.set(false);
        self.health.set_serving(false).await;
        self.stop_listening.cancel();
        self.health.end_watches().await;
        ended(&self.listeners, self.grace, "calls and connections").await;
        ended(self.acts.tasks(), self.grace, "acts that nobody waits for").await;
        self.stop_upkeep.cancel();
        ended(&self.upkeep, self.grace, "the upkeep").await;
        self.vending.drain().await;
        self.audit.close().await;
        tracing::info!("tokend has stopped");
    }
}

/// What an earlier process of ours left half done comes first; in a database that may not be ours nothing is touched.
async fn recover(wired: &Wired) -> Result<(), StartError> {
    if let Some(why) = wired.guard.refused() {
        tracing::error!(%why, "no provider is called; valid tokens are vended");
        return Ok(());
    }
    match wired.vending.recover_journal().await {
        Ok(0) => Ok(()),
        Ok(answers) => {
            tracing::warn!(
                answers,
                "answers that an earlier process had received were recovered"
            );
            Ok(())
        }
        Err(_) => Err(StartError::Storage),
    }
}

/// Longer than the longest call: a browser's waits for the provider, a backend's for what the configuration allows.
fn grace(config: &Config) -> Duration {
    let longest = config
        .grpc
        .request_timeout_seconds
        .max(config.oauth.timeout_seconds);
    Duration::from_secs(longest) + GRACE_MARGIN
}

/// Waits for the tasks to end, for so long at most; answers whether they did.
async fn ended(tasks: &TaskTracker, grace: Duration, what: &'static str) -> bool {
    tasks.close();
    let ended = tokio::time::timeout(grace, tasks.wait()).await.is_ok();
    if !ended {
        tracing::warn!(?grace, "{what} did not end in time; the stop goes on");
    }
    ended
}

async fn listen(key: &'static str, address: SocketAddr) -> Result<TcpListener, StartError> {
    TcpListener::bind(address)
        .await
        .map_err(|source| StartError::Listen {
            key,
            address,
            source,
        })
}

async fn serve_http(listener: TcpListener, routes: axum::Router, stop: CancellationToken) {
    let routes = routes.into_make_service_with_connect_info::<SocketAddr>();
    let served = axum::serve(listener, routes)
        .with_graceful_shutdown(async move { stop.cancelled().await })
        .await;
    if let Err(error) = served {
        tracing::error!(%error, "an HTTP listener ended");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_stop_waits_for_what_ends_and_for_no_more() {
        let tasks = TaskTracker::new();
        tasks.spawn(tokio::task::yield_now());
        assert!(ended(&tasks, Duration::from_secs(60), "tasks").await);
        tasks.spawn(std::future::pending::<()>());
        assert!(!ended(&tasks, Duration::from_millis(10), "tasks").await);
    }

    #[test]
    fn the_grace_is_longer_than_the_longest_call() {
        let mut config = Config::defaults().expect("the defaults load");
        config.oauth.timeout_seconds = 60;
        for (request_timeout, longest) in [(75, 75), (30, 60)] {
            config.grpc.request_timeout_seconds = request_timeout;
            assert!(grace(&config) > Duration::from_secs(longest));
        }
    }
}
