//! The composition root: the only place where ports and what fills them meet.

mod callers;

use std::{net::SocketAddr, sync::Arc, time::Duration};

use tokend_access::{Policy, QuotaOptions, Quotas, Suspensions};
use tokend_catalog::Catalogue;
use tokend_keyring::Keyring;
use tokend_model::{
    RefreshPolicy,
    ports::{Connections, Holder},
};
use tokend_oauth::{OAuthClient, OAuthOptions};
use tokend_storage::{Durability, FileJournal, Storage, StorageOptions};
use tokend_vending::{GateOptions, Ports, Vending, VendingOptions};
use tokio::time::Instant;
use uuid::Uuid;

use crate::{
    StartError, admission::Admission, audit::Audit, chance::SystemChance, clock::DatabaseClock,
    config::Config, deployment::Guard, service::Acts,
};

use self::callers::{app_users, caller_authentication};

/// Added to the longest a token call may take: the time to store its answer before the claim is anybody's again.
const CLAIM_MARGIN: Duration = Duration::from_secs(5);

/// How callers prove themselves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Callers {
    /// By API key, and in whatever ways the configuration names.
    ApiKeys,
    /// Not at all; refused unless gRPC listens on a loopback address. For demonstrations only.
    OpenOnLoopback,
}

/// What the edges are made of.
pub(crate) struct Wired {
    pub(crate) vending: Vending,
    pub(crate) admission: Arc<Admission>,
    pub(crate) clock: Arc<DatabaseClock>,
    pub(crate) guard: Arc<Guard>,
    pub(crate) storage: Arc<Storage>,
}

/// Opens the database that the configuration names, sealing with its key file.
pub(crate) async fn open_storage(config: &Config) -> Result<Storage, StartError> {
    open_storage_with(config, Arc::new(read_keyring(config)?)).await
}

pub(crate) fn read_keyring(config: &Config) -> Result<Keyring, StartError> {
    let key_file = Keyring::from_file(&config.keys.file)?;
    if key_file.readable_by_others {
        tracing::warn!(file = %config.keys.file.display(), "everybody on this machine can read the key file");
    }
    Ok(key_file.keyring)
}

async fn open_storage_with(config: &Config, keyring: Arc<Keyring>) -> Result<Storage, StartError> {
    let mut options = StorageOptions::new(config.database_url()?);
    options.max_connections = config.database.max_connections;
    options.acquire_timeout = Duration::from_secs(config.database.acquire_timeout_seconds);
    Ok(Storage::connect(options, keyring).await?)
}

/// Puts everything together; `public_url` and `grpc` are as the listeners turned out.
pub(crate) async fn wire_up(
    config: &Config,
    callers: Callers,
    grpc: SocketAddr,
    public_url: String,
) -> Result<Wired, StartError> {
    let keyring = Arc::new(read_keyring(config)?);
    let storage = Arc::new(open_storage_with(config, keyring.clone()).await?);
    if config.database.migrate_on_start {
        storage.migrate().await.map_err(StartError::Migrate)?;
    }
    if let Some(key_id) = storage
        .missing_key()
        .await
        .map_err(|_| StartError::Storage)?
    {
        let file = config.keys.file.clone();
        return Err(StartError::WrongKey { key_id, file });
    }
    match storage
        .durability()
        .await
        .map_err(|_| StartError::Storage)?
    {
        Durability::Durable => {}
        Durability::AtRisk { why } => tracing::warn!(
            %why,
            "durability: at_risk; a rotated refresh token that the database loses is gone"
        ),
    }
    let clock = Arc::new(database_clock(&storage).await?);
    let guard = Guard::establish(config.deployment.clone(), storage.clone()).await?;
    let guard = Arc::new(guard);
    let journal = FileJournal::open(&config.journal.directory, keyring.clone())?;
    let holder = Holder {
        replica: journal.replica().to_owned(),
        incarnation: Uuid::now_v7().to_string(),
    };
    let catalogue = Arc::new(Catalogue::embedded()?);
    let oauth = OAuthClient::new(&oauth_options(config), catalogue.clone(), clock.clone())?;
    let ports = Ports {
        clock: clock.clone(),
        chance: Arc::new(SystemChance),
        catalogue: catalogue.clone(),
        authorization_server: Arc::new(oauth),
        connectors: storage.clone(),
        connections: storage.clone(),
        refreshes: storage.clone(),
        renewals: storage.clone(),
        journal: Arc::new(journal),
        changes: storage.clone(),
        deployment_guard: guard.clone(),
        authorizations: storage.clone(),
        integration_overrides: storage.clone(),
        staged_imports: storage.clone(),
        housekeeping: storage.clone(),
        statistics: storage.clone(),
        bulk_revocations: storage.clone(),
    };
    let vending = Vending::new(ports, vending_options(config, holder, public_url));
    vending
        .load_integration_types()
        .await
        .map_err(|_| StartError::Storage)?;

    let callers = caller_authentication(
        &config.access,
        callers,
        grpc,
        storage.clone(),
        clock.clone(),
    )
    .await?;
    let suspensions = Suspensions::new(storage.clone());
    suspensions
        .reload()
        .await
        .map_err(|_| StartError::Storage)?;
    let app_users = app_users(&config.access, clock.clone())?;
    let audit = Audit::start(
        &config.audit,
        keyring,
        storage.clone(),
        clock.clone(),
        catalogue,
    )
    .await?;
    let environment = &config.access.environment;
    let policy = Policy::open_settled(config.policy_path(), environment).await?;
    let admission = Admission {
        callers,
        app_users,
        policy: Arc::new(policy),
        suspensions: Arc::new(suspensions),
        quotas: Quotas::new(quota_options(config)),
        audit: Arc::new(audit),
        acts: Acts::default(),
        vending: vending.clone(),
        clock: clock.clone(),
    };
    Ok(Wired {
        vending,
        admission: Arc::new(admission),
        clock,
        guard,
        storage,
    })
}

async fn database_clock(storage: &Storage) -> Result<DatabaseClock, StartError> {
    let asked = Instant::now();
    let shown = storage
        .database_time()
        .await
        .map_err(|_| StartError::Storage)?;
    Ok(DatabaseClock::new(shown, asked, Instant::now()))
}

fn vending_options(config: &Config, holder: Holder, public_url: String) -> VendingOptions {
    let seconds = Duration::from_secs;
    VendingOptions {
        refresh_policy: RefreshPolicy {
            default_min_ttl: seconds(config.vending.default_min_ttl_seconds),
            first_pause: seconds(config.vending.first_pause_seconds),
            longest_pause: seconds(config.vending.longest_pause_seconds),
            confirm_after: seconds(config.vending.confirm_after_seconds),
            unused_after: seconds(config.vending.renew_unused_for_seconds),
        },
        claim_time_to_live: seconds(config.oauth.timeout_seconds) + CLAIM_MARGIN,
        claim_margin: CLAIM_MARGIN,
        claim_wait: seconds(config.vending.claim_wait_seconds),
        authorization_time_to_live: config.authorization_time_to_live(),
        stale_limit: seconds(config.vending.stale_limit_seconds),
        gate: GateOptions {
            concurrent_calls: config.oauth.max_concurrent_calls,
            calls_per_second: config.oauth.max_calls_per_second,
            ..GateOptions::default()
        },
        holder,
        public_url,
        return_urls: config.connect.return_urls.clone(),
    }
}

fn quota_options(config: &Config) -> QuotaOptions {
    let quotas = &config.quotas;
    QuotaOptions {
        caller_vends_per_second: quotas.caller_vends_per_second,
        workspace_vends_per_second: quotas.workspace_vends_per_second,
        caller_connections_per_minute: quotas.caller_connections_per_minute,
        workspace_connections_per_minute: quotas.workspace_connections_per_minute,
        rejected_generations_per_minute: quotas.rejected_generations_per_minute,
    }
}

fn oauth_options(config: &Config) -> OAuthOptions {
    OAuthOptions {
        timeout: Duration::from_secs(config.oauth.timeout_seconds),
        connect_timeout: Duration::from_secs(config.oauth.connect_timeout_seconds),
        max_body: config.oauth.max_answer_bytes,
        allow_loopback: config.oauth.allow_loopback,
        allow_private_networks: config.oauth.allow_private_networks,
        // Checked when the configuration was read; the empty text is none.
        proxy_url: config.oauth.proxy_url.parse().ok(),
        ca_file: Some(config.oauth.ca_file.clone()).filter(|file| !file.as_os_str().is_empty()),
    }
}
