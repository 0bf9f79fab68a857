//! Several replicas on one fresh database, with the simulator as their provider.

use std::{net::SocketAddr, path::Path, thread};

use futures::future::join_all;
use sqlx::PgPool;
use tempfile::TempDir;
use tokend_client::{Client, Credentials};
use tokend_server::{NewCaller, add_caller, config::Config, generate_key_file};
use tokend_simulator::{Simulator, SimulatorOptions};
use tokend_tests::Database;
use url::Url;

use crate::{provider_class, proxy::Proxy, replica::Replica};

/// How a fleet is set up.
pub(crate) struct FleetOptions {
    /// How many replicas.
    pub(crate) replicas: usize,
    /// Configuration of all of them: keys such as `oauth.timeout_seconds`, and values.
    pub(crate) settings: Vec<(&'static str, String)>,
    /// Whether each replica reaches the database through a proxy of its own.
    pub(crate) proxied: bool,
}

/// A running fleet.
pub(crate) struct Fleet {
    /// The provider of all classes.
    pub(crate) simulator: Simulator,
    /// The replicas.
    pub(crate) replicas: Vec<Replica>,
    /// Each replica's way to the database, if they are proxied.
    pub(crate) proxies: Vec<Proxy>,
    /// The database, past the proxies.
    pub(crate) database: PgPool,
    /// A client of each replica, with an operator's rights.
    pub(crate) clients: Vec<Client>,
    api_key: String,
    folder: Option<TempDir>,
}

/// Events of the ledger that are kept, to look at when something went wrong.
const KEPT_EVENTS: usize = 100_000;

impl Default for FleetOptions {
    fn default() -> Self {
        Self {
            replicas: 3,
            settings: Vec::new(),
            proxied: false,
        }
    }
}

impl Fleet {
    /// Starts one on a database of its own, with a connector of each provider class.
    pub(crate) async fn start(options: FleetOptions) -> Self {
        let url = Database::Postgres.create(Path::new("")).await;
        Self::start_on(options, url).await
    }

    /// The same on the empty database at this URL.
    pub(crate) async fn start_on(options: FleetOptions, url: String) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let simulator = Simulator::start(SimulatorOptions {
            kept_events: KEPT_EVENTS,
            keeps_secrets: false,
            ..SimulatorOptions::default()
        })
        .await
        .unwrap();
        let key_file = folder.path().join("tokend.key");
        generate_key_file(&key_file).unwrap();
        let api_key = add_operator(&url, &key_file).await;

        let mut fleet = Self {
            simulator,
            replicas: Vec::new(),
            proxies: Vec::new(),
            database: PgPool::connect(&url).await.unwrap(),
            clients: Vec::new(),
            api_key,
            folder: Some(folder),
        };
        for number in 0..options.replicas {
            let url = match options.proxied {
                true => fleet.proxied(&url).await,
                false => url.clone(),
            };
            let home = fleet.folder().join(format!("replica-{number}"));
            let settings = [
                ("database.url", url),
                ("keys.file", key_file.display().to_string()),
                ("deployment.id", "fleet".to_owned()),
                ("oauth.allow_loopback", "true".to_owned()),
            ];
            let settings = settings.into_iter().chain(options.settings.iter().cloned());
            let replica = Replica::new(home, settings.map(variable).collect());
            fleet.replicas.push(replica);
            fleet.clients.push(fleet.newcomer(number));
        }
        // The others come when the connectors are there: at the start all of them are read.
        fleet.replicas[0].start().await;
        let connectors = provider_class::register(&fleet.simulator);
        let mut admin = fleet.clients[0].admin();
        admin.apply_connectors(connectors).await.unwrap();
        join_all(fleet.replicas[1..].iter_mut().map(Replica::start)).await;
        fleet
    }

    /// A client of this replica that connects anew.
    pub(crate) fn newcomer(&self, replica: usize) -> Client {
        Client::builder(self.replicas[replica].endpoint())
            .credentials(Credentials::api_key(&self.api_key))
            .connect_lazy()
            .unwrap()
    }

    fn folder(&self) -> &Path {
        self.folder.as_ref().unwrap().path()
    }

    /// The same database behind a new proxy.
    async fn proxied(&mut self, url: &str) -> String {
        let mut url = Url::parse(url).unwrap();
        let server = url.socket_addrs(|| Some(5432)).unwrap()[0];
        let proxy = Proxy::start(server).await;
        let own: SocketAddr = proxy.address();
        url.set_host(Some(&own.ip().to_string())).unwrap();
        url.set_port(Some(own.port())).unwrap();
        self.proxies.push(proxy);
        url.to_string()
    }
}

/// What a fleet that failed leaves is what tells why.
impl Drop for Fleet {
    fn drop(&mut self) {
        if thread::panicking()
            && let Some(folder) = self.folder.take()
        {
            eprintln!("the replicas' logs are kept in {}", folder.keep().display());
        }
    }
}

/// An environment variable of a configuration key.
fn variable((key, value): (&str, String)) -> (String, String) {
    let name = key.replace('.', "__").to_uppercase();
    (format!("TOKEND_{name}"), value)
}

async fn add_operator(url: &str, key_file: &Path) -> String {
    let mut config = Config::defaults().unwrap();
    config.database.url = url.to_owned();
    config.keys.file = key_file.to_owned();
    let caller = NewCaller {
        name: "ops".to_owned(),
        workspace: "default".to_owned(),
        operator: true,
        expires_in: None,
    };
    let added = add_caller(&config, caller).await.unwrap();
    added.api_key.expose().to_owned()
}
