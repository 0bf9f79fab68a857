//! How far chains in files have come.

use sea_orm::{
    ActiveValue::Set, ColumnTrait, EntityTrait, IntoActiveModel, QueryFilter, sea_query::OnConflict,
};
use tokend_model::ports::{AuditAnchor, StorageError};

use crate::{
    Storage,
    columns::time,
    entities::audit_anchor::{ActiveModel, Column, Entity, Model},
    faults::by_meaning,
};

impl Storage {
    pub(super) async fn put_anchor(&self, anchor: &AuditAnchor) -> Result<(), StorageError> {
        let row = Model {
            stream: anchor.stream.clone(),
            sequence: anchor.sequence,
            hash: anchor.hash.clone(),
            place: anchor.place.clone(),
            anchor_time: anchor.time.timestamp_millis(),
        };
        Entity::insert(row.clone().into_active_model())
            .on_conflict(OnConflict::column(Column::Stream).do_nothing().to_owned())
            .exec_without_returning(&self.database)
            .await
            .map_err(by_meaning)?;
        Entity::update_many()
            .set(ActiveModel {
                sequence: Set(row.sequence),
                hash: Set(row.hash),
                place: Set(row.place),
                anchor_time: Set(row.anchor_time),
                ..Default::default()
            })
            .filter(Column::Stream.eq(anchor.stream.as_str()))
            .filter(Column::Sequence.lt(anchor.sequence))
            .exec(&self.database)
            .await
            .map_err(by_meaning)?;
        Ok(())
    }

    pub(super) async fn get_anchor(
        &self,
        stream: &str,
    ) -> Result<Option<AuditAnchor>, StorageError> {
        let row = Entity::find_by_id(stream)
            .one(&self.database)
            .await
            .map_err(by_meaning)?;
        let read = |row: Model| {
            Ok(AuditAnchor {
                stream: row.stream,
                sequence: row.sequence,
                hash: row.hash,
                place: row.place,
                time: time("audit_anchors.anchor_time", row.anchor_time)?,
            })
        };
        row.map(read).transpose()
    }
}
