//! Every limit on what peers send, in one place. What the configuration has no key for is here as a constant; how many
//! there may be of what is in [`super::shares`].

use std::time::Duration;

use tonic::transport::Server;

use super::{Shares, shares::Limits};
use crate::config::Grpc;

/// What is silent for so long is asked for a sign of life.
pub(super) const KEEPALIVE: Duration = Duration::from_secs(30);
/// What gives none for so long is closed: who reads nothing any more, and who began a header and does not end it.
const KEEPALIVE_TIMEOUT: Duration = Duration::from_secs(20);
/// How often the operating system asks again, before it gives a connection up.
pub(super) const TCP_KEEPALIVE_RETRIES: u32 = 3;

/// TLS handshakes at once.
const MAX_HANDSHAKES: u32 = 512;

/// Calls of `AdminService` whose callers are not known yet, at once: with the largest messages, 256 MiB.
const MAX_UNIDENTIFIED: u32 = 64;
/// The least that a message to `AdminService` may have, in bytes: a set of connectors, or a definition, may be larger than
/// any call of a backend.
const ADMIN_MESSAGE: usize = 4 << 20;

/// Health checks at once.
const MAX_CHECKS: u32 = 1000;
/// Streams of health and reflection at once.
const MAX_STREAMS: u32 = 1000;

/// Streams of a connection that its peer has reset before we looked at them, at once (rapid reset, CVE-2023-44487).
const MAX_PENDING_RESETS: usize = 20;
/// Streams of a connection that we have reset for errors of its peer, in all (made-you-reset, CVE-2025-8671).
const MAX_OWN_RESETS: usize = 256;

/// What one call may send before it is read, in bytes.
const STREAM_WINDOW: u32 = 64 << 10;
/// What all calls of a connection may send before it is read, in bytes.
const CONNECTION_WINDOW: u32 = 1 << 20;
/// The least that HTTP/2 allows (RFC 9113 section 4.2), in bytes.
const FRAME: u32 = 16 << 10;

/// A gRPC server with all limits set. None is left to the libraries, some of whose are "no limit".
pub(crate) fn bounded(config: &Grpc) -> Server {
    let server = Server::builder()
        .max_concurrent_streams(config.max_concurrent_streams)
        .http2_max_header_list_size(unanswered_metadata(config.max_metadata_bytes))
        .http2_max_pending_accept_reset_streams(Some(MAX_PENDING_RESETS))
        .http2_max_local_error_reset_streams(Some(MAX_OWN_RESETS))
        .http2_keepalive_interval(Some(KEEPALIVE))
        .http2_keepalive_timeout(Some(KEEPALIVE_TIMEOUT))
        .initial_stream_window_size(STREAM_WINDOW)
        .initial_connection_window_size(CONNECTION_WINDOW)
        .http2_adaptive_window(Some(false))
        .max_frame_size(FRAME)
        .accept_http1(false);
    match config.max_connection_age_seconds {
        0 => server,
        // Without its own grace, with which it would cut connections off and not ask them to end: ours is in `Incoming`.
        age => server.max_connection_age(Duration::from_secs(age)),
    }
}

/// What a message to `AdminService` may have, in bytes.
pub(crate) fn admin_message(config: &Grpc) -> usize {
    config.max_request_bytes.max(ADMIN_MESSAGE)
}

/// What there is for all peers together.
pub(crate) fn shares(config: &Grpc) -> Shares {
    Shares::new(Limits {
        connections: config.max_connections,
        handshakes: MAX_HANDSHAKES,
        calls: config.max_concurrent_calls,
        unidentified: MAX_UNIDENTIFIED,
        checks: MAX_CHECKS,
        streams: MAX_STREAMS,
    })
}

/// Larger metadata is not answered in gRPC's words any more, in bytes: its stream is refused by HTTP/2.
fn unanswered_metadata(limit: u32) -> u32 {
    limit.saturating_add((limit / 4).max(FRAME))
}
