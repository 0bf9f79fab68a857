//! What runs beside the calls, again and again until the process ends: renewing, following what other replicas change,
//! the clock, the guard of the database, journals of the dead, use counts, expiry, and what was added elsewhere.

use std::{sync::Arc, time::Duration};

use tokend_model::ports::Connections;
use tokend_storage::Storage;
use tokend_vending::Vending;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::{admission::Admission, clock::DatabaseClock, deployment::Guard};

/// A key or an integration type that changed elsewhere is noticed within this time.
const RELOAD: Duration = Duration::from_secs(5);

/// How often the database's clock is read, and whose database it is looked at.
const PULSE: Duration = Duration::from_secs(5);

/// How often the journals of processes that died beside this one are looked for: before their claims' deadlines.
const RECOVER_JOURNALS: Duration = Duration::from_secs(30);

/// How often what nobody needs any more is removed.
const TIDY: Duration = Duration::from_secs(600);

/// How long an attempt may be over before what is sealed for it goes.
const EXPIRE_AUTHORIZATIONS: Duration = Duration::from_secs(60);

/// Writes use counts every `interval`, and once more when `stop` is called.
pub(crate) async fn flush_uses(vending: Vending, interval: Duration, stop: CancellationToken) {
    loop {
        let stopping = stop
            .run_until_cancelled(tokio::time::sleep(interval))
            .await
            .is_none();
        if let Err(error) = vending.flush_uses().await {
            tracing::warn!(%error, "use counts are kept for the next flush");
        }
        if stopping {
            return;
        }
    }
}

/// Ends attempts to connect that nobody finished, so that what is sealed for them does not stay: those that ran out
/// while no server ran, too.
pub(crate) async fn expire_authorizations(vending: Vending, stop: CancellationToken) {
    loop {
        match vending.expire_authorizations().await {
            Ok(0) => {}
            Ok(count) => tracing::debug!(count, "authorizations expired"),
            Err(error) => {
                tracing::warn!(%error, "expired authorizations are left for the next time")
            }
        }
        let pause = tokio::time::sleep(EXPIRE_AUTHORIZATIONS);
        if stop.run_until_cancelled(pause).await.is_none() {
            return;
        }
    }
}

/// Reads the API keys again and again.
pub(crate) async fn reload_keys(admission: Arc<Admission>, stop: CancellationToken) {
    let Some(keys) = &admission.callers.api_keys else {
        return;
    };
    while stop
        .run_until_cancelled(tokio::time::sleep(RELOAD))
        .await
        .is_some()
    {
        if let Err(error) = keys.reload().await {
            tracing::warn!(%error, "the API keys read last stay in use");
        }
    }
}

/// Reads the integration types that this installation defines again and again: another replica may have taken some.
pub(crate) async fn reload_integration_types(vending: Vending, stop: CancellationToken) {
    while stop
        .run_until_cancelled(tokio::time::sleep(RELOAD))
        .await
        .is_some()
    {
        if let Err(error) = vending.load_integration_types().await {
            tracing::warn!(%error, "the integration types read last stay in use");
        }
    }
}

/// Sets our clock by the database's, again and again.
pub(crate) async fn keep_time(
    storage: Arc<Storage>,
    clock: Arc<DatabaseClock>,
    stop: CancellationToken,
) {
    while waited(PULSE, &stop).await {
        let asked = Instant::now();
        match storage.database_time().await {
            Ok(shown) => clock.set(shown, asked, Instant::now()),
            Err(error) => tracing::debug!(%error, "the clock goes on by itself"),
        }
    }
}

/// Looks again and again whether the database is still ours.
pub(crate) async fn guard_database(guard: Arc<Guard>, stop: CancellationToken) {
    while waited(PULSE, &stop).await {
        if let Err(error) = guard.check().await {
            tracing::debug!(%error, "whose database it is cannot be asked for now");
        }
    }
}

/// Stores what processes that died beside this one had in their journals.
pub(crate) async fn recover_journals(vending: Vending, stop: CancellationToken) {
    while waited(RECOVER_JOURNALS, &stop).await {
        if let Err(error) = vending.recover_journal().await {
            tracing::warn!(%error, "journals are left for the next time");
        }
    }
}

/// Renews what is due. What was begun goes on when this ends.
pub(crate) async fn keep_renewing(vending: Vending, stop: CancellationToken) {
    stop.run_until_cancelled(vending.keep_renewing()).await;
}

/// Forgets what other replicas change, as they change it.
pub(crate) async fn follow_changes(vending: Vending, stop: CancellationToken) {
    stop.run_until_cancelled(vending.follow_changes()).await;
}

/// Removes reports of changes and late answers that are too old to be of use, and schedules what replicas of the release
/// before left unscheduled.
pub(crate) async fn tidy(vending: Vending, storage: Arc<Storage>, stop: CancellationToken) {
    while waited(TIDY, &stop).await {
        let changes = vending.forget_old_changes().await;
        let orphans = storage.purge_orphans().await;
        let pauses = storage.purge_pauses().await;
        if changes.is_err() || orphans.is_err() || pauses.is_err() {
            tracing::warn!("old rows are left for the next time");
        }
        match storage.schedule_missed().await {
            Ok(0) => {}
            Ok(count) => {
                tracing::info!(count, "connections without a time to be renewed at got one")
            }
            Err(error) => tracing::warn!(%error, "connections may be left that nobody renews"),
        }
    }
}

/// Whether the time went by; `false`: it is time to stop.
async fn waited(time: Duration, stop: &CancellationToken) -> bool {
    stop.run_until_cancelled(tokio::time::sleep(time))
        .await
        .is_some()
}
