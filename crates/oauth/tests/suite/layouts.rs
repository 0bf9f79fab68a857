//! Where tokens stand in answers, beside and below what RFC 6749 section 5.1 says.

use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use serde_json::{Value, json};
use tokend_model::ports::{AuthorizationServer, Registration};
use tokend_model::{Expiry, RawTokenAnswer, Secret, TokenAnswer, TokenFailureKind};
use zeroize::Zeroizing;

use crate::fake::{Bench, CODE, Fake, Outcome, now, scopes};

const ORIGIN: &str = "https://idp.example.com";

fn raw(body: &Value) -> RawTokenAnswer {
    RawTokenAnswer {
        status: 200,
        content_type: None,
        body: Zeroizing::new(body.to_string().into_bytes()),
        receive_time: now(),
    }
}

async fn first(
    sections: &str,
    body: Value,
) -> Result<Result<TokenAnswer, TokenFailureKind>, Box<dyn std::error::Error>> {
    let fake = Fake::json(move |_| (200, body.clone())).await?;
    let redeemed = Bench::defined(&fake.origin, sections)?.redeem_code().await;
    Ok(redeemed.map_err(|failure| failure.kind))
}

fn after(seconds: i64) -> Expiry {
    Expiry::At(now() + chrono::Duration::seconds(seconds))
}

#[tokio::test]
async fn the_first_root_that_is_there_holds_the_token() -> Outcome {
    let sections = format!("{CODE}\n[token.answer]\nroot = ['/data/0', '/inner', '']");
    for (body, expected) in [
        (
            json!({"data": [{"access_token": "a"}], "access_token": "no"}),
            Ok("a"),
        ),
        (json!({"data": [], "inner": {"access_token": "b"}}), Ok("b")),
        (
            json!({"data": ["x"], "inner": null, "access_token": "c"}),
            Ok("c"),
        ),
        // The token is looked for in the first object, not wherever there is one.
        (
            json!({"inner": {}, "access_token": "d"}),
            Err(TokenFailureKind::Garbage),
        ),
    ] {
        let answer = first(&sections, body.clone()).await?;
        let found = answer.map(|answer| answer.access_token.expose().to_owned());
        assert_eq!(found, expected.map(str::to_owned), "{body}");
    }
    let nested = format!("{CODE}\n[token.answer]\nroot = ['/authed_user']");
    let answer = first(&nested, json!({"access_token": "flat"})).await?;
    assert_eq!(answer.err(), Some(TokenFailureKind::Garbage));
    Ok(())
}

#[tokio::test]
async fn members_have_other_names_and_ends_are_times() -> Outcome {
    let sections = format!(
        "{CODE}
        refresh_expires_in = 'renew_in'
        [token.answer]
        access_token = 'token'
        refresh_token = 'renewal'
        expires_in = 'ttl'
        expires_at = 'ends'
        scope = 'permissions'"
    );
    // 2027-01-15T08:00:00Z is now.
    for (body, expiry) in [
        (json!({"ends": "2027-01-15T09:00:00Z"}), after(3600)),
        (
            json!({"ends": "2027-01-15T11:00:00.5+02:00"}),
            Expiry::At(now() + chrono::Duration::milliseconds(3_600_500)),
        ),
        (
            json!({"ends": "2027-01-15T09:00:00Z", "ttl": 60}),
            after(3600),
        ),
        (json!({"ends": "soon", "ttl": 60}), after(60)),
        (json!({"ends": null, "ttl": 60}), after(60)),
        (json!({"ends": 1_800_003_600}), Expiry::Unknown),
        (json!({"ends": "2027-01-15T07:59:59Z"}), Expiry::Unknown),
        (json!({"ends": "9999-12-31T23:59:59Z"}), after(315_360_000)),
        (json!({"expires_in": 60}), Expiry::Unknown),
    ] {
        let mut body = body;
        body["token"] = "t".into();
        body["renewal"] = "r".into();
        body["renew_in"] = 90.into();
        body["permissions"] = json!({"contents": "read", "issues": "write", "odd": 1});
        let answer = first(&sections, body.clone())
            .await?
            .map_err(|kind| format!("{kind:?}"))?;
        assert_eq!(answer.access_token.expose(), "t");
        assert_eq!(answer.refresh_token, Some(Secret::new("r")));
        assert_eq!(answer.expiry, expiry, "{body}");
        let refresh_end = now() + chrono::Duration::seconds(90);
        assert_eq!(answer.refresh_expire_time, Some(refresh_end));
        assert_eq!(
            answer.scopes,
            Some(scopes(&["contents:read", "issues:write"]))
        );
    }
    Ok(())
}

const TWO: &str = "
    [authorize]
    url = 'ORIGIN/authorize'
    [token]
    url = 'ORIGIN/token'
    token_type = 'Bearer'
    without_expires_in = 'never'
    [[token.other]]
    name = 'user'
    description = 'as the user'
    [token.other.answer]
    root = ['/authed_user']
    [token.other.refresh_answer]
    root = ['/renewed']
    [[capture]]
    name = 'team_id'
    description = ''
    pointer = '/team/id'
    pattern = 'T[0-9]+'
";

#[tokio::test]
async fn tokens_that_come_together_are_kept_apart() -> Outcome {
    let body = json!({
        "access_token": "bot", "refresh_token": "bot-r", "expires_in": 60, "token_type": "bot", "scope": "a",
        "team": {"id": "T1"},
        "authed_user": {"id": "U1", "access_token": "user", "refresh_token": "user-r", "expires_in": 90, "scope": "b,c"},
    });
    let answer = first(TWO, body)
        .await?
        .map_err(|kind| format!("{kind:?}"))?;
    assert_eq!(answer.access_token.expose(), "bot");
    assert_eq!(answer.token_type, "Bearer");
    assert_eq!(
        answer.captured.get("team_id").map(String::as_str),
        Some("T1")
    );
    let names: Vec<&str> = answer.others.keys().map(String::as_str).collect();
    assert_eq!(names, ["user"]);
    let user = &answer.others["user"];
    assert_eq!(user.access_token.expose(), "user");
    assert_eq!(user.refresh_token, Some(Secret::new("user-r")));
    assert_eq!((user.expiry, answer.expiry), (after(90), after(60)));
    assert_eq!(user.scopes, Some(scopes(&["b", "c"])));

    // A user who granted nothing of their own, and one whose token is none.
    for user in [
        json!({"id": "U1"}),
        Value::Null,
        json!({"access_token": "two words"}),
    ] {
        let body = json!({"access_token": "bot", "authed_user": user});
        let answer = first(TWO, body)
            .await?
            .map_err(|kind| format!("{kind:?}"))?;
        assert!(answer.others.is_empty());
        assert_eq!(answer.expiry, Expiry::Never);
    }
    Ok(())
}

#[tokio::test]
async fn each_token_s_renewal_is_read_by_its_own_layout() -> Outcome {
    let bench = Bench::defined(ORIGIN, TWO)?;
    let body = json!({"access_token": "main", "renewed": {"access_token": "other", "refresh_token": "r"}, "team": {"id": "T2"}});
    let read = |token| {
        let registration = Registration {
            token,
            ..bench.registration()
        };
        let (client, raw) = (&bench.client, raw(&body));
        async move { client.read_refresh_answer(registration, &raw).await }
    };
    let main = read("").await?;
    assert_eq!(main.access_token.expose(), "main");
    assert_eq!(main.refresh_token, None, "the old one stays");
    assert_eq!(main.captured.len(), 1);
    assert!(main.others.is_empty());
    let other = read("user").await?;
    assert_eq!(other.access_token.expose(), "other");
    assert_eq!(other.refresh_token, Some(Secret::new("r")));
    let unknown = read("nobody").await.err();
    assert_eq!(
        unknown.map(|failure| failure.kind),
        Some(TokenFailureKind::Garbage)
    );
    Ok(())
}

#[tokio::test]
async fn values_are_captured_from_answers_and_id_tokens() -> Outcome {
    let sections = format!(
        "{CODE}
        [[capture]]
        name = 'site'
        description = ''
        pointer = '/site'
        pattern = '[a-z]+'
        [[capture]]
        name = 'tenant'
        description = ''
        from = 'id_token'
        pointer = '/tid'
        pattern = '[a-z]+'"
    );
    let claims = |claims: Value| {
        let payload = BASE64_URL_SAFE_NO_PAD.encode(claims.to_string());
        format!("e30.{payload}.c2ln")
    };
    for (body, expected) in [
        (
            json!({"site": "acme", "id_token": claims(json!({"tid": "org"}))}),
            vec![("site", "acme"), ("tenant", "org")],
        ),
        (
            json!({"site": "Not This", "id_token": claims(json!({"tid": ["org"]}))}),
            vec![],
        ),
        (
            json!({"tid": "org", "id_token": claims(json!({"site": "acme"}))}),
            vec![],
        ),
        (json!({"id_token": "no.!.jwt"}), vec![]),
        (json!({"id_token": "nothing"}), vec![]),
        (json!({"id_token": 7}), vec![]),
    ] {
        let mut body = body;
        body["access_token"] = "t".into();
        let bench = Bench::defined(ORIGIN, &sections)?;
        let answer = first(&sections, body.clone())
            .await?
            .map_err(|kind| format!("{kind:?}"))?;
        let renewed = bench.read(&raw(&body)).await?;
        for captured in [answer.captured, renewed.captured] {
            let captured: Vec<(&str, &str)> = captured
                .iter()
                .map(|(name, value)| (name.as_str(), value.as_str()))
                .collect();
            assert_eq!(captured, expected, "{body}");
        }
    }
    Ok(())
}

#[tokio::test]
async fn scopes_under_other_names_are_granted_under_those_asked_for() -> Outcome {
    let sections = format!(
        "{CODE}
        [scopes]
        reported_as = {{ email = 'https://idp.example.com/email', 'read:user' = 'user' }}
        unreported = ['offline']"
    );
    for (told, expected) in [
        (
            "https://idp.example.com/email",
            vec!["https://idp.example.com/email", "email", "offline"],
        ),
        ("user", vec!["user", "read:user", "offline"]),
        ("read:user offline", vec!["read:user", "offline"]),
    ] {
        let body = json!({"access_token": "a", "scope": told});
        let answer = first(&sections, body).await?;
        let found = answer.map(|answer| answer.scopes.unwrap_or_default());
        assert_eq!(found.as_deref(), Ok(&*scopes(&expected)), "{told}");
    }
    // An answer that tells no scopes tells none of these either.
    let silent = first(&sections, json!({"access_token": "a"})).await?;
    assert_eq!(silent.map(|answer| answer.scopes), Ok(None));
    Ok(())
}
