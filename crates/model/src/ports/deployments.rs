//! Whose database this is: what keeps a copy or an old backup from using up the refresh tokens of the original.

use async_trait::async_trait;

use super::StorageError;

/// The deployment a database says it belongs to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Deployment {
    /// Its name, which those who run it also hold outside the database.
    pub id: String,
    /// How often the database was adopted; grows by one each time.
    pub adoptions: i64,
    /// Counts on while replicas run. A database whose count is behind what was seen before is an older one.
    pub pulse: i64,
}

impl Deployment {
    /// Whether the database went back in time since it was as in `seen`. Adopting one settles that.
    pub fn is_behind(&self, seen: &Self) -> bool {
        self.adoptions <= seen.adoptions && self.pulse < seen.pulse
    }
}

/// Whether the database is ours, so that providers may be called for what is in it.
pub trait DeploymentGuard: Send + Sync {
    /// `true` if it is not known to be ours: what is valid is vended, and no provider is called.
    fn vends_only(&self) -> bool;
}

/// The deployment a database belongs to, at rest.
#[async_trait]
pub trait Deployments: Send + Sync {
    /// What the database says, if it says anything.
    async fn deployment(&self) -> Result<Option<Deployment>, StorageError>;

    /// Whether there is any connection in it.
    async fn holds_connections(&self) -> Result<bool, StorageError>;

    /// Gives a database that belongs to nobody to `id`; answers whose it is, which may be somebody else's by now.
    async fn found(&self, id: &str) -> Result<Deployment, StorageError>;

    /// Counts the pulse on if the database still belongs to `id`; answers what it says then.
    async fn beat(&self, id: &str) -> Result<Deployment, StorageError>;

    /// Makes the database `id`'s, with a pulse above `past_pulse`, and every connection uncertain: its refresh
    /// token may have been redeemed since this copy was made.
    async fn adopt(&self, id: &str, past_pulse: i64) -> Result<Deployment, StorageError>;
}
