//! `tokend connectors list-available`: the integration types that connectors can be made for.

use serde::Serialize;
use tokend_api::v1;

use crate::{
    connectors::stored,
    output,
    remote::{Remote, answer},
};

#[derive(clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    remote: Remote,
    /// Show this type, with the values that it is connected with.
    #[arg(value_name = "TYPE", conflicts_with_all = ["category", "all"])]
    integration_type: Option<String>,
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

/// A value that is asked for before connecting; none that an operator sets on the connector, or the provider tells.
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
    let types = match args.integration_type {
        None => stored::integration_types(&mut admin, &category, args.all).await?,
        Some(integration_type) => {
            let request = v1::GetIntegrationTypeRequest { integration_type };
            let found = answer(admin.get_integration_type(request).await)?;
            let known = found.integration_type.unwrap_or_default();
            if !args.remote.json {
                return Ok(print_one(known)?);
            }
            vec![known]
        }
    };
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

fn print_one(known: v1::IntegrationType) -> std::io::Result<()> {
    let name = &known.integration_type;
    output::line(&format!(
        "{name}  {}: {}",
        known.display_name, known.description
    ))?;
    if known.connection_config_fields.is_empty() {
        return output::line("It needs no values beside the account.");
    }
    output::line("")?;
    let rows = known.connection_config_fields.into_iter().map(|field| {
        let given = match (field.learned, field.operator_only) {
            (true, _) => "by the provider",
            (_, true) => "on the connector only",
            _ => "when connecting, or on the connector",
        };
        let required = field.required && !field.learned && field.default_value.is_empty();
        let required = if required { "yes" } else { "no" };
        let texts = [given.to_owned(), required.to_owned(), field.placeholder];
        let [given, required, placeholder] = texts;
        [field.name, given, required, placeholder, field.description]
    });
    let header = ["VALUE", "GIVEN", "REQUIRED", "SUCH AS", "DESCRIPTION"];
    output::table(header, rows)
}

impl From<v1::IntegrationType> for Integration {
    fn from(known: v1::IntegrationType) -> Self {
        let asked = known.connection_config_fields.into_iter();
        Self {
            integration_type: known.integration_type,
            display_name: known.display_name,
            description: known.description,
            connection_config_fields: asked
                .filter(|field| !field.learned && !field.operator_only)
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
