//! Our own pages: they ask before they connect, run no script, and show whatever text as text.

use reqwest::{Method, header};
use tokend_api::v1;
use tokend_simulator::{Account, Browser, Consent};
use tokend_tests::{Options, Tokend, databases, definition};
use tonic::Code;

use crate::{
    answers::refused,
    calls::{Returned, complete, connect, connections, get, nothing_was_redeemed, start, wish},
    visitor::{self, Answer, arrive, request},
};

const HOSTILE: &str = r#"<script>alert(1)</script>"'&<img src=x onerror=alert(1)>"#;

#[tokio::test(flavor = "multi_thread")]
async fn without_a_return_url_the_user_confirms_on_our_page() {
    for database in databases() {
        let tokend = start(database).await;
        let started = connect(&tokend, "ada", without_return_url(&tokend))
            .await
            .unwrap();
        let browser = Browser::new().unwrap();
        let question = browser.open(&started.redirect_url).await.unwrap();
        assert_eq!(question.status, 200, "{}", question.body);
        assert!(question.body.contains("Connect this Simulated account for"));
        assert!(question.body.contains("<strong>ada</strong>"));
        nothing_was_redeemed(&tokend).await;

        let done = browser.submit(&question).await.unwrap();
        assert_eq!(done.status, 200, "{}", done.body);
        assert!(
            done.body.contains("<strong>ada@example.com</strong>"),
            "{}",
            done.body
        );
        let vended = get(&tokend, "ada", Default::default()).await.unwrap();
        assert_eq!(vended.generation, 1);
        // Pressed twice: it is connected all the same, and nothing is redeemed again.
        let again = browser.submit(&question).await.unwrap();
        assert_eq!(again.status, 200, "{}", again.body);
        assert!(
            again.body.contains("Simulated is connected"),
            "{}",
            again.body
        );
        assert_eq!(tokend.simulator.ledger().token_calls(), 1, "{database:?}");
        tokend.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_confirmation_from_elsewhere_is_refused() {
    for database in databases() {
        let tokend = start(database).await;
        let wish = without_return_url(&tokend);
        let started = connect(&tokend, "ada", wish.clone()).await.unwrap();
        let arrived = arrive(&started.redirect_url).await;
        let page = arrived.go_on().await;
        let form = page.form();
        let url = complete_url(&tokend).await;
        let other = connect(&tokend, "bob", wish).await.unwrap();
        let other = arrive(&other.redirect_url).await;
        let others = other.go_on().await;
        let post = async |headers: &[(&str, &str)], form: &[(&str, &str)]| {
            request(Method::POST, &url, headers, form).await
        };

        let port = tokend.public_url().rsplit(':').next().unwrap();
        for origin in [
            "https://evil.example".to_owned(),
            format!("https://127.0.0.1:{port}"),
            format!("http://127.0.0.1.evil.example:{port}"),
            "http://127.0.0.1".to_owned(),
            tokend.simulator.base_url().to_owned(),
            "not a url".to_owned(),
        ] {
            let headers = [("origin", origin.as_str()), ("cookie", &arrived.cookie)];
            let answer = post(&headers, &form).await;
            answer.is_error(403, "COMPLETION_MISMATCH");
        }
        let own = [("cookie", arrived.cookie.as_str())];
        for cookies in ["", &other.cookie, &arrived.cookie.replace('=', "=x")] {
            let answer = post(&[("cookie", cookies)], &form).await;
            answer.is_error(403, "COMPLETION_MISMATCH");
        }
        for (field, value) in [
            ("completion_token", "guess"),
            ("completion_token", others.completion_token()),
            ("binding", other.cookie.split('=').next().unwrap()),
            ("binding", ""),
        ] {
            let mut spoilt = form.clone();
            spoilt.retain(|(name, _)| *name != field);
            spoilt.push((field, value));
            let answer = post(&own, &spoilt).await;
            answer.is_error(403, "COMPLETION_MISMATCH");
        }
        for incomplete in [&form[..1], &form[1..], &[]] {
            let answer = post(&own, incomplete).await;
            assert!(answer.status.is_client_error(), "{}", answer.status);
        }
        let answer = visitor::get(&url, &arrived.cookie).await;
        assert!(answer.status.is_client_error(), "{}", answer.status);
        nothing_was_redeemed(&tokend).await;

        let headers = [own[0], ("origin", tokend.public_url())];
        let answer = post(&headers, &form).await;
        assert_eq!(answer.status.as_u16(), 200, "{}", answer.body);
        assert_eq!(connections(&tokend).await.len(), 1, "{database:?}");
        tokend.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn our_page_completes_in_its_browser_only() {
    let tokend = Tokend::start(Options::default()).await;
    let wish = without_return_url(&tokend);
    let started = connect(&tokend, "ada", wish).await.unwrap();
    let page = arrive(&started.redirect_url).await.go_on().await;
    let returned = Returned {
        authorization_id: started.authorization_id,
        completion_token: page.completion_token().to_owned(),
    };
    let answer = complete(&tokend, "ada", &returned).await;
    refused(answer, Code::PermissionDenied, "COMPLETION_MISMATCH");
    nothing_was_redeemed(&tokend).await;
    tokend.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_page_is_guarded() {
    let tokend = Tokend::start(Options::default()).await;
    let started = connect(&tokend, "ada", without_return_url(&tokend))
        .await
        .unwrap();
    let base = tokend.public_url();
    let opened = visitor::get(&started.redirect_url, "").await;
    let cookie = opened.header(header::SET_COOKIE);
    for attribute in ["HttpOnly", "SameSite=Lax", "Path=/oauth", "Max-Age="] {
        assert!(cookie.contains(attribute), "{cookie}");
    }
    let arrived = arrive(&started.redirect_url).await;
    let question = arrived.go_on().await;
    let used_up = arrived.go_on().await;
    let complete = complete_url(&tokend).await;
    let form = question.form();
    let own = [("cookie", arrived.cookie.as_str())];
    let foreign = [own[0], ("origin", "https://evil.example")];
    let refused = request(Method::POST, &complete, &foreign, &form).await;
    let malformed = request(Method::POST, &complete, &own, &[]).await;
    let confirmed = request(Method::POST, &complete, &own, &form).await;
    assert_eq!(confirmed.status.as_u16(), 200, "{}", confirmed.body);
    let long = "x".repeat(20_000);
    let oversized = [("completion_token", long.as_str())];
    let oversized = request(Method::POST, &complete, &[], &oversized).await;
    let page = async |path: &str| visitor::get(&format!("{base}{path}"), "").await;
    for (what, answer) in [
        ("the way to the provider", opened),
        ("the question", question),
        ("a used state", used_up),
        ("a foreign origin", refused),
        ("a malformed form", malformed),
        ("connected", confirmed),
        ("an oversized form", oversized),
        ("an unknown ticket", page("/oauth/start/unknown").await),
        ("no state", page("/oauth/callback/default.users").await),
        ("no page", page("/nowhere").await),
        ("the style", page("/oauth/style.css").await),
    ] {
        guarded(what, &answer);
    }
    tokend.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn hostile_text_is_shown_as_text() {
    let tokend = Tokend::start(Options::default()).await;
    let toml = definition(tokend.simulator.base_url()).replace(
        "display_name = \"Simulated\"",
        &format!("display_name = '''{HOSTILE}'''"),
    );
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
    tokend.simulator.change(|b| {
        b.account = Account {
            sub: "user-1".to_owned(),
            email: HOSTILE.to_owned(),
            name: HOSTILE.to_owned(),
        }
    });
    let started = connect(&tokend, HOSTILE, without_return_url(&tokend))
        .await
        .unwrap();
    let browser = Browser::new().unwrap();
    let question = browser.open(&started.redirect_url).await.unwrap();
    assert!(
        question.body.contains("&lt;script&gt;"),
        "{}",
        question.body
    );
    harmless(&question.body);
    let done = browser.submit(&question).await.unwrap();
    assert_eq!(done.status, 200, "{}", done.body);
    assert!(done.body.contains("&lt;script&gt;"), "{}", done.body);
    harmless(&done.body);

    let denied = Consent::Error(HOSTILE.to_owned());
    tokend.simulator.change(|b| b.consent = denied);
    let started = connect(&tokend, "ada", without_return_url(&tokend))
        .await
        .unwrap();
    let refused = tokend.browse(&started.redirect_url).await;
    assert_eq!(refused.status, 400);
    assert!(refused.body.contains("AUTHORIZATION_FAILED"));
    harmless(&refused.body);
    let encoded: String = url::form_urlencoded::byte_serialize(HOSTILE.as_bytes()).collect();
    for path in [
        "oauth/start/",
        "oauth/callback/",
        "oauth/callback/default.users?state=",
        "",
    ] {
        let url = format!("{}/{path}{encoded}", tokend.public_url());
        harmless(&visitor::get(&url, "").await.body);
    }
    tokend.stop().await;
}

#[track_caller]
fn guarded(what: &str, answer: &Answer) {
    assert_eq!(answer.header(header::CACHE_CONTROL), "no-store", "{what}");
    assert_eq!(
        answer.header(header::REFERRER_POLICY),
        "no-referrer",
        "{what}"
    );
    assert_eq!(
        answer.header(header::X_CONTENT_TYPE_OPTIONS),
        "nosniff",
        "{what}"
    );
    let policy = answer.header(header::CONTENT_SECURITY_POLICY);
    for directive in [
        "default-src 'none'",
        "frame-ancestors 'none'",
        "base-uri 'none'",
    ] {
        assert!(policy.contains(directive), "{what}: {policy}");
    }
    assert!(
        !policy.contains("unsafe") && !policy.contains("script-src"),
        "{policy}"
    );
    harmless(&answer.body);
}

#[track_caller]
fn harmless(body: &str) {
    let body = body.to_lowercase();
    for active in [
        "<script",
        "<img",
        "<iframe",
        "javascript:",
        "onerror=\"",
        "onload=",
    ] {
        assert!(!body.contains(active), "{active} in {body}");
    }
}

/// Where the form of our page is sent to.
async fn complete_url(tokend: &Tokend) -> String {
    let context = visitor::callback_context(tokend, "users").await;
    format!("{}/oauth/complete/{context}", tokend.public_url())
}

fn without_return_url(tokend: &Tokend) -> v1::ConnectAppUserRequest {
    v1::ConnectAppUserRequest {
        return_url: None,
        ..wish(tokend)
    }
}
