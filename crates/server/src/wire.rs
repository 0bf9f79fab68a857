//! The wire: connections of backends, from their first byte to their last, with TLS and with limits on everything a peer
//! could use too much of.

mod connection;
mod held;
mod incoming;
mod limits;
mod seldom;
mod shares;
mod shedding;
mod tempo;
mod tls;

pub(crate) use held::Unidentified;
pub(crate) use incoming::Incoming;
pub(crate) use limits::{admin_message, bounded, shares};
pub(crate) use shares::{AddressShare, Shares};
pub(crate) use shedding::SheddingLayer;
pub(crate) use tls::Tls;
pub use tls::TlsError;
