//! Whose database this is: a copy of it, or an old backup, must not use up the refresh tokens of the original.
//!
//! The database names its deployment, and so does something outside it: the configuration, or a file. It also counts
//! a pulse on while replicas run; whoever remembers a higher count than it shows knows that it went back in time.

mod record;

use std::sync::{
    Arc, Mutex, PoisonError,
    atomic::{AtomicBool, Ordering},
};

use tokend_model::ports::{Deployment, DeploymentGuard, Deployments, StorageError};
use uuid::Uuid;

use crate::config;
pub(crate) use record::{DeploymentFileError, DeploymentRecord};

/// What this process holds against what the database says.
pub(crate) struct Guard {
    settings: config::Deployment,
    deployments: Arc<dyn Deployments>,
    vends_only: AtomicBool,
    state: Mutex<State>,
}

/// Why no provider is called.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum NotOurs {
    /// Nothing outside the database names its deployment.
    #[error(
        "the database belongs to the deployment '{0}', which nothing here names; set deployment.id to it, or run \
         'tokend adopt-database'"
    )]
    Unnamed(String),
    /// It names another.
    #[error(
        "the database belongs to the deployment '{theirs}', and this is '{ours}'; if no other tokend uses these \
         connections, run 'tokend adopt-database'"
    )]
    OfAnother { theirs: String, ours: String },
    /// It is older than what was seen.
    #[error(
        "the database is older than it was (pulse {shown}, {seen} was seen): a backup was restored, or a failover lost \
         commits; if no other tokend uses these connections, run 'tokend adopt-database'"
    )]
    Older { shown: i64, seen: i64 },
}

#[derive(Default)]
struct State {
    /// What was seen of the database, here or by an earlier process.
    seen: Option<DeploymentRecord>,
    refused: Option<NotOurs>,
}

impl Guard {
    /// Reads what is known outside the database and holds it against the database. One that belongs to nobody is
    /// given to this deployment.
    pub(crate) async fn establish(
        settings: config::Deployment,
        deployments: Arc<dyn Deployments>,
    ) -> Result<Self, crate::StartError> {
        let seen = DeploymentRecord::read(&settings.file)?;
        let guard = Self {
            settings,
            deployments,
            vends_only: AtomicBool::new(true),
            state: Mutex::new(State {
                seen,
                refused: None,
            }),
        };
        guard
            .check()
            .await
            .map_err(|_| crate::StartError::Storage)?;
        Ok(guard)
    }

    /// Counts the pulse on and compares again; called every few seconds. The database being away changes nothing.
    pub(crate) async fn check(&self) -> Result<(), StorageError> {
        let mut ours = self.ours();
        let shown = match (self.deployments.deployment().await?, &ours) {
            (None, _) => {
                self.forget_pulse();
                let id = ours.unwrap_or_else(|| Uuid::now_v7().to_string());
                let shown = self.deployments.found(&id).await?;
                ours = Some(id);
                shown
            }
            (Some(shown), Some(ours)) if shown.id == *ours && self.is_current(&shown) => {
                self.deployments.beat(ours).await?
            }
            (Some(shown), _) => shown,
        };
        let verdict = match ours {
            None => Err(NotOurs::Unnamed(shown.id.clone())),
            Some(ours) if ours != shown.id => Err(NotOurs::OfAnother {
                theirs: shown.id.clone(),
                ours,
            }),
            Some(_) => match self.pulse_seen(&shown) {
                Some(seen) if shown.pulse < seen => Err(NotOurs::Older {
                    shown: shown.pulse,
                    seen,
                }),
                _ => Ok(()),
            },
        };
        self.settle(&shown, verdict);
        Ok(())
    }

    /// Why no provider is called, if none is.
    pub(crate) fn refused(&self) -> Option<NotOurs> {
        self.state().refused.clone()
    }

    fn settle(&self, shown: &Deployment, verdict: Result<(), NotOurs>) {
        let mut state = self.state();
        let refused = verdict.err();
        if refused.is_none() {
            let record = DeploymentRecord::of(shown);
            if let Err(error) = record.write(&self.settings.file) {
                tracing::warn!(%error, "what was seen of the database is not remembered beyond this process");
            }
            state.seen = Some(record);
        }
        if refused != state.refused {
            match &refused {
                Some(why) => {
                    tracing::error!(%why, "no provider is called; valid tokens are vended")
                }
                None => tracing::warn!("the database is ours again; providers are called"),
            }
        }
        self.vends_only.store(refused.is_some(), Ordering::SeqCst);
        state.refused = refused;
    }

    /// The deployment this is, by the configuration or by what was seen before. The file is read again, since
    /// adopting a database writes it.
    fn ours(&self) -> Option<String> {
        if !self.settings.id.is_empty() {
            return Some(self.settings.id.clone());
        }
        let mut state = self.state();
        if let Ok(Some(written)) = DeploymentRecord::read(&self.settings.file)
            && state
                .seen
                .as_ref()
                .is_none_or(|seen| written.adoptions > seen.adoptions)
        {
            state.seen = Some(written);
        }
        state.seen.as_ref().map(|seen| seen.id.clone())
    }

    /// What was seen before of this very adoption of the database.
    fn pulse_seen(&self, shown: &Deployment) -> Option<i64> {
        let state = self.state();
        let seen = state.seen.as_ref().filter(|seen| seen.id == shown.id)?;
        (seen.adoptions >= shown.adoptions).then_some(seen.pulse)
    }

    fn is_current(&self, shown: &Deployment) -> bool {
        self.pulse_seen(shown)
            .is_none_or(|seen| shown.pulse >= seen)
    }

    fn forget_pulse(&self) {
        if let Some(seen) = &mut self.state().seen {
            seen.pulse = 0;
            seen.adoptions = 0;
        }
    }

    fn state(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl DeploymentGuard for Guard {
    fn vends_only(&self) -> bool {
        self.vends_only.load(Ordering::SeqCst)
    }
}

/// Makes the database this deployment's, whatever it was; answers what it says from now on.
pub(crate) async fn adopt(
    settings: &config::Deployment,
    deployments: &dyn Deployments,
) -> Result<Deployment, crate::StartError> {
    let storage = |_| crate::StartError::Storage;
    let seen = DeploymentRecord::read(&settings.file)?;
    let present = deployments.deployment().await.map_err(storage)?;
    let id = match (&settings.id, &seen, &present) {
        (id, _, _) if !id.is_empty() => id.clone(),
        (_, Some(seen), _) => seen.id.clone(),
        (_, None, Some(present)) => present.id.clone(),
        (_, None, None) => Uuid::now_v7().to_string(),
    };
    let past_pulse = seen.map_or(0, |seen| seen.pulse);
    let adopted = deployments.adopt(&id, past_pulse).await.map_err(storage)?;
    DeploymentRecord::of(&adopted).write(&settings.file)?;
    Ok(adopted)
}
