//! Puts the script into effect: an endpoint answers through here.

use std::{io, time::Duration};

use axum::{
    body::{Body, Bytes, to_bytes},
    http::{HeaderValue, StatusCode, header, response::Parts},
    response::{IntoResponse, Response},
};
use futures::{StreamExt, stream};

use crate::{
    alteration::set_headers,
    connection::Connection,
    delivery::{self, Delivery},
    event::Happening,
    fault::{Endpoint, Fault},
    provider::Provider,
    script::Lane,
};

/// Answers a request as the scripts have it: first the one of `client`, as far as it says who it is, then everybody's,
/// then chance. `process` does what was asked; `in_flight` is dropped when the answer is ready to leave, or with its
/// last byte when it drips.
pub(crate) async fn answer(
    provider: &Provider,
    endpoint: Endpoint,
    client: Option<&str>,
    connection: &Connection,
    in_flight: impl Send + 'static,
    process: impl FnOnce() -> Response,
) -> Response {
    let lanes = provider.conduct.lanes(endpoint, client);
    for lane in &lanes {
        lane.pass_gate().await;
    }
    let scripted = lanes.iter().find_map(|lane| Some((lane.next()?, &**lane)));
    let (fault, lane) = match scripted {
        Some((fault, lane)) => (Some(fault), Some(lane)),
        None => (chance(provider, endpoint, client).await, None),
    };
    let (response, pause) = match fault {
        None => (process(), None),
        Some(fault) => {
            provider.note(Happening::Faulted {
                endpoint,
                fault: fault.name(),
            });
            enact(fault, lane, connection, process).await
        }
    };
    if pause.is_none() && response.extensions().get::<Delivery>().is_none() {
        return response;
    }
    let (parts, body) = whole(response).await;
    let closing = provider.closing.clone();
    let in_flight = pause.map(|_| in_flight);
    delivery::send(parts, body, pause, connection, closing, in_flight)
}

/// What goes wrong without a script; its delay is over when this comes back.
async fn chance(provider: &Provider, endpoint: Endpoint, client: Option<&str>) -> Option<Fault> {
    if endpoint != Endpoint::Token {
        return None;
    }
    let roll = provider.conduct.roll(client)?;
    if let Some(delay) = roll.delay {
        tokio::time::sleep(delay).await;
    }
    roll.fault
}

/// The answer under a fault, and how far apart its bytes are sent if they are.
async fn enact(
    fault: Fault,
    lane: Option<&Lane>,
    connection: &Connection,
    process: impl FnOnce() -> Response,
) -> (Response, Option<Duration>) {
    let released = async {
        if let Some(lane) = lane {
            lane.wait_for_release().await;
        }
    };
    let response = match fault {
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
            released.await;
            process()
        }
        Fault::HoldAnswer => {
            let response = process();
            released.await;
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
        Fault::Reset { processed } => {
            let response = if processed {
                process()
            } else {
                StatusCode::OK.into_response()
            };
            connection.reset();
            response
        }
        Fault::TruncateAnswer => truncate(process()).await,
        Fault::Mislabel(content_type) => mislabel(process(), &content_type),
        Fault::Alter(alteration) => {
            let (parts, body) = whole(process()).await;
            let (parts, body) = alteration.apply(parts, &body);
            Response::from_parts(parts, Body::from(body))
        }
        Fault::Drip(pause) => return (process(), Some(pause)),
    };
    (response, None)
}

fn canned(status: u16, headers: Vec<(String, String)>, body: String) -> Response {
    let status = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let mut response = (status, Body::from(body)).into_response();
    set_headers(response.headers_mut(), headers);
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
    parts.extensions.remove::<Delivery>();
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

async fn whole(response: Response) -> (Parts, Bytes) {
    let (parts, body) = response.into_parts();
    // Our own answers are short and complete.
    let body = to_bytes(body, usize::MAX).await.unwrap_or_default();
    (parts, body)
}
