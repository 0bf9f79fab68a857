//! Numbered folders, each with one living user: the process that has its lock. The operating system gives the lock
//! back when that process ends, however it ends; so whoever has a folder knows that its earlier user is dead.

use std::{
    fs::{self, DirBuilder, File, OpenOptions, TryLockError},
    io::{self, Write},
    path::{Path, PathBuf},
};

use uuid::Uuid;

/// The file that is locked.
const LOCK: &str = "lock";

/// The file with the folder's identity.
const REPLICA: &str = "replica";

/// The ending of page files.
const PAGE: &str = "page";

/// A folder that is ours until this is dropped.
#[derive(Debug)]
pub(super) struct Folder {
    path: PathBuf,
    _lock: File,
}

impl Folder {
    /// Takes the first folder that nobody has, or makes one.
    pub(super) fn take(directory: &Path) -> io::Result<Self> {
        make_directory(directory)?;
        for number in 0_u32.. {
            let path = directory.join(number.to_string());
            make_directory(&path)?;
            if let Some(folder) = Self::lock(path)? {
                return Ok(folder);
            }
        }
        Err(io::Error::other("all folders are taken"))
    }

    /// The other folders that nobody has at the moment; they are ours now.
    pub(super) fn abandoned(&self, directory: &Path) -> io::Result<Vec<Self>> {
        let mut folders = Vec::new();
        for entry in fs::read_dir(directory)? {
            let path = entry?.path();
            let is_numbered = path
                .file_name()
                .and_then(|name| name.to_str())
                .is_some_and(|name| name.parse::<u32>().is_ok());
            if is_numbered && path != self.path {
                match Self::lock(path.clone()) {
                    Ok(folder) => folders.extend(folder),
                    Err(error) => {
                        tracing::warn!(folder = %path.display(), %error, "a folder of the journal cannot be opened");
                    }
                }
            }
        }
        Ok(folders)
    }

    /// What survives a restart: a name that is made once for each folder.
    pub(super) fn replica(&self) -> io::Result<String> {
        let path = self.path.join(REPLICA);
        match fs::read_to_string(&path) {
            Ok(text) => {
                if let Ok(id) = Uuid::try_parse(text.trim()) {
                    return Ok(id.to_string());
                }
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(error),
        }
        let id = Uuid::new_v4().to_string();
        let fresh = self.path.join("replica.new");
        let mut file = private_file().create(true).truncate(true).open(&fresh)?;
        file.write_all(id.as_bytes())?;
        file.sync_all()?;
        fs::rename(&fresh, &path)?;
        self.sync()?;
        Ok(id)
    }

    /// The page files in it.
    pub(super) fn pages(&self) -> io::Result<Vec<PathBuf>> {
        let mut pages = Vec::new();
        for entry in fs::read_dir(&self.path)? {
            let path = entry?.path();
            if path.extension().is_some_and(|extension| extension == PAGE) {
                pages.push(path);
            }
        }
        Ok(pages)
    }

    /// Where the next page is to be made; no two are alike.
    pub(super) fn new_page(&self) -> PathBuf {
        self.path
            .join(format!("{}.{PAGE}", Uuid::now_v7().simple()))
    }

    /// Makes the names of new files durable.
    pub(super) fn sync(&self) -> io::Result<()> {
        sync_directory(&self.path)
    }

    fn lock(path: PathBuf) -> io::Result<Option<Self>> {
        let lock = private_file()
            .create(true)
            .truncate(false)
            .open(path.join(LOCK))?;
        match lock.try_lock() {
            Ok(()) => Ok(Some(Self { path, _lock: lock })),
            Err(TryLockError::WouldBlock) => Ok(None),
            Err(TryLockError::Error(error)) => Err(error),
        }
    }
}

/// Makes a directory for its owner's eyes only, and its name durable; one that is there stays as it is.
pub(super) fn make_directory(path: &Path) -> io::Result<()> {
    if path.is_dir() {
        return Ok(());
    }
    let mut directory = DirBuilder::new();
    directory.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut directory, 0o700);
    directory.create(path)?;
    match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => sync_directory(parent),
        _ => Ok(()),
    }
}

/// Opens for writing; what it creates is for its owner's eyes only.
pub(super) fn private_file() -> OpenOptions {
    let mut file = OpenOptions::new();
    file.write(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut file, 0o600);
    file
}

/// Elsewhere than on Unix a directory is no file that could be synchronized.
fn sync_directory(path: &Path) -> io::Result<()> {
    if cfg!(unix) {
        File::open(path)?.sync_all()?;
    }
    Ok(())
}
