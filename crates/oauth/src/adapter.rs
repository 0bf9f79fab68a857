//! Makes any provider look like RFC 6749 to the oauth2 crate: requests leave as the provider wants them, answers come
//! back as the standard has them, failures come back classed.

use std::pin::Pin;

use http::HeaderValue;
use http::header::CONTENT_TYPE;
use oauth2::{AsyncHttpClient, HttpRequest, HttpResponse};
use serde_json::{Map, Value};
use tokend_catalog::{Answer, Definition, Encoding};
use tokend_model::{TokenFailure, TokenFailureKind};
use url::form_urlencoded;

use crate::answer;
use crate::failure::failure;
use crate::provider::definition_headers;
use crate::transport::Transport;

/// One provider's token endpoint, as the oauth2 crate calls it.
pub(crate) struct Adapter<'a> {
    pub(crate) transport: &'a Transport,
    pub(crate) definition: &'a Definition,
    pub(crate) layout: &'a Answer,
}

impl<'c> AsyncHttpClient<'c> for Adapter<'_> {
    type Error = TokenFailure;
    type Future = Pin<Box<dyn Future<Output = Result<HttpResponse, TokenFailure>> + Send + 'c>>;

    fn call(&'c self, request: HttpRequest) -> Self::Future {
        Box::pin(self.exchange(request))
    }
}

impl Adapter<'_> {
    async fn exchange(&self, mut request: HttpRequest) -> Result<HttpResponse, TokenFailure> {
        let headers = definition_headers(&self.definition.token.headers)?;
        request.headers_mut().extend(headers);
        if self.definition.token.encoding == Encoding::Json {
            let json = HeaderValue::from_static("application/json");
            request.headers_mut().insert(CONTENT_TYPE, json);
            *request.body_mut() = form_to_json(request.body());
        }
        let request = request
            .try_into()
            .map_err(|_| failure(TokenFailureKind::NotSent, "the request could not be built"))?;
        let raw = self.transport.send(request).await?;
        let standard = answer::read(self.definition, self.layout, &raw)?;
        let body = serde_json::to_vec(&standard)
            .map_err(|_| failure(TokenFailureKind::Garbage, "the answer could not be read"))?;
        Ok(HttpResponse::new(body))
    }
}

fn form_to_json(form: &[u8]) -> Vec<u8> {
    let members: Map<String, Value> = form_urlencoded::parse(form)
        .map(|(name, value)| (name.into_owned(), Value::String(value.into_owned())))
        .collect();
    Value::Object(members).to_string().into_bytes()
}
