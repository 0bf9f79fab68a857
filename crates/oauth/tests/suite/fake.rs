//! A provider that answers as it is told and remembers what it was asked, and the client under test.

use std::collections::BTreeMap;
use std::error::Error;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::Router;
use axum::body::Bytes;
use axum::http::{HeaderMap, Method, Uri};
use axum::response::Response;
use tokend_catalog::Catalogue;
use tokend_model::ports::{AuthorizationServer, Catalogue as _, Clock, Registration};
use tokend_model::{
    ConnectionConfig, Connector, ConnectorId, ConnectorKind, Credential, Expiry, Generation,
    IntegrationTypeName, RawTokenAnswer, Secret, Timestamp, TokenAnswer, TokenFailure,
    WorkspaceName,
};
use tokend_oauth::{OAuthClient, OAuthOptions};
use url::form_urlencoded;

pub(crate) type Outcome = Result<(), Box<dyn Error>>;

/// One request as it arrived.
#[derive(Clone)]
pub(crate) struct Asked {
    pub(crate) method: Method,
    pub(crate) uri: Uri,
    pub(crate) headers: HeaderMap,
    pub(crate) body: String,
}

/// A provider on a loopback port.
pub(crate) struct Fake {
    pub(crate) origin: String,
    asked: Arc<Mutex<Vec<Asked>>>,
}

/// The client under test with a connector.
pub(crate) struct Bench {
    pub(crate) client: OAuthClient,
    pub(crate) connector: Connector,
    pub(crate) config: ConnectionConfig,
}

struct FixedClock;

impl Clock for FixedClock {
    fn now(&self) -> Timestamp {
        now()
    }
}

pub(crate) fn now() -> Timestamp {
    chrono::DateTime::from_timestamp(1_800_000_000, 0).unwrap_or_default()
}

/// A fresh secret, so that none is ever written down.
pub(crate) fn secret() -> Secret {
    Secret::new(format!("{}+/=&%", uuid::Uuid::new_v4().simple()))
}

pub(crate) fn token() -> String {
    uuid::Uuid::new_v4().simple().to_string()
}

pub(crate) fn options() -> OAuthOptions {
    OAuthOptions {
        timeout: Duration::from_secs(20),
        allow_loopback: true,
        ..OAuthOptions::default()
    }
}

impl Fake {
    /// Answers each request with what `answer` makes of it.
    pub(crate) async fn start(
        answer: impl Fn(&Asked) -> Response + Clone + Send + Sync + 'static,
    ) -> Result<Self, Box<dyn Error>> {
        let asked: Arc<Mutex<Vec<Asked>>> = Arc::default();
        let memory = asked.clone();
        let handler = move |method: Method, uri: Uri, headers: HeaderMap, body: Bytes| async move {
            let one = Asked {
                method,
                uri,
                headers,
                body: String::from_utf8_lossy(&body).into_owned(),
            };
            let response = answer(&one);
            memory
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .push(one);
            response
        };
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
        let origin = format!("http://{}", listener.local_addr()?);
        let router = Router::new().fallback(handler);
        tokio::spawn(async move { axum::serve(listener, router).await });
        Ok(Self { origin, asked })
    }

    /// What was asked so far.
    pub(crate) fn asked(&self) -> Vec<Asked> {
        self.asked
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    /// The only thing that was asked.
    pub(crate) fn only(&self) -> Result<Asked, Box<dyn Error>> {
        match self.asked().as_slice() {
            [one] => Ok(one.clone()),
            all => Err(format!("{} requests", all.len()).into()),
        }
    }
}

impl Asked {
    pub(crate) fn form(&self) -> BTreeMap<String, String> {
        form_urlencoded::parse(self.body.as_bytes())
            .into_owned()
            .collect()
    }

    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers
            .get(name)
            .and_then(|value| value.to_str().ok())
            .unwrap_or_default()
    }
}

impl Bench {
    /// A connector of `generic_oauth2` whose endpoints are at `origin`.
    pub(crate) fn generic(origin: &str, options: &OAuthOptions) -> Result<Self, Box<dyn Error>> {
        let mut bench = Self::with(Catalogue::embedded()?, "generic_oauth2", options)?;
        for (key, path) in [
            ("authorization_url", "/authorize?tenant=a"),
            ("token_url", "/token"),
            ("revocation_url", "/revoke"),
            ("userinfo_url", "/userinfo"),
        ] {
            bench
                .config
                .insert(key.to_owned(), format!("{origin}{path}"));
        }
        Ok(bench)
    }

    /// The same, whose answers arrive when this clock says so.
    pub(crate) fn timed(origin: &str, clock: Arc<dyn Clock>) -> Result<Self, Box<dyn Error>> {
        let mut bench = Self::generic(origin, &options())?;
        bench.client = OAuthClient::new(&options(), Arc::new(Catalogue::embedded()?), clock)?;
        Ok(bench)
    }

    /// A connector of a definition (TOML) of its own.
    pub(crate) fn defined(definition: &str) -> Result<Self, Box<dyn Error>> {
        let catalogue = Catalogue::embedded()?;
        let name = IntegrationTypeName::new("own")?;
        catalogue.define(&WorkspaceName::default_workspace(), &name, definition)?;
        Self::with(catalogue, "own", &options())
    }

    fn with(
        catalogue: Catalogue,
        name: &str,
        options: &OAuthOptions,
    ) -> Result<Self, Box<dyn Error>> {
        // A second test of the same process finds it installed.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let connector = Connector {
            workspace: WorkspaceName::default_workspace(),
            id: ConnectorId::new("c")?,
            integration_type: IntegrationTypeName::new(name)?,
            kind: ConnectorKind::Shared,
            display_name: String::new(),
            client_id: "client:1".to_owned(),
            client_secret: Some(secret()),
            scopes: Vec::new(),
            connection_config: ConnectionConfig::new(),
            return_urls: Vec::new(),
            disabled: false,
            version: 1,
            create_time: now(),
            update_time: now(),
        };
        Ok(Self {
            client: OAuthClient::new(options, Arc::new(catalogue), Arc::new(FixedClock))?,
            connector,
            config: ConnectionConfig::new(),
        })
    }

    pub(crate) fn registration(&self) -> Registration<'_> {
        Registration {
            connector: &self.connector,
            connection_config: &self.config,
        }
    }

    /// Redeems a refresh token without reading the answer.
    pub(crate) async fn redeem(&self) -> Result<RawTokenAnswer, TokenFailure> {
        let registration = self.registration();
        self.client
            .redeem_refresh_token(registration, &secret(), &[])
            .await
    }

    /// Reads an answer to a refresh token.
    pub(crate) async fn read(&self, raw: &RawTokenAnswer) -> Result<TokenAnswer, TokenFailure> {
        let registration = self.registration();
        self.client.read_refresh_answer(registration, raw).await
    }

    /// Redeems a refresh token and reads the answer.
    pub(crate) async fn refresh(
        &self,
        refresh_token: &Secret,
        scopes: &[String],
    ) -> Result<TokenAnswer, TokenFailure> {
        let registration = self.registration();
        let raw = self
            .client
            .redeem_refresh_token(registration, refresh_token, scopes)
            .await?;
        self.read(&raw).await
    }

    pub(crate) fn client_secret(&self) -> &str {
        self.connector
            .client_secret
            .as_ref()
            .map_or("", Secret::expose)
    }
}

pub(crate) fn credential(refresh_token: Option<Secret>) -> Credential {
    Credential {
        generation: Generation::FIRST,
        access_token: secret(),
        token_type: "Bearer".to_owned(),
        refresh_token,
        expiry: Expiry::Unknown,
        refresh_expire_time: None,
        scopes: Vec::new(),
        receive_time: now(),
    }
}
