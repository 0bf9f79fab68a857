//! Starting and stopping: bind, wire up, serve; then stop taking calls, finish exchanges, write what is left.

use std::{net::SocketAddr, time::Duration};

use tokio::net::TcpListener;
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use crate::{
    browser,
    config::{Config, ConfigError},
    grpc::{self, Health},
    operations::{self, Readiness},
    upkeep,
    wire_up::{Callers, Wired, wire_up},
};

/// A running server. [`Server::stop`] ends it in order; dropping it does not.
pub struct Server {
    grpc: SocketAddr,
    browser: SocketAddr,
    operations: SocketAddr,
    public_url: String,
    vending: tokend_vending::Vending,
    health: Health,
    readiness: Readiness,
    stop_listening: CancellationToken,
    stop_upkeep: CancellationToken,
    listeners: TaskTracker,
    upkeep: TaskTracker,
}

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
    /// An address cannot be listened on.
    #[error("{key} {address} cannot be listened on: {source}")]
    Listen {
        /// The configuration key.
        key: &'static str,
        /// The address.
        address: SocketAddr,
        /// The operating system's word.
        source: std::io::Error,
    },
    /// The TLS files cannot be read or do not fit.
    #[error("grpc.tls_certificate_file or grpc.tls_private_key_file: {0}")]
    Tls(String),
    /// An integration type that came with tokend does not read.
    #[error(transparent)]
    Catalogue(#[from] tokend_catalog::InvalidEmbeddedDefinition),
    /// The HTTP client for providers cannot be made.
    #[error(transparent)]
    HttpClient(#[from] tokend_oauth::HttpClientUnavailable),
    /// An issuer of app users' tokens cannot be used.
    #[error("access.app_users: {0}")]
    Issuer(#[from] tokend_access::InvalidIssuer),
    /// A workspace's name is none.
    #[error("{0}")]
    Workspace(String),
    /// The operating system gives no random numbers.
    #[error(transparent)]
    Randomness(#[from] tokend_access::RandomnessUnavailable),
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

        let readiness = Readiness::default();
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

        let wired = wire_up(config, callers, grpc, public_url.clone()).await?;
        let Wired {
            vending, admission, ..
        } = &wired;
        let pages = browser::routes(vending.clone(), &public_url);
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
        upkeep.spawn(upkeep::reload_keys(admission.clone(), stop_upkeep.clone()));

        let vending = vending.clone();
        let (health, serve_grpc) = grpc::prepare(config, wired).await?;
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
            health,
            readiness,
            stop_listening,
            stop_upkeep,
            listeners,
            upkeep,
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
    /// are written.
    pub async fn stop(self) {
        tracing::info!("tokend is stopping");
        self.readiness.set(false);
        self.health.set_serving(false).await;
        self.stop_listening.cancel();
        self.health.end_watches().await;
        self.listeners.close();
        self.listeners.wait().await;
        self.stop_upkeep.cancel();
        self.upkeep.close();
        self.upkeep.wait().await;
        self.vending.drain().await;
        tracing::info!("tokend has stopped");
    }
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
    let served = axum::serve(listener, routes)
        .with_graceful_shutdown(async move { stop.cancelled().await })
        .await;
    if let Err(error) = served {
        tracing::error!(%error, "an HTTP listener ended");
    }
}
