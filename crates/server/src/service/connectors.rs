//! Connectors, for operators: one by one, or a whole set with a plan.

use tokend_api::v1;
use tokend_model::{Connector, ConnectorKind, Secret, WorkspaceName};
use tokend_vending::{ClientSecret, ConnectorDraft, Error, PlannedAction, PlannedChange};

use super::{admin::Admin, from_proto, page::PageRequest, to_proto};
use crate::{admission::Admitted, failure::Failure};

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
        let named = match request.integration_type.as_str() {
            "" => None,
            name => {
                let name = from_proto::integration_type(name)?;
                Some(self.vending.canonical_name(workspace, &name))
            }
        };
        let mut all = self.vending.all_connectors(workspace).await?;
        all.retain(|connector| {
            kind.is_none_or(|kind| kind == connector.kind)
                && named
                    .as_ref()
                    .is_none_or(|name| *name == connector.integration_type)
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
        admitted: &Admitted,
        request: v1::ApplyConnectorsRequest,
    ) -> Result<v1::ApplyConnectorsResponse, Failure> {
        let workspace = admitted.workspace();
        let mut applied = self.admit_set(admitted, &request).await?;
        let (mut definitions, mut errors) = (Vec::new(), Vec::new());
        for (index, definition) in request.integration_types.into_iter().enumerate() {
            match from_proto::integration_type(&definition.integration_type) {
                Ok(name) => definitions.push((index, (name, definition.toml))),
                Err(error) => errors.push((format!("integration_types[{index}]"), error)),
            }
        }
        let (mut etags, mut drafts) = (Vec::new(), Vec::new());
        for (index, connector) in request.connectors.into_iter().enumerate() {
            etags.push(connector.etag.clone());
            match applied_draft(connector) {
                Ok(draft) => drafts.push((index, draft)),
                Err(error) => errors.push((format!("connectors[{index}]"), error)),
            }
        }
        let invalid = self
            .vending
            .invalid_in_set(workspace, &definitions, &drafts)
            .await?;
        errors.extend(invalid);
        if let Some(error) = Error::of_set(errors) {
            return Err(error.into());
        }
        let drafts: Vec<_> = drafts.into_iter().map(|(_, draft)| draft).collect();
        let definitions: Vec<_> = definitions.into_iter().map(|(_, one)| one).collect();
        let plan = self
            .vending
            .plan_connectors(workspace, &definitions, &drafts, request.prune)
            .await?;
        applied.extend(self.admit_plan(admitted, &plan).await?);
        check_planned_etags(&etags, &plan)?;
        if !request.dry_run {
            self.vending
                .apply_connectors(workspace, &definitions, &plan)
                .await?;
            self.record_applied(&applied).await?;
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
        self.vending
            .apply_connectors(workspace, &[], &[change])
            .await?;
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

/// A connector of a set. Sets are applied again and again: without an id each time would make another connector.
fn applied_draft(connector: v1::Connector) -> Result<ConnectorDraft, Error> {
    let draft = from_proto::connector_draft(connector)?;
    match (draft.kind, &draft.id) {
        (ConnectorKind::AppUser, None) => Err(Error::invalid(
            "connector_id",
            format!(
                "is missing on an app-user connector of '{}'",
                draft.integration_type
            ),
        )),
        _ => Ok(draft),
    }
}

/// Whether what the plan replaces is what was read. A plan begins with the connectors given, in their order; an etag
/// that is old does no harm where nothing changes, so that a set can be sent again.
fn check_planned_etags(etags: &[String], plan: &[PlannedChange]) -> Result<(), Error> {
    let mut changes = etags.iter().zip(plan).filter(|(etag, _)| !etag.is_empty());
    changes.try_for_each(|(etag, change)| match change.action {
        PlannedAction::Create => Err(Error::EtagMismatch),
        PlannedAction::Update | PlannedAction::Delete => check_etag(etag, &change.connector),
        PlannedAction::Unchanged => Ok(()),
    })
}

/// The stored connector with the fields of the mask (AIP-134: absent means all that are not empty, `*` all) replaced.
fn masked(
    stored: &Connector,
    given: v1::Connector,
    paths: Option<Vec<String>>,
) -> Result<ConnectorDraft, Error> {
    const FIELDS: [&str; 9] = [
        "display_name",
        "client_id",
        "client_secret",
        "other_client_secrets",
        "scopes",
        "connection_config",
        "return_urls",
        "disabled",
        "account_change",
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
    let account_change = given.account_change();
    let unspecified = account_change == v1::AccountChange::Unspecified;
    Ok(ConnectorDraft {
        id: Some(stored.id.clone()),
        integration_type: stored.integration_type.clone(),
        kind: stored.kind,
        display_name: pick("display_name", given.display_name, &stored.display_name),
        client_id: pick("client_id", given.client_id, &stored.client_id),
        client_secret: match replaces("client_secret", given.client_secret.is_empty()) {
            false => ClientSecret::Keep,
            true if given.client_secret.is_empty() => ClientSecret::Clear,
            true => ClientSecret::Set(Secret::new(given.client_secret)),
        },
        other_client_secrets: replaces(
            "other_client_secrets",
            given.other_client_secrets.is_empty(),
        )
        .then(|| from_proto::secrets(given.other_client_secrets)),
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
        account_change: match replaces("account_change", unspecified) {
            true => from_proto::account_change(account_change),
            false => stored.account_change,
        },
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use chrono::DateTime;
    use tokend_model::{ConnectorId, IntegrationTypeName};

    fn stored() -> Connector {
        Connector {
            workspace: WorkspaceName::default_workspace(),
            id: ConnectorId::new("crm").expect("an id"),
            integration_type: IntegrationTypeName::new("crm").expect("a name"),
            kind: ConnectorKind::Shared,
            display_name: "CRM".to_owned(),
            client_id: "client".to_owned(),
            client_secret: Some(Secret::new("the stored one")),
            other_client_secrets: Vec::new(),
            scopes: Vec::new(),
            connection_config: Default::default(),
            return_urls: Vec::new(),
            disabled: false,
            account_change: Default::default(),
            version: 3,
            create_time: DateTime::UNIX_EPOCH,
            update_time: DateTime::UNIX_EPOCH,
        }
    }

    #[test]
    fn the_mask_decides_over_the_client_secret() {
        let secret = |given: &str, mask: Option<&str>| {
            let given = v1::Connector {
                client_secret: given.to_owned(),
                ..Default::default()
            };
            let paths = mask.map(|path| vec![path.to_owned()]);
            masked(&stored(), given, paths)
                .expect("a good mask")
                .client_secret
        };
        for mask in [None, Some("client_secret"), Some("*")] {
            let ClientSecret::Set(set) = secret("new", mask) else {
                panic!("{mask:?} sets it");
            };
            assert_eq!(set.expose(), "new");
        }
        for given in ["", "new"] {
            assert!(matches!(
                secret(given, Some("display_name")),
                ClientSecret::Keep
            ));
        }
        assert!(matches!(secret("", None), ClientSecret::Keep));
        for mask in ["client_secret", "*"] {
            assert!(matches!(secret("", Some(mask)), ClientSecret::Clear));
        }
    }

    #[test]
    fn a_set_replaces_only_what_was_read() {
        let check = |etag: &str, action: PlannedAction| {
            let change = PlannedChange {
                action,
                connector: stored(),
                changed_fields: Vec::new(),
                connections_needing_consent: 0,
                needs_authorization: false,
            };
            check_planned_etags(&[etag.to_owned()], &[change]).is_ok()
        };
        for action in [PlannedAction::Create, PlannedAction::Update] {
            assert!(check("", action));
            assert!(!check("2", action));
        }
        assert!(check("3", PlannedAction::Update));
        assert!(!check("3", PlannedAction::Create), "it was deleted since");
        assert!(check("2", PlannedAction::Unchanged));
    }

    #[test]
    fn an_app_user_connector_of_a_set_needs_an_id() {
        let given = |kind: v1::ConnectorKind, id: &str| {
            applied_draft(v1::Connector {
                connector_id: id.to_owned(),
                integration_type: "crm".to_owned(),
                kind: kind.into(),
                ..Default::default()
            })
        };
        assert!(given(v1::ConnectorKind::Shared, "").is_ok());
        assert!(given(v1::ConnectorKind::AppUser, "crm-eu").is_ok());
        let refused = given(v1::ConnectorKind::AppUser, "");
        assert!(matches!(
            refused,
            Err(Error::InvalidField {
                field: "connector_id",
                ..
            })
        ));
    }
}
