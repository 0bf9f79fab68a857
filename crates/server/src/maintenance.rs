//! Work on an installation that needs no running server: keys, tables, callers, and what the catalogue knows.

use std::{path::Path, time::Duration};

use chrono::{Datelike, TimeDelta};
use tokend_access::ApiKey;
use tokend_catalog::Catalogue;
use tokend_model::{
    Secret, Timestamp, WorkspaceName,
    ports::{ApiKeys, CallerRole, Catalogue as _, Clock},
};

use crate::{StartError, clock::SystemClock, config::Config, deployment, wire_up::open_storage};

/// A caller to be let in.
#[derive(Debug, Clone)]
pub struct NewCaller {
    /// Its name, as logs show it.
    pub name: String,
    /// The workspace it may ask about.
    pub workspace: String,
    /// Whether it may call `AdminService` as well.
    pub operator: bool,
    /// When its key stops working; never if absent.
    pub expires_in: Option<Duration>,
}

/// A caller's API key, to be shown once.
#[derive(Debug)]
pub struct AddedCaller {
    /// The key itself.
    pub api_key: Secret,
    /// Its public half.
    pub key_id: String,
    /// When it stops working, in RFC 3339; never if absent.
    pub expire_time: Option<String>,
}

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
    Ok(AdoptedDatabase {
        deployment_id: adopted.id,
        adoptions: adopted.adoptions,
    })
}

/// Makes an API key and stores its hash. A running server notices within seconds.
pub async fn add_caller(config: &Config, caller: NewCaller) -> Result<AddedCaller, StartError> {
    let workspace = WorkspaceName::new(caller.workspace)
        .map_err(|invalid| StartError::Workspace(invalid.to_string()))?;
    let role = match caller.operator {
        true => CallerRole::Operator,
        false => CallerRole::Backend,
    };
    let now = SystemClock.now();
    let expire_time = caller
        .expires_in
        .map(|time_to_live| expire_time(now, time_to_live))
        .transpose()?;
    let storage = open_storage(config).await?;
    if config.database.migrate_on_start {
        storage.migrate().await.map_err(StartError::Migrate)?;
    }
    let key = ApiKey::generate(caller.name, workspace, role, now, expire_time)?;
    ApiKeys::insert(&storage, &key.record)
        .await
        .map_err(|_| StartError::Storage)?;
    Ok(AddedCaller {
        api_key: key.key,
        key_id: key.record.key_id,
        expire_time: expire_time.map(|time| time.to_rfc3339()),
    })
}

/// When a key ends; RFC 3339 and the databases know years of four digits.
fn expire_time(now: Timestamp, time_to_live: Duration) -> Result<Timestamp, StartError> {
    TimeDelta::from_std(time_to_live)
        .ok()
        .and_then(|time_to_live| now.checked_add_signed(time_to_live))
        .filter(|time| time.year() <= 9999)
        .ok_or(StartError::ExpiresTooLate)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_that_would_outlive_the_calendar_is_refused() {
        let now = SystemClock.now();
        let day = Duration::from_secs(24 * 60 * 60);
        let tomorrow = expire_time(now, day).expect("a day");
        assert_eq!(tomorrow - now, TimeDelta::days(1));
        for too_long in [day * 365 * 9000, day * u32::MAX, Duration::MAX] {
            let refused = expire_time(now, too_long);
            assert!(matches!(refused, Err(StartError::ExpiresTooLate)));
        }
    }
}
