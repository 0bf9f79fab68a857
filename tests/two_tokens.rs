//! A provider that issues two tokens at once: an app's own, and one of the person who installs it.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex},
};

use axum::{
    Json, Router,
    extract::{Form, Query, State},
    http::{HeaderMap, StatusCode, header},
    response::Redirect,
    routing::{get, post},
};
use serde_json::{Value, json};
use url::Url;
use uuid::Uuid;

use crate::definition;

type Parameters = HashMap<String, String>;
type Shared = State<Arc<Mutex<Books>>>;

/// A running provider.
pub struct TwoTokens {
    base: String,
    books: Arc<Mutex<Books>>,
    serving: tokio::task::JoinHandle<()>,
}

/// What it knows and was asked.
#[derive(Default)]
pub struct Books {
    /// The scopes asked for with each code: the app's, and the person's.
    asked: HashMap<String, (String, String)>,
    /// Whose each living access token is.
    access: HashMap<String, &'static str>,
    /// Whose each refresh token is that was not redeemed yet.
    refresh: HashMap<String, &'static str>,
    /// Whose tokens were renewed, in order.
    pub renewed: Vec<&'static str>,
    /// Whose tokens were revoked, in order.
    pub revoked: Vec<&'static str>,
}

impl Books {
    fn issue(&mut self, whose: &'static str, scope: &str) -> Value {
        let (access, refresh) = (Uuid::new_v4().to_string(), Uuid::new_v4().to_string());
        self.access.insert(access.clone(), whose);
        self.refresh.insert(refresh.clone(), whose);
        let expires_in = if whose == "bot" { 3600 } else { 7200 };
        json!({
            "access_token": access, "refresh_token": refresh, "token_type": whose,
            "expires_in": expires_in, "scope": scope,
        })
    }
}

impl TwoTokens {
    /// Starts one on a port of its own.
    pub async fn start() -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let base = format!("http://{}", listener.local_addr().unwrap());
        let books = Arc::new(Mutex::new(Books::default()));
        let router = Router::new()
            .route("/authorize", get(authorize))
            .route("/token", post(token))
            .route("/revoke", post(revoke))
            .route("/userinfo", get(userinfo))
            .with_state(books.clone());
        let serving = tokio::spawn(async move {
            axum::serve(listener, router).await.unwrap();
        });
        Self {
            base,
            books,
            serving,
        }
    }

    /// Its integration type.
    pub fn definition(&self) -> String {
        definition(&self.base)
            .replace(
                "[refresh]",
                r#"token_type = "Bearer"

[[token.other]]
name = "user"
description = "Acts as the person who installs the app."
scope_param = "user_scope"

[token.other.answer]
root = ["/authed_user"]

[refresh]"#,
            )
            .replace(r#"id = ["/sub"]"#, r#"id = ["/whose"]"#)
    }

    /// What happened there.
    pub fn books(&self) -> std::sync::MutexGuard<'_, Books> {
        self.books.lock().unwrap()
    }
}

impl Drop for TwoTokens {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

/// Nobody says no here.
async fn authorize(State(books): Shared, Query(asked): Query<Parameters>) -> Redirect {
    let code = Uuid::new_v4().to_string();
    let scopes = |name: &str| asked.get(name).cloned().unwrap_or_default();
    let scopes = (scopes("scope"), scopes("user_scope"));
    books.lock().unwrap().asked.insert(code.clone(), scopes);
    let mut back = Url::parse(&asked["redirect_uri"]).unwrap();
    back.query_pairs_mut()
        .append_pair("code", &code)
        .append_pair("state", &asked["state"]);
    Redirect::to(back.as_str())
}

async fn token(
    State(books): Shared,
    Form(sent): Form<Parameters>,
) -> Result<Json<Value>, (StatusCode, Json<Value>)> {
    let mut books = books.lock().unwrap();
    let refused = || {
        let error = json!({ "error": "invalid_grant" });
        (StatusCode::BAD_REQUEST, Json(error))
    };
    if let Some(presented) = sent.get("refresh_token") {
        let whose = books.refresh.remove(presented).ok_or_else(refused)?;
        books.renewed.push(whose);
        let scope = if whose == "bot" { "chat" } else { "search" };
        return Ok(Json(books.issue(whose, scope)));
    }
    let code = sent.get("code").ok_or_else(refused)?;
    let (scope, user_scope) = books.asked.remove(code).ok_or_else(refused)?;
    let mut answer = books.issue("bot", &scope);
    answer["authed_user"] = match user_scope.is_empty() {
        true => json!({ "id": "U1" }),
        false => books.issue("person", &user_scope),
    };
    Ok(Json(answer))
}

async fn revoke(State(books): Shared, Form(sent): Form<Parameters>) -> StatusCode {
    let mut books = books.lock().unwrap();
    let token = sent.get("token").cloned().unwrap_or_default();
    let whose = books.refresh.remove(&token);
    if let Some(whose) = whose.or_else(|| books.access.remove(&token)) {
        books.revoked.push(whose);
    }
    StatusCode::OK
}

async fn userinfo(State(books): Shared, headers: HeaderMap) -> Result<Json<Value>, StatusCode> {
    let sent = headers.get(header::AUTHORIZATION);
    let token = sent.and_then(|value| value.to_str().ok()?.strip_prefix("Bearer "));
    let books = books.lock().unwrap();
    let whose = token.and_then(|token| books.access.get(token));
    let whose = whose.ok_or(StatusCode::UNAUTHORIZED)?;
    Ok(Json(json!({ "whose": whose })))
}
