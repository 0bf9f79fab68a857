//! How the provider treats whom: its behaviour and script in general, and those of single clients, which come first.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex},
};

use crate::{
    behaviour::Behaviour,
    fault::Endpoint,
    mischief::{Dice, Roll},
    provider::locked,
    script::{Faults, Lane},
};

/// The switches of one provider.
pub(crate) struct Conduct {
    behaviour: Mutex<Arc<Behaviour>>,
    faults: Faults,
    clients: Mutex<HashMap<String, Own>>,
}

/// What is special about one client.
#[derive(Default)]
struct Own {
    behaviour: Option<Arc<Behaviour>>,
    faults: Option<Faults>,
    dice: Option<Dice>,
}

impl Conduct {
    pub(crate) fn new(behaviour: Behaviour) -> Self {
        Self {
            behaviour: Mutex::new(Arc::new(behaviour)),
            faults: Faults::default(),
            clients: Mutex::default(),
        }
    }

    /// The behaviour towards a client.
    pub(crate) fn towards(&self, client_id: Option<&str>) -> Arc<Behaviour> {
        let own = client_id.and_then(|id| locked(&self.clients).get(id)?.behaviour.clone());
        own.unwrap_or_else(|| Arc::clone(&locked(&self.behaviour)))
    }

    /// Changes the behaviour towards those who have none of their own.
    pub(crate) fn change(&self, change: impl FnOnce(&mut Behaviour)) {
        change(Arc::make_mut(&mut locked(&self.behaviour)));
    }

    /// Changes the behaviour towards one client, which starts from the general one.
    pub(crate) fn change_towards(&self, client_id: &str, change: impl FnOnce(&mut Behaviour)) {
        let general = Arc::clone(&locked(&self.behaviour));
        let mut clients = locked(&self.clients);
        let own = clients.entry(client_id.to_owned()).or_default();
        change(Arc::make_mut(own.behaviour.get_or_insert(general)));
    }

    /// The script for everybody.
    pub(crate) fn faults(&self) -> Faults {
        self.faults.clone()
    }

    /// The script of one client.
    pub(crate) fn faults_of(&self, client_id: &str) -> Faults {
        let mut clients = locked(&self.clients);
        let own = clients.entry(client_id.to_owned()).or_default();
        own.faults.get_or_insert_default().clone()
    }

    /// The lanes that a request has to pass: its client's own first, then everybody's.
    pub(crate) fn lanes(&self, endpoint: Endpoint, client_id: Option<&str>) -> Vec<Arc<Lane>> {
        let own = client_id.and_then(|id| locked(&self.clients).get(id)?.faults.clone());
        let scripts = own.iter().chain([&self.faults]);
        scripts
            .map(|faults| Arc::clone(faults.lane(endpoint)))
            .collect()
    }

    /// What chance has for a token call of a client.
    pub(crate) fn roll(&self, client_id: Option<&str>) -> Option<Roll> {
        let behaviour = self.towards(client_id);
        let mischief = behaviour.mischief.as_ref()?;
        let client_id = client_id.unwrap_or_default();
        let mut clients = locked(&self.clients);
        let dice = &mut clients.entry(client_id.to_owned()).or_default().dice;
        if !dice.as_ref().is_some_and(|dice| dice.is_of(mischief.seed)) {
            *dice = Some(Dice::new(mischief.seed, client_id));
        }
        dice.as_mut().map(|dice| dice.roll(mischief))
    }
}
