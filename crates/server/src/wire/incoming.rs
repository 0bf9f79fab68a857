//! Accepts connections. TLS handshakes have tasks of their own, so that a slow one keeps nobody waiting.

use std::{io, sync::Arc, time::Duration};

use futures::{StreamExt, stream};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::mpsc,
    time::{Instant, sleep, timeout_at},
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use tonic::transport::server::TcpIncoming;

use super::{
    Shares, Tls,
    connection::{Connection, Stream},
    limits::{KEEPALIVE, TCP_KEEPALIVE_RETRIES},
    seldom::Seldom,
    shares::Slot,
    tempo::Tempo,
};
use crate::{config::Grpc, peer::Peer};

/// How many connections may wait for the server to take them up.
const WAITING: usize = 128;

/// After an error that is not about one connection, such as too few file descriptors.
const PAUSE: Duration = Duration::from_millis(50);

/// Where connections come from.
pub(crate) struct Incoming {
    tls: Option<Arc<Tls>>,
    shares: Arc<Shares>,
    tempo: Tempo,
    handshake_timeout: Duration,
    /// How long a connection may last, with what it takes to end what is under way.
    longest: Option<Duration>,
    full: Seldom,
    refused: Seldom,
}

impl Incoming {
    pub(crate) fn new(config: &Grpc, tls: Option<Arc<Tls>>, shares: Arc<Shares>) -> Self {
        let seconds = Duration::from_secs;
        Self {
            tls,
            shares,
            tempo: Tempo::new(),
            handshake_timeout: seconds(config.handshake_timeout_seconds),
            longest: match config.max_connection_age_seconds {
                0 => None,
                age => Some(seconds(age) + seconds(config.request_timeout_seconds)),
            },
            full: Seldom::new(),
            refused: Seldom::new(),
        }
    }

    /// Accepts until `stop`. The connections are what the answer's first half gives, and its second half has to run.
    pub(crate) fn accept(
        self,
        listener: TcpListener,
        stop: CancellationToken,
    ) -> (
        impl futures::Stream<Item = io::Result<Connection>>,
        impl Future<Output = ()>,
    ) {
        let (ready, mut waiting) = mpsc::channel(WAITING);
        let connections =
            stream::poll_fn(move |context| waiting.poll_recv(context).map(|it| it.map(Ok)));
        (connections, Arc::new(self).run(listener, ready, stop))
    }

    async fn run(
        self: Arc<Self>,
        listener: TcpListener,
        ready: mpsc::Sender<Connection>,
        stop: CancellationToken,
    ) {
        // Without no-delay small answers wait for acknowledgements: throughput falls to a tenth.
        let mut accepted = TcpIncoming::from(listener)
            .with_nodelay(Some(true))
            .with_keepalive(Some(KEEPALIVE))
            .with_keepalive_interval(Some(KEEPALIVE))
            .with_keepalive_retries(Some(TCP_KEEPALIVE_RETRIES));
        let handshakes = TaskTracker::new();
        while let Some(Some(accepted)) = stop.run_until_cancelled(accepted.next()).await {
            match accepted {
                Ok(stream) => self.admit(stream, &ready, &handshakes, &stop).await,
                Err(error) => {
                    tracing::debug!(%error, "a connection was not accepted");
                    if !is_about_one_connection(&error) {
                        sleep(PAUSE).await;
                    }
                }
            }
        }
        drop(accepted);
        handshakes.close();
        handshakes.wait().await;
    }

    /// Goes on with a connection, if there is room for it.
    async fn admit(
        self: &Arc<Self>,
        stream: TcpStream,
        ready: &mpsc::Sender<Connection>,
        handshakes: &TaskTracker,
        stop: &CancellationToken,
    ) {
        let Ok(address) = stream.peer_addr() else {
            // It is gone already.
            return;
        };
        if !self.tempo.allows(address.ip()) {
            if self.full.is_due() {
                tracing::warn!(%address, "connections are closed, for their address makes too many");
            }
            return;
        }
        let share = self.shares.of(address.ip());
        let slot = self.shares.connections.take(&share.connections);
        let handshake = match self.tls {
            Some(_) => self.shares.handshakes.take(&share.handshakes).map(Some),
            None => Some(None),
        };
        let (Some(slot), Some(handshake)) = (slot, handshake) else {
            if self.full.is_due() {
                let limit =
                    "grpc.max_connections, or too many handshakes; half of them for one address";
                tracing::warn!(%address, limit, "connections are closed, for there are too many");
            }
            return;
        };
        let peer = Peer {
            address,
            caller: None,
            share,
        };
        let now = Instant::now();
        let begun = now + self.handshake_timeout;
        let last = self.longest.map(|longest| now + longest);
        let Some(tls) = self.tls.clone() else {
            let stream = Stream::Plain(stream);
            let connection = Connection::new(stream, peer, slot, begun, last);
            // The server is gone: it was told to stop.
            let _ = ready.send(connection).await;
            return;
        };
        let (this, ready) = (self.clone(), ready.clone());
        let shake = async move {
            let shaken = this
                .shake_hands(&tls, stream, peer, slot, begun, last)
                .await;
            drop(handshake);
            if let Some(connection) = shaken {
                let _ = ready.send(connection).await;
            }
        };
        handshakes.spawn(stop.clone().run_until_cancelled_owned(shake));
    }

    async fn shake_hands(
        &self,
        tls: &Tls,
        stream: TcpStream,
        mut peer: Peer,
        slot: Slot,
        begun: Instant,
        last: Option<Instant>,
    ) -> Option<Connection> {
        let address = peer.address;
        match timeout_at(begun, tls.accept(stream)).await {
            Ok(Ok((stream, caller))) => {
                peer.caller = caller;
                let stream = Stream::Tls(Box::new(stream));
                Some(Connection::new(stream, peer, slot, begun, last))
            }
            Ok(Err(error)) => {
                // Those who may not come in can knock as often as they like.
                if self.refused.is_due() {
                    tracing::warn!(%address, %error, "a TLS handshake failed");
                } else {
                    tracing::debug!(%address, %error, "a TLS handshake failed");
                }
                None
            }
            Err(_) => {
                tracing::debug!(%address, "a TLS handshake took too long");
                None
            }
        }
    }
}

/// Whether the next connection may be accepted all the same.
fn is_about_one_connection(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionReset, Interrupted};
    matches!(
        error.kind(),
        ConnectionAborted | ConnectionReset | Interrupted
    )
}
