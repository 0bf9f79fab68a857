//! Renewals where providers differ: with the access token, elsewhere, by GET, with what is repeated.

use serde_json::json;
use tokend_model::ports::AuthorizationServer;
use tokend_model::{Secret, TokenFailureKind};

use crate::fake::{Bench, CODE, Fake, Outcome, REDIRECT_URI, credential, scopes, secret};

async fn answering() -> Result<Fake, Box<dyn std::error::Error>> {
    Fake::json(|_| {
        (
            200,
            json!({"access_token": "next", "refresh_token": "ignored?"}),
        )
    })
    .await
}

#[tokio::test]
async fn an_access_token_renews_itself() -> Outcome {
    let fake = answering().await?;
    let sections = format!(
        "{CODE}
        headers = {{ X-Version = '1' }}
        params = {{ only_first = 'x' }}
        [refresh]
        with = 'access_token'
        url = 'ORIGIN/renew?v=2'
        method = 'GET'
        token_param = 'access_token'
        client_auth = false
        params = {{ grant_type = 'renew', again = '{{token}}', number = 3 }}
        "
    );
    let bench = Bench::defined(&fake.origin, &sections)?;
    let old = secret();
    let answer = bench.refresh(&old, &scopes(&["a"])).await?;
    assert_eq!(answer.access_token, Secret::new("next"));
    assert_eq!(answer.refresh_token, Some(Secret::new("next")));
    let asked = fake.only()?;
    assert_eq!((asked.method.as_str(), asked.uri.path()), ("GET", "/renew"));
    assert_eq!(asked.body, "");
    assert_eq!(asked.header("x-version"), "1");
    assert_eq!(asked.header("authorization"), "");
    let expected = [
        ("v", "2"),
        ("grant_type", "renew"),
        ("access_token", old.expose()),
        ("again", old.expose()),
        ("number", "3"),
    ];
    let expected = expected.map(|(name, value)| (name.to_owned(), value.to_owned()));
    assert_eq!(asked.query(), expected.into());
    Ok(())
}

#[tokio::test]
async fn scopes_and_redirect_uri_are_repeated_where_the_definition_says_so() -> Outcome {
    for (refresh, scope, redirect_uri) in [
        ("", None, None),
        ("repeat_scopes = true", Some("a,b"), None),
        ("repeat_redirect_uri = true", None, Some(REDIRECT_URI)),
    ] {
        let fake = answering().await?;
        let sections = format!(
            "[authorize]\nurl = 'ORIGIN/a'\nscope_separator = 'comma'\n\
             [token]\nurl = 'ORIGIN/token'\n[refresh]\n{refresh}"
        );
        let bench = Bench::defined(&fake.origin, &sections)?;
        let answer = bench.refresh(&secret(), &scopes(&["a", "b"])).await?;
        assert_eq!(answer.refresh_token, Some(Secret::new("ignored?")));
        let form = fake.only()?.form();
        assert_eq!(form["grant_type"], "refresh_token");
        assert_eq!(form.get("scope").map(String::as_str), scope, "{refresh}");
        assert_eq!(
            form.get("redirect_uri").map(String::as_str),
            redirect_uri,
            "{refresh}"
        );
    }
    Ok(())
}

#[tokio::test]
async fn a_refresh_has_an_encoding_and_parameters_of_its_own() -> Outcome {
    let fake = answering().await?;
    let sections = format!(
        "{CODE}
        auth = 'client_secret_post'
        [refresh]
        encoding = 'json'
        token_param = 'renewal'
        params = {{ days = 30 }}"
    );
    let bench = Bench::defined(&fake.origin, &sections)?;
    let old = secret();
    bench.refresh(&old, &[]).await?;
    let expected = json!({
        "grant_type": "refresh_token", "renewal": old.expose(), "days": 30,
        "client_id": "client:1", "client_secret": bench.client_secret(),
    });
    assert_eq!(fake.only()?.json(), expected);
    Ok(())
}

#[tokio::test]
async fn what_was_entered_by_a_person_is_not_renewed() -> Outcome {
    let sections = "grant = 'static'\n[credential]\ndisplay_name = ''\ndescription = ''";
    let bench = Bench::defined("https://idp.example.com", sections)?;
    let failed = bench.redeem().await.err();
    assert_eq!(
        failed.map(|failure| failure.kind),
        Some(TokenFailureKind::NotSent)
    );
    let registration = bench.registration();
    assert!(!bench.client.revoke(registration, &credential(None)).await?);
    assert!(bench.client.token_endpoint(registration).await.is_err());
    Ok(())
}
