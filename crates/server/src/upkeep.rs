//! What runs beside the calls: writing use counts, and noticing API keys and integration types that were added
//! elsewhere.

use std::{sync::Arc, time::Duration};

use tokend_access::CallerAuthentication;
use tokend_vending::Vending;
use tokio_util::sync::CancellationToken;

use crate::admission::Admission;

/// A key or an integration type that changed elsewhere is noticed within this time.
const RELOAD: Duration = Duration::from_secs(5);

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

/// Ends attempts to connect that nobody finished, so that what is sealed for them does not stay.
pub(crate) async fn expire_authorizations(vending: Vending, stop: CancellationToken) {
    while stop
        .run_until_cancelled(tokio::time::sleep(EXPIRE_AUTHORIZATIONS))
        .await
        .is_some()
    {
        match vending.expire_authorizations().await {
            Ok(0) => {}
            Ok(count) => tracing::debug!(count, "authorizations expired"),
            Err(error) => {
                tracing::warn!(%error, "expired authorizations are left for the next time")
            }
        }
    }
}

/// Reads the API keys again and again.
pub(crate) async fn reload_keys(admission: Arc<Admission>, stop: CancellationToken) {
    let CallerAuthentication::ApiKeys(keys) = &admission.callers else {
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
