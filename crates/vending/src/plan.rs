//! Planning: what a set of connector drafts would change, and whether it may.

use std::collections::BTreeMap;

use tokend_model::{
    AccountChange, ConnectionFilter, ConnectionStatus, Connector, ConnectorId, ConnectorKind,
    IntegrationTypeName, Secret, Timestamp, WorkspaceName,
    ports::{Catalogue, Page},
};
use url::Url;
use uuid::Uuid;

use crate::{Error, Vending, invalid_set::draft_errors};

/// A connector as an operator writes it down.
#[derive(Debug, Clone)]
pub struct ConnectorDraft {
    /// Its id; for a shared connector its integration type unless given, for others made here unless given.
    pub id: Option<ConnectorId>,
    /// The catalogue entry it speaks with.
    pub integration_type: IntegrationTypeName,
    /// Whose accounts are connected under it.
    pub kind: ConnectorKind,
    /// How people know it.
    pub display_name: String,
    /// The client identifier registered at the provider.
    pub client_id: String,
    /// What becomes of the client's secret.
    pub client_secret: ClientSecret,
    /// The further secrets from now on; `None` leaves those that are there as long as the client's secret stays.
    pub other_client_secrets: Option<Vec<Secret>>,
    /// The scopes to ask for; empty for the type's reading set.
    pub scopes: Vec<String>,
    /// Values that hold for all its connections.
    pub connection_config: BTreeMap<String, String>,
    /// Where a browser may be sent after connecting.
    pub return_urls: Vec<String>,
    /// Whether it is switched off.
    pub disabled: bool,
    /// What to do when an owner connects again with another account.
    pub account_change: AccountChange,
}

/// The most secrets that are tried beside the client's first one.
const MOST_OTHER_SECRETS: usize = 4;

/// What becomes of a connector's client secret.
#[derive(Debug, Clone)]
pub enum ClientSecret {
    /// The stored one stays, if there is one.
    Keep,
    /// This one replaces it.
    Set(Secret),
    /// It goes: the client is a public one.
    Clear,
}

/// What would become, or became, of one connector.
#[derive(Debug, Clone)]
pub struct PlannedChange {
    /// What is done.
    pub action: PlannedAction,
    /// The connector as it will be, or was if it is deleted.
    pub connector: Connector,
    /// The names of the fields that differ.
    pub changed_fields: Vec<&'static str>,
    /// How many of its connections lack scopes that it will ask for, or were made with another client.
    pub connections_needing_consent: u32,
    /// Whether it is for a shared account, and none is connected.
    pub needs_authorization: bool,
}

/// What is done to a connector.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names say it")]
pub enum PlannedAction {
    Create,
    Update,
    Unchanged,
    Delete,
}

impl Vending {
    /// What applying the drafts would change, with integration types to be defined before; with `prune`, connectors
    /// that no draft names would be deleted.
    pub async fn plan_connectors(
        &self,
        workspace: &WorkspaceName,
        definitions: &[(IntegrationTypeName, String)],
        drafts: &[ConnectorDraft],
        prune: bool,
    ) -> Result<Vec<PlannedChange>, Error> {
        let catalogue = self
            .shared
            .ports
            .catalogue
            .overlay(workspace, definitions)?;
        let present = self.all_connectors(workspace).await?;
        let now = self.shared.ports.clock.now();
        let mut plan = Vec::new();
        for draft in drafts {
            let draft = &canonical(catalogue.as_ref(), workspace, draft);
            let id = id_of(draft);
            let old = present
                .iter()
                .find(|connector| Some(&connector.id) == id.as_ref());
            let connector = check_draft(catalogue.as_ref(), workspace, draft, id, old, now)?;
            if plan
                .iter()
                .any(|other: &PlannedChange| other.connector.id == connector.id)
            {
                let why = format!("connector '{}' is there twice", connector.id);
                return Err(Error::invalid("connector_id", why));
            }
            plan.push(self.plan_one(connector, old).await?);
        }
        if prune {
            for connector in present {
                if !plan
                    .iter()
                    .any(|change| change.connector.id == connector.id)
                {
                    plan.push(PlannedChange {
                        action: PlannedAction::Delete,
                        connector,
                        changed_fields: Vec::new(),
                        connections_needing_consent: 0,
                        needs_authorization: false,
                    });
                }
            }
        }
        Ok(plan)
    }

    async fn plan_one(
        &self,
        connector: Connector,
        old: Option<&Connector>,
    ) -> Result<PlannedChange, Error> {
        let needs_authorization = self.needs_authorization(&connector, old.is_some()).await?;
        let Some(old) = old else {
            return Ok(PlannedChange {
                action: PlannedAction::Create,
                connector,
                changed_fields: Vec::new(),
                connections_needing_consent: 0,
                needs_authorization,
            });
        };
        let changed_fields = changed_fields(old, &connector);
        if changed_fields.is_empty() {
            return Ok(PlannedChange {
                action: PlannedAction::Unchanged,
                connector: old.clone(),
                changed_fields,
                connections_needing_consent: 0,
                needs_authorization,
            });
        }
        Ok(PlannedChange {
            action: PlannedAction::Update,
            connections_needing_consent: self.needing_consent(old, &connector).await?,
            needs_authorization,
            changed_fields,
            connector,
        })
    }

    /// Whether the connector is a shared one without a connection.
    async fn needs_authorization(
        &self,
        connector: &Connector,
        is_there: bool,
    ) -> Result<bool, Error> {
        if connector.kind != ConnectorKind::Shared || !is_there {
            return Ok(connector.kind == ConnectorKind::Shared);
        }
        let filter = ConnectionFilter {
            connector_id: Some(connector.id.clone()),
            statuses: Some(vec![
                ConnectionStatus::Authorized,
                ConnectionStatus::Expired,
            ]),
            ..ConnectionFilter::default()
        };
        let one = Page {
            after: None,
            limit: 1,
        };
        let connected = self
            .connections(&connector.workspace, &filter, &one)
            .await?;
        Ok(connected.is_empty())
    }
}

/// The draft with its integration type's own name in place of an alias.
pub(crate) fn canonical(
    catalogue: &dyn Catalogue,
    workspace: &WorkspaceName,
    draft: &ConnectorDraft,
) -> ConnectorDraft {
    let mut draft = draft.clone();
    if let Some(known) = catalogue.get(workspace, &draft.integration_type) {
        draft.integration_type = known.name.clone();
    }
    draft
}

fn check_draft(
    catalogue: &dyn Catalogue,
    workspace: &WorkspaceName,
    draft: &ConnectorDraft,
    id: Option<ConnectorId>,
    old: Option<&Connector>,
    now: Timestamp,
) -> Result<Connector, Error> {
    if let Some(error) = draft_errors(catalogue, workspace, draft, old)
        .into_iter()
        .next()
    {
        return Err(error);
    }
    let connection_config = catalogue.check_connector_config(
        workspace,
        &draft.integration_type,
        &draft.connection_config,
    )?;
    Ok(Connector {
        workspace: workspace.clone(),
        id: id.unwrap_or_else(|| ConnectorId::from_uuid(Uuid::now_v7())),
        integration_type: draft.integration_type.clone(),
        kind: draft.kind,
        display_name: draft.display_name.clone(),
        client_id: draft.client_id.clone(),
        client_secret: match &draft.client_secret {
            ClientSecret::Keep => old.and_then(|old| old.client_secret.clone()),
            ClientSecret::Set(secret) => Some(secret.clone()),
            ClientSecret::Clear => None,
        },
        other_client_secrets: other_secrets(draft, old)?,
        account_change: draft.account_change,
        scopes: draft.scopes.clone(),
        connection_config,
        return_urls: draft.return_urls.clone(),
        disabled: draft.disabled,
        version: old.map_or(1, |old| old.version),
        create_time: old.map_or(now, |old| old.create_time),
        update_time: now,
    })
}

/// What was made to go with one secret does not outlive it.
pub(crate) fn other_secrets(
    draft: &ConnectorDraft,
    old: Option<&Connector>,
) -> Result<Vec<Secret>, Error> {
    let kept = old.filter(|_| matches!(draft.client_secret, ClientSecret::Keep));
    let others = match (&draft.other_client_secrets, kept) {
        (Some(given), _) => given.clone(),
        (None, Some(old)) => old.other_client_secrets.clone(),
        (None, None) => Vec::new(),
    };
    let first = matches!(draft.client_secret, ClientSecret::Set(_))
        || kept.is_some_and(|old| old.client_secret.is_some());
    let wrong = |why| Err(Error::invalid("other_client_secrets", why));
    match others.as_slice() {
        [] => Ok(others),
        _ if !first => wrong("needs a client_secret to come after"),
        given if given.len() > MOST_OTHER_SECRETS => wrong("has more than 4"),
        given if given.iter().any(|secret| secret.expose().is_empty()) => wrong("has an empty one"),
        _ => Ok(others),
    }
}

pub(crate) fn id_of(draft: &ConnectorDraft) -> Option<ConnectorId> {
    match (&draft.id, draft.kind) {
        (Some(id), _) => Some(id.clone()),
        (None, ConnectorKind::Shared) => Some(ConnectorId::of_shared(&draft.integration_type)),
        (None, ConnectorKind::AppUser) => None,
    }
}

fn changed_fields(old: &Connector, new: &Connector) -> Vec<&'static str> {
    [
        ("display_name", old.display_name != new.display_name),
        ("client_id", old.client_id != new.client_id),
        ("client_secret", old.client_secret != new.client_secret),
        ("scopes", old.scopes != new.scopes),
        (
            "connection_config",
            old.connection_config != new.connection_config,
        ),
        ("return_urls", old.return_urls != new.return_urls),
        ("disabled", old.disabled != new.disabled),
        (
            "other_client_secrets",
            old.other_client_secrets != new.other_client_secrets,
        ),
        ("account_change", old.account_change != new.account_change),
    ]
    .into_iter()
    .filter_map(|(name, changed)| changed.then_some(name))
    .collect()
}

/// RFC 6749 section 3.3: visible ASCII without the quote and the backslash.
pub(crate) fn is_scope_token(scope: &str) -> bool {
    !scope.is_empty()
        && scope
            .bytes()
            .all(|byte| matches!(byte, 0x21 | 0x23..=0x5b | 0x5d..=0x7e))
}

/// Whether a browser may be sent there after consent: an absolute https URL, or http on a loopback host, without user,
/// password and fragment.
pub fn check_return_url(return_url: &str) -> Result<(), Error> {
    let wrong = |why: &str| Error::invalid("return_urls", format!("{return_url:?} {why}"));
    let url = Url::parse(return_url).map_err(|_| wrong("is not an absolute URL"))?;
    let loopback = matches!(url.host_str(), Some("127.0.0.1" | "localhost" | "[::1]"));
    match url.scheme() {
        "https" => {}
        "http" if loopback => {}
        _ => return Err(wrong("must be https, or http on a loopback host")),
    }
    if !url.username().is_empty() || url.password().is_some() || url.fragment().is_some() {
        return Err(wrong("must have no user, password or fragment"));
    }
    Ok(())
}
