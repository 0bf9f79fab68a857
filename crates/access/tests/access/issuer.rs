//! An issuer on a real socket: a key set and a discovery document that can change, fail or grow.

use std::sync::{
    Arc, Mutex,
    atomic::{AtomicUsize, Ordering},
};

use axum::{
    Router,
    extract::State,
    http::{StatusCode, header},
    response::{IntoResponse, Response},
    routing::get,
};
use serde_json::{Value, json};
use tokend_access::{
    AccessError, AppUser, AppUserVerifier, IssuerOptions, KeySetOptions, TokenRejection,
};
use tokend_model::WorkspaceName;
use tokio::{net::TcpListener, sync::Notify};

use crate::{clock::StandingClock, signing_key::SigningKey};

pub(crate) const AUDIENCE: &str = "tokend";

/// The name of the caller who brings app users' tokens unless it matters.
const CALLER: &str = "backend";

/// What the issuer answers when asked for its keys.
#[derive(Clone)]
pub(crate) enum Answer {
    Keys(Vec<Value>),
    Text(String),
    Status(StatusCode),
    /// These keys, but only once [`Issuer::release`] is called.
    Held(Vec<Value>),
    /// Sends the client on to another place, which has these keys.
    RedirectTo(Vec<Value>),
}

struct Shared {
    url: String,
    answer: Mutex<Answer>,
    fetches: AtomicUsize,
    released: Notify,
}

/// A running issuer.
pub(crate) struct Issuer(Arc<Shared>);

impl Issuer {
    pub(crate) async fn start(keys: &[&SigningKey]) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let shared = Arc::new(Shared {
            url: format!("http://{}", listener.local_addr().unwrap()),
            answer: Mutex::new(key_set(keys)),
            fetches: AtomicUsize::new(0),
            released: Notify::new(),
        });
        let app = Router::new()
            .route("/jwks.json", get(jwks))
            .route("/elsewhere.json", get(elsewhere))
            .route("/.well-known/openid-configuration", get(discovery))
            .with_state(Arc::clone(&shared));
        tokio::spawn(async move { axum::serve(listener, app).await });
        Self(shared)
    }

    pub(crate) fn url(&self) -> &str {
        &self.0.url
    }

    pub(crate) fn answer(&self, answer: Answer) {
        *self.0.answer.lock().unwrap() = answer;
    }

    pub(crate) fn publish(&self, keys: &[&SigningKey]) {
        self.answer(key_set(keys));
    }

    /// Lets a held answer go, the present one or the next.
    pub(crate) fn release(&self) {
        self.0.released.notify_one();
    }

    pub(crate) fn fetches(&self) -> usize {
        self.0.fetches.load(Ordering::SeqCst)
    }

    /// Options that trust this issuer in the default workspace.
    pub(crate) fn options(&self) -> IssuerOptions {
        let mut options = IssuerOptions::new(
            WorkspaceName::default_workspace(),
            self.url(),
            vec![AUDIENCE.to_owned()],
        );
        options.jwks_url = Some(format!("{}/jwks.json", self.url()));
        options
    }

    /// Claims of a good token: `jane`, for an hour; no two alike.
    pub(crate) fn claims(&self) -> Value {
        static TOKENS: AtomicUsize = AtomicUsize::new(0);
        json!({
            "jti": TOKENS.fetch_add(1, Ordering::SeqCst).to_string(),
            "iss": self.url(),
            "aud": AUDIENCE,
            "sub": "jane",
            "iat": StandingClock::START,
            "exp": StandingClock::START + 3600,
        })
    }
}

/// A verifier with its clock.
pub(crate) struct Verifier {
    pub(crate) clock: Arc<StandingClock>,
    verifier: AppUserVerifier,
}

impl Verifier {
    pub(crate) fn new(issuers: Vec<IssuerOptions>) -> Self {
        let clock = Arc::new(StandingClock::new());
        let key_sets = KeySetOptions::default();
        Self {
            verifier: AppUserVerifier::new(issuers, clock.clone(), key_sets).unwrap(),
            clock,
        }
    }

    /// Verifies in the default workspace.
    pub(crate) async fn verify(&self, token: &str) -> Result<AppUser, TokenRejection> {
        self.verify_in(&WorkspaceName::default_workspace(), token)
            .await
    }

    pub(crate) async fn verify_in(
        &self,
        workspace: &WorkspaceName,
        token: &str,
    ) -> Result<AppUser, TokenRejection> {
        self.verify_for(workspace, CALLER, token).await
    }

    pub(crate) async fn verify_for(
        &self,
        workspace: &WorkspaceName,
        caller: &str,
        token: &str,
    ) -> Result<AppUser, TokenRejection> {
        match self.verifier.verify(workspace, caller, token).await {
            Ok(user) => Ok(user),
            Err(AccessError::AppUserUnauthenticated(rejection)) => Err(rejection),
            Err(other) => panic!("{other}"),
        }
    }
}

fn key_set(keys: &[&SigningKey]) -> Answer {
    Answer::Keys(keys.iter().map(|key| key.jwk()).collect())
}

async fn jwks(State(issuer): State<Arc<Shared>>) -> Response {
    issuer.fetches.fetch_add(1, Ordering::SeqCst);
    let answer = issuer.answer.lock().unwrap().clone();
    match answer {
        Answer::Keys(keys) => json!({ "keys": keys }).to_string().into_response(),
        Answer::Text(text) => text.into_response(),
        Answer::Status(status) => status.into_response(),
        Answer::Held(keys) => {
            issuer.released.notified().await;
            json!({ "keys": keys }).to_string().into_response()
        }
        Answer::RedirectTo(_) => {
            let location = [(header::LOCATION, "/elsewhere.json")];
            (StatusCode::FOUND, location).into_response()
        }
    }
}

async fn elsewhere(State(issuer): State<Arc<Shared>>) -> Response {
    match &*issuer.answer.lock().unwrap() {
        Answer::RedirectTo(keys) => json!({ "keys": keys }).to_string().into_response(),
        _ => StatusCode::NOT_FOUND.into_response(),
    }
}

async fn discovery(State(issuer): State<Arc<Shared>>) -> String {
    json!({ "issuer": issuer.url, "jwks_uri": format!("{}/jwks.json", issuer.url) }).to_string()
}
