//! Callers that prove themselves by JWT: what they may do, and which app users' tokens are theirs to bring.

use std::{
    fs::File,
    path::Path,
    time::{Duration, SystemTime},
};

use serde_json::json;
use tokend_api::v1;
use tokend_client::{Client, Credentials};
use tokend_server::config::{Config, JwtCallers, Kubernetes};
use tokend_simulator::TokenDraft;
use tokend_tests::{AUDIENCE, Options, Tokend, for_user};
use tonic::{Code, Status};

use crate::answers::{refused, retry_delay};

/// An issuer that nobody can reach.
const GONE: &str = "http://127.0.0.1:1";

/// Lets in callers of the simulator's issuer: which ones they are depends on whom their tokens are for.
fn let_in(config: &mut Config) {
    let issuer = config.access.app_users[0].issuer.clone();
    let callers = |audience: &str, role: &str, workspace: &str| JwtCallers {
        issuer: issuer.clone(),
        jwks_url: String::new(),
        audiences: vec![audience.to_owned()],
        algorithms: Vec::new(),
        caller_claim: "sub".to_owned(),
        name_prefix: Some(format!("{audience}:")),
        workspaces: vec![workspace.to_owned()],
        role: role.to_owned(),
        max_token_age_seconds: 86_400,
    };
    config.access.jwt_callers = vec![
        callers("backends", "backend", "default"),
        callers("operators", "operator", "*"),
        callers("guests", "", "default"),
        JwtCallers {
            issuer: GONE.to_owned(),
            name_prefix: None,
            ..callers("backends", "backend", "default")
        },
    ];
    config.access.app_users[0]
        .audiences
        .push("users-of-{caller}".to_owned());
}

/// A caller's token, for this audience.
fn draft(tokend: &Tokend, caller: &str, audience: &str) -> TokenDraft {
    let lifetime = Duration::from_secs(600);
    tokend
        .simulator
        .app_user_token_draft(caller, audience, lifetime)
}

/// A client that reads its token from a file, as a pod does.
async fn client(tokend: &Tokend, token: &str) -> Client {
    let digest = token.rsplit_once('.').unwrap().1;
    let file = tokend.home.path().join(format!("{digest}.token"));
    std::fs::write(&file, token).unwrap();
    client_with(tokend, &file).await
}

async fn client_with(tokend: &Tokend, file: &Path) -> Client {
    Client::builder(format!("http://{}", tokend.grpc()))
        .credentials(Credentials::bearer_file(file))
        .connect()
        .await
        .unwrap()
}

async fn get(client: &Client) -> Result<String, Status> {
    let get = v1::GetConnectionRequest {
        integration_type: "simshared".to_owned(),
        ..Default::default()
    };
    let vended = client.connectors().get_connection(get).await?.into_inner();
    Ok(vended.access_token)
}

async fn list(client: &Client) -> Result<usize, Status> {
    let list = v1::ListConnectorsRequest::default();
    let listed = client.admin().list_connectors(list).await?.into_inner();
    Ok(listed.connectors.len())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_callers_role_is_that_of_its_issuer_and_without_one_it_may_nothing() {
    let tokend = Tokend::start(Options {
        configure: let_in,
        ..Options::default()
    })
    .await;
    tokend.connect_shared().await;
    let expected = tokend.get().await.unwrap().access_token;

    let backend = client(&tokend, &draft(&tokend, "shop", "backends").sign()).await;
    for _ in 0..2 {
        assert_eq!(get(&backend).await.unwrap(), expected);
    }
    refused(
        list(&backend).await,
        Code::PermissionDenied,
        "CALLER_NOT_ALLOWED",
    );

    let operator = client(&tokend, &draft(&tokend, "jane", "operators").sign()).await;
    assert_eq!(list(&operator).await.unwrap(), 2);
    let elsewhere = operator.in_workspace("elsewhere").unwrap();
    assert_eq!(list(&elsewhere).await.unwrap(), 0);

    let guest = client(&tokend, &draft(&tokend, "shop", "guests").sign()).await;
    let status = refused(
        get(&guest).await,
        Code::PermissionDenied,
        "CALLER_NOT_ALLOWED",
    );
    assert!(status.message().contains("guests:shop"), "{status}");
    refused(
        list(&guest).await,
        Code::PermissionDenied,
        "CALLER_NOT_ALLOWED",
    );
    tokend.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_that_is_not_accepted_is_refused_and_waiting_helps_only_without_keys() {
    let tokend = Tokend::start(Options {
        configure: let_in,
        ..Options::default()
    })
    .await;
    tokend.connect_shared().await;
    let good = draft(&tokend, "shop", "backends");
    let past = 1_000_000_000;
    for (token, said) in [
        (
            draft(&tokend, "shop", AUDIENCE).sign(),
            "the token is not accepted",
        ),
        (
            draft(&tokend, "shop", "backends")
                .claim("iss", "https://another.test")
                .sign(),
            "the token is not accepted",
        ),
        (
            draft(&tokend, "shop", "backends").claim("exp", past).sign(),
            "the token is expired",
        ),
        (
            draft(&tokend, "shop", "backends").claim("sub", 7).sign(),
            "the token is not accepted",
        ),
        (format!("{}x", good.sign()), "the token is not accepted"),
    ] {
        let answer = get(&client(&tokend, &token).await).await;
        let status = refused(answer, Code::Unauthenticated, "CALLER_UNAUTHENTICATED");
        assert!(status.message().ends_with(said), "{status}");
        assert_eq!(retry_delay(&status), None);
    }
    let of_the_gone = draft(&tokend, "shop", "backends").claim("iss", GONE);
    let answer = get(&client(&tokend, &of_the_gone.sign()).await).await;
    let status = refused(answer, Code::Unauthenticated, "CALLER_UNAUTHENTICATED");
    assert!(retry_delay(&status).is_some(), "waiting helps");
    tokend.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_app_users_token_is_for_the_caller_that_it_was_made_out_to() {
    let tokend = Tokend::start(Options {
        configure: let_in,
        ..Options::default()
    })
    .await;
    tokend.connect_user("u1").await;
    let shop = client(&tokend, &draft(&tokend, "shop", "backends").sign()).await;
    let lifetime = Duration::from_secs(600);
    let for_audience = |audience: &str| tokend.simulator.app_user_token("u1", audience, lifetime);
    let get_for = async |client: &Client, token: &str| {
        let get = v1::GetCurrentAppUserConnectionRequest {
            connector_id: "users".to_owned(),
            ..Default::default()
        };
        let mut connectors = client.connectors();
        let answer = connectors
            .get_current_app_user_connection(for_user(get, token))
            .await;
        answer.map(|vended| vended.into_inner().connection_id)
    };
    let (ours, theirs) = (
        for_audience("users-of-backends:shop"),
        for_audience("users-of-calendar-backend"),
    );
    let shops = get_for(&shop, &ours).await.unwrap();
    let backends = get_for(&tokend.backend, &theirs).await.unwrap();
    assert_eq!(shops, backends, "one user, one connection");
    for (client, token) in [(&shop, &theirs), (&tokend.backend, &ours)] {
        let answer = get_for(client, token).await;
        refused(answer, Code::Unauthenticated, "APP_USER_UNAUTHENTICATED");
    }
    tokend.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pods_token_is_renewed_in_its_file_and_its_name_is_the_service_accounts() {
    let tokend = Tokend::start(Options {
        configure: |config| {
            config.access.kubernetes = vec![Kubernetes {
                issuer: config.access.app_users[0].issuer.clone(),
                audiences: vec!["tokend".to_owned()],
                // As with clusters whose issuers are public.
                api_server: String::new(),
                ca_file: Default::default(),
                token_file: Default::default(),
                token_review: false,
                name_prefix: String::new(),
                workspaces: vec!["default".to_owned()],
                role: "backend".to_owned(),
            }];
        },
        ..Options::default()
    })
    .await;
    tokend.connect_shared().await;
    let of_pod = |audience: &str, account: &str| {
        let claims = json!({
            "namespace": "shop",
            "pod": { "name": "backend-0", "uid": "0ad7" },
            "serviceaccount": { "name": account, "uid": "9f12" },
        });
        draft(&tokend, "system:serviceaccount:shop:backend", audience)
            .claim("kubernetes.io", claims)
            .sign()
    };
    let file = tokend.home.path().join("projected");
    // Each a second younger than the one before, however fast this goes.
    let project = |token: String, second: u64| {
        std::fs::write(&file, token).unwrap();
        let written = File::options().write(true).open(&file).unwrap();
        let time = SystemTime::UNIX_EPOCH + Duration::from_secs(second);
        written.set_modified(time).unwrap();
    };
    project(of_pod("another-service", "backend"), 1);
    let pod = client_with(&tokend, &file).await;
    refused(
        get(&pod).await,
        Code::Unauthenticated,
        "CALLER_UNAUTHENTICATED",
    );
    project(of_pod("tokend", "backend"), 2);
    assert!(get(&pod).await.is_ok());
    let status = refused(
        list(&pod).await,
        Code::PermissionDenied,
        "CALLER_NOT_ALLOWED",
    );
    let name = "system:serviceaccount:shop:backend";
    assert!(status.message().contains(name), "{status}");
    project(of_pod("tokend", "other"), 3);
    refused(
        get(&pod).await,
        Code::Unauthenticated,
        "CALLER_UNAUTHENTICATED",
    );
    tokend.stop().await;
}
