//! A service is added while tokend runs: one file, taken from docs/adding-an-integration.md, and no code.

use std::{fs, path::Path, sync::Arc};

use tokend_api::v1;

use crate::{dialect::Dialect, journey::Journey, world::World};

const NAME: &str = "tasklane";

#[tokio::test(flavor = "multi_thread")]
async fn a_service_is_added_at_run_time_without_code() {
    let world = World::start().await;
    let apply = v1::ApplyConnectorsRequest {
        integration_types: vec![v1::IntegrationTypeDefinition {
            integration_type: NAME.to_owned(),
            toml: definition(),
        }],
        ..Default::default()
    };
    world
        .operator
        .admin()
        .apply_connectors(apply)
        .await
        .unwrap();

    let entries = world.integration_types().await;
    let entry = entries.iter().find(|entry| entry.integration_type == NAME);
    let entry = entry.unwrap();
    assert!(entry.user_defined);

    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("conformance/own_type/tasklane.toml");
    let dialect = Arc::new(Dialect::read(&file));
    let journey = Journey::begin(&world, &dialect, entry).await.unwrap();
    let row = journey.travel().await.unwrap();
    assert_eq!(row.connect, "browser, PKCE");
    assert_eq!(row.refresh, "rotates, used once");
    assert_eq!(row.captured, "region");
}

/// The file that the page shows.
fn definition() -> String {
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/adding-an-integration.md");
    let page = fs::read_to_string(page).unwrap();
    let (_, rest) = page.split_once("```toml\n").unwrap();
    rest.split("```").next().unwrap().to_owned()
}
