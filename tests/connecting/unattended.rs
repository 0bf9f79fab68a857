//! Grants that nobody consents to: connected at once, or by themselves when they are first asked for.

use base64::{Engine, engine::general_purpose::STANDARD};
use futures::future::join_all;
use ring::{
    rand::SystemRandom,
    signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair},
};
use tokend_api::v1;
use tokend_simulator::Client;
use tokend_tests::{Options, Tokend, databases};
use tonic::Code;
use tonic_types::StatusExt;

use crate::{
    answers::{refused, violations},
    calls::{connect, connections, wish},
    own_types::{apply, connector, get, start, with_grant},
};

const MACHINE: &str = "machine";

/// A tokend with a shared connector of client credentials that nobody has connected.
async fn with_machine(options: Options) -> Tokend {
    let tokend = Tokend::start(options).await;
    let toml = with_grant(&tokend, "client_credentials", "");
    let changes = apply(
        &tokend,
        MACHINE,
        toml,
        vec![connector(&tokend, MACHINE, MACHINE)],
    )
    .await;
    assert!(changes[0].needs_authorization);
    tokend
}

#[tokio::test(flavor = "multi_thread")]
async fn client_credentials_are_connected_at_once_and_renewed_like_any_other() {
    for database in databases() {
        let options = Options {
            database,
            ..Options::default()
        };
        let tokend = with_machine(options).await;
        let mut admin = tokend.operator.admin();
        let tags = [("team".to_owned(), "sales".to_owned())].into();
        let start = v1::StartAuthorizationRequest {
            tags,
            ..start(MACHINE)
        };
        let started = admin.start_authorization(start).await.unwrap().into_inner();
        assert_eq!(started.redirect_url, "");
        assert_eq!(started.authorization_id, "");
        let connection = started.connection.unwrap();
        assert_eq!(connection.status(), v1::ConnectionStatus::Authorized);
        assert_eq!(connection.account.unwrap().id, "client-of-machine");
        assert_eq!(connection.tags["team"], "sales");

        let mut connectors = tokend.backend.connectors();
        let first = connectors.get_connection(get(MACHINE)).await.unwrap();
        let first = first.into_inner();
        assert_eq!(first.connection_id, connection.connection_id);
        assert_eq!(first.warnings, []);
        let refused_there = v1::GetConnectionRequest {
            rejected_generation: Some(first.generation),
            ..get(MACHINE)
        };
        let second = connectors.get_connection(refused_there).await.unwrap();
        let second = second.into_inner();
        assert_eq!(second.generation, first.generation + 1);
        assert_ne!(second.access_token, first.access_token);
        let ledger = tokend.simulator.ledger();
        assert!(ledger.is_access_token_live(&second.access_token));
        assert_eq!(ledger.token_calls(), 2);
        tokend.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_shared_connector_connects_itself_once_for_all_who_ask() {
    let tokend = with_machine(Options::default()).await;
    let asked = (0..50).map(|_| {
        let mut connectors = tokend.backend.connectors();
        async move { connectors.get_connection(get(MACHINE)).await }
    });
    let answers = join_all(asked).await;
    let tokens: Vec<_> = answers
        .into_iter()
        .map(|answer| answer.unwrap().into_inner().access_token)
        .collect();
    assert!(tokens.iter().all(|token| *token == tokens[0]));
    assert_eq!(tokend.simulator.ledger().token_calls(), 1);
    tokend.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn replicas_that_race_make_one_connection() {
    for database in databases() {
        let options = Options {
            database,
            ..Options::default()
        };
        let tokend = with_machine(options).await;
        let (replica, other) = tokend.replica().await;
        let asked = (0..20).map(|turn| {
            let backend = if turn % 2 == 0 {
                &tokend.backend
            } else {
                &other
            };
            let mut connectors = backend.connectors();
            async move { connectors.get_connection(get(MACHINE)).await }
        });
        for answer in join_all(asked).await {
            let token = answer.unwrap().into_inner().access_token;
            assert!(tokend.simulator.ledger().is_access_token_live(&token));
        }
        assert_eq!(connections(&tokend).await.len(), 1, "{database:?}");
        replica.stop().await;
        tokend.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refused_client_is_told_of_and_not_tried_for_every_caller() {
    let tokend = with_machine(Options::default()).await;
    let right = Client::new("client-of-machine");
    tokend.simulator.register(right.clone());
    let mut connectors = tokend.backend.connectors();
    for _ in 0..20 {
        let answer = connectors.get_connection(get(MACHINE)).await;
        let status = refused(answer, Code::FailedPrecondition, "CLIENT_REJECTED");
        assert!(status.message().contains("'machine'"), "{status:?}");
    }
    assert_eq!(tokend.simulator.ledger().token_calls(), 1);
    let mut admin = tokend.operator.admin();
    let answer = admin.start_authorization(start(MACHINE)).await;
    refused(answer, Code::FailedPrecondition, "CLIENT_REJECTED");

    // Corrected, it works at once.
    let update = v1::UpdateConnectorRequest {
        connector: Some(v1::Connector {
            connector_id: MACHINE.to_owned(),
            client_secret: right.secret,
            ..Default::default()
        }),
        ..Default::default()
    };
    admin.update_connector(update).await.unwrap();
    connectors.get_connection(get(MACHINE)).await.unwrap();
    tokend.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn app_users_cannot_speak_for_the_organisations_client() {
    let tokend = Tokend::start(Options::default()).await;
    let toml = with_grant(&tokend, "client_credentials", "");
    let for_users = v1::Connector {
        kind: v1::ConnectorKind::AppUser.into(),
        ..connector(&tokend, "machines", MACHINE)
    };
    apply(&tokend, MACHINE, toml, vec![for_users]).await;
    let asked = v1::ConnectAppUserRequest {
        connector_id: "machines".to_owned(),
        ..wish(&tokend)
    };
    let status = refused(
        connect(&tokend, "ada", asked).await,
        Code::InvalidArgument,
        "INVALID_FIELD",
    );
    let (field, why) = violations(&status).remove(0);
    assert_eq!(field, "connector_id");
    assert!(why.contains("an operator connects it"), "{why}");

    // Nor does asking for it connect it, nor tell them of a page that would.
    let get = v1::GetCurrentAppUserConnectionRequest {
        connector_id: "machines".to_owned(),
        connect_return_url: tokend.simulator.app_return_url(),
        ..Default::default()
    };
    let mut connectors = tokend.backend.connectors();
    let request = tokend_tests::for_user(get, &tokend.user_token("ada"));
    let answer = connectors.get_current_app_user_connection(request).await;
    let status = refused(answer, Code::FailedPrecondition, "NOT_CONNECTED");
    assert!(status.get_error_details().help().is_none());
    assert_eq!(tokend.simulator.ledger().token_calls(), 0);

    let by_operator = v1::StartAuthorizationRequest {
        connector_id: "machines".to_owned(),
        app_user_id: "ada".to_owned(),
        ..Default::default()
    };
    let mut admin = tokend.operator.admin();
    let started = admin.start_authorization(by_operator).await.unwrap();
    assert!(started.into_inner().connection.is_some());
    tokend.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_assertion_is_signed_with_the_clients_key() {
    let tokend = Tokend::start(Options::default()).await;
    let sections = "[assertion]\nscope_claim = \"scope\"\n";
    let toml = with_grant(&tokend, "jwt_bearer", sections)
        .replace("/token\"\n", "/token\"\nauth = \"none\"\n");
    let (pem, public_key) = signing_key();
    let robot = v1::Connector {
        client_secret: pem,
        ..connector(&tokend, "robot", "robot")
    };
    tokend
        .simulator
        .trust_assertions_of("client-of-robot", &public_key);
    apply(&tokend, "robot", toml, vec![robot]).await;
    let mut connectors = tokend.backend.connectors();
    let vended = connectors.get_connection(get("robot")).await.unwrap();
    let vended = vended.into_inner();
    assert_eq!(vended.account.unwrap().id, "client-of-robot");
    assert_eq!(vended.scopes, ["events.read"]);

    // A key that the provider does not know.
    let (_, foreign) = signing_key();
    tokend
        .simulator
        .trust_assertions_of("client-of-robot", &foreign);
    let mut admin = tokend.operator.admin();
    let answer = admin.start_authorization(start("robot")).await;
    let status = refused(answer, Code::FailedPrecondition, "AUTHORIZATION_FAILED");
    assert!(status.message().contains("'robot'"), "{status:?}");
    tokend.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_subject_token_is_exchanged_and_exchanged_again() {
    let tokend = Tokend::start(Options::default()).await;
    let sections = "[subject]\ntoken_type = \"urn:ietf:params:oauth:token-type:access_token\"\n";
    let toml = with_grant(&tokend, "token_exchange", sections);
    let exchange = connector(&tokend, "exchange", "exchange");
    apply(&tokend, "exchange", toml, vec![exchange]).await;
    let mut admin = tokend.operator.admin();
    let answer = admin.start_authorization(start("exchange")).await;
    let status = refused(answer, Code::InvalidArgument, "INVALID_FIELD");
    assert_eq!(violations(&status)[0].0, "subject_token");
    let subject = tokend.simulator.grant("client-of-simshared", "grace", &[]);
    let with_subject = |name: &str| v1::StartAuthorizationRequest {
        subject_token: subject.access_token.clone(),
        ..start(name)
    };
    let answer = admin.start_authorization(with_subject("simshared")).await;
    refused(answer, Code::InvalidArgument, "INVALID_FIELD");
    // It does not connect itself: there is nothing to exchange.
    let mut connectors = tokend.backend.connectors();
    let answer = connectors.get_connection(get("exchange")).await;
    refused(answer, Code::FailedPrecondition, "NOT_CONNECTED");

    let started = admin.start_authorization(with_subject("exchange")).await;
    let connection = started.unwrap().into_inner().connection.unwrap();
    assert_eq!(connection.account.unwrap().id, "grace");
    let refresh = v1::RefreshConnectionRequest {
        connection_id: connection.connection_id,
        ..Default::default()
    };
    let renewed = admin
        .refresh_connection(refresh)
        .await
        .unwrap()
        .into_inner();
    assert!(renewed.renewed);
    tokend.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_batch_connects_some_and_opens_attempts_for_others() {
    let tokend = with_machine(Options::default()).await;
    let batch = v1::BatchStartAuthorizationsRequest {
        requests: vec![start(MACHINE), start("simshared"), start("nowhere")],
    };
    let mut admin = tokend.operator.admin();
    let results = admin.batch_start_authorizations(batch).await.unwrap();
    let results = results.into_inner().results;
    use v1::batch_start_authorizations_result::Result::{Authorization, Status};
    let kinds: Vec<_> = results
        .into_iter()
        .map(|result| match result.result.unwrap() {
            Authorization(started) if started.connection.is_some() => "connected",
            Authorization(_) => "open",
            Status(_) => "refused",
        })
        .collect();
    assert_eq!(kinds, ["connected", "open", "refused"]);
    tokend.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_gets_tokens_by_itself_has_no_grants_to_import() {
    let tokend = with_machine(Options::default()).await;
    for refresh_token in ["", "rt"] {
        let import = v1::ImportConnectionRequest {
            connector_id: MACHINE.to_owned(),
            access_token: "at".to_owned(),
            refresh_token: refresh_token.to_owned(),
            ..Default::default()
        };
        let answer = tokend.operator.admin().import_connection(import).await;
        let status = refused(answer, Code::InvalidArgument, "INVALID_FIELD");
        assert_eq!(violations(&status)[0].0, "connector_id");
        assert!(format!("{status:?}").contains("tokend connect"));
    }
    tokend.stop().await;
}

/// A private key in PEM, and its public point.
fn signing_key() -> (String, Vec<u8>) {
    let random = SystemRandom::new();
    let algorithm = &ECDSA_P256_SHA256_FIXED_SIGNING;
    let document = EcdsaKeyPair::generate_pkcs8(algorithm, &random).unwrap();
    let pair = EcdsaKeyPair::from_pkcs8(algorithm, document.as_ref(), &random).unwrap();
    let body = STANDARD.encode(document.as_ref());
    let lines: Vec<_> = body
        .as_bytes()
        .chunks(64)
        .map(|line| std::str::from_utf8(line).unwrap())
        .collect();
    // In two parts, so that nothing here looks like a key.
    let frame = |word: &str| format!("-----{word} {} KEY-----", "PRIVATE");
    let pem = format!(
        "{}\n{}\n{}\n",
        frame("BEGIN"),
        lines.join("\n"),
        frame("END")
    );
    (pem, pair.public_key().as_ref().to_vec())
}
