//! Callers that go away at any point: their work is done or not begun, and no pooled connection stays in a
//! transaction.

use std::{
    pin::pin,
    time::{Duration, Instant},
};

use futures::FutureExt;
use sea_orm::{ConnectionTrait, Statement};
use tokend_model::{
    ConnectionUse, Generation, WorkspaceName,
    ports::{ClaimOutcome, Connections},
};

use crate::{
    attempts::{claim, commit, renewed},
    rig::Rig,
    sample::{at, stored_connection, workspace},
};

cases!(callers_that_go_away_leave_no_transaction_behind);

async fn callers_that_go_away_leave_no_transaction_behind(rig: Rig) {
    let (new, home) = (stored_connection(&rig.storage).await, workspace());
    for round in 0..400 {
        let patience = Duration::from_micros(10) * round;
        let base = current(&rig, &workspace(), &new.id).await;
        let one_use = [ConnectionUse {
            workspace: workspace(),
            connection_id: new.id.clone(),
            count: 1,
            last_use_time: at(1),
        }];
        let refresh = async {
            let claim = claim(&rig, &new, base.0, Duration::ZERO).await;
            if let ClaimOutcome::Claimed(claimed) = claim {
                commit(&rig, &claimed.claim, &renewed()).await;
            }
            rig.storage.record_uses(&one_use).await.unwrap();
        };
        go_away(refresh, patience).await;
        let read = Connections::get(&rig.storage, &home, &new.id);
        go_away(read, patience).await;
        // At once: the next user of the connection would end what was left open, and hide it.
        nothing_is_open(&rig).await;
    }
    let all_at_once = (0..20).map(|_| Connections::get(&rig.storage, &home, &new.id));
    for read in futures::future::join_all(all_at_once).await {
        let (connection, credential) = read.unwrap().unwrap();
        assert_eq!(connection.generation, credential.unwrap().generation);
    }
}

async fn current(
    rig: &Rig,
    workspace: &WorkspaceName,
    id: &tokend_model::ConnectionId,
) -> Generation {
    let read = Connections::get(&rig.storage, workspace, id).await;
    read.unwrap().unwrap().0.generation
}

/// Drops the future wherever it is when the patience runs out; timers are too coarse for that.
async fn go_away(future: impl Future, patience: Duration) {
    let mut future = pin!(future);
    let begin = Instant::now();
    while begin.elapsed() < patience && future.as_mut().now_or_never().is_none() {
        tokio::task::yield_now().await;
    }
}

/// Waits for work that was begun to end; fails if some transaction never does.
async fn nothing_is_open(rig: &Rig) {
    if !rig.is_postgres() {
        // A writer needs the file's only write lock: whoever holds it must let go.
        rig.execute("BEGIN IMMEDIATE").await;
        rig.execute("ROLLBACK").await;
        return;
    }
    let sql = "SELECT 1 FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid() AND state <> 'idle' AND backend_type = 'client backend'";
    let open = async || {
        let statement = Statement::from_string(rig.raw.get_database_backend(), sql);
        !rig.raw.query_all_raw(statement).await.unwrap().is_empty()
    };
    let ended = tokio::time::timeout(Duration::from_secs(5), async {
        while open().await {
            tokio::task::yield_now().await;
        }
    });
    assert!(ended.await.is_ok(), "a connection stayed in a transaction");
}
