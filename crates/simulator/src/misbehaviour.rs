//! Puts the script into effect: an endpoint answers through here.

use std::{convert::Infallible, io, time::Duration};

use axum::{
    body::{Body, Bytes, to_bytes},
    http::{HeaderName, HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use futures::{StreamExt, stream};

use crate::{
    connection::Connection,
    event::Happening,
    fault::{Endpoint, Fault},
    provider::Provider,
};

/// Answers a request as the script has it. `process` does what was asked; `in_flight` is dropped when the answer is
/// ready to leave, or with its last byte when it drips.
pub(crate) async fn answer(
    provider: &Provider,
    endpoint: Endpoint,
    connection: &Connection,
    in_flight: impl Send + 'static,
    process: impl FnOnce() -> Response,
) -> Response {
    let lane = provider.faults.lane(endpoint);
    lane.pass_gate().await;
    let Some(fault) = lane.next() else {
        return process();
    };
    provider.note(Happening::Faulted {
        endpoint,
        fault: fault.name(),
    });
    match fault {
        Fault::Answer {
            status,
            headers,
            body,
        } => canned(status, headers, body),
        Fault::Delay(wait) => {
            tokio::time::sleep(wait).await;
            process()
        }
        Fault::Hang => {
            lane.wait_for_release().await;
            process()
        }
        Fault::HoldAnswer => {
            let response = process();
            lane.wait_for_release().await;
            response
        }
        Fault::Close => {
            connection.cut();
            StatusCode::OK.into_response()
        }
        Fault::LoseAnswer => {
            let response = process();
            connection.cut();
            response
        }
        Fault::TruncateAnswer => truncate(process()).await,
        Fault::Drip(pause) => drip(process(), pause, provider, in_flight).await,
        Fault::Mislabel(content_type) => mislabel(process(), &content_type),
    }
}

fn canned(status: u16, headers: Vec<(String, String)>, body: String) -> Response {
    let status = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let mut response = (status, Body::from(body)).into_response();
    for (name, value) in headers {
        match (HeaderName::try_from(name), HeaderValue::try_from(value)) {
            (Ok(name), Ok(value)) => _ = response.headers_mut().insert(name, value),
            _ => tracing::warn!("a scripted header is none and was left out"),
        }
    }
    response
}

fn mislabel(mut response: Response, content_type: &str) -> Response {
    if let Ok(value) = HeaderValue::from_str(content_type) {
        response.headers_mut().insert(header::CONTENT_TYPE, value);
    }
    response
}

/// Announces the whole body, sends half of it, and breaks the connection.
async fn truncate(response: Response) -> Response {
    let (mut parts, body) = whole(response).await;
    parts
        .headers
        .insert(header::CONTENT_LENGTH, body.len().into());
    let half = body.slice(..body.len() / 2);
    let broken = stream::once(async {
        // Gives the server a turn to send the first half before it learns that there is no second.
        tokio::task::yield_now().await;
        Err(io::Error::from(io::ErrorKind::ConnectionAborted))
    });
    Response::from_parts(
        parts,
        Body::from_stream(stream::iter([Ok(half)]).chain(broken)),
    )
}

async fn drip(
    response: Response,
    pause: Duration,
    provider: &Provider,
    in_flight: impl Send + 'static,
) -> Response {
    let (mut parts, body) = whole(response).await;
    parts
        .headers
        .insert(header::CONTENT_LENGTH, body.len().into());
    let drops = stream::unfold((body, in_flight), move |(mut rest, in_flight)| async move {
        if rest.is_empty() {
            return None;
        }
        tokio::time::sleep(pause).await;
        let drop = rest.split_to(1);
        Some((Ok::<_, Infallible>(drop), (rest, in_flight)))
    });
    Response::from_parts(
        parts,
        Body::from_stream(drops.take_until(provider.closing.clone().cancelled_owned())),
    )
}

async fn whole(response: Response) -> (axum::http::response::Parts, Bytes) {
    let (parts, body) = response.into_parts();
    // Our own answers are short and complete.
    let body = to_bytes(body, usize::MAX).await.unwrap_or_default();
    (parts, body)
}
