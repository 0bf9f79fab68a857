//! Values asked for before connecting: what is missing, unknown or malformed is told by its field, before any browser.

use std::collections::HashMap;

use tokend_api::v1;
use tokend_tests::{Options, Tokend, definition};
use tonic::Code;

use crate::{
    answers::{refused, violations},
    calls::{complete, connect, consented, get, nothing_was_redeemed, wish},
    visitor,
};

#[tokio::test(flavor = "multi_thread")]
async fn wrong_values_are_told_by_their_field() {
    let tokend = with_a_site_to_name().await;
    let long = "a".repeat(3000);
    for (given, wrong, words) in [
        (&[][..], &["site"][..], "required"),
        (&[("site", "")], &["site"], "Enter the site"),
        (&[("site", "has spaces")], &["site"], "Enter the site"),
        (
            &[("site", "acme.evil.example/")],
            &["site"],
            "Enter the site",
        ),
        (&[("site", "acme@evil")], &["site"], "Enter the site"),
        (&[("site", "acme\n")], &["site"], "control characters"),
        (&[("site", &long)], &["site"], "2048"),
        (
            &[("site", "acme"), ("sitee", "x")],
            &["sitee"],
            "there are: ",
        ),
        (
            &[("site", "acme"), ("host", "evil.example")],
            &["host"],
            "operator",
        ),
        (
            &[("site", "a b"), ("zone", "Z Z")],
            &["site", "zone"],
            "Enter the",
        ),
    ] {
        let request = naming(&tokend, given);
        let answer = connect(&tokend, "ada", request).await;
        let status = refused(answer, Code::InvalidArgument, "CONNECTION_CONFIG_INVALID");
        let told = violations(&status);
        let mut fields: Vec<_> = told.iter().map(|(field, _)| field.as_str()).collect();
        fields.sort_unstable();
        let expected: Vec<_> = wrong
            .iter()
            .map(|name| format!("connection_config.{name}"))
            .collect();
        assert_eq!(fields, expected, "{given:?}");
        assert!(told.iter().any(|(_, why)| why.contains(words)), "{told:?}");
    }
    nothing_was_redeemed(&tokend).await;
    tokend.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn right_values_go_to_the_provider_and_come_with_the_token() {
    let tokend = with_a_site_to_name().await;
    let elsewhere = naming(&tokend, &[("site", "acme")]);
    let started = connect(&tokend, "bob", elsewhere).await.unwrap();
    let asked = visitor::get(&started.redirect_url, "").await.location();
    assert_eq!(asked.path(), "/acme");

    // The simulator's only site.
    let request = naming(&tokend, &[("site", "authorize")]);
    let returned = consented(&tokend, "ada", request).await;
    complete(&tokend, "ada", &returned).await.unwrap();
    let vended = get(&tokend, "ada", Default::default()).await.unwrap();
    assert_eq!(vended.connection_config["site"], "authorize");
    assert_eq!(vended.connection_config["zone"], "eu");
    tokend.stop().await;
}

fn naming(tokend: &Tokend, given: &[(&str, &str)]) -> v1::ConnectAppUserRequest {
    let pairs = given.iter();
    let connection_config: HashMap<_, _> = pairs
        .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
        .collect();
    v1::ConnectAppUserRequest {
        connection_config,
        ..wish(tokend)
    }
}

/// A tokend whose integration type asks for a site, knows a zone, and leaves the host to operators.
async fn with_a_site_to_name() -> Tokend {
    let tokend = Tokend::start(Options::default()).await;
    let base = tokend.simulator.base_url();
    let plain = definition(base);
    let authorize = format!("url = \"{base}/authorize\"");
    let with_site = format!("url = \"{base}/{{site}}\"");
    assert!(plain.contains(&authorize));
    let toml = format!("{}{FIELDS}", plain.replace(&authorize, &with_site));
    let apply = v1::ApplyConnectorsRequest {
        integration_types: vec![v1::IntegrationTypeDefinition {
            integration_type: "simshared".to_owned(),
            toml,
        }],
        ..Default::default()
    };
    tokend
        .operator
        .admin()
        .apply_connectors(apply)
        .await
        .unwrap();
    tokend
}

const FIELDS: &str = r#"
[[connection_config]]
name = "site"
display_name = "Site"
description = "The first label of the site's host."
placeholder = "acme"
required = true
pattern = "[a-z0-9]+"
pattern_error = "Enter the site"

[[connection_config]]
name = "zone"
display_name = "Zone"
description = "Where the site is."
placeholder = "eu"
default = "eu"
pattern = "[a-z]+"
pattern_error = "Enter the zone"

[[connection_config]]
name = "host"
display_name = "Host"
description = "Another host."
placeholder = "host.example"
operator_only = true
pattern = "[a-z.]+"
pattern_error = "Enter the host"
"#;
