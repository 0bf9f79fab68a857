//! The other end of a connection.

use std::{net::SocketAddr, sync::Arc};

use tokend_access::Caller;

use crate::wire::AddressShare;

/// The other end of a connection, as each of its calls knows it: it is in their extensions.
#[derive(Debug, Clone)]
pub(crate) struct Peer {
    /// Its address.
    pub(crate) address: SocketAddr,
    /// Whom its client certificate proves, if it has one. What a call says about certificates in its metadata counts for
    /// nothing.
    pub(crate) caller: Option<Arc<Caller>>,
    /// What its address has of what there is.
    pub(crate) share: Arc<AddressShare>,
}
