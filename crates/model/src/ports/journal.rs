//! The journal: where an answer is durable before the database has it.

use async_trait::async_trait;

use super::Claim;
use crate::RawTokenAnswer;

/// The journal cannot take or give an answer. What the file system said is in the text; nothing secret is.
#[derive(Debug, thiserror::Error)]
#[error("the journal cannot be {done}")]
pub struct JournalError {
    /// What could not be done: `written`, say.
    pub done: &'static str,
    /// Why.
    #[source]
    pub source: Box<dyn std::error::Error + Send + Sync>,
}

/// A journaled answer that nobody has finished with.
pub struct JournaledAnswer {
    /// The attempt it answered.
    pub claim: Claim,
    /// The answer.
    pub answer: RawTokenAnswer,
    /// Where it is written.
    pub page: Box<dyn JournalPage>,
}

/// Sealed answers on this replica's own disk.
#[async_trait]
pub trait Journal: Send + Sync {
    /// Opens a page for the answer to an attempt that is about to be made. All that can fail is done now: the page
    /// is made, its room on the disk is taken, and sealing is tried, so that recording only has to write.
    async fn open(&self, claim: &Claim) -> Result<Box<dyn JournalPage>, JournalError>;

    /// The answers that dead processes left, oldest first. What does not open is left where it is.
    async fn left_behind(&self) -> Result<Vec<JournaledAnswer>, JournalError>;
}

/// The room for one answer.
#[async_trait]
pub trait JournalPage: Send + Sync {
    /// Seals the answer and makes it durable.
    async fn record(&mut self, answer: &RawTokenAnswer) -> Result<(), JournalError>;

    /// Removes the page: what was on it is stored elsewhere, or there was nothing.
    async fn discard(self: Box<Self>);

    /// Keeps the page aside for a day: nobody can read the answer, and a person may want to.
    async fn set_aside(self: Box<Self>);
}
