//! A network that swallows everything: nobody is told that the database is out of reach, or that it is back elsewhere.

use std::{
    future::pending,
    sync::Arc,
    time::{Duration, Instant},
};

use futures::future::join_all;
use sea_orm::ConnectionTrait;
use tokend_keyring::{Keyring, generate_key_line};
use tokend_model::{
    Secret,
    ports::{Connections, Deployments, StorageError},
};
use tokend_storage::{Storage, StorageOptions};
use tokio::{
    io::copy_bidirectional,
    net::{TcpListener, TcpStream},
    sync::watch,
    time::timeout,
};

use crate::rig::Rig;

const PLACES: u32 = 3;

/// Longer than any limit here, and far shorter than TCP's patience.
const LONG: Duration = Duration::from_secs(12);

/// What was out of reach is as good as ever this soon after it is back.
const SOON: Duration = Duration::from_secs(5);

/// A way to the server whose connections fall silent and never speak again; those that are made later work.
struct Network {
    /// How often it fell silent or was back: it works at an even number.
    turns: watch::Sender<u32>,
    storage: Storage,
}

impl Network {
    async fn to(rig: &Rig) -> Self {
        let mut url = url::Url::parse(rig.options.url.expose()).unwrap();
        let (host, port) = (url.host_str().unwrap(), url.port().unwrap_or(5432));
        let server = format!("{host}:{port}");
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let turns = watch::Sender::new(0);
        let seen = turns.subscribe();
        tokio::spawn(async move {
            while let Ok((mut near, _)) = listener.accept().await {
                let (server, mut seen) = (server.clone(), seen.clone());
                let made = *seen.borrow();
                tokio::spawn(async move {
                    let mut far = TcpStream::connect(server).await.unwrap();
                    let silence = async {
                        drop(seen.wait_for(|turns| *turns > made || turns % 2 == 1).await)
                    };
                    tokio::select! {
                        biased;
                        () = silence => pending().await,
                        ended = copy_bidirectional(&mut near, &mut far) => drop(ended),
                    }
                });
            }
        });
        url.set_host(Some("127.0.0.1")).unwrap();
        url.set_port(Some(port)).unwrap();
        let storage = Storage::connect(
            StorageOptions {
                url: Secret::new(url.as_str()),
                max_connections: PLACES,
                acquire_timeout: Duration::from_secs(3),
                statement_timeout: Duration::from_secs(1),
            },
            keyring(),
        );
        Self {
            turns,
            storage: storage.await.unwrap(),
        }
    }

    fn fall_silent(&self) {
        self.turns.send_modify(|turns| *turns += 1);
    }

    fn be_back(&self) {
        self.turns.send_modify(|turns| *turns += 1);
    }

    /// Waits until it works again, which has to be soon.
    async fn is_back(&self) {
        self.be_back();
        let back = Instant::now();
        while self.storage.database_time().await.is_err() {
            assert!(back.elapsed() < SOON, "still out of reach");
        }
        assert!(back.elapsed() < SOON, "{:?}", back.elapsed());
        let all = (0..PLACES).map(|_| self.storage.beat("first"));
        for beat in timeout(SOON, join_all(all)).await.unwrap() {
            beat.unwrap();
        }
    }
}

fn keyring() -> Arc<Keyring> {
    let (_, line) = generate_key_line().unwrap();
    Arc::new(Keyring::parse(line.expose()).unwrap())
}

/// Runs a case on PostgreSQL: an SQLite file does not fall silent.
async fn on_a_network<F>(case: impl FnOnce(Rig, Network) -> F + Send + 'static)
where
    F: Future<Output = ()> + Send + 'static,
{
    crate::rig::on_postgres(|rig| async move {
        rig.storage.found("first").await.unwrap();
        let network = Network::to(&rig).await;
        case(rig, network).await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_begun_when_the_network_fell_silent_is_given_up() {
    on_a_network(|rig, network| async move {
        // All places are in the middle of something: they wait for this lock.
        let locked = rig.raw.execute_unprepared("BEGIN; LOCK deployments").await;
        locked.unwrap();
        let storage = network.storage.clone();
        let begun = tokio::spawn(async move {
            let statement = storage.deployment();
            let transactions = join_all((1..PLACES).map(|_| storage.beat("first")));
            let (statement, transactions) = tokio::join!(statement, transactions);
            (statement.err(), transactions)
        });
        until_waiting(&rig).await;
        network.fall_silent();
        let (statement, transactions) = timeout(LONG, begun).await.unwrap().unwrap();
        assert!(matches!(statement, Some(StorageError::Unavailable(_))));
        for transaction in transactions {
            assert!(matches!(transaction, Err(StorageError::Unavailable(_))));
        }
        rig.execute("ROLLBACK").await;
        network.is_back().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn callers_who_do_not_wait_that_long_leave_nothing_occupied() {
    on_a_network(|rig, network| async move {
        let locked = rig.raw.execute_unprepared("BEGIN; LOCK deployments").await;
        locked.unwrap();
        let storage = network.storage.clone();
        let begun = tokio::spawn(async move {
            join_all((0..PLACES).map(|_| storage.deployment())).await;
        });
        until_waiting(&rig).await;
        network.fall_silent();
        begun.abort();
        let outage = Instant::now();
        // What runs beside the calls finds out.
        while outage.elapsed() < Duration::from_secs(8) {
            let read = timeout(LONG, network.storage.database_time()).await;
            assert!(read.unwrap().is_err());
        }
        rig.execute("ROLLBACK").await;
        network.is_back().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn whatever_falls_silent_unused_is_noticed_by_who_comes_next() {
    on_a_network(|_, network| async move {
        let all = (0..PLACES).map(|_| network.storage.beat("first"));
        join_all(all).await;
        network.fall_silent();
        network.be_back();
        // None of these meets an error: there are other connections to be had.
        let all = (0..PLACES).map(|_| network.storage.beat("first"));
        for beat in timeout(SOON, join_all(all)).await.unwrap() {
            beat.unwrap();
        }
    })
    .await;
}

/// Until as many as there are places wait for a lock.
async fn until_waiting(rig: &Rig) {
    let waiting = "SELECT pid::text AS pid FROM pg_stat_activity \
        WHERE datname = current_database() AND wait_event_type = 'Lock'";
    let all = timeout(SOON, async {
        while rig.texts(waiting, "pid").await.len() < PLACES as usize {
            // Within its transaction it would see the same again and again.
            rig.execute("SELECT pg_stat_clear_snapshot()").await;
        }
    });
    all.await.unwrap();
}
