//! What operators have stopped: kept in memory, so that asking costs nothing and goes on while the database is away.

use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
};

use arc_swap::ArcSwap;
use tokend_model::{
    WorkspaceName,
    ports::{self, CallerRole, NewSuspension, StorageError, Suspendable, Suspension},
};
use tokio::sync::{Mutex, MutexGuard};

use crate::{Action, Caller, Suspended};

/// What operators have stopped, as this replica knows it.
pub struct Suspensions {
    store: Arc<dyn ports::Suspensions>,
    known: ArcSwap<Known>,
    /// Held while something is read or changed and put in force, so that no reading undoes what came after it.
    changing: Mutex<()>,
}

/// What is stopped, by workspace.
type Known = HashMap<WorkspaceName, Stopped>;

/// What is stopped in a workspace.
#[derive(Debug, Clone, Default)]
struct Stopped {
    everything: bool,
    callers: HashSet<String>,
    integration_types: HashSet<String>,
}

impl Suspensions {
    /// Nothing is known yet: see [`Suspensions::reload`].
    pub fn new(store: Arc<dyn ports::Suspensions>) -> Self {
        Self {
            store,
            known: ArcSwap::default(),
            changing: Mutex::default(),
        }
    }

    /// Reads what is stopped. Where that fails, what was known stays in force.
    pub async fn reload(&self) -> Result<(), StorageError> {
        let changing = self.changing.lock().await;
        self.read(&changing).await
    }

    /// Stops something, here from the moment it answers; answers what stops it now.
    pub async fn suspend(&self, new: &NewSuspension) -> Result<Suspension, StorageError> {
        let _changing = self.changing.lock().await;
        let suspension = self.store.suspend(new).await?;
        // What is stored is in force, whether or not the rest can be read now.
        let mut known = Known::clone(&self.known.load());
        note(&mut known, suspension.clone());
        self.known.store(Arc::new(known));
        Ok(suspension)
    }

    /// Sets something going again, here at once unless the database goes away at that moment: then with the next
    /// reading. Answers what stopped it. `None`: nothing did.
    pub async fn resume(
        &self,
        workspace: &WorkspaceName,
        subject: &Suspendable,
    ) -> Result<Option<Suspension>, StorageError> {
        let changing = self.changing.lock().await;
        let suspension = self.store.resume(workspace, subject).await?;
        if let Err(error) = self.read(&changing).await {
            tracing::warn!(%error, "what goes on again does so here with the next reading");
        }
        Ok(suspension)
    }

    /// What is stopped in a workspace, the newest first.
    pub async fn list(&self, workspace: &WorkspaceName) -> Result<Vec<Suspension>, StorageError> {
        self.store.suspensions(workspace).await
    }

    /// Whether the caller is stopped, or for what is no administration the integration type or the workspace.
    /// Disconnecting is refused to a stopped caller alone: it takes nothing out.
    pub fn find(
        &self,
        caller: &Caller,
        workspace: &WorkspaceName,
        integration_type: &str,
        action: Action,
    ) -> Option<Suspended> {
        let known = self.known.load();
        if known.is_empty() {
            return None;
        }
        // Whoever looks after the workspace that it belongs to stops it everywhere.
        let stopped_in = |workspace| {
            let stopped: Option<&Stopped> = known.get(workspace);
            stopped.is_some_and(|stopped| stopped.callers.contains(&caller.name))
        };
        if stopped_in(workspace) || stopped_in(&caller.workspace) {
            return Some(Suspended::Caller);
        }
        let by_operator =
            action == Action::ReadMetadata && caller.role == Some(CallerRole::Operator);
        if action.is_administrative() || action == Action::Disconnect || by_operator {
            return None;
        }
        known.get(workspace)?.stops(integration_type, action)
    }

    /// Whether nothing may be connected under an integration type now, whoever completes it.
    pub fn find_for_connecting(
        &self,
        workspace: &WorkspaceName,
        integration_type: &str,
    ) -> Option<Suspended> {
        let known = self.known.load();
        known
            .get(workspace)?
            .stops(integration_type, Action::Connect)
    }

    async fn read(&self, _changing: &MutexGuard<'_, ()>) -> Result<(), StorageError> {
        let mut known = Known::new();
        for suspension in self.store.all_suspensions().await? {
            note(&mut known, suspension);
        }
        self.known.store(Arc::new(known));
        Ok(())
    }
}

fn note(known: &mut Known, suspension: Suspension) {
    let stopped = known.entry(suspension.workspace).or_default();
    match suspension.subject {
        Suspendable::Workspace => stopped.everything = true,
        Suspendable::Caller(name) => drop(stopped.callers.insert(name)),
        Suspendable::IntegrationType(name) => {
            stopped.integration_types.insert(name.to_string());
        }
    }
}

impl Stopped {
    fn stops(&self, integration_type: &str, action: Action) -> Option<Suspended> {
        let takes_out = action.is_vend() || action == Action::Connect;
        if self.everything {
            return Some(Suspended::Workspace);
        }
        (takes_out && self.integration_types.contains(integration_type))
            .then_some(Suspended::IntegrationType)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use async_trait::async_trait;
    use tokend_model::{IntegrationTypeName, Timestamp};

    use super::*;
    use crate::{ACTIONS, CallerKind, OtherWorkspaces};

    /// A database that can be away.
    #[derive(Default)]
    struct Table(Mutex<Option<Vec<Suspension>>>);

    #[async_trait]
    impl ports::Suspensions for Table {
        async fn all_suspensions(&self) -> Result<Vec<Suspension>, StorageError> {
            let rows = self.0.lock().unwrap().clone();
            rows.ok_or_else(|| StorageError::Unavailable("away".into()))
        }

        async fn suspensions(
            &self,
            workspace: &WorkspaceName,
        ) -> Result<Vec<Suspension>, StorageError> {
            let mut rows = self.all_suspensions().await?;
            rows.retain(|row| row.workspace == *workspace);
            Ok(rows)
        }

        async fn suspend(&self, new: &NewSuspension) -> Result<Suspension, StorageError> {
            let row = Suspension {
                workspace: new.workspace.clone(),
                subject: new.subject.clone(),
                comment: new.comment.clone(),
                suspended_by: new.suspended_by.clone(),
                create_time: Timestamp::MIN_UTC,
            };
            self.0
                .lock()
                .unwrap()
                .get_or_insert_default()
                .push(row.clone());
            Ok(row)
        }

        async fn resume(
            &self,
            _workspace: &WorkspaceName,
            subject: &Suspendable,
        ) -> Result<Option<Suspension>, StorageError> {
            let mut rows = self.0.lock().unwrap();
            let rows = rows.get_or_insert_default();
            let place = rows.iter().position(|row| row.subject == *subject);
            Ok(place.map(|place| rows.remove(place)))
        }
    }

    fn workspace(name: &str) -> WorkspaceName {
        WorkspaceName::new(name).unwrap()
    }

    fn caller(name: &str, role: CallerRole) -> Caller {
        Caller {
            name: name.to_owned(),
            workspace: workspace("home"),
            other_workspaces: OtherWorkspaces::All,
            role: Some(role),
            kind: CallerKind::Loopback,
            expire_time: None,
        }
    }

    async fn stopping(subject: Suspendable) -> Suspensions {
        let suspensions = Suspensions::new(Arc::new(Table::default()));
        let new = NewSuspension {
            workspace: workspace("home"),
            subject,
            comment: String::new(),
            suspended_by: "ops".to_owned(),
        };
        suspensions.suspend(&new).await.unwrap();
        suspensions
    }

    /// Which actions are stopped, for a caller and for another workspace.
    fn stopped(suspensions: &Suspensions, caller: &Caller, at: &str) -> Vec<Action> {
        let find = |action| suspensions.find(caller, &workspace(at), "crm", action);
        let actions = ACTIONS.into_iter();
        actions.filter(|action| find(*action).is_some()).collect()
    }

    #[tokio::test]
    async fn a_stopped_caller_can_do_nothing_anywhere_and_others_everything() {
        let suspensions = stopping(Suspendable::Caller("billing".to_owned())).await;
        let billing = caller("billing", CallerRole::Operator);
        for at in ["home", "elsewhere"] {
            assert_eq!(stopped(&suspensions, &billing, at), ACTIONS);
        }
        for name in ["billin", "billing2", "Billing", ""] {
            let other = caller(name, CallerRole::Backend);
            assert_eq!(stopped(&suspensions, &other, "home"), [], "{name}");
        }
    }

    #[tokio::test]
    async fn a_stopped_type_is_neither_vended_nor_connected() {
        let crm = IntegrationTypeName::new("crm").unwrap();
        let suspensions = stopping(Suspendable::IntegrationType(crm.clone())).await;
        let backend = caller("billing", CallerRole::Backend);
        let taken_out = [Action::Vend, Action::VendForUser, Action::Connect];
        assert_eq!(stopped(&suspensions, &backend, "home"), taken_out);
        assert_eq!(stopped(&suspensions, &backend, "elsewhere"), []);
        let mail = suspensions.find(&backend, &workspace("home"), "mail", Action::Vend);
        assert_eq!(mail, None);
        let connecting = |name| suspensions.find_for_connecting(&workspace("home"), name);
        assert_eq!(connecting("crm"), Some(Suspended::IntegrationType));
        assert_eq!(connecting("mail"), None);

        let subject = Suspendable::IntegrationType(crm);
        let resumed = suspensions.resume(&workspace("home"), &subject).await;
        assert!(resumed.unwrap().is_some());
        assert_eq!(stopped(&suspensions, &backend, "home"), []);
    }

    #[tokio::test]
    async fn in_a_stopped_workspace_operators_go_on_and_users_may_leave() {
        let suspensions = stopping(Suspendable::Workspace).await;
        let backend = caller("billing", CallerRole::Backend);
        let used = [
            Action::Vend,
            Action::VendForUser,
            Action::Connect,
            Action::ReadMetadata,
        ];
        assert_eq!(stopped(&suspensions, &backend, "home"), used);
        assert_eq!(stopped(&suspensions, &backend, "elsewhere"), []);
        let operator = caller("ops", CallerRole::Operator);
        assert_eq!(stopped(&suspensions, &operator, "home"), used[..3]);
    }

    /// A table whose readings end when they are let go: with what there was when they began.
    #[derive(Default)]
    struct SlowTable {
        table: Table,
        begun: tokio::sync::Notify,
        go: tokio::sync::Notify,
    }

    #[async_trait]
    impl ports::Suspensions for SlowTable {
        async fn all_suspensions(&self) -> Result<Vec<Suspension>, StorageError> {
            let rows = self.table.0.lock().unwrap().clone().unwrap_or_default();
            self.begun.notify_one();
            self.go.notified().await;
            Ok(rows)
        }

        async fn suspensions(
            &self,
            workspace: &WorkspaceName,
        ) -> Result<Vec<Suspension>, StorageError> {
            self.table.suspensions(workspace).await
        }

        async fn suspend(&self, new: &NewSuspension) -> Result<Suspension, StorageError> {
            self.table.suspend(new).await
        }

        async fn resume(
            &self,
            workspace: &WorkspaceName,
            subject: &Suspendable,
        ) -> Result<Option<Suspension>, StorageError> {
            self.table.resume(workspace, subject).await
        }
    }

    #[tokio::test]
    async fn a_reading_that_began_before_does_not_undo_what_was_stopped_since() {
        let table = Arc::new(SlowTable::default());
        let suspensions = Suspensions::new(table.clone());
        let new = NewSuspension {
            workspace: workspace("home"),
            subject: Suspendable::Workspace,
            comment: String::new(),
            suspended_by: "ops".to_owned(),
        };
        let stop = async {
            table.begun.notified().await;
            let stopping = suspensions.suspend(&new);
            let let_go = async { table.go.notify_one() };
            tokio::join!(stopping, let_go).0
        };
        let (read, stopped) = tokio::join!(suspensions.reload(), stop);
        read.unwrap();
        stopped.unwrap();
        let backend = caller("billing", CallerRole::Backend);
        let found = suspensions.find(&backend, &workspace("home"), "crm", Action::Vend);
        assert_eq!(found, Some(Suspended::Workspace));
    }

    #[tokio::test]
    async fn while_the_database_is_away_what_was_stopped_stays_so() {
        let table = Arc::new(Table::default());
        let suspensions = Suspensions::new(table.clone());
        assert!(suspensions.reload().await.is_err());
        let new = NewSuspension {
            workspace: workspace("home"),
            subject: Suspendable::Workspace,
            comment: String::new(),
            suspended_by: "ops".to_owned(),
        };
        suspensions.suspend(&new).await.unwrap();
        *table.0.lock().unwrap() = None;
        assert!(suspensions.reload().await.is_err());
        let backend = caller("billing", CallerRole::Backend);
        let found = suspensions.find(&backend, &workspace("home"), "crm", Action::Vend);
        assert_eq!(found, Some(Suspended::Workspace));
    }
}
