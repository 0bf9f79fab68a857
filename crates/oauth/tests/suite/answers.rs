//! What providers get away with in their answers.

use axum::body::Body;
use axum::response::Response;
use tokend_model::{Expiry, TokenAnswer, TokenFailure};

use crate::fake::{Bench, Fake, Outcome, now, options, secret, token};

pub(crate) const JSON: &str = "application/json";
pub(crate) const FORM: &str = "application/x-www-form-urlencoded";
pub(crate) const HTML: &str = "text/html; charset=utf-8";

/// Asks for a refresh of a provider that answers with this.
pub(crate) async fn answered(
    status: u16,
    content_type: &'static str,
    body: Vec<u8>,
) -> Result<Result<TokenAnswer, TokenFailure>, Box<dyn std::error::Error>> {
    let fake = Fake::start(move |_| {
        Response::builder()
            .status(status)
            .header("content-type", content_type)
            .body(Body::from(body.clone()))
            .unwrap_or_default()
    })
    .await?;
    let bench = Bench::generic(&fake.origin, &options())?;
    let answer = bench.refresh(&secret(), &[]).await;
    fake.only()?;
    Ok(answer)
}

fn after(seconds: i64) -> Expiry {
    Expiry::At(now() + chrono::Duration::seconds(seconds))
}

#[tokio::test]
async fn what_can_be_understood_is() -> Outcome {
    let ten_years = after(315_360_000);
    // Members beside the access token, and the expiry, refresh token and scopes that they mean.
    let cases: [(&str, Expiry, bool, Option<&[&str]>); 31] = [
        ("", Expiry::Unknown, false, None),
        (r#""expires_in":3600"#, after(3600), false, None),
        (r#""expires_in":"3600""#, after(3600), false, None),
        (r#""expires_in":" 60 ""#, after(60), false, None),
        (r#""expires_in":3599.9"#, after(3599), false, None),
        (r#""expires_in":"3.6e3""#, after(3600), false, None),
        (r#""expires_in":0"#, Expiry::Unknown, false, None),
        (r#""expires_in":-1"#, Expiry::Unknown, false, None),
        (r#""expires_in":"-1""#, Expiry::Unknown, false, None),
        (r#""expires_in":null"#, Expiry::Unknown, false, None),
        (r#""expires_in":"""#, Expiry::Unknown, false, None),
        (r#""expires_in":"soon""#, Expiry::Unknown, false, None),
        (r#""expires_in":"NaN""#, Expiry::Unknown, false, None),
        (r#""expires_in":"inf""#, Expiry::Unknown, false, None),
        (r#""expires_in":[3600]"#, Expiry::Unknown, false, None),
        (r#""expires_in":true"#, Expiry::Unknown, false, None),
        (
            r#""expires_in":18446744073709551615"#,
            ten_years,
            false,
            None,
        ),
        (r#""expires_in":1e300"#, ten_years, false, None),
        (r#""refresh_token":"NEXT""#, Expiry::Unknown, true, None),
        (r#""refresh_token":"""#, Expiry::Unknown, false, None),
        (r#""refresh_token":null"#, Expiry::Unknown, false, None),
        (r#""refresh_token":7"#, Expiry::Unknown, false, None),
        (
            r#""refresh_token":"two words""#,
            Expiry::Unknown,
            false,
            None,
        ),
        (
            r#""scope":"a b  c""#,
            Expiry::Unknown,
            false,
            Some(&["a", "b", "c"]),
        ),
        (
            r#""scope":"a,b, c""#,
            Expiry::Unknown,
            false,
            Some(&["a", "b", "c"]),
        ),
        (
            r#""scope":["a","b"]"#,
            Expiry::Unknown,
            false,
            Some(&["a", "b"]),
        ),
        (r#""scope":"""#, Expiry::Unknown, false, None),
        (r#""scope":null"#, Expiry::Unknown, false, None),
        (r#""scope":{"a":1}"#, Expiry::Unknown, false, None),
        (
            r#""error":null,"token_type":"bEARER","more":{"x":[1]}"#,
            Expiry::Unknown,
            false,
            None,
        ),
        // Some number their errors, and this is none.
        (
            r#""error":0,"refresh_token":"NEXT""#,
            Expiry::Unknown,
            true,
            None,
        ),
    ];
    for (members, expiry, has_refresh_token, scopes) in cases {
        let (access, next) = (token(), token());
        let members = members.replace("NEXT", &next);
        let comma = if members.is_empty() { "" } else { "," };
        let body = format!(r#"{{"access_token":"{access}"{comma}{members}}}"#);
        let answer = answered(200, JSON, body.into())
            .await?
            .map_err(|e| format!("{members}: {e}"))?;
        assert_eq!(answer.access_token.expose(), access, "{members}");
        assert_eq!(answer.token_type, "Bearer", "{members}");
        assert_eq!(answer.expiry, expiry, "{members}");
        assert_eq!(answer.receive_time, now());
        let refresh_token = answer.refresh_token.as_ref().map(|token| token.expose());
        assert_eq!(
            refresh_token,
            has_refresh_token.then_some(next.as_str()),
            "{members}"
        );
        let told: Option<Vec<&str>> = answer
            .scopes
            .as_ref()
            .map(|all| all.iter().map(String::as_str).collect());
        assert_eq!(told.as_deref(), scopes, "{members}");
    }
    Ok(())
}

#[tokio::test]
async fn the_wrapping_does_not_matter() -> Outcome {
    let access = token();
    let json = format!(r#"{{"access_token":"{access}","expires_in":60,"scope":"a"}}"#);
    let form = format!("access_token={access}&expires_in=60&scope=a&token_type=bearer");
    for (content_type, body) in [
        (JSON, json.clone()),
        ("application/json; charset=utf-8", format!("\u{feff}{json}")),
        (HTML, format!(" \r\n{json}\n")),
        ("text/javascript", json.clone()),
        ("", json.clone()),
        (FORM, json),
        (FORM, form.clone()),
        (
            "Application/X-WWW-Form-Urlencoded; charset=utf-8",
            form.clone(),
        ),
        ("text/plain", form.clone()),
        ("", form),
    ] {
        let answer = answered(200, content_type, body.into())
            .await?
            .map_err(|e| format!("{content_type}: {e}"))?;
        assert_eq!(answer.access_token.expose(), access, "{content_type}");
        assert_eq!(answer.expiry, after(60), "{content_type}");
        assert_eq!(answer.scopes.as_deref(), Some(["a".to_owned()].as_slice()));
    }
    Ok(())
}
