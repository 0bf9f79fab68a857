//! A folder to run the binary in, and a server running there.

use std::{
    fs,
    path::PathBuf,
    process::{Output, Stdio},
    time::Duration,
};

use serde_json::Value;
use tempfile::TempDir;
use tokend_tests::Database;
use tokio::{
    io::{AsyncBufReadExt, BufReader, Lines},
    process::{Child, ChildStderr, Command},
    time::timeout,
};

/// Nothing here takes longer, unless it hangs.
const PATIENCE: Duration = Duration::from_secs(60);

/// A folder with the environment that the binary is run with in it.
pub(crate) struct Home {
    folder: TempDir,
    environment: Vec<(String, String)>,
    user: Option<u32>,
}

/// What a run came to.
#[derive(Debug)]
pub(crate) struct Ran {
    pub(crate) code: i32,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

/// A running `tokend serve`.
pub(crate) struct Served {
    child: Child,
    logs: Lines<BufReader<ChildStderr>>,
    /// Where gRPC is served, as a URL.
    pub(crate) endpoint: String,
    /// Where probes are served, as a URL.
    pub(crate) operations: String,
}

impl Home {
    /// An empty folder; the server will listen on free ports and keep its data in SQLite.
    pub(crate) fn new() -> Self {
        let mut home = Self {
            folder: tempfile::tempdir().unwrap(),
            environment: Vec::new(),
            user: None,
        };
        for listener in ["GRPC", "HTTP", "OPERATIONS"] {
            home.set(&format!("TOKEND_{listener}__LISTEN"), "127.0.0.1:0");
        }
        home.set("TOKEND_LOG__FORMAT", "json");
        home.set("TOKEND_OAUTH__ALLOW_LOOPBACK", "true");
        home
    }

    /// The same on a database of its own.
    pub(crate) async fn on(database: Database) -> Self {
        let mut home = Self::new();
        let url = database.create(home.folder.path()).await;
        home.set("TOKEND_DATABASE__URL", &url);
        home
    }

    /// Sets an environment variable for what is run from now on.
    pub(crate) fn set(&mut self, name: &str, value: &str) {
        self.environment.retain(|(other, _)| other != name);
        self.environment.push((name.to_owned(), value.to_owned()));
    }

    /// Runs what is run from now on as this user.
    pub(crate) fn run_as(&mut self, user: u32) {
        self.user = Some(user);
    }

    /// A variable that was set.
    pub(crate) fn variable(&self, name: &str) -> &str {
        let found = self.environment.iter().find(|(other, _)| other == name);
        found.map(|(_, value)| value.as_str()).unwrap()
    }

    /// A path in the folder.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Writes a file, and the folders it is in.
    pub(crate) fn write(&self, name: &str, text: &str) {
        let path = self.path(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    /// The binary with arguments, in the folder, with no `TOKEND_*` variable but ours. It ends with the test.
    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_tokend"));
        for (name, _) in std::env::vars_os() {
            if name.to_string_lossy().starts_with("TOKEND_") {
                command.env_remove(name);
            }
        }
        command
            .args(arguments)
            .current_dir(self.folder.path())
            .envs(self.environment.iter().cloned())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true);
        if let Some(user) = self.user {
            command.uid(user).gid(user);
        }
        command
    }

    /// Runs the binary to its end.
    pub(crate) async fn run(&self, arguments: &[&str]) -> Ran {
        let running = self.command(arguments).output();
        let output = timeout(PATIENCE, running).await;
        Ran::of(
            output
                .unwrap_or_else(|_| panic!("{arguments:?} does not end"))
                .unwrap(),
        )
    }

    /// Runs the binary to its end, which has to be a good one.
    pub(crate) async fn succeed(&self, arguments: &[&str]) -> Ran {
        let ran = self.run(arguments).await;
        assert_eq!(ran.code, 0, "{arguments:?}: {ran:?}");
        ran
    }

    /// Makes a key file where there is none, an operator and a server, and lets the operator speak from now on.
    pub(crate) async fn serve(&mut self) -> Served {
        if !self.path("tokend.key").exists() {
            self.succeed(&["keys", "generate"]).await;
        }
        let added = self
            .succeed(&["callers", "add", "ops", "--role", "operator"])
            .await;
        self.set("TOKEND_API_KEY", added.stdout.trim());
        let served = Served::start(self).await;
        self.set("TOKEND_ENDPOINT", &served.endpoint);
        served
    }
}

impl Ran {
    /// What a finished process left.
    pub(crate) fn of(output: Output) -> Self {
        Self {
            code: output.status.code().unwrap_or(-1),
            stdout: String::from_utf8(output.stdout).unwrap(),
            stderr: String::from_utf8(output.stderr).unwrap(),
        }
    }

    /// Stdout as JSON.
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.stdout).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }
}

impl Served {
    /// Runs `tokend serve` until it says that it is ready.
    pub(crate) async fn start(home: &Home) -> Self {
        let mut child = home
            .command(&["serve"])
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        let logs = BufReader::new(child.stderr.take().unwrap()).lines();
        let mut served = Self {
            child,
            logs,
            endpoint: String::new(),
            operations: String::new(),
        };
        let ready = served.logged("tokend is ready").await;
        let address = |listener: &str| format!("http://{}", ready[listener].as_str().unwrap());
        (served.endpoint, served.operations) = (address("grpc"), address("operations"));
        served
    }

    /// Waits for a log line and answers its fields.
    pub(crate) async fn logged(&mut self, message: &str) -> Value {
        let mut before = Vec::new();
        let find = async {
            while let Some(line) = self.logs.next_line().await.unwrap() {
                if let Ok(Value::Object(mut entry)) = serde_json::from_str(&line)
                    && entry["fields"]["message"] == message
                {
                    return entry.remove("fields");
                }
                before.push(line);
            }
            None
        };
        let found = timeout(PATIENCE, find).await.unwrap_or_default();
        found.unwrap_or_else(|| panic!("{message:?} was not logged, but {before:?}"))
    }

    /// Its process.
    pub(crate) fn process_id(&self) -> u32 {
        self.child.id().unwrap()
    }

    /// Sends a signal by its name.
    pub(crate) async fn signal(&self, name: &str) {
        signal(&self.child, name).await;
    }

    /// Whether it still runs.
    pub(crate) fn is_running(&mut self) -> bool {
        self.child.try_wait().unwrap().is_none()
    }

    /// Waits for its end and answers the exit code.
    pub(crate) async fn ended(mut self) -> i32 {
        let status = timeout(PATIENCE, self.child.wait()).await;
        status.expect("it ends").unwrap().code().unwrap_or(-1)
    }
}

/// Sends a signal by its name, such as `TERM`.
pub(crate) async fn signal(child: &Child, name: &str) {
    let id = child.id().unwrap().to_string();
    let sent = Command::new("kill")
        .args(["-s", name, &id])
        .status()
        .await
        .unwrap();
    assert!(sent.success(), "kill -s {name} {id}: {sent}");
}
