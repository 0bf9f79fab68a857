//! Attempts to connect at rest.

mod answer;
mod expiry;
mod row;
mod step;

use async_trait::async_trait;
use sea_orm::{
    ActiveValue::Set, ColumnTrait, Condition, EntityTrait, IntoActiveModel, QueryFilter, QueryOrder,
};
use tokend_model::{
    Authorization, AuthorizationId, AuthorizationState, Completion, ConnectorId, Label, Owner,
    PendingCode, PendingDevice, TicketUse, Timestamp, TokenAnswer, WorkspaceName,
    ports::{Authorizations, ReturnedState, StorageError},
};

use self::step::{is_in, is_not_final, step, to_state};
pub(crate) use self::{answer::readable_answer, step::complete};
use crate::{
    Storage,
    columns::owner_columns,
    entities::authorization::{Column, Entity, Model},
    faults::by_meaning,
    sealed::{CODE, PKCE_VERIFIER, SealedRow},
};

#[async_trait]
impl Authorizations for Storage {
    async fn insert(
        &self,
        authorization: &Authorization,
        ticket_hash: &[u8],
        completion_hash: Option<&[u8]>,
    ) -> Result<(), StorageError> {
        let row = Model::write(authorization, ticket_hash, completion_hash);
        Entity::insert(row.into_active_model())
            .exec_without_returning(&self.database)
            .await
            .map_err(by_meaning)?;
        Ok(())
    }

    async fn insert_device(
        &self,
        authorization: &Authorization,
        completion_hash: &[u8],
        device: &PendingDevice,
    ) -> Result<(), StorageError> {
        let sealing = SealedRow::new(
            &self.keyring,
            &authorization.workspace,
            authorization.id.as_str(),
        );
        let code = sealing.seal(CODE, &device.device_code)?;
        // No browser holds a ticket; the column is for one value a row, which must be nobody else's.
        let row = Model::write(authorization, completion_hash, Some(completion_hash));
        let mut row = row.into_active_model();
        row.code = Set(Some(code));
        step::to_poll(&mut row, device);
        Entity::insert(row)
            .exec_without_returning(&self.database)
            .await
            .map_err(by_meaning)?;
        Ok(())
    }

    async fn get(
        &self,
        workspace: &WorkspaceName,
        id: &AuthorizationId,
    ) -> Result<Option<Authorization>, StorageError> {
        Entity::find_by_id(id.as_str())
            .filter(Column::Workspace.eq(workspace.as_str()))
            .one(&self.database)
            .await
            .map_err(by_meaning)?
            .map(Model::read)
            .transpose()
    }

    async fn find_by_ticket(
        &self,
        ticket_hash: &[u8],
    ) -> Result<Option<Authorization>, StorageError> {
        Entity::find()
            .filter(Column::TicketHash.eq(ticket_hash))
            .one(&self.database)
            .await
            .map_err(by_meaning)?
            .map(Model::read)
            .transpose()
    }

    async fn begin_consent(
        &self,
        workspace: &WorkspaceName,
        id: &AuthorizationId,
        ticket_use: &TicketUse,
    ) -> Result<bool, StorageError> {
        let sealing = SealedRow::new(&self.keyring, workspace, id.as_str());
        let mut change = to_state(AuthorizationState::AwaitingConsent);
        change.state_hash = Set(Some(ticket_use.state_hash.clone()));
        change.browser_hash = Set(Some(ticket_use.browser_hash.clone()));
        change.redirect_uri = Set(Some(ticket_use.redirect_uri.clone()));
        let verifier = sealing.seal(PKCE_VERIFIER, &ticket_use.pkce_verifier)?;
        change.pkce_verifier = Set(Some(verifier));
        // Once a state came back its code is on the way: another verifier would make it worthless.
        let from = Condition::any()
            .add(is_in(AuthorizationState::Started))
            .add(is_in(AuthorizationState::AwaitingConsent).add(Column::StateHash.is_not_null()));
        step(&self.database, workspace, id, from, change).await
    }

    async fn take_state(&self, state_hash: &[u8]) -> Result<Option<ReturnedState>, StorageError> {
        let state_hash = state_hash.to_vec();
        self.transact(move |transaction| {
            Box::pin(async move { step::take_state(transaction, &state_hash).await })
        })
        .await
    }

    async fn store_code(
        &self,
        workspace: &WorkspaceName,
        id: &AuthorizationId,
        pending: &PendingCode,
    ) -> Result<Option<bool>, StorageError> {
        let sealing = SealedRow::new(&self.keyring, workspace, id.as_str());
        let code = sealing.seal(CODE, &pending.code)?;
        let (workspace, id) = (workspace.clone(), id.clone());
        let pending = pending.clone();
        self.transact(move |transaction| {
            Box::pin(
                async move { step::store_code(transaction, &workspace, &id, code, pending).await },
            )
        })
        .await
    }

    async fn begin_completion(
        &self,
        workspace: &WorkspaceName,
        id: &AuthorizationId,
        completion_hash: &[u8],
    ) -> Result<Option<Completion>, StorageError> {
        let (storage, workspace, id) = (self.clone(), workspace.clone(), id.clone());
        let hash = completion_hash.to_vec();
        self.transact(move |transaction| {
            Box::pin(async move {
                step::begin_completion(transaction, &storage, &workspace, &id, &hash).await
            })
        })
        .await
    }

    async fn advance(
        &self,
        workspace: &WorkspaceName,
        id: &AuthorizationId,
        state: AuthorizationState,
        reason: &str,
    ) -> Result<(), StorageError> {
        let mut change = to_state(state);
        change.failure_reason = Set(reason.to_owned());
        // What is final stays as it is: whoever comes later has nothing to add.
        step(&self.database, workspace, id, is_not_final(), change).await?;
        Ok(())
    }

    async fn put_off(
        &self,
        workspace: &WorkspaceName,
        id: &AuthorizationId,
        device: &PendingDevice,
    ) -> Result<(), StorageError> {
        let mut change = to_state(AuthorizationState::AwaitingCompletion);
        step::to_poll(&mut change, device);
        let from = is_in(AuthorizationState::Completing);
        step(&self.database, workspace, id, from, change).await?;
        Ok(())
    }

    async fn hold(
        &self,
        workspace: &WorkspaceName,
        id: &AuthorizationId,
        answer: &TokenAnswer,
        reason: &str,
    ) -> Result<(), StorageError> {
        let sealing = SealedRow::new(&self.keyring, workspace, id.as_str());
        let mut change = to_state(AuthorizationState::AwaitingCompletion);
        change.answer = Set(Some(answer::seal(&sealing, answer)?));
        change.code = Set(None);
        change.pkce_verifier = Set(None);
        change.failure_reason = Set(reason.to_owned());
        let from = is_in(AuthorizationState::Completing);
        match step(&self.database, workspace, id, from, change).await? {
            true => Ok(()),
            false => Err(StorageError::Changed),
        }
    }

    async fn abandoned(
        &self,
        deadline: Timestamp,
        limit: u64,
    ) -> Result<Vec<(Authorization, TokenAnswer)>, StorageError> {
        let rows = expiry::holding(&self.database, deadline, limit).await?;
        let mut abandoned = Vec::new();
        for mut row in rows {
            let sealed = row.answer.take().unwrap_or_default();
            let unread = row.id.clone();
            let authorization = match row.read() {
                Ok(authorization) => authorization,
                Err(error) => {
                    tracing::warn!(id = unread, %error, "an attempt that holds tokens cannot be read");
                    continue;
                }
            };
            let id = authorization.id.as_str();
            let sealing = SealedRow::new(&self.keyring, &authorization.workspace, id);
            match answer::open(&sealing, &sealed) {
                Ok(answer) => abandoned.push((authorization, answer)),
                // A lost key must not keep the others from being ended.
                Err(error) => tracing::warn!(id, %error, "tokens that are held cannot be opened"),
            }
        }
        Ok(abandoned)
    }

    async fn expire(&self, deadline: Timestamp, reason: &str) -> Result<u64, StorageError> {
        let ended = expiry::end(&self.database, deadline, reason).await?;
        expiry::remove(&self.database, deadline).await?;
        Ok(ended)
    }

    async fn find_open(
        &self,
        workspace: &WorkspaceName,
        connector_id: &ConnectorId,
        owner: &Owner,
        label: &Label,
        now: Timestamp,
    ) -> Result<Option<Authorization>, StorageError> {
        let (owner_kind, owner_user) = owner_columns(owner);
        Entity::find()
            .filter(Column::Workspace.eq(workspace.as_str()))
            .filter(Column::ConnectorId.eq(connector_id.as_str()))
            .filter(Column::OwnerKind.eq(owner_kind))
            .filter(Column::OwnerUser.eq(owner_user))
            .filter(Column::Label.eq(label.as_str()))
            .filter(Column::ExpireTime.gt(now.timestamp_millis()))
            .filter(is_not_final())
            .order_by_desc(Column::CreateTime)
            .order_by_desc(Column::Id)
            .one(&self.database)
            .await
            .map_err(by_meaning)?
            .map(Model::read)
            .transpose()
    }
}
