//! Follows an answer with tokens until its last byte has left.

use std::{convert::Infallible, sync::Arc, time::Duration};

use axum::{
    body::{Body, Bytes},
    http::{header, response::Parts},
    response::Response,
};
use futures::{StreamExt, stream};
use tokio_util::sync::CancellationToken;

use crate::{
    connection::Connection, event::FamilyId, fingerprint::Fingerprint, grants::Issued,
    provider::Provider,
};

/// What an answer delivers; travels with it as an extension of the response.
#[derive(Clone)]
pub(crate) struct Delivery {
    provider: Arc<Provider>,
    family: FamilyId,
    generation: u64,
    access_token: String,
    refresh_token: Option<String>,
}

/// A delivery under way: dropped when the server has taken the whole body over, or will not.
struct Departure {
    delivery: Option<Delivery>,
    connection: Connection,
    complete: bool,
}

impl Delivery {
    pub(crate) fn new(provider: &Arc<Provider>, issued: &Issued) -> Self {
        Self {
            provider: Arc::clone(provider),
            family: issued.family,
            generation: issued.generation,
            access_token: issued.access_token.clone(),
            refresh_token: issued.refresh_token.clone(),
        }
    }

    /// Whether the tokens stand in a body, whatever else does.
    fn is_in(&self, body: &[u8]) -> bool {
        let token = self.refresh_token.as_ref().unwrap_or(&self.access_token);
        let mut windows = body.windows(token.len());
        windows.any(|window| window == token.as_bytes())
    }

    fn arrived(self) {
        let refresh_token = self.refresh_token.as_deref().map(Fingerprint::of);
        self.provider.record(|records| {
            records.delivered(self.family, self.generation, refresh_token);
        });
    }
}

impl Drop for Departure {
    fn drop(&mut self) {
        if let Some(delivery) = self.delivery.take().filter(|_| self.complete) {
            self.connection.once_flushed(|| delivery.arrived());
        }
    }
}

/// Sends a body, at once or byte by byte this far apart. `in_flight` is dropped with its last byte.
pub(crate) fn send(
    mut parts: Parts,
    body: Bytes,
    pause: Option<Duration>,
    connection: &Connection,
    closing: CancellationToken,
    in_flight: impl Send + 'static,
) -> Response {
    let delivery = parts
        .extensions
        .remove::<Delivery>()
        .filter(|delivery| delivery.is_in(&body));
    let departure = Departure {
        delivery,
        connection: connection.clone(),
        complete: false,
    };
    parts
        .headers
        .insert(header::CONTENT_LENGTH, body.len().into());
    let state = (body, departure, in_flight);
    let chunks = stream::unfold(
        state,
        move |(mut rest, mut departure, in_flight)| async move {
            if rest.is_empty() {
                return None;
            }
            let chunk = match pause {
                Some(pause) => {
                    tokio::time::sleep(pause).await;
                    rest.split_to(1)
                }
                None => std::mem::take(&mut rest),
            };
            departure.complete = rest.is_empty();
            Some((Ok::<_, Infallible>(chunk), (rest, departure, in_flight)))
        },
    );
    let chunks = chunks.take_until(closing.cancelled_owned());
    Response::from_parts(parts, Body::from_stream(chunks))
}
