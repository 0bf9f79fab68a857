//! A whole tokend with the embedded catalogue, all of whose calls to providers go through the proxy.

use std::{fs, sync::Arc};

use tempfile::TempDir;
use tokend_api::v1;
use tokend_client::{Client, Credentials};
use tokend_server::{Callers, NewCaller, Server, add_caller, config::Config, generate_key_file};

use crate::{proxy::Proxy, stage::Stage};

/// A running tokend, and the stage its providers stand on.
pub(crate) struct World {
    pub(crate) stage: Arc<Stage>,
    pub(crate) operator: Client,
    pub(crate) backend: Client,
    _server: Server,
    _home: TempDir,
}

impl World {
    /// Starts one on SQLite.
    pub(crate) async fn start() -> Self {
        let home = tempfile::tempdir().unwrap();
        let stage = Arc::new(Stage::default());
        let proxy = Proxy::start(Arc::clone(&stage)).await;
        let mut config = Config::defaults().unwrap();
        config.grpc.listen.set_port(0);
        config.http.listen.set_port(0);
        config.operations.listen.set_port(0);
        let database = home.path().join("tokend.db");
        config.database.url = format!("sqlite:{}?mode=rwc", database.display());
        config.keys.file = home.path().join("tokend.key");
        config.journal.directory = home.path().join("journal");
        config.audit.file = home.path().join("audit.jsonl");
        config.deployment.file = home.path().join("tokend.deployment");
        config.oauth.ca_file = home.path().join("authority.pem");
        config.oauth.proxy_url = proxy.url;
        // Each call is meant: none is made ahead, and a refusal is believed the second time.
        config.vending.renew_ahead = false;
        config.vending.first_pause_seconds = 0;
        config.vending.confirm_after_seconds = 0;
        fs::write(&config.oauth.ca_file, proxy.authority).unwrap();
        generate_key_file(&config.keys.file).unwrap();
        let operator_key = add(&config, "ops", true).await;
        let backend_key = add(&config, "backend", false).await;
        let server = Server::start(&config, Callers::ApiKeys).await.unwrap();
        Self {
            stage,
            operator: client(&server, &operator_key).await,
            backend: client(&server, &backend_key).await,
            _server: server,
            _home: home,
        }
    }

    /// Every entry of the catalogue.
    pub(crate) async fn integration_types(&self) -> Vec<v1::IntegrationType> {
        let list = v1::ListIntegrationTypesRequest {
            include_unlisted: true,
            page_size: 1000,
            ..Default::default()
        };
        let mut admin = self.operator.admin();
        let answer = admin.list_integration_types(list).await.unwrap();
        answer.into_inner().integration_types
    }
}

async fn add(config: &Config, name: &str, operator: bool) -> String {
    let caller = NewCaller {
        name: name.to_owned(),
        workspace: "default".to_owned(),
        operator,
        expires_in: None,
    };
    let added = add_caller(config, caller).await.unwrap();
    added.api_key.expose().to_owned()
}

async fn client(server: &Server, api_key: &str) -> Client {
    Client::builder(format!("http://{}", server.grpc_address()))
        .credentials(Credentials::api_key(api_key))
        .connect()
        .await
        .unwrap()
}
