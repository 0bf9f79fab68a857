//! Authorization codes where providers differ: names, parameters, encodings, scopes, and a second exchange.

use axum::response::IntoResponse;
use serde_json::{Value, json};
use tokend_model::ports::AuthorizationServer;
use tokend_model::{Expiry, Secret, TokenFailureKind};
use url::Url;

use crate::fake::{Bench, CODE, Fake, Outcome, REDIRECT_URI, now, scopes, secret, token};

const ORIGIN: &str = "https://idp.example.com";

async fn authorize(bench: &Bench, names: &[&str]) -> Result<Url, Box<dyn std::error::Error>> {
    let scopes = scopes(names);
    let made = bench
        .client
        .authorize_url(bench.registration(), &scopes, REDIRECT_URI)
        .await?;
    Ok(Url::parse(made.url.expose())?)
}

fn pair(url: &Url, name: &str) -> Option<String> {
    let mut all = url.query_pairs().filter(|(key, _)| key == name);
    let found = all.next().map(|(_, value)| value.into_owned());
    assert_eq!(all.next(), None, "{name} is there twice");
    found
}

#[tokio::test]
async fn authorization_requests_carry_what_the_definition_says() -> Outcome {
    let sections = "
        [client]
        id_param = 'client_key'
        [authorize]
        url = 'ORIGIN/{tenant}/authorize?a=1'
        pkce = false
        scope_param = 'user_scope'
        scope_separator = 'comma'
        params = { text = 'a b', number = 7, given = '{tenant}', left_out = '{nothing}' }
        [token]
        url = 'ORIGIN/token'
        [[connection_config]]
        name = 'tenant'
        display_name = ''
        description = ''
        default = 'common'
        pattern = '.*'
        pattern_error = ''
        [[connection_config]]
        name = 'nothing'
        display_name = ''
        description = ''
        pattern = '.*'
        pattern_error = ''
    ";
    let bench = Bench::defined(ORIGIN, sections)?;
    let url = authorize(&bench, &["read", "write"]).await?;
    assert_eq!(url.path(), "/common/authorize");
    for (name, value) in [
        ("a", Some("1")),
        ("client_key", Some("client:1")),
        ("client_id", None),
        ("user_scope", Some("read,write")),
        ("scope", None),
        ("code_challenge", None),
        ("text", Some("a b")),
        ("number", Some("7")),
        ("given", Some("common")),
        ("left_out", None),
    ] {
        assert_eq!(pair(&url, name).as_deref(), value, "{name}");
    }
    let none = sections.replace("'user_scope'", "''");
    let url = authorize(&Bench::defined(ORIGIN, &none)?, &["read"]).await?;
    assert!(!url.as_str().contains("read"));
    Ok(())
}

#[tokio::test]
async fn scopes_of_another_token_travel_in_their_own_parameter() -> Outcome {
    let sections = format!(
        "{CODE}
        [[token.other]]
        name = 'user'
        description = ''
        scope_param = 'user_scope'
        answer = {{ root = ['/authed_user'] }}"
    );
    let bench = Bench::defined(ORIGIN, &sections)?;
    let asked = ["chat:write", "user:chat:write", "users:read", "user:search"];
    let url = authorize(&bench, &asked).await?;
    assert_eq!(
        pair(&url, "scope").as_deref(),
        Some("chat:write users:read")
    );
    assert_eq!(
        pair(&url, "user_scope").as_deref(),
        Some("chat:write search")
    );
    let url = authorize(&bench, &["chat:write"]).await?;
    assert_eq!(pair(&url, "user_scope"), None);
    // Without such a token it is a scope like any other.
    let url = authorize(&Bench::defined(ORIGIN, CODE)?, &["user:email"]).await?;
    assert_eq!(pair(&url, "scope").as_deref(), Some("user:email"));
    Ok(())
}

#[tokio::test]
async fn codes_are_redeemed_in_json_and_under_other_names() -> Outcome {
    let fake = Fake::json(|_| (200, json!({"access_token": "t"}))).await?;
    let sections = "
        [client]
        id_param = 'client_key'
        secret_param = 'client_word'
        [authorize]
        url = 'ORIGIN/authorize'
        [token]
        url = 'ORIGIN/token'
        auth = 'client_secret_post'
        encoding = 'json'
        headers = { X-Version = '2022' }
        params = { expiring = 1, kind = 'x', id = '{client_id}' }
    ";
    let bench = Bench::defined(&fake.origin, sections)?;
    let (code, verifier) = (secret(), Secret::new(token()));
    let redeem = bench
        .client
        .redeem_code(bench.registration(), &code, &verifier, REDIRECT_URI);
    redeem.await?;
    let asked = fake.only()?;
    assert_eq!(asked.header("content-type"), "application/json");
    assert_eq!(asked.header("x-version"), "2022");
    assert_eq!(asked.header("authorization"), "");
    let expected = json!({
        "grant_type": "authorization_code", "code": code.expose(), "redirect_uri": REDIRECT_URI,
        "code_verifier": verifier.expose(), "expiring": 1, "kind": "x", "id": "client:1",
        "client_key": "client:1", "client_word": bench.client_secret(),
    });
    assert_eq!(asked.json(), expected);
    Ok(())
}

#[tokio::test]
async fn types_without_a_browser_have_no_authorization_request() -> Outcome {
    let sections = "grant = 'client_credentials'\n[token]\nurl = 'ORIGIN/token'";
    let bench = Bench::defined(ORIGIN, sections)?;
    let made = authorize(&bench, &[]).await;
    assert!(made.is_err_and(|error| error.to_string().contains("browser")));
    let failed = bench.redeem_code().await.err();
    assert_eq!(
        failed.map(|failure| failure.kind),
        Some(TokenFailureKind::NotSent)
    );
    Ok(())
}

const EXCHANGE: &str = "
    [authorize]
    url = 'ORIGIN/authorize'
    [token]
    url = 'ORIGIN/token'
    [exchange]
    url = 'ORIGIN/exchange'
    method = 'GET'
    encoding = 'query'
    params = { client_secret = '{client_secret}', access_token = '{token}', grant_type = 'long' }
    [exchange.answer]
    access_token = 'long_token'
    [refresh]
    with = 'access_token'
    [[capture]]
    name = 'user_id'
    description = ''
    pointer = '/user_id'
    pattern = '[0-9]+'
";

#[tokio::test]
async fn the_exchange_s_token_takes_the_place_of_the_first() -> Outcome {
    let fake = Fake::json(|asked| match asked.uri.path() {
        "/token" => (
            200,
            json!({"access_token": "short", "expires_in": 60, "scope": "a", "user_id": 7}),
        ),
        _ => (200, json!({"long_token": "long", "expires_in": 5_184_000})),
    })
    .await?;
    let bench = Bench::defined(&fake.origin, EXCHANGE)?;
    let answer = bench.redeem_code().await?;
    assert_eq!(answer.access_token, Secret::new("long"));
    assert_eq!(answer.refresh_token, Some(Secret::new("long")));
    assert_eq!(
        answer.expiry,
        Expiry::At(now() + chrono::Duration::days(60))
    );
    assert_eq!(answer.scopes, Some(scopes(&["a"])));
    assert_eq!(
        answer.captured.get("user_id").map(String::as_str),
        Some("7")
    );
    let asked = fake.last()?;
    assert_eq!(asked.method, "GET");
    assert_eq!(asked.body, "");
    let query = asked.query();
    assert_eq!(query["client_secret"], bench.client_secret());
    assert_eq!(query["access_token"], "short");
    assert_eq!(query["grant_type"], "long");
    Ok(())
}

#[tokio::test]
async fn an_exchange_that_fails_has_spent_the_code_and_tells_no_secret() -> Outcome {
    type Exchange = (u16, Value, TokenFailureKind);
    let cases: [Exchange; 5] = [
        (
            400,
            json!({"error": "invalid_grant"}),
            TokenFailureKind::GrantRejected,
        ),
        (
            400,
            json!({"error": {"message": "CANARY", "code": 190}}),
            TokenFailureKind::RequestRejected,
        ),
        (429, json!({}), TokenFailureKind::Ambiguous),
        (302, json!({}), TokenFailureKind::RequestRejected),
        (200, json!({"other": "CANARY"}), TokenFailureKind::Garbage),
    ];
    for (status, body, kind) in cases {
        let told = body.clone();
        let fake = Fake::json(move |asked| match asked.uri.path() {
            "/token" => (200, json!({"access_token": "CANARY"})),
            _ => (status, told.clone()),
        })
        .await?;
        let bench = Bench::defined(&fake.origin, EXCHANGE)?;
        let failure = bench.redeem_code().await.err().ok_or("it was taken")?;
        assert_eq!(failure.kind, kind, "{status} {body}");
        let told = format!("{failure} {failure:?}");
        for hidden in ["CANARY", bench.client_secret(), "http", "client_secret"] {
            assert!(!told.contains(hidden), "{told}");
        }
    }
    // Nobody is there: for the exchange nothing was sent, but the code is spent.
    let fake = Fake::start(|_| axum::Json(json!({"access_token": "t"})).into_response()).await?;
    let elsewhere = EXCHANGE.replace("ORIGIN/exchange", "https://exchange.invalid/");
    let failure = Bench::defined(&fake.origin, &elsewhere)?
        .redeem_code()
        .await
        .err();
    assert_eq!(
        failure.map(|failure| failure.kind),
        Some(TokenFailureKind::Ambiguous)
    );
    Ok(())
}
