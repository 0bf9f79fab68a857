//! Consenting once more, to all there is to ask for, and a person who then takes it back at the provider.

use std::collections::BTreeSet;

use tokend_api::v1;

use crate::journey::{Failure, Journey, at};

/// A refusal is not believed the first time.
const TRIES: usize = 2;

impl Journey<'_> {
    /// Connects with all scopes that the catalogue knows: none is missing. Then the grant is withdrawn, which the
    /// provider says in its own words when the token is to be renewed.
    pub(crate) async fn again(&self) -> Result<(), Failure> {
        self.ask_for_all().await?;
        let connection = self
            .connect()
            .await
            .map_err(|why| format!("again: {why}"))?;
        let vended = self.vend(None).await?;
        if !vended.missing_scopes.is_empty() {
            let missing = &vended.missing_scopes;
            return Err(format!(
                "again: missing scopes {missing:?}, has {:?}",
                vended.scopes
            ));
        }
        if self.dialect.refresh.is_none() {
            return Ok(());
        }
        self.provider.books().withdraw();
        let mut reasons = Vec::new();
        for _ in 0..TRIES {
            let refresh = v1::RefreshConnectionRequest {
                connection_id: connection.connection_id.clone(),
                ..Default::default()
            };
            let mut admin = self.world.operator.admin();
            match admin.refresh_connection(refresh).await {
                Ok(_) => return Err("again: a withdrawn grant was renewed".to_owned()),
                Err(status) => reasons.push(tokend_tests::reason(&status)),
            }
        }
        match reasons.last().map(String::as_str) {
            Some("REAUTHORIZATION_REQUIRED") => Ok(()),
            _ => Err(format!("again: a withdrawn grant is told as {reasons:?}")),
        }
    }

    async fn ask_for_all(&self) -> Result<(), Failure> {
        let sets = self.entry.scopes.clone().unwrap_or_default();
        let rule = self
            .dialect
            .authorize
            .as_ref()
            .and_then(|authorize| authorize.scope.as_ref());
        let all: BTreeSet<_> = match rule.is_some_and(|rule| rule.single) {
            true => sets.write.into_iter().collect(),
            false => [sets.identity, sets.read, sets.write]
                .into_iter()
                .flatten()
                .collect(),
        };
        if all.is_empty() {
            return Ok(());
        }
        let update = v1::UpdateConnectorRequest {
            connector: Some(v1::Connector {
                connector_id: self.entry.integration_type.clone(),
                scopes: all.into_iter().collect(),
                ..Default::default()
            }),
            update_mask: Some(prost_types::FieldMask {
                paths: vec!["scopes".to_owned()],
            }),
        };
        let mut admin = self.world.operator.admin();
        admin.update_connector(update).await.map_err(at("update"))?;
        Ok(())
    }
}
