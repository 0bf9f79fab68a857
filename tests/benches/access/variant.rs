//! What is compared: a kind of caller at a server.

use std::time::Duration;

use serde_json::json;
use tokend_api::{
    USER_TOKEN_METADATA,
    v1::{self, connector_service_client::ConnectorServiceClient},
};
use tokend_server::config::{AuditSink, AuditSync};
use tokend_tests::{AUDIENCE, svid, tls_channel};
use tonic::{
    Request,
    metadata::{Ascii, MetadataValue},
    transport::{Channel, Endpoint},
};
use tonic_health::pb::{HealthCheckRequest, health_client::HealthClient};

use crate::stage::{POLICIES, Setting, Stage, Stages, USER, WORKLOAD};

const LIFETIME: Duration = Duration::from_secs(3600);

/// A kind of caller at a server.
pub(crate) struct Variant {
    pub(crate) name: String,
    /// The number of the variant that it is compared with.
    pub(crate) baseline: usize,
    /// Of a call that asks for nothing: what gRPC itself costs here.
    empty: Option<HealthClient<Channel>>,
    connectors: ConnectorServiceClient<Channel>,
    authorization: Option<MetadataValue<Ascii>>,
    user_token: Option<MetadataValue<Ascii>>,
}

/// How a caller proves itself.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Proof {
    Nothing,
    ApiKey,
    Jwt,
    Kubernetes,
    Spiffe,
}

impl Variant {
    /// All of them; those without policies of their own first.
    pub(crate) async fn all(stages: &Stages) -> Vec<Self> {
        let is_file = |it: &Setting| it.sink == (AuditSink::File, AuditSync::Second);
        let open = stages.find(|it| it.open && !it.tls && is_file(it));
        let open_tls = stages.find(|it| it.open && it.tls);
        let mut all = vec![
            Self::new("nobody is asked", stages, open, Proof::Nothing).await,
            Self::new("nobody is asked, TLS", stages, open_tls, Proof::Nothing).await,
            Self::new("an empty call (health)", stages, open, Proof::Nothing)
                .await
                .emptied(stages, open)
                .await,
        ];
        for policies in [None].into_iter().chain(POLICIES.map(Some)) {
            let plain = stages.find(|it| !it.open && !it.tls && it.policies == policies);
            let tls = stages.find(|it| !it.open && it.tls && it.policies == policies);
            let set = policies.map_or_else(|| "built-in".to_owned(), |count| count.to_string());
            let name = |who: &str| format!("{who}, {set} policies");
            all.push(Self::new(name("API key"), stages, plain, Proof::ApiKey).await);
            all.push(Self::new(name("JWT"), stages, plain, Proof::Jwt).await);
            all.push(Self::new(name("Kubernetes"), stages, plain, Proof::Kubernetes).await);
            let beside = Self::new(name("API key + app user"), stages, plain, Proof::ApiKey);
            all.push(beside.await.for_user(stages));
            let api_key = Self::new(name("API key, TLS"), stages, tls, Proof::ApiKey);
            all.push(api_key.await.over(1));
            let spiffe = Self::new(name("SPIFFE, TLS"), stages, tls, Proof::Spiffe);
            all.push(spiffe.await.over(1));
        }
        let database = stages.find(|it| it.sink.0 == AuditSink::Database);
        all.push(Self::new("audit to the database", stages, database, Proof::Nothing).await);
        let always = stages.find(|it| it.sink.1 == AuditSync::Always);
        all.push(Self::new("audit to the disk itself", stages, always, Proof::Nothing).await);
        all
    }

    async fn new(name: impl Into<String>, stages: &Stages, stage: &Stage, proof: Proof) -> Self {
        let channel = channel(stages, stage, proof).await;
        let authorization = match proof {
            Proof::Nothing | Proof::Spiffe => None,
            Proof::ApiKey => Some(stage.backend_key.clone()),
            Proof::Jwt => Some(
                stages
                    .jwt_issuer
                    .app_user_token("calendar", AUDIENCE, LIFETIME),
            ),
            Proof::Kubernetes => Some(service_account_token(stages)),
        };
        Self {
            name: name.into(),
            baseline: 0,
            empty: None,
            connectors: ConnectorServiceClient::new(channel),
            authorization: authorization.map(|it| format!("Bearer {it}").parse().unwrap()),
            user_token: None,
        }
    }

    async fn emptied(self, stages: &Stages, stage: &Stage) -> Self {
        let channel = channel(stages, stage, Proof::Nothing).await;
        Self {
            empty: Some(HealthClient::new(channel)),
            ..self
        }
    }

    fn over(self, baseline: usize) -> Self {
        Self { baseline, ..self }
    }

    fn for_user(mut self, stages: &Stages) -> Self {
        let token = stages.provider.app_user_token(USER, AUDIENCE, LIFETIME);
        self.user_token = Some(token.parse().unwrap());
        self
    }

    /// One call.
    pub(crate) async fn call(&self) {
        if let Some(mut empty) = self.empty.clone() {
            empty.check(HealthCheckRequest::default()).await.unwrap();
            return;
        }
        let mut connectors = self.connectors.clone();
        let vended = match &self.user_token {
            Some(token) => {
                let mut request = self.request(v1::GetCurrentAppUserConnectionRequest {
                    connector_id: "users".to_owned(),
                    ..Default::default()
                });
                let metadata = request.metadata_mut();
                metadata.insert(USER_TOKEN_METADATA, token.clone());
                connectors.get_current_app_user_connection(request).await
            }
            None => {
                let request = self.request(v1::GetConnectionRequest {
                    integration_type: "simshared".to_owned(),
                    ..Default::default()
                });
                connectors.get_connection(request).await
            }
        };
        if let Err(status) = vended {
            panic!("{}: {status:?}", self.name);
        }
    }

    fn request<T>(&self, message: T) -> Request<T> {
        let mut request = Request::new(message);
        if let Some(authorization) = &self.authorization {
            let metadata = request.metadata_mut();
            metadata.insert("authorization", authorization.clone());
        }
        request
    }
}

async fn channel(stages: &Stages, stage: &Stage, proof: Proof) -> Channel {
    if !stage.setting.tls {
        let endpoint = Endpoint::from_shared(stages.url(stage)).unwrap();
        return endpoint.tcp_nodelay(true).connect().await.unwrap();
    }
    let workload = (proof == Proof::Spiffe).then(|| stages.authority.sign(&svid(&[WORKLOAD])));
    let port = stage.server.grpc_address().port();
    let authority = &stages.authority.pem;
    tls_channel(port, authority, workload.as_ref())
        .await
        .unwrap()
}

/// As a kubelet projects it.
fn service_account_token(stages: &Stages) -> String {
    let draft = stages.cluster.app_user_token_draft("", AUDIENCE, LIFETIME);
    draft
        .claim("sub", "system:serviceaccount:shop:calendar")
        .claim("aud", json!([AUDIENCE]))
        .claim(
            "kubernetes.io",
            json!({
                "namespace": "shop",
                "serviceaccount": { "name": "calendar", "uid": "1f0c6a1e-0000-4000-8000-000000000001" },
            }),
        )
        .sign()
}
