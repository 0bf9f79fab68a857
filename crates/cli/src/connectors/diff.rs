//! `tokend connectors diff`: where a folder of files and the server differ.

use std::{collections::BTreeMap, path::PathBuf};

use serde_json::{Map, Value, json};
use tokend_api::v1::{self, PlannedAction};

use super::{
    Stored,
    plan::{Plan, PlannedType, word},
};
use crate::{
    connector_file::{InvalidFiles, read_folder},
    output,
    remote::Remote,
};

#[derive(clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    remote: Remote,
    /// The folder with the files.
    #[arg(default_value = "connectors")]
    folder: PathBuf,
}

/// The files and the server differ: exit code 1, as of diff(1).
#[derive(Debug, thiserror::Error)]
#[error("the files and the server differ in {count} place(s)")]
struct Differing {
    count: usize,
}

pub(crate) async fn run(args: Args) -> anyhow::Result<()> {
    let mut folder = read_folder(&args.folder)?;
    // Secrets are compared where they are at hand: they are not everywhere that files are compared.
    for file in &mut folder.files {
        for error in file.read_secrets() {
            eprintln!("{error}; not compared");
        }
    }
    let mut admin = args.remote.client().await?.admin();
    let stored = Stored::read(&mut admin).await?;
    let plan = match Plan::ask(&mut admin, &folder, true).await {
        Ok(plan) => plan,
        Err(error) if error.is::<InvalidFiles>() => return Err(error),
        Err(error) => {
            InvalidFiles::check(folder.errors)?;
            return Err(error);
        }
    };
    let connectors: Vec<_> = plan
        .answer
        .changes
        .iter()
        .filter(|change| change.action() != PlannedAction::Unchanged)
        .map(|change| Difference::of(change, &stored))
        .collect();
    let mut types = plan.types;
    for name in stored.definitions.keys() {
        if types.iter().all(|planned| planned.name != *name) {
            types.push(PlannedType {
                name: name.clone(),
                action: PlannedAction::Delete,
                replaces_built_in: false,
            });
        }
    }
    types.retain(|planned| planned.action != PlannedAction::Unchanged);
    match args.remote.json {
        true => print_json(&connectors, &types)?,
        false => print(&connectors, &types)?,
    }
    match connectors.len() + types.len() {
        0 => Ok(()),
        count => Err(Differing { count }.into()),
    }
}

/// A connector that differs, as a push would change it.
struct Difference {
    connector_id: String,
    integration_type: String,
    action: PlannedAction,
    /// What the server has and what the files say, by field. Secrets only say that they differ.
    fields: BTreeMap<String, [Value; 2]>,
}

impl Difference {
    fn of(change: &v1::PlannedChange, stored: &Stored) -> Self {
        let new = change.connector.clone().unwrap_or_default();
        let old = stored
            .connectors
            .iter()
            .find(|old| old.connector_id == new.connector_id);
        let fields = change.changed_fields.iter().map(|field| {
            let value = |connector: &v1::Connector| value(connector, field);
            let values = [old.map(value).unwrap_or_default(), value(&new)];
            (field.clone(), values)
        });
        Self {
            fields: fields.collect(),
            action: change.action(),
            connector_id: new.connector_id,
            integration_type: new.integration_type,
        }
    }
}

/// A field of the contract as JSON, under its own name.
fn value(connector: &v1::Connector, field: &str) -> Value {
    match field {
        "client_secret" | "other_client_secrets" => "(secret)".into(),
        "display_name" => connector.display_name.as_str().into(),
        "client_id" => connector.client_id.as_str().into(),
        "scopes" => connector.scopes.clone().into(),
        "return_urls" => connector.return_urls.clone().into(),
        "disabled" => connector.disabled.into(),
        "connection_config" => {
            let pairs = connector.connection_config.iter();
            let map: Map<_, _> = pairs
                .map(|(key, value)| (key.clone(), value.as_str().into()))
                .collect();
            map.into()
        }
        "account_change" => connector.account_change().as_str_name().into(),
        _ => Value::Null,
    }
}

/// How a change reads in a comparison.
fn sign(action: PlannedAction) -> (char, &'static str) {
    match action {
        PlannedAction::Create => ('+', "only in the files"),
        PlannedAction::Delete => ('-', "only on the server"),
        _ => ('~', "differs"),
    }
}

fn print(connectors: &[Difference], types: &[PlannedType]) -> std::io::Result<()> {
    for one in connectors {
        let (sign, place) = sign(one.action);
        let line = format!(
            "{sign} {} ({})  {place}",
            one.connector_id, one.integration_type
        );
        output::line(line.trim_end())?;
        for (field, [server, files]) in &one.fields {
            match server == files {
                true => output::line(&format!("    {field} differs"))?,
                false => output::line(&format!(
                    "    {field}: {server} on the server, {files} in the files"
                ))?,
            }
        }
    }
    for planned in types {
        let (sign, place) = sign(planned.action);
        let line = format!("{sign} {}.toml  {place}", planned.name);
        output::line(line.trim_end())?;
    }
    Ok(())
}

fn print_json(connectors: &[Difference], types: &[PlannedType]) -> std::io::Result<()> {
    let connectors: Vec<_> = connectors
        .iter()
        .map(|one| {
            let fields: Map<_, _> = one
                .fields
                .iter()
                .map(|(field, [server, files])| {
                    (field.clone(), json!({ "server": server, "files": files }))
                })
                .collect();
            json!({
                "connectorId": one.connector_id,
                "integrationType": one.integration_type,
                "action": word(one.action),
                "fields": fields,
            })
        })
        .collect();
    let types: Vec<_> = types
        .iter()
        .map(|one| json!({ "integrationType": one.name, "action": word(one.action) }))
        .collect();
    let same = connectors.is_empty() && types.is_empty();
    let told = json!({ "same": same, "connectors": connectors, "integrationTypes": types });
    output::line(&format!("{told:#}"))
}
