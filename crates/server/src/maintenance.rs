//! Work on an installation that needs no running server: keys, tables, callers, and what the catalogue knows.

mod callers;

use std::path::Path;

use tokend_catalog::Catalogue;
use tokend_model::{AuditAction, WorkspaceName, ports::Catalogue as _};

use crate::{
    OfflineAct, StartError, config::Config, deployment, record_offline, wire_up::open_storage,
};

pub use callers::{
    AddedCaller, CallerError, CallerKey, KeyStatus, NewCaller, RotatedCaller, Rotation, WhichKeys,
    add_caller, list_callers, remove_caller, rotate_caller,
};

/// Makes a key file, which nobody else may read; answers the key's id. An existing file is not touched.
pub fn generate_key_file(file: &Path) -> Result<String, StartError> {
    Ok(tokend_keyring::generate_key_file(file)?)
}

/// The names of all integration types that come with tokend, sorted.
pub fn integration_type_names() -> Result<Vec<String>, StartError> {
    let types = Catalogue::embedded()?.list(&WorkspaceName::default_workspace());
    Ok(types.iter().map(|known| known.name.to_string()).collect())
}

/// Brings the database's tables up to date.
pub async fn migrate(config: &Config) -> Result<(), StartError> {
    open_storage(config)
        .await?
        .migrate()
        .await
        .map_err(StartError::Migrate)
}

/// A database that belongs to this deployment now.
#[derive(Debug)]
pub struct AdoptedDatabase {
    /// The deployment's name.
    pub deployment_id: String,
    /// How often the database was adopted.
    pub adoptions: i64,
}

/// Makes the database this deployment's: a copy or an old backup that is to be gone on with. Every refresh token in it
/// is held to be doubtful from then on. Running servers notice within seconds.
pub async fn adopt_database(config: &Config) -> Result<AdoptedDatabase, StartError> {
    let storage = open_storage(config).await?;
    if config.database.migrate_on_start {
        storage.migrate().await.map_err(StartError::Migrate)?;
    }
    let adopted = deployment::adopt(&config.deployment, &storage).await?;
    let act = OfflineAct {
        workspace: WorkspaceName::default_workspace(),
        action: AuditAction::DatabaseAdopt,
        details: vec![("deploymentId", adopted.id.clone())],
    };
    record_offline(config, &storage, act).await?;
    Ok(AdoptedDatabase {
        deployment_id: adopted.id,
        adoptions: adopted.adoptions,
    })
}
