//! What a simulated provider is started with, and the clients that are registered there.

use std::{
    fmt,
    net::{Ipv4Addr, SocketAddr},
};

use crate::{behaviour::Behaviour, random};

/// What a [`Simulator`](crate::Simulator) is started with.
#[derive(Clone, Debug)]
pub struct SimulatorOptions {
    /// Where to listen; the default is an ephemeral port of 127.0.0.1.
    pub listen: SocketAddr,
    /// The OAuth clients known from the start; more can be registered later.
    pub clients: Vec<Client>,
    /// How the provider behaves until it is changed.
    pub behaviour: Behaviour,
    /// How many of the latest events, and of each client's latest call times, are kept; counters count on without them.
    pub kept_events: usize,
    /// Whether every secret is kept for [`Ledger::secrets_issued`](crate::Ledger::secrets_issued).
    pub keeps_secrets: bool,
}

/// An OAuth client registered at the provider.
#[derive(Clone)]
pub struct Client {
    /// `client_id`.
    pub id: String,
    /// `client_secret`.
    pub secret: String,
    /// The exact redirect URIs that are allowed; when empty, any URI on a loopback host is.
    pub redirect_uris: Vec<String>,
}

impl Client {
    /// A client with a fresh random secret and no registered redirect URI.
    pub fn new(id: impl Into<String>) -> Self {
        Self {
            id: id.into(),
            secret: random::id("secret-sim-"),
            redirect_uris: Vec::new(),
        }
    }

    /// The same client with one more exact redirect URI.
    #[must_use]
    pub fn redirect_uri(mut self, uri: impl Into<String>) -> Self {
        self.redirect_uris.push(uri.into());
        self
    }
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client")
            .field("id", &self.id)
            .field("redirect_uris", &self.redirect_uris)
            .finish_non_exhaustive()
    }
}

impl Default for SimulatorOptions {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 0)),
            clients: Vec::new(),
            behaviour: Behaviour::default(),
            kept_events: usize::MAX,
            keeps_secrets: true,
        }
    }
}
