//! The embedded definitions' quirks, carried out against a fake that stands where the provider would.

use axum::Json;
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};
use tokend_model::ports::AuthorizationServer;
use tokend_model::{Expiry, Secret, TokenFailureKind};
use url::Url;

use crate::fake::{Asked, Bench, Fake, Outcome, credential, now, secret, token};

const REDIRECT_URI: &str = "https://tokend.example.com/oauth/callback/default.c";

/// A definition that came with tokend, its hosts replaced by the fake's.
fn at(fake: &Fake, definition: &str, hosts: &[&str]) -> String {
    hosts.iter().fold(definition.to_owned(), |text, host| {
        text.replace(&format!("https://{host}"), &fake.origin)
    })
}

fn pair(url: &str, name: &str) -> Option<String> {
    let url = Url::parse(url).ok()?;
    url.query_pairs()
        .find(|(key, _)| key == name)
        .map(|(_, value)| value.into_owned())
}

#[tokio::test]
async fn slack_user_tokens_are_nested_once_and_then_are_not() -> Outcome {
    let fake = Fake::start(|asked: &Asked| {
        let nested = json!({
            "ok": true, "team": {"id": "T012345"}, "enterprise": null,
            "authed_user": {"id": "U012345", "access_token": "first", "refresh_token": "next",
                "expires_in": 43200, "scope": "chat:write,users:read", "token_type": "user"},
        });
        let flat = json!({"ok": true, "access_token": "second", "token_type": "user", "team": {"id": "<bad>"}});
        let is_code = asked.form().get("grant_type").is_some_and(|grant| grant == "authorization_code");
        Json(if is_code { nested } else { flat }).into_response()
    })
    .await?;
    let definition = include_str!("../../../catalog/types/slack.toml");
    let bench = Bench::defined(&at(&fake, definition, &["slack.com"]))?;
    let scopes = ["chat:write".to_owned(), "users:read".to_owned()];
    let authorize = bench
        .client
        .authorize_url(bench.registration(), &scopes, REDIRECT_URI)?;
    assert_eq!(
        pair(authorize.url.expose(), "user_scope").as_deref(),
        Some("chat:write,users:read")
    );
    assert_eq!(pair(authorize.url.expose(), "scope"), None);
    assert_eq!(pair(authorize.url.expose(), "code_challenge"), None);

    let answer = bench
        .client
        .redeem_code(
            bench.registration(),
            &secret(),
            &authorize.pkce_verifier,
            REDIRECT_URI,
        )
        .await?;
    assert_eq!(answer.access_token, Secret::new("first"));
    assert_eq!(answer.refresh_token, Some(Secret::new("next")));
    assert_eq!(answer.token_type, "Bearer");
    assert_eq!(
        answer.expiry,
        Expiry::At(now() + chrono::Duration::hours(12))
    );
    assert_eq!(answer.scopes.as_deref(), Some(scopes.as_slice()));
    let captured: Vec<(&str, &str)> = answer
        .captured
        .iter()
        .map(|(k, v)| (k.as_str(), v.as_str()))
        .collect();
    assert_eq!(
        captured,
        [("slack_user_id", "U012345"), ("team_id", "T012345")]
    );
    assert_eq!(fake.only()?.form().get("code_verifier"), None);

    let answer = bench.refresh(&secret(), &[]).await?;
    assert_eq!(answer.access_token, Secret::new("second"));
    assert_eq!(answer.expiry, Expiry::Never);
    assert!(
        answer.captured.is_empty(),
        "a value that does not match is not kept"
    );
    Ok(())
}

#[tokio::test]
async fn slack_errors_come_with_status_200() -> Outcome {
    for (error, kind) in [
        (
            json!("invalid_refresh_token"),
            TokenFailureKind::GrantRejected,
        ),
        (json!("bad_client_secret"), TokenFailureKind::ClientRejected),
        (json!("internal_error"), TokenFailureKind::Ambiguous),
        (json!("ratelimited"), TokenFailureKind::RateLimited),
        (json!("brand_new_error"), TokenFailureKind::RequestRejected),
        (Value::Null, TokenFailureKind::Garbage),
    ] {
        let body = json!({"ok": false, "error": error, "access_token": token()});
        let fake = Fake::start(move |_| Json(body.clone()).into_response()).await?;
        let definition = include_str!("../../../catalog/types/slackbot.toml");
        let bench = Bench::defined(&at(&fake, definition, &["slack.com"]))?;
        let refreshed = bench.refresh(&secret(), &[]).await;
        assert_eq!(
            refreshed.err().map(|failure| failure.kind),
            Some(kind),
            "{error}"
        );
        let identified = bench
            .client
            .identify(bench.registration(), &Secret::new(token()))
            .await;
        assert_eq!(
            identified.err().map(|failure| failure.kind),
            Some(kind),
            "{error}"
        );
        // A token that is dead already is as good as revoked.
        let revoked = bench
            .client
            .revoke(bench.registration(), &credential(None))
            .await;
        assert_eq!(
            revoked.is_ok(),
            kind == TokenFailureKind::GrantRejected,
            "{error}"
        );
    }
    Ok(())
}

#[tokio::test]
async fn a_token_can_revoke_itself() -> Outcome {
    let fake = Fake::start(|_| Json(json!({"ok": true, "revoked": true})).into_response()).await?;
    let definition = include_str!("../../../catalog/types/slackbot.toml");
    let bench = Bench::defined(&at(&fake, definition, &["slack.com"]))?;
    let mut credential = credential(Some(secret()));
    credential.access_token = Secret::new(token());
    assert!(
        bench
            .client
            .revoke(bench.registration(), &credential)
            .await?
    );
    let asked = fake.only()?;
    let bearer = format!("Bearer {}", credential.access_token.expose());
    assert_eq!(asked.header("authorization"), bearer);
    assert_eq!(asked.body, "");
    Ok(())
}

#[tokio::test]
async fn notion_wants_json_and_a_version() -> Outcome {
    let fake = Fake::start(|_| {
        let bot = "12345678-1234-1234-1234-123456789abc";
        Json(json!({"access_token": "t", "bot_id": bot, "workspace_id": bot})).into_response()
    })
    .await?;
    let definition = include_str!("../../../catalog/types/notion.toml");
    let bench = Bench::defined(&at(&fake, definition, &["api.notion.com"]))?;
    let authorize =
        bench
            .client
            .authorize_url(bench.registration(), &["x".to_owned()], REDIRECT_URI)?;
    assert_eq!(pair(authorize.url.expose(), "scope"), None);
    assert_eq!(
        pair(authorize.url.expose(), "owner").as_deref(),
        Some("user")
    );
    let code = secret();
    let answer = bench
        .client
        .redeem_code(
            bench.registration(),
            &code,
            &authorize.pkce_verifier,
            REDIRECT_URI,
        )
        .await?;
    assert_eq!(answer.expiry, Expiry::Unknown);
    assert_eq!(answer.captured.len(), 2);
    let asked = fake.only()?;
    assert_eq!(asked.header("content-type"), "application/json");
    assert_eq!(asked.header("notion-version"), "2022-06-28");
    assert!(asked.header("authorization").starts_with("Basic "));
    let expected = json!({
        "grant_type": "authorization_code", "code": code.expose(), "redirect_uri": REDIRECT_URI,
    });
    assert_eq!(serde_json::from_str::<Value>(&asked.body)?, expected);
    Ok(())
}

#[tokio::test]
async fn github_answers_in_forms_and_deletes_with_json() -> Outcome {
    let form = |body: &'static str| {
        Response::builder()
            .header(
                "content-type",
                "application/x-www-form-urlencoded; charset=utf-8",
            )
            .body(body.into())
            .unwrap_or_default()
    };
    let fake = Fake::start(move |asked: &Asked| {
        let refused = asked.form().get("refresh_token").is_some_and(|token| token == "dead");
        match asked.method.as_str() {
            "DELETE" => axum::http::StatusCode::NO_CONTENT.into_response(),
            _ if refused => form("error=bad_refresh_token&error_description=no"),
            _ => form("access_token=t&scope=repo%2Cuser&token_type=bearer&refresh_token=r&refresh_token_expires_in=60"),
        }
    })
    .await?;
    let definition = include_str!("../../../catalog/types/github.toml");
    let bench = Bench::defined(&at(&fake, definition, &["github.com", "api.github.com"]))?;
    let answer = bench.refresh(&secret(), &[]).await?;
    assert_eq!(answer.expiry, Expiry::Never);
    assert_eq!(
        answer.refresh_expire_time,
        Some(now() + chrono::Duration::seconds(60))
    );
    assert_eq!(
        answer.scopes,
        Some(vec!["repo".to_owned(), "user".to_owned()])
    );
    let dead = bench.refresh(&Secret::new("dead"), &[]).await.err();
    assert_eq!(
        dead.map(|failure| failure.kind),
        Some(TokenFailureKind::GrantRejected)
    );

    let credential = credential(Some(secret()));
    assert!(
        bench
            .client
            .revoke(bench.registration(), &credential)
            .await?
    );
    let asked = fake.asked().pop().ok_or("nothing asked")?;
    assert_eq!(asked.uri.path(), "/applications/client:1/token");
    assert!(asked.header("authorization").starts_with("Basic "));
    assert_eq!(
        serde_json::from_str::<Value>(&asked.body)?,
        json!({"access_token": credential.access_token.expose()})
    );
    Ok(())
}

#[tokio::test]
async fn share_point_s_tenant_stands_in_the_path() -> Outcome {
    let fake =
        Fake::start(|_| Json(json!({"access_token": "t", "expires_in": "3599"})).into_response())
            .await?;
    let definition = include_str!("../../../catalog/types/share_point.toml");
    let hosts = ["login.microsoftonline.com", "graph.microsoft.com"];
    let mut bench = Bench::defined(&at(&fake, definition, &hosts))?;
    bench.refresh(&secret(), &[]).await?;
    bench
        .config
        .insert("tenant".to_owned(), "acme.test".to_owned());
    bench.refresh(&secret(), &[]).await?;
    bench
        .config
        .insert("tenant".to_owned(), "../../evil".to_owned());
    let failure = bench.refresh(&secret(), &[]).await.err();
    assert_eq!(
        failure.map(|failure| failure.kind),
        Some(TokenFailureKind::NotSent)
    );
    let paths: Vec<String> = fake
        .asked()
        .iter()
        .map(|asked| asked.uri.path().to_owned())
        .collect();
    assert_eq!(
        paths,
        [
            "/organizations/oauth2/v2.0/token",
            "/acme.test/oauth2/v2.0/token"
        ]
    );
    assert!(
        !bench
            .client
            .revoke(bench.registration(), &credential(None))
            .await?
    );
    Ok(())
}

#[tokio::test]
async fn scopes_are_repeated_where_the_definition_says_so() -> Outcome {
    let fake = Fake::start(|_| Json(json!({"access_token": "t"})).into_response()).await?;
    let definition = include_str!("../../../catalog/types/googlecalendar.toml");
    let repeating = definition.replace("[refresh]", "[refresh]\nrepeat_scopes = true");
    let hosts = ["accounts.google.com", "oauth2.googleapis.com"];
    for (definition, expected) in [(definition, None), (repeating.as_str(), Some("a b"))] {
        let bench = Bench::defined(&at(&fake, definition, &hosts))?;
        let scopes = ["a".to_owned(), "b".to_owned()];
        bench.refresh(&secret(), &scopes).await?;
        let asked = fake.asked().pop().ok_or("nothing asked")?;
        assert_eq!(asked.form().get("scope").map(String::as_str), expected);
    }
    Ok(())
}
