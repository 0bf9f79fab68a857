//! A provider that answers as it is told and remembers what it was asked, and the client under test.

use std::collections::BTreeMap;
use std::error::Error;
use std::sync::{Arc, LazyLock, Mutex, PoisonError};
use std::time::Duration;

use axum::Json;
use axum::Router;
use axum::body::Bytes;
use axum::http::{HeaderMap, Method, StatusCode, Uri};
use axum::response::{IntoResponse, Response};
use tokend_catalog::Catalogue;
use tokend_model::ports::{AuthorizationServer, Catalogue as _, Clock, Registration};
use tokend_model::{
    AccountChange, ConnectionConfig, Connector, ConnectorId, ConnectorKind, Credential, Expiry,
    Generation, IntegrationTypeName, RawTokenAnswer, Secret, Timestamp, TokenAnswer, TokenFailure,
    WorkspaceName,
};
use tokend_oauth::{OAuthClient, OAuthOptions};
use url::form_urlencoded;

pub(crate) const REDIRECT_URI: &str = "https://tokend.example.com/oauth/callback/default.c";

/// The least that a definition for authorization codes has.
pub(crate) const CODE: &str = "
    [authorize]
    url = 'ORIGIN/authorize'
    [token]
    url = 'ORIGIN/token'
";

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

/// Reading all definitions takes a while.
static CATALOGUE: LazyLock<Arc<Catalogue>> =
    LazyLock::new(|| Arc::new(Catalogue::embedded().expect("the catalogue is complete")));

pub(crate) struct FixedClock;

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

    /// Answers each request with the JSON that `answer` makes of it.
    pub(crate) async fn json(
        answer: impl Fn(&Asked) -> (u16, serde_json::Value) + Clone + Send + Sync + 'static,
    ) -> Result<Self, Box<dyn Error>> {
        Self::start(move |asked| {
            let (status, body) = answer(asked);
            let status = StatusCode::from_u16(status).unwrap_or_default();
            (status, Json(body)).into_response()
        })
        .await
    }

    /// The last thing that was asked.
    pub(crate) fn last(&self) -> Result<Asked, Box<dyn Error>> {
        self.asked().pop().ok_or_else(|| "nothing was asked".into())
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
    pub(crate) fn query(&self) -> BTreeMap<String, String> {
        let query = self.uri.query().unwrap_or_default();
        form_urlencoded::parse(query.as_bytes())
            .into_owned()
            .collect()
    }

    pub(crate) fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.body).unwrap_or_default()
    }

    /// The bearer token it came with.
    pub(crate) fn bearer(&self) -> &str {
        let value = self.header("authorization");
        value.strip_prefix("Bearer ").unwrap_or_default()
    }

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
        let mut bench = Self::with("generic_oauth2", options, Arc::new(FixedClock))?;
        for (key, path) in [
            ("authorization_url", "/authorize?tenant=a"),
            ("token_url", "/token"),
            ("revocation_url", "/revoke"),
            ("userinfo_url", "/userinfo"),
        ] {
            bench
                .connector
                .connection_config
                .insert(key.to_owned(), format!("{origin}{path}"));
        }
        Ok(bench)
    }

    /// The same, whose answers arrive when this clock says so.
    pub(crate) fn timed(origin: &str, clock: Arc<dyn Clock>) -> Result<Self, Box<dyn Error>> {
        let mut bench = Self::generic(origin, &options())?;
        bench.client = OAuthClient::new(&options(), CATALOGUE.clone(), clock)?;
        Ok(bench)
    }

    /// A connector of a definition of its own: further keys of `[about]`, then its sections, in which `ORIGIN` stands for
    /// the provider's.
    pub(crate) fn defined(origin: &str, sections: &str) -> Result<Self, Box<dyn Error>> {
        Self::defined_with(origin, sections, &options(), Arc::new(FixedClock))
    }

    /// The same, within these options and by this clock.
    pub(crate) fn defined_with(
        origin: &str,
        sections: &str,
        options: &OAuthOptions,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, Box<dyn Error>> {
        let sections = sections.replace("ORIGIN", origin);
        let definition = format!(
            "[about]\ndisplay_name = 'Acme'\ndescription = ''\ncategory = ''\n\
             documentation_url = ''\n{sections}"
        );
        let name = IntegrationTypeName::new("own")?;
        // A workspace of its own, so that all can share one catalogue.
        let workspace = WorkspaceName::new(token().as_str())?;
        CATALOGUE.define(&workspace, &name, &definition)?;
        let mut bench = Self::with("own", options, clock)?;
        bench.connector.workspace = workspace;
        Ok(bench)
    }

    fn with(
        name: &str,
        options: &OAuthOptions,
        clock: Arc<dyn Clock>,
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
            other_client_secrets: Vec::new(),
            scopes: Vec::new(),
            connection_config: ConnectionConfig::new(),
            return_urls: Vec::new(),
            disabled: false,
            account_change: AccountChange::default(),
            version: 1,
            create_time: now(),
            update_time: now(),
        };
        Ok(Self {
            client: OAuthClient::new(options, CATALOGUE.clone(), clock)?,
            connector,
            config: ConnectionConfig::new(),
        })
    }

    pub(crate) fn registration(&self) -> Registration<'_> {
        Registration {
            connector: &self.connector,
            connection_config: &self.config,
            token: "",
        }
    }

    /// Redeems a refresh token without reading the answer.
    pub(crate) async fn redeem(&self) -> Result<RawTokenAnswer, TokenFailure> {
        let registration = self.registration();
        self.client
            .redeem_refresh_token(registration, &secret(), &[], REDIRECT_URI)
            .await
    }

    /// Redeems a code.
    pub(crate) async fn redeem_code(&self) -> Result<TokenAnswer, TokenFailure> {
        let registration = self.registration();
        self.client
            .redeem_code(registration, &secret(), &Secret::new(token()), REDIRECT_URI)
            .await
    }

    /// Gets a token without consent.
    pub(crate) async fn obtain(
        &self,
        subject_token: Option<&Secret>,
        scopes: &[String],
    ) -> Result<TokenAnswer, TokenFailure> {
        let registration = self.registration();
        self.client
            .obtain(registration, subject_token, scopes)
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
            .redeem_refresh_token(registration, refresh_token, scopes, REDIRECT_URI)
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

/// These scopes.
pub(crate) fn scopes(names: &[&str]) -> Vec<String> {
    names.iter().map(|name| (*name).to_owned()).collect()
}
