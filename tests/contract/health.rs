//! Probes: what Kubernetes and load balancers ask.

use tokend_simulator::Endpoint as Simulated;
use tokend_tests::{Options, Tokend};
use tonic::{
    Code,
    transport::{Channel, Endpoint},
};
use tonic_health::{
    ServingStatus,
    pb::{HealthCheckRequest, health_client::HealthClient},
};

use crate::answers::{eventually, instead_of};

#[tokio::test(flavor = "multi_thread")]
async fn a_started_server_serves_and_says_so() {
    let tokend = Tokend::start(Options::default()).await;
    let mut health = HealthClient::new(channel(&tokend));
    for service in ["", "tokend.v1.ConnectorService", "tokend.v1.AdminService"] {
        let answer = health.check(of(service)).await.unwrap().into_inner();
        assert_eq!(answer.status, ServingStatus::Serving as i32, "{service:?}");
    }
    let unknown = health
        .check(of("tokend.v1.NoSuchService"))
        .await
        .unwrap_err();
    assert_eq!(unknown.code(), Code::NotFound);
    for path in ["healthz", "readyz"] {
        let probe = format!("{}/{path}", tokend.operations_url());
        assert_eq!(reqwest::get(probe).await.unwrap().status(), 200, "{path}");
    }
    tokend.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_draining_server_says_that_it_does_not_serve_and_watchers_do_not_hold_it_up() {
    let tokend = Tokend::start(Options::default()).await;
    tokend.connect_shared().await;
    let mut health = HealthClient::new(channel(&tokend));
    let mut watch = health
        .watch(of("tokend.v1.ConnectorService"))
        .await
        .unwrap()
        .into_inner();
    let first = watch.message().await.unwrap().unwrap();
    assert_eq!(first.status, ServingStatus::Serving as i32);
    // A renewal under way keeps the server draining.
    let gate = tokend.simulator.faults().hold(Simulated::Token);
    let mut connectors = tokend.backend.connectors();
    let get = tokend_api::v1::GetConnectionRequest {
        integration_type: "simshared".to_owned(),
        ..instead_of(1)
    };
    let caller = tokio::spawn(async move { connectors.get_connection(get).await });
    gate.waiting(1).await;

    let stopping = tokio::spawn(tokend.stop());
    let last = watch.message().await.unwrap().unwrap();
    assert_eq!(last.status, ServingStatus::NotServing as i32);
    assert!(!stopping.is_finished());
    gate.open();
    assert_eq!(
        caller.await.unwrap().unwrap().into_inner().generation,
        2,
        "its call is finished"
    );
    // The stream is still wanted: its reader has not gone.
    eventually("the server ends", async || {
        stopping.is_finished().then_some(())
    })
    .await;
    drop(watch);
}

#[tokio::test(flavor = "multi_thread")]
async fn reflection_is_served_unless_it_is_switched_off() {
    let with = Tokend::start(Options::default()).await;
    assert_eq!(reflects(&with).await, None);
    with.stop().await;
    let configure = |config: &mut tokend_server::config::Config| config.grpc.reflection = false;
    let without = Tokend::start(Options {
        configure,
        ..Options::default()
    })
    .await;
    assert_eq!(reflects(&without).await, Some(Code::Unimplemented));
    without.stop().await;
}

/// Asks for the list of services; the error's code, if it is one.
async fn reflects(tokend: &Tokend) -> Option<Code> {
    use tonic_reflection::pb::v1::{
        ServerReflectionRequest, server_reflection_client::ServerReflectionClient,
        server_reflection_request::MessageRequest,
    };
    let ask = ServerReflectionRequest {
        host: String::new(),
        message_request: Some(MessageRequest::ListServices(String::new())),
    };
    let asked = futures::stream::iter([ask]);
    let mut client = ServerReflectionClient::new(channel(tokend));
    match client.server_reflection_info(asked).await {
        Err(status) => Some(status.code()),
        Ok(answers) => match answers.into_inner().message().await {
            Ok(answer) => {
                assert!(format!("{answer:?}").contains("tokend.v1.ConnectorService"));
                None
            }
            Err(status) => Some(status.code()),
        },
    }
}

fn channel(tokend: &Tokend) -> Channel {
    Endpoint::from_shared(format!("http://{}", tokend.grpc()))
        .unwrap()
        .connect_lazy()
}

fn of(service: &str) -> HealthCheckRequest {
    HealthCheckRequest {
        service: service.to_owned(),
    }
}
