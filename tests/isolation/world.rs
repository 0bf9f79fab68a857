//! The server under test: five workspaces with callers of their own, one provider, and issuers of app users' tokens.

use std::{collections::HashMap, sync::Mutex, time::Duration};

use tempfile::TempDir;
use tokend_api::v1;
use tokend_client::{Client, Credentials};
use tokend_server::{
    Callers, NewCaller, Server, add_caller,
    config::{AppUsers, Config},
    generate_key_file,
};
use tokend_simulator::{Account, Behaviour, Browser, Simulator, SimulatorOptions};
use tokend_tests::{AUDIENCE, Database, definition, local_config};

use crate::{
    model::Model,
    observation::UserToken,
    oracle::Issuers,
    places::{
        CALLERS, CONNECTORS, Connector, OPERATOR, SPEAKS_FOR_NONE, Slot, TYPES, USERS, WORKSPACES,
        caller_name,
    },
};

/// The first two workspaces have one issuer: there only the workspace tells their users apart.
pub(crate) const ISSUERS: Issuers = [0, 0, 1, 2, 3];

/// How long access tokens live: some have to be renewed on the way.
const LIFETIME: Duration = Duration::from_secs(90);

/// A running server and all who use it.
pub(crate) struct World {
    pub(crate) model: Model,
    pub(crate) provider: Simulator,
    pub(crate) server: Server,
    /// Of each workspace.
    callers: Vec<Vec<Client>>,
    /// Its key is one that nobody was given.
    stranger: Client,
    user_tokens: HashMap<(usize, usize), (String, String)>,
    /// Held while a connection is being changed; with the browser of whoever connects it.
    pub(crate) slots: HashMap<Slot, tokio::sync::Mutex<Option<Browser>>>,
    /// Held alone while more than one connection of a workspace is being changed.
    pub(crate) workspaces: Vec<tokio::sync::RwLock<()>>,
    /// What went wrong that should not have, on the way.
    faults: Mutex<Vec<String>>,
    clients: Mutex<usize>,
    issuers: Vec<Simulator>,
    _home: TempDir,
}

impl World {
    /// Starts everything and sets the connectors up; nothing is connected yet.
    pub(crate) async fn start() -> Self {
        let home = tempfile::tempdir().unwrap();
        let behaviour = Behaviour {
            access_token_lifetime: Some(LIFETIME),
            ..Behaviour::default()
        };
        let provider = simulator(behaviour).await;
        let mut issuers = Vec::new();
        for _ in 0..=ISSUERS.into_iter().max().unwrap_or_default() {
            issuers.push(simulator(Behaviour::default()).await);
        }
        let mut config = local_config(Database::Sqlite, home.path()).await;
        config.connect.return_urls = vec![provider.app_return_url()];
        config.oauth.max_calls_per_second = 10_000;
        config.quotas.caller_vends_per_second = 0;
        config.quotas.workspace_vends_per_second = 0;
        config.quotas.rejected_generations_per_minute = 0;
        config.quotas.caller_connections_per_minute = 0;
        config.quotas.workspace_connections_per_minute = 0;
        config.access.app_users = ISSUERS
            .into_iter()
            .enumerate()
            .map(|(workspace, issuer)| app_users(workspace, &issuers[issuer]))
            .collect();
        generate_key_file(&config.keys.file).unwrap();
        let mut keys = Vec::new();
        for (index, workspace) in WORKSPACES.into_iter().enumerate() {
            for caller in 0..CALLERS.len() {
                let name = caller_name(index, caller);
                keys.push(api_key(&config, workspace, &name, caller == OPERATOR).await);
            }
        }
        let server = Server::start(&config, Callers::ApiKeys).await.unwrap();
        let mut clients = Vec::new();
        for key in &keys {
            clients.push(client(&server, key).await);
        }
        let last = if keys[0].ends_with('A') { "B" } else { "A" };
        let unknown = format!("{}{last}", &keys[0][..keys[0].len() - 1]);
        let slots = Slot::all().map(|slot| (slot, tokio::sync::Mutex::default()));
        let world = Self {
            model: Model::default(),
            callers: clients.chunks(CALLERS.len()).map(<[_]>::to_vec).collect(),
            stranger: client(&server, &unknown).await,
            user_tokens: user_tokens(&issuers),
            slots: slots.collect(),
            workspaces: WORKSPACES.iter().map(|_| Default::default()).collect(),
            faults: Mutex::default(),
            clients: Mutex::default(),
            provider,
            server,
            issuers,
            _home: home,
        };
        for workspace in 0..WORKSPACES.len() {
            world.define_types(workspace).await;
            for connector in CONNECTORS {
                world.set_up(workspace, connector).await;
            }
        }
        world
    }

    /// A caller asking about a workspace: with the key of nobody, of one of its own callers, or of another's.
    pub(crate) fn client(&self, caller: Option<(usize, usize)>, workspace: usize) -> Client {
        let client = match caller {
            Some((home, caller)) => &self.callers[home][caller],
            None => &self.stranger,
        };
        client.in_workspace(WORKSPACES[workspace]).unwrap()
    }

    /// The operator of a workspace.
    pub(crate) fn operator(&self, workspace: usize) -> Client {
        self.client(Some((workspace, OPERATOR)), workspace)
    }

    pub(crate) fn user_token(&self, token: UserToken) -> &str {
        match token {
            UserToken::Of(workspace, user) => &self.user_tokens[&(workspace, user)].0,
            UserToken::Forged(workspace, user) => &self.user_tokens[&(workspace, user)].1,
        }
    }

    /// Creates a connector, with a client at the provider that there never was before.
    pub(crate) async fn set_up(&self, workspace: usize, connector: Connector) {
        let begun = self.model.moment();
        let number = {
            let mut clients = self.clients.lock().unwrap();
            *clients += 1;
            *clients
        };
        let client_id = format!("{}-{}-{number}", WORKSPACES[workspace], connector.id());
        let oauth_client = tokend_simulator::Client::new(&client_id);
        self.provider.register(oauth_client.clone());
        let kind = match connector.is_shared() {
            true => v1::ConnectorKind::Shared,
            false => v1::ConnectorKind::AppUser,
        };
        let create = v1::CreateConnectorRequest {
            connector: Some(v1::Connector {
                connector_id: connector.id().to_owned(),
                integration_type: TYPES[connector.integration_type()].to_owned(),
                kind: kind.into(),
                client_id: client_id.clone(),
                client_secret: oauth_client.secret,
                scopes: vec!["events.read".to_owned()],
                ..Default::default()
            }),
        };
        let mut admin = self.operator(workspace).admin();
        if let Err(status) = admin.create_connector(create).await {
            return self.fault(format!("creating {connector:?}: {status:?}"));
        }
        let change = (begun, self.model.moment());
        self.model
            .truth(|truth| truth.set_connector(workspace, connector, change, Some(client_id)));
    }

    async fn define_types(&self, workspace: usize) {
        let definitions = TYPES.map(|name| v1::IntegrationTypeDefinition {
            integration_type: name.to_owned(),
            toml: definition(self.provider.base_url()),
        });
        let apply = v1::ApplyConnectorsRequest {
            integration_types: definitions.to_vec(),
            ..Default::default()
        };
        let mut admin = self.operator(workspace).admin();
        admin.apply_connectors(apply).await.unwrap();
    }

    /// The browser of whoever connects an account there: signed in at the provider as the slot's own account.
    pub(crate) async fn browser(&self, slot: Slot) -> Browser {
        let browser = Browser::new().unwrap();
        let account = Account {
            sub: slot.to_string(),
            email: format!(
                "{}@example.com",
                slot.user.map_or("team", |user| USERS[user])
            ),
            name: slot.to_string(),
        };
        let signed_in = browser.open(&self.provider.sign_in_url(&account)).await;
        assert_eq!(signed_in.unwrap().status, 200);
        browser
    }

    /// Something went wrong that is nobody's right.
    pub(crate) fn fault(&self, what: String) {
        self.faults.lock().unwrap().push(what);
    }

    pub(crate) fn faults(&self) -> Vec<String> {
        self.faults.lock().unwrap().clone()
    }

    /// Ends it.
    pub(crate) async fn stop(self) {
        self.server.stop().await;
        drop(self.issuers);
    }
}

async fn simulator(behaviour: Behaviour) -> Simulator {
    let options = SimulatorOptions {
        behaviour,
        kept_events: 100,
        keeps_secrets: false,
        ..SimulatorOptions::default()
    };
    Simulator::start(options).await.unwrap()
}

fn app_users(workspace: usize, issuer: &Simulator) -> AppUsers {
    let (limited, silent) = SPEAKS_FOR_NONE;
    let speaking = (0..CALLERS.len()).filter(|caller| workspace == limited && *caller != silent);
    let audiences = vec![AUDIENCE.to_owned()];
    let caller_audiences = speaking.map(|it| (caller_name(workspace, it), audiences.clone()));
    AppUsers {
        workspace: WORKSPACES[workspace].to_owned(),
        issuer: issuer.app_issuer().to_owned(),
        jwks_url: String::new(),
        caller_audiences: caller_audiences.collect(),
        audiences,
        algorithms: Vec::new(),
        user_id_claim: "sub".to_owned(),
        user_id_prefix: String::new(),
        shares_user_ids: false,
        max_token_age_seconds: 86_400,
    }
}

/// Of each workspace and user: a good one, and one that their issuer never signed.
fn user_tokens(issuers: &[Simulator]) -> HashMap<(usize, usize), (String, String)> {
    let mut tokens = HashMap::new();
    for (workspace, issuer) in ISSUERS.into_iter().enumerate() {
        for (user, id) in USERS.into_iter().enumerate() {
            let draft = || {
                let day = Duration::from_secs(86_400);
                issuers[issuer].app_user_token_draft(id, AUDIENCE, day)
            };
            let forged = draft().with_foreign_key().sign();
            tokens.insert((workspace, user), (draft().sign(), forged));
        }
    }
    tokens
}

async fn api_key(config: &Config, workspace: &str, name: &str, operator: bool) -> String {
    let caller = NewCaller {
        name: name.to_owned(),
        workspace: workspace.to_owned(),
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
