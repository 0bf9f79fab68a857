//! What replicas have to hear of: written in the transaction that changes it, told by `NOTIFY` where the database
//! can, and found by asking where it cannot.

mod announcements;
mod listener;

use std::time::Duration;

use async_trait::async_trait;
use sea_orm::{
    ActiveValue::{NotSet, Set},
    ColumnTrait, ConnectionTrait, DatabaseBackend, DatabaseTransaction, EntityTrait, QueryFilter,
    QueryOrder,
};
use tokend_model::{
    ConnectionId, ConnectorId, Timestamp, WorkspaceName,
    ports::{Change, ChangedSubject, Changes, ChangesSeen, StorageError},
};

use self::announcements::note;
pub(crate) use self::announcements::{Announcements, noticing};
use crate::{
    Storage,
    columns::{name, time},
    database_clock,
    entities::change::{ActiveModel, Column, Entity, Model},
    faults::{by_meaning, corrupt},
};

const CONNECTION: &str = "CONNECTION";
const CONNECTOR: &str = "CONNECTOR";

/// How long changes are kept: far longer than a replica that lives goes without asking.
const KEPT: Duration = Duration::from_secs(600);

/// Asked for again each time: a change gets its time before its transaction is committed, and no transaction lasts
/// longer (its statements have their time limit).
const OVERLAP: Duration = Duration::from_secs(30);

#[async_trait]
impl Changes for Storage {
    async fn since(&self, moment: Option<Timestamp>) -> Result<ChangesSeen, StorageError> {
        // Before the rows: what is committed in between is reported the next time too.
        let now = database_clock::read(&self.database).await?;
        let mut seen = ChangesSeen {
            changes: Vec::new(),
            until: time("the database clock", now)?,
            gap: false,
        };
        let Some(moment) = moment else {
            return Ok(seen);
        };
        let begin = before(moment.timestamp_millis(), OVERLAP);
        // A clock that went back by more than the overlap leaves a gap as well.
        seen.gap = !(before(now, KEPT)..=now).contains(&begin);
        let rows = Entity::find()
            .filter(Column::ChangeTime.gt(begin))
            .order_by_asc(Column::Id)
            .all(&self.database)
            .await
            .map_err(by_meaning)?;
        for row in rows {
            match read(row) {
                Ok(change) => seen.changes.push(change),
                // Of a newer version, say. It may be about anything.
                Err(error) => {
                    tracing::warn!(%error, "a change cannot be read");
                    seen.gap = true;
                }
            }
        }
        Ok(seen)
    }

    async fn announced(&self) {
        self.announcements.heard(&self.database.current()).await;
    }

    async fn forget_old(&self) -> Result<u64, StorageError> {
        let now = database_clock::read(&self.database).await?;
        let result = Entity::delete_many()
            .filter(Column::ChangeTime.lt(before(now, KEPT)))
            .exec(&self.database)
            .await
            .map_err(by_meaning)?;
        Ok(result.rows_affected)
    }
}

/// Tells all replicas of the change once the transaction is committed.
pub(crate) async fn announce(
    transaction: &DatabaseTransaction,
    workspace: &WorkspaceName,
    subject: &ChangedSubject,
) -> Result<(), StorageError> {
    let (kind, subject) = match subject {
        ChangedSubject::Connection(id) => (CONNECTION, id.as_str()),
        ChangedSubject::Connector(id) => (CONNECTOR, id.as_str()),
    };
    let row = ActiveModel {
        id: NotSet,
        change_time: Set(database_clock::read(transaction).await?),
        workspace: Set(workspace.as_str().to_owned()),
        kind: Set(kind.to_owned()),
        subject: Set(subject.to_owned()),
    };
    Entity::insert(row)
        .exec_without_returning(transaction)
        .await
        .map_err(by_meaning)?;
    if transaction.get_database_backend() == DatabaseBackend::Postgres {
        transaction
            .execute_unprepared(listener::NOTIFY)
            .await
            .map_err(by_meaning)?;
    }
    note();
    Ok(())
}

fn read(row: Model) -> Result<Change, StorageError> {
    let subject =
        match row.kind.as_str() {
            CONNECTION => name("changes.subject", row.subject, ConnectionId::new)
                .map(ChangedSubject::Connection),
            CONNECTOR => name("changes.subject", row.subject, ConnectorId::new)
                .map(ChangedSubject::Connector),
            _ => Err(corrupt("changes.kind", "it is not known")),
        };
    Ok(Change {
        number: row.id,
        workspace: name("changes.workspace", row.workspace, WorkspaceName::new)?,
        subject: subject?,
    })
}

/// A time in unix milliseconds, that much earlier.
fn before(milliseconds: i64, span: Duration) -> i64 {
    milliseconds.saturating_sub(i64::try_from(span.as_millis()).unwrap_or(i64::MAX))
}
