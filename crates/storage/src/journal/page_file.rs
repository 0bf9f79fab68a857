//! A page on the disk, in the hand of whoever works with it.

use std::{
    collections::HashSet,
    fs::{self, File},
    io::{self, Seek, SeekFrom, Write},
    path::{Path, PathBuf},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, SystemTime},
};

use super::folder::{Folder, make_directory, private_file};

/// The room that is taken on the disk in advance; token answers are rarely longer than a quarter of it.
const ROOM: usize = 16 * 1024;

/// How long a page that was set aside is kept.
const KEPT_ASIDE: Duration = Duration::from_secs(24 * 60 * 60);

/// The pages that this process works with at the moment; nobody takes the same page up twice.
#[derive(Debug, Clone, Default)]
pub(super) struct Desk(Arc<Mutex<HashSet<PathBuf>>>);

/// A page file, and with it its folder, until this is dropped.
#[derive(Debug)]
pub(super) struct PageFile {
    path: PathBuf,
    /// How long the lines are that name the attempt.
    header: u64,
    file: Mutex<File>,
    _in_hand: InHand,
    _folder: Arc<Folder>,
}

/// Takes a page off the desk when it is dropped.
#[derive(Debug)]
pub(super) struct InHand(Desk, PathBuf);

impl Desk {
    /// Takes a page up; `None` if somebody works with it.
    pub(super) fn take_up(&self, path: &Path) -> Option<InHand> {
        let is_free = locked(&self.0).insert(path.to_owned());
        is_free.then(|| InHand(self.clone(), path.to_owned()))
    }
}

impl Drop for InHand {
    fn drop(&mut self) {
        locked(&self.0.0).remove(&self.1);
    }
}

impl PageFile {
    /// Makes a page with its room on the disk, durably.
    pub(super) fn make(folder: &Arc<Folder>, desk: &Desk, header: &[u8]) -> io::Result<Self> {
        let path = folder.new_page();
        let in_hand = desk
            .take_up(&path)
            .ok_or_else(|| io::Error::from(io::ErrorKind::AlreadyExists))?;
        let file = private_file().create_new(true).open(&path)?;
        let page = Self::new(folder, in_hand, path, header, file);
        let made = page.take_room(header).and_then(|()| folder.sync());
        if let Err(error) = made {
            page.discard();
            return Err(error);
        }
        Ok(page)
    }

    /// Goes on with a page that somebody else left.
    pub(super) fn reopen(
        folder: &Arc<Folder>,
        in_hand: InHand,
        path: PathBuf,
        header: &[u8],
    ) -> io::Result<Self> {
        let file = private_file().open(&path)?;
        Ok(Self::new(folder, in_hand, path, header, file))
    }

    /// Writes an answer, which may be longer than the room taken, and makes it durable.
    pub(super) fn record(&self, record: &[u8]) -> io::Result<()> {
        let mut file = locked(&self.file);
        file.seek(SeekFrom::Start(self.header))?;
        file.write_all(record)?;
        file.sync_data()
    }

    /// Removes the page.
    pub(super) fn discard(&self) {
        if let Err(error) = fs::remove_file(&self.path) {
            tracing::warn!(page = %self.path.display(), %error, "a page of the journal cannot be removed");
        }
    }

    /// Moves the page where only a person looks, and removes what was there for long.
    pub(super) fn set_aside(&self, unread: &Path) {
        let moved = make_directory(unread).and_then(|()| {
            let name = self.path.file_name().unwrap_or_default();
            fs::rename(&self.path, unread.join(name))
        });
        if let Err(error) = moved.and_then(|()| forget_old(unread)) {
            tracing::warn!(page = %self.path.display(), %error, "a page of the journal cannot be set aside");
        }
    }

    fn new(
        folder: &Arc<Folder>,
        in_hand: InHand,
        path: PathBuf,
        header: &[u8],
        file: File,
    ) -> Self {
        Self {
            path,
            header: u64::try_from(header.len()).unwrap_or(u64::MAX),
            file: Mutex::new(file),
            _in_hand: in_hand,
            _folder: folder.clone(),
        }
    }

    fn take_room(&self, header: &[u8]) -> io::Result<()> {
        let mut bytes = header.to_vec();
        bytes.resize(header.len().max(ROOM), 0);
        let mut file = locked(&self.file);
        file.write_all(&bytes)?;
        file.sync_all()
    }
}

/// Removes pages that were set aside long ago; there need not be any.
pub(super) fn forget_old(unread: &Path) -> io::Result<()> {
    let entries = match fs::read_dir(unread) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        entries => entries?,
    };
    for entry in entries {
        let entry = entry?;
        let written = entry.metadata()?.modified()?;
        if age(written) > KEPT_ASIDE {
            fs::remove_file(entry.path())?;
        }
    }
    Ok(())
}

/// A file from the future, by a clock that was set, is young.
#[expect(
    clippy::disallowed_methods,
    reason = "a file's time is the machine's, and only tidying up goes by it"
)]
fn age(written: SystemTime) -> Duration {
    SystemTime::now()
        .duration_since(written)
        .unwrap_or_default()
}

/// What a panic left behind the lock is still whole: every change under it is one step.
fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
