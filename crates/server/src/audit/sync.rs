//! Bringing records to the disk: before their tokens leave, or within a second behind them.

use std::{
    fs::File,
    io,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
        mpsc::{Receiver, SyncSender, sync_channel},
    },
    thread::{Builder, JoinHandle},
    time::{Duration, Instant},
};

use tokend_model::ports::AuditPlace;

use crate::config::AuditSync;

/// Between two syncs, so that the disk is not kept busy with nothing else.
const APART: Duration = Duration::from_millis(250);

/// How far the chain is on the disk: the place behind the last record that is.
#[derive(Debug, Clone, Default)]
pub(super) struct Head(Arc<Mutex<Option<AuditPlace>>>);

/// Has files synced.
pub(super) struct Syncs {
    head: Head,
    /// Does so in the background; absent if each write waits for it.
    thread: Option<Thread>,
    asked: Instant,
}

struct Thread {
    files: SyncSender<(File, AuditPlace)>,
    failed: Arc<AtomicBool>,
    handle: JoinHandle<()>,
}

impl Head {
    /// How far it is.
    pub(super) fn get(&self) -> Option<AuditPlace> {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    fn set(&self, place: AuditPlace) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(place);
    }
}

impl Syncs {
    pub(super) fn begin(sync: AuditSync, head: Head) -> io::Result<Self> {
        let thread = match sync {
            AuditSync::Always => None,
            AuditSync::Second => {
                let (files, waiting) = sync_channel(1);
                let failed = Arc::new(AtomicBool::new(false));
                let (told, synced) = (failed.clone(), head.clone());
                let handle = Builder::new()
                    .name("audit-sync".to_owned())
                    .spawn(move || run(&waiting, &told, &synced))?;
                Some(Thread {
                    files,
                    failed,
                    handle,
                })
            }
        };
        Ok(Self {
            head,
            thread,
            asked: Instant::now(),
        })
    }

    /// An error if what was written before may not be on the disk.
    pub(super) fn check(&self) -> io::Result<()> {
        let failed = self.thread.as_ref().map(|thread| &thread.failed);
        match failed.is_some_and(|failed| failed.swap(false, Ordering::Relaxed)) {
            true => Err(io::Error::other("what was written did not reach the disk")),
            false => Ok(()),
        }
    }

    /// Something was written, up to before this place.
    pub(super) fn written(&mut self, file: &File, next: AuditPlace) -> io::Result<()> {
        if self.thread.is_none() {
            file.sync_data()?;
            self.head.set(next);
            return Ok(());
        }
        match self.asked.elapsed() < APART {
            true => Ok(()),
            false => self.settle(file, &next),
        }
    }

    /// Has what was written synced, unless it is.
    pub(super) fn settle(&mut self, file: &File, next: &AuditPlace) -> io::Result<()> {
        let Some(thread) = &self.thread else {
            return Ok(());
        };
        if self.head.get().as_ref() == Some(next) {
            return Ok(());
        }
        self.asked = Instant::now();
        match file.try_clone() {
            // One that is under way is waited for by nobody: the next is asked for again.
            Ok(file) => {
                let _ = thread.files.try_send((file, next.clone()));
            }
            // No descriptor is left: whoever waits for a record waits for the disk as well.
            Err(_) => {
                file.sync_data()?;
                self.head.set(next.clone());
            }
        }
        Ok(())
    }

    /// Syncs for the last time.
    pub(super) fn end(self, file: Option<File>, next: Option<AuditPlace>) -> io::Result<()> {
        if let Some(Thread { files, handle, .. }) = self.thread {
            drop(files);
            let _ = handle.join();
        }
        if let (Some(file), Some(next)) = (file, next) {
            file.sync_data()?;
            self.head.set(next);
        }
        Ok(())
    }
}

fn run(files: &Receiver<(File, AuditPlace)>, failed: &AtomicBool, head: &Head) {
    for (file, next) in files {
        match file.sync_data() {
            Ok(()) => head.set(next),
            Err(error) => {
                tracing::error!(%error, "the audit trail does not reach the disk");
                failed.store(true, Ordering::Relaxed);
            }
        }
    }
}
