//! Lets the oauth2 crate make requests that any provider takes. The answer is kept as it came: the crate never sees it,
//! so that it can be made durable before anybody reads it.

use std::pin::Pin;

use http::HeaderValue;
use http::header::CONTENT_TYPE;
use oauth2::basic::BasicErrorResponse;
use oauth2::{AsyncHttpClient, HttpRequest, HttpResponse, RequestTokenError};
use serde_json::{Map, Value};
use tokend_catalog::{Definition, Encoding};
use tokend_model::{RawTokenAnswer, TokenFailure, TokenFailureKind};
use url::form_urlencoded;

use crate::failure::failure;
use crate::provider::definition_headers;
use crate::transport::Transport;

/// One provider's token endpoint, as the oauth2 crate calls it.
pub(crate) struct Adapter<'a> {
    pub(crate) transport: &'a Transport,
    pub(crate) definition: &'a Definition,
}

/// How a call ended. To the crate each end is an error: it stops there and hands this back.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Ended {
    /// With a whole answer.
    #[error("there is an answer to be kept")]
    Answered(RawTokenAnswer),
    /// Without one.
    #[error(transparent)]
    Failed(TokenFailure),
}

impl<'c> AsyncHttpClient<'c> for Adapter<'_> {
    type Error = Ended;
    type Future = Pin<Box<dyn Future<Output = Result<HttpResponse, Ended>> + Send + 'c>>;

    fn call(&'c self, request: HttpRequest) -> Self::Future {
        Box::pin(async move {
            Err(match self.send(request).await {
                Ok(answer) => Ended::Answered(answer),
                Err(failure) => Ended::Failed(failure),
            })
        })
    }
}

impl Adapter<'_> {
    async fn send(&self, mut request: HttpRequest) -> Result<RawTokenAnswer, TokenFailure> {
        let headers = definition_headers(&self.definition.token.headers)?;
        request.headers_mut().extend(headers);
        if self.definition.token.encoding == Encoding::Json {
            let json = HeaderValue::from_static("application/json");
            request.headers_mut().insert(CONTENT_TYPE, json);
            *request.body_mut() = form_to_json(request.body());
        }
        self.transport
            .send(request.try_into().map_err(|_| not_built())?)
            .await
    }
}

/// The answer to a request that was made and sent through an adapter.
pub(crate) fn answered<T>(
    outcome: Result<T, RequestTokenError<Ended, BasicErrorResponse>>,
) -> Result<RawTokenAnswer, TokenFailure> {
    match outcome {
        Err(RequestTokenError::Request(Ended::Answered(answer))) => Ok(answer),
        Err(RequestTokenError::Request(Ended::Failed(failure))) => Err(failure),
        // The adapter ends each call with one of the above: there was none.
        Ok(_) | Err(_) => Err(not_built()),
    }
}

fn not_built() -> TokenFailure {
    failure(TokenFailureKind::NotSent, "the request could not be built")
}

fn form_to_json(form: &[u8]) -> Vec<u8> {
    let members: Map<String, Value> = form_urlencoded::parse(form)
        .map(|(name, value)| (name.into_owned(), Value::String(value.into_owned())))
        .collect();
    Value::Object(members).to_string().into_bytes()
}
