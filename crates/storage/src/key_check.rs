//! Whether what is stored was sealed with keys that are here: asked at start, before anybody is told to go ahead.

use sea_orm::{ColumnTrait, EntityTrait, QueryFilter, QueryOrder, QuerySelect};
use tokend_keyring::key_id_of;
use tokend_model::ports::StorageError;

use crate::{
    Storage,
    entities::{connector, credential},
    faults::by_meaning,
};

impl Storage {
    /// The id of a key that stored secrets need and the key file lacks, if there is one. It looks at the newest
    /// connector and the newest connection: enough to notice a key file that belongs to another database.
    pub async fn missing_key(&self) -> Result<Option<String>, StorageError> {
        let client_secret: Option<Option<Vec<u8>>> = connector::Entity::find()
            .select_only()
            .column(connector::Column::ClientSecret)
            .filter(connector::Column::ClientSecret.is_not_null())
            .order_by_desc(connector::Column::UpdateTime)
            .into_tuple()
            .one(&self.database)
            .await
            .map_err(by_meaning)?;
        let access_token: Option<Vec<u8>> = credential::Entity::find()
            .select_only()
            .column(credential::Column::AccessToken)
            .order_by_desc(credential::Column::ConnectionId)
            .into_tuple()
            .one(&self.database)
            .await
            .map_err(by_meaning)?;
        let sealed = [client_secret.flatten(), access_token];
        let missing = sealed
            .iter()
            .flatten()
            .filter_map(|sealed| key_id_of(sealed))
            .find(|id| !self.keyring.knows(id));
        Ok(missing.map(str::to_owned))
    }
}
