//! HTTP for browsers: the ticket that leads to the provider, the callback it returns to, and the confirmation.

mod completion;
mod cookie;
mod page;

use std::{collections::BTreeMap, net::SocketAddr, sync::Arc};

use axum::{
    Form, Router,
    extract::{ConnectInfo, Path, Query, State, rejection::FormRejection},
    http::{HeaderMap, HeaderValue, StatusCode, header},
    response::{IntoResponse, Redirect, Response},
    routing::{get, post},
};
use serde::Deserialize;
use tokend_access::{AccessError, Suspensions};
use tokend_model::{
    Authorization, AuthorizationId, AuthorizationState, Connector, IntegrationTypeName, Secret,
    WorkspaceName,
};
use tokend_vending::{CallbackOutcome, Error, ProviderCallback, Vending, binding_name};
use tower_http::{limit::RequestBodyLimitLayer, set_header::SetResponseHeaderLayer};
use url::Url;

use self::completion::Confirmed;
use crate::{admission::Admission, audit::Audit, failure::Failure, service::Acts};

/// What the browser's routes share.
#[derive(Clone)]
struct Pages {
    vending: Vending,
    suspensions: Arc<Suspensions>,
    audit: Arc<Audit>,
    acts: Acts,
    /// Whether browsers reach us by https, so that cookies may insist on it.
    https: bool,
}

/// The routes of the browser listener.
pub(crate) fn routes(vending: Vending, admission: &Admission, public_url: &str) -> Router {
    let pages = Pages {
        vending,
        suspensions: admission.suspensions.clone(),
        audit: admission.audit.clone(),
        acts: admission.acts.clone(),
        https: public_url.starts_with("https://"),
    };
    let header =
        |name, value| SetResponseHeaderLayer::overriding(name, HeaderValue::from_static(value));
    Router::new()
        .route("/oauth/start/{ticket}", get(start))
        .route("/oauth/callback/{context}", get(callback))
        .route("/oauth/complete/{context}", post(complete))
        .route("/oauth/style.css", get(page::style))
        .fallback(async || page::message(StatusCode::NOT_FOUND, "Not found", "There is no such page."))
        .with_state(Arc::new(pages))
        .layer(RequestBodyLimitLayer::new(8 * 1024))
        .layer(header(header::CACHE_CONTROL, "no-store"))
        .layer(header(header::REFERRER_POLICY, "no-referrer"))
        .layer(header(header::X_CONTENT_TYPE_OPTIONS, "nosniff"))
        .layer(header(
            header::CONTENT_SECURITY_POLICY,
            "default-src 'none'; style-src 'self'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'",
        ))
}

/// `GET /oauth/start/{ticket}`: binds the attempt to this browser and sends it to the provider.
async fn start(State(pages): State<Arc<Pages>>, Path(ticket): Path<String>) -> Response {
    let opened = async {
        // Nobody is sent on to a provider for what is then refused.
        let authorization = pages.vending.authorization_of_ticket(&ticket).await?;
        let integration_type = pages.type_of(&authorization).await?;
        pages.check_suspensions(&authorization.workspace, &integration_type)?;
        Ok::<_, Failure>(pages.vending.open_ticket(&ticket).await?)
    };
    match opened.await {
        Ok(opened) => {
            let cookie = cookie::bind(&opened, pages.https);
            (
                [(header::SET_COOKIE, cookie)],
                Redirect::to(opened.provider_url.expose()),
            )
                .into_response()
        }
        Err(failure) => page::failure(&failure),
    }
}

/// So many further parameters of a callback are looked at, none with a longer name or value in bytes.
const MOST_PARAMETERS: usize = 32;
const LONGEST_NAME: usize = 64;
const LONGEST_VALUE: usize = 1024;

/// The parameters a provider sends back: the standard's, and those that tell which account or instance it is.
#[derive(Default)]
pub(crate) struct CallbackQuery {
    pub(crate) state: Option<String>,
    pub(crate) code: Option<String>,
    pub(crate) error: Option<String>,
    others: BTreeMap<String, String>,
}

impl CallbackQuery {
    /// `None` if one of the standard's is there twice (RFC 6749 section 3.1).
    pub(crate) fn read(pairs: Vec<(String, String)>) -> Option<Self> {
        let mut query = Self::default();
        let mut repeated = Vec::new();
        for (name, value) in pairs {
            let place = match name.as_str() {
                "state" => &mut query.state,
                "code" => &mut query.code,
                "error" => &mut query.error,
                _ => {
                    let bounded = name.len() <= LONGEST_NAME && value.len() <= LONGEST_VALUE;
                    if bounded && query.others.len() < MOST_PARAMETERS {
                        if query.others.contains_key(&name) {
                            repeated.push(name.clone());
                        }
                        query.others.insert(name, value);
                    }
                    continue;
                }
            };
            if place.replace(value).is_some() {
                return None;
            }
        }
        // Which of them the provider meant nobody knows.
        query.others.retain(|name, _| !repeated.contains(name));
        Some(query)
    }
}

/// `GET /oauth/callback/{context}`: the redirect URI. Keeps the code; activates nothing.
async fn callback(
    State(pages): State<Arc<Pages>>,
    ConnectInfo(peer): ConnectInfo<SocketAddr>,
    Path(context): Path<String>,
    query: Result<Query<Vec<(String, String)>>, axum::extract::rejection::QueryRejection>,
    headers: HeaderMap,
) -> Response {
    let query = query
        .ok()
        .and_then(|Query(pairs)| CallbackQuery::read(pairs));
    let Some(query) = query else {
        return page::error(&Error::invalid("state", "is missing or there twice"));
    };
    let state = query.state.map(Secret::new);
    let binding = state.as_ref().map(binding_name).unwrap_or_default();
    let browser_binding = cookie::read(&headers, &binding);
    let callback = ProviderCallback {
        context: context.clone(),
        state,
        code: query.code.map(Secret::new),
        error: query.error,
        parameters: query.others,
        browser_binding,
    };
    let received = pages.vending.receive_callback(&callback).await;
    pages.record_callback(peer, &received).await;
    match received {
        Ok(outcome) => pages.answer(&context, &binding, outcome).await,
        Err(error) => page::error(&error),
    }
}

#[derive(Deserialize)]
struct Completion {
    authorization_id: String,
    completion_token: String,
    /// The name of the cookie that the page was shown with.
    binding: String,
    /// On the page that asks whether another account is meant.
    #[serde(default)]
    accept_account_change: bool,
}

/// `POST /oauth/complete/{context}`: the user confirmed on our own page.
async fn complete(
    State(pages): State<Arc<Pages>>,
    ConnectInfo(peer): ConnectInfo<SocketAddr>,
    Path(context): Path<String>,
    headers: HeaderMap,
    form: Result<Form<Completion>, FormRejection>,
) -> Response {
    let Ok(Form(form)) = form else {
        return page::error(&Error::invalid("the form", "is not the one of this page"));
    };
    let browser_binding = cookie::read(&headers, &form.binding);
    let ours = pages.same_origin(&headers);
    let (Some(browser_binding), true) = (browser_binding, ours) else {
        return pages.mismatch(peer).await;
    };
    let Ok(id) = AuthorizationId::new(form.authorization_id) else {
        return page::error(&Error::AuthorizationNotFound);
    };
    let token = Secret::new(form.completion_token);
    let confirmed = Confirmed {
        context: context.clone(),
        id: id.clone(),
        completion_token: token.clone(),
        browser_binding,
        accept_account_change: form.accept_account_change,
        peer,
    };
    match pages.complete(confirmed).await {
        Ok(connection) => {
            let account = connection.account.email.or(connection.account.name);
            let service = pages.service_name(&context).await;
            page::connected(&service, account.as_deref())
        }
        // The button was pressed twice, or the page reloaded.
        Err(Failure::UseCase(Error::AuthorizationExpired))
            if pages.is_completed(&context, &id).await =>
        {
            page::connected(&pages.service_name(&context).await, None)
        }
        Err(Failure::UseCase(Error::AccountChanged { .. })) => {
            let service = pages.service_name(&context).await;
            page::confirm_other_account(&context, &service, &id, &token, &form.binding)
        }
        Err(failure) => page::failure(&failure),
    }
}

impl Pages {
    async fn answer(&self, context: &str, binding: &str, outcome: CallbackOutcome) -> Response {
        match outcome {
            CallbackOutcome::ReturnTo(url) => Redirect::to(url.expose()).into_response(),
            CallbackOutcome::Confirm {
                authorization,
                completion_token,
            } => {
                let service = self.service_name(context).await;
                page::confirm(
                    context,
                    &service,
                    &authorization,
                    &completion_token,
                    binding,
                )
            }
            CallbackOutcome::StarterCompletes(_) => page::message(
                StatusCode::OK,
                "Almost done",
                "The account was authorized. Go back to where you started; you can close this page.",
            ),
            CallbackOutcome::Denied(_) => page::error(&Error::AuthorizationDenied),
        }
    }

    /// The integration type of an attempt's connector.
    async fn type_of(&self, authorization: &Authorization) -> Result<IntegrationTypeName, Error> {
        let (workspace, id) = (&authorization.workspace, &authorization.connector_id);
        let connector = self.vending.get_connector(workspace, id).await?;
        Ok(connector.integration_type)
    }

    /// Whether an operator keeps anything from being connected under an integration type now.
    fn check_suspensions(
        &self,
        workspace: &WorkspaceName,
        integration_type: &IntegrationTypeName,
    ) -> Result<(), AccessError> {
        let stopped = self
            .suspensions
            .find_for_connecting(workspace, integration_type.as_str());
        stopped.map_or(Ok(()), |stopped| Err(AccessError::Suspended(stopped)))
    }

    async fn is_completed(&self, context: &str, id: &AuthorizationId) -> bool {
        let Some((workspace, _)) = Connector::parse_callback_context(context) else {
            return false;
        };
        let found = self.vending.authorization(&workspace, id).await;
        found.is_ok_and(|authorization| authorization.state == AuthorizationState::Completed)
    }

    /// A form post from a foreign page is not ours. Browsers that send no Origin have the token alone to show.
    fn same_origin(&self, headers: &HeaderMap) -> bool {
        let Some(origin) = headers
            .get(header::ORIGIN)
            .and_then(|value| value.to_str().ok())
        else {
            return true;
        };
        // Our pages send no referrer, for which some browsers post with the origin "null".
        let ours = Url::parse(self.vending.public_url()).map(|url| url.origin());
        origin == "null"
            || matches!((Url::parse(origin), ours), (Ok(theirs), Ok(ours)) if theirs.origin() == ours)
    }

    async fn service_name(&self, context: &str) -> String {
        let Some((workspace, id)) = Connector::parse_callback_context(context) else {
            return "the service".to_owned();
        };
        let named = async {
            let connector = self.vending.get_connector(&workspace, &id).await.ok()?;
            let integration_type = self
                .vending
                .integration_type(&workspace, &connector.integration_type)
                .ok()?;
            Some(integration_type.display_name.clone())
        };
        named.await.unwrap_or_else(|| "the service".to_owned())
    }
}
