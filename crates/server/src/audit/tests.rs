//! The room as a whole: real files, a real database.

mod refusing;
mod rig;

use std::{fs, path::PathBuf, process::Command, time::Instant};

use tempfile::TempDir;
use tokend_catalog::Catalogue;
use tokend_keyring::generate_key_file;
use tokend_model::Generation;
use tokend_storage::Storage;

use super::{event::event, file::LinesError, *};
use crate::{
    clock::SystemClock,
    config::{AuditSync, Config},
    wire_up::{open_storage, read_keyring},
};

/// A folder with a key, a database and a trail.
struct Home {
    config: Config,
    storage: Arc<Storage>,
    folder: TempDir,
}

impl Home {
    async fn new(sinks: &[AuditSink]) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let config = config(folder.path(), sinks);
        generate_key_file(&config.keys.file).expect("a key");
        let storage = open_storage(&config).await.expect("a database");
        storage.migrate().await.expect("tables");
        Self {
            config,
            storage: Arc::new(storage),
            folder,
        }
    }

    async fn start(&self) -> Result<Audit, StartError> {
        let keyring = Arc::new(read_keyring(&self.config).expect("the key"));
        let clock = Arc::new(SystemClock);
        let storage = self.storage.clone();
        Audit::start(&self.config.audit, keyring, storage, clock, catalogue()).await
    }

    fn file(&self) -> &PathBuf {
        &self.config.audit.file
    }

    fn lines(&self) -> Vec<String> {
        let text = fs::read_to_string(self.file()).expect("the trail");
        text.lines().map(str::to_owned).collect()
    }

    fn write(&self, lines: &[String]) {
        let text: String = lines.iter().map(|line| format!("{line}\n")).collect();
        fs::write(self.file(), text).expect("the trail");
    }

    async fn verify(&self) -> AuditVerification {
        verify_audit_files(&self.config, &[self.file().clone()], true)
            .await
            .expect("a readable trail")
    }

    async fn verify_database(&self) -> AuditVerification {
        verify_audit_database(&self.config, "default")
            .await
            .expect("a readable trail")
    }
}

fn catalogue() -> Arc<Catalogue> {
    Arc::new(Catalogue::embedded().expect("a catalogue"))
}

fn config(folder: &std::path::Path, sinks: &[AuditSink]) -> Config {
    let mut config = Config::defaults().expect("the defaults");
    config.database.url = format!("sqlite://{}?mode=rwc", folder.join("t.db").display());
    config.keys.file = folder.join("tokend.key");
    config.audit.file = folder.join("audit.jsonl");
    config.audit.sinks = sinks.to_vec();
    config.audit.sync = AuditSync::Second;
    config
}

fn vend() -> AuditEvent {
    let workspace = WorkspaceName::default_workspace();
    let mut vend = event(
        SystemClock.now(),
        &workspace,
        AuditAction::Vend,
        AuditOutcome::Succeeded,
    );
    vend.actor.caller = "calendar-backend".to_owned();
    vend.subject.connection_id = "connection".to_owned();
    vend.subject.generation = Some(Generation(1));
    vend
}

fn act() -> AuditEvent {
    AuditEvent {
        action: AuditAction::ConnectorCreate,
        ..vend()
    }
}

fn whats(verification: &AuditVerification) -> Vec<&str> {
    let findings = verification.findings.iter();
    findings.map(|finding| finding.what.as_str()).collect()
}

/// Waits for what a sink does by itself.
async fn until(what: &str, mut condition: impl FnMut() -> bool) {
    let started = Instant::now();
    while !condition() {
        assert!(
            started.elapsed() < Duration::from_secs(30),
            "in vain: {what}"
        );
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

fn fifo(path: &std::path::Path) {
    let made = Command::new("mkfifo").arg(path).status().expect("mkfifo");
    assert!(made.success());
}

#[tokio::test(flavor = "multi_thread")]
async fn whatever_is_done_to_the_file_is_found() {
    let home = Home::new(&[AuditSink::File]).await;
    let audit = home.start().await.expect("a trail");
    for _ in 0..10 {
        audit.record(vend()).await.expect("on record");
    }
    audit.close().await;
    let verified = home.verify().await;
    assert_eq!(verified.findings, []);
    assert_eq!(verified.records, 11, "and the record of its beginning");
    let first = verified.first.map(|(sequence, _)| sequence);
    let last = verified.last.map(|(sequence, _)| sequence);
    assert_eq!((first, last), (Some(1), Some(11)));

    let whole = home.lines();
    let other = Home::new(&[AuditSink::File]).await;
    let other_key = Sealer::new(Arc::new(read_keyring(&other.config).expect("a key")));
    let resealed = |line: &str| {
        let record: Record<'_> = serde_json::from_str(line).expect("a record");
        let place = AuditPlace {
            stream: record.stream.to_string(),
            sequence: record.sequence,
            previous_hash: record.previous_hash.to_string(),
        };
        let sealed = other_key.as_ref().expect("a key").seal(&vend(), &place);
        let own_id = read_keyring(&home.config).expect("the key");
        let other_id = read_keyring(&other.config).expect("the key");
        let line = sealed.expect("a record").line;
        line.replace(other_id.primary_key_id(), own_id.primary_key_id())
    };
    type Tamper<'t> = &'t dyn Fn(&mut Vec<String>);
    let tampered: [(&str, Tamper<'_>, &str); 9] = [
        (
            "the hash before",
            &|lines| {
                let before: Record<'_> = serde_json::from_str(&lines[4]).expect("a record");
                let before = before.previous_hash.to_string();
                lines[4] = lines[4].replace(&before, &"0".repeat(before.len()));
            },
            "hash is wrong",
        ),
        (
            "removed",
            &|lines| drop(lines.remove(4)),
            "1 missing between them",
        ),
        ("first removed", &|lines| drop(lines.remove(0)), "before it"),
        (
            "changed",
            &|lines| lines[4] = lines[4].replace("calendar", "Calendar"),
            "hash is wrong",
        ),
        ("swapped", &|lines| lines.swap(4, 5), "missing"),
        (
            "inserted",
            &|lines| lines.insert(6, lines[3].clone()),
            "moved or added",
        ),
        ("truncated", &|lines| lines.truncate(8), "cut off"),
        (
            "resealed",
            &|lines| lines[4] = resealed(&lines[4]),
            "hash is wrong",
        ),
        (
            "a foreign line",
            &|lines| lines.insert(2, "{}".to_owned()),
            "no record",
        ),
    ];
    for (how, tamper, expected) in tampered {
        let mut lines = whole.clone();
        tamper(&mut lines);
        home.write(&lines);
        let verified = home.verify().await;
        let found = whats(&verified);
        assert!(
            found.iter().any(|what| what.contains(expected)),
            "{how}: {found:?}"
        );
    }
    // One change is told once, and not as if all that follows were wrong.
    let mut lines = whole.clone();
    lines[4] = lines[4].replace("calendar", "Calendar");
    home.write(&lines);
    let verified = home.verify().await;
    assert_eq!(verified.findings.len(), 1, "{:?}", verified.findings);
    assert_eq!(verified.findings[0].line, Some(5));
    assert_eq!(verified.records, 10);
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_that_callers_send_makes_or_changes_a_record() {
    let home = Home::new(&[AuditSink::File]).await;
    let audit = home.start().await.expect("a trail");
    let corpus = [
        "\r\n{\"sequence\":1}\r\n",
        "\n",
        "\u{1b}[2J\u{1b}[1;1Hok",
        "\",\"hash\":\"00\"}",
        "{\"a\":[1,2]}",
        "\0\u{7f}\u{85}\u{2028}\u{2029}\u{feff}",
        "\u{202e}drowssap",
        "\u{9b}2J",
        "\\\\\\\"",
        "é漢字🦀",
    ];
    let mut sent = Vec::new();
    for text in corpus {
        let mut event = vend();
        let (actor, subject) = (&mut event.actor, &mut event.subject);
        for field in [
            &mut event.reason,
            &mut actor.caller,
            &mut actor.credential_id,
            &mut actor.app_user_id,
            &mut actor.app_user_issuer,
            &mut actor.trace_id,
            &mut subject.integration_type,
            &mut subject.connector_id,
            &mut subject.connection_id,
            &mut subject.authorization_id,
        ] {
            text.clone_into(field);
        }
        event.scopes = vec![text.to_owned(), text.to_owned()];
        event.policy_ids = vec![text.to_owned()];
        event.details = [(text.to_owned(), text.to_owned())].into();
        audit.record(event.clone()).await.expect("on record");
        // As an administrative act it goes into the database's columns as well.
        event.action = AuditAction::ConnectorCreate;
        audit.record(event).await.expect("on record");
        sent.extend([text, text]);
    }
    let mut huge = vend();
    huge.subject.integration_type = "x".repeat(1 << 20);
    huge.scopes = vec!["s".repeat(1 << 16); 1000];
    audit.record(huge).await.expect("on record");
    audit.close().await;
    assert_eq!(home.verify().await.findings, []);
    assert_eq!(home.verify_database().await.findings, []);
    let lines = home.lines();
    assert_eq!(lines.len(), 1 + sent.len() + 1);
    for (line, text) in lines[1..].iter().zip(sent) {
        let steers = |letter: char| letter.is_control() || letter == '\u{202e}';
        assert!(!line.contains(steers), "{line}");
        let record: Record<'_> = serde_json::from_str(line).expect("a record");
        for field in [
            &record.reason,
            &record.caller,
            &record.credential_id,
            &record.app_user_id,
            &record.app_user_issuer,
            &record.trace_id,
            &record.integration_type,
            &record.connector_id,
            &record.connection_id,
            &record.authorization_id,
        ] {
            assert_eq!(field, text);
        }
        assert_eq!(*record.scopes, [text, text]);
        assert_eq!(record.details.get(text).map(String::as_str), Some(text));
    }
    assert!(lines.last().is_some_and(|line| line.len() < 100_000));
    let acts = home
        .storage
        .list(
            &WorkspaceName::default_workspace(),
            &AuditFilter::default(),
            None,
            100,
        )
        .await;
    let acts = acts.expect("the database's trail");
    let acts = acts
        .iter()
        .filter(|act| act.line.contains("CONNECTOR_CREATE"));
    assert_eq!(acts.count(), corpus.len());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_disk_costs_nothing_but_the_sink() {
    let mut home = Home::new(&[AuditSink::File, AuditSink::Database]).await;
    home.config.audit.file = "/dev/full".into();
    let audit = home.start().await.expect("a trail");
    audit
        .record(vend())
        .await
        .expect("on record in the database");
    audit.check().expect("one sink is left");
    audit.close().await;
    let verified = home.verify_database().await;
    assert_eq!((verified.findings, verified.records), (Vec::new(), 1));

    home.config.audit.sinks = vec![AuditSink::File];
    let audit = home.start().await.expect("a trail");
    let refused = audit.record(vend()).await;
    assert!(matches!(refused, Err(Failure::AuditUnavailable)));
    assert!(matches!(audit.check(), Err(Failure::AuditUnavailable)));
    audit.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sink_that_hangs_costs_its_limit_once_and_is_used_again_when_it_moves() {
    let mut home = Home::new(&[AuditSink::File]).await;
    home.config.audit.sink_timeout_seconds = 1;
    let audit = home.start().await.expect("a trail");
    audit.record(vend()).await.expect("on record");
    let file = home.file().clone();
    fs::rename(&file, home.folder.path().join("audit.1")).expect("moved");
    fifo(&file);
    // Within a second it is noticed, and from then on opening the pipe hangs.
    let mut longest = Duration::ZERO;
    let started = Instant::now();
    loop {
        let asked = Instant::now();
        let recorded = audit.record(vend()).await;
        longest = longest.max(asked.elapsed());
        if recorded.is_err() {
            break;
        }
        assert!(started.elapsed() < Duration::from_secs(20));
        tokio::task::yield_now().await;
    }
    assert!(longest >= Duration::from_millis(900), "{longest:?}");
    assert!(longest < Duration::from_millis(1900), "{longest:?}");
    let asked = Instant::now();
    for _ in 0..100 {
        assert!(audit.record(vend()).await.is_err());
    }
    assert!(
        asked.elapsed() < Duration::from_millis(500),
        "the others pay nothing"
    );

    let reader = tokio::task::spawn_blocking({
        let file = file.clone();
        move || fs::read_to_string(file)
    });
    until("the pipe takes records", || audit.check().is_ok()).await;
    audit.record(vend()).await.expect("on record");
    audit.close().await;
    let read = reader.await.expect("a reader").expect("lines");
    let last: Record<'_> =
        serde_json::from_str(read.lines().last().expect("lines")).expect("a record");
    assert_eq!(last.action, "VEND");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_torn_last_line_is_cut_off_and_the_chain_goes_on() {
    let home = Home::new(&[AuditSink::File]).await;
    let audit = home.start().await.expect("a trail");
    audit.record(vend()).await.expect("on record");
    audit.close().await;
    let mut text = fs::read_to_string(home.file()).expect("the trail");
    text.push_str("{\"stream\":\"01");
    fs::write(home.file(), &text).expect("torn");
    assert_eq!(whats(&home.verify().await), ["it is not whole"]);
    let audit = home.start().await.expect("a trail");
    audit.record(vend()).await.expect("on record");
    audit.close().await;
    let verified = home.verify().await;
    assert_eq!((verified.findings, verified.records), (Vec::new(), 4));
    let notes: Vec<_> = verified.notes.iter().map(|note| &note.what).collect();
    assert!(notes[0].starts_with("13 bytes"), "{notes:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_is_not_ours_is_left_as_it_is() {
    let home = Home::new(&[AuditSink::File]).await;
    for foreign in [
        "precious",
        "[section]\nkey = 1\n",
        "{\"streams\":[]}\n",
        "\0\0",
    ] {
        fs::write(home.file(), foreign).expect("a file");
        let Err(refused) = home.start().await else {
            panic!("{foreign:?} was taken for a trail");
        };
        assert!(refused.to_string().contains("audit.file"), "{refused}");
        assert_eq!(fs::read_to_string(home.file()).expect("a file"), foreign);
    }
    let files = fs::read_dir(home.folder.path()).expect("the folder");
    let moved = files
        .filter_map(Result::ok)
        .any(|file| file.file_name().to_string_lossy().contains("set-aside"));
    assert!(!moved);
    // What a crash leaves of the very first record is ours.
    fs::write(home.file(), "{\"stre").expect("a file");
    home.start().await.expect("a trail").close().await;
    assert_eq!(home.verify().await.findings, []);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_follows_a_chain_is_cut_off_only_if_a_crash_can_have_left_it() {
    for (fragment, is_cut) in [
        ("{\"stream\":\"01", true),
        ("{", true),
        ("\0\0\0", true),
        ("precious", false),
    ] {
        let home = Home::new(&[AuditSink::File]).await;
        home.start().await.expect("a trail").close().await;
        let text = fs::read_to_string(home.file()).expect("the trail") + fragment;
        fs::write(home.file(), &text).expect("written");
        home.start().await.expect("a trail").close().await;
        let kept = fs::read_dir(home.folder.path()).expect("the folder");
        let kept = kept
            .filter_map(Result::ok)
            .any(|file| fs::read_to_string(file.path()).is_ok_and(|found| found == text));
        assert_eq!(!kept, is_cut, "{fragment:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_trail_whose_end_was_changed_is_set_aside_and_not_gone_on_with() {
    let home = Home::new(&[AuditSink::File]).await;
    let audit = home.start().await.expect("a trail");
    audit.record(vend()).await.expect("on record");
    audit.close().await;
    let text = fs::read_to_string(home.file()).expect("the trail");
    fs::write(home.file(), text.replace("calendar", "Calendar")).expect("changed");
    let audit = home.start().await.expect("a trail");
    audit.close().await;
    let verified = home.verify().await;
    assert_eq!(verified.records, 1, "a new chain");
    assert!(whats(&verified)[0].contains("set aside"), "{verified:?}");
    let files = fs::read_dir(home.folder.path()).expect("the folder");
    let aside = files.filter_map(Result::ok).find(|file| {
        let name = file.file_name();
        name.to_string_lossy().contains("set-aside")
    });
    let aside = fs::read_to_string(aside.expect("the old file").path()).expect("its text");
    assert!(aside.contains("Calendar"));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_end_cut_off_while_nobody_looked_is_on_record_ever_after() {
    let home = Home::new(&[AuditSink::File]).await;
    let audit = home.start().await.expect("a trail");
    for _ in 0..5 {
        audit.record(vend()).await.expect("on record");
    }
    audit.close().await;
    let mut lines = home.lines();
    lines.truncate(3);
    home.write(&lines);
    let audit = home.start().await.expect("a trail");
    for _ in 0..20 {
        audit.record(vend()).await.expect("on record");
    }
    audit.close().await;
    let verified = home.verify_database().await;
    assert!(
        whats(&verified)[0].contains("missing at the end"),
        "{verified:?}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_was_moved_away_is_followed_by_another() {
    let home = Home::new(&[AuditSink::File]).await;
    let audit = home.start().await.expect("a trail");
    audit.record(vend()).await.expect("on record");
    let moved = home.folder.path().join("audit.jsonl.1");
    fs::rename(home.file(), &moved).expect("moved");
    until("a new file", || home.file().exists()).await;
    audit.record(vend()).await.expect("on record");
    audit.close().await;
    let both = [moved.clone(), home.file().clone()];
    let verified = verify_audit_files(&home.config, &both, true).await;
    let verified = verified.expect("readable");
    assert_eq!((verified.findings, verified.records), (Vec::new(), 4));
    // The new one alone is good too, and says that there is another; the old one alone is not all there is.
    let verified = home.verify().await;
    assert_eq!(verified.findings, []);
    assert!(verified.notes[0].what.contains("goes on from record 2"));
    let verified = verify_audit_files(&home.config, &[moved], true).await;
    assert_eq!(verified.expect("readable").findings.len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn two_do_not_write_to_one_file() {
    let home = Home::new(&[AuditSink::File]).await;
    let audit = home.start().await.expect("a trail");
    let Err(refused) = home.start().await else {
        panic!("two write to one file");
    };
    assert!(refused.to_string().contains("audit.file"), "{refused}");
    assert!(matches!(
        refused,
        StartError::AuditFile {
            source: LinesError::Shared(_),
            ..
        }
    ));
    audit.close().await;
    home.start().await.expect("it is free again").close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_databases_chain_has_no_gap_whoever_appends_and_says_what_is_gone() {
    let home = Home::new(&[AuditSink::Database]).await;
    let (one, other) = (home.start().await, home.start().await);
    let (one, other) = (one.expect("a trail"), other.expect("a trail"));
    let both = (0..20).map(|_| async {
        one.record(act()).await.expect("on record");
        other.record(vend()).await.expect("on record");
    });
    futures::future::join_all(both).await;
    let verified = home.verify_database().await;
    assert_eq!((verified.findings, verified.records), (Vec::new(), 40));

    let old = AuditEvent {
        time: SystemClock.now() - chrono::TimeDelta::days(10),
        ..act()
    };
    let workspace = WorkspaceName::new("old").expect("a name");
    for _ in 0..3 {
        let workspace = workspace.clone();
        let old = AuditEvent {
            workspace,
            ..old.clone()
        };
        one.record(old).await.expect("on record");
    }
    one.record(AuditEvent {
        workspace: workspace.clone(),
        ..act()
    })
    .await
    .expect("on record");
    let keep = chrono::TimeDelta::days(5);
    assert_eq!(one.purge(keep).await.expect("purged"), 3);
    assert_eq!(one.purge(keep).await.expect("purged"), 0);
    let verified = verify_audit_database(&home.config, "old")
        .await
        .expect("readable");
    assert_eq!((verified.findings, verified.records), (Vec::new(), 2));
    let gone = home.storage.remove_through(&workspace, 4).await;
    assert_eq!(gone.expect("removed"), 1);
    let verified = verify_audit_database(&home.config, "old")
        .await
        .expect("readable");
    assert!(
        whats(&verified)[0].contains("no record says why"),
        "{verified:?}"
    );
    let gone = home.storage.remove_through(&workspace, 5).await;
    assert_eq!(gone.expect("removed"), 1);
    let verified = verify_audit_database(&home.config, "old")
        .await
        .expect("readable");
    assert!(
        whats(&verified)[0].contains("had come to 5"),
        "{verified:?}"
    );
    one.close().await;
    other.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_happens_often_is_told_by_the_minute_and_an_act_at_once() {
    let home = Home::new(&[AuditSink::File]).await;
    let audit = home.start().await.expect("a trail");
    for _ in 0..7 {
        audit.record(vend()).await.expect("on record");
    }
    audit.record(act()).await.expect("on record");
    let list = async || {
        let workspace = WorkspaceName::default_workspace();
        let filter = AuditFilter {
            oldest_first: true,
            ..AuditFilter::default()
        };
        let listed = home.storage.list(&workspace, &filter, None, 10).await;
        let listed = listed.expect("the database's trail");
        listed
            .into_iter()
            .map(|record| record.line)
            .collect::<Vec<_>>()
    };
    let listed = list().await;
    assert_eq!(listed.len(), 1);
    assert!(listed[0].contains("CONNECTOR_CREATE"));
    audit.close().await;
    let listed = list().await;
    assert_eq!(listed.len(), 2);
    assert!(listed[1].contains("\"count\":\"7\""), "{}", listed[1]);
}
