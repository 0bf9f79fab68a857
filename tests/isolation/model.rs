//! What is true, kept beside the server: which grant is where, and since when. Plain maps, and no tokend.

use std::{
    collections::{BTreeMap, HashMap},
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
};

use tokend_simulator::FamilyId;

use crate::places::{Connector, Slot};

/// A moment: later ones are greater, and none comes twice.
pub(crate) type Moment = u64;

/// A connection, as the provider and tokend know it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Connected {
    /// The grant at the provider.
    pub(crate) grant: FamilyId,
    /// The connection's id.
    pub(crate) connection_id: String,
}

/// What an operator can stop.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Stop {
    Caller(usize),
    Type(usize),
    Workspace,
}

/// What something was, and when. While it changes, it may be either.
#[derive(Debug, Clone)]
pub(crate) struct Timeline<S> {
    spans: Vec<Span<S>>,
}

#[derive(Debug, Clone)]
struct Span<S> {
    state: S,
    /// When it may first have been so.
    from: Moment,
    /// When it may last have been so.
    until: Moment,
}

/// What is true of everything.
#[derive(Debug, Default)]
pub(crate) struct Truth {
    connections: HashMap<Slot, Timeline<Option<Connected>>>,
    /// Each with the client id that it has at the provider.
    connectors: HashMap<(usize, Connector), Timeline<Option<String>>>,
    stops: HashMap<(usize, Stop), Timeline<bool>>,
    /// Whose each connection is or was.
    ids: BTreeMap<String, Slot>,
}

/// The truth, for all who work at once.
#[derive(Default)]
pub(crate) struct Model {
    clock: AtomicU64,
    truth: Mutex<Truth>,
}

impl<S: Clone + Default> Default for Timeline<S> {
    fn default() -> Self {
        Self {
            spans: vec![Span {
                state: S::default(),
                from: 0,
                until: Moment::MAX,
            }],
        }
    }
}

impl<S: Clone + Default> Timeline<S> {
    /// It was changed to that between these moments.
    pub(crate) fn change(&mut self, begun: Moment, done: Moment, state: S) {
        if let Some(last) = self.spans.last_mut() {
            last.until = done;
        }
        self.spans.push(Span {
            state,
            from: begun,
            until: Moment::MAX,
        });
    }

    /// What it may have been at any time between these moments.
    pub(crate) fn during(&self, begun: Moment, done: Moment) -> impl Iterator<Item = &S> {
        let first = self.spans.partition_point(|span| span.until < begun);
        self.spans[first..]
            .iter()
            .take_while(move |span| span.from <= done)
            .map(|span| &span.state)
    }

    pub(crate) fn now(&self) -> S {
        self.spans
            .last()
            .map(|span| span.state.clone())
            .unwrap_or_default()
    }
}

impl Truth {
    pub(crate) fn connect(
        &mut self,
        slot: Slot,
        (begun, done): (Moment, Moment),
        connected: Connected,
    ) {
        self.ids.insert(connected.connection_id.clone(), slot);
        let timeline = self.connections.entry(slot).or_default();
        timeline.change(begun, done, Some(connected));
    }

    pub(crate) fn end(&mut self, slot: Slot, (begun, done): (Moment, Moment)) {
        let timeline = self.connections.entry(slot).or_default();
        if timeline.now().is_some() {
            timeline.change(begun, done, None);
        }
    }

    /// A connector is there with another client, or not at all; in either case without connections.
    pub(crate) fn set_connector(
        &mut self,
        workspace: usize,
        connector: Connector,
        (begun, done): (Moment, Moment),
        client_id: Option<String>,
    ) {
        for slot in connector.slots(workspace) {
            self.end(slot, (begun, done));
        }
        let timeline = self.connectors.entry((workspace, connector)).or_default();
        timeline.change(begun, done, client_id);
    }

    pub(crate) fn set_stop(
        &mut self,
        workspace: usize,
        stop: Stop,
        (begun, done): (Moment, Moment),
        stopped: bool,
    ) {
        let timeline = self.stops.entry((workspace, stop)).or_default();
        timeline.change(begun, done, stopped);
    }

    pub(crate) fn connection(&self, slot: Slot) -> Option<&Timeline<Option<Connected>>> {
        self.connections.get(&slot)
    }

    pub(crate) fn connector(
        &self,
        workspace: usize,
        connector: Connector,
    ) -> Option<&Timeline<Option<String>>> {
        self.connectors.get(&(workspace, connector))
    }

    pub(crate) fn stop(&self, workspace: usize, stop: Stop) -> Option<&Timeline<bool>> {
        self.stops.get(&(workspace, stop))
    }

    /// Whose that connection is or was.
    pub(crate) fn slot_of(&self, connection_id: &str) -> Option<Slot> {
        self.ids.get(connection_id).copied()
    }

    /// The present connection there.
    pub(crate) fn connected(&self, slot: Slot) -> Option<Connected> {
        self.connections.get(&slot)?.now()
    }
}

impl Model {
    /// This moment.
    pub(crate) fn moment(&self) -> Moment {
        self.clock.fetch_add(1, Ordering::SeqCst) + 1
    }

    /// Looks at the truth, or changes it.
    pub(crate) fn truth<T>(&self, look: impl FnOnce(&mut Truth) -> T) -> T {
        look(&mut self.truth.lock().unwrap_or_else(PoisonError::into_inner))
    }
}
