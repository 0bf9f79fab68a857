//! The journal: what crashes leave is found again, by whoever may.

use std::{
    fs,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use futures::FutureExt;
use tempfile::TempDir;
use tokend_keyring::{Keyring, generate_key_line};
use tokend_model::{
    ConnectionId, Generation, RawTokenAnswer,
    ports::{Claim, Journal, JournalPage, JournaledAnswer},
};
use tokend_storage::FileJournal;

use crate::sample::{at, secret, workspace};

struct Disk {
    directory: TempDir,
    keyring: Arc<Keyring>,
}

impl Disk {
    fn new() -> Self {
        Self {
            directory: TempDir::new().unwrap(),
            keyring: keyring(),
        }
    }

    /// A process starts.
    fn start(&self) -> FileJournal {
        FileJournal::open(&self.path(), self.keyring.clone()).unwrap()
    }

    /// Made by the journal itself.
    fn path(&self) -> PathBuf {
        self.directory.path().join("state").join("journal")
    }

    fn pages(&self) -> Vec<PathBuf> {
        files(&self.path())
            .into_iter()
            .filter(|path| path.extension().is_some_and(|end| end == "page"))
            .collect()
    }
}

fn keyring() -> Arc<Keyring> {
    let (_, line) = generate_key_line().unwrap();
    Arc::new(Keyring::parse(line.expose()).unwrap())
}

fn files(directory: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(files(&path));
        } else {
            found.push(path);
        }
    }
    found
}

fn claim(connection: &str) -> Claim {
    Claim {
        workspace: workspace(),
        connection_id: ConnectionId::new(connection).unwrap(),
        epoch: 4,
        base: Generation(2),
    }
}

fn answer(seconds: i64) -> RawTokenAnswer {
    let body = format!(r#"{{"refresh_token":"{}"}}"#, secret().expose());
    RawTokenAnswer {
        status: 200,
        content_type: Some("application/json".to_owned()),
        body: body.into_bytes().into(),
        receive_time: at(seconds),
    }
}

async fn recorded(
    journal: &FileJournal,
    connection: &str,
    answer: &RawTokenAnswer,
) -> Box<dyn JournalPage> {
    let mut page = Journal::open(journal, &claim(connection)).await.unwrap();
    page.record(answer).await.unwrap();
    page
}

async fn left(journal: &FileJournal) -> Vec<JournaledAnswer> {
    journal.left_behind().await.unwrap()
}

#[tokio::test]
async fn what_a_dead_process_recorded_is_found_after_its_restart() {
    let disk = Disk::new();
    let (late, early) = (answer(20), answer(10));
    let dead = disk.start();
    let replica = dead.replica().to_owned();
    recorded(&dead, "conn_1", &late).await;
    recorded(&dead, "conn_2", &early).await;
    // It asked, and no answer came.
    Journal::open(&dead, &claim("conn_3")).await.unwrap();
    drop(dead);

    let journal = disk.start();
    assert_eq!(journal.replica(), replica);
    let found = left(&journal).await;
    let claims: Vec<&Claim> = found.iter().map(|one| &one.claim).collect();
    assert_eq!(claims, [&claim("conn_2"), &claim("conn_1")], "oldest first");
    assert_eq!((&found[0].answer, &found[1].answer), (&early, &late));
    assert_eq!(disk.pages().len(), 2, "the blank one is gone");
    assert!(left(&journal).await.is_empty(), "they are in hand");

    let mut found = found.into_iter();
    found.next().unwrap().page.discard().await;
    drop(found);
    let again = left(&journal).await;
    assert_eq!(again.len(), 1, "what nobody finished with is found again");
    for one in again {
        one.page.discard().await;
    }
    drop(journal);
    assert!(left(&disk.start()).await.is_empty());
    assert!(disk.pages().is_empty());
}

#[tokio::test]
async fn pages_in_use_are_nobody_elses() {
    let disk = Disk::new();
    let (one, other) = (disk.start(), disk.start());
    assert_ne!(one.replica(), other.replica());
    let page = recorded(&one, "conn_1", &answer(1)).await;
    assert!(left(&one).await.is_empty());
    assert!(left(&other).await.is_empty());
    drop(one);
    // Its process may be shutting down; its last page is still being worked with.
    assert!(left(&other).await.is_empty());
    drop(page);
    assert_eq!(left(&other).await.len(), 1);
}

#[tokio::test]
async fn a_folder_is_the_finders_as_long_as_it_works_with_its_pages() {
    let disk = Disk::new();
    let (dead, living) = (disk.start(), disk.start());
    let (first, second) = (dead.replica().to_owned(), living.replica().to_owned());
    drop(recorded(&dead, "conn_1", &answer(1)).await);
    drop(dead);
    let found = left(&living).await;
    assert_eq!(found.len(), 1);
    let third = disk.start();
    assert!(![&first, &second].contains(&&third.replica().to_owned()));
    assert!(left(&third).await.is_empty());
    for one in found {
        one.page.discard().await;
    }
    assert_eq!(disk.start().replica(), first);
}

#[tokio::test]
async fn the_last_answer_recorded_counts_whatever_its_length() {
    let disk = Disk::new();
    let long = RawTokenAnswer {
        body: vec![b'x'; 300_000].into(),
        ..answer(1)
    };
    let short = answer(2);
    for answers in [[&short, &long], [&long, &short]] {
        let journal = disk.start();
        let mut page = Journal::open(&journal, &claim("conn_1")).await.unwrap();
        for answer in answers {
            page.record(answer).await.unwrap();
        }
        drop((page, journal));
        let journal = disk.start();
        let mut found = left(&journal).await;
        let one = found.pop().unwrap();
        assert_eq!(&one.answer, answers[1]);
        one.page.discard().await;
    }
}

#[tokio::test]
async fn no_secret_is_on_the_disk_or_readable_by_others() {
    let disk = Disk::new();
    let answer = answer(1);
    let journal = disk.start();
    let _page = recorded(&journal, "conn_1", &answer).await;
    let token = String::from_utf8(answer.body[18..40].to_vec()).unwrap();
    for path in files(&disk.path()) {
        let bytes = fs::read(&path).unwrap();
        let found = bytes
            .windows(token.len())
            .any(|part| part == token.as_bytes());
        assert!(!found, "{}", path.display());
        #[cfg(unix)]
        for (path, expected) in [(path.as_path(), 0o600), (path.parent().unwrap(), 0o700)] {
            use std::os::unix::fs::PermissionsExt;
            let mode = fs::metadata(path).unwrap().permissions().mode();
            assert_eq!(mode & 0o777, expected, "{}", path.display());
        }
    }
}

#[tokio::test]
async fn a_page_moved_to_another_connection_does_not_open() {
    let disk = Disk::new();
    let journal = disk.start();
    drop(recorded(&journal, "conn_1", &answer(1)).await);
    drop(Journal::open(&journal, &claim("conn_2")).await.unwrap());
    drop(journal);
    let path = disk.pages().into_iter().find(|path| names(path, "conn_1"));
    let path = path.unwrap();
    let bytes = fs::read(&path).unwrap();
    let at = bytes.windows(6).position(|part| part == b"conn_1").unwrap();
    let mut moved = bytes.clone();
    moved[at + 5] = b'9';
    fs::write(&path, &moved).unwrap();
    let journal = disk.start();
    assert!(left(&journal).await.is_empty());
    assert_eq!(
        disk.pages(),
        std::slice::from_ref(&path),
        "what does not open stays"
    );
    fs::write(&path, bytes).unwrap();
    assert_eq!(left(&journal).await.len(), 1);
}

fn names(path: &Path, connection: &str) -> bool {
    let bytes = fs::read(path).unwrap();
    bytes.windows(6).any(|part| part == connection.as_bytes())
}

#[tokio::test]
async fn torn_strange_and_foreign_files_harm_nobody() {
    let disk = Disk::new();
    let journal = disk.start();
    drop(recorded(&journal, "conn_1", &answer(1)).await);
    drop(journal);
    let path = disk.pages().remove(0);
    let whole = fs::read(&path).unwrap();
    let folder = path.parent().unwrap();
    fs::write(folder.join("torn.page"), &whole[..200]).unwrap();
    fs::write(folder.join("strange.page"), "nothing of ours").unwrap();
    fs::write(folder.join("empty.page"), "").unwrap();
    fs::create_dir(folder.join("directory.page")).unwrap();
    fs::create_dir(disk.path().join("not-a-number")).unwrap();
    let foreign = FileJournal::open(&disk.path(), keyring()).unwrap();
    assert!(left(&foreign).await.is_empty(), "its keys open nothing");
    drop(foreign);
    let journal = disk.start();
    assert_eq!(left(&journal).await.len(), 1);
    assert!(folder.join("torn.page").exists() && folder.join("strange.page").exists());
    assert!(!folder.join("empty.page").exists());
}

#[tokio::test]
async fn what_is_set_aside_is_kept_for_a_day() {
    let disk = Disk::new();
    let unread = disk.path().join("unread");
    let journal = disk.start();
    for connection in ["conn_1", "conn_2"] {
        let page = recorded(&journal, connection, &answer(1)).await;
        page.set_aside().await;
        assert!(left(&journal).await.is_empty());
    }
    assert_eq!(files(&unread).len(), 2);
    let old = files(&unread).remove(0);
    let written = fs::metadata(&old).unwrap().modified().unwrap();
    let a_day_ago = written - Duration::from_secs(24 * 60 * 60 + 60);
    let file = fs::File::options().write(true).open(&old).unwrap();
    file.set_modified(a_day_ago).unwrap();
    recorded(&journal, "conn_3", &answer(1))
        .await
        .set_aside()
        .await;
    assert_eq!(files(&unread).len(), 2);
    assert!(!old.exists());
    for path in files(&unread) {
        let file = fs::File::options().write(true).open(path).unwrap();
        file.set_modified(a_day_ago).unwrap();
    }
    drop(journal);
    drop(disk.start());
    assert!(files(&unread).is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn recording_goes_on_when_its_caller_goes_away() {
    let disk = Disk::new();
    let (journal, answer) = (disk.start(), answer(1));
    let mut page = Journal::open(&journal, &claim("conn_1")).await.unwrap();
    assert!(page.record(&answer).now_or_never().is_none());
    drop((page, journal));
    // The folder is free as soon as the page is written.
    let patience = tokio::time::timeout(Duration::from_secs(20), async {
        loop {
            if let Some(found) = left(&disk.start()).await.pop() {
                return found;
            }
            tokio::task::yield_now().await;
        }
    });
    assert_eq!(patience.await.unwrap().answer, answer);
}

#[tokio::test]
async fn a_directory_that_cannot_be_made_is_an_error() {
    let disk = Disk::new();
    let file = disk.directory.path().join("state");
    fs::write(&file, "in the way").unwrap();
    let error = FileJournal::open(&disk.path(), disk.keyring.clone()).unwrap_err();
    assert_eq!(error.to_string(), "the journal cannot be opened");
}
