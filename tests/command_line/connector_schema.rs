//! `tokend connectors schema`: the JSON Schema of connector files, as it is published.

use std::{fs, path::Path};

use serde_json::Value;

use crate::home::Home;

#[tokio::test]
async fn the_published_schema_is_the_one_that_is_printed() {
    let home = Home::new();
    let printed = home.succeed(&["connectors", "schema"]).await;
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/connector.schema.json");
    let published = fs::read_to_string(&path).unwrap();
    assert_eq!(
        printed.stdout, published,
        "write it anew: tokend connectors schema >docs/connector.schema.json"
    );
    let schema: Value = printed.json();
    let types = &schema["properties"]["integrationType"]["anyOf"][0]["enum"];
    let names = types.as_array().unwrap();
    for name in ["googlecalendar", "slackbot", "generic_oauth2"] {
        assert!(names.iter().any(|one| one == name), "{name}: {names:?}");
    }
    assert_eq!(schema["additionalProperties"], false);
    for (key, described) in schema["properties"].as_object().unwrap() {
        assert!(described["description"].is_string(), "{key}");
    }
}
