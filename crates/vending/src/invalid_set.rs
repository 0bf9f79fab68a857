//! What is wrong in a set of connectors: all of it at once, each by the path of its field, as in `connectors[3].scopes`.

use std::collections::BTreeSet;

use tokend_model::{
    Connector, ConnectorKind, GrantType, IntegrationTypeName, WorkspaceName, ports::Catalogue,
};

use crate::{
    ConnectorDraft, Error, Vending,
    connectors::entry,
    plan::{canonical, check_return_url, id_of, is_scope_token, other_secrets},
};

impl Vending {
    /// Everything that is wrong with a set that is to be applied, with the path of the connector or definition. Each
    /// comes with its place in the set: those that do not even read are not among them.
    pub async fn invalid_in_set(
        &self,
        workspace: &WorkspaceName,
        definitions: &[(usize, (IntegrationTypeName, String))],
        drafts: &[(usize, ConnectorDraft)],
    ) -> Result<Vec<(String, Error)>, Error> {
        let mut errors = Vec::new();
        let (mut good, mut bad) = (Vec::new(), BTreeSet::new());
        for (index, definition) in definitions {
            let one = std::slice::from_ref(definition);
            match self.shared.ports.catalogue.overlay(workspace, one) {
                Ok(_) => good.push(definition.clone()),
                Err(invalid) => {
                    bad.insert(definition.0.clone());
                    let error = Error::invalid("toml", invalid.0);
                    errors.push((format!("integration_types[{index}]"), error));
                }
            }
        }
        let catalogue = self.shared.ports.catalogue.overlay(workspace, &good)?;
        let present = self.all_connectors(workspace).await?;
        let mut seen: Vec<ConnectorDraft> = Vec::new();
        for (index, draft) in drafts {
            let draft = canonical(catalogue.as_ref(), workspace, draft);
            let id = id_of(&draft);
            let old = present.iter().find(|old| Some(&old.id) == id.as_ref());
            let mut wrong = draft_errors(catalogue.as_ref(), workspace, &draft, old);
            // What depends on a definition that does not read cannot be told.
            if bad.contains(&draft.integration_type) {
                wrong.retain(|error| matches!(error, Error::InvalidField { .. }));
            }
            wrong.extend(repeated(&seen, &draft));
            let path = format!("connectors[{index}]");
            errors.extend(wrong.into_iter().map(|error| (path.clone(), error)));
            seen.push(draft);
        }
        Ok(errors)
    }
}

impl Error {
    /// All that is wrong in a set as one error; none if there is nothing.
    pub fn of_set(errors: Vec<(String, Self)>) -> Option<Self> {
        let (_, first) = errors.first()?;
        let same = errors
            .iter()
            .all(|(_, error)| error.reason() == first.reason());
        let first = match same {
            true => first.clone(),
            false => Self::invalid("connectors", "several are wrong"),
        };
        let violations = errors.into_iter().flat_map(|(path, error)| match error {
            Self::InvalidField { field, why } => vec![(format!("{path}.{field}"), why)],
            Self::InvalidConnectionConfig(invalid) => {
                let violations = invalid.violations.into_iter();
                violations
                    .map(|(key, why)| (format!("{path}.connection_config.{key}"), why))
                    .collect()
            }
            Self::IntegrationTypeUnknown { .. } => {
                vec![(format!("{path}.integration_type"), error.to_string())]
            }
            other => vec![(path, other.to_string())],
        });
        Some(Self::InvalidSet {
            violations: violations.collect(),
            first: Box::new(first),
        })
    }
}

/// All that is wrong with one draft, by itself.
pub(crate) fn draft_errors(
    catalogue: &dyn Catalogue,
    workspace: &WorkspaceName,
    draft: &ConnectorDraft,
    old: Option<&Connector>,
) -> Vec<Error> {
    let mut errors = Vec::new();
    let known = entry(catalogue, workspace, &draft.integration_type);
    // A credential that a person enters belongs to no client.
    let needs_client = match &known {
        Ok(known) => known.grant_type != GrantType::Static,
        Err(_) => true,
    };
    if draft.client_id.trim().is_empty() && needs_client {
        errors.push(Error::invalid(
            "client_id",
            "is empty; the provider shows it where the app is registered",
        ));
    }
    let scopes = draft.scopes.iter().filter(|scope| !is_scope_token(scope));
    errors.extend(scopes.map(|scope| {
        Error::invalid(
            "scopes",
            format!("{scope:?} is no scope (RFC 6749 section 3.3)"),
        )
    }));
    let return_urls = draft.return_urls.iter().map(|url| check_return_url(url));
    errors.extend(return_urls.filter_map(Result::err));
    if let Some(old) = old
        && (old.integration_type != draft.integration_type || old.kind != draft.kind)
    {
        let why = format!(
            "connector '{}' cannot change its integration type or kind; delete it first",
            old.id
        );
        errors.push(Error::invalid("integration_type", why));
    }
    errors.extend(other_secrets(draft, old).err());
    match known {
        Err(unknown) => errors.insert(0, unknown),
        Ok(_) => {
            let name = &draft.integration_type;
            let checked =
                catalogue.check_connector_config(workspace, name, &draft.connection_config);
            errors.extend(checked.err().map(Error::from));
        }
    }
    errors
}

/// What a draft repeats of those before it: an id, or that it is the shared one of its integration type.
fn repeated(seen: &[ConnectorDraft], draft: &ConnectorDraft) -> Option<Error> {
    let id = id_of(draft);
    if let Some(id) = &id
        && seen.iter().any(|other| id_of(other).as_ref() == Some(id))
    {
        let why = format!("connector '{id}' is there twice");
        return Some(Error::invalid("connector_id", why));
    }
    let shared = |one: &ConnectorDraft| one.kind == ConnectorKind::Shared;
    let other = seen.iter().find(|other| {
        shared(draft) && shared(other) && other.integration_type == draft.integration_type
    })?;
    let why = format!(
        "'{}' has one shared connector, and that is '{}' already",
        draft.integration_type,
        id_of(other)?
    );
    Some(Error::invalid("kind", why))
}
