//! Values of the connection config that only the provider's API tells.

use std::collections::BTreeMap;

use serde_json::json;
use tokend_model::Secret;
use tokend_model::TokenFailureKind;
use tokend_model::ports::{AuthorizationServer, DiscoveryFailure};

use crate::fake::{Bench, CODE, Fake, Outcome, token};

const SITES: &str = "
    [authorize]
    url = 'ORIGIN/authorize'
    [token]
    url = 'ORIGIN/token'
    [[connection_config]]
    name = 'subdomain'
    display_name = ''
    description = ''
    pattern = '.*'
    pattern_error = ''
    [[discovery]]
    url = 'ORIGIN/sites'
    list = ''
    only = { pointer = '/url', equals = 'https://{subdomain}.example.net' }
    [[discovery.capture]]
    name = 'site_id'
    description = 'The site.'
    pointer = '/id'
    pattern = '[a-z0-9-]+'
    required = true
    [[discovery]]
    url = 'ORIGIN/sites/{site_id}/regions'
    method = 'POST'
    encoding = 'json'
    params = { site = '{site_id}' }
    list = '/regions'
    [[discovery.capture]]
    name = 'region'
    description = ''
    pointer = '/name'
    pattern = '[a-z]+'
    default = 'eu'
";

async fn sites() -> Result<Fake, Box<dyn std::error::Error>> {
    Fake::json(|asked| match asked.uri.path() {
        "/sites" => {
            let sites = json!([
                {"id": "one", "url": "https://one.example.net"},
                {"id": "two", "url": "https://TWO.example.net"},
                {"id": "B A D", "url": "https://bad.example.net"},
            ]);
            (200, sites)
        }
        "/sites/two/regions" => (200, json!({"regions": []})),
        _ => (200, json!({"regions": [{"name": "us"}, {"name": "ap"}]})),
    })
    .await
}

async fn discover(bench: &Bench) -> Result<BTreeMap<String, String>, DiscoveryFailure> {
    let access_token = Secret::new(token());
    bench
        .client
        .discover(bench.registration(), &access_token)
        .await
}

#[tokio::test]
async fn the_thing_that_is_meant_is_found_and_looked_into() -> Outcome {
    for (subdomain, site, region) in [
        (None, "one", "us"),
        (Some(""), "one", "us"),
        (Some("one"), "one", "us"),
        (Some("two"), "two", "eu"),
    ] {
        let fake = sites().await?;
        let mut bench = Bench::defined(&fake.origin, SITES)?;
        if let Some(subdomain) = subdomain {
            bench
                .config
                .insert("subdomain".to_owned(), subdomain.to_owned());
        }
        let found = discover(&bench).await?;
        let expected = [("site_id", site), ("region", region)];
        let expected = expected.map(|(name, value)| (name.to_owned(), value.to_owned()));
        assert_eq!(found, expected.into(), "{subdomain:?}");
        let asked = fake.last()?;
        assert_eq!(asked.uri.path(), format!("/sites/{site}/regions"));
        assert_eq!(asked.json(), json!({"site": site}));
        assert!(!asked.bearer().is_empty());
    }
    Ok(())
}

#[tokio::test]
async fn what_connecting_needs_and_nobody_tells_is_named() -> Outcome {
    for subdomain in ["three", "bad"] {
        let fake = sites().await?;
        let mut bench = Bench::defined(&fake.origin, SITES)?;
        bench
            .config
            .insert("subdomain".to_owned(), subdomain.to_owned());
        match discover(&bench).await {
            Err(DiscoveryFailure::Missing { name, description }) => {
                assert_eq!(
                    (name.as_str(), description.as_str()),
                    ("site_id", "The site.")
                );
            }
            other => return Err(format!("{subdomain}: {other:?}").into()),
        }
        assert_eq!(fake.asked().len(), 1);
    }
    Ok(())
}

#[tokio::test]
async fn an_api_that_does_not_answer_is_a_failed_call() -> Outcome {
    for (status, body, kind) in [
        (401, json!({}), TokenFailureKind::GrantRejected),
        (403, json!({}), TokenFailureKind::RequestRejected),
        (500, json!({}), TokenFailureKind::Ambiguous),
        (200, json!("text"), TokenFailureKind::Garbage),
    ] {
        let fake = Fake::json(move |_| (status, body.clone())).await?;
        let failed = discover(&Bench::defined(&fake.origin, SITES)?).await;
        match failed {
            Err(DiscoveryFailure::Call(failure)) => assert_eq!(failure.kind, kind, "{status}"),
            other => return Err(format!("{status}: {other:?}").into()),
        }
    }
    Ok(())
}

#[tokio::test]
async fn what_the_token_s_answer_should_have_told_is_checked_here() -> Outcome {
    let sections = format!(
        "{CODE}
        [[capture]]
        name = 'instance'
        description = 'Where the data is.'
        pointer = '/instance'
        pattern = '[a-z]+'
        required = true
        [[capture]]
        name = 'edition'
        description = ''
        pointer = '/edition'
        pattern = '[a-z]+'
        default = 'free'
        [[capture]]
        name = 'shop'
        description = ''
        from = 'callback'
        pointer = '/shop'
        pattern = '[a-z]+'
        required = true"
    );
    let mut bench = Bench::defined("https://idp.example.com", &sections)?;
    let missing = discover(&bench).await;
    assert!(
        matches!(&missing, Err(DiscoveryFailure::Missing { name, .. }) if name == "instance"),
        "{missing:?}"
    );
    bench.config.insert("instance".to_owned(), "eu".to_owned());
    let found = discover(&bench).await?;
    assert_eq!(found, [("edition".to_owned(), "free".to_owned())].into());
    bench.config.insert("edition".to_owned(), "paid".to_owned());
    assert!(discover(&bench).await?.is_empty());
    Ok(())
}
