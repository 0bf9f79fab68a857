//! Whether the database can lose a commit that it answered.

use sea_orm::{ConnectionTrait, DatabaseBackend, FromQueryResult, Statement};
use tokend_model::ports::StorageError;

use crate::{Storage, faults::by_meaning};

/// What a commit is worth once the database has answered it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Durability {
    /// It outlives the loss of a machine as far as the database can promise: on PostgreSQL a standby has it too, on
    /// SQLite it is on the disk of the only machine there is.
    Durable,
    /// It can be lost, and with it the only living refresh token of a connection.
    AtRisk {
        /// The setting that allows it, in words for those who run the database.
        why: String,
    },
}

/// The settings as they are in force on our own connections.
#[derive(FromQueryResult)]
struct Settings {
    fsync: String,
    synchronous_commit: String,
    synchronous_standby_names: String,
}

const SETTINGS: &str = "SELECT current_setting('fsync') AS fsync, \
    current_setting('synchronous_commit') AS synchronous_commit, \
    current_setting('synchronous_standby_names') AS synchronous_standby_names";

impl Storage {
    /// Asks the database what its commits are worth at present.
    pub async fn durability(&self) -> Result<Durability, StorageError> {
        let backend = self.database.get_database_backend();
        if backend != DatabaseBackend::Postgres {
            return Ok(Durability::Durable);
        }
        let settings = Settings::find_by_statement(Statement::from_string(backend, SETTINGS))
            .one(&self.database)
            .await
            .map_err(by_meaning)?;
        Ok(match settings.map(|settings| settings.risk()) {
            Some(None) => Durability::Durable,
            Some(Some(why)) => Durability::AtRisk { why },
            None => Durability::AtRisk {
                why: "PostgreSQL does not say how it commits".to_owned(),
            },
        })
    }
}

impl Settings {
    fn risk(&self) -> Option<String> {
        let synchronous_commit = self.synchronous_commit.as_str();
        if self.fsync != "on" {
            Some("PostgreSQL does not wait for its disk (fsync=off)".to_owned())
        } else if !matches!(synchronous_commit, "on" | "remote_apply") {
            Some(format!(
                "PostgreSQL answers commits before they are safe (synchronous_commit={synchronous_commit})"
            ))
        } else if self.synchronous_standby_names.trim().is_empty() {
            Some(
                "PostgreSQL has no synchronous standby (synchronous_standby_names is empty): a failover may lose the last commits"
                    .to_owned(),
            )
        } else {
            None
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(fsync: &str, commit: &str, standbys: &str) -> Settings {
        Settings {
            fsync: fsync.to_owned(),
            synchronous_commit: commit.to_owned(),
            synchronous_standby_names: standbys.to_owned(),
        }
    }

    #[test]
    fn commits_are_safe_only_where_a_standby_is_waited_for() {
        for commit in ["on", "remote_apply"] {
            assert_eq!(settings("on", commit, "ANY 1 (a, b)").risk(), None);
        }
        for (risky, named) in [
            (settings("off", "on", "a"), "fsync"),
            (settings("on", "off", "a"), "synchronous_commit=off"),
            (settings("on", "local", "a"), "synchronous_commit=local"),
            (
                settings("on", "remote_write", "a"),
                "synchronous_commit=remote_write",
            ),
            (settings("on", "on", " "), "synchronous_standby_names"),
        ] {
            assert!(
                risky.risk().is_some_and(|why| why.contains(named)),
                "{named}"
            );
        }
    }
}
