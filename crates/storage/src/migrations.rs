//! The schema's history. A migration is never edited once it was released; each runs on both databases.

mod m0001_first_tables;
mod m0002_authorizations_by_expire_time;
mod m0003_renewals_and_orphans;
mod m0004_changes_and_deployment;
mod m0005_credential_sources;
mod m0006_tags_tokens_and_secrets;
mod m0007_device_polls;
mod m0008_predecessors;
mod m0009_audit;
mod m0010_suspensions_and_bulk_revocations;
mod m0011_last_used_keys;
mod m0012_left_out_of_bulk_revocations;

use sea_orm::ConnectionTrait;
use sea_orm_migration::{MigrationTrait, MigratorTrait};
use tokend_model::ports::StorageError;

use crate::{Storage, connect::migration_lock, faults::by_meaning};

struct Migrator;

impl MigratorTrait for Migrator {
    fn migrations() -> Vec<Box<dyn MigrationTrait>> {
        vec![
            Box::new(m0001_first_tables::Migration),
            Box::new(m0002_authorizations_by_expire_time::Migration),
            Box::new(m0003_renewals_and_orphans::Migration),
            Box::new(m0004_changes_and_deployment::Migration),
            Box::new(m0005_credential_sources::Migration),
            Box::new(m0006_tags_tokens_and_secrets::Migration),
            Box::new(m0007_device_polls::Migration),
            Box::new(m0008_predecessors::Migration),
            Box::new(m0009_audit::Migration),
            Box::new(m0010_suspensions_and_bulk_revocations::Migration),
            Box::new(m0011_last_used_keys::Migration),
            Box::new(m0012_left_out_of_bulk_revocations::Migration),
        ]
    }
}

impl Storage {
    /// Brings the schema up to date, all of it or nothing; several replicas may do so at once.
    pub async fn migrate(&self) -> Result<(), StorageError> {
        self.transact_at_length(|transaction| {
            Box::pin(async move {
                if let Some(lock) = migration_lock(transaction.get_database_backend()) {
                    transaction
                        .execute_unprepared(lock)
                        .await
                        .map_err(by_meaning)?;
                }
                Migrator::up(transaction, None).await.map_err(by_meaning)
            })
        })
        .await
    }

    /// The names of the migrations that are still to be carried out; reads only.
    pub async fn pending_migrations(&self) -> Result<Vec<String>, StorageError> {
        let pending = Migrator::get_pending_migrations_read_only(&self.database)
            .await
            .map_err(by_meaning)?;
        Ok(pending
            .iter()
            .map(|migration| migration.name().to_owned())
            .collect())
    }
}
