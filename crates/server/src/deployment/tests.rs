//! A guard and a database that goes back in time.

use std::{
    io, mem,
    path::Path,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use async_trait::async_trait;
use tempfile::TempDir;
use tokend_model::ports::{Deployment, DeploymentGuard, Deployments, StorageError};
use tracing_subscriber::fmt::MakeWriter;

use super::{Guard, NotOurs};
use crate::config;

type Outcome = Result<(), Box<dyn std::error::Error>>;

/// A database in memory.
#[derive(Default)]
struct Database {
    deployment: Mutex<Option<Deployment>>,
    connections: bool,
}

impl Database {
    fn with_connections(deployment: Option<Deployment>) -> Arc<Self> {
        Arc::new(Self {
            deployment: Mutex::new(deployment),
            connections: true,
        })
    }

    fn row(&self) -> MutexGuard<'_, Option<Deployment>> {
        self.deployment
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

fn deployment(id: &str, pulse: i64) -> Deployment {
    Deployment {
        id: id.to_owned(),
        adoptions: 0,
        pulse,
    }
}

#[async_trait]
impl Deployments for Database {
    async fn deployment(&self) -> Result<Option<Deployment>, StorageError> {
        Ok(self.row().clone())
    }

    async fn holds_connections(&self) -> Result<bool, StorageError> {
        Ok(self.connections)
    }

    async fn found(&self, id: &str) -> Result<Deployment, StorageError> {
        let mut row = self.row();
        Ok(row.get_or_insert_with(|| deployment(id, 0)).clone())
    }

    async fn beat(&self, id: &str) -> Result<Deployment, StorageError> {
        let mut row = self.row();
        let row = row.as_mut().ok_or(StorageError::Changed)?;
        if row.id == id {
            row.pulse += 1;
        }
        Ok(row.clone())
    }

    async fn adopt(&self, id: &str, past_pulse: i64) -> Result<Deployment, StorageError> {
        let mut row = self.row();
        let adoptions = row.as_ref().map_or(0, |row| row.adoptions) + 1;
        let adopted = Deployment {
            adoptions,
            ..deployment(id, past_pulse + 1)
        };
        Ok(row.insert(adopted).clone())
    }
}

fn settings(id: &str, folder: &TempDir) -> config::Deployment {
    config::Deployment {
        id: id.to_owned(),
        file: folder.path().join("deployment"),
    }
}

/// What is logged by this thread from now on.
#[derive(Clone, Default)]
struct Logged(Arc<Mutex<Vec<u8>>>);

impl Logged {
    fn take(&self) -> String {
        let mut bytes = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        String::from_utf8_lossy(&mem::take(&mut *bytes)).into_owned()
    }
}

impl io::Write for Logged {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        let mut bytes = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        bytes.extend_from_slice(line);
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl MakeWriter<'_> for Logged {
    type Writer = Self;

    fn make_writer(&self) -> Self {
        self.clone()
    }
}

#[tokio::test]
async fn a_backup_from_before_databases_said_whose_they_are_is_an_old_one() -> Outcome {
    let folder = TempDir::new()?;
    let database = Database::with_connections(None);
    // The first start of this release: nothing was seen yet.
    let guard = Guard::establish(settings("", &folder), database.clone()).await?;
    assert!(!guard.vends_only());
    guard.check().await?;
    let seen = database.row().take().map(|row| row.pulse);
    guard.check().await?;
    let older = NotOurs::Older { shown: 0, seen: 1 };
    assert_eq!((seen, guard.refused()), (Some(1), Some(older.clone())));
    assert!(guard.vends_only() && database.row().is_none());
    // And after a restart, whatever the configuration calls it.
    for id in ["", "named"] {
        let guard = Guard::establish(settings(id, &folder), database.clone()).await?;
        assert_eq!(guard.refused(), Some(older.clone()), "{id}");
    }
    let settings = settings("", &folder);
    super::adopt(&settings, database.as_ref()).await?;
    guard.check().await?;
    assert!(!guard.vends_only());
    Ok(())
}

#[tokio::test]
async fn an_empty_database_is_founded_again() -> Outcome {
    let folder = TempDir::new()?;
    for _ in 0..2 {
        let database = Arc::new(Database::default());
        let guard = Guard::establish(settings("", &folder), database.clone()).await?;
        guard.check().await?;
        assert!(!guard.vends_only());
    }
    Ok(())
}

#[tokio::test]
async fn it_says_when_nothing_remembers_how_far_the_database_had_come() -> Outcome {
    let logged = Logged::default();
    let subscriber = tracing_subscriber::fmt().with_writer(logged.clone());
    let _scope = tracing::subscriber::set_default(subscriber.finish());
    let in_the_dark = async |id: &str, file: &Path, shown| {
        let settings = config::Deployment {
            id: id.to_owned(),
            file: file.to_owned(),
        };
        let database = Database::with_connections(shown);
        let guard = Guard::establish(settings, database).await?;
        let warned = logged.take().contains("how far the database had come");
        Ok::<_, crate::StartError>((warned, guard.vends_only()))
    };
    let folder = TempDir::new()?;
    let file = folder.path().join("deployment");
    let old = || Some(deployment("ours", 70));
    assert_eq!(
        in_the_dark("ours", Path::new(""), None).await?,
        (false, false)
    );
    assert_eq!(
        in_the_dark("ours", Path::new(""), old()).await?,
        (true, false)
    );
    assert_eq!(in_the_dark("ours", &file, old()).await?, (true, false));
    // The file is there now.
    let later = Some(deployment("ours", 71));
    assert_eq!(in_the_dark("ours", &file, later).await?, (false, false));
    Ok(())
}
