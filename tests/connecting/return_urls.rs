//! Where browsers are sent afterwards: only to a URL that an operator wrote down (threat T-06).

use tokend_api::v1;
use tokend_tests::{Options, Tokend};
use tonic::Code;

use crate::{
    answers::{refused, violations},
    calls::{connect, get, nothing_was_redeemed, wish},
};

#[tokio::test(flavor = "multi_thread")]
async fn only_listed_return_urls_are_taken() {
    let tokend = Tokend::start(Options {
        configure: |config| {
            config
                .connect
                .return_urls
                .push("https://app.example/connected".to_owned());
            config
                .connect
                .return_urls
                .push("https://app.example/with?tenant=7".to_owned());
        },
        ..Options::default()
    })
    .await;
    for listed in [
        "https://app.example/connected",
        "https://app.example/with?tenant=7",
        "HTTPS://APP.EXAMPLE:443/connected",
    ] {
        let request = to(&tokend, listed);
        assert!(connect(&tokend, "ada", request).await.is_ok(), "{listed}");
    }
    for bypass in BYPASSES {
        let answer = connect(&tokend, "ada", to(&tokend, bypass)).await;
        assert!(answer.is_err(), "{bypass:?} was taken");
        let status = refused(answer, Code::InvalidArgument, "INVALID_FIELD");
        let fields: Vec<_> = violations(&status)
            .into_iter()
            .map(|(field, _)| field)
            .collect();
        assert_eq!(fields, ["return_url"], "{bypass:?}");

        let link = v1::GetCurrentAppUserConnectionRequest {
            connect_return_url: (*bypass).to_owned(),
            ..Default::default()
        };
        if tokend.get_for(&tokend.user_token("eve")).await.is_err() && !bypass.is_empty() {
            let answer = get(&tokend, "eve", link).await;
            let status = refused(answer, Code::InvalidArgument, "INVALID_FIELD");
            assert!(crate::answers::help_url(&status).is_none(), "{bypass:?}");
        }

        let operators = v1::StartAuthorizationRequest {
            integration_type: "simshared".to_owned(),
            return_url: Some((*bypass).to_owned()),
            ..Default::default()
        };
        let answer = tokend.operator.admin().start_authorization(operators).await;
        refused(answer, Code::InvalidArgument, "INVALID_FIELD");
    }
    nothing_was_redeemed(&tokend).await;
    tokend.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_return_url_of_one_connector_is_not_anothers() {
    let tokend = Tokend::start(Options {
        configure: |config| config.connect.return_urls.clear(),
        ..Options::default()
    })
    .await;
    let own = "https://app.example/own";
    let connector = v1::Connector {
        connector_id: "users".to_owned(),
        return_urls: vec![own.to_owned()],
        ..Default::default()
    };
    let update = v1::UpdateConnectorRequest {
        connector: Some(connector),
        update_mask: None,
    };
    tokend
        .operator
        .admin()
        .update_connector(update)
        .await
        .unwrap();
    assert!(connect(&tokend, "ada", to(&tokend, own)).await.is_ok());
    let shared = v1::StartAuthorizationRequest {
        integration_type: "simshared".to_owned(),
        return_url: Some(own.to_owned()),
        ..Default::default()
    };
    let answer = tokend.operator.admin().start_authorization(shared).await;
    refused(answer, Code::InvalidArgument, "INVALID_FIELD");
    tokend.stop().await;
}

fn to(tokend: &Tokend, return_url: &str) -> v1::ConnectAppUserRequest {
    v1::ConnectAppUserRequest {
        return_url: Some(return_url.to_owned()),
        ..wish(tokend)
    }
}

/// What is meant to be taken for `https://app.example/connected` and leads elsewhere, or carries something along.
const BYPASSES: &[&str] = &[
    "https://evil.example/connected",
    "http://app.example/connected",
    "https://app.example",
    "https://app.example/",
    "https://app.example/connected/",
    "https://app.example/connected/evil",
    "https://app.example/Connected",
    "https://app.example/connectedevil",
    "https://app.example//connected",
    "https://app.example/connected?",
    "https://app.example/connected?next=https://evil.example",
    "https://app.example/connected#",
    "https://app.example/connected#https://evil.example",
    "https://app.example/with",
    "https://app.example/with?tenant=8",
    "https://app.example/with?tenant=7&tenant=8",
    "https://app.example/with?Tenant=7",
    "https://app.example.evil.example/connected",
    "https://evil.example/app.example/connected",
    "https://evilapp.example/connected",
    "https://sub.app.example/connected",
    "https://app.example./connected",
    "https://app.example:444/connected",
    "https://app.example:80/connected",
    "https://user@app.example/connected",
    "https://user:word@app.example/connected",
    "https://app.example@evil.example/connected",
    "https://app.example:443@evil.example/connected",
    "https://app.example%40evil.example/connected",
    "https://app.example%2fconnected.evil.example/",
    "https://evil.example%2f@app.example/connected",
    "https://evil.example\\@app.example/connected",
    "https://evil.example#@app.example/connected",
    "https://evil.example?@app.example/connected",
    "https://app.example/%63onnected",
    "https://app.example/connected%2f..%2fevil",
    "https://app.example/connected/%2e%2e/evil",
    "https://app.example/connected/../evil",
    "https://app.example/connected%00",
    "https://app.example/connected%0d%0aLocation:%20https://evil.example",
    "https://app.example/connected;evil",
    "https://аpp.example/connected",
    "https://app。evil.example/connected",
    "//app.example/connected",
    "///app.example/connected",
    "/connected",
    "app.example/connected",
    "connected",
    "https:",
    "https://",
    "javascript:alert(1)//https://app.example/connected",
    "data:text/html,https://app.example/connected",
    "ftp://app.example/connected",
    "file:///app.example/connected",
    "blob:https://app.example/connected",
    "view-source:https://app.example/connected",
    "app.example:https://app.example/connected",
    "\u{202e}https://app.example/connected",
];
