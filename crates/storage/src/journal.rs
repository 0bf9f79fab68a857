//! The journal: sealed token answers on this replica's own disk, one file for each attempt, so that none is lost
//! between its arrival and the database.

mod folder;
mod left_behind;
mod page;
mod page_file;

use std::{
    collections::HashSet,
    error::Error,
    fmt,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
};

use async_trait::async_trait;
use tokend_keyring::Keyring;
use tokend_model::{
    RawTokenAnswer,
    ports::{Claim, Journal, JournalError, JournalPage, JournaledAnswer},
};

use self::{
    folder::Folder,
    left_behind::{LeftBehind, Search},
    page_file::{Desk, PageFile, forget_old},
};

/// Where pages go that nobody can make anything of.
const UNREAD: &str = "unread";

/// The journal of this process: a folder of its own under a directory that several replicas may share.
#[derive(Clone)]
pub struct FileJournal {
    open: Arc<OpenJournal>,
}

/// It has its folder as long as any page of it is in somebody's hand.
struct OpenJournal {
    directory: PathBuf,
    folder: Arc<Folder>,
    replica: String,
    keyring: Arc<Keyring>,
    desk: Desk,
    told: Mutex<HashSet<PathBuf>>,
}

/// A page of it, for the answer to one attempt.
struct OpenPage {
    journal: Arc<OpenJournal>,
    claim: Claim,
    file: Arc<PageFile>,
}

impl FileJournal {
    /// Takes the first folder under the directory that no living process has, or makes one. Blocks while it does.
    pub fn open(directory: &Path, keyring: Arc<Keyring>) -> Result<Self, JournalError> {
        let folder = Folder::take(directory).map_err(|error| cannot_be("opened", error))?;
        let replica = folder
            .replica()
            .map_err(|error| cannot_be("opened", error))?;
        if let Err(error) = forget_old(&directory.join(UNREAD)) {
            tracing::warn!(%error, "old pages of the journal cannot be removed");
        }
        let open = OpenJournal {
            directory: directory.to_owned(),
            folder: Arc::new(folder),
            replica,
            keyring,
            desk: Desk::default(),
            told: Mutex::default(),
        };
        Ok(Self {
            open: Arc::new(open),
        })
    }

    /// The folder's identity, which survives restarts and is no other living process's.
    pub fn replica(&self) -> &str {
        &self.open.replica
    }
}

/// Reads a page's bytes and opens what is in it; answers whether it opened.
pub fn read_page(keyring: &Keyring, bytes: &[u8]) -> bool {
    match page::read(bytes) {
        page::PageContent::Recorded { claim, sealed } => {
            let unsealed = page::read_plain(&claim, sealed).is_some();
            page::open(keyring, &claim, sealed).is_ok() | unsealed
        }
        page::PageContent::Blank | page::PageContent::Foreign => false,
    }
}

impl fmt::Debug for FileJournal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FileJournal")
            .field("directory", &self.open.directory)
            .field("replica", &self.open.replica)
            .finish_non_exhaustive()
    }
}

#[async_trait]
impl Journal for FileJournal {
    async fn open(&self, claim: &Claim) -> Result<Box<dyn JournalPage>, JournalError> {
        let (journal, claim) = (self.open.clone(), claim.clone());
        let page = blocking("opened", move || journal.new_page(claim)).await?;
        Ok(Box::new(page))
    }

    async fn left_behind(&self) -> Result<Vec<JournaledAnswer>, JournalError> {
        let journal = self.open.clone();
        blocking("read", move || journal.left_behind()).await
    }
}

#[async_trait]
impl JournalPage for OpenPage {
    async fn record(&mut self, answer: &RawTokenAnswer) -> Result<(), JournalError> {
        let (journal, file) = (self.journal.clone(), self.file.clone());
        let (claim, answer) = (self.claim.clone(), answer.clone());
        blocking("written", move || {
            let record = page::record(&journal.keyring, &claim, &answer)
                .map_err(|error| cannot_be("sealed", error))?;
            file.record(&record)
                .map_err(|error| cannot_be("written", error))
        })
        .await
    }

    async fn discard(self: Box<Self>) {
        let Self { file, .. } = *self;
        let done = blocking("cleared", move || {
            file.discard();
            Ok(())
        });
        tell(done.await);
    }

    async fn set_aside(self: Box<Self>) {
        let Self { journal, file, .. } = *self;
        let done = blocking("cleared", move || {
            file.set_aside(&journal.directory.join(UNREAD));
            Ok(())
        });
        tell(done.await);
    }
}

impl OpenJournal {
    fn new_page(self: Arc<Self>, claim: Claim) -> Result<OpenPage, JournalError> {
        let sealed = page::trial(&self.keyring, &claim);
        sealed.map_err(|error| cannot_be("sealed", error))?;
        let header = page::header(&claim);
        let file = PageFile::make(&self.folder, &self.desk, &header)
            .map_err(|error| cannot_be("written", error))?;
        Ok(OpenPage {
            journal: self,
            claim,
            file: Arc::new(file),
        })
    }

    fn left_behind(self: Arc<Self>) -> Result<Vec<JournaledAnswer>, JournalError> {
        let mut found = self.search().map_err(|error| cannot_be("read", error))?;
        found.sort_by_key(|left| left.answer.receive_time);
        let answers = found.into_iter().map(|left| {
            let page = OpenPage {
                journal: self.clone(),
                claim: left.claim.clone(),
                file: Arc::new(left.page),
            };
            JournaledAnswer {
                claim: left.claim,
                answer: left.answer,
                page: Box::new(page),
            }
        });
        Ok(answers.collect())
    }

    fn search(&self) -> std::io::Result<Vec<LeftBehind>> {
        let mut told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        let mut search = Search {
            keyring: &self.keyring,
            desk: &self.desk,
            told: &mut told,
        };
        let mut found = search.folder(&self.folder)?;
        for folder in self.folder.abandoned(&self.directory)? {
            found.extend(search.folder(&Arc::new(folder))?);
        }
        Ok(found)
    }
}

/// Does work with files to its end, even if nobody waits for it any more.
async fn blocking<T: Send + 'static>(
    done: &'static str,
    work: impl FnOnce() -> Result<T, JournalError> + Send + 'static,
) -> Result<T, JournalError> {
    tokio::task::spawn_blocking(work)
        .await
        .unwrap_or_else(|error| Err(cannot_be(done, error)))
}

fn tell(result: Result<(), JournalError>) {
    if let Err(error) = result {
        tracing::warn!(%error, "a page of the journal stays");
    }
}

fn cannot_be(done: &'static str, source: impl Into<Box<dyn Error + Send + Sync>>) -> JournalError {
    JournalError {
        done,
        source: source.into(),
    }
}
