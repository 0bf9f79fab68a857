//! The calls beside the token endpoint: revocation and identity as their sections describe them.

use axum::http::StatusCode;
use axum::response::IntoResponse;
use serde_json::json;
use tokend_model::ports::AuthorizationServer;
use tokend_model::{Secret, TokenFailureKind};

use crate::fake::{Bench, CODE, Fake, Outcome, credential, secret, token};

#[tokio::test]
async fn a_token_can_revoke_itself() -> Outcome {
    let fake = Fake::json(|_| (200, json!({"ok": true}))).await?;
    let sections = format!(
        "{CODE}\n[revoke]\nurl = 'ORIGIN/revoke'\nauth = 'bearer'\nparams = {{}}\naccepts = ['access_token']"
    );
    let bench = Bench::defined(&fake.origin, &sections)?;
    let mut credential = credential(Some(secret()));
    credential.access_token = Secret::new(token());
    assert!(
        bench
            .client
            .revoke(bench.registration(), &credential)
            .await?
    );
    let asked = fake.only()?;
    assert_eq!(asked.bearer(), credential.access_token.expose());
    assert_eq!(asked.body, "");
    Ok(())
}

#[tokio::test]
async fn a_client_deletes_with_json() -> Outcome {
    let fake = Fake::start(|_| StatusCode::NO_CONTENT.into_response()).await?;
    let sections = format!(
        "{CODE}
        [revoke]
        url = 'ORIGIN/applications/{{client_id}}/token'
        method = 'DELETE'
        auth = 'client_secret_basic'
        encoding = 'json'
        params = {{ access_token = '{{token}}', days = 1 }}
        accepts = ['access_token']
        headers = {{ Accept = 'application/vnd.acme+json' }}"
    );
    let bench = Bench::defined(&fake.origin, &sections)?;
    let credential = credential(Some(secret()));
    assert!(
        bench
            .client
            .revoke(bench.registration(), &credential)
            .await?
    );
    let asked = fake.only()?;
    assert_eq!(asked.method, "DELETE");
    assert_eq!(asked.uri.path(), "/applications/client:1/token");
    assert!(asked.header("authorization").starts_with("Basic "));
    assert_eq!(asked.header("accept"), "application/vnd.acme+json");
    let expected = json!({"access_token": credential.access_token.expose(), "days": 1});
    assert_eq!(asked.json(), expected);
    Ok(())
}

#[tokio::test]
async fn the_client_s_proof_travels_as_at_the_token_endpoint() -> Outcome {
    let fake = Fake::json(|_| (200, json!({}))).await?;
    let sections = "
        [client]
        id_param = 'client_key'
        [authorize]
        url = 'ORIGIN/authorize'
        [token]
        url = 'ORIGIN/token'
        auth = 'client_secret_post'
        [revoke]
        url = 'ORIGIN/revoke'
    ";
    let bench = Bench::defined(&fake.origin, sections)?;
    let credential = credential(Some(secret()));
    assert!(
        bench
            .client
            .revoke(bench.registration(), &credential)
            .await?
    );
    let form = fake.only()?.form();
    assert_eq!(form["client_key"], "client:1");
    assert_eq!(form["client_secret"], bench.client_secret());
    let refresh_token = credential.refresh_token.as_ref().map(Secret::expose);
    assert_eq!(form.get("token").map(String::as_str), refresh_token);
    Ok(())
}

#[tokio::test]
async fn what_stands_for_a_refresh_token_is_not_revoked() -> Outcome {
    let fake = Fake::json(|_| (200, json!({}))).await?;
    let sections = "
        grant = 'client_credentials'
        [token]
        url = 'ORIGIN/token'
        [revoke]
        url = 'ORIGIN/revoke'
    ";
    let bench = Bench::defined(&fake.origin, sections)?;
    let credential = credential(Some(Secret::new("client_credentials")));
    assert!(
        bench
            .client
            .revoke(bench.registration(), &credential)
            .await?
    );
    assert_eq!(
        fake.only()?.form()["token"],
        credential.access_token.expose()
    );
    Ok(())
}

#[tokio::test]
async fn a_dead_token_is_as_good_as_revoked() -> Outcome {
    let sections = format!("{CODE}\n[revoke]\nurl = 'ORIGIN/revoke'");
    for (status, body, done) in [
        (400, json!({"error": "invalid_grant"}), Some(true)),
        (400, json!({"error": "invalid_token"}), Some(true)),
        (400, json!({"error": "unsupported_token_type"}), None),
        (401, json!({}), None),
        (503, json!({}), None),
    ] {
        let fake = Fake::json(move |_| (status, body.clone())).await?;
        let bench = Bench::defined(&fake.origin, &sections)?;
        let revoked = bench
            .client
            .revoke(bench.registration(), &credential(None))
            .await;
        assert_eq!(revoked.ok(), done, "{status}");
    }
    Ok(())
}

#[tokio::test]
async fn the_account_is_asked_for_as_the_api_is_called() -> Outcome {
    let fake = Fake::json(|_| {
        let shop = json!({"id": "gid://7", "first": "Jane", "last": "Doe", "mail": "j@example.com", "plan": "gold"});
        (200, json!({"data": {"shop": shop}}))
    })
    .await?;
    let sections = format!(
        "{CODE}
        [api]
        token_header = 'X-Access-Token'
        token_scheme = ''
        [identity]
        url = 'ORIGIN/graphql'
        method = 'POST'
        body = '{{\"query\":\"{{ shop }}\"}}'
        id = ['/data/user/id', '/data/shop/id']
        email = ['/data/shop/mail']
        name = ['/data/shop/name', ['/data/shop/first', '/data/shop/middle', '/data/shop/last']]
        [[capture]]
        name = 'plan'
        description = ''
        from = 'identity'
        pointer = '/data/shop/plan'
        pattern = '[a-z]+'
        [[capture]]
        name = 'tier'
        description = ''
        from = 'identity'
        pointer = '/data/shop/tier'
        pattern = '[a-z]+'
        default = 'basic'"
    );
    let bench = Bench::defined(&fake.origin, &sections)?;
    let access_token = Secret::new(token());
    let identified = bench
        .client
        .identify(bench.registration(), &access_token)
        .await?;
    assert_eq!(identified.account.id.as_deref(), Some("gid://7"));
    assert_eq!(identified.account.email.as_deref(), Some("j@example.com"));
    assert_eq!(identified.account.name.as_deref(), Some("Jane Doe"));
    let learned: Vec<_> = identified
        .learned
        .iter()
        .map(|(name, value)| (name.as_str(), value.as_str()))
        .collect();
    assert_eq!(learned, [("plan", "gold"), ("tier", "basic")]);
    let asked = fake.only()?;
    assert_eq!(asked.header("x-access-token"), access_token.expose());
    assert_eq!(asked.header("authorization"), "");
    assert_eq!(asked.header("content-type"), "application/json");
    assert_eq!(asked.json(), json!({"query": "{ shop }"}));

    let needed = sections.replace("default = 'basic'", "required = true");
    let bench = Bench::defined(&fake.origin, &needed)?;
    let failure = bench
        .client
        .identify(bench.registration(), &access_token)
        .await
        .err();
    let failure = failure.ok_or("nothing was missing")?;
    assert_eq!(failure.kind, TokenFailureKind::Garbage);
    assert!(failure.detail.contains("tier"));
    Ok(())
}

#[tokio::test]
async fn a_token_can_travel_in_the_query() -> Outcome {
    let fake = Fake::json(|_| (200, json!({"sub": "7"}))).await?;
    let sections = format!(
        "{CODE}
        [identity]
        url = 'ORIGIN/tokeninfo?v=3'
        auth = 'none'
        encoding = 'query'
        params = {{ access_token = '{{token}}' }}
        id = ['/sub']"
    );
    let bench = Bench::defined(&fake.origin, &sections)?;
    let access_token = secret();
    let identified = bench
        .client
        .identify(bench.registration(), &access_token)
        .await?;
    assert_eq!(identified.account.id.as_deref(), Some("7"));
    let asked = fake.only()?;
    assert_eq!(asked.query()["access_token"], access_token.expose());
    assert_eq!(asked.query()["v"], "3");
    assert_eq!(asked.header("authorization"), "");
    Ok(())
}
