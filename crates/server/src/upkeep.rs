//! What runs beside the calls, again and again until the process ends: renewing, following what other replicas change,
//! the clock, the guard of the database, journals of the dead, use counts, expiry, and what was added elsewhere.

use std::{sync::Arc, time::Duration};

use chrono::TimeDelta;
use futures::future::join_all;
use tokend_model::ports::{BulkRevocationState, Connections};
use tokend_storage::Storage;
use tokend_vending::Vending;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::{
    admission::Admission, audit::Audit, clock::DatabaseClock, deployment::Guard, wire::Tls,
};

/// An integration type that changed elsewhere is noticed within this time.
const RELOAD: Duration = Duration::from_secs(5);

/// A key that was removed, or ends sooner than it did, is noticed within this time.
const RELOAD_KEYS: Duration = Duration::from_secs(2);

/// How often it is written when keys were last used.
const WRITE_LAST_USES: Duration = Duration::from_secs(60);

/// Policies that changed are in force once two looks, so far apart, have found the same.
const RELOAD_POLICIES: Duration = Duration::from_secs(2);

/// A certificate that changed is in use after this time.
const RELOAD_CERTIFICATES: Duration = Duration::from_secs(2);

/// What was stopped or set going elsewhere is so here within this time.
const RELOAD_SUSPENSIONS: Duration = Duration::from_secs(2);

/// How often a bulk revocation that nobody carries out is looked for, and how many are carried out here at once.
const LOOK_FOR_BULK_REVOCATIONS: Duration = Duration::from_secs(2);
const BULK_REVOCATIONS: usize = 3;

/// How often the audit trail's counts are written: they are told by the minute.
const AUDIT_MINUTE: Duration = Duration::from_secs(60);

/// After so many minutes old audit records are looked for again.
const PURGE_MINUTES: u64 = 10;

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
    while waited(RELOAD_KEYS, &stop).await {
        if let Err(error) = keys.reload().await {
            tracing::warn!(%error, "the API keys read last stay in use");
        }
    }
}

/// Writes when API keys were last used, again and again, and once more at the end.
pub(crate) async fn write_last_uses(admission: Arc<Admission>, stop: CancellationToken) {
    let Some(keys) = &admission.callers.api_keys else {
        return;
    };
    loop {
        let goes_on = waited(WRITE_LAST_USES, &stop).await;
        if let Err(error) = keys.write_last_uses().await {
            tracing::warn!(%error, "when keys were last used is kept for the next time");
        }
        if !goes_on {
            return;
        }
    }
}

/// Reads again and again what operators have stopped.
pub(crate) async fn reload_suspensions(admission: Arc<Admission>, stop: CancellationToken) {
    while waited(RELOAD_SUSPENSIONS, &stop).await {
        if let Err(error) = admission.suspensions.reload().await {
            tracing::warn!(%error, "what was known to be stopped stays so");
        }
    }
}

/// Carries out bulk revocations, several at once: one whose provider is slow holds up no other. At the end the rest is
/// left to other replicas.
pub(crate) async fn carry_out_bulk_revocations(
    vending: Vending,
    audit: Arc<Audit>,
    stop: CancellationToken,
) {
    let one_by_one = async || {
        loop {
            match vending.carry_out_bulk_revocation(&stop).await {
                Ok(Some(job)) => {
                    if job.state == BulkRevocationState::Done {
                        audit.bulk_revocation_done(&job).await;
                    }
                }
                Ok(None) => {}
                Err(error) => tracing::warn!(%error, "a bulk revocation is left for the next time"),
            }
            if !waited(LOOK_FOR_BULK_REVOCATIONS, &stop).await {
                return;
            }
        }
    };
    join_all((0..BULK_REVOCATIONS).map(|_| one_by_one())).await;
}

/// Looks at the certificate files again and again, the server's and those of trust domains.
pub(crate) async fn reload_certificates(tls: Arc<Tls>, stop: CancellationToken) {
    while waited(RELOAD_CERTIFICATES, &stop).await {
        tls.reload().await;
    }
}

/// Looks at the policies again and again.
pub(crate) async fn reload_policies(admission: Arc<Admission>, stop: CancellationToken) {
    while waited(RELOAD_POLICIES, &stop).await {
        let policy = admission.policy.clone();
        let reloaded = tokio::task::spawn_blocking(move || policy.reload()).await;
        match reloaded {
            Ok(Ok(None)) => {}
            Ok(Ok(Some(changed))) => {
                tracing::info!(
                    revision = changed.revision,
                    policies = changed.count,
                    "the policies changed"
                );
                for warning in &changed.warnings {
                    tracing::warn!(%warning, "a policy that is probably not meant so");
                }
                admission.audit.policy_changed(&changed).await;
            }
            Ok(Err(invalid)) => {
                for problem in &invalid.problems {
                    tracing::error!(%problem, "policies that cannot be used: those in force stay");
                }
            }
            // A panic's message is not repeated: it may hold what is secret.
            Err(_) => tracing::error!("reading the policies ended early; those in force stay"),
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

/// Writes the audit trail's counts and anchors every minute, and removes what is too old. The rest is written when the
/// trail is closed.
pub(crate) async fn keep_audit(audit: Arc<Audit>, retention_days: u64, stop: CancellationToken) {
    let keep = i64::try_from(retention_days)
        .ok()
        .and_then(TimeDelta::try_days);
    let mut minutes: u64 = 0;
    while waited(AUDIT_MINUTE, &stop).await {
        audit.settle().await;
        minutes += 1;
        let Some(keep) = keep.filter(|_| minutes.is_multiple_of(PURGE_MINUTES)) else {
            continue;
        };
        match audit.purge(keep).await {
            Ok(0) => {}
            Ok(count) => tracing::info!(count, "old audit records were removed from the database"),
            Err(error) => tracing::warn!(%error, "old audit records are left for the next time"),
        }
    }
}

/// Whether the time went by; `false`: it is time to stop.
async fn waited(time: Duration, stop: &CancellationToken) -> bool {
    stop.run_until_cancelled(tokio::time::sleep(time))
        .await
        .is_some()
}
