//! HTTP/2 as an attacker writes it: frames by hand (RFC 9113), over TLS, from an address of one's own.

use std::{io, net::SocketAddr, sync::Arc};

use rustls::{
    ClientConfig, RootCertStore,
    pki_types::{CertificateDer, ServerName, pem::PemObject},
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpSocket, TcpStream},
};
use tokio_rustls::{TlsConnector, client::TlsStream};

const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
const DATA: u8 = 0;
const HEADERS: u8 = 1;
const RST_STREAM: u8 = 3;
const SETTINGS: u8 = 4;
const PING: u8 = 6;
const GOAWAY: u8 = 7;
const CONTINUATION: u8 = 9;
const END_STREAM: u8 = 1;
const END_HEADERS: u8 = 4;

/// What attackers call, without credentials.
const GET: &str = "/tokend.v1.ConnectorService/GetConnection";

/// Where well-behaved callers are.
pub(super) const NEIGHBOUR: [u8; 4] = [127, 0, 0, 1];
/// Where the attacker is: on this machine too, but it could be another one.
pub(super) const ATTACKER: [u8; 4] = [127, 0, 0, 2];

/// A connection that speaks frames.
pub(super) struct Frames {
    stream: TlsStream<TcpStream>,
    next_stream: u32,
}

/// How a connection ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Ended {
    /// With a GOAWAY of this error code.
    GoAway(u32),
    /// Without a word.
    Closed,
}

/// A TCP connection from this address.
pub(super) async fn connect(from: [u8; 4], port: u16) -> io::Result<TcpStream> {
    let socket = TcpSocket::new_v4()?;
    socket.bind(SocketAddr::from((from, 0)))?;
    let stream = socket
        .connect(SocketAddr::from(([127, 0, 0, 1], port)))
        .await?;
    stream.set_nodelay(true)?;
    Ok(stream)
}

impl Frames {
    /// Shakes hands, and says that answers of `window` bytes may be sent to each call.
    pub(super) async fn connect(
        from: [u8; 4],
        port: u16,
        trusted: &str,
        window: u32,
    ) -> io::Result<Self> {
        let mut roots = RootCertStore::empty();
        for certificate in CertificateDer::pem_slice_iter(trusted.as_bytes()) {
            roots.add(certificate.unwrap()).unwrap();
        }
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let mut config = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(roots)
            .with_no_client_auth();
        config.alpn_protocols = vec![b"h2".to_vec()];
        let name = ServerName::try_from("localhost").unwrap();
        let tls = TlsConnector::from(Arc::new(config));
        let stream = tls.connect(name, connect(from, port).await?).await?;
        let mut frames = Self {
            stream,
            next_stream: 1,
        };
        // SETTINGS_INITIAL_WINDOW_SIZE is 4.
        let mut settings = vec![0, 4];
        settings.extend(window.to_be_bytes());
        let mut bytes = PREFACE.to_vec();
        push(&mut bytes, SETTINGS, 0, 0, &settings);
        frames.send(&bytes).await?;
        Ok(frames)
    }

    /// `count` calls that are taken back at once.
    pub(super) async fn reset(&mut self, count: u32) -> io::Result<()> {
        let mut bytes = Vec::new();
        for _ in 0..count {
            let stream = self.take_stream();
            push(&mut bytes, HEADERS, END_HEADERS, stream, &headers(GET));
            // CANCEL is 8.
            push(&mut bytes, RST_STREAM, 0, stream, &8u32.to_be_bytes());
        }
        self.send(&bytes).await
    }

    /// `count` whole calls with large answers.
    pub(super) async fn call(&mut self, count: u32, api_key: &str) -> io::Result<()> {
        let mut block = headers("/tokend.v1.AdminService/ListIntegrationTypes");
        // authorization by its index.
        value(&mut block, &[0x0f, 0x08], &format!("Bearer {api_key}"));
        let mut bytes = Vec::new();
        for _ in 0..count {
            let stream = self.take_stream();
            push(&mut bytes, HEADERS, END_HEADERS, stream, &block);
            // A message without fields.
            push(&mut bytes, DATA, END_STREAM, stream, &[0; 5]);
        }
        self.send(&bytes).await
    }

    /// Begins a call whose message does not come.
    pub(super) async fn begin_call(&mut self) -> io::Result<()> {
        self.begin_calls(GET, 1).await
    }

    /// Begins `count` calls whose messages begin and do not end.
    pub(super) async fn begin_calls(&mut self, path: &str, count: u32) -> io::Result<()> {
        let mut bytes = Vec::new();
        for _ in 0..count {
            let stream = self.take_stream();
            push(&mut bytes, HEADERS, END_HEADERS, stream, &headers(path));
            // 100 bytes are announced.
            push(&mut bytes, DATA, 0, stream, &[0, 0, 0, 0, 100, 1, 2, 3]);
        }
        self.send(&bytes).await
    }

    /// Begins a call whose metadata goes on in `count` frames and never ends.
    pub(super) async fn continue_headers(&mut self, count: u32) -> io::Result<()> {
        let stream = self.take_stream();
        let mut bytes = Vec::new();
        push(&mut bytes, HEADERS, 0, stream, &headers(GET));
        for number in 0..count {
            let mut field = Vec::new();
            literal(&mut field, &[0], "x-metadata", &format!("{number:0>100}"));
            push(&mut bytes, CONTINUATION, 0, stream, &field);
        }
        self.send(&bytes).await
    }

    /// Reads until the connection ends, and answers pings, as somebody does who wants to stay.
    pub(super) async fn ended(mut self) -> Ended {
        let read = async {
            loop {
                let mut head = [0; 9];
                self.stream.read_exact(&mut head).await?;
                let length = u32::from_be_bytes([0, head[0], head[1], head[2]]);
                let mut payload = vec![0; length as usize];
                self.stream.read_exact(&mut payload).await?;
                match (head[3], head[4]) {
                    (GOAWAY, _) => {
                        let code = payload[4..8].try_into().unwrap();
                        return io::Result::Ok(u32::from_be_bytes(code));
                    }
                    (PING, 0) => {
                        let mut bytes = Vec::new();
                        push(&mut bytes, PING, 1, 0, &payload);
                        self.send(&bytes).await?;
                    }
                    _ => {}
                }
            }
        };
        read.await.map_or(Ended::Closed, Ended::GoAway)
    }

    async fn send(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.stream.write_all(bytes).await?;
        self.stream.flush().await
    }

    fn take_stream(&mut self) -> u32 {
        self.next_stream += 2;
        self.next_stream - 2
    }
}

fn push(bytes: &mut Vec<u8>, kind: u8, flags: u8, stream: u32, payload: &[u8]) {
    let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
    bytes.extend(&length[1..]);
    bytes.extend([kind, flags]);
    bytes.extend(stream.to_be_bytes());
    bytes.extend(payload);
}

/// The headers of a call, in HPACK (RFC 7541): indexed where the static table has them, else literal.
fn headers(path: &str) -> Vec<u8> {
    // :method POST and :scheme https.
    let mut block = vec![0x83, 0x87];
    // :authority, :path and content-type by their index, te by its name.
    value(&mut block, &[0x01], "localhost");
    value(&mut block, &[0x04], path);
    value(&mut block, &[0x0f, 0x10], "application/grpc");
    literal(&mut block, &[0x00], "te", "trailers");
    block
}

fn literal(block: &mut Vec<u8>, prefix: &[u8], name: &str, text: &str) {
    let mut prefix = prefix.to_vec();
    prefix.push(u8::try_from(name.len()).unwrap());
    prefix.extend(name.as_bytes());
    value(block, &prefix, text);
}

fn value(block: &mut Vec<u8>, prefix: &[u8], text: &str) {
    assert!(text.len() < 127, "longer ones are written otherwise");
    block.extend(prefix);
    block.push(u8::try_from(text.len()).unwrap());
    block.extend(text.as_bytes());
}
