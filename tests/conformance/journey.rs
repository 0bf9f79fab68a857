//! One integration type from end to end: connector, connecting, vending, renewing twice, revoking.

use std::{collections::HashMap, sync::Arc};

use tokend_api::v1;
use tonic::Status;

use crate::{dialect::Dialect, provider::Provider, table::Row, world::World};

/// A failed step, for people.
pub(crate) type Failure = String;

/// One integration type on its way.
pub(crate) struct Journey<'w> {
    pub(crate) world: &'w World,
    pub(crate) dialect: &'w Arc<Dialect>,
    pub(crate) entry: &'w v1::IntegrationType,
    pub(crate) provider: Arc<Provider>,
}

impl<'w> Journey<'w> {
    /// Sets up the connector, with a provider where it is registered.
    pub(crate) async fn begin(
        world: &'w World,
        dialect: &'w Arc<Dialect>,
        entry: &'w v1::IntegrationType,
    ) -> Result<Self, Failure> {
        let connector = v1::Connector {
            integration_type: entry.integration_type.clone(),
            kind: v1::ConnectorKind::Shared.into(),
            // The provider's are not known before the redirect URI is.
            client_id: "not-registered-yet".to_owned(),
            scopes: dialect.connector_scopes.clone(),
            connection_config: config_of(dialect, entry, true),
            ..Default::default()
        };
        let create = v1::CreateConnectorRequest {
            connector: Some(connector),
        };
        let mut admin = world.operator.admin();
        let created = admin.create_connector(create).await.map_err(at("create"))?;
        let connector = created.into_inner().connector.unwrap_or_default();
        let name = &entry.integration_type;
        let provider = Arc::new(Provider::new(dialect, name, &connector.redirect_uri));
        let update = v1::UpdateConnectorRequest {
            connector: Some(v1::Connector {
                client_id: provider.client_id.clone(),
                client_secret: provider.operators_secret(),
                ..connector
            }),
            update_mask: Some(prost_types::FieldMask {
                paths: vec!["client_id".to_owned(), "client_secret".to_owned()],
            }),
        };
        admin.update_connector(update).await.map_err(at("update"))?;
        Ok(Self {
            world,
            dialect,
            entry,
            provider,
        })
    }

    /// Goes the whole way.
    pub(crate) async fn travel(&self) -> Result<Row, Failure> {
        self.world.stage.enter(&self.provider);
        let way = self.way().await;
        let complaints = std::mem::take(&mut self.provider.books().complaints);
        self.leave().await?;
        self.world.stage.clear();
        match (way, complaints.is_empty()) {
            (way, true) => way,
            (way, false) => {
                let step = way
                    .err()
                    .unwrap_or_else(|| "all steps went well, but".to_owned());
                Err(format!("{step}\n    - {}", complaints.join("\n    - ")))
            }
        }
    }

    /// Removes the connector, so that the type can be tried with another grant.
    async fn leave(&self) -> Result<(), Failure> {
        let delete = v1::DeleteConnectorRequest {
            connector_id: self.entry.integration_type.clone(),
            force: true,
            ..Default::default()
        };
        let mut admin = self.world.operator.admin();
        admin.delete_connector(delete).await.map_err(at("delete"))?;
        Ok(())
    }

    async fn way(&self) -> Result<Row, Failure> {
        let connection = self.connect().await?;
        let first = self.vend(None).await?;
        self.check(&first, false)?;
        let vended = self.renew(&connection, first).await?;
        let second = self.second().await?;
        let revoke = self.revoke(&connection, &vended).await?;
        if second.is_some_and(|token| self.works(&token)) {
            return Err("revoke: the second token still works".to_owned());
        }
        if self.dialect.authorize.is_some() {
            self.again().await?;
        }
        Ok(self.row(revoke))
    }
}

/// The part of the dialect's config that an operator gives, or that is given when connecting.
pub(crate) fn config_of(
    dialect: &Dialect,
    entry: &v1::IntegrationType,
    operators: bool,
) -> HashMap<String, String> {
    let is_operators = |name: &String| {
        let mut fields = entry.connection_config_fields.iter();
        fields.any(|field| field.name == *name && field.operator_only)
    };
    let given = dialect.config.iter();
    given
        .filter(|(name, _)| is_operators(name) == operators)
        .map(|(name, value)| (name.clone(), value.clone()))
        .collect()
}

/// Says at which step a call failed.
pub(crate) fn at(step: &str) -> impl FnOnce(Status) -> Failure + '_ {
    move |status| format!("{step}: {:?}: {}", status.code(), status.message())
}
