//! A Kubernetes API server on a real socket, with TLS: its keys and its token reviews, for who has a token of its own.

use std::{
    net::SocketAddr,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
};

use axum::{
    Json, Router,
    extract::State,
    http::{HeaderMap, StatusCode},
    response::{IntoResponse, Response},
    routing::{get, post},
    serve::Listener,
};
use rustls::{ServerConfig, crypto::ring, pki_types::PrivateKeyDer};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokend_access::KubernetesOptions;
use tokio::{
    net::{TcpListener, TcpStream},
    sync::watch,
};
use tokio_rustls::{TlsAcceptor, server::TlsStream};

use crate::{callers::standing, clock::StandingClock, issuer::AUDIENCE, signing_key::SigningKey};

/// The name of the account whose tokens these are.
pub(crate) const ACCOUNT: &str = "system:serviceaccount:shop:backend";

const ISSUER: &str = "https://kubernetes.default.svc.cluster.local";

/// What the API server says about tokens.
#[derive(Clone)]
pub(crate) enum Reviewer {
    /// As a good one does: the token is good for these of the audiences asked for that are in it.
    Good,
    /// It confirms, and says nothing of audiences.
    AudienceBlind,
    /// It confirms for its own audience.
    OwnAudience,
    /// The token is not, or no longer, good: its pod was deleted.
    SaysNo,
    /// The token is somebody else's.
    OtherUser,
    /// It does not answer.
    Away,
    /// It answers something else.
    Nonsense,
    /// It waits until it is another.
    Held,
}

struct Shared {
    keys: Vec<Value>,
    own_token: Mutex<String>,
    reviewer: watch::Sender<Reviewer>,
    fetches: AtomicUsize,
    reviews: AtomicUsize,
    at_once: AtomicUsize,
    most_at_once: AtomicUsize,
    asked: Mutex<Value>,
}

/// A running API server, and the files that a pod of its cluster has.
pub(crate) struct Cluster {
    shared: Arc<Shared>,
    address: SocketAddr,
    files: TempDir,
}

impl Cluster {
    pub(crate) async fn start(keys: &[&SigningKey]) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let shared = Arc::new(Shared {
            keys: keys.iter().map(|key| key.jwk()).collect(),
            own_token: Mutex::default(),
            reviewer: watch::Sender::new(Reviewer::Good),
            fetches: AtomicUsize::new(0),
            reviews: AtomicUsize::new(0),
            at_once: AtomicUsize::new(0),
            most_at_once: AtomicUsize::new(0),
            asked: Mutex::default(),
        });
        let app = Router::new()
            .route("/openid/v1/jwks", get(jwks))
            .route(
                "/apis/authentication.k8s.io/v1/tokenreviews",
                post(token_review),
            )
            .with_state(shared.clone());
        let rcgen::CertifiedKey { cert, signing_key } =
            rcgen::generate_simple_self_signed(["127.0.0.1".to_owned()]).unwrap();
        let files = tempfile::tempdir().unwrap();
        std::fs::write(files.path().join("ca.crt"), cert.pem()).unwrap();
        let tls = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(
                vec![cert.der().clone()],
                PrivateKeyDer::Pkcs8(signing_key.serialize_der().into()),
            )
            .unwrap();
        let listener = TlsListener {
            tcp: listener,
            tls: TlsAcceptor::from(Arc::new(tls)),
        };
        tokio::spawn(async move { axum::serve(listener, app).await });
        let cluster = Self {
            shared,
            address,
            files,
        };
        cluster.rotate_own_token("own-token-1");
        cluster
    }

    /// Options that let its accounts in as backends.
    pub(crate) fn options(&self, token_review: bool) -> KubernetesOptions {
        KubernetesOptions {
            issuer: ISSUER.to_owned(),
            audiences: vec![AUDIENCE.to_owned()],
            api_server: Some(format!("https://{}", self.address)),
            ca_file: self.files.path().join("ca.crt"),
            token_file: self.files.path().join("token"),
            token_review,
            name_prefix: String::new(),
            standing: standing(&["default"], "backend"),
        }
    }

    /// Claims of a good token of [`ACCOUNT`], for an hour; no two alike.
    pub(crate) fn claims(&self) -> Value {
        static TOKENS: AtomicUsize = AtomicUsize::new(0);
        let now = StandingClock::START;
        json!({
            "jti": TOKENS.fetch_add(1, Ordering::SeqCst).to_string(),
            "iss": ISSUER,
            "aud": [AUDIENCE],
            "sub": ACCOUNT,
            "iat": now,
            "nbf": now,
            "exp": now + 3600,
            "kubernetes.io": {
                "namespace": "shop",
                "pod": { "name": "backend-0", "uid": "0ad7" },
                "serviceaccount": { "name": "backend", "uid": "9f12" },
            },
        })
    }

    /// From now on only this token of our own is accepted; the file has it.
    pub(crate) fn rotate_own_token(&self, token: &str) {
        *self.shared.own_token.lock().unwrap() = token.to_owned();
        std::fs::write(self.files.path().join("token"), format!("{token}\n")).unwrap();
    }

    pub(crate) fn answer(&self, reviewer: Reviewer) {
        self.shared.reviewer.send_replace(reviewer);
    }

    pub(crate) fn fetches(&self) -> usize {
        self.shared.fetches.load(Ordering::SeqCst)
    }

    pub(crate) fn reviews(&self) -> usize {
        self.shared.reviews.load(Ordering::SeqCst)
    }

    /// How many reviews are under way.
    pub(crate) fn at_once(&self) -> usize {
        self.shared.at_once.load(Ordering::SeqCst)
    }

    /// How many reviews were under way at a time.
    pub(crate) fn most_at_once(&self) -> usize {
        self.shared.most_at_once.load(Ordering::SeqCst)
    }

    /// The last review, as it was asked for.
    pub(crate) fn asked(&self) -> Value {
        self.shared.asked.lock().unwrap().clone()
    }
}

impl Shared {
    fn is_known(&self, headers: &HeaderMap) -> bool {
        let expected = format!("Bearer {}", self.own_token.lock().unwrap());
        headers
            .get("authorization")
            .is_some_and(|sent| sent.as_bytes() == expected.as_bytes())
    }
}

async fn jwks(State(cluster): State<Arc<Shared>>, headers: HeaderMap) -> Response {
    cluster.fetches.fetch_add(1, Ordering::SeqCst);
    if !cluster.is_known(&headers) {
        return StatusCode::UNAUTHORIZED.into_response();
    }
    Json(json!({ "keys": cluster.keys })).into_response()
}

async fn token_review(
    State(cluster): State<Arc<Shared>>,
    headers: HeaderMap,
    Json(review): Json<Value>,
) -> Response {
    cluster.reviews.fetch_add(1, Ordering::SeqCst);
    if !cluster.is_known(&headers) {
        return StatusCode::UNAUTHORIZED.into_response();
    }
    let at_once = cluster.at_once.fetch_add(1, Ordering::SeqCst) + 1;
    cluster.most_at_once.fetch_max(at_once, Ordering::SeqCst);
    let response = answer(&cluster, review).await;
    cluster.at_once.fetch_sub(1, Ordering::SeqCst);
    response
}

async fn answer(cluster: &Shared, review: Value) -> Response {
    let audiences = review["spec"]["audiences"].clone();
    *cluster.asked.lock().unwrap() = review.clone();
    let mut reviewers = cluster.reviewer.subscribe();
    let is_there = |reviewer: &Reviewer| !matches!(reviewer, Reviewer::Held);
    let reviewer = reviewers.wait_for(is_there).await.unwrap().clone();
    let user = json!({ "username": ACCOUNT, "uid": "9f12" });
    let status = match reviewer {
        Reviewer::Good | Reviewer::Held => {
            json!({ "authenticated": true, "user": user, "audiences": audiences })
        }
        Reviewer::AudienceBlind => json!({ "authenticated": true, "user": user }),
        Reviewer::OwnAudience => {
            json!({ "authenticated": true, "user": user, "audiences": [ISSUER] })
        }
        Reviewer::SaysNo => json!({ "user": {}, "error": "the pod was deleted" }),
        Reviewer::OtherUser => {
            let user = json!({ "username": "system:serviceaccount:shop:other" });
            json!({ "authenticated": true, "user": user, "audiences": audiences })
        }
        Reviewer::Away => return StatusCode::SERVICE_UNAVAILABLE.into_response(),
        Reviewer::Nonsense => return "<html>".into_response(),
    };
    let review = json!({
        "apiVersion": "authentication.k8s.io/v1", "kind": "TokenReview",
        "spec": review["spec"], "status": status,
    });
    (StatusCode::CREATED, Json(review)).into_response()
}

struct TlsListener {
    tcp: TcpListener,
    tls: TlsAcceptor,
}

impl Listener for TlsListener {
    type Io = TlsStream<TcpStream>;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (Self::Io, Self::Addr) {
        loop {
            if let Ok((stream, address)) = self.tcp.accept().await
                && let Ok(stream) = self.tls.accept(stream).await
            {
                return (stream, address);
            }
        }
    }

    fn local_addr(&self) -> std::io::Result<Self::Addr> {
        self.tcp.local_addr()
    }
}
