//! A chain of records in a file, or on stdout: opened, mended where a crash tore its last line, appended to, and
//! begun anew when somebody moves it away.

use std::{
    fs::{self, File, OpenOptions, TryLockError},
    io::{self, Write},
    os::{
        fd::AsFd,
        unix::fs::{FileTypeExt, MetadataExt, OpenOptionsExt},
    },
    path::{Path, PathBuf},
    sync::Arc,
    time::{Duration, Instant},
};

use tokend_model::{
    AuditEvent,
    ports::{AuditPlace, AuditSeal, Clock, SealedAuditRecord},
};
use uuid::Uuid;

use super::{
    event::of_trail,
    record::Sealer,
    sync::{Head, Syncs},
    tail::{self, Tail},
};
use crate::config::AuditSync;

/// How often it is looked whether the file was moved away.
const LOOK: Duration = Duration::from_secs(1);

/// A process that is about to end may still have the file for so long.
const HANDOVER: Duration = Duration::from_secs(1);

/// What lines are appended to.
#[derive(Debug, Clone)]
pub(super) enum Place {
    /// The file at this path.
    Path(PathBuf),
    /// The standard output.
    Stdout,
}

/// Why lines cannot be appended.
#[derive(Debug, thiserror::Error)]
pub enum LinesError {
    /// Another process appends to it.
    #[error("another process appends to {}", .0.display())]
    Shared(PathBuf),
    /// There is something else in it, which is left as it is.
    #[error("{} holds something else than an audit trail, and is left as it is", .0.display())]
    NotOurs(PathBuf),
    /// The operating system's word.
    #[error(transparent)]
    Io(#[from] io::Error),
}

impl LinesError {
    /// Whether it is the configuration that is wrong: waiting does not help.
    pub(super) fn is_lasting(&self) -> bool {
        use io::ErrorKind::{IsADirectory, NotADirectory, NotFound, PermissionDenied};
        match self {
            Self::Shared(_) | Self::NotOurs(_) => true,
            Self::Io(error) => {
                matches!(
                    error.kind(),
                    NotFound | PermissionDenied | IsADirectory | NotADirectory
                )
            }
        }
    }
}

/// The lines of one chain.
pub(super) struct Lines {
    place: Place,
    sealer: Arc<Sealer>,
    clock: Arc<dyn Clock>,
    syncs: Syncs,
    /// The chain's next record; outlives a file that was moved away.
    next: Option<AuditPlace>,
    opened: Option<Opened>,
    looked: Instant,
    /// Whether a line that cannot be cut off may have been left without its end.
    torn: bool,
}

struct Opened {
    file: File,
    /// Its device and inode, if it is a file that can be moved away, cut and synced.
    regular: Option<(u64, u64)>,
}

impl Lines {
    pub(super) fn new(
        place: Place,
        sync: AuditSync,
        sealer: Arc<Sealer>,
        clock: Arc<dyn Clock>,
        head: Head,
    ) -> io::Result<Self> {
        Ok(Self {
            syncs: Syncs::begin(sync, head)?,
            place,
            sealer,
            clock,
            next: None,
            opened: None,
            looked: Instant::now(),
            torn: false,
        })
    }

    /// What the next record of the chain will be; absent before it was opened.
    pub(super) fn next(&self) -> Option<&AuditPlace> {
        self.next.as_ref()
    }

    /// Whether it can be appended to.
    pub(super) fn is_open(&self) -> bool {
        self.opened.is_some()
    }

    /// Opens it, mends what a crash left, and says so in a record of its own, which shows that it takes records.
    pub(super) fn open(&mut self) -> Result<(), LinesError> {
        self.opened = None;
        let mut facts = Vec::new();
        let path = match self.place.clone() {
            Place::Stdout => {
                let file = File::from(io::stdout().as_fd().try_clone_to_owned()?);
                return self.begin(file, None, facts);
            }
            Place::Path(path) => path,
        };
        if is_special(&path) {
            // For writing only: what is opened for reading as well has a reader, and never fills up.
            let file = OpenOptions::new().write(true).open(&path)?;
            return self.begin(file, None, facts);
        }
        let mut file = open_locked(&path)?;
        let carried = self.next.clone();
        match tail::read(&mut file, &self.sealer)? {
            Tail::Empty => {
                if let Some(before) = &carried {
                    facts.push(("previousFileSequence", (before.sequence - 1).to_string()));
                    facts.push(("previousFileHash", before.previous_hash.clone()));
                }
            }
            Tail::Torn { length, torn } => {
                file.set_len(length)?;
                facts.push(("cutBytes", torn.to_string()));
            }
            Tail::Chain { next, length, torn } => {
                if torn > 0 {
                    file.set_len(length)?;
                    facts.push(("cutBytes", torn.to_string()));
                }
                // What we wrote and is no longer there is missed: the chain goes on with a gap.
                let behind =
                    |ours: &AuditPlace| ours.stream == next.stream && ours.sequence > next.sequence;
                if !carried.as_ref().is_some_and(behind) {
                    self.next = Some(next);
                }
            }
            Tail::NotOurs => return Err(LinesError::NotOurs(path)),
            Tail::Foreign(why) => {
                let aside = aside(&path);
                fs::rename(&path, &aside)?;
                let named = aside.display().to_string();
                tracing::error!(
                    file = named, %why,
                    "the audit trail's end is not as it was written; the file was set aside, and a new one is begun"
                );
                facts.push(("setAside", named));
                facts.push(("setAsideBecause", why));
                file = open_locked(&path)?;
            }
        }
        let metadata = file.metadata()?;
        self.begin(file, Some((metadata.dev(), metadata.ino())), facts)
    }

    /// Appends a record of each event, with one write.
    pub(super) fn append<'e>(
        &mut self,
        events: impl Iterator<Item = &'e AuditEvent>,
    ) -> Result<(), LinesError> {
        self.syncs.check()?;
        self.follow()?;
        let Some(opened) = &mut self.opened else {
            return Err(io::Error::from(io::ErrorKind::NotConnected).into());
        };
        let Some(mut next) = self.next.clone() else {
            return Err(io::Error::from(io::ErrorKind::NotConnected).into());
        };
        let mut text = String::new();
        if self.torn {
            text.push('\n');
        }
        for event in events {
            let SealedAuditRecord { line, hash } =
                self.sealer.seal(event, &next).map_err(io::Error::other)?;
            text.push_str(&line);
            text.push('\n');
            next.sequence += 1;
            next.previous_hash = hash;
        }
        let written = opened.file.write_all(text.as_bytes());
        if let Err(error) = written {
            self.torn = opened.regular.is_none();
            self.opened = None;
            return Err(error.into());
        }
        self.torn = false;
        self.next = Some(next.clone());
        if opened.regular.is_some()
            && let Err(error) = self.syncs.written(&opened.file, next)
        {
            self.opened = None;
            return Err(error.into());
        }
        Ok(())
    }

    /// What there is to do while nothing is appended: looks whether the file was moved away, and has it synced.
    pub(super) fn tend(&mut self) -> Result<(), LinesError> {
        self.syncs.check()?;
        self.follow()?;
        match (&self.opened, &self.next) {
            (Some(opened), Some(next)) if opened.regular.is_some() => {
                Ok(self.syncs.settle(&opened.file, next)?)
            }
            _ => Ok(()),
        }
    }

    /// A record of nothing but that records are taken.
    pub(super) fn probe(&mut self) -> Result<(), LinesError> {
        let probe = of_trail(self.clock.now(), &[("event", "resumed".to_owned())]);
        self.append([&probe].into_iter())
    }

    /// Brings it to the disk and ends it.
    pub(super) fn close(self) {
        let Self {
            syncs,
            opened,
            next,
            ..
        } = self;
        let regular = opened.filter(|opened| opened.regular.is_some());
        if let Err(error) = syncs.end(regular.map(|opened| opened.file), next) {
            tracing::error!(%error, "the audit trail's end may not be on the disk");
        }
    }

    fn begin(
        &mut self,
        file: File,
        regular: Option<(u64, u64)>,
        mut facts: Vec<(&'static str, String)>,
    ) -> Result<(), LinesError> {
        facts.push(("event", "opened".to_owned()));
        self.next.get_or_insert_with(|| AuditPlace {
            stream: Uuid::now_v7().to_string(),
            sequence: 1,
            previous_hash: String::new(),
        });
        self.opened = Some(Opened { file, regular });
        self.looked = Instant::now();
        let opened = of_trail(self.clock.now(), &facts);
        self.append([&opened].into_iter())
    }

    /// Begins a new file if the one that is open is no longer where it was; the chain goes on in it.
    fn follow(&mut self) -> Result<(), LinesError> {
        let (Place::Path(path), Some(opened)) = (&self.place, &self.opened) else {
            return Ok(());
        };
        let Some(identity) = opened.regular else {
            return Ok(());
        };
        if self.looked.elapsed() < LOOK {
            return Ok(());
        }
        self.looked = Instant::now();
        let there = match fs::metadata(path) {
            Ok(metadata) => Some((metadata.dev(), metadata.ino())),
            Err(error) if error.kind() == io::ErrorKind::NotFound => None,
            Err(error) => return Err(error.into()),
        };
        if there == Some(identity) {
            return Ok(());
        }
        opened.file.sync_data()?;
        tracing::info!(file = %path.display(), "the audit trail goes on in a new file");
        self.open()
    }
}

fn is_special(path: &Path) -> bool {
    fs::metadata(path).is_ok_and(|metadata| {
        let kind = metadata.file_type();
        kind.is_fifo() || kind.is_char_device() || kind.is_block_device() || kind.is_socket()
    })
}

/// The file, which nobody else appends to and others cannot read.
#[expect(
    clippy::disallowed_methods,
    reason = "a thread that does nothing but write sleeps here, and no worker"
)]
fn open_locked(path: &Path) -> Result<File, LinesError> {
    let file = OpenOptions::new()
        .read(true)
        .append(true)
        .create(true)
        .mode(0o600)
        .open(path)?;
    let asked = Instant::now();
    let mut locked = file.try_lock();
    while matches!(locked, Err(TryLockError::WouldBlock)) && asked.elapsed() < HANDOVER {
        std::thread::sleep(HANDOVER / 20);
        locked = file.try_lock();
    }
    match locked {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(LinesError::Shared(path.to_owned())),
        // Some network file systems have no locks; those who put their files there see to it themselves.
        Err(TryLockError::Error(error)) if error.kind() == io::ErrorKind::Unsupported => Ok(file),
        Err(TryLockError::Error(error)) => Err(error.into()),
    }
}

fn aside(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(format!(".set-aside-{}", Uuid::now_v7()));
    name.into()
}
