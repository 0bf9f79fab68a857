//! What is in the server's memory stays there: no core dump, no look into it from outside, no panic that tells it.

use std::{
    fs,
    os::unix::fs::{MetadataExt, chown},
    panic,
    process::Command,
};

use crate::home::{Home, Served};

/// Somebody without rights (65534 is "nobody"): to root everything of everybody looks alike.
const NOBODY: u32 = 65534;

#[tokio::test]
async fn a_server_leaves_no_core_and_cannot_be_looked_into() {
    let mut home = Home::new();
    let root = fs::metadata("/proc/self").unwrap().uid() == 0;
    if root {
        home.run_as(NOBODY);
        chown(home.path(""), Some(NOBODY), Some(NOBODY)).unwrap();
    }
    home.succeed(&["keys", "generate"]).await;
    let served = Served::start(&home).await;
    let process = served.process_id();
    let limits = fs::read_to_string(format!("/proc/{process}/limits")).unwrap();
    let core = limits
        .lines()
        .find(|line| line.starts_with("Max core file size"));
    let core: Vec<_> = core.unwrap().split_whitespace().skip(4).take(2).collect();
    assert_eq!(core, ["0", "0"], "{limits}");
    // The kernel gives to root what belongs to a process that is not dumpable (proc(5)).
    let memory = fs::metadata(format!("/proc/{process}/mem")).unwrap();
    assert_eq!(memory.uid(), 0, "its memory can be read by its user");
    served.signal("TERM").await;
    assert_eq!(served.ended().await, 0);
}

/// Not a test of its own: it is run by the one below, as a process whose stderr is read.
#[test]
#[ignore = "run by the test below"]
fn panics_with_a_secret() {
    tokend_server::keep_secrets_in().unwrap();
    let secret = std::env::var("CANARY").unwrap();
    let panicked = panic::catch_unwind(|| panic!("the token is {secret}"));
    assert!(panicked.is_err());
    let thread = std::thread::Builder::new().name(String::from("worker"));
    let thread = thread.spawn(|| {
        // As an error that nobody handles is told.
        let secret = std::env::var("CANARY").unwrap();
        secret
            .parse::<u8>()
            .map_err(|error| (error, secret))
            .unwrap();
    });
    assert!(thread.unwrap().join().is_err());
}

#[test]
fn a_panic_does_not_tell_what_it_is_about() {
    let canary = format!("canary-{:016x}", fastrand::u64(..));
    let ran = Command::new(std::env::current_exe().unwrap())
        .args([
            "--exact",
            "hygiene::panics_with_a_secret",
            "--ignored",
            "--nocapture",
        ])
        .env("CANARY", &canary)
        .output()
        .unwrap();
    let stderr = String::from_utf8(ran.stderr).unwrap();
    assert!(ran.status.success(), "{stderr}");
    assert!(!stderr.contains(&canary), "{stderr}");
    assert!(!String::from_utf8_lossy(&ran.stdout).contains(&canary));
    let told: Vec<_> = stderr
        .lines()
        .filter(|line| line.contains("a panic at"))
        .collect();
    assert_eq!(told.len(), 2, "{stderr}");
    assert!(
        told.iter().all(|line| line.contains("hygiene.rs:")),
        "{stderr}"
    );
    assert!(told[1].contains("thread worker"), "{stderr}");
}
