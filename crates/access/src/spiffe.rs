//! Callers that prove themselves by mutual TLS with an X.509-SVID, as SPIFFE defines it.

mod callers;
mod id;
mod svid;
mod trust_domain;

pub use callers::SpiffeCallers;
pub use id::{InvalidSpiffeId, SpiffeId};
pub use svid::{InvalidSvid, Svid};
pub use trust_domain::{InvalidTrustDomain, TrustDomainOptions};
