//! An HTTP CONNECT proxy that is every host at once: it ends TLS with certificates made on demand and hands the requests
//! to whichever provider is on stage.

use std::{
    collections::HashMap,
    fmt, io,
    net::SocketAddr,
    sync::{Arc, Mutex, PoisonError},
};

use axum::{
    Router,
    body::{self, Body},
    extract::{self, State},
    http::{Response, header},
    serve::Listener,
};
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use rustls::{
    ServerConfig,
    pki_types::PrivateKeyDer,
    server::{ClientHello, ResolvesServerCert},
    sign::CertifiedKey,
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    sync::mpsc,
};
use tokio_rustls::{TlsAcceptor, server::TlsStream};

use crate::{stage::Stage, wire::Request};

const LONGEST_HEAD: usize = 8 * 1024;

/// The proxy's address, and the authority that its certificates are signed by.
pub(crate) struct Proxy {
    pub(crate) url: String,
    pub(crate) authority: String,
}

impl Proxy {
    /// Starts one on loopback; it goes with the runtime.
    pub(crate) async fn start(stage: Arc<Stage>) -> Self {
        let (authority, certificates) = Certificates::new();
        let mut tls = ServerConfig::builder_with_provider(ring())
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_cert_resolver(Arc::new(certificates));
        tls.alpn_protocols = vec![b"http/1.1".to_vec()];
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (sender, opened) = mpsc::channel(16);
        tokio::spawn(open_tunnels(
            listener,
            TlsAcceptor::from(Arc::new(tls)),
            sender,
        ));
        let routes = Router::new().fallback(answer).with_state(stage);
        tokio::spawn(async move { axum::serve(Tunnels { opened, address }, routes).await });
        Self {
            url: format!("http://{address}"),
            authority,
        }
    }
}

/// Tunnels whose TLS is ended here.
struct Tunnels {
    opened: mpsc::Receiver<TlsStream<TcpStream>>,
    address: SocketAddr,
}

impl Listener for Tunnels {
    type Io = TlsStream<TcpStream>;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (Self::Io, Self::Addr) {
        match self.opened.recv().await {
            Some(tunnel) => (tunnel, self.address),
            None => std::future::pending().await,
        }
    }

    fn local_addr(&self) -> io::Result<Self::Addr> {
        Ok(self.address)
    }
}

async fn open_tunnels(
    listener: TcpListener,
    tls: TlsAcceptor,
    opened: mpsc::Sender<TlsStream<TcpStream>>,
) {
    while let Ok((stream, _)) = listener.accept().await {
        let (tls, opened) = (tls.clone(), opened.clone());
        tokio::spawn(async move {
            // Who goes away in the middle has nothing to be told.
            if let Ok(tunnel) = open_tunnel(stream, tls).await {
                _ = opened.send(tunnel).await;
            }
        });
    }
}

/// RFC 9110 section 9.3.6: answers the CONNECT, then plays the host that was asked for.
async fn open_tunnel(mut stream: TcpStream, tls: TlsAcceptor) -> io::Result<TlsStream<TcpStream>> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        if head.len() > LONGEST_HEAD {
            return Err(io::ErrorKind::InvalidData.into());
        }
        head.push(stream.read_u8().await?);
    }
    let head = String::from_utf8_lossy(&head);
    let target = head.split(' ').nth(1).unwrap_or_default();
    if !head.starts_with("CONNECT ") || !target.ends_with(":443") {
        stream
            .write_all(b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n")
            .await?;
        return Err(io::ErrorKind::InvalidData.into());
    }
    stream.write_all(b"HTTP/1.1 200 OK\r\n\r\n").await?;
    tls.accept(stream).await
}

async fn answer(State(stage): State<Arc<Stage>>, request: extract::Request) -> Response<Body> {
    let (head, body) = request.into_parts();
    let host = head.headers.get(header::HOST);
    let request = Request {
        method: head.method.to_string(),
        host: host
            .and_then(|host| host.to_str().ok())
            .unwrap_or_default()
            .to_owned(),
        path: head.uri.path().to_owned(),
        query: head.uri.query().unwrap_or_default().to_owned(),
        headers: head.headers,
        body: body::to_bytes(body, usize::MAX)
            .await
            .unwrap_or_default()
            .to_vec(),
    };
    stage.answer(&request).into()
}

/// A certificate for any name that is asked for, made when it is.
struct Certificates {
    issuer: Issuer<'static, KeyPair>,
    made: Mutex<HashMap<String, Arc<CertifiedKey>>>,
}

impl Certificates {
    /// With the PEM of the authority.
    fn new() -> (String, Self) {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let certificate = params.self_signed(&key).unwrap();
        let certificates = Self {
            issuer: Issuer::new(params, key),
            made: Mutex::default(),
        };
        (certificate.pem(), certificates)
    }

    fn make(&self, name: &str) -> Arc<CertifiedKey> {
        let key = KeyPair::generate().unwrap();
        let params = CertificateParams::new(vec![name.to_owned()]).unwrap();
        let certificate = params.signed_by(&key, &self.issuer).unwrap();
        let key = PrivateKeyDer::try_from(key.serialize_der()).unwrap();
        let key = ring().key_provider.load_private_key(key).unwrap();
        Arc::new(CertifiedKey::new(vec![certificate.der().clone()], key))
    }
}

impl ResolvesServerCert for Certificates {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        let name = hello.server_name()?;
        let mut made = self.made.lock().unwrap_or_else(PoisonError::into_inner);
        let certificate = made
            .entry(name.to_owned())
            .or_insert_with(|| self.make(name));
        Some(Arc::clone(certificate))
    }
}

impl fmt::Debug for Certificates {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Certificates").finish_non_exhaustive()
    }
}

fn ring() -> Arc<rustls::crypto::CryptoProvider> {
    Arc::new(rustls::crypto::ring::default_provider())
}
