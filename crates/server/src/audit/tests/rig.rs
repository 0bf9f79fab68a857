//! Vends minus records is 0: with sinks that fail and hang, and processes that are killed. `VENDS=1000000` makes it
//! longer.

use std::{
    collections::HashSet,
    env, fs,
    io::{BufRead, BufReader, Write},
    path::Path,
    process::{Command, Stdio},
    sync::atomic::{AtomicBool, AtomicU64, Ordering},
    time::Instant,
};

use tokio::task::JoinSet;

use super::{Home, config, fifo, until, vend, *};
use crate::{
    clock::SystemClock,
    wire_up::{open_storage, read_keyring},
};

/// Where a process that is to be killed has its trail.
const CHILD: &str = "AUDIT_RIG_HOME";
const CALLERS: u64 = 64;

fn vends() -> u64 {
    let vends = env::var("VENDS").ok().and_then(|text| text.parse().ok());
    vends.unwrap_or(20_000)
}

/// Records so many vends by many callers at once; answers the ids of those that were on record when they were answered.
async fn record(audit: &Arc<Audit>, count: u64) -> Vec<String> {
    let begun = Arc::new(AtomicU64::new(0));
    let mut callers = JoinSet::new();
    for _ in 0..CALLERS {
        let (audit, begun) = (audit.clone(), begun.clone());
        callers.spawn(async move {
            let mut recorded = Vec::new();
            while begun.fetch_add(1, Ordering::Relaxed) < count {
                let vend = vend();
                let id = vend.id.clone();
                if audit.record(vend).await.is_ok() {
                    recorded.push(id);
                }
            }
            recorded
        });
    }
    callers.join_all().await.into_iter().flatten().collect()
}

fn ids(text: &str) -> impl Iterator<Item = String> {
    text.lines()
        .filter_map(|line| serde_json::from_str::<Record<'_>>(line).ok())
        .map(|record| record.id.into_owned())
}

/// The ids in all files of a folder that hold records, and in the database.
async fn on_record(home: &Path, trail: &dyn AuditTrail) -> HashSet<String> {
    let mut found = HashSet::new();
    for file in fs::read_dir(home).expect("the folder") {
        let path = file.expect("a file").path();
        let is_file = fs::metadata(&path).is_ok_and(|metadata| metadata.is_file());
        if is_file && path.to_string_lossy().contains("audit") {
            found.extend(ids(&fs::read_to_string(path).expect("lines")));
        }
    }
    let filter = AuditFilter {
        oldest_first: true,
        ..AuditFilter::default()
    };
    let workspace = WorkspaceName::default_workspace();
    let mut after = None;
    loop {
        let page = trail.list(&workspace, &filter, after, 1000).await;
        let page = page.expect("the database's trail");
        let Some(last) = page.last() else {
            return found;
        };
        after = Some(last.sequence);
        found.extend(page.iter().flat_map(|record| ids(&record.line)));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_vend_is_on_record_whatever_happens_to_the_sinks() {
    let mut home = Home::new(&[AuditSink::File, AuditSink::Database]).await;
    home.config.audit.sink_timeout_seconds = 1;
    let audit = Arc::new(home.start().await.expect("a trail"));
    let (file, folder) = (home.config.audit.file.clone(), home.folder.path());
    let part = vends() / 5;
    let mut vended = Vec::new();

    let started = Instant::now();
    vended.extend(record(&audit, part).await);
    let each = started.elapsed().as_secs_f64() * 1e6 / part as f64;
    let alone = Instant::now();
    for _ in 0..1000 {
        audit.record(vend()).await.expect("on record");
    }
    let alone = alone.elapsed().as_secs_f64() * 1e6 / 1000.0;

    // The file is moved away, and nothing can be written where it was.
    let replace = |number: u32, with: &dyn Fn(&Path)| {
        let aside = folder.join(format!("aside-{number}"));
        with(&aside);
        fs::rename(&file, folder.join(format!("audit.{number}"))).expect("moved");
        fs::rename(aside, &file).expect("moved");
    };
    replace(1, &|path| {
        std::os::unix::fs::symlink("/dev/full", path).expect("a link");
    });
    vended.extend(record(&audit, part).await);
    until("the full disk is noticed", || {
        !audit.sinks[0].health.is_good()
    })
    .await;
    vended.extend(record(&audit, part / 2).await);

    // It hangs: a pipe that is full, since nobody reads.
    fs::remove_file(&file).expect("removed");
    fifo(&file);
    let reading = Arc::new(AtomicBool::new(true));
    let pipe = fs::OpenOptions::new()
        .read(true)
        .write(true)
        .open(&file)
        .expect("the pipe");
    until("the pipe takes records", || audit.sinks[0].health.is_good()).await;
    vended.extend(record(&audit, part).await);
    assert!(!audit.sinks[0].health.is_good(), "the pipe is full");
    let reader = std::thread::Builder::new().spawn({
        let (reading, copy) = (reading.clone(), folder.join("audit.pipe"));
        move || {
            let mut copy = fs::File::create(copy).expect("a copy");
            for line in BufReader::new(pipe).lines() {
                let line = line.expect("a line");
                writeln!(copy, "{line}").expect("copied");
                if !reading.load(Ordering::Relaxed) && line.contains("last-of-the-pipe") {
                    return;
                }
            }
        }
    });
    until("the pipe takes records again", || {
        audit.sinks[0].health.is_good()
    })
    .await;
    vended.extend(record(&audit, part / 2).await);
    reading.store(false, Ordering::Relaxed);
    let mut last = vend();
    last.reason = "last-of-the-pipe".to_owned();
    audit.record(last).await.expect("on record");
    reader.expect("a reader").join().expect("read");

    vended.extend(record(&audit, part).await);
    audit.close().await;
    let recorded = on_record(folder, &*home.storage).await;
    let missing = vended.iter().filter(|id| !recorded.contains(*id)).count();
    assert!(vended.len() as u64 >= part * 4, "{} of them", vended.len());
    assert_eq!(missing, 0, "of {} vends", vended.len());
    println!(
        "rig-audit sinks: {} vends, vends - records = {missing}; a record costs {each:.1} µs among {CALLERS} callers, {alone:.1} µs alone",
        vended.len()
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn every_vend_is_on_record_whenever_the_process_is_killed() {
    let home = Home::new(&[AuditSink::File, AuditSink::Database]).await;
    let folder = home.folder.path();
    let (kills, each) = ((vends() / 4000).clamp(5, 200), 400);
    let mut vended = Vec::new();
    for _ in 0..kills {
        let mut child = Command::new(env::current_exe().expect("this program"))
            .args([
                "--exact",
                "audit::tests::rig::a_process_to_be_killed",
                "--ignored",
                "--nocapture",
            ])
            .env(CHILD, folder)
            .stdout(Stdio::piped())
            .spawn()
            .expect("a process");
        let lines = BufReader::new(child.stdout.take().expect("its output")).lines();
        let before = vended.len();
        let after = spread(before as u64) % each;
        let mut killed = false;
        // What it had said before it died is read to the end.
        for line in lines {
            let line = line.expect("a line");
            vended.extend(line.strip_prefix("vended ").map(str::to_owned));
            if !killed && (vended.len() - before) as u64 > after {
                child.kill().expect("killed");
                killed = true;
            }
        }
        child.wait().expect("ended");
    }
    // The next one mends what the last left.
    home.start().await.expect("a trail").close().await;
    let recorded = on_record(folder, &*home.storage).await;
    // The last line of a killed process may be cut short: such an id is no id.
    let whole = vended.iter().filter(|id| id.len() == 36);
    let missing: Vec<_> = whole.filter(|id| !recorded.contains(*id)).collect();
    assert_eq!(missing, [""; 0], "of {} vends", vended.len());
    let verified = verify_audit_files(
        &home.config,
        std::slice::from_ref(&home.config.audit.file),
        true,
    )
    .await;
    let verified = verified.expect("readable");
    assert_eq!(verified.findings, []);
    assert!(vended.len() as u64 >= kills, "{} vends", vended.len());
    println!(
        "rig-audit kills: {kills} kills, {} vends, vends - records = 0; {} torn lines mended",
        vended.len(),
        verified.notes.len()
    );
}

/// Spread out, and the same each time.
fn spread(seed: u64) -> u64 {
    (seed + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 33
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "a process of the test above"]
async fn a_process_to_be_killed() {
    let Some(folder) = env::var_os(CHILD) else {
        return;
    };
    let config = config(folder.as_ref(), &[AuditSink::File, AuditSink::Database]);
    let storage = Arc::new(open_storage(&config).await.expect("the database"));
    let keyring = Arc::new(read_keyring(&config).expect("the key"));
    let clock = Arc::new(SystemClock);
    let audit = Audit::start(&config.audit, keyring, storage, clock, catalogue()).await;
    let audit = Arc::new(audit.expect("a trail"));
    let mut callers = JoinSet::new();
    for _ in 0..8 {
        let audit = audit.clone();
        callers.spawn(async move {
            loop {
                let vend = vend();
                let id = vend.id.clone();
                audit.record(vend).await.expect("on record");
                println!("vended {id}");
            }
        });
    }
    callers.join_all().await;
}
