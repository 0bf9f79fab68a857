//! A wire between tokend and a provider on this machine, with a thief on it: plain TCP, passed on and written down.

use std::sync::{Arc, Mutex};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{
        TcpListener, TcpStream,
        tcp::{OwnedReadHalf, OwnedWriteHalf},
    },
};

/// A running wire; it ends with the test's runtime.
pub(crate) struct Wiretap {
    /// Where it is entered, as a URL.
    pub(crate) url: String,
    requests: Written,
    answers: Written,
}

type Written = Arc<Mutex<Vec<u8>>>;

impl Wiretap {
    /// A wire to this `host:port`.
    pub(crate) async fn to(address: &str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let (requests, answers) = (Written::default(), Written::default());
        let address = address.to_owned();
        let written = (requests.clone(), answers.clone());
        tokio::spawn(async move {
            while let Ok((near, _)) = listener.accept().await {
                let far = TcpStream::connect(&address).await.unwrap();
                let ((near_in, near_out), (far_in, far_out)) =
                    (near.into_split(), far.into_split());
                tokio::spawn(pass_on(near_in, far_out, written.0.clone()));
                tokio::spawn(pass_on(far_in, near_out, written.1.clone()));
            }
        });
        Self {
            url,
            requests,
            answers,
        }
    }

    /// All requests, as they were sent.
    pub(crate) fn requests(&self) -> String {
        String::from_utf8_lossy(&self.requests.lock().unwrap()).into_owned()
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

async fn pass_on(mut from: OwnedReadHalf, mut to: OwnedWriteHalf, written: Written) {
    let mut buffer = vec![0; 16 * 1024];
    while let Ok(count @ 1..) = from.read(&mut buffer).await {
        written.lock().unwrap().extend_from_slice(&buffer[..count]);
        if to.write_all(&buffer[..count]).await.is_err() {
            break;
        }
    }
}
