//! `tokend stats`.

use clap::Args as ClapArgs;
use tokend_api::v1;

use crate::{
    output,
    remote::{Remote, answer},
};

#[derive(ClapArgs)]
pub(crate) struct Args {
    #[command(flatten)]
    remote: Remote,
    /// Only this integration type.
    #[arg(long = "type")]
    integration_type: Option<String>,
}

pub(crate) async fn run(args: Args) -> anyhow::Result<()> {
    let mut admin = args.remote.client().await?.admin();
    let request = v1::GetStatisticsRequest {
        integration_type: args.integration_type.unwrap_or_default(),
    };
    let counted = answer(admin.get_statistics(request).await)?;
    if args.remote.json {
        output::line(&output::json("GetStatisticsResponse", &counted)?)?;
        return Ok(());
    }
    let total = [
        "all".to_owned(),
        counted.connector_count.to_string(),
        counted.connection_count.to_string(),
        counted.app_user_count.to_string(),
        counted.use_count.to_string(),
        statuses(&counted.statuses),
    ];
    let types = counted.integration_types.iter().map(|figures| {
        [
            figures.integration_type.clone(),
            figures.connector_count.to_string(),
            figures.connection_count.to_string(),
            figures.app_user_count.to_string(),
            figures.use_count.to_string(),
            statuses(&figures.statuses),
        ]
    });
    let header = |first| [first, "CONNECTORS", "CONNECTIONS", "USERS", "USES"];
    let [type_, connectors, connections, users, uses] = header("TYPE");
    output::table(
        [type_, connectors, connections, users, uses, "STATUSES"],
        types.chain([total]),
    )?;
    output::line("")?;
    let categories = counted.categories.iter().map(|figures| {
        [
            figures.category.clone(),
            figures.connector_count.to_string(),
            figures.connection_count.to_string(),
            figures.app_user_count.to_string(),
            figures.use_count.to_string(),
        ]
    });
    output::table(header("CATEGORY"), categories)?;
    Ok(())
}

/// Such as `AUTHORIZED 3, ERROR 1`.
fn statuses(counts: &[v1::StatusCount]) -> String {
    let told: Vec<_> = counts
        .iter()
        .map(|count| {
            let name = count.status().as_str_name();
            let name = name.replace("CONNECTION_STATUS_", "");
            format!("{name} {}", count.connection_count)
        })
        .collect();
    told.join(", ")
}
