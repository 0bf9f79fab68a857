//! Which path is answered by what.

use std::sync::Arc;

use axum::{
    Router,
    extract::{Request, State},
    http::StatusCode,
    middleware::{self, Next},
    response::{IntoResponse, Response},
    routing::{get, post},
};

use crate::{
    app_pages, authorization, device, provider::Provider, resources, sign_in, token_endpoint,
};

/// All paths of the simulator.
pub(crate) fn router(provider: Arc<Provider>) -> Router {
    Router::new()
        .route("/authorize", get(authorization::authorize))
        .route("/sign-in", get(sign_in::sign_in))
        .route("/token", post(token_endpoint::token))
        .route("/device", post(device::authorize))
        .route("/revoke", post(token_endpoint::revoke))
        .route("/userinfo", get(resources::userinfo))
        .route("/api/events", get(resources::events))
        .route("/jwks.json", get(resources::key_set))
        .route(
            "/.well-known/openid-configuration",
            get(resources::openid_configuration),
        )
        .route("/ledger", get(resources::ledger))
        .route("/app/connected", get(app_pages::connected))
        .route("/app/token", get(app_pages::token))
        .route("/app/jwks.json", get(app_pages::key_set))
        .route(
            "/app/.well-known/openid-configuration",
            get(app_pages::openid_configuration),
        )
        .layer(middleware::from_fn_with_state(
            Arc::clone(&provider),
            until_closing,
        ))
        .with_state(provider)
}

/// A request that a fault holds must not hold up the shutdown.
async fn until_closing(
    State(provider): State<Arc<Provider>>,
    request: Request,
    next: Next,
) -> Response {
    tokio::select! {
        response = next.run(request) => response,
        () = provider.closing.cancelled() => StatusCode::SERVICE_UNAVAILABLE.into_response(),
    }
}
