//! Values that the provider tells while connecting: in its callback, by its API, with the account.

use tokend_api::v1;
use tokend_tests::{Options, Tokend, databases, definition};
use tonic::Code;

use crate::{
    answers::{refused, violations},
    calls::{complete, connect, connections, consented, get, returned, wish},
    own_types::apply,
    visitor::arrive,
};

/// The simulator's type with more sections.
async fn with(tokend: &Tokend, sections: &str) {
    let base = tokend.simulator.base_url();
    let toml = definition(base) + &sections.replace("{base}", base);
    apply(tokend, "simshared", toml, Vec::new()).await;
}

async fn state(tokend: &Tokend, id: &str) -> (v1::AuthorizationState, String) {
    let get = v1::GetAuthorizationRequest {
        authorization_id: id.to_owned(),
        ..Default::default()
    };
    let found = tokend.operator.admin().get_authorization(get).await;
    let found = found.unwrap().into_inner().authorization.unwrap();
    (found.state(), found.failure_reason)
}

const CALLBACK: &str = r#"
[[capture]]
name = "company"
description = "The company."
from = "callback"
pointer = "/companyId"
pattern = "[0-9]{1,10}"
required = true
"#;

#[tokio::test(flavor = "multi_thread")]
async fn the_callback_tells_before_the_code_is_redeemed() {
    for database in databases() {
        let tokend = Tokend::start(Options {
            database,
            ..Options::default()
        })
        .await;
        with(&tokend, CALLBACK).await;
        let started = connect(&tokend, "ada", wish(&tokend)).await.unwrap();
        let mut arrived = arrive(&started.redirect_url).await;
        let pairs = [("companyId", "42"), ("other", "x")];
        arrived.callback.query_pairs_mut().extend_pairs(pairs);
        let back = arrived.go_on().await.location();
        crate::visitor::get(back.as_str(), "").await;
        let returned = returned(&tokend, &started.authorization_id).await;
        complete(&tokend, "ada", &returned).await.unwrap();
        let vended = get(&tokend, "ada", Default::default()).await.unwrap();
        assert_eq!(vended.connection_config["company"], "42");
        assert_eq!(vended.connection_config.len(), 1);
        tokend.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_callback_that_does_not_tell_ends_the_attempt() {
    let tokend = Tokend::start(Options::default()).await;
    with(&tokend, CALLBACK).await;
    let long = "1".repeat(2000);
    for pairs in [
        &[][..],
        &[("companyId", "evil.example/")],
        &[("companyId", &long)],
        // Which of both the provider meant nobody knows.
        &[("companyId", "42"), ("companyId", "43")],
    ] {
        let started = connect(&tokend, "ada", wish(&tokend)).await.unwrap();
        let mut arrived = arrive(&started.redirect_url).await;
        arrived.callback.query_pairs_mut().extend_pairs(pairs);
        let page = arrived.go_on().await;
        page.is_error(400, "CONNECTION_CONFIG_INVALID");
        assert!(page.body.contains("company"), "{}", page.body);
        let (state, reason) = state(&tokend, &started.authorization_id).await;
        assert_eq!(state, v1::AuthorizationState::Failed);
        assert_eq!(reason, "CONNECTION_CONFIG_INVALID");
    }
    assert_eq!(tokend.simulator.ledger().token_calls(), 0);
    tokend.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_api_and_the_account_tell_before_anything_is_stored() {
    let tokend = Tokend::start(Options::default()).await;
    let sections = r#"
[[discovery]]
url = "{base}/api/events"

[[discovery.capture]]
name = "first_event"
description = "The first event."
pointer = "/items/0/id"
pattern = "[a-z0-9-]+"
required = true

[[capture]]
name = "mailbox"
description = "The mailbox."
from = "identity"
pointer = "/email"
pattern = "[a-z]+@example[.]com"
required = true
"#;
    with(&tokend, sections).await;
    let returned = consented(&tokend, "ada", wish(&tokend)).await;
    let connection = complete(&tokend, "ada", &returned).await.unwrap();
    assert_eq!(connection.connection_config["first_event"], "event-1");
    assert_eq!(connection.connection_config["mailbox"], "ada@example.com");
    assert_eq!(connection.account.unwrap().id, "user-1");
    tokend.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_api_does_not_tell_ends_the_attempt_and_the_grant() {
    let tokend = Tokend::start(Options::default()).await;
    let sections = r#"
[[discovery]]
url = "{base}/api/events"

[[discovery.capture]]
name = "tenant"
description = "The tenant."
pointer = "/tenant"
pattern = "[a-z]+"
required = true
"#;
    with(&tokend, sections).await;
    let returned = consented(&tokend, "ada", wish(&tokend)).await;
    let answer = complete(&tokend, "ada", &returned).await;
    let status = refused(answer, Code::InvalidArgument, "CONNECTION_CONFIG_INVALID");
    let (field, why) = violations(&status).remove(0);
    assert_eq!(field, "connection_config.tenant");
    assert!(why.contains("The tenant."), "{why}");
    let (state, reason) = state(&tokend, &returned.authorization_id).await;
    assert_eq!(state, v1::AuthorizationState::Failed);
    assert_eq!(reason, "CONNECTION_CONFIG_INVALID");
    assert_eq!(connections(&tokend).await, []);
    let grants = tokend.simulator.ledger().grants();
    assert!(grants.iter().all(|grant| !grant.live), "{grants:?}");
    tokend.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_renewal_tells_comes_with_the_token() {
    for database in databases() {
        let tokend = Tokend::start(Options {
            database,
            ..Options::default()
        })
        .await;
        let sections = r#"
[[capture]]
name = "instance"
description = "The instance."
pointer = "/instance"
pattern = "[a-z0-9]+"
required = true
"#;
        with(&tokend, sections).await;
        let at = |name: &str| {
            tokend.simulator.change(|behaviour| {
                let told = serde_json::Value::from(name);
                behaviour.extra_answer.insert("instance".to_owned(), told);
            });
        };
        at("eu1");
        let first = tokend.connect_user("ada").await;
        assert_eq!(first.connection_config["instance"], "eu1");
        at("us7");
        let rejected = v1::GetCurrentAppUserConnectionRequest {
            rejected_generation: Some(first.generation),
            ..Default::default()
        };
        let vended = get(&tokend, "ada", rejected).await.unwrap();
        assert_eq!(vended.connection_config["instance"], "us7");
        let stored = connections(&tokend).await.remove(0);
        assert_eq!(stored.connection_config["instance"], "us7");
        // A value that does not have its form is no news.
        at("evil.example/");
        let rejected = v1::GetCurrentAppUserConnectionRequest {
            rejected_generation: Some(vended.generation),
            ..Default::default()
        };
        let vended = get(&tokend, "ada", rejected).await.unwrap();
        assert_eq!(vended.connection_config["instance"], "us7");
        tokend.stop().await;
    }
}
