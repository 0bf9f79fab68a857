//! The journal: each replica's own disk, which outlives its processes.

use std::{collections::BTreeMap, sync::Arc};

use async_trait::async_trait;
use tokend_model::{
    RawTokenAnswer,
    ports::{Claim, Journal, JournalError, JournalPage, JournaledAnswer},
};

use super::{World, wire::Wire};

/// The pages on one replica's disk, by number.
#[derive(Default)]
pub(crate) struct Disk {
    pub(crate) pages: BTreeMap<u64, WrittenPage>,
    next: u64,
    /// A disk that forgets what was written, to see that it is noticed.
    pub(crate) forgets: bool,
}

/// A page as it is on the disk.
pub(crate) struct WrittenPage {
    claim: Claim,
    answer: Option<RawTokenAnswer>,
    /// The process that made it.
    owner: usize,
    /// Kept for a person to look at, and not read again.
    aside: bool,
}

/// A process's access to its replica's disk.
pub(crate) struct SimulatedJournal(pub(crate) Wire);

struct SimulatedPage {
    wire: Wire,
    number: u64,
}

#[async_trait]
impl Journal for SimulatedJournal {
    async fn open(&self, claim: &Claim) -> Result<Box<dyn JournalPage>, JournalError> {
        let wire = &self.0;
        wire.enter("journal open").await;
        wire.may_fail("opened")?;
        let number = wire.on_disk(|disk| {
            disk.next += 1;
            let page = WrittenPage {
                claim: claim.clone(),
                answer: None,
                owner: wire.process.number,
                aside: false,
            };
            disk.pages.insert(disk.next, page);
            disk.next
        });
        wire.leave("journal open").await;
        Ok(Box::new(SimulatedPage {
            wire: wire.clone(),
            number,
        }))
    }

    async fn left_behind(&self) -> Result<Vec<JournaledAnswer>, JournalError> {
        let wire = &self.0;
        wire.enter("journal read").await;
        wire.may_fail("read")?;
        let found = wire.on_disk(|disk| {
            // A page without an answer is left from an attempt that got none.
            let own = wire.process.number;
            disk.pages
                .retain(|_, page| page.answer.is_some() || page.owner == own);
            disk.pages
                .iter()
                .filter(|(_, page)| page.owner != own && !page.aside)
                .filter_map(|(&number, page)| {
                    let answer = page.answer.clone()?;
                    Some((number, page.claim.clone(), answer))
                })
                .collect::<Vec<_>>()
        });
        wire.leave("journal read").await;
        let answers = found.into_iter().map(|(number, claim, answer)| {
            let page: Box<dyn JournalPage> = Box::new(SimulatedPage {
                wire: wire.clone(),
                number,
            });
            JournaledAnswer {
                claim,
                answer,
                page,
            }
        });
        Ok(answers.collect())
    }
}

#[async_trait]
impl JournalPage for SimulatedPage {
    async fn record(&mut self, answer: &RawTokenAnswer) -> Result<(), JournalError> {
        let wire = &self.wire;
        wire.enter("journal record").await;
        wire.may_fail("written")?;
        let number = self.number;
        wire.on_disk(|disk| {
            let forgets = disk.forgets;
            if let Some(page) = disk.pages.get_mut(&number).filter(|_| !forgets) {
                page.answer = Some(answer.clone());
            }
        });
        wire.world.note_journaled(answer);
        wire.leave("journal record").await;
        Ok(())
    }

    async fn discard(self: Box<Self>) {
        self.wire.enter("journal discard").await;
        self.wire.on_disk(|disk| disk.pages.remove(&self.number));
        self.wire.leave("journal discard").await;
    }

    async fn set_aside(self: Box<Self>) {
        self.wire.enter("journal set aside").await;
        self.wire.on_disk(|disk| {
            if let Some(page) = disk.pages.get_mut(&self.number) {
                page.aside = true;
            }
        });
        self.wire.leave("journal set aside").await;
    }
}

impl Wire {
    fn on_disk<T>(&self, work: impl FnOnce(&mut Disk) -> T) -> T {
        work(self.world.disks().entry(self.process.replica).or_default())
    }

    fn may_fail(&self, done: &'static str) -> Result<(), JournalError> {
        match self.world.fault(self.world.plan.faults.journal_fails) {
            false => Ok(()),
            true => Err(JournalError {
                done,
                source: "simulated: no space left".into(),
            }),
        }
    }
}

impl World {
    /// The answers that lie in journals: durable, and not lost.
    pub(crate) fn journaled(&self) -> Vec<Arc<[u8]>> {
        self.disks()
            .values()
            .flat_map(|disk| disk.pages.values())
            .filter_map(|page| page.answer.as_ref())
            .map(|answer| Arc::from(answer.body.as_slice()))
            .collect()
    }
}
