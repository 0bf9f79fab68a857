//! A TCP proxy between a replica and the database, which can be cut, swallow everything, or be slow.

use std::{io, net::SocketAddr, time::Duration};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    sync::watch,
    task::JoinHandle,
};

/// What becomes of bytes on their way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Way {
    /// They go through, each piece after so long.
    Open(Duration),
    /// They are held until it is open again: neither side hears anything.
    Swallowing,
    /// Connections end at once, new ones too.
    Cut,
}

/// A proxy; it ends when it is dropped, and with it all that goes through it.
pub(crate) struct Proxy {
    address: SocketAddr,
    way: watch::Sender<Way>,
    listening: JoinHandle<()>,
}

impl Proxy {
    /// One in front of this server, open.
    pub(crate) async fn start(server: SocketAddr) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let way = watch::Sender::new(Way::Open(Duration::ZERO));
        let listening = tokio::spawn(listen(listener, server, way.subscribe()));
        Self {
            address,
            way,
            listening,
        }
    }

    /// Where it listens.
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Lets everything through from now on, also what was swallowed.
    pub(crate) fn open(&self) {
        self.delay(Duration::ZERO);
    }

    /// Holds each piece for so long, in both directions.
    pub(crate) fn delay(&self, pause: Duration) {
        self.way.send_replace(Way::Open(pause));
    }

    /// Swallows everything, as a network does that lost its way: nobody is told.
    pub(crate) fn swallow(&self) {
        self.way.send_replace(Way::Swallowing);
    }

    /// Ends all connections, and each new one, as a server does that went away.
    pub(crate) fn cut(&self) {
        self.way.send_replace(Way::Cut);
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.cut();
        self.listening.abort();
    }
}

async fn listen(listener: TcpListener, server: SocketAddr, way: watch::Receiver<Way>) {
    while let Ok((near, _)) = listener.accept().await {
        if *way.borrow() != Way::Cut {
            tokio::spawn(carry(near, server, way.clone()));
        }
    }
}

/// Carries one connection in both directions until either side, or the proxy, ends it.
async fn carry(near: TcpStream, server: SocketAddr, way: watch::Receiver<Way>) -> io::Result<()> {
    let far = TcpStream::connect(server).await?;
    near.set_nodelay(true)?;
    far.set_nodelay(true)?;
    let (near_read, near_write) = near.into_split();
    let (far_read, far_write) = far.into_split();
    let mut cut = way.clone();
    tokio::select! {
        ended = pump(near_read, far_write, way.clone()) => ended,
        ended = pump(far_read, near_write, way) => ended,
        _ = cut.wait_for(|way| *way == Way::Cut) => Ok(()),
    }
}

async fn pump(
    mut from: impl AsyncReadExt + Unpin,
    mut to: impl AsyncWriteExt + Unpin,
    mut way: watch::Receiver<Way>,
) -> io::Result<()> {
    let mut piece = vec![0; 16 * 1024];
    loop {
        let length = from.read(&mut piece).await?;
        if length == 0 {
            return Ok(());
        }
        let open = way.wait_for(|way| matches!(way, Way::Open(_))).await;
        let open = open.map_or(Way::Cut, |way| *way);
        match open {
            Way::Open(pause) if !pause.is_zero() => tokio::time::sleep(pause).await,
            _ => {}
        }
        to.write_all(&piece[..length]).await?;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SOON: Duration = Duration::from_secs(10);

    /// A server that sends everything back, and a connection to it through a proxy.
    async fn echo() -> (Proxy, TcpStream) {
        let server = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = server.local_addr().unwrap();
        tokio::spawn(async move {
            while let Ok((stream, _)) = server.accept().await {
                let (mut read, mut write) = stream.into_split();
                tokio::spawn(async move { tokio::io::copy(&mut read, &mut write).await });
            }
        });
        let proxy = Proxy::start(address).await;
        let stream = TcpStream::connect(proxy.address()).await.unwrap();
        (proxy, stream)
    }

    async fn echoed(stream: &mut TcpStream) -> u8 {
        let read = tokio::time::timeout(SOON, stream.read_u8());
        read.await.unwrap().unwrap()
    }

    #[tokio::test]
    async fn what_was_swallowed_arrives_when_it_opens_again() {
        let (proxy, mut stream) = echo().await;
        stream.write_u8(1).await.unwrap();
        assert_eq!(echoed(&mut stream).await, 1);
        proxy.swallow();
        stream.write_u8(2).await.unwrap();
        let early = tokio::time::timeout(Duration::from_millis(50), stream.read_u8()).await;
        assert!(early.is_err(), "{early:?}");
        proxy.open();
        assert_eq!(echoed(&mut stream).await, 2);
    }

    #[tokio::test]
    async fn a_delay_holds_each_piece_in_both_directions() {
        let (proxy, mut stream) = echo().await;
        proxy.delay(Duration::from_millis(50));
        let sent = tokio::time::Instant::now();
        stream.write_u8(1).await.unwrap();
        assert_eq!(echoed(&mut stream).await, 1);
        assert!(sent.elapsed() >= Duration::from_millis(100));
    }

    #[tokio::test]
    async fn a_cut_ends_what_is_there_and_what_comes() {
        let (proxy, mut stream) = echo().await;
        stream.write_u8(1).await.unwrap();
        assert_eq!(echoed(&mut stream).await, 1);
        proxy.cut();
        let mut end = Vec::new();
        let ended = tokio::time::timeout(SOON, stream.read_to_end(&mut end)).await;
        assert!(ended.is_ok() && end.is_empty());
        let mut late = TcpStream::connect(proxy.address()).await.unwrap();
        let refused = tokio::time::timeout(SOON, late.read_u8()).await.unwrap();
        assert!(refused.is_err());
        proxy.open();
        let mut again = TcpStream::connect(proxy.address()).await.unwrap();
        again.write_u8(3).await.unwrap();
        assert_eq!(echoed(&mut again).await, 3);
    }
}
