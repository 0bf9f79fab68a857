//! The other end of a connection.

use std::{net::SocketAddr, sync::Arc};

use tokend_access::Caller;

/// The other end of a connection, as each of its calls knows it.
#[derive(Debug, Clone)]
pub(crate) struct Peer {
    /// Its address.
    pub(crate) address: SocketAddr,
    /// Whom its client certificate proves, if it has one.
    pub(crate) caller: Option<Arc<Caller>>,
}
