//! PostgreSQL servers of the test's own: a primary, and a standby that takes over from it.

use std::{
    net::SocketAddr,
    path::{Path, PathBuf},
    process::Stdio,
    time::Duration,
};

use sqlx::{AssertSqlSafe, Connection, Executor, PgConnection};
use tokend_tests::eventually;
use tokio::process::{Child, Command};

use crate::replica::free_port;

/// The rig that knows where PostgreSQL's programs are, and as whom they run.
const RIG: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/rigs/postgres");

const USER: &str = "tokend";

/// How long a server has to do what it is told.
const PATIENCE: Duration = Duration::from_secs(60);

/// Whether each commit waits until the standby has it too.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Standby {
    Synchronous,
    Asynchronous,
}

/// A primary with its standby.
pub(super) struct Cluster {
    folder: PathBuf,
    password: String,
    servers: usize,
    primary: Server,
    standby: Server,
}

struct Server {
    data: PathBuf,
    port: u16,
    process: Child,
}

impl Cluster {
    /// Starts one. `None`: there are no programs to start it with.
    pub(super) async fn start(standby: Standby) -> Option<Self> {
        let folder = with(&["mktemp", "-d", "/tmp/tokend-pg.XXXXXX"]).await?;
        let folder = PathBuf::from(folder.trim());
        let password: String = (0..32).map(|_| fastrand::alphanumeric()).collect();
        let script = "umask 077 && printf %s \"$1\" >\"$0\"";
        let password_file = text(&folder.join("password"));
        with(&["sh", "-c", script, &password_file, &password]).await?;
        let data = folder.join("0");
        with(&[
            "initdb",
            "--pgdata",
            &text(&data),
            "--username",
            USER,
            "--pwfile",
            &password_file,
            "--auth=scram-sha-256",
            "--encoding=UTF8",
            "--locale=C",
            "--no-sync",
        ])
        .await?;
        let primary = Server::start(&folder, data).await;
        let first = Self::copy(&folder, &password, primary.port, 1).await;
        let cluster = Self {
            folder,
            password,
            servers: 2,
            primary,
            standby: first,
        };
        cluster.follow(standby).await;
        Some(cluster)
    }

    /// Where the primary listens.
    pub(super) fn address(&self) -> SocketAddr {
        SocketAddr::from(([127, 0, 0, 1], self.primary.port))
    }

    /// The URL of a database through this address.
    pub(super) fn url(&self, address: SocketAddr, database: &str) -> String {
        format!("postgres://{USER}:{}@{address}/{database}", self.password)
    }

    /// A connection to a database of the primary.
    pub(super) async fn connect(&self, database: &str) -> PgConnection {
        let url = self.url(self.address(), database);
        PgConnection::connect(&url).await.unwrap()
    }

    /// SIGKILL for all processes of the primary, as when its machine is gone; the standby takes its place.
    pub(super) async fn fail_over(&mut self) {
        self.primary.kill().await;
        std::mem::swap(&mut self.primary, &mut self.standby);
        let data = text(&self.primary.data);
        with(&["pg_ctl", "promote", "--wait", "--silent", "--pgdata", &data])
            .await
            .unwrap();
    }

    /// Gives the primary a synchronous standby in the place of the dead one.
    pub(super) async fn rebuild(&mut self) {
        let (port, number) = (self.primary.port, self.servers);
        self.standby = Self::copy(&self.folder, &self.password, port, number).await;
        self.servers += 1;
        self.follow(Standby::Synchronous).await;
    }

    /// A standby of the server on this port.
    async fn copy(folder: &Path, password: &str, port: u16, number: usize) -> Server {
        let data = folder.join(number.to_string());
        let primary = format!(
            "host=127.0.0.1 port={port} user={USER} password={password} application_name=standby"
        );
        with(&[
            "pg_basebackup",
            "--pgdata",
            &text(&data),
            "--dbname",
            &primary,
            "--write-recovery-conf",
            "--checkpoint=fast",
            "--wal-method=stream",
            "--no-sync",
        ])
        .await
        .unwrap();
        Server::start(folder, data).await
    }

    /// Makes the primary wait for its standby at each commit, or not, once that has caught up.
    pub(super) async fn follow(&self, standby: Standby) {
        let mut primary = self.connect("postgres").await;
        let (names, state) = match standby {
            Standby::Synchronous => ("standby", "sync"),
            Standby::Asynchronous => ("", "async"),
        };
        // Not before there is one: until then each commit would wait.
        for statement in [
            format!("ALTER SYSTEM SET synchronous_standby_names = '{names}'"),
            "SELECT pg_reload_conf()".to_owned(),
        ] {
            let statement = sqlx::raw_sql(AssertSqlSafe(statement));
            primary.execute(statement).await.unwrap();
        }
        eventually("the standby follows", async || {
            let states = "SELECT state || ' ' || sync_state FROM pg_stat_replication";
            let states: Vec<String> = sqlx::query_scalar(states)
                .fetch_all(&mut primary)
                .await
                .unwrap();
            (states == [format!("streaming {state}")]).then_some(())
        })
        .await;
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        let servers = [&mut self.primary, &mut self.standby];
        servers.into_iter().for_each(Server::quit);
        let folder = text(&self.folder);
        let mut remove = std::process::Command::new(RIG);
        _ = remove.args(["with", "rm", "-rf", &folder]).status();
    }
}

impl Server {
    async fn start(folder: &Path, data: PathBuf) -> Self {
        let port = free_port();
        let log = std::fs::File::create(folder.join(format!("{port}.log")));
        let process = Command::new(RIG)
            .args(["with", "postgres", "-D", &text(&data)])
            .args(["-p", &port.to_string(), "-c", "listen_addresses=127.0.0.1"])
            .args(["-c", &format!("unix_socket_directories={}", text(folder))])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log.unwrap())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        let server = Self {
            data,
            port,
            process,
        };
        let (port, patience) = (server.port.to_string(), PATIENCE.as_secs().to_string());
        let ready = ["pg_isready", "--quiet", "--host=127.0.0.1", "--port", &port];
        eventually("the server takes connections", async || {
            with(&[&ready[..], &["--timeout", &patience]].concat()).await
        })
        .await;
        server
    }

    /// SIGKILL for the server and all processes that it started: none may finish what it was at.
    async fn kill(&mut self) {
        let parent = self.process.id().unwrap().to_string();
        send("STOP", std::slice::from_ref(&parent)).await;
        let children = Command::new("pgrep").args(["-P", &parent]).output().await;
        let children = String::from_utf8(children.unwrap().stdout).unwrap();
        let mut all: Vec<_> = children.lines().map(str::to_owned).collect();
        all.push(parent);
        send("KILL", &all).await;
        self.process.wait().await.unwrap();
    }

    /// Ends it at once, but so that nothing of it stays; one that is dead already stays so.
    fn quit(&mut self) {
        let mut stop = std::process::Command::new(RIG);
        stop.args(["with", "pg_ctl", "stop", "--mode=immediate", "--silent"]);
        stop.args(["--pgdata", &text(&self.data)]);
        _ = stop.stderr(Stdio::null()).status();
    }
}

async fn send(signal: &str, processes: &[String]) {
    let mut kill = Command::new("kill");
    kill.args(["-s", signal]).args(processes);
    assert!(kill.status().await.unwrap().success(), "{processes:?}");
}

/// Runs a program of PostgreSQL's as the user that servers run as; answers what it prints, if it succeeds.
async fn with(arguments: &[&str]) -> Option<String> {
    let output = Command::new(RIG)
        .arg("with")
        .args(arguments)
        .stdin(Stdio::null())
        .output()
        .await
        .unwrap();
    if !output.status.success() {
        eprint!("{}", String::from_utf8_lossy(&output.stderr));
    }
    let printed = String::from_utf8(output.stdout).unwrap();
    output.status.success().then_some(printed)
}

fn text(path: &Path) -> String {
    path.display().to_string()
}
