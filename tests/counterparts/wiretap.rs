//! A wire between tokend and a provider on this machine, with a thief on it: plain TCP, passed on and written down.

use std::sync::{Arc, Mutex};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt, copy},
    net::{TcpListener, TcpStream},
};

/// A running wire; it ends with the test's runtime.
pub(crate) struct Wiretap {
    /// Where it is entered, as a URL.
    pub(crate) url: String,
    answers: Arc<Mutex<Vec<u8>>>,
}

impl Wiretap {
    /// A wire to this `host:port`.
    pub(crate) async fn to(address: &str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let answers = Arc::new(Mutex::new(Vec::new()));
        let (address, written_down) = (address.to_owned(), answers.clone());
        tokio::spawn(async move {
            while let Ok((near, _)) = listener.accept().await {
                let far = TcpStream::connect(&address).await.unwrap();
                tokio::spawn(pass_on(near, far, written_down.clone()));
            }
        });
        Self { url, answers }
    }

    /// The values that this member had in all JSON answers, in order.
    pub(crate) fn answered(&self, member: &str) -> Vec<String> {
        let answers = self.answers.lock().unwrap();
        let text = String::from_utf8_lossy(&answers);
        let before = format!("\"{member}\":\"");
        let values = text.split(&before).skip(1);
        values
            .filter_map(|rest| Some(rest.split_once('"')?.0.to_owned()))
            .collect()
    }
}

async fn pass_on(near: TcpStream, far: TcpStream, answers: Arc<Mutex<Vec<u8>>>) {
    let ((mut near_in, mut near_out), (mut far_in, mut far_out)) =
        (near.into_split(), far.into_split());
    let requests = tokio::spawn(async move {
        let _ = copy(&mut near_in, &mut far_out).await;
    });
    let mut buffer = vec![0; 16 * 1024];
    while let Ok(count @ 1..) = far_in.read(&mut buffer).await {
        answers.lock().unwrap().extend_from_slice(&buffer[..count]);
        if near_out.write_all(&buffer[..count]).await.is_err() {
            break;
        }
    }
    requests.abort();
}
