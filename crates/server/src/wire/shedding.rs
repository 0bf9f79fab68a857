//! Refuses at once what there is no room for: calls beyond the limit, and metadata that is too large.

use std::{
    convert::Infallible,
    sync::{Arc, atomic::AtomicU32},
    task::{Context, Poll},
};

use futures::future::{BoxFuture, ready};
use http::{HeaderMap, Request, Response};
use tonic::body::Body;
use tower::{Layer, Service};

use super::{
    AddressShare, Shares,
    held::{Answer, Unidentified},
    seldom::Seldom,
    shares::Limit,
};
use crate::{peer::Peer, status};

/// What probes ask.
const CHECK: &str = "/grpc.health.v1.Health/Check";
/// What anybody may ask for besides.
const OPEN_TO_ALL: [&str; 2] = ["/grpc.health.v1.", "/grpc.reflection."];
/// Whose messages may be large.
const ADMIN: &str = "/tokend.v1.AdminService/";

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

    fn call(&mut self, mut request: Request<Body>) -> Self::Future {
        let refused = |status: tonic::Status| Box::pin(ready(Ok(status.into_http())));
        let layer = &self.layer;
        if size(request.headers()) > layer.max_metadata_bytes {
            return refused(status::metadata_too_large());
        }
        let path = request.uri().path();
        let peer = request.extensions().get::<Peer>();
        let take = |kind: Kind| {
            let share = &peer?.share;
            let (limit, by_address) = kind.room(&layer.shares, share);
            limit.take(by_address)
        };
        let kind = Kind::of(path);
        let slot = take(kind);
        let unidentified = match path.starts_with(ADMIN) {
            true => take(Kind::Unidentified).map(Some),
            false => Some(None),
        };
        let (Some(slot), Some(unidentified)) = (slot, unidentified) else {
            if layer.shed.is_due() {
                let address = peer.map(|peer| peer.address);
                let limit = "grpc.max_concurrent_calls, or too many that nobody is known to have made; half of them \
                             for one address";
                tracing::warn!(?address, limit, "calls are refused, for there are too many");
            }
            return refused(status::overloaded());
        };
        let unidentified = unidentified.map(Unidentified::new);
        if let Some(unidentified) = &unidentified {
            request.extensions_mut().insert(unidentified.clone());
        }
        let call = self.inner.call(request);
        Box::pin(async move {
            let answer = call.await;
            drop(unidentified);
            answer.map(|answer| answer.map(|body| Answer::holding(slot, body)))
        })
    }
}

/// What calls are counted as.
#[derive(Debug, Clone, Copy)]
enum Kind {
    Call,
    Unidentified,
    Check,
    Stream,
}

impl Kind {
    /// Probes and tools have room of their own: they are needed when there is much to do.
    fn of(path: &str) -> Self {
        if path == CHECK {
            return Self::Check;
        }
        match OPEN_TO_ALL.iter().any(|service| path.starts_with(service)) {
            true => Self::Stream,
            false => Self::Call,
        }
    }

    fn room<'a>(
        self,
        shares: &'a Shares,
        share: &'a AddressShare,
    ) -> (&'a Limit, &'a Arc<AtomicU32>) {
        match self {
            Self::Call => (&shares.calls, &share.calls),
            Self::Unidentified => (&shares.unidentified, &share.unidentified),
            Self::Check => (&shares.checks, &share.checks),
            Self::Stream => (&shares.streams, &share.streams),
        }
    }
}

fn size(metadata: &HeaderMap) -> usize {
    let size = |(name, value): (&http::HeaderName, &http::HeaderValue)| {
        name.as_str().len() + value.len() + FIELD_OVERHEAD
    };
    metadata.iter().map(size).sum()
}
