//! The sink that is the database: a chain of records for each workspace.

use std::{collections::BTreeMap, sync::Arc};

use tokend_model::{
    AuditEvent, WorkspaceName,
    ports::{AuditSeal, AuditTrail},
};
use tokio::{sync::mpsc, time::timeout};

use super::sink::{BATCH, Health, Order, PROBE, Request};

/// Appends what waits, a transaction for all of a workspace that waits together, until it is told to end.
pub(super) async fn run(
    trail: Arc<dyn AuditTrail>,
    seal: Arc<dyn AuditSeal>,
    mut queue: mpsc::Receiver<Order>,
    health: Health,
) {
    loop {
        let mut orders = Vec::new();
        match timeout(PROBE, queue.recv_many(&mut orders, BATCH)).await {
            Ok(0) => return,
            Ok(_) => {}
            Err(_) if health.is_good() => continue,
            Err(_) => {
                let workspace = WorkspaceName::default_workspace();
                if trail.next_place(&workspace).await.is_ok() {
                    health.took();
                }
                continue;
            }
        }
        let mut closing = None;
        let mut batches: BTreeMap<String, Vec<Request>> = BTreeMap::new();
        for order in orders {
            match order {
                Order::Record(request) if request.is_given_up() => {}
                Order::Record(request) => batches
                    .entry(request.event.workspace.to_string())
                    .or_default()
                    .push(request),
                Order::Close(done) => closing = Some(done),
            }
        }
        for batch in batches.into_values() {
            append(&*trail, &seal, batch, &health).await;
        }
        if let Some(done) = closing {
            let _ = done.send(());
            return;
        }
    }
}

async fn append(
    trail: &dyn AuditTrail,
    seal: &Arc<dyn AuditSeal>,
    batch: Vec<Request>,
    health: &Health,
) {
    let events: Vec<Arc<AuditEvent>> = batch.iter().map(|request| request.event.clone()).collect();
    let Some(workspace) = events.first().map(|event| event.workspace.clone()) else {
        return;
    };
    let appended = trail.append(&workspace, events, seal.clone()).await;
    match &appended {
        Ok(()) => health.took(),
        Err(error) => health.set_aside(error),
    }
    for request in batch {
        let _ = request.done.send(appended.is_ok());
    }
}
