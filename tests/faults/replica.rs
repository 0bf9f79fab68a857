//! One replica: a `tokend serve` with a folder and a port that stay its own over all its lives.

use std::{
    fs::{self, File},
    net::TcpListener,
    path::PathBuf,
    process::{ExitStatus, Stdio},
    time::{Duration, Instant},
};

use tokio::{
    process::{Child, Command},
    time::timeout,
};

/// Nothing a replica does at its start or end takes longer, unless it hangs.
const PATIENCE: Duration = Duration::from_secs(60);

/// The header of a page is shorter than this, and what is written there is longer.
const EMPTY_PAGE: usize = 256;

/// Between two looks at a log.
const INTERVAL: Duration = Duration::from_millis(10);

/// A replica. Its process ends with it, and is in the group of the test's own, so that what ends that ends this too.
pub(crate) struct Replica {
    home: PathBuf,
    environment: Vec<(String, String)>,
    port: u16,
    lives: usize,
    process: Option<Child>,
}

impl Replica {
    /// One that is not running yet, with this folder and these settings.
    pub(crate) fn new(home: PathBuf, mut environment: Vec<(String, String)>) -> Self {
        fs::create_dir_all(&home).unwrap();
        let port = free_port();
        for (listener, port) in [("GRPC", port), ("HTTP", 0), ("OPERATIONS", 0)] {
            let name = format!("TOKEND_{listener}__LISTEN");
            environment.push((name, format!("127.0.0.1:{port}")));
        }
        Self {
            home,
            environment,
            port,
            lives: 0,
            process: None,
        }
    }

    /// Where gRPC is served, as a URL: the same in all lives.
    pub(crate) fn endpoint(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// The directory of its journal.
    pub(crate) fn journal(&self) -> PathBuf {
        self.home.join("tokend-journal")
    }

    /// The id of its process.
    pub(crate) fn process_id(&self) -> u32 {
        self.process.as_ref().and_then(Child::id).unwrap()
    }

    /// Sets an environment variable for its lives from the next one on.
    pub(crate) fn set(&mut self, variable: &str, value: impl Into<String>) {
        self.environment.push((variable.to_owned(), value.into()));
    }

    /// The identity in its claims, which it keeps over its lives.
    pub(crate) fn identity(&self) -> String {
        let path = self.home.join("tokend-journal/0/replica");
        fs::read_to_string(path).unwrap().trim().to_owned()
    }

    /// Whether an answer is durable in its journal that is not stored yet: pages are made empty, of zeros.
    pub(crate) fn has_journaled(&self) -> bool {
        let pages = fs::read_dir(self.home.join("tokend-journal/0")).unwrap();
        let pages = pages.map(|entry| entry.unwrap().path());
        pages
            .filter(|path| path.extension().is_some_and(|ending| ending == "page"))
            .filter_map(|path| fs::read(path).ok())
            .any(|page| page.iter().filter(|byte| **byte != 0).count() > EMPTY_PAGE)
    }

    /// Begins a life; answers once calls are taken.
    pub(crate) async fn start(&mut self) {
        assert!(self.process.is_none(), "it runs already");
        self.lives += 1;
        let log = File::create(self.log()).unwrap();
        let mut command = Command::new(env!("CARGO_BIN_EXE_tokend"));
        for (name, _) in std::env::vars_os() {
            if name.to_string_lossy().starts_with("TOKEND_") {
                command.env_remove(name);
            }
        }
        let process = command
            .arg("serve")
            .current_dir(&self.home)
            .envs(self.environment.iter().cloned())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log)
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        self.process = Some(process);
        let started = Instant::now();
        while !self.logged("tokend is ready") {
            let ended = self.process().try_wait().unwrap();
            assert!(
                ended.is_none() && started.elapsed() < PATIENCE,
                "a replica does not start ({ended:?}): {}",
                self.last_words()
            );
            tokio::time::sleep(INTERVAL).await;
        }
    }

    /// SIGKILL; comes back when the process is dead.
    pub(crate) async fn kill(&mut self) {
        let mut process = self.process.take().unwrap();
        process.kill().await.unwrap();
    }

    /// SIGTERM, as at a deploy; comes back when the process has ended by itself.
    pub(crate) async fn terminate(&mut self) -> ExitStatus {
        self.signal("TERM").await;
        let mut process = self.process.take().unwrap();
        match timeout(PATIENCE, process.wait()).await {
            Ok(ended) => ended.unwrap(),
            Err(_) => panic!("a replica does not stop: {}", self.last_words()),
        }
    }

    /// SIGSTOP: it does nothing until it is resumed, and does not notice.
    pub(crate) async fn pause(&mut self) {
        self.signal("STOP").await;
    }

    /// SIGCONT.
    pub(crate) async fn resume(&mut self) {
        self.signal("CONT").await;
    }

    /// Whether this text is in the log of this life.
    pub(crate) fn logged(&self, text: &str) -> bool {
        self.log_text().contains(text)
    }

    /// The log of this life.
    pub(crate) fn log_text(&self) -> String {
        fs::read_to_string(self.log()).unwrap()
    }

    fn process(&mut self) -> &mut Child {
        self.process.as_mut().unwrap()
    }

    async fn signal(&mut self, name: &str) {
        let id = self.process().id().unwrap().to_string();
        let sent = Command::new("kill").args(["-s", name, &id]).status().await;
        assert!(sent.unwrap().success(), "kill -s {name} {id}");
    }

    fn log(&self) -> PathBuf {
        self.home.join(format!("life-{:03}.log", self.lives))
    }

    fn last_words(&self) -> String {
        let log = fs::read_to_string(self.log()).unwrap();
        let lines: Vec<_> = log.lines().collect();
        lines[lines.len().saturating_sub(20)..].join("\n")
    }
}

/// A port that nobody listens on, below the range that the kernel hands out by itself: it is still free when a replica
/// comes back to it.
pub(crate) fn free_port() -> u16 {
    (0..100)
        .map(|_| fastrand::u16(10_000..20_000))
        .find(|&port| TcpListener::bind(("127.0.0.1", port)).is_ok())
        .unwrap()
}
