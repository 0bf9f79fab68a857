//! A TCP proxy in front of whichever server holds an address at present, which can lose the connections it carries.

use std::{net::SocketAddr, time::Duration};

use tokio::{
    io::copy_bidirectional,
    net::{TcpListener, TcpStream},
    sync::watch,
    task::JoinHandle,
};

/// Where connections go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Aim {
    Server(SocketAddr),
    /// Nobody answers, as in a network that lost its way: connections are neither made nor refused.
    Nowhere,
}

/// A proxy; it ends when it is dropped, and with it all that goes through it.
pub(crate) struct Switch {
    address: SocketAddr,
    aim: watch::Sender<Aim>,
    /// Counts how often all connections were lost.
    losses: watch::Sender<usize>,
    listening: JoinHandle<()>,
}

impl Switch {
    /// One in front of this server.
    pub(crate) async fn start(server: SocketAddr) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let aim = watch::Sender::new(Aim::Server(server));
        let losses = watch::Sender::new(0);
        let listening = tokio::spawn(listen(listener, aim.subscribe(), losses.subscribe()));
        Self {
            address,
            aim,
            losses,
            listening,
        }
    }

    /// Where it listens.
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Sends new connections to this server from now on.
    pub(crate) fn aim(&self, server: SocketAddr) {
        self.aim.send_replace(Aim::Server(server));
    }

    /// Loses all connections: nothing goes through them any more, ever, and neither side is told. New ones get no
    /// answer until it is [aimed](Self::aim) again, and are lost too.
    pub(crate) fn lose(&self) {
        self.aim.send_replace(Aim::Nowhere);
        self.losses.send_modify(|losses| *losses += 1);
    }
}

impl Drop for Switch {
    fn drop(&mut self) {
        self.listening.abort();
    }
}

async fn listen(listener: TcpListener, aim: watch::Receiver<Aim>, losses: watch::Receiver<usize>) {
    while let Ok((near, _)) = listener.accept().await {
        tokio::spawn(carry(near, *aim.borrow(), losses.clone()));
    }
}

async fn carry(mut near: TcpStream, aim: Aim, mut losses: watch::Receiver<usize>) {
    losses.mark_unchanged();
    if let Aim::Server(server) = aim {
        let Ok(mut far) = TcpStream::connect(server).await else {
            return;
        };
        _ = (near.set_nodelay(true), far.set_nodelay(true));
        tokio::select! {
            _ = copy_bidirectional(&mut near, &mut far) => return,
            lost = losses.changed() => if lost.is_err() { return },
        }
        drop(far);
    }
    // Kept, and never heard of again, until the proxy ends.
    while losses.changed().await.is_ok() {}
}

#[tokio::test]
async fn what_is_lost_stays_lost_and_new_connections_go_where_it_aims() {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    let greeting = async |greeting: u8| {
        let server = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = server.local_addr().unwrap();
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = server.accept().await {
                tokio::spawn(async move {
                    while stream.read_u8().await.is_ok() && stream.write_u8(greeting).await.is_ok()
                    {
                    }
                });
            }
        });
        address
    };
    let (one, other) = (greeting(1).await, greeting(2).await);
    let switch = Switch::start(one).await;
    let ask = async |stream: &mut TcpStream, patience| {
        stream.write_u8(0).await.unwrap();
        tokio::time::timeout(patience, stream.read_u8()).await
    };
    let (soon, late) = (Duration::from_millis(50), Duration::from_secs(10));
    let mut old = TcpStream::connect(switch.address()).await.unwrap();
    assert_eq!(ask(&mut old, late).await.unwrap().unwrap(), 1);
    switch.lose();
    assert!(ask(&mut old, soon).await.is_err());
    let mut meanwhile = TcpStream::connect(switch.address()).await.unwrap();
    assert!(ask(&mut meanwhile, soon).await.is_err());
    switch.aim(other);
    let mut new = TcpStream::connect(switch.address()).await.unwrap();
    assert_eq!(ask(&mut new, late).await.unwrap().unwrap(), 2);
    assert!(ask(&mut old, soon).await.is_err());
    assert!(ask(&mut meanwhile, soon).await.is_err());
}
