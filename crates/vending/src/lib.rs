//! The use cases of tokend: authorize, vend, refresh, disconnect, and the upkeep of connectors.
//!
//! This crate knows the ports of `tokend-model`, not what stands behind them: no SQL, no HTTP, no gRPC.

#![warn(missing_docs)]

mod account_change;
mod authorize;
mod bulk_revocation;
mod cache;
mod callback;
mod closing;
mod coherence;
mod complete;
mod connector_types;
mod connectors;
mod consents;
mod describe;
mod device;
mod disconnect;
mod error;
mod housekeeping;
mod import;
mod invalid_set;
mod new_connection;
mod obtain;
mod one_time;
mod other_tokens;
mod plan;
mod provider_gate;
mod refresh;
mod scheduler;
mod single_flight;
mod static_credential;
mod statistics;
mod tags;
mod ticket;
mod user_data;
mod uses;
mod vend;
mod vended;
mod verified_import;

use std::{sync::Arc, time::Duration};

use tokend_model::{
    ConnectionId, RefreshPolicy,
    ports::{
        AuthorizationServer, Authorizations, BulkRevocations, Catalogue, Chance, Changes, Clock,
        Connections, Connectors, DeploymentGuard, Holder, Housekeeping, IntegrationOverrides,
        Journal, Refreshes, Renewals, StagedImports, Statistics,
    },
};
use tokio_util::task::TaskTracker;

pub use authorize::{StartAuthorization, StartedAuthorization};
pub use bulk_revocation::StartBulkRevocation;
pub use callback::{CallbackOutcome, ProviderCallback};
pub use complete::{CompleteAuthorization, Starter};
pub use describe::DescribedConnection;
pub use disconnect::ProviderRevocation;
pub use error::{ConnectLink, Error};
pub use housekeeping::Reaped;
pub use import::{ImportConnection, ImportFailure};
pub use plan::{ClientSecret, ConnectorDraft, PlannedAction, PlannedChange, check_return_url};
pub use provider_gate::GateOptions;
pub use static_credential::{SetStaticCredential, StaticSecret};
pub use statistics::{Figures, WorkspaceStatistics};
pub use ticket::{OpenedTicket, binding_name};
pub use user_data::{ErasedUser, UserData};
pub use vend::{ConnectorRef, Target, VendOptions};
pub use vended::{Vended, Warning};

/// What the use cases work on, filled by the composition root.
#[derive(Clone)]
#[expect(missing_docs, reason = "each field is named for its port")]
pub struct Ports {
    pub clock: Arc<dyn Clock>,
    pub chance: Arc<dyn Chance>,
    pub catalogue: Arc<dyn Catalogue>,
    pub authorization_server: Arc<dyn AuthorizationServer>,
    pub connectors: Arc<dyn Connectors>,
    pub connections: Arc<dyn Connections>,
    pub refreshes: Arc<dyn Refreshes>,
    pub renewals: Arc<dyn Renewals>,
    pub journal: Arc<dyn Journal>,
    pub changes: Arc<dyn Changes>,
    pub deployment_guard: Arc<dyn DeploymentGuard>,
    pub authorizations: Arc<dyn Authorizations>,
    pub integration_overrides: Arc<dyn IntegrationOverrides>,
    pub staged_imports: Arc<dyn StagedImports>,
    pub housekeeping: Arc<dyn Housekeeping>,
    pub statistics: Arc<dyn Statistics>,
    pub bulk_revocations: Arc<dyn BulkRevocations>,
}

/// The figures and names the use cases are run with.
#[derive(Debug, Clone)]
pub struct VendingOptions {
    /// When tokens are renewed and failing providers tried again.
    pub refresh_policy: RefreshPolicy,
    /// How long a claim on a refresh token lasts: longer than a token call can take.
    pub claim_time_to_live: Duration,
    /// How much of the claim's time may pass before the token call begins.
    pub claim_margin: Duration,
    /// How long a caller waits for another replica's refresh before it is told to come back.
    pub claim_wait: Duration,
    /// How long tokens in memory are vended while changes of other replicas are not known; zero: not at all while
    /// the database is away.
    pub stale_limit: Duration,
    /// Limits on the calls to each provider.
    pub gate: GateOptions,
    /// How long an authorization may take from start to code (600 s unless configured).
    pub authorization_time_to_live: Duration,
    /// This process, as claim rows name it.
    pub holder: Holder,
    /// Where browsers reach tokend, without a trailing slash: redirect URIs and tickets are made of it.
    pub public_url: String,
    /// Return URLs allowed for every connector; compared as whole URLs.
    pub return_urls: Vec<String>,
}

/// The use cases, with what they share: ports, options, the cache and the flights under way. Clones are handles.
#[derive(Clone)]
pub struct Vending {
    shared: Arc<Shared>,
}

struct Shared {
    ports: Ports,
    options: VendingOptions,
    cache: cache::Cache,
    loads: single_flight::SingleFlight<cache::CacheKey, Result<Arc<Vended>, Error>>,
    refreshes: single_flight::SingleFlight<(ConnectionId, bool), Result<Arc<Vended>, Error>>,
    refusals: obtain::Refusals,
    journal_rest: refresh::Rest,
    closing: closing::Closing,
    gate: provider_gate::ProviderGate,
    places: scheduler::Places,
    hearing: coherence::Hearing,
    uses: uses::Uses,
    /// Stored definitions that do not read, so that each is logged once.
    unreadable: dashmap::DashSet<String>,
    tasks: TaskTracker,
}

impl Vending {
    /// Puts the use cases together; nothing is read or started yet.
    pub fn new(ports: Ports, options: VendingOptions) -> Self {
        let tasks = TaskTracker::new();
        let gate = provider_gate::ProviderGate::new(options.gate.clone(), ports.chance.clone());
        Self {
            shared: Arc::new(Shared {
                ports,
                options,
                cache: cache::Cache::default(),
                loads: single_flight::SingleFlight::new(tasks.clone()),
                refreshes: single_flight::SingleFlight::new(tasks.clone()),
                refusals: obtain::Refusals::default(),
                journal_rest: refresh::Rest::default(),
                closing: closing::Closing::default(),
                gate,
                places: scheduler::Places::new(),
                hearing: coherence::Hearing::new(),
                uses: uses::Uses::default(),
                unreadable: dashmap::DashSet::new(),
                tasks,
            }),
        }
    }

    /// Begins no more renewals that nobody waits for. To be called as soon as the process is to end.
    pub fn begin_closing(&self) {
        self.shared.closing.begin();
    }

    /// Begins no more renewals, and waits until every exchange under way has ended and is stored. To be called once,
    /// after the listeners closed.
    pub async fn drain(&self) {
        self.shared.closing.finish();
        self.shared.tasks.close();
        self.shared.tasks.wait().await;
    }

    /// The redirect URI to register at the provider for a connector.
    pub fn redirect_uri(&self, connector: &tokend_model::Connector) -> String {
        format!(
            "{}/oauth/callback/{}",
            self.shared.options.public_url,
            connector.callback_context()
        )
    }

    /// Where browsers reach tokend.
    pub fn public_url(&self) -> &str {
        &self.shared.options.public_url
    }

    /// The catalogue, for those who list it.
    pub fn catalogue(&self) -> &dyn Catalogue {
        self.shared.ports.catalogue.as_ref()
    }
}
