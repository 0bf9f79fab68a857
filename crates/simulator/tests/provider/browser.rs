use axum::{
    Form, Router,
    http::{HeaderMap, StatusCode, header},
    response::{Html, IntoResponse, Redirect},
    routing::get,
};
use std::collections::BTreeMap;
use tokend_simulator::{Behaviour, Browser};

use crate::person::{Person, REDIRECT_URI};

/// A site with a confirmation page: a cookie and a hidden field have to come back together.
async fn site() -> String {
    let page = Html(
        "<form method=post action='confirm?x=1'><input type=hidden name=t value='a&amp;b'><button>Go</button></form>",
    );
    let confirm = |headers: HeaderMap, Form(form): Form<BTreeMap<String, String>>| async move {
        let cookie = headers
            .get(header::COOKIE)
            .is_some_and(|cookie| cookie == "session=s1");
        let origin = headers
            .get(header::ORIGIN)
            .is_some_and(|origin| origin.as_bytes().starts_with(b"http://127.0.0.1:"));
        if cookie && origin && form["t"] == "a&b" {
            Redirect::to("/done").into_response()
        } else {
            StatusCode::FORBIDDEN.into_response()
        }
    };
    let app = Router::new()
        .route(
            "/",
            get(|| async {
                (
                    [(header::SET_COOKIE, "session=s1; HttpOnly; Path=/")],
                    Redirect::to("/ask"),
                )
            }),
        )
        .route("/ask", get(move || async move { page }))
        .route("/confirm", axum::routing::post(confirm))
        .route("/done", get(|| async { "done" }))
        .route(
            "/away",
            get(|| async { Redirect::to("http://example.com/?code=secret-code") }),
        )
        .route("/loop", get(|| async { Redirect::to("/loop") }));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let base_url = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(axum::serve(listener, app).into_future());
    base_url
}

#[tokio::test]
async fn redirects_cookies_and_the_confirmation_form_are_followed() {
    let base_url = site().await;
    let browser = Browser::new().unwrap();
    let asked = browser.open(&base_url).await.unwrap();
    assert_eq!((asked.status, asked.final_url.path()), (200, "/ask"));
    let done = browser.submit(&asked).await.unwrap();
    assert_eq!(
        (done.status, done.final_url.path(), done.body.as_str()),
        (200, "/done", "done")
    );
    assert_eq!(browser.consent(&base_url).await.unwrap().visited.len(), 4);

    // Another person's browser has no such cookie.
    assert_eq!(
        Browser::new().unwrap().submit(&asked).await.unwrap().status,
        403
    );
    assert!(browser.submit(&done).await.is_err());
}

#[tokio::test]
async fn other_hosts_and_endless_redirects_are_refused() {
    let base_url = site().await;
    let browser = Browser::new().unwrap();
    let away = browser
        .open(&format!("{base_url}/away"))
        .await
        .unwrap_err()
        .to_string();
    assert_eq!(away, "example.com is not a loopback host");
    assert!(browser.open("http://169.254.169.254/").await.is_err());
    assert!(browser.open("file:///etc/passwd").await.is_err());
    assert!(browser.open(&format!("{base_url}/loop")).await.is_err());
}

#[tokio::test]
async fn the_provider_consents_by_itself() {
    let person = Person::new(Behaviour::default()).await;
    let returned = person.simulator.app_return_url();
    let url = person
        .authorize_url("&nonce=n")
        .replace(REDIRECT_URI, &returned);
    let page = person.browser().open(&url).await.unwrap();
    assert_eq!(
        (page.status, page.final_url.path()),
        (200, "/app/connected")
    );
    assert!(page.query("code").unwrap().starts_with("code-sim-"));
}
