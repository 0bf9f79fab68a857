//! Connectors, for operators: one by one, or a whole set with a plan.

use tokend_api::v1;
use tokend_model::{Connector, Secret, WorkspaceName};
use tokend_vending::{ConnectorDraft, Error, PlannedAction, PlannedChange};

use super::{admin::Admin, from_proto, page::PageRequest, to_proto};

impl Admin {
    pub(super) async fn create_connector_in(
        &self,
        workspace: &WorkspaceName,
        request: v1::CreateConnectorRequest,
    ) -> Result<v1::CreateConnectorResponse, Error> {
        let draft = from_proto::connector_draft(required(request.connector)?)?;
        let plan = self
            .vending
            .plan_connectors(workspace, &[], &[draft], false)
            .await?;
        let change = only(plan)?;
        if change.action != PlannedAction::Create {
            let connector_id = change.connector.id.to_string();
            return Err(Error::ConnectorExists { connector_id });
        }
        let connector = self.carry_out(workspace, change).await?;
        Ok(v1::CreateConnectorResponse {
            connector: Some(connector),
        })
    }

    pub(super) async fn get_connector_in(
        &self,
        workspace: &WorkspaceName,
        request: v1::GetConnectorRequest,
    ) -> Result<v1::GetConnectorResponse, Error> {
        let id = from_proto::connector_id(&request.connector_id)?;
        let connector = self.vending.get_connector(workspace, &id).await?;
        Ok(v1::GetConnectorResponse {
            connector: Some(self.shown(&connector)),
        })
    }

    pub(super) async fn list_connectors_in(
        &self,
        workspace: &WorkspaceName,
        request: v1::ListConnectorsRequest,
    ) -> Result<v1::ListConnectorsResponse, Error> {
        let page = PageRequest::new(request.page_size, &request.page_token)?;
        let kind = from_proto::kind(request.kind());
        let mut all = self.vending.all_connectors(workspace).await?;
        all.retain(|connector| {
            kind.is_none_or(|kind| kind == connector.kind)
                && (request.integration_type.is_empty()
                    || request.integration_type == connector.integration_type.as_str())
        });
        let (rows, next_page_token) = page.take(all, |row| row.id.as_str());
        let connectors = rows.iter().map(|connector| self.shown(connector)).collect();
        Ok(v1::ListConnectorsResponse {
            connectors,
            next_page_token,
        })
    }

    pub(super) async fn update_connector_in(
        &self,
        workspace: &WorkspaceName,
        request: v1::UpdateConnectorRequest,
    ) -> Result<v1::UpdateConnectorResponse, Error> {
        let given = required(request.connector)?;
        let id = from_proto::connector_id(&given.connector_id)?;
        let stored = self.vending.get_connector(workspace, &id).await?;
        check_etag(&given.etag, &stored)?;
        let paths = request.update_mask.map(|mask| mask.paths);
        let draft = masked(&stored, given, paths)?;
        let mut plan = self
            .vending
            .plan_connectors(workspace, &[], &[draft], false)
            .await?;
        // What was read is what is replaced: an update in between makes this one fail.
        if let Some(change) = plan.first_mut() {
            change.connector.version = stored.version;
        }
        let change = only(plan)?;
        let needing = change.connections_needing_consent;
        let connector = self.carry_out(workspace, change).await?;
        Ok(v1::UpdateConnectorResponse {
            connector: Some(connector),
            connections_needing_consent: to_proto::count(needing),
        })
    }

    pub(super) async fn delete_connector_in(
        &self,
        workspace: &WorkspaceName,
        request: v1::DeleteConnectorRequest,
    ) -> Result<v1::DeleteConnectorResponse, Error> {
        let id = from_proto::connector_id(&request.connector_id)?;
        if !request.etag.is_empty() {
            check_etag(
                &request.etag,
                &self.vending.get_connector(workspace, &id).await?,
            )?;
        }
        let deleted = self
            .vending
            .delete_connector(workspace, &id, request.force)
            .await?;
        Ok(v1::DeleteConnectorResponse {
            deleted_connections: to_proto::count(deleted),
        })
    }

    pub(super) async fn apply_connectors_in(
        &self,
        workspace: &WorkspaceName,
        request: v1::ApplyConnectorsRequest,
    ) -> Result<v1::ApplyConnectorsResponse, Error> {
        let mut definitions = Vec::new();
        for definition in request.integration_types {
            let name = from_proto::integration_type(&definition.integration_type)?;
            definitions.push((name, definition.toml));
        }
        let drafts = request
            .connectors
            .into_iter()
            .map(from_proto::connector_draft)
            .collect::<Result<Vec<_>, _>>()?;
        let plan = self
            .vending
            .plan_connectors(workspace, &definitions, &drafts, request.prune)
            .await?;
        if !request.dry_run {
            self.vending
                .define_integration_types(workspace, &definitions)
                .await?;
            self.vending.apply_connectors(workspace, &plan).await?;
        }
        let changes = plan
            .iter()
            .map(|change| {
                to_proto::planned_change(change, self.vending.redirect_uri(&change.connector))
            })
            .collect();
        Ok(v1::ApplyConnectorsResponse {
            changes,
            applied: !request.dry_run,
        })
    }

    async fn carry_out(
        &self,
        workspace: &WorkspaceName,
        change: PlannedChange,
    ) -> Result<v1::Connector, Error> {
        let id = change.connector.id.clone();
        self.vending.apply_connectors(workspace, &[change]).await?;
        Ok(self.shown(&self.vending.get_connector(workspace, &id).await?))
    }

    fn shown(&self, connector: &Connector) -> v1::Connector {
        to_proto::connector(connector, self.vending.redirect_uri(connector))
    }
}

fn required(connector: Option<v1::Connector>) -> Result<v1::Connector, Error> {
    connector.ok_or_else(|| Error::invalid("connector", "is missing"))
}

fn only(plan: Vec<PlannedChange>) -> Result<PlannedChange, Error> {
    plan.into_iter().next().ok_or(Error::Internal)
}

fn check_etag(etag: &str, stored: &Connector) -> Result<(), Error> {
    match etag.is_empty() || *etag == stored.version.to_string() {
        true => Ok(()),
        false => Err(Error::EtagMismatch),
    }
}

/// The stored connector with the fields of the mask (AIP-134: absent means all that are not empty, `*` all) replaced.
fn masked(
    stored: &Connector,
    given: v1::Connector,
    paths: Option<Vec<String>>,
) -> Result<ConnectorDraft, Error> {
    const FIELDS: [&str; 7] = [
        "display_name",
        "client_id",
        "client_secret",
        "scopes",
        "connection_config",
        "return_urls",
        "disabled",
    ];
    if let Some(unknown) = paths
        .iter()
        .flatten()
        .find(|path| *path != "*" && !FIELDS.contains(&path.as_str()))
    {
        let why = format!("'{unknown}' cannot be updated; {} can", FIELDS.join(", "));
        return Err(Error::invalid("update_mask", why));
    }
    let replaces = |field: &str, empty: bool| match &paths {
        None => !empty,
        Some(paths) => paths.iter().any(|path| path == "*" || path == field),
    };
    let pick = |field: &str, given: String, stored: &str| match replaces(field, given.is_empty()) {
        true => given,
        false => stored.to_owned(),
    };
    Ok(ConnectorDraft {
        id: Some(stored.id.clone()),
        integration_type: stored.integration_type.clone(),
        kind: stored.kind,
        display_name: pick("display_name", given.display_name, &stored.display_name),
        client_id: pick("client_id", given.client_id, &stored.client_id),
        client_secret: Some(given.client_secret)
            .filter(|secret| !secret.is_empty())
            .map(Secret::new),
        scopes: match replaces("scopes", given.scopes.is_empty()) {
            true => given.scopes,
            false => stored.scopes.clone(),
        },
        connection_config: match replaces("connection_config", given.connection_config.is_empty()) {
            true => given.connection_config.into_iter().collect(),
            false => stored.connection_config.clone(),
        },
        return_urls: match replaces("return_urls", given.return_urls.is_empty()) {
            true => given.return_urls,
            false => stored.return_urls.clone(),
        },
        disabled: match replaces("disabled", !given.disabled) {
            true => given.disabled,
            false => stored.disabled,
        },
    })
}
