//! Refuses at once what there is no room for: calls beyond the limit, and metadata that is too large.

use std::{
    convert::Infallible,
    sync::Arc,
    task::{Context, Poll},
};

use futures::future::{BoxFuture, ready};
use http::{HeaderMap, Request, Response};
use tonic::body::Body;
use tower::{Layer, Service};

use super::{Shares, seldom::Seldom};
use crate::{peer::Peer, status};

/// Probes and tools are answered however much there is to do: it is then that they are needed.
const EXEMPT: [&str; 2] = ["/grpc.health.v1.", "/grpc.reflection."];

/// What HTTP/2 counts for a field beside its name and value, in bytes (RFC 9113 section 6.5.2).
const FIELD_OVERHEAD: usize = 32;

/// Sheds load.
#[derive(Debug, Clone)]
pub(crate) struct SheddingLayer {
    shares: Arc<Shares>,
    max_metadata_bytes: usize,
    shed: Arc<Seldom>,
}

/// A service that load is shed before.
#[derive(Debug, Clone)]
pub(crate) struct Shedding<S> {
    inner: S,
    layer: SheddingLayer,
}

impl SheddingLayer {
    pub(crate) fn new(shares: Arc<Shares>, max_metadata_bytes: u32) -> Self {
        Self {
            shares,
            max_metadata_bytes: max_metadata_bytes as usize,
            shed: Arc::new(Seldom::new()),
        }
    }
}

impl<S> Layer<S> for SheddingLayer {
    type Service = Shedding<S>;

    fn layer(&self, inner: S) -> Self::Service {
        Shedding {
            inner,
            layer: self.clone(),
        }
    }
}

impl<S> Service<Request<Body>> for Shedding<S>
where
    S: Service<Request<Body>, Response = Response<Body>, Error = Infallible>,
    S::Future: Send + 'static,
{
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = BoxFuture<'static, Result<Self::Response, Infallible>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        let refused = |status: tonic::Status| Box::pin(ready(Ok(status.into_http())));
        let layer = &self.layer;
        if size(request.headers()) > layer.max_metadata_bytes {
            return refused(status::metadata_too_large());
        }
        let path = request.uri().path();
        if EXEMPT.iter().any(|service| path.starts_with(service)) {
            return Box::pin(self.inner.call(request));
        }
        let peer = request.extensions().get::<Peer>();
        let slot = peer.map(|peer| layer.shares.calls.take(&peer.share.calls));
        let Some(Some(slot)) = slot else {
            if layer.shed.is_due() {
                let address = peer.map(|peer| peer.address);
                let limit = "grpc.max_concurrent_calls; half of them for one address";
                tracing::warn!(?address, limit, "calls are refused, for there are too many");
            }
            return refused(status::overloaded());
        };
        let call = self.inner.call(request);
        Box::pin(async move {
            let answer = call.await;
            drop(slot);
            answer
        })
    }
}

fn size(metadata: &HeaderMap) -> usize {
    let size = |(name, value): (&http::HeaderName, &http::HeaderValue)| {
        name.as_str().len() + value.len() + FIELD_OVERHEAD
    };
    metadata.iter().map(size).sum()
}
