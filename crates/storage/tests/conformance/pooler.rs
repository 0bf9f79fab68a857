//! A transaction-mode pooler between tokend and PostgreSQL: all its clients take turns on one server connection.

use std::{
    io,
    sync::{Arc, Mutex},
};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    sync::Mutex as Turns,
    task::JoinSet,
};

/// The codes of the two questions about encryption, asked instead of a startup message (PostgreSQL manual, 55.7).
const ENCRYPTION: [u32; 2] = [80_877_103, 80_877_104];

/// A client went away.
pub(crate) const GONE: &str = "gone";

/// A pooler with one server connection.
pub(crate) struct Pooler {
    pub(crate) port: u16,
    /// Simple queries, and [`GONE`] for each client that went away.
    seen: Arc<Mutex<Vec<String>>>,
    _clients: JoinSet<()>,
}

impl Pooler {
    /// Begins to pool connections to the server.
    pub(crate) async fn start(server: String) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let seen = Arc::new(Mutex::new(Vec::new()));
        let (said, turns) = (seen.clone(), Arc::new(Turns::new(None)));
        let mut clients = JoinSet::new();
        clients.spawn(async move {
            let mut serving = JoinSet::new();
            while let Ok((client, _)) = listener.accept().await {
                let (server, said, turns) = (server.clone(), said.clone(), turns.clone());
                serving.spawn(async move {
                    // A client that goes away without a word is an error, and gone as well.
                    let _ = serve(client, &server, &turns, &said).await;
                    said.lock().unwrap().push(GONE.to_owned());
                });
            }
        });
        Self {
            port,
            seen,
            _clients: clients,
        }
    }

    /// What it saw so far: texts of simple queries, and [`GONE`] for each client that went away.
    pub(crate) fn seen(&self) -> Vec<String> {
        self.seen.lock().unwrap().clone()
    }
}

async fn serve(
    mut client: TcpStream,
    server: &str,
    turns: &Turns<Option<TcpStream>>,
    seen: &Mutex<Vec<String>>,
) -> io::Result<()> {
    let startup = startup(&mut client).await?;
    let mut turn = turns.lock().await;
    if turn.is_none() {
        let mut connection = TcpStream::connect(server).await?;
        connection.write_all(&startup).await?;
        log_in(&mut connection, &mut client).await?;
        *turn = Some(connection);
    } else {
        // Welcome, and ready for queries.
        let welcome = b"R\0\0\0\x08\0\0\0\0Z\0\0\0\x05I";
        client.write_all(welcome).await?;
    }
    drop(turn);
    loop {
        let first = message(&mut client).await?;
        let mut turn = turns.lock().await;
        let Some(connection) = turn.as_mut() else {
            return Ok(());
        };
        let mut next = Some(first);
        loop {
            let sent = match next.take() {
                Some(message) => message,
                None => message(&mut client).await?,
            };
            match sent[0] {
                b'X' => return Ok(()),
                b'Q' => {
                    let text = String::from_utf8_lossy(&sent[5..sent.len() - 1]);
                    seen.lock().unwrap().push(text.into_owned());
                }
                _ => {}
            }
            connection.write_all(&sent).await?;
            // Only a query and a sync are answered with being ready.
            if matches!(sent[0], b'Q' | b'S') && until_ready(connection, &mut client).await? == b'I'
            {
                break;
            }
        }
    }
}

/// Reads the startup message, refusing encryption.
async fn startup(client: &mut TcpStream) -> io::Result<Vec<u8>> {
    loop {
        let length = client.read_u32().await?;
        let mut rest = vec![0; usize::try_from(length).unwrap() - 4];
        client.read_exact(&mut rest).await?;
        let code = u32::from_be_bytes(rest[..4].try_into().unwrap());
        if !ENCRYPTION.contains(&code) {
            return Ok([length.to_be_bytes().as_slice(), &rest].concat());
        }
        client.write_all(b"N").await?;
    }
}

/// Reads one message with its type and length.
async fn message(from: &mut TcpStream) -> io::Result<Vec<u8>> {
    let kind = from.read_u8().await?;
    let length = from.read_u32().await?;
    let mut message = [&[kind], length.to_be_bytes().as_slice()].concat();
    message.resize(usize::try_from(length).unwrap() + 1, 0);
    from.read_exact(&mut message[5..]).await?;
    Ok(message)
}

/// The first client logs in for all.
async fn log_in(server: &mut TcpStream, client: &mut TcpStream) -> io::Result<()> {
    loop {
        let answer = message(server).await?;
        client.write_all(&answer).await?;
        match answer[0] {
            b'Z' => return Ok(()),
            // SASL and its continuation, which the client answers.
            b'R' if matches!(answer[8], 10 | 11) => {
                server.write_all(&message(client).await?).await?;
            }
            _ => {}
        }
    }
}

/// Passes the server's answers on until it is ready; answers whether it is in a transaction then.
async fn until_ready(server: &mut TcpStream, client: &mut TcpStream) -> io::Result<u8> {
    loop {
        let answer = message(server).await?;
        client.write_all(&answer).await?;
        if answer[0] == b'Z' {
            return Ok(answer[5]);
        }
    }
}
