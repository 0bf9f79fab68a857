//! An OAuth 2.0 provider over real HTTP that consents by itself, misbehaves on demand and keeps a ledger of the
//! truth: for the demo, the tests and the crash rigs. It listens on a loopback address and needs nothing else.

#![warn(missing_docs)]

mod alteration;
mod api_call;
mod app_identity;
mod app_pages;
mod authorization;
mod behaviour;
mod books;
mod browser;
mod clock;
mod conduct;
mod connection;
mod delivery;
mod device;
mod ending;
mod event;
mod fault;
mod fingerprint;
mod form;
mod grants;
mod imported;
mod issuing;
mod ledger;
mod misanswer;
mod misanswers;
mod misbehaviour;
mod mischief;
mod options;
mod oracle;
mod provider;
mod random;
mod redemption;
mod resources;
mod rotation;
mod routes;
mod script;
mod sign_in;
mod simulator;
mod tallies;
mod token_answer;
mod token_endpoint;
mod token_request;
mod unattended;

pub use alteration::{Alteration, BodyChange};
pub use app_identity::TokenDraft;
pub use behaviour::{Account, Behaviour, Consent, TokenAnswer};
pub use browser::{Browser, Page};
pub use event::{BodyFormat, ClientAuth, Event, FamilyId, Happening, RevocationCause};
pub use fault::{Endpoint, Fault};
pub use fingerprint::Fingerprint;
pub use imported::IssuedTokens;
pub use ledger::Ledger;
pub use misanswer::{Misanswer, Outcome};
pub use mischief::Mischief;
pub use options::{Client, SimulatorOptions};
pub use oracle::{FamilyState, Grant, RefreshTokenState};
pub use rotation::Rotation;
pub use script::{Faults, Gate};
pub use simulator::Simulator;
