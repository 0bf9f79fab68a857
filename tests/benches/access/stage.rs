//! The servers that are compared: each with a database of its own, a shared account, and an app user's.

use std::{fs, time::Duration};

use tempfile::TempDir;
use tokend_api::v1;
use tokend_client::{Client, Credentials};
use tokend_server::{
    Callers, NewCaller, Server, add_caller,
    config::{AppUsers, AuditSink, AuditSync, Config, JwtCallers, Kubernetes, Spiffe},
    generate_key_file,
};
use tokend_simulator::{Behaviour, Browser, Simulator, SimulatorOptions};
use tokend_tests::{AUDIENCE, Authority, Database, definition, local_config};

use crate::policies;

/// The app user who has connected.
pub(crate) const USER: &str = "ada";

/// The trust domain of callers that show certificates.
const TRUST_DOMAIN: &str = "bench.test";

/// Who such a caller is.
pub(crate) const WORKLOAD: &str = "spiffe://bench.test/calendar";

/// How many policies the sets have beside the built-in ones.
pub(crate) const POLICIES: [usize; 2] = [10, 100];

/// What a server is set up with.
#[derive(Clone, Copy)]
pub(crate) struct Setting {
    /// Whether everybody on this machine may do everything.
    pub(crate) open: bool,
    pub(crate) tls: bool,
    /// How many policies; none: the built-in ones.
    pub(crate) policies: Option<usize>,
    pub(crate) sink: (AuditSink, AuditSync),
}

/// A server that is compared.
pub(crate) struct Stage {
    pub(crate) setting: Setting,
    pub(crate) backend_key: String,
    pub(crate) server: Server,
    _home: TempDir,
}

/// All of them, and those who vouch for their callers.
pub(crate) struct Stages {
    pub(crate) all: Vec<Stage>,
    pub(crate) authority: Authority,
    /// The provider, and the issuer of app users' tokens.
    pub(crate) provider: Simulator,
    pub(crate) jwt_issuer: Simulator,
    pub(crate) cluster: Simulator,
}

impl Setting {
    const PLAIN: Self = Self {
        open: true,
        tls: false,
        policies: None,
        sink: (AuditSink::File, AuditSync::Second),
    };

    /// All that are compared.
    fn all() -> Vec<Self> {
        let plain = Self::PLAIN;
        let mut all = vec![plain, Self { tls: true, ..plain }];
        for policies in [None].into_iter().chain(POLICIES.map(Some)) {
            for tls in [false, true] {
                all.push(Self {
                    open: false,
                    tls,
                    policies,
                    ..plain
                });
            }
        }
        for sink in [
            (AuditSink::Database, AuditSync::Second),
            (AuditSink::File, AuditSync::Always),
        ] {
            all.push(Self { sink, ..plain });
        }
        all
    }
}

impl Stages {
    pub(crate) async fn start() -> Self {
        let mut stages = Self {
            all: Vec::new(),
            authority: Authority::new(),
            provider: simulator().await,
            jwt_issuer: simulator().await,
            cluster: simulator().await,
        };
        for setting in Setting::all() {
            let stage = stages.stage(setting).await;
            stages.all.push(stage);
        }
        stages
    }

    /// The server with these features.
    pub(crate) fn find(&self, is_meant: impl Fn(&Setting) -> bool) -> &Stage {
        let mut stages = self.all.iter();
        stages.find(|stage| is_meant(&stage.setting)).unwrap()
    }

    /// Where a server is.
    pub(crate) fn url(&self, stage: &Stage) -> String {
        let scheme = if stage.setting.tls { "https" } else { "http" };
        let port = stage.server.grpc_address().port();
        match stage.setting.tls {
            true => format!("{scheme}://localhost:{port}"),
            false => format!("{scheme}://127.0.0.1:{port}"),
        }
    }

    pub(crate) async fn stop(self) {
        for stage in self.all {
            stage.server.stop().await;
        }
    }

    async fn stage(&self, setting: Setting) -> Stage {
        let home = tempfile::tempdir().unwrap();
        let mut config = local_config(Database::Sqlite, home.path()).await;
        self.configure(&mut config, setting, &home);
        generate_key_file(&config.keys.file).unwrap();
        let operator_key = api_key(&config, "ops", true).await;
        let backend_key = api_key(&config, "calendar", false).await;
        let callers = match setting.open {
            true => Callers::OpenOnLoopback,
            false => Callers::ApiKeys,
        };
        let server = Server::start(&config, callers).await.unwrap();
        let stage = Stage {
            setting,
            backend_key,
            server,
            _home: home,
        };
        let mut builder =
            Client::builder(self.url(&stage)).credentials(Credentials::api_key(&operator_key));
        if setting.tls {
            builder = builder.ca_certificate(self.authority.pem.clone());
        }
        self.connect_all(&builder.connect().await.unwrap()).await;
        stage
    }

    fn configure(&self, config: &mut Config, setting: Setting, home: &TempDir) {
        config.connect.return_urls = vec![self.provider.app_return_url()];
        config.quotas.caller_vends_per_second = 1_000_000;
        config.quotas.workspace_vends_per_second = 1_000_000;
        (config.audit.sinks, config.audit.sync) = (vec![setting.sink.0], setting.sink.1);
        if let Some(count) = setting.policies {
            config.access.policy_path = home.path().join("policies");
            policies::write(&config.access.policy_path, count);
        }
        if setting.tls {
            let identity = self.authority.server();
            config.grpc.tls_certificate_file = home.path().join("server.pem");
            config.grpc.tls_private_key_file = home.path().join("server.key");
            fs::write(&config.grpc.tls_certificate_file, identity.certificate).unwrap();
            fs::write(&config.grpc.tls_private_key_file, identity.key).unwrap();
        }
        if setting.open {
            return;
        }
        let workspaces = vec!["default".to_owned()];
        config.access.app_users = vec![AppUsers {
            workspace: "default".to_owned(),
            issuer: self.provider.app_issuer().to_owned(),
            jwks_url: String::new(),
            audiences: vec![AUDIENCE.to_owned()],
            caller_audiences: Default::default(),
            algorithms: Vec::new(),
            user_id_claim: "sub".to_owned(),
            user_id_prefix: String::new(),
            shares_user_ids: false,
            max_token_age_seconds: 86_400,
        }];
        config.access.jwt_callers = vec![JwtCallers {
            issuer: self.jwt_issuer.app_issuer().to_owned(),
            jwks_url: String::new(),
            audiences: vec![AUDIENCE.to_owned()],
            algorithms: Vec::new(),
            caller_claim: "sub".to_owned(),
            name_prefix: None,
            workspaces: workspaces.clone(),
            role: "backend".to_owned(),
            max_token_age_seconds: 86_400,
        }];
        config.access.kubernetes = vec![Kubernetes {
            issuer: self.cluster.app_issuer().to_owned(),
            audiences: vec![AUDIENCE.to_owned()],
            api_server: String::new(),
            ca_file: Default::default(),
            token_file: Default::default(),
            token_review: false,
            name_prefix: String::new(),
            workspaces: workspaces.clone(),
            role: "backend".to_owned(),
        }];
        if setting.tls {
            let bundle_file = home.path().join("bundle.pem");
            fs::write(&bundle_file, &self.authority.pem).unwrap();
            config.access.spiffe = vec![Spiffe {
                trust_domain: TRUST_DOMAIN.to_owned(),
                bundle_file,
                workspaces,
                role: "backend".to_owned(),
            }];
        }
    }

    /// Sets two connectors up, and connects an account under each.
    async fn connect_all(&self, operator: &Client) {
        let connector = |id: &str, kind: v1::ConnectorKind| {
            let oauth_client = tokend_simulator::Client::new(format!("client-of-{id}"));
            self.provider.register(oauth_client.clone());
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
        let apply = v1::ApplyConnectorsRequest {
            connectors: vec![
                connector("simshared", v1::ConnectorKind::Shared),
                connector("users", v1::ConnectorKind::AppUser),
            ],
            integration_types: vec![v1::IntegrationTypeDefinition {
                integration_type: "simshared".to_owned(),
                toml: definition(self.provider.base_url()),
            }],
            ..Default::default()
        };
        operator.admin().apply_connectors(apply).await.unwrap();
        let shared = v1::StartAuthorizationRequest {
            integration_type: "simshared".to_owned(),
            ..Default::default()
        };
        let of_user = v1::StartAuthorizationRequest {
            connector_id: "users".to_owned(),
            app_user_id: USER.to_owned(),
            ..Default::default()
        };
        for start in [shared, of_user] {
            connect(operator, start).await;
        }
    }
}

async fn connect(operator: &Client, start: v1::StartAuthorizationRequest) {
    let mut admin = operator.admin();
    let started = admin.start_authorization(start).await.unwrap().into_inner();
    let browser = Browser::new().unwrap();
    browser.open(&started.redirect_url).await.unwrap();
    let complete = v1::CompleteAuthorizationRequest {
        authorization_id: started.authorization_id,
        completion_token: started.completion_token,
        ..Default::default()
    };
    admin.complete_authorization(complete).await.unwrap();
}

async fn simulator() -> Simulator {
    let behaviour = Behaviour {
        access_token_lifetime: Some(Duration::from_secs(86_400)),
        ..Behaviour::default()
    };
    let options = SimulatorOptions {
        behaviour,
        ..SimulatorOptions::default()
    };
    Simulator::start(options).await.unwrap()
}

async fn api_key(config: &Config, name: &str, operator: bool) -> String {
    let caller = NewCaller {
        name: name.to_owned(),
        workspace: "default".to_owned(),
        operator,
        expires_in: None,
    };
    let added = add_caller(config, caller).await.unwrap();
    added.api_key.expose().to_owned()
}
