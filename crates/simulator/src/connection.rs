//! Connections that an endpoint can cut before a byte of its answer is out, and that tell when all of it is.

use std::{
    io,
    net::SocketAddr,
    pin::Pin,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU8, Ordering},
    },
    task::{Context, Poll, ready},
};

use axum::{
    extract::connect_info::Connected,
    serve::{IncomingStream, Listener},
};
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::{TcpListener, TcpStream},
};

use crate::provider::locked;

const OPEN: u8 = 0;
const CUT: u8 = 1;
const RESET: u8 = 2;

/// A listener whose connections can be cut.
pub(crate) struct CuttableListener(pub(crate) TcpListener);

/// A connection's stream: once cut, nothing is written any more.
pub(crate) struct CuttableStream {
    tcp: TcpStream,
    connection: Connection,
}

/// The handle of one connection, given to the endpoints.
#[derive(Clone, Default)]
pub(crate) struct Connection(Arc<Line>);

#[derive(Default)]
struct Line {
    state: AtomicU8,
    leaving: Mutex<Vec<Box<dyn FnOnce() + Send>>>,
}

impl Connection {
    /// Nothing that is written from now on leaves; the server closes the connection when it tries.
    pub(crate) fn cut(&self) {
        self.0.state.store(CUT, Ordering::Release);
    }

    /// The same, with a TCP reset instead of an orderly end.
    pub(crate) fn reset(&self) {
        self.0.state.store(RESET, Ordering::Release);
    }

    /// Runs this when everything that was handed over for writing by now has been given to the operating system; never,
    /// when the connection breaks before.
    pub(crate) fn once_flushed(&self, then: impl FnOnce() + Send + 'static) {
        locked(&self.0.leaving).push(Box::new(then));
    }

    fn check(&self, tcp: &TcpStream) -> io::Result<()> {
        match self.0.state.load(Ordering::Acquire) {
            OPEN => return Ok(()),
            RESET => tcp.set_zero_linger()?,
            _ => {}
        }
        Err(io::ErrorKind::ConnectionAborted.into())
    }

    fn flushed(&self) {
        let leaving = std::mem::take(&mut *locked(&self.0.leaving));
        leaving.into_iter().for_each(|then| then());
    }
}

impl Listener for CuttableListener {
    type Io = CuttableStream;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (CuttableStream, SocketAddr) {
        let (tcp, address) = Listener::accept(&mut self.0).await;
        if let Err(error) = tcp.set_nodelay(true) {
            tracing::debug!(%error, "TCP_NODELAY is not to be had");
        }
        (
            CuttableStream {
                tcp,
                connection: Connection::default(),
            },
            address,
        )
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        self.0.local_addr()
    }
}

impl Connected<IncomingStream<'_, CuttableListener>> for Connection {
    fn connect_info(stream: IncomingStream<'_, CuttableListener>) -> Self {
        stream.io().connection.clone()
    }
}

impl AsyncRead for CuttableStream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.tcp).poll_read(cx, buf)
    }
}

impl AsyncWrite for CuttableStream {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.connection.check(&self.tcp)?;
        Pin::new(&mut self.tcp).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        // Polled only when the server's own buffer is empty: all that was handed over has been written.
        ready!(Pin::new(&mut self.tcp).poll_flush(cx))?;
        self.connection.flushed();
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.tcp).poll_shutdown(cx)
    }
}
