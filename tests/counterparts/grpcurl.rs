//! The real grpcurl: what a developer sees who debugs with it.

use std::process::Stdio;

use serde_json::Value;
use tokend_tests::{Options, Tokend};
use tokio::process::Command;

use crate::counterpart;

/// A tokend with what is connected, and grpcurl.
struct Rig {
    tokend: Tokend,
    grpcurl: String,
}

struct Ran {
    code: i32,
    stdout: String,
    stderr: String,
}

const GET: &str = "tokend.v1.ConnectorService/GetConnection";

#[tokio::test(flavor = "multi_thread")]
async fn services_and_messages_are_listed_and_described_with_their_comments() {
    let Some(rig) = Rig::start().await else {
        return;
    };
    let services = rig.plain(&["list"]).await.stdout;
    for service in [
        "grpc.health.v1.Health",
        "tokend.v1.AdminService",
        "tokend.v1.ConnectorService",
    ] {
        assert!(services.lines().any(|line| line == service), "{services}");
    }
    let service = rig
        .plain(&["describe", "tokend.v1.ConnectorService"])
        .await
        .stdout;
    assert!(service.contains("rpc GetConnection ( .tokend.v1.GetConnectionRequest ) returns ( .tokend.v1.VendedConnection );"));
    assert!(
        service.contains("// Vends the access token"),
        "no comments: {service}"
    );
    let message = rig
        .plain(&["describe", "tokend.v1.VendedConnection"])
        .await
        .stdout;
    assert!(
        message.contains("map<string, string> connection_config = 2;"),
        "{message}"
    );
    assert!(
        message.contains("// The access token."),
        "no comments: {message}"
    );
    let health = rig.plain(&["grpc.health.v1.Health/Check"]).await.json();
    assert_eq!(health["status"], "SERVING");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_vended_connection_is_printed_with_the_promised_names() {
    let Some(rig) = Rig::start().await else {
        return;
    };
    rig.tokend.connect_shared().await;
    let vended = rig
        .call(GET, r#"{"integrationType": "simshared"}"#, &[])
        .await
        .json();
    let token = vended["accessToken"].as_str().unwrap();
    assert!(rig.tokend.simulator.ledger().is_access_token_live(token));
    assert_eq!(
        (&vended["generation"], &vended["tokenType"]),
        (&1.into(), &"Bearer".into())
    );

    let with_defaults = rig
        .call(
            GET,
            r#"{"integration_type": "simshared"}"#,
            &["-emit-defaults"],
        )
        .await
        .json();
    assert!(
        with_defaults["connectionConfig"].is_object(),
        "{with_defaults}"
    );

    let renewed = rig
        .call(
            GET,
            r#"{"integrationType": "simshared", "rejectedGeneration": 1}"#,
            &[],
        )
        .await;
    assert_eq!(renewed.json()["generation"], 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_app_users_connection_comes_with_her_token_in_the_metadata() {
    let Some(rig) = Rig::start().await else {
        return;
    };
    rig.tokend.connect_user("ada").await;
    let method = "tokend.v1.ConnectorService/GetCurrentAppUserConnection";
    let ask = r#"{"connectorId": "users"}"#;
    let header = format!("x-tokend-user-token: {}", rig.tokend.user_token("ada"));
    let vended = rig.call(method, ask, &["-H", &header]).await.json();
    let token = vended["accessToken"].as_str().unwrap();
    assert!(rig.tokend.simulator.ledger().is_access_token_live(token));

    let without = rig.call(method, ask, &["-format-error"]).await.error();
    assert_eq!(
        (without.code, without.reason.as_str()),
        (16, "APP_USER_UNAUTHENTICATED")
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn an_error_is_printed_with_its_details() {
    let Some(rig) = Rig::start().await else {
        return;
    };
    let ask = r#"{"integrationType": "simshared"}"#;
    let failed = rig.call(GET, ask, &["-format-error"]).await.error();
    assert_eq!((failed.code, failed.reason.as_str()), (9, "NOT_CONNECTED"));

    // As a person sees it, without options.
    let read = rig.call(GET, ask, &[]).await;
    assert_ne!(read.code, 0);
    for part in [
        "Code: FailedPrecondition",
        "\"reason\": \"NOT_CONNECTED\"",
        "\"domain\": \"tokend\"",
    ] {
        assert!(read.stderr.contains(part), "{part}: {}", read.stderr);
    }

    let misspelt = rig
        .call(
            GET,
            r#"{"integrationType": "simsharde"}"#,
            &["-format-error"],
        )
        .await
        .error();
    assert_eq!(
        (misspelt.code, misspelt.reason.as_str()),
        (5, "INTEGRATION_TYPE_UNKNOWN")
    );
    assert_eq!(misspelt.details[0]["metadata"]["nearest"], "simshared");

    let wrong = r#"{"integrationType": "simshared", "minTtl": "-1s"}"#;
    let invalid = rig.call(GET, wrong, &["-format-error"]).await.error();
    assert_eq!(
        (invalid.code, invalid.reason.as_str()),
        (3, "INVALID_FIELD")
    );
    let violations = invalid
        .details
        .iter()
        .find_map(|detail| detail["fieldViolations"].as_array());
    assert_eq!(violations.unwrap()[0]["field"], "min_ttl");
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_key_nothing_is_vended() {
    let Some(rig) = Rig::start().await else {
        return;
    };
    rig.tokend.connect_shared().await;
    let ask = [
        "-d",
        r#"{"integrationType": "simshared"}"#,
        "-format-error",
        GET,
    ];
    let failed = rig.plain(&ask).await.error();
    assert_eq!(
        (failed.code, failed.reason.as_str()),
        (16, "CALLER_UNAUTHENTICATED")
    );
}

/// What `-format-error` prints.
struct Failed {
    code: u64,
    reason: String,
    details: Vec<Value>,
}

impl Rig {
    async fn start() -> Option<Self> {
        let grpcurl = counterpart("grpcurl", "TOKEND_TEST_GRPCURL")?;
        Some(Self {
            tokend: Tokend::start(Options::default()).await,
            grpcurl,
        })
    }

    /// A call as the backend; the error is JSON where `-format-error` is among the options.
    async fn call(&self, method: &str, message: &str, options: &[&str]) -> Ran {
        let bearer = format!("authorization: Bearer {}", self.tokend.backend_key);
        self.plain(&[options, &["-H", &bearer, "-d", message, method]].concat())
            .await
    }

    /// Runs grpcurl with flags, then the address, then the verb or method with what belongs to it.
    async fn plain(&self, arguments: &[&str]) -> Ran {
        let verb = arguments
            .iter()
            .position(|argument| ["list", "describe"].contains(argument));
        let (flags, rest) = arguments.split_at(verb.unwrap_or(arguments.len() - 1));
        let output = Command::new(&self.grpcurl)
            .args(["-plaintext", "-max-time", "30"])
            .args(flags)
            .arg(self.tokend.grpc())
            .args(rest)
            .stdin(Stdio::null())
            .kill_on_drop(true)
            .output()
            .await
            .unwrap();
        Ran {
            code: output.status.code().unwrap_or(-1),
            stdout: String::from_utf8(output.stdout).unwrap(),
            stderr: String::from_utf8(output.stderr).unwrap(),
        }
    }
}

impl Ran {
    fn json(&self) -> Value {
        assert_eq!(self.code, 0, "{}", self.stderr);
        serde_json::from_str(&self.stdout).unwrap()
    }

    fn error(&self) -> Failed {
        assert_ne!(self.code, 0, "{}", self.stdout);
        assert_eq!(self.stdout, "");
        let printed: Value =
            serde_json::from_str(&self.stderr).unwrap_or_else(|_| panic!("{}", self.stderr));
        let details = printed["details"].as_array().unwrap().clone();
        let info = details.iter().find(|detail| detail["reason"].is_string());
        let info = info.unwrap_or_else(|| panic!("no ErrorInfo can be read in {printed}"));
        assert_eq!(info["domain"], "tokend");
        Failed {
            code: printed["code"].as_u64().unwrap(),
            reason: info["reason"].as_str().unwrap().to_owned(),
            details,
        }
    }
}
