//! The certified `oidc-provider`, which holds tokend to the standards: PKCE, rotation with reuse detection, revocation.

use std::process::Stdio;

use serde_json::Value;
use tokend_api::v1;
use tokend_simulator::Browser;
use tokend_tests::{Options, Tokend, eventually, reason};
use tokio::{
    io::{AsyncBufReadExt, BufReader},
    process::{Child, Command},
};
use tonic::Status;
use uuid::Uuid;

use crate::{counterpart, wiretap::Wiretap};

const TYPE: &str = "certified";

/// The ways a client proves itself that the provider is registered with (RFC 6749 section 2.3.1).
const CLIENT_AUTH: [&str; 2] = ["client_secret_basic", "client_secret_post"];

/// A tokend with a shared connector on the provider.
struct Rig {
    tokend: Tokend,
    issuer: String,
    client_id: String,
    client_secret: String,
    client_auth: &'static str,
    http: reqwest::Client,
    wire: Wiretap,
    _provider: Child,
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connected_account_is_renewed_twice_and_revoked() {
    for client_auth in CLIENT_AUTH {
        let Some(rig) = Rig::start(client_auth).await else {
            return;
        };
        let connection = rig.connect().await;
        assert_eq!(connection.account.unwrap().id, "ada", "{client_auth}");

        let mut tokens = Vec::new();
        for generation in 1..=3 {
            // Each time the token before has been refused, as far as the caller is concerned.
            let vended = rig.get(generation - 1).await.unwrap();
            assert_eq!(vended.generation, generation, "{client_auth}");
            assert_eq!(
                rig.userinfo(&vended.access_token).await,
                200,
                "{client_auth}"
            );
            assert!(
                vended.scopes.contains(&"offline_access".to_owned()),
                "{:?}",
                vended.scopes
            );
            assert!(vended.expire_time.is_some());
            tokens.push(vended.access_token);
        }
        tokens.dedup();
        assert_eq!(tokens.len(), 3, "a token was vended twice");

        // The provider takes either way from every client: what tokend did is seen on the wire.
        let in_header = rig
            .wire
            .requests()
            .to_lowercase()
            .contains("authorization: basic ");
        let in_body = rig.wire.requests().contains("client_secret=");
        let basic = client_auth == "client_secret_basic";
        assert_eq!((in_header, in_body), (basic, !basic), "{client_auth}");

        let delete = v1::DeleteConnectionRequest {
            connection_id: connection.connection_id,
            ..Default::default()
        };
        let deleted = rig
            .tokend
            .operator
            .admin()
            .delete_connection(delete)
            .await
            .unwrap()
            .into_inner();
        assert_eq!(
            deleted.provider_revocation(),
            v1::ProviderRevocation::Revoked,
            "{client_auth}"
        );
        for token in tokens {
            assert_eq!(
                rig.userinfo(&token).await,
                401,
                "{client_auth}: still accepted"
            );
            assert_eq!(
                rig.introspect(&token).await["active"],
                false,
                "{client_auth}"
            );
        }
        assert_eq!(reason(&rig.get(0).await.unwrap_err()), "NOT_CONNECTED");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refresh_token_that_others_replayed_ends_the_grant_and_needs_the_user() {
    let Some(rig) = Rig::start("client_secret_post").await else {
        return;
    };
    rig.connect().await;
    // A thief has the first refresh token, and uses it after tokend did.
    let stolen = rig.wire.answered("refresh_token").pop().unwrap();
    let vended = rig.get(1).await.unwrap();
    assert_eq!(vended.generation, 2);
    let replayed = rig.redeem(&stolen).await;
    assert_eq!(replayed["error"], "invalid_grant");
    assert_eq!(
        rig.userinfo(&vended.access_token).await,
        401,
        "the provider let the grant live"
    );

    // The first refusal is confirmed before the user is asked.
    let refused = eventually("the second refusal is believed", async || {
        let refused = rig.get(2).await.unwrap_err();
        (reason(&refused) != "REFRESH_IN_PROGRESS").then_some(refused)
    });
    assert_eq!(reason(&refused.await), "REAUTHORIZATION_REQUIRED");

    // Connecting again is the way out.
    rig.connect().await;
    let again = rig.get(0).await.unwrap();
    assert!(again.generation > 2, "a generation was used twice");
    assert_eq!(rig.userinfo(&again.access_token).await, 200);
}

impl Rig {
    /// A provider that knows one client, and a tokend with a connector for that client.
    async fn start(client_auth: &'static str) -> Option<Self> {
        let program = counterpart("oidc-provider", "TOKEND_TEST_OIDC_PROVIDER")?;
        let tokend = Tokend::start(Options {
            configure: |config| config.vending.confirm_after_seconds = 1,
            ..Options::default()
        })
        .await;
        let client_id = "tokend at work".to_owned();
        // Characters that form encoding changes, so that RFC 6749 section 2.3.1 is kept to the letter.
        let client_secret = format!("+/=: &%{}", Uuid::new_v4());
        let mut provider = Command::new(program)
            .env("OIDC_CLIENT_ID", &client_id)
            .env("OIDC_CLIENT_SECRET", &client_secret)
            .env("OIDC_CLIENT_AUTH_METHOD", client_auth)
            .env(
                "OIDC_REDIRECT_URI",
                format!("{}/oauth/callback/default.{TYPE}", tokend.public_url()),
            )
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(provider.stdout.take().unwrap()).lines();
        let ready = lines
            .next_line()
            .await
            .unwrap()
            .expect("the provider starts");
        let ready: Value = serde_json::from_str(&ready).unwrap();
        let issuer = ready["issuer"].as_str().unwrap().to_owned();
        let wire = Wiretap::to(issuer.trim_start_matches("http://")).await;
        let rig = Self {
            tokend,
            issuer,
            client_id,
            client_secret,
            client_auth,
            http: reqwest::Client::builder().no_proxy().build().unwrap(),
            wire,
            _provider: provider,
        };
        rig.push().await;
        Some(rig)
    }

    async fn push(&self) {
        let apply = v1::ApplyConnectorsRequest {
            connectors: vec![v1::Connector {
                integration_type: TYPE.to_owned(),
                kind: v1::ConnectorKind::Shared.into(),
                client_id: self.client_id.clone(),
                client_secret: self.client_secret.clone(),
                scopes: vec!["openid".to_owned(), "offline_access".to_owned()],
                ..Default::default()
            }],
            integration_types: vec![v1::IntegrationTypeDefinition {
                integration_type: TYPE.to_owned(),
                toml: self.definition(),
            }],
            ..Default::default()
        };
        self.tokend
            .operator
            .admin()
            .apply_connectors(apply)
            .await
            .unwrap();
    }

    /// Token calls go over the wire; the rest goes to the provider.
    fn definition(&self) -> String {
        let Self {
            issuer,
            client_auth,
            wire: Wiretap { url: wire, .. },
            ..
        } = self;
        format!(
            r#"
[about]
display_name = "Certified"
description = "The certified oidc-provider."
category = "developer"
documentation_url = "{issuer}/"

[authorize]
url = "{issuer}/auth"
# OpenID Connect Core 1.0 section 11: offline_access needs it.
params = {{ prompt = "consent" }}

[token]
url = "{wire}/token"
auth = "{client_auth}"

[revoke]
url = "{issuer}/token/revocation"

[identity]
url = "{issuer}/me"
id = ["/sub"]

[scopes]
identity = ["openid"]
offline = ["offline_access"]

[[source]]
url = "{issuer}/"
date = 2026-11-21
"#
        )
    }

    /// Connects the shared account; the provider logs `ada` in and consents.
    async fn connect(&self) -> v1::Connection {
        let mut admin = self.tokend.operator.admin();
        let start = v1::StartAuthorizationRequest {
            integration_type: TYPE.to_owned(),
            ..Default::default()
        };
        let started = admin.start_authorization(start).await.unwrap().into_inner();
        let page = Browser::new()
            .unwrap()
            .consent(&started.redirect_url)
            .await
            .unwrap();
        assert_eq!(page.status, 200, "{}", page.body);
        let asked = page
            .visited
            .iter()
            .find(|url| url.path() == "/auth")
            .unwrap();
        assert!(
            asked
                .query_pairs()
                .any(|(name, value)| name == "code_challenge_method" && value == "S256")
        );
        let complete = v1::CompleteAuthorizationRequest {
            authorization_id: started.authorization_id,
            completion_token: started.completion_token,
            ..Default::default()
        };
        admin
            .complete_authorization(complete)
            .await
            .unwrap()
            .into_inner()
            .connection
            .unwrap()
    }

    /// The connection, with a generation that the API is said to have refused; 0 for none.
    async fn get(&self, rejected: u32) -> Result<v1::VendedConnection, Status> {
        let get = v1::GetConnectionRequest {
            integration_type: TYPE.to_owned(),
            rejected_generation: Some(rejected).filter(|rejected| *rejected > 0),
            ..Default::default()
        };
        Ok(self
            .tokend
            .backend
            .connectors()
            .get_connection(get)
            .await?
            .into_inner())
    }

    /// Calls an API with a token: the status of the answer.
    async fn userinfo(&self, access_token: &str) -> u16 {
        let request = self.http.get(format!("{}/me", self.issuer));
        request
            .bearer_auth(access_token)
            .send()
            .await
            .unwrap()
            .status()
            .as_u16()
    }

    /// What the provider says of a token (RFC 7662).
    async fn introspect(&self, token: &str) -> Value {
        self.post("/token/introspection", &[("token", token)]).await
    }

    /// Redeems a refresh token, as whoever has it and the client's secret.
    async fn redeem(&self, refresh_token: &str) -> Value {
        let form = [
            ("grant_type", "refresh_token"),
            ("refresh_token", refresh_token),
        ];
        self.post("/token", &form).await
    }

    async fn post(&self, path: &str, form: &[(&str, &str)]) -> Value {
        let mut form = form.to_vec();
        let mut request = self.http.post(format!("{}{path}", self.issuer));
        if self.client_auth == "client_secret_post" {
            form.extend([
                ("client_id", self.client_id.as_str()),
                ("client_secret", &self.client_secret),
            ]);
        } else {
            // RFC 6749 section 2.3.1: both are form-encoded before they are joined.
            let encoded = |text: &str| {
                url::form_urlencoded::byte_serialize(text.as_bytes()).collect::<String>()
            };
            request =
                request.basic_auth(encoded(&self.client_id), Some(encoded(&self.client_secret)));
        }
        request
            .form(&form)
            .send()
            .await
            .unwrap()
            .json()
            .await
            .unwrap()
    }
}
