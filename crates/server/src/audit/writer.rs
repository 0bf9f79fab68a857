//! The thread that appends to a file or to stdout. A thread of its own: a disk that hangs holds up nobody but those who
//! wait for it, and those not for long.

use std::{
    io,
    sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel},
    thread::Builder,
};

use tokend_model::ports::AuditPlace;
use tokio::sync::oneshot;

use super::{
    file::{Lines, LinesError},
    sink::{BATCH, Health, Order, PROBE, QUEUE, Request},
};

/// What answers how the first opening went, and what comes next.
pub(super) type FirstOpened = oneshot::Receiver<Result<Option<AuditPlace>, LinesError>>;

/// Starts the thread; it opens its lines by itself, since that may hang too.
pub(super) fn start(lines: Lines, health: Health) -> io::Result<(SyncSender<Order>, FirstOpened)> {
    let (queue, orders) = sync_channel(QUEUE);
    let (opened, first_opened) = oneshot::channel();
    Builder::new()
        .name("audit-writer".to_owned())
        .spawn(move || run(lines, &orders, &health, opened))?;
    Ok((queue, first_opened))
}

fn run(
    mut lines: Lines,
    orders: &Receiver<Order>,
    health: &Health,
    opened: oneshot::Sender<Result<Option<AuditPlace>, LinesError>>,
) {
    let first = lines.open();
    match &first {
        Ok(()) => health.took(),
        Err(error) => health.set_aside(error),
    }
    let _ = opened.send(first.map(|()| lines.next().cloned()));
    let mut closing = None;
    while closing.is_none() {
        let mut batch: Vec<Request> = Vec::new();
        let order = match orders.recv_timeout(PROBE) {
            Ok(order) => order,
            Err(RecvTimeoutError::Disconnected) => break,
            Err(RecvTimeoutError::Timeout) => {
                tend(&mut lines, health);
                continue;
            }
        };
        let waiting = std::iter::once(order).chain(orders.try_iter().take(BATCH - 1));
        for order in waiting {
            match order {
                Order::Record(request) if request.is_given_up() => {}
                Order::Record(request) => batch.push(request),
                Order::Close(done) => closing = Some(done),
            }
        }
        append(&mut lines, health, batch);
    }
    lines.close();
    if let Some(done) = closing {
        let _ = done.send(());
    }
}

fn append(lines: &mut Lines, health: &Health, batch: Vec<Request>) {
    if batch.is_empty() {
        return;
    }
    let appended = lines.append(batch.iter().map(|request| &*request.event));
    match &appended {
        Ok(()) => health.took(),
        Err(error) => health.set_aside(error),
    }
    for request in batch {
        let _ = request.done.send(appended.is_ok());
    }
}

/// While nothing is to be appended: tries again what failed.
fn tend(lines: &mut Lines, health: &Health) {
    let tended = match (lines.is_open(), health.is_good()) {
        (false, _) => lines.open(),
        (true, false) => lines.probe(),
        (true, true) => lines.tend(),
    };
    match tended {
        Ok(()) => health.took(),
        Err(error) => health.set_aside(&error),
    }
}
