//! What goes out with a call and what comes back.

use std::time::{Duration, SystemTime};

use tokend_client::{
    Client, Code, Credentials, ErrorReason, GetOptions,
    v1::{ConnectAppUserRequest, DisconnectAppUserRequest, ListAppUserConnectionsRequest},
};
use tonic::Status;
use tonic_types::{ErrorDetails, StatusExt};

use crate::server::{ACCESS_TOKEN, ScriptedServer, Turn, info};

#[tokio::test]
async fn a_connection_arrives_whole_and_does_not_print_its_token() {
    let server = ScriptedServer::start([]).await;
    let connection = server.client().await.get_connection("slack").await.unwrap();
    assert_eq!(connection.access_token.expose(), ACCESS_TOKEN);
    assert_eq!(connection.connection_config["subdomain"], "acme");
    assert_eq!(connection.generation, 7);
    assert_eq!(
        connection.expire_time,
        Some(SystemTime::UNIX_EPOCH + Duration::from_secs(1_800_000_000))
    );
    assert!(!format!("{connection:?}").contains(ACCESS_TOKEN));

    let newer = server
        .client()
        .await
        .get_connection("slack")
        .instead_of(&connection);
    newer.await.unwrap();
    assert!(server.message().contains("rejected_generation: Some(7)"));
}

#[tokio::test]
async fn options_reach_the_server() {
    let server = ScriptedServer::start([]).await;
    let options = GetOptions {
        label: Some("work".to_owned()),
        min_ttl: Some(Duration::from_secs(90)),
        scopes: vec!["read".to_owned()],
        rejected_generation: Some(3),
        connect_return_url: Some("https://app.acme.test/done".to_owned()),
        token: None,
    };
    let client = server.client().await;
    client
        .get_connection("slack")
        .with_options(options.clone())
        .token("user")
        .await
        .unwrap();
    let shared = server.message();
    client
        .get_current_app_user_connection("ctr_1", "jwt")
        .with_options(options)
        .token("user")
        .await
        .unwrap();
    let app_user = server.message();
    for message in [shared, app_user] {
        for part in [
            "Some(\"work\")",
            "seconds: 90",
            "[\"read\"]",
            "Some(3)",
            "https://app.acme.test/done",
            "token: \"user\"",
        ] {
            assert!(message.contains(part), "{part} in {message}");
        }
    }
}

#[tokio::test]
async fn caller_workspace_and_user_go_with_each_call() {
    let server = ScriptedServer::start([]).await;
    let client = server
        .builder()
        .credentials(Credentials::api_key("key-1"))
        .connect()
        .await
        .unwrap();
    client.get_connection("slack").await.unwrap();
    assert_eq!(server.metadata("authorization").unwrap(), "Bearer key-1");
    assert_eq!(server.metadata("x-tokend-workspace"), None);
    assert_eq!(server.metadata("x-tokend-user-token"), None);

    let client = client.in_workspace("acme").unwrap();
    let get = client.get_current_app_user_connection("ctr_1", "jwt-1");
    assert!(!format!("{get:?}").contains("jwt-1"));
    assert!(!format!("{get:?}").contains("key-1"));
    get.await.unwrap();
    assert_eq!(server.metadata("x-tokend-workspace").unwrap(), "acme");
    assert_eq!(server.metadata("x-tokend-user-token").unwrap(), "jwt-1");

    client
        .connect_app_user(ConnectAppUserRequest::default(), "jwt-2")
        .await
        .unwrap();
    assert_eq!(server.metadata("x-tokend-user-token").unwrap(), "jwt-2");
    let gone = client
        .disconnect_app_user(DisconnectAppUserRequest::default(), "jwt-3")
        .await
        .unwrap();
    assert!(gone.disconnected);
    assert_eq!(server.metadata("x-tokend-user-token").unwrap(), "jwt-3");

    // The raw stub knows the caller too.
    let list = ListAppUserConnectionsRequest::default();
    client
        .connectors()
        .list_app_user_connections(list)
        .await
        .unwrap();
    assert_eq!(server.metadata("authorization").unwrap(), "Bearer key-1");
}

#[tokio::test]
async fn a_token_file_is_read_again_when_it_changes() {
    let server = ScriptedServer::start([]).await;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("token");
    std::fs::write(&path, "first\n").unwrap();
    let client = server
        .builder()
        .credentials(Credentials::bearer_file(&path))
        .connect()
        .await
        .unwrap();
    client.get_connection("slack").await.unwrap();
    assert_eq!(server.metadata("authorization").unwrap(), "Bearer first");

    std::fs::write(&path, "second").unwrap();
    let file = std::fs::File::options().write(true).open(&path).unwrap();
    file.set_modified(SystemTime::UNIX_EPOCH).unwrap();
    client.get_connection("slack").await.unwrap();
    assert_eq!(server.metadata("authorization").unwrap(), "Bearer second");

    std::fs::remove_file(&path).unwrap();
    let error = client.get_connection("slack").await.unwrap_err();
    assert_eq!(error.code, Code::Unauthenticated);
    assert!(error.message.contains("token"), "{error}");
}

#[tokio::test]
async fn errors_carry_reason_and_help() {
    let mut details = ErrorDetails::new();
    details
        .set_error_info("NOT_CONNECTED", "tokend", info("connectorId", "slack"))
        .set_help(vec![tonic_types::HelpLink::new(
            "connect",
            "https://tokend.test/start",
        )]);
    let status = Status::with_error_details(Code::FailedPrecondition, "connect first", details);
    let foreign = ErrorDetails::with_error_info("NOT_CONNECTED", "proxy.test", info("a", "b"));
    let foreign = Status::with_error_details(Code::FailedPrecondition, "proxy", foreign);
    let newer = ErrorDetails::with_error_info("NEWER_THAN_THIS", "tokend", info("a", "b"));
    let newer = Status::with_error_details(Code::FailedPrecondition, "newer", newer);
    let server = ScriptedServer::start([status, foreign, newer].map(Turn::Fail)).await;
    let client = server.client().await;

    let error = client.get_connection("slack").await.unwrap_err();
    assert_eq!(error.reason, Some(ErrorReason::NotConnected));
    assert_eq!(error.help_url.as_deref(), Some("https://tokend.test/start"));
    assert_eq!(error.metadata["connectorId"], "slack");
    assert_eq!(
        error.to_string(),
        "connect first (FailedPrecondition, NOT_CONNECTED)"
    );
    for _ in ["foreign", "newer"] {
        let error = client.get_connection("slack").await.unwrap_err();
        assert_eq!((error.code, error.reason), (Code::FailedPrecondition, None));
    }
}

#[tokio::test]
async fn unusable_settings_are_refused_before_anything_is_sent() {
    for endpoint in ["", "127.0.0.1:50051", "ftp://tokend.test", "http://"] {
        let error = Client::builder(endpoint).connect_lazy().unwrap_err();
        assert_eq!(error.code, Code::InvalidArgument, "{endpoint}");
    }
    let plain = Client::builder("http://127.0.0.1:1").ca_certificate("pem");
    assert_eq!(
        plain.connect_lazy().unwrap_err().code,
        Code::InvalidArgument
    );

    let server = ScriptedServer::start([]).await;
    let client = server.client().await;
    assert!(client.in_workspace("a\nb").is_err());
    let get = client.get_current_app_user_connection("ctr_1", "canary\n");
    let error = get.await.unwrap_err();
    assert_eq!((error.code, server.calls()), (Code::InvalidArgument, 0));
    assert!(!format!("{error} {error:?}").contains("canary"));
}
