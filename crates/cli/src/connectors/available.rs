//! `tokend connectors list-available`: the integration types that connectors can be made for.

use serde::Serialize;
use tokend_api::v1;

use crate::{connectors::stored, output, remote::Remote};

#[derive(clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    remote: Remote,
    /// Only those of this category.
    #[arg(long)]
    category: Option<String>,
    /// Also those that work but are not offered.
    #[arg(long)]
    all: bool,
}

/// What `--json` prints.
#[derive(Serialize)]
struct Available {
    integrations: Vec<Integration>,
}

#[derive(Serialize)]
struct Integration {
    integration_type: String,
    display_name: String,
    description: String,
    connection_config_fields: Vec<Field>,
}

/// A value that is asked for before connecting.
#[derive(Serialize)]
struct Field {
    name: String,
    display_name: String,
    description: String,
    placeholder: String,
    required: bool,
    validation_pattern: String,
    validation_error: String,
}

pub(crate) async fn run(args: Args) -> anyhow::Result<()> {
    let mut admin = args.remote.client().await?.admin();
    let category = args.category.unwrap_or_default();
    let types = stored::integration_types(&mut admin, &category, args.all).await?;
    if args.remote.json {
        let integrations = types.into_iter().map(Into::into).collect();
        let text = serde_json::to_string_pretty(&Available { integrations })?;
        output::line(&text)?;
        return Ok(());
    }
    let rows = types.into_iter().map(|row| {
        [
            row.integration_type,
            row.display_name,
            row.category,
            row.description,
        ]
    });
    output::table(["TYPE", "NAME", "CATEGORY", "DESCRIPTION"], rows)?;
    Ok(())
}

impl From<v1::IntegrationType> for Integration {
    fn from(known: v1::IntegrationType) -> Self {
        let asked = known.connection_config_fields.into_iter();
        Self {
            integration_type: known.integration_type,
            display_name: known.display_name,
            description: known.description,
            connection_config_fields: asked
                .filter(|field| !field.learned)
                .map(|field| Field {
                    name: field.name,
                    display_name: field.display_name,
                    description: field.description,
                    placeholder: field.placeholder,
                    required: field.required,
                    validation_pattern: field.validation_pattern,
                    validation_error: field.validation_error,
                })
                .collect(),
        }
    }
}
