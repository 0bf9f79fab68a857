//! `tokend connectors schema`: the JSON Schema of connector files.

use crate::{connector_file, output};

pub(crate) fn run() -> anyhow::Result<()> {
    let schema = connector_file::schema(&tokend_server::integration_type_names()?);
    output::line(&serde_json::to_string_pretty(&schema)?)?;
    Ok(())
}
