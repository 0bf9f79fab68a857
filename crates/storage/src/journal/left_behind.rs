//! Going through the pages that dead processes left.

use std::{
    collections::HashSet,
    fs::{self, File},
    io::{self, Read},
    path::{Path, PathBuf},
    sync::Arc,
};

use tokend_keyring::Keyring;
use tokend_model::{RawTokenAnswer, ports::Claim};
use zeroize::Zeroizing;

use super::{
    folder::Folder,
    page::{self, PageContent},
    page_file::{Desk, InHand, PageFile},
};

/// Longer files are no pages of ours: answers are cut off far below.
const LONGEST: u64 = 64 * 1024 * 1024;

/// An answer that was left, with its page.
pub(super) struct LeftBehind {
    pub(super) claim: Claim,
    pub(super) answer: RawTokenAnswer,
    pub(super) page: PageFile,
}

/// What a search goes by.
pub(super) struct Search<'a> {
    pub(super) keyring: &'a Keyring,
    pub(super) desk: &'a Desk,
    /// The pages that were complained about already.
    pub(super) told: &'a mut HashSet<PathBuf>,
}

impl Search<'_> {
    /// The answers in a folder whose earlier user is dead; blank pages go.
    pub(super) fn folder(&mut self, folder: &Arc<Folder>) -> io::Result<Vec<LeftBehind>> {
        let mut found = Vec::new();
        for path in folder.pages()? {
            // Those in hand are of this process.
            let Some(in_hand) = self.desk.take_up(&path) else {
                continue;
            };
            match self.page(folder, in_hand, &path) {
                Ok(answer) => found.extend(answer),
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => self.complain(path, &error),
            }
        }
        Ok(found)
    }

    fn page(
        &mut self,
        folder: &Arc<Folder>,
        in_hand: InHand,
        path: &Path,
    ) -> io::Result<Option<LeftBehind>> {
        let bytes = contents(path)?;
        match page::read(&bytes) {
            PageContent::Blank => {
                fs::remove_file(path)?;
                Ok(None)
            }
            PageContent::Foreign => Err(io::Error::other("it is no page of this journal")),
            PageContent::Recorded { claim, sealed } => {
                let answer = page::open(self.keyring, &claim, sealed).map_err(io::Error::other)?;
                let header = page::header(&claim);
                let page = PageFile::reopen(folder, in_hand, path.to_owned(), &header)?;
                Ok(Some(LeftBehind {
                    claim,
                    answer,
                    page,
                }))
            }
        }
    }

    /// It stays where it is: its key may come back, or a person may make something of it.
    fn complain(&mut self, path: PathBuf, error: &io::Error) {
        if !self.told.contains(&path) {
            tracing::warn!(page = %path.display(), %error, "a page of the journal cannot be read");
            self.told.insert(path);
        }
    }
}

fn contents(path: &Path) -> io::Result<Zeroizing<Vec<u8>>> {
    let file = File::open(path)?;
    if file.metadata()?.len() > LONGEST {
        return Err(io::Error::from(io::ErrorKind::FileTooLarge));
    }
    let mut bytes = Zeroizing::new(Vec::new());
    file.take(LONGEST).read_to_end(&mut bytes)?;
    Ok(bytes)
}
