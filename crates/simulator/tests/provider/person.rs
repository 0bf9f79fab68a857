//! A client of the provider, with a person at the browser.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use reqwest::Response;
use ring::digest;
use serde_json::Value;
use tokend_simulator::{
    Behaviour, Browser, Client, FamilyState, Page, Simulator, SimulatorOptions,
};

pub(crate) const REDIRECT_URI: &str = "http://127.0.0.1:9/callback";

/// A simulator and a client that is registered there.
pub(crate) struct Person {
    pub(crate) simulator: Simulator,
    pub(crate) client: Client,
    pub(crate) http: reqwest::Client,
    pub(crate) verifier: String,
}

/// Tokens as the provider answered.
#[derive(Clone)]
pub(crate) struct Tokens {
    pub(crate) access: String,
    pub(crate) refresh: String,
}

impl Person {
    pub(crate) async fn new(behaviour: Behaviour) -> Self {
        Self::at(SimulatorOptions {
            behaviour,
            ..SimulatorOptions::default()
        })
        .await
    }

    pub(crate) async fn at(mut options: SimulatorOptions) -> Self {
        let client = Client::new("client-1");
        options.clients.push(client.clone());
        let simulator = Simulator::start(options).await.unwrap();
        _ = rustls::crypto::ring::default_provider().install_default();
        let http = reqwest::Client::builder()
            .redirect(reqwest::redirect::Policy::none())
            .no_proxy()
            .build()
            .unwrap();
        // Random enough for a test, and long enough for RFC 7636.
        let verifier = Client::new("").secret.repeat(2);
        Self {
            simulator,
            client,
            http,
            verifier,
        }
    }

    pub(crate) fn authorize_url(&self, more: &str) -> String {
        let challenge =
            URL_SAFE_NO_PAD.encode(digest::digest(&digest::SHA256, self.verifier.as_bytes()));
        format!(
            "{}/authorize?response_type=code&client_id=client-1&redirect_uri={REDIRECT_URI}&state=state-of-test\
             &scope=calendar+profile&code_challenge={challenge}&code_challenge_method=S256{more}",
            self.simulator.base_url(),
        )
    }

    /// The redirect with which the provider sends the browser back.
    pub(crate) async fn authorize(&self, url: &str) -> Page {
        let response = self.http.get(url).send().await.unwrap();
        let location = response
            .headers()
            .get("location")
            .map(|value| value.to_str().unwrap().to_owned());
        Page {
            status: response.status().as_u16(),
            final_url: location.unwrap_or_else(|| url.to_owned()).parse().unwrap(),
            body: response.text().await.unwrap(),
            visited: Vec::new(),
        }
    }

    pub(crate) async fn code(&self) -> String {
        self.authorize(&self.authorize_url(""))
            .await
            .query("code")
            .unwrap()
    }

    /// A token request with HTTP basic authentication and a form.
    pub(crate) async fn call(&self, parameters: &[(&str, &str)]) -> reqwest::Result<Response> {
        self.call_as(&self.client, parameters).await
    }

    async fn call_as(
        &self,
        client: &Client,
        parameters: &[(&str, &str)],
    ) -> reqwest::Result<Response> {
        let url = format!("{}/token", self.simulator.base_url());
        self.http
            .post(url)
            .basic_auth(&client.id, Some(&client.secret))
            .form(parameters)
            .send()
            .await
    }

    pub(crate) async fn redeem_code(&self, code: &str) -> reqwest::Result<Response> {
        self.call(&[
            ("grant_type", "authorization_code"),
            ("code", code),
            ("redirect_uri", REDIRECT_URI),
            ("code_verifier", &self.verifier),
        ])
        .await
    }

    pub(crate) async fn refresh(&self, refresh_token: &str) -> reqwest::Result<Response> {
        self.call(&[
            ("grant_type", "refresh_token"),
            ("refresh_token", refresh_token),
        ])
        .await
    }

    /// A refresh by another client.
    pub(crate) async fn refresh_as(
        &self,
        client: &Client,
        refresh_token: &str,
    ) -> reqwest::Result<Response> {
        let parameters = [
            ("grant_type", "refresh_token"),
            ("refresh_token", refresh_token),
        ];
        self.call_as(client, &parameters).await
    }

    /// A refresh that has to succeed.
    pub(crate) async fn refreshed(&self, refresh_token: &str) -> Tokens {
        Tokens::of(self.refresh(refresh_token).await.unwrap()).await
    }

    /// A refresh that has to fail for the grant; the grant's state afterwards.
    pub(crate) async fn rejected(&self, refresh_token: &str) -> FamilyState {
        let refused = error(self.refresh(refresh_token).await.unwrap()).await;
        assert_eq!(refused, (400, "invalid_grant".to_owned()));
        let ledger = self.simulator.ledger();
        ledger
            .family_state(ledger.family_of(refresh_token).unwrap())
            .unwrap()
    }

    /// A grant without a browser, with both tokens.
    pub(crate) fn granted(&self) -> Tokens {
        let issued = self.simulator.grant("client-1", "user-1", &["calendar"]);
        Tokens {
            access: issued.access_token,
            refresh: issued.refresh_token.unwrap(),
        }
    }

    /// A whole authorization.
    pub(crate) async fn connect(&self) -> Tokens {
        Tokens::of(self.redeem_code(&self.code().await).await.unwrap()).await
    }

    pub(crate) async fn events_status(&self, access_token: &str) -> u16 {
        let url = format!("{}/api/events", self.simulator.base_url());
        self.http
            .get(url)
            .bearer_auth(access_token)
            .send()
            .await
            .unwrap()
            .status()
            .as_u16()
    }

    pub(crate) fn browser(&self) -> Browser {
        Browser::new().unwrap()
    }
}

impl Tokens {
    pub(crate) async fn of(response: Response) -> Self {
        assert_eq!(response.status(), 200);
        let body: Value = response.json().await.unwrap();
        let member = |name: &str| body[name].as_str().unwrap_or_default().to_owned();
        Self {
            access: member("access_token"),
            refresh: member("refresh_token"),
        }
    }
}

/// The error code of a refusal.
pub(crate) async fn error(response: Response) -> (u16, String) {
    let status = response.status().as_u16();
    let body: Value = response.json().await.unwrap();
    (
        status,
        body["error"].as_str().unwrap_or_default().to_owned(),
    )
}
