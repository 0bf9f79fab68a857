//! How providers say that something went wrong.

use serde_json::{Value, json};
use tokend_model::ports::AuthorizationServer;
use tokend_model::{Secret, TokenFailureKind as Kind};

use crate::fake::{Bench, CODE, Fake, Outcome, credential, secret, token};

async fn outcomes(
    errors: &str,
    status: u16,
    body: Value,
) -> Result<[Option<Kind>; 2], Box<dyn std::error::Error>> {
    let fake = Fake::json(move |_| (status, body.clone())).await?;
    let sections = format!("{CODE}\n[identity]\nurl = 'ORIGIN/me'\nid = ['/id']\n{errors}");
    let bench = Bench::defined(&fake.origin, &sections)?;
    let refreshed = bench.refresh(&secret(), &[]).await.err();
    let identified = bench
        .client
        .identify(bench.registration(), &Secret::new(token()))
        .await
        .err();
    Ok([refreshed, identified].map(|failure| failure.map(|failure| failure.kind)))
}

#[tokio::test]
async fn errors_with_status_200_are_errors() -> Outcome {
    let errors = "
        [errors]
        ok = '/ok'
        [errors.codes]
        dead = 'grant_rejected'
        wrong_app = 'client_rejected'
        broken = 'ambiguous'
        slow = 'rate_limited'
    ";
    for (error, kind) in [
        (json!("dead"), Kind::GrantRejected),
        (json!("wrong_app"), Kind::ClientRejected),
        (json!("broken"), Kind::Ambiguous),
        (json!("slow"), Kind::RateLimited),
        (json!("brand_new_error"), Kind::RequestRejected),
        (Value::Null, Kind::Garbage),
    ] {
        let body = json!({"ok": false, "error": error, "access_token": token()});
        let both = outcomes(errors, 200, body).await?;
        assert_eq!(both, [Some(kind), Some(kind)], "{error}");
    }
    let fine = json!({"ok": true, "access_token": "t", "id": "7"});
    assert_eq!(outcomes(errors, 200, fine).await?, [None, None]);
    let silent = json!({"access_token": "t", "id": "7"});
    assert_eq!(
        outcomes(errors, 200, silent).await?,
        [Some(Kind::Garbage); 2]
    );
    Ok(())
}

#[tokio::test]
async fn codes_stand_where_the_definition_says() -> Outcome {
    let errors = "
        [errors]
        code = ['/fault/code', '/ECODE']
        success_code = 'ok'
        [errors.codes]
        190 = 'grant_rejected'
        E7 = 'client_rejected'
        invalid_grant = 'request_rejected'
    ";
    let cases = [
        (
            400,
            json!({"fault": {"code": 190}}),
            Some(Kind::GrantRejected),
        ),
        (
            400,
            json!({"fault": {"code": "190"}}),
            Some(Kind::GrantRejected),
        ),
        (
            200,
            json!({"ECODE": "E7", "access_token": "t"}),
            Some(Kind::ClientRejected),
        ),
        (
            200,
            json!({"fault": {"code": "ok"}, "access_token": "t"}),
            None,
        ),
        (
            400,
            json!({"fault": {"code": "ok"}}),
            Some(Kind::RequestRejected),
        ),
        // The definition's own meaning goes before that of the RFCs.
        (
            400,
            json!({"error": "invalid_grant"}),
            Some(Kind::RequestRejected),
        ),
        // An error object with a code inside.
        (
            400,
            json!({"error": {"code": "invalid_token"}}),
            Some(Kind::GrantRejected),
        ),
        (
            200,
            json!({"error": {"code": "ok"}, "access_token": "t"}),
            None,
        ),
        (
            200,
            json!({"error": {"code": ""}, "access_token": "t"}),
            Some(Kind::Garbage),
        ),
        (
            200,
            json!({"error": {"message": "x"}, "access_token": "t"}),
            Some(Kind::Garbage),
        ),
        (200, json!({"error": "", "access_token": "t"}), None),
        (200, json!({"error": false, "access_token": "t"}), None),
        (
            200,
            json!({"error": true, "access_token": "t"}),
            Some(Kind::Garbage),
        ),
    ];
    for (status, body, kind) in cases {
        let [refreshed, _] = outcomes(errors, status, body.clone()).await?;
        assert_eq!(refreshed, kind, "{status} {body}");
    }
    Ok(())
}

#[tokio::test]
async fn statuses_mean_what_the_definition_says_where_the_body_says_nothing() -> Outcome {
    let errors = "
        [errors.statuses]
        404 = 'grant_rejected'
        409 = 'grant_rejected'
        403 = 'rate_limited'
        500 = 'request_rejected'
        302 = 'ambiguous'
    ";
    for (status, body, kind) in [
        (404, json!({}), Kind::GrantRejected),
        (409, json!({"message": "x"}), Kind::GrantRejected),
        (403, json!({}), Kind::RateLimited),
        (500, json!({}), Kind::RequestRejected),
        (302, json!({}), Kind::Ambiguous),
        (
            404,
            json!({"error": "invalid_client"}),
            Kind::ClientRejected,
        ),
        (500, json!({"error": "invalid_grant"}), Kind::GrantRejected),
        (502, json!({}), Kind::Ambiguous),
        (429, json!({}), Kind::RateLimited),
    ] {
        let both = outcomes(errors, status, body.clone()).await?;
        assert_eq!(both, [Some(kind), Some(kind)], "{status} {body}");
    }
    Ok(())
}

#[tokio::test]
async fn codes_are_shown_where_they_are_known_or_look_like_codes() -> Outcome {
    let canary = token();
    let errors = "[errors]\ncode = ['/code']\n[errors.codes]\nAuth-Dead = 'grant_rejected'";
    for (code, shown) in [
        (json!("Auth-Dead"), "Auth-Dead (status 400)"),
        (json!("new_code"), "new_code (status 400)"),
        (json!(1234), "1234 (status 400)"),
        (json!(canary), "status 400"),
        (json!("Some Text"), "status 400"),
        (json!(12_345_678_901_u64), "status 400"),
    ] {
        let body = json!({ "code": code });
        let fake = Fake::json(move |_| (400, body.clone())).await?;
        let sections = format!("{CODE}\n[revoke]\nurl = 'ORIGIN/revoke'\n{errors}");
        let bench = Bench::defined(&fake.origin, &sections)?;
        let failure = bench
            .refresh(&secret(), &[])
            .await
            .err()
            .ok_or("it was taken")?;
        assert_eq!(failure.detail, shown);
        let revoked = bench
            .client
            .revoke(bench.registration(), &credential(None))
            .await;
        assert_eq!(revoked.is_ok(), shown.starts_with("Auth-Dead"));
    }
    Ok(())
}
