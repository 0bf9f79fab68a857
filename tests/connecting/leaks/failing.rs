//! The part of the run in which things go wrong, while everybody repeats what they were told.

use tokend_api::v1;
use tokend_client::{Client, Credentials};
use tokend_simulator::{Endpoint, Fault};
use tokend_tests::{AUDIENCE, for_user};

use super::{
    connecting::{consent, start},
    run::Run,
};
use crate::visitor::{self, callback_context, get, parameter};

/// A provider whose failures hold every secret it ever saw, in bodies, error codes and headers.
pub(crate) async fn provider_that_repeats_what_it_was_sent(run: &mut Run, user_token: &str) {
    for fault in echoing(run) {
        let faults = run.tokend.simulator.faults();
        faults.push(Endpoint::Token, fault.clone());
        let vended = run.tokend.get().await.unwrap();
        let complaint = v1::GetConnectionRequest {
            rejected_generation: Some(vended.generation),
            ..Default::default()
        };
        let answer = run.tokend.get_with(complaint).await;
        run.show_error(answer);

        let (returned, _) = consent(run, user_token).await;
        let faults = run.tokend.simulator.faults();
        faults.clear(Endpoint::Token);
        faults.push(Endpoint::Token, fault.clone());
        let mut connectors = run.tokend.backend.connectors();
        let request = for_user(returned, user_token);
        let answer = connectors.complete_app_user_connection(request).await;
        run.show_error(answer);

        let (returned, _) = consent(run, user_token).await;
        run.tokend
            .simulator
            .faults()
            .push(Endpoint::Userinfo, fault);
        let request = for_user(returned, user_token);
        let answer = connectors.complete_app_user_connection(request).await;
        run.show(&answer.unwrap());
        let list = v1::ListConnectionsRequest::default();
        let answer = run.tokend.operator.admin().list_connections(list).await;
        run.show(&answer.unwrap());
    }
}

/// Wrong tokens, wrong users, twice and too early.
pub(crate) async fn completions(run: &mut Run, user_token: &str) {
    let eve = run.user_token("eve");
    let (returned, _) = consent(run, user_token).await;
    let (other, _) = consent(run, user_token).await;
    let mixed = v1::CompleteAppUserConnectionRequest {
        completion_token: other.completion_token.clone(),
        ..returned.clone()
    };
    let odd = v1::CompleteAppUserConnectionRequest {
        authorization_id: returned.completion_token.clone(),
        ..returned.clone()
    };
    run.keep("a mistaken authorization id", &odd.authorization_id.clone());
    let mut connectors = run.tokend.backend.connectors();
    for (request, token) in [(&returned, eve.as_str()), (&mixed, user_token)] {
        let request = for_user(request.clone(), token);
        run.show_error(connectors.complete_app_user_connection(request).await);
    }
    for works in [true, false] {
        let request = for_user(returned.clone(), user_token);
        let answer = connectors.complete_app_user_connection(request).await;
        match works {
            true => run.show(&answer.unwrap()),
            false => run.show_error(answer),
        }
    }
    let started = start(run, user_token).await;
    let early = v1::CompleteAppUserConnectionRequest {
        authorization_id: started.authorization_id,
        completion_token: other.completion_token,
        ..Default::default()
    };
    let answer = connectors
        .complete_app_user_connection(for_user(early, user_token))
        .await;
    run.show_error(answer);
}

/// Callbacks without the cookie, under another context, twice, and with secrets where errors belong.
pub(crate) async fn callbacks(run: &mut Run, user_token: &str) {
    let shared = callback_context(&run.tokend, "simshared").await;
    let (_, arrived) = consent(run, user_token).await;
    run.show_page(&arrived.go_on().await);
    for meddle in 0..4 {
        let started = start(run, user_token).await;
        let arrived = run.arrive(&started.redirect_url).await;
        let mut url = arrived.callback.clone();
        let cookie = match meddle {
            0 => String::new(),
            1 => {
                url = arrived.under_context(&shared);
                arrived.cookie
            }
            2 => {
                let code = parameter(&url, "code");
                let state = parameter(&url, "state");
                url.set_query(Some(&format!(
                    "error={code}&error_description={code}&state={state}"
                )));
                arrived.cookie
            }
            _ => {
                let code = parameter(&url, "code");
                url.set_query(Some(&format!("code={code}&state={code}")));
                arrived.cookie
            }
        };
        let page = get(url.as_str(), &cookie).await;
        assert!(page.status.as_u16() != 200, "{}", page.body);
        run.show_page(&page);
    }
}

/// API keys and JWTs that are not accepted.
pub(crate) async fn callers_and_users(run: &mut Run) {
    let key = run.tokend.backend_key.clone();
    let parts: Vec<_> = key.splitn(3, '_').collect();
    let (prefix, id) = (parts[0], parts[1]);
    let reversed: String = parts[2].chars().rev().collect();
    for wrong in [
        format!("{prefix}_{id}_{reversed}"),
        format!("{prefix}_0123456789abcdef_{reversed}"),
        format!("{key}x"),
        reversed.clone(),
    ] {
        run.keep("a wrong API key", &wrong);
        let endpoint = format!("http://{}", run.tokend.grpc());
        let client = Client::builder(endpoint).credentials(Credentials::api_key(&wrong));
        run.show(&client);
        let client = client.connect().await.unwrap();
        let answer = client
            .connectors()
            .get_connection(v1::GetConnectionRequest::default())
            .await;
        run.show_error(answer);
    }
    let hour = std::time::Duration::from_secs(3600);
    let draft = || {
        run.tokend
            .simulator
            .app_user_token_draft("ada", AUDIENCE, hour)
    };
    let tokens = [
        draft().with_foreign_key().sign(),
        draft().unsigned(),
        draft().claim("exp", 1).sign(),
        draft().claim("aud", "others").sign(),
        draft().claim("iss", "https://issuer.example").sign(),
        draft().header("kid", "unknown").sign(),
        draft().header("alg", "HS256").sign(),
        draft().sign().replace('.', "-"),
    ];
    for token in tokens {
        run.keep_jwt(&token);
        let answer = run.tokend.get_for(&token).await;
        run.show_error(answer);
    }
    // As an ordinary caller may mistake them: a user's JWT for an API key, and the key for the JWT.
    let user_token = run.user_token("ada");
    let endpoint = format!("http://{}", run.tokend.grpc());
    let client = Client::builder(endpoint).credentials(Credentials::api_key(&user_token));
    let client = client.connect().await.unwrap();
    let answer = client
        .connectors()
        .get_connection(v1::GetConnectionRequest::default())
        .await;
    run.show_error(answer);
    let answer = run.tokend.get_for(&key).await;
    run.show_error(answer);
}

/// Links to connect, single and in a batch.
pub(crate) async fn links(run: &mut Run) {
    let user_token = run.user_token("dave");
    let get = v1::GetCurrentAppUserConnectionRequest {
        connector_id: "users".to_owned(),
        connect_return_url: run.tokend.simulator.app_return_url(),
        ..Default::default()
    };
    let mut connectors = run.tokend.backend.connectors();
    let request = for_user(get.clone(), &user_token);
    run.show_error(connectors.get_current_app_user_connection(request).await);
    let eve = run.user_token("erin");
    let batch = v1::BatchGetConnectionsRequest {
        selectors: vec![v1::ConnectionSelector {
            selector: Some(v1::connection_selector::Selector::AppUser(get)),
        }],
    };
    let answer = connectors
        .batch_get_connections(for_user(batch, &eve))
        .await
        .unwrap();
    let results = &answer.get_ref().results;
    let Some(v1::batch_get_connections_result::Result::Status(status)) = &results[0].result else {
        panic!("{answer:?}");
    };
    run.keep_ticket(&status.connect_url);
    run.show(&answer);
    let page = visitor::get(&format!("{}x", status.connect_url), "").await;
    run.show_page(&page);
}

fn echoing(run: &Run) -> Vec<Fault> {
    let echo = run.echo();
    // The newest of what it was sent, in places where a code is expected.
    let issued = run.tokend.simulator.ledger().secrets_issued();
    let one = |prefix: &str| {
        let mut of_kind = issued.iter().filter(|secret| secret.starts_with(prefix));
        of_kind.next_back().cloned().unwrap()
    };
    let (refresh, client) = (one("rt-sim-"), one("secret-sim-"));
    let json = |status: u16, body: serde_json::Value| {
        Fault::body(status, "application/json", body.to_string())
    };
    let described = serde_json::json!({
        "error": "invalid_request",
        "error_description": format!("{refresh} is not {client}"),
        "error_uri": format!("https://provider.example/{echo}"),
    });
    let location = format!("http://127.0.0.1:9/{refresh}?client_secret={client}");
    let in_headers = Fault::Answer {
        status: 503,
        headers: vec![
            ("retry-after".to_owned(), refresh.clone()),
            ("content-type".to_owned(), format!("text/{client}")),
            (
                "www-authenticate".to_owned(),
                format!("Bearer error=\"{refresh}\""),
            ),
        ],
        body: echo.clone(),
    };
    vec![
        Fault::body(500, "text/plain", echo.clone()),
        Fault::body(200, "text/html", format!("<p>{echo}")),
        Fault::body(
            200,
            "application/json",
            format!("{{\"access_token\": {echo}"),
        ),
        json(400, serde_json::json!({ "error": refresh })),
        json(
            401,
            serde_json::json!({ "error": client, "error_description": echo }),
        ),
        json(400, described),
        json(
            200,
            serde_json::json!({ "access_token": { "nested": refresh }, "scope": [client] }),
        ),
        Fault::redirect(&location),
        in_headers,
    ]
}
