//! What a push would do, as the server says it, with the integration types of one's own.

use std::collections::BTreeSet;

use serde_json::{Value, json};
use tokend_api::v1::{self, GrantType, PlannedAction};

use super::{
    refused,
    stored::{self, AdminClient},
};
use crate::{
    connector_file::{ConnectorFolder, InvalidFiles, InvalidLine},
    output,
    remote::answer,
};

/// What a push would do, or did.
pub(super) struct Plan {
    pub(super) answer: v1::ApplyConnectorsResponse,
    /// The integration types of one's own that the folder holds.
    pub(super) types: Vec<PlannedType>,
    /// The names of the types under which a person consents in a browser: only they have a redirect URI to register.
    browsed: BTreeSet<String>,
}

/// What becomes of an integration type of one's own.
pub(super) struct PlannedType {
    pub(super) name: String,
    pub(super) action: PlannedAction,
    /// It has the name of a built-in one, which it replaces in this workspace from now on.
    pub(super) replaces_built_in: bool,
}

impl Plan {
    /// Asks the server what a push of the folder would do. Everything that is wrong in any of its files is one error.
    pub(super) async fn ask(
        admin: &mut AdminClient,
        folder: &ConnectorFolder,
        prune: bool,
    ) -> anyhow::Result<Self> {
        let request = v1::ApplyConnectorsRequest {
            dry_run: true,
            prune,
            ..request(folder)
        };
        let answer = match admin.apply_connectors(request).await {
            Ok(answer) => answer.into_inner(),
            Err(status) => {
                let wrong = refused::all(admin, folder, status).await?;
                return Err(all_wrong(folder, wrong));
            }
        };
        InvalidFiles::check(folder.errors.clone())?;
        let known = stored::integration_types(admin, "", true).await?;
        let mut browsed: BTreeSet<_> = known
            .iter()
            .filter(|known| known.grant_type() == GrantType::AuthorizationCode)
            .map(|known| known.integration_type.clone())
            .collect();
        let mut types = Vec::new();
        for file in &folder.types {
            let name = file.definition.integration_type.clone();
            match file.needs_browser() {
                true => browsed.insert(name.clone()),
                false => browsed.remove(&name),
            };
            let action = match stored::definition(admin, &name).await? {
                None => PlannedAction::Create,
                Some(stored) if file.says(&stored) => PlannedAction::Unchanged,
                Some(_) => PlannedAction::Update,
            };
            let built_in =
                |one: &v1::IntegrationType| !one.user_defined && one.integration_type == name;
            types.push(PlannedType {
                replaces_built_in: known.iter().any(built_in),
                name,
                action,
            });
        }
        Ok(Self {
            answer,
            types,
            browsed,
        })
    }

    /// Does it. What changed since it was planned makes it fail as a whole.
    pub(super) async fn apply(
        mut self,
        admin: &mut AdminClient,
        folder: &ConnectorFolder,
        prune: bool,
    ) -> anyhow::Result<Self> {
        let mut request = v1::ApplyConnectorsRequest {
            prune,
            ..request(folder)
        };
        for (connector, change) in request.connectors.iter_mut().zip(&self.answer.changes) {
            if let (PlannedAction::Update | PlannedAction::Unchanged, Some(planned)) =
                (change.action(), &change.connector)
            {
                connector.etag.clone_from(&planned.etag);
            }
        }
        self.answer = answer(admin.apply_connectors(request).await)?;
        Ok(self)
    }

    /// The redirect URI to register for a connector; None where nobody is sent to a browser for it.
    pub(super) fn redirect_uri<'a>(&self, connector: &'a v1::Connector) -> Option<&'a str> {
        let browsed = self.browsed.contains(&connector.integration_type);
        browsed.then_some(connector.redirect_uri.as_str())
    }

    /// How many of each action there are, such as `create 1, update 2`.
    pub(super) fn figures(&self) -> String {
        let counts = self.counts();
        let counts: Vec<_> = counts
            .iter()
            .filter(|(_, count)| *count > 0)
            .map(|(word, count)| format!("{word} {count}"))
            .collect();
        counts.join(", ")
    }

    /// How many connectors and types are created, updated and deleted.
    fn counts(&self) -> [(&'static str, usize); 3] {
        let connectors = self.answer.changes.iter().map(v1::PlannedChange::action);
        let types = self.types.iter().map(|planned| planned.action);
        let actions: Vec<_> = connectors.chain(types).collect();
        [
            PlannedAction::Create,
            PlannedAction::Update,
            PlannedAction::Delete,
        ]
        .map(|wanted| {
            let count = actions.iter().filter(|action| **action == wanted).count();
            (word(wanted), count)
        })
    }

    /// Whether it changes anything.
    pub(super) fn is_empty(&self) -> bool {
        self.counts().iter().all(|(_, count)| *count == 0)
    }

    /// The server's answer as JSON, with what becomes of the integration types.
    pub(super) fn json(&self) -> anyhow::Result<Value> {
        let text = output::json("ApplyConnectorsResponse", &self.answer)?;
        let mut json: Value = serde_json::from_str(&text)?;
        json["integrationTypes"] = self
            .types
            .iter()
            .map(|planned| {
                json!({
                    "integrationType": planned.name,
                    "action": planned.action.as_str_name(),
                    "replacesBuiltIn": planned.replaces_built_in,
                })
            })
            .collect();
        Ok(json)
    }
}

/// The word of an action.
pub(super) fn word(action: PlannedAction) -> &'static str {
    match action {
        PlannedAction::Create => "create",
        PlannedAction::Update => "update",
        PlannedAction::Unchanged => "unchanged",
        PlannedAction::Delete => "delete",
        PlannedAction::Unspecified => "?",
    }
}

fn request(folder: &ConnectorFolder) -> v1::ApplyConnectorsRequest {
    let connectors = folder.files.iter().map(|file| file.connector.clone());
    v1::ApplyConnectorsRequest {
        connectors: connectors.collect(),
        integration_types: folder.definitions(),
        ..Default::default()
    }
}

fn all_wrong(folder: &ConnectorFolder, wrong: Vec<InvalidLine>) -> anyhow::Error {
    let all = [folder.errors.clone(), wrong].concat();
    match InvalidFiles::check(all) {
        Err(invalid) => invalid.into(),
        Ok(()) => anyhow::anyhow!("the server does not take the files and does not say why"),
    }
}
