//! Which integration type a connector is of, from memory where it can be: what may be vended is decided before anything
//! is looked up.

use tokend_model::{ConnectorId, IntegrationTypeName, WorkspaceName};

use crate::{Error, Vending};

impl Vending {
    /// The integration type of a connector; `None` if there is no such connector.
    pub async fn integration_type_of(
        &self,
        workspace: &WorkspaceName,
        id: &ConnectorId,
    ) -> Result<Option<IntegrationTypeName>, Error> {
        let cache = &self.shared.cache;
        if let Some(known) = cache.type_of(workspace, id) {
            return Ok(Some(known));
        }
        let before_read = cache.before_read();
        let found = self.shared.ports.connectors.get(workspace, id).await?;
        let found = found.map(|connector| connector.integration_type);
        if let Some(name) = &found {
            cache.put_type(workspace, id, name, before_read);
        }
        Ok(found)
    }
}
