//! Reading answers: errors with their details, warnings, and conditions that come true in time.

use std::time::{Duration, SystemTime};

use futures::future::join_all;
use tokend_api::v1;
use tokend_tests::{Database, Options, Tokend, databases};
use tonic::Status;

use tonic_types::StatusExt;

pub(crate) use tokend_tests::{eventually, refused};

/// How long an error says to wait.
pub(crate) fn retry_delay(status: &Status) -> Option<Duration> {
    status
        .get_details_retry_info()
        .and_then(|info| info.retry_delay)
}

/// An entry of an error's metadata; empty where there is none.
pub(crate) fn metadata(status: &Status, key: &str) -> String {
    let info = status
        .get_details_error_info()
        .expect("every error has an ErrorInfo");
    info.metadata.get(key).cloned().unwrap_or_default()
}

/// The fields that an error calls wrong.
pub(crate) fn violations(status: &Status) -> Vec<String> {
    let fields = status
        .get_details_bad_request()
        .map(|bad| bad.field_violations)
        .unwrap_or_default();
    fields
        .into_iter()
        .map(|violation| violation.field)
        .collect()
}

/// The codes of the warnings that come with a token.
pub(crate) fn warnings(vended: &v1::VendedConnection) -> Vec<v1::WarningCode> {
    vended.warnings.iter().map(v1::Warning::code).collect()
}

/// Runs a test that waits for time to pass on all databases at once.
pub(crate) async fn on_each_database(test: impl AsyncFn(Database)) {
    join_all(databases().into_iter().map(|database| test(database))).await;
}

/// Waits until less than this is left before a token's end.
pub(crate) async fn until_less_is_left(
    expire_time: Option<prost_types::Timestamp>,
    left: Duration,
) {
    let end = SystemTime::try_from(expire_time.expect("it expires")).unwrap();
    eventually("the token grows old", async || {
        let remaining = end.duration_since(now()).unwrap_or_default();
        (remaining < left).then_some(())
    })
    .await;
}

/// The time, as the server sees it too: both are on this machine.
pub(crate) fn now() -> SystemTime {
    #[expect(clippy::disallowed_methods, reason = "tests stand at the edge")]
    SystemTime::now()
}

/// A tokend whose shared connection has a token that ran out; the next ones live for an hour.
pub(crate) async fn with_a_token_that_ran_out(options: Options) -> (Tokend, v1::Connection) {
    let tokend = Tokend::start(options).await;
    let live = |seconds| {
        let lifetime = Some(Duration::from_secs(seconds));
        tokend
            .simulator
            .change(|behaviour| behaviour.access_token_lifetime = lifetime);
    };
    live(1);
    let connection = tokend.connect_shared().await;
    live(3600);
    until_less_is_left(connection.expire_time, Duration::from_nanos(1)).await;
    (tokend, connection)
}

/// The only connection there is, as operators see it.
pub(crate) async fn only_connection(tokend: &Tokend) -> v1::Connection {
    let list = v1::ListConnectionsRequest::default();
    let listed = tokend
        .operator
        .admin()
        .list_connections(list)
        .await
        .unwrap()
        .into_inner();
    assert_eq!(listed.connections.len(), 1);
    listed.connections.into_iter().next().unwrap()
}

/// A get that complains about the token of this generation.
pub(crate) fn instead_of(generation: u32) -> v1::GetConnectionRequest {
    v1::GetConnectionRequest {
        rejected_generation: Some(generation),
        ..Default::default()
    }
}

/// A get of a token that is good for at least this many seconds.
pub(crate) fn good_for(seconds: i64) -> v1::GetConnectionRequest {
    let min_ttl = Some(prost_types::Duration { seconds, nanos: 0 });
    v1::GetConnectionRequest {
        min_ttl,
        ..Default::default()
    }
}
