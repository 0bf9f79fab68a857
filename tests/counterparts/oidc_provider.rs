//! The certified `oidc-provider`, which holds tokend to the standards: PKCE, rotation with reuse detection, revocation.

use std::process::Stdio;

use serde_json::Value;
use tokend_api::v1;
use tokend_simulator::Browser;
use tokend_tests::{Options, Tokend, reason};
use tokio::{
    io::{AsyncBufReadExt, BufReader},
    process::{Child, Command},
};
use tonic::Status;
use uuid::Uuid;

use crate::counterpart;

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
    _provider: Child,
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connected_account_is_renewed_twice_and_revoked() {
    for client_auth in CLIENT_AUTH {
        let Some(rig) = Rig::start(client_auth).await else { return };
        let connection = rig.connect().await;
        assert_eq!(connection.account.unwrap().id, "ada", "{client_auth}");

        let mut tokens = Vec::new();
        for generation in 1..=3 {
            let vended = rig.get(generation - 1).await.unwrap();
            assert_eq!(vended.generation, generation, "{client_auth}");
            assert_eq!(rig.userinfo(&vended.access_token).await, 200, "{client_auth}");
            assert!(vended.scopes.contains(&"offline_access".to_owned()), "{:?}", vended.scopes);
            assert!(vended.expire_time.is_some());
            tokens.push(vended.access_token);
        }
        tokens.dedup();
        assert_eq!(tokens.len(), 3, "a token was vended twice");

        let delete = v1::DeleteConnectionRequest {
            connection_id: connection.connection_id,
            ..Default::default()
        };
        let deleted = rig.tokend.operator.admin().delete_connection(delete).await.unwrap().into_inner();
        assert_eq!(deleted.provider_revocation(), v1::ProviderRevocation::Revoked, "{client_auth}");
        for token in tokens {
            assert_eq!(rig.userinfo(&token).await, 401, "{client_auth}: still accepted");
            assert_eq!(rig.introspect(&token).await["active"], false, "{client_auth}");
        }
        assert_eq!(reason(&rig.get(0).await.unwrap_err()), "NOT_CONNECTED");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refresh_token_that_others_replayed_ends_the_grant_and_needs_the_user() {
    let Some(rig) = Rig::start("client_secret_post").await else { return };
    rig.connect().await;
    // A thief has the first refresh token, and uses it after tokend did.
    let stolen = rig.stored_refresh_token().await;
    let vended = rig.get(1).await.unwrap();
    assert_eq!(vended.generation, 2);
    let replayed = rig.redeem(&stolen).await;
    assert_eq!(replayed["error"], "invalid_grant");
    assert_eq!(rig.userinfo(&vended.access_token).await, 401, "the provider let the grant live");

    let refused = rig.get(2).await.unwrap_err();
    assert_eq!(reason(&refused), "REAUTHORIZATION_REQUIRED");

    // Connecting again is the way out.
    rig.connect().await;
    let again = rig.get(0).await.unwrap();
    assert!(again.generation > 2, "a generation was used twice");
    assert_eq!(rig.userinfo(&again.access_token).await, 200);
}
