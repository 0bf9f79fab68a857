//! The audit trail: who asked for what, and what came of it. No token leaves without its record.

mod counts;
mod database;
mod event;
mod file;
mod offline;
mod on_page;
mod record;
mod refusals;
mod sink;
mod strangers;
mod sync;
mod tail;
#[cfg(test)]
mod tests;
mod upkeep;
mod verify;
mod writer;

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use tokend_access::PolicySummary;
use tokend_keyring::Keyring;
use tokend_model::{
    AuditAction, AuditEvent, AuditOutcome, Timestamp, WorkspaceName,
    ports::{
        AuditFilter, AuditPlace, AuditSeal, AuditTrail, BulkRevocation, Catalogue, Clock,
        StorageError, StoredAuditRecord,
    },
};
use tokend_vending::Vended;
use tokio::{sync::mpsc, time::timeout};
use tokio_util::task::TaskTracker;

use crate::{
    StartError,
    admission::Admitted,
    config::{Audit as AuditConfig, AuditSink},
    failure::Failure,
};

use self::{
    counts::Counts,
    event::{bounded, of_call, of_trail},
    file::{Lines, Place},
    sink::{Health, QUEUE, Queue, Sink},
    strangers::Strangers,
    sync::Head,
    writer::FirstOpened,
};

pub use self::{
    file::LinesError,
    offline::{OfflineAct, record_offline},
    verify::{AuditFinding, AuditVerification, verify_audit_database, verify_audit_files},
};
pub(crate) use self::{
    on_page::OnPage,
    record::{Record, Sealer},
};

/// Puts on record what is done.
pub(crate) struct Audit {
    sinks: Vec<Sink>,
    limit: Duration,
    sealer: Arc<Sealer>,
    trail: Arc<dyn AuditTrail>,
    clock: Arc<dyn Clock>,
    catalogue: Arc<dyn Catalogue>,
    counts: Counts,
    /// Refusals that no file has singly.
    untold: Counts,
    strangers: Mutex<Strangers>,
    counted_since: Mutex<Timestamp>,
    /// How far the file is on the disk.
    head: Head,
    file: String,
    tasks: TaskTracker,
}

impl Audit {
    /// Opens the sinks. One that hangs or is full is left aside for now; one that cannot ever be opened is an error.
    pub(crate) async fn start(
        config: &AuditConfig,
        keyring: Arc<Keyring>,
        trail: Arc<dyn AuditTrail>,
        clock: Arc<dyn Clock>,
        catalogue: Arc<dyn Catalogue>,
    ) -> Result<Self, StartError> {
        let sealer = Arc::new(Sealer::new(keyring).ok_or(StartError::AuditKey)?);
        let mut audit = Self {
            sinks: Vec::new(),
            limit: Duration::from_secs(config.sink_timeout_seconds),
            catalogue,
            counts: Counts::default(),
            untold: Counts::default(),
            strangers: Mutex::default(),
            counted_since: Mutex::new(clock.now()),
            head: Head::default(),
            file: config.file.display().to_string(),
            tasks: TaskTracker::new(),
            sealer,
            trail,
            clock,
        };
        for kind in &config.sinks {
            let health = Health::new(*kind);
            let queue = match kind {
                AuditSink::Database => Queue::Task(audit.spawn_database(health.clone())),
                AuditSink::File => {
                    let place = Place::Path(config.file.clone());
                    audit.open_lines(place, config, health.clone()).await?
                }
                AuditSink::Stdout => {
                    audit
                        .open_lines(Place::Stdout, config, health.clone())
                        .await?
                }
            };
            audit.sinks.push(Sink::new(queue, health));
        }
        Ok(audit)
    }

    /// A token is about to be handed out; [`Failure::AuditUnavailable`] if that cannot be put on record.
    pub(crate) async fn vended(&self, admitted: &Admitted, vended: &Vended) -> Result<(), Failure> {
        let mut event = of_call(self.clock.now(), admitted, None);
        event.subject.connector_id = vended.connector_id.to_string();
        event.subject.connection_id = vended.connection_id.to_string();
        event.subject.generation = Some(vended.generation);
        event.scopes = vended.scopes.clone();
        event.token_fingerprint = self.sealer.fingerprint(vended.access_token.expose());
        self.record(event).await
    }

    /// Something other than vending was done, or failed; `named` is what the request names and what was made.
    pub(crate) async fn done(
        &self,
        admitted: &Admitted,
        named: &[(&'static str, String)],
        failure: Option<&Failure>,
    ) -> Result<(), Failure> {
        let mut event = of_call(self.clock.now(), admitted, failure);
        let (actor, subject) = (&mut event.actor, &mut event.subject);
        for (key, value) in named {
            let field = match *key {
                "integrationType" if !subject.integration_type.is_empty() => continue,
                "integrationType" => &mut subject.integration_type,
                "connectorId" => &mut subject.connector_id,
                "connectionId" => &mut subject.connection_id,
                "authorizationId" => &mut subject.authorization_id,
                "appUserId" => &mut actor.app_user_id,
                other => event.details.entry(other.to_owned()).or_default(),
            };
            field.clone_from(value);
        }
        let is_act = !counts::are_counted(event.action);
        match event.outcome {
            AuditOutcome::Succeeded => self.record(event).await,
            // What was begun and failed may have changed something.
            AuditOutcome::Failed if is_act => self.record(event).await,
            _ => {
                self.record_refusal(event, true).await;
                Ok(())
            }
        }
    }

    /// Whether anything can be put on record now: to be asked before something is done that cannot be undone.
    pub(crate) fn check(&self) -> Result<(), Failure> {
        match self.sinks.iter().any(|sink| sink.health.is_good()) {
            true => Ok(()),
            false => Err(Failure::AuditUnavailable),
        }
    }

    /// What the database has of a workspace's trail.
    pub(crate) async fn list(
        &self,
        workspace: &WorkspaceName,
        filter: &AuditFilter,
        after: Option<i64>,
        limit: u64,
    ) -> Result<Vec<StoredAuditRecord>, StorageError> {
        self.trail.list(workspace, filter, after, limit).await
    }

    /// The policies in force changed.
    pub(crate) async fn policy_changed(&self, policies: &PolicySummary) {
        let details = [
            ("revision", policies.revision.clone()),
            ("policies", policies.count.to_string()),
        ];
        let mut event = of_trail(self.clock.now(), &details);
        event.action = AuditAction::PolicyChange;
        if self.record(event).await.is_err() {
            tracing::error!("a change of the policies could not be put on record");
        }
    }

    /// All that a bulk revocation was to revoke is revoked.
    pub(crate) async fn bulk_revocation_done(&self, job: &BulkRevocation) {
        let details = [
            ("bulkRevocationId", job.id.to_string()),
            ("revoked", job.revoked.to_string()),
            ("providerFailed", job.provider_failed.to_string()),
        ];
        let mut event = of_trail(self.clock.now(), &details);
        event.action = AuditAction::BulkRevocation;
        event.workspace = job.workspace.clone();
        event.subject.integration_type = job.integration_type.to_string();
        let connector = job.connector_id.as_ref();
        event.subject.connector_id = connector.map(ToString::to_string).unwrap_or_default();
        if self.record(event).await.is_err() {
            tracing::error!(id = %job.id, "the end of a bulk revocation could not be put on record");
        }
    }

    /// Puts an event on record at the first sink that takes it, and in the database: at once, or as one of many alike.
    async fn record(&self, event: AuditEvent) -> Result<(), Failure> {
        let event = Arc::new(bounded(event));
        let mut taken = None;
        for sink in &self.sinks {
            if sink.take(&event, self.limit).await {
                taken = Some(sink.kind());
                break;
            }
        }
        if taken == Some(AuditSink::Database) {
            return Ok(());
        }
        // Nobody makes the database write by failing.
        if event.outcome != AuditOutcome::Succeeded || counts::are_counted(event.action) {
            if taken.is_some() {
                self.counts.count(&self.naming_what_is_known(&event));
            }
        } else if self.append(&event).await {
            return Ok(());
        }
        match taken {
            Some(_) => Ok(()),
            None => Err(Failure::AuditUnavailable),
        }
    }

    async fn append(&self, event: &Arc<AuditEvent>) -> bool {
        let seal: Arc<dyn AuditSeal> = self.sealer.clone();
        let appended = self
            .trail
            .append(&event.workspace, vec![event.clone()], seal);
        match timeout(self.limit, appended).await {
            Ok(Ok(())) => true,
            Ok(Err(error)) => {
                tracing::warn!(%error, id = event.id, "an administrative act is not on the database's trail");
                false
            }
            Err(_) => {
                tracing::warn!(
                    id = event.id,
                    "an administrative act may not be on the database's trail"
                );
                false
            }
        }
    }

    fn spawn_database(&self, health: Health) -> mpsc::Sender<sink::Order> {
        let (queue, orders) = mpsc::channel(QUEUE);
        let (trail, seal) = (self.trail.clone(), self.sealer.clone());
        self.tasks.spawn(database::run(trail, seal, orders, health));
        queue
    }

    async fn open_lines(
        &self,
        place: Place,
        config: &AuditConfig,
        health: Health,
    ) -> Result<Queue, StartError> {
        let head = match place {
            Place::Path(_) => self.head.clone(),
            Place::Stdout => Head::default(),
        };
        let unusable = |source: LinesError| StartError::AuditFile {
            file: config.file.clone(),
            source,
        };
        let lines = Lines::new(
            place,
            config.sync,
            self.sealer.clone(),
            self.clock.clone(),
            head,
        );
        let started = lines.and_then(|lines| writer::start(lines, health.clone()));
        let (queue, opened) = started.map_err(|error| unusable(error.into()))?;
        match self.first_opened(opened).await {
            Some(Err(error)) if error.is_lasting() => return Err(unusable(error)),
            Some(Ok(Some(next))) => self.miss(&next).await,
            Some(_) => {}
            None => health.set_aside(&"it does not open"),
        }
        Ok(Queue::Thread(queue))
    }

    async fn first_opened(
        &self,
        opened: FirstOpened,
    ) -> Option<Result<Option<AuditPlace>, LinesError>> {
        timeout(self.limit, opened).await.ok()?.ok()
    }

    /// Says so if the chain had come further when it was last seen: somebody has cut off its end.
    async fn miss(&self, next: &AuditPlace) {
        let anchor = self.trail.anchor_of(&next.stream).await;
        let Ok(Some(anchor)) = anchor else {
            return;
        };
        if anchor.sequence < next.sequence - 1 {
            return;
        }
        tracing::error!(
            file = self.file,
            "records are missing at the audit trail's end: it had come to {}",
            anchor.sequence
        );
        let facts = [
            ("event", "shortened".to_owned()),
            ("stream", anchor.stream),
            ("missingThrough", anchor.sequence.to_string()),
            ("missingHash", anchor.hash),
        ];
        let told = Arc::new(of_trail(self.clock.now(), &facts));
        self.append(&told).await;
    }
}
