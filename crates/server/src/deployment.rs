//! Whose database this is: a copy of it, or an old backup, must not use up the refresh tokens of the original.
//!
//! The database names its deployment, and so does something outside it: the configuration, or a file. It also counts
//! a pulse on while replicas run; whoever remembers a higher count than it shows knows that it went back in time.

mod record;
#[cfg(test)]
mod tests;

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
        "the database belongs to the deployment '{0}', which nothing here names. Is this one more replica on that same \
         database? Then set deployment.id = '{0}'. Is it a copy or a restored backup, and nobody goes on with the \
         original? Then run 'tokend adopt-database'"
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
        let remembers = seen.is_some();
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
        if !remembers && guard.begins_in_the_dark() {
            tracing::warn!(
                file = %guard.settings.file.display(),
                "nothing here remembers how far the database had come: that it was restored from a backup while no \
                 tokend ran would not be noticed; keep deployment.file on a volume"
            );
        }
        Ok(guard)
    }

    /// Counts the pulse on and compares again; called every few seconds. The database being away changes nothing.
    pub(crate) async fn check(&self) -> Result<(), StorageError> {
        let mut ours = self.ours();
        let shown = match (self.deployments.deployment().await?, &ours) {
            (None, _) => {
                if let Some(seen) = self.seen()
                    && self.deployments.holds_connections().await?
                {
                    // Every database we saw says whose it is: this one is from before it did.
                    self.settle(Err(NotOurs::Older {
                        shown: 0,
                        seen: seen.pulse,
                    }));
                    return Ok(());
                }
                self.forget();
                let id = ours.unwrap_or_else(|| Uuid::now_v7().to_string());
                let shown = self.deployments.found(&id).await?;
                ours = Some(id);
                shown
            }
            (Some(shown), Some(ours)) if shown.id == *ours && self.gone_back(&shown).is_none() => {
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
            Some(_) => match self.gone_back(&shown) {
                Some(seen) => Err(NotOurs::Older {
                    shown: shown.pulse,
                    seen,
                }),
                None => Ok(DeploymentRecord::of(&shown)),
            },
        };
        if let Ok(record) = &verdict
            && let Err(error) = record.remember(&self.settings.file).await
        {
            tracing::warn!(%error, "what was seen of the database is not remembered beyond this process");
        }
        self.settle(verdict);
        Ok(())
    }

    /// Why no provider is called, if none is.
    pub(crate) fn refused(&self) -> Option<NotOurs> {
        self.state().refused.clone()
    }

    fn settle(&self, verdict: Result<DeploymentRecord, NotOurs>) {
        let mut state = self.state();
        let refused = match verdict {
            Ok(record) => {
                state.seen = Some(record);
                None
            }
            Err(why) => Some(why),
        };
        if refused != state.refused {
            match &refused {
                Some(why) => {
                    tracing::error!(%why, "no provider is called; valid tokens are vended")
                }
                None => tracing::warn!("the database is known to be ours; providers are called"),
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

    fn seen(&self) -> Option<DeploymentRecord> {
        self.state().seen.clone()
    }

    /// The pulse that was seen before, if the database is behind it.
    fn gone_back(&self, shown: &Deployment) -> Option<i64> {
        let seen = self.seen().filter(|seen| seen.id == shown.id)?;
        shown.is_behind(&seen.shows()).then_some(seen.pulse)
    }

    fn forget(&self) {
        if let Some(seen) = &mut self.state().seen {
            seen.pulse = 0;
            seen.adoptions = 0;
        }
    }

    /// Whether the database, taken for ours by its name alone, was in use before.
    fn begins_in_the_dark(&self) -> bool {
        // The first beat is counted by now.
        !self.settings.id.is_empty() && self.seen().is_some_and(|seen| seen.pulse > 1)
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
    let id = match (&settings.id, &seen) {
        (id, _) if !id.is_empty() => id.clone(),
        (_, Some(seen)) => seen.id.clone(),
        // Not under its present name: the original may still go by that.
        (_, None) => Uuid::now_v7().to_string(),
    };
    let past_pulse = seen.map_or(0, |seen| seen.pulse);
    let adopted = deployments.adopt(&id, past_pulse).await.map_err(storage)?;
    DeploymentRecord::of(&adopted)
        .remember(&settings.file)
        .await?;
    Ok(adopted)
}
