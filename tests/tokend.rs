//! A whole tokend over real sockets, with the simulator as its provider and as the issuer of its app users.

use std::{path::Path, time::Duration};

use tempfile::TempDir;
use tokend_api::{USER_TOKEN_METADATA, v1};
use tokend_client::{Client, Credentials};
use tokend_server::{
    Callers, NewCaller, Server, add_caller,
    config::{AppUsers, Config},
    generate_key_file,
};
use tokend_simulator::{Behaviour, Browser, Page, Simulator, SimulatorOptions};
use tonic::{Request, Status};
use tonic_types::StatusExt;

use crate::{Database, captured_logs};

/// What app users' tokens have to be made out to.
pub const AUDIENCE: &str = "tokend-tests";

/// How a tokend is set up.
pub struct Options {
    /// The kind of its database.
    pub database: Database,
    /// How its provider behaves.
    pub behaviour: Behaviour,
    /// What its integration type says about refresh tokens.
    pub rotation: &'static str,
    /// Changes its configuration before it starts.
    pub configure: fn(&mut Config),
}

/// A running tokend with two connectors on the simulator: the shared `simshared`, and `users` for app users.
pub struct Tokend {
    /// The provider, and the issuer of app users' tokens.
    pub simulator: Simulator,
    /// As it was started.
    pub config: Config,
    /// A backend's client.
    pub backend: Client,
    /// An operator's client.
    pub operator: Client,
    /// The operator's API key.
    pub operator_key: String,
    /// The backend's API key.
    pub backend_key: String,
    /// Where its files are.
    pub home: TempDir,
    rotation: &'static str,
    server: Server,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            database: Database::Sqlite,
            behaviour: Behaviour::default(),
            rotation: "strict",
            configure: |_| {},
        }
    }
}

impl Tokend {
    /// Starts one, and pushes its connectors.
    pub async fn start(options: Options) -> Self {
        captured_logs();
        let home = tempfile::tempdir().unwrap();
        let simulator = Simulator::start(SimulatorOptions {
            behaviour: options.behaviour,
            ..SimulatorOptions::default()
        })
        .await
        .unwrap();
        let mut config = local_config(options.database, home.path()).await;
        config.connect.return_urls = vec![simulator.app_return_url()];
        config.access.app_users = vec![AppUsers {
            workspace: "default".to_owned(),
            issuer: simulator.app_issuer().to_owned(),
            jwks_url: String::new(),
            audiences: vec![AUDIENCE.to_owned()],
            caller_audiences: Default::default(),
            algorithms: Vec::new(),
            user_id_claim: "sub".to_owned(),
            user_id_prefix: String::new(),
            shares_user_ids: false,
            max_token_age_seconds: 86_400,
        }];
        (options.configure)(&mut config);
        generate_key_file(&config.keys.file).unwrap();
        let operator_key = add(&config, "ops", true).await;
        let backend_key = add(&config, "calendar-backend", false).await;
        let server = Server::start(&config, Callers::ApiKeys).await.unwrap();
        let operator = client(&server, &operator_key).await;
        let backend = client(&server, &backend_key).await;
        let tokend = Self {
            simulator,
            config,
            backend,
            operator,
            operator_key,
            backend_key,
            home,
            rotation: options.rotation,
            server,
        };
        let connectors = tokend.connectors();
        tokend
            .operator
            .admin()
            .apply_connectors(connectors)
            .await
            .unwrap();
        tokend
    }

    /// Where gRPC is served, as `host:port`.
    pub fn grpc(&self) -> String {
        self.server.grpc_address().to_string()
    }

    /// Where browsers are served, as a URL.
    pub fn public_url(&self) -> &str {
        self.server.public_url()
    }

    /// Where probes are served, as a URL.
    pub fn operations_url(&self) -> String {
        format!("http://{}", self.server.operations_address())
    }

    /// Another replica on the same database and key, with an audit trail and a backend's client of its own.
    pub async fn replica(&self) -> (Server, Client) {
        let mut config = self.config.clone();
        let name = format!("audit-{}.jsonl", uuid::Uuid::now_v7());
        config.audit.file = self.home.path().join(name);
        let server = Server::start(&config, Callers::ApiKeys).await.unwrap();
        let backend = client(&server, &self.backend_key).await;
        (server, backend)
    }

    /// The operator's client of another replica.
    pub async fn operator_at(&self, replica: &Server) -> Client {
        client(replica, &self.operator_key).await
    }

    /// Stops the server in order and starts it again, on the same database.
    pub async fn restart(self) -> Self {
        self.restart_after(|| {}).await
    }

    /// The same, with something done in between.
    pub async fn restart_after(mut self, meanwhile: impl FnOnce()) -> Self {
        self.server.stop().await;
        meanwhile();
        self.server = Server::start(&self.config, Callers::ApiKeys).await.unwrap();
        self.operator = client(&self.server, &self.operator_key).await;
        self.backend = client(&self.server, &self.backend_key).await;
        self
    }

    /// Stops the server in order; the files stay until the answer is dropped.
    pub async fn stop(self) -> (Simulator, TempDir) {
        self.server.stop().await;
        (self.simulator, self.home)
    }

    /// The two connectors and the integration type that speaks to the simulator.
    pub fn connectors(&self) -> v1::ApplyConnectorsRequest {
        let connector = |id: &str, kind: v1::ConnectorKind| {
            let oauth_client = tokend_simulator::Client::new(format!("client-of-{id}"));
            self.simulator.register(oauth_client.clone());
            v1::Connector {
                connector_id: id.to_owned(),
                integration_type: "simshared".to_owned(),
                kind: kind.into(),
                client_id: oauth_client.id,
                client_secret: oauth_client.secret,
                scopes: vec!["events.read".to_owned()],
                ..Default::default()
            }
        };
        v1::ApplyConnectorsRequest {
            connectors: vec![
                connector("simshared", v1::ConnectorKind::Shared),
                connector("users", v1::ConnectorKind::AppUser),
            ],
            integration_types: vec![v1::IntegrationTypeDefinition {
                integration_type: "simshared".to_owned(),
                toml: definition(self.simulator.base_url())
                    .replace("\"strict\"", &format!("{:?}", self.rotation)),
            }],
            ..Default::default()
        }
    }

    /// Connects the shared account through a browser and completes it as the operator.
    pub async fn connect_shared(&self) -> v1::Connection {
        let mut admin = self.operator.admin();
        let start = v1::StartAuthorizationRequest {
            integration_type: "simshared".to_owned(),
            ..Default::default()
        };
        let started = admin.start_authorization(start).await.unwrap().into_inner();
        let page = Browser::new()
            .unwrap()
            .open(&started.redirect_url)
            .await
            .unwrap();
        assert_eq!(page.status, 200, "{}", page.body);
        let complete = v1::CompleteAuthorizationRequest {
            authorization_id: started.authorization_id,
            completion_token: started.completion_token,
            ..Default::default()
        };
        admin
            .complete_authorization(complete)
            .await
            .unwrap()
            .into_inner()
            .connection
            .unwrap()
    }

    /// An app user's JWT, good for ten minutes.
    pub fn user_token(&self, user: &str) -> String {
        self.simulator
            .app_user_token(user, AUDIENCE, Duration::from_secs(600))
    }

    /// Starts connecting an app user's account under `users`, coming back to the simulator's app.
    pub async fn start_user(&self, user: &str) -> v1::ConnectAppUserResponse {
        let connect = v1::ConnectAppUserRequest {
            connector_id: "users".to_owned(),
            return_url: Some(self.simulator.app_return_url()),
            ..Default::default()
        };
        self.backend
            .connect_app_user(connect, &self.user_token(user))
            .await
            .unwrap()
    }

    /// Opens a URL in a browser of its own, following redirects.
    pub async fn browse(&self, url: &str) -> Page {
        Browser::new().unwrap().open(url).await.unwrap()
    }

    /// Connects an app user's account under `users`, from start to completion.
    pub async fn connect_user(&self, user: &str) -> v1::Connection {
        let started = self.start_user(user).await;
        self.browse(&started.redirect_url).await;
        let returned = self
            .simulator
            .wait_for_return(&started.authorization_id)
            .await;
        let completed = self
            .backend
            .complete_app_user_connection(
                started.authorization_id,
                returned["completion_token"].as_str(),
                &self.user_token(user),
            )
            .await
            .unwrap();
        completed.connection.unwrap()
    }

    /// `GetConnection("simshared")` as the backend.
    pub async fn get(&self) -> Result<v1::VendedConnection, Status> {
        self.get_with(v1::GetConnectionRequest::default()).await
    }

    /// `GetConnection("simshared")` as the backend, with options.
    pub async fn get_with(
        &self,
        request: v1::GetConnectionRequest,
    ) -> Result<v1::VendedConnection, Status> {
        let request = v1::GetConnectionRequest {
            integration_type: "simshared".to_owned(),
            ..request
        };
        Ok(self
            .backend
            .connectors()
            .get_connection(request)
            .await?
            .into_inner())
    }

    /// `GetCurrentAppUserConnection("users")` as the backend with that JWT.
    pub async fn get_for(&self, user_token: &str) -> Result<v1::VendedConnection, Status> {
        let get = v1::GetCurrentAppUserConnectionRequest {
            connector_id: "users".to_owned(),
            ..Default::default()
        };
        let mut connectors = self.backend.connectors();
        let answer = connectors
            .get_current_app_user_connection(for_user(get, user_token))
            .await?;
        Ok(answer.into_inner())
    }
}

/// The `reason` of an error, which every error has.
pub fn reason(status: &Status) -> String {
    let details = status.get_error_details();
    let info = details
        .error_info()
        .unwrap_or_else(|| panic!("no ErrorInfo in {status:?}"));
    assert_eq!(info.domain, "tokend");
    info.reason.clone()
}

/// A message on behalf of the app user whose JWT this is, for the raw stubs.
pub fn for_user<T>(message: T, user_token: &str) -> Request<T> {
    let mut request = Request::new(message);
    request
        .metadata_mut()
        .insert(USER_TOKEN_METADATA, user_token.parse().unwrap());
    request
}

/// A configuration for this machine alone: free ports, everything that is written below that folder, a new database,
/// providers on loopback, and no renewals but those that callers cause.
pub async fn local_config(database: Database, home: &Path) -> Config {
    let mut config = Config::defaults().unwrap();
    config.grpc.listen.set_port(0);
    config.http.listen.set_port(0);
    config.operations.listen.set_port(0);
    config.database.url = database.create(home).await;
    config.keys.file = home.join("tokend.key");
    config.journal.directory = home.join("journal");
    config.audit.file = home.join("audit.jsonl");
    config.deployment.file = home.join("tokend.deployment");
    config.oauth.allow_loopback = true;
    // Tests that want it switch it on: the others count calls.
    config.vending.renew_ahead = false;
    config
}

async fn add(config: &Config, name: &str, operator: bool) -> String {
    let caller = NewCaller {
        name: name.to_owned(),
        workspace: "default".to_owned(),
        operator,
        expires_in: None,
    };
    add_caller(config, caller)
        .await
        .unwrap()
        .api_key
        .expose()
        .to_owned()
}

async fn client(server: &Server, api_key: &str) -> Client {
    Client::builder(format!("http://{}", server.grpc_address()))
        .credentials(Credentials::api_key(api_key))
        .connect()
        .await
        .unwrap()
}

/// The integration type that speaks to the simulator at this base URL, as TOML.
pub fn definition(base: &str) -> String {
    format!(
        r#"
[about]
display_name = "Simulated"
description = "The simulator."
category = "developer"
documentation_url = "{base}/"

[authorize]
url = "{base}/authorize"

[token]
url = "{base}/token"

[refresh]
rotation = "strict"

[revoke]
url = "{base}/revoke"

[identity]
url = "{base}/userinfo"
id = ["/sub"]
email = ["/email"]
name = ["/name"]

[scopes]
identity = ["openid"]
read = ["events.read"]

[[source]]
url = "{base}/"
date = 2026-11-21
"#
    )
}
