//! An OAuth 2.0 provider over real HTTP that consents by itself, misbehaves on demand and keeps a ledger of the
//! truth: for the demo, the tests and the crash rigs. It listens on a loopback address and needs nothing else.

#![warn(missing_docs)]

mod api_call;
mod app_identity;
mod app_pages;
mod authorization;
mod books;
mod browser;
mod clock;
mod connection;
mod event;
mod fault;
mod form;
mod grants;
mod ledger;
mod misbehaviour;
mod options;
mod provider;
mod random;
mod redemption;
mod resources;
mod routes;
mod script;
mod simulator;
mod token_answer;
mod token_endpoint;
mod token_request;

pub use app_identity::TokenDraft;
pub use browser::{Browser, Page};
pub use event::{BodyFormat, ClientAuth, Event, FamilyId, Fingerprint, Happening, RevocationCause};
pub use fault::{Endpoint, Fault};
pub use ledger::{Grant, Ledger};
pub use options::{Account, Behaviour, Client, Consent, Rotation, SimulatorOptions, TokenAnswer};
pub use script::{Faults, Gate};
pub use simulator::Simulator;
