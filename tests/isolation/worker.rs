//! One of those who work at once: draws operations and carries them out.

use std::sync::Arc;

use fastrand::Rng;

use crate::{
    observation::Observation,
    places::{CONNECTORS, LABELS, OPERATOR, SPEAKS_FOR_NONE, Slot, USERS, WORKSPACES},
    world::World,
};

/// Whoever asks, connects and disconnects, as its random numbers have it.
pub(crate) struct Worker {
    pub(crate) world: Arc<World>,
    pub(crate) rng: Rng,
    /// What it has asked, with the answers.
    pub(crate) seen: Vec<Observation>,
    /// The ids that app users of a workspace were told of as theirs.
    pub(crate) listed: Vec<(usize, usize, Vec<String>)>,
}

impl Worker {
    pub(crate) fn new(world: Arc<World>, seed: u64) -> Self {
        Self {
            world,
            rng: Rng::with_seed(seed),
            seen: Vec::new(),
            listed: Vec::new(),
        }
    }

    /// Carries out one operation.
    pub(crate) async fn step(&mut self) {
        let slot = self.any_slot();
        match self.rng.u32(0..1000) {
            0..680 => self.get_of(slot).await,
            680..780 => self.get_anyhow().await,
            780..850 => self.batch().await,
            850..890 => self.get_renewed(slot).await,
            890..920 => self.list().await,
            920..950 => self.meddle().await,
            950..994 => {
                let slot = self.slot_to_change();
                self.change(slot).await;
            }
            994..996 => self.replace_connector().await,
            996..998 => self.erase_user().await,
            _ => self.suspend().await,
        }
    }

    /// A backend of that workspace that may speak for app users.
    pub(crate) fn spokesman(&mut self, workspace: usize) -> (usize, usize) {
        let mut callers = (0..OPERATOR).map(|caller| (workspace, caller));
        let any = (workspace, self.rng.usize(0..OPERATOR));
        match any == SPEAKS_FOR_NONE {
            true => callers
                .find(|caller| *caller != SPEAKS_FOR_NONE)
                .unwrap_or(any),
            false => any,
        }
    }

    /// Rather one where nothing is connected: most should be connected most of the time.
    fn slot_to_change(&mut self) -> Slot {
        let drawn = [self.any_slot(), self.any_slot(), self.any_slot()];
        let free = |slot: &&Slot| {
            self.world
                .model
                .truth(|truth| truth.connected(**slot))
                .is_none()
        };
        *drawn.iter().find(free).unwrap_or(&drawn[0])
    }

    pub(crate) fn any_slot(&mut self) -> Slot {
        let workspace = self.rng.usize(0..WORKSPACES.len());
        self.slot_of(workspace)
    }

    pub(crate) fn slot_of(&mut self, workspace: usize) -> Slot {
        let connector = CONNECTORS[self.rng.usize(0..CONNECTORS.len())];
        let user = self.rng.usize(0..USERS.len());
        Slot {
            workspace,
            connector,
            user: (!connector.is_shared()).then_some(user),
            label: self.rng.usize(0..LABELS.len()),
        }
    }
}
