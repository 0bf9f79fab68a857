//! `tokend serve`: signals end it in order.

use tokend_api::v1;
use tokend_client::{Client, Credentials};
use tokend_simulator::{Browser, Endpoint, Simulator, SimulatorOptions};

use crate::{
    connector_files::write_connectors,
    home::{Home, Served},
};

#[tokio::test]
async fn a_signal_ends_it_with_exit_code_0() {
    for signal in ["TERM", "INT"] {
        let mut home = Home::new();
        let served = home.serve().await;
        served.signal(signal).await;
        assert_eq!(served.ended().await, 0, "SIG{signal}");
    }
}

#[tokio::test]
async fn a_renewal_in_flight_is_finished_first_and_kept() {
    let simulator = Simulator::start(SimulatorOptions::default()).await.unwrap();
    let mut home = Home::new();
    let mut served = home.serve().await;
    write_connectors(&home, &simulator);
    home.succeed(&["connectors", "push", "--yes"]).await;
    let credentials = Credentials::api_key(home.variable("TOKEND_API_KEY"));
    let client = Client::builder(&served.endpoint)
        .credentials(credentials)
        .connect()
        .await
        .unwrap();
    connect(&client).await;

    let gate = simulator.faults().hold(Endpoint::Token);
    let get = v1::GetConnectionRequest {
        integration_type: "simshared".to_owned(),
        rejected_generation: Some(1),
        ..Default::default()
    };
    let mut connectors = client.connectors();
    let renewing = tokio::spawn(async move { connectors.get_connection(get).await });
    gate.waiting(1).await;
    served.signal("TERM").await;
    served.logged("tokend is stopping").await;
    assert!(served.is_running(), "it did not wait for the exchange");
    gate.open();
    let vended = renewing.await.unwrap().unwrap().into_inner();
    assert_eq!(vended.generation, 2);
    assert_eq!(served.ended().await, 0);

    let restarted = Served::start(&home).await;
    home.set("TOKEND_ENDPOINT", &restarted.endpoint);
    let kept = home.succeed(&["get", "simshared", "--json"]).await.json();
    assert_eq!(kept["generation"], 2);
    assert_eq!(kept["accessToken"], vended.access_token);
    assert_eq!(simulator.ledger().reuses(), 0);
}

#[tokio::test]
async fn a_port_that_is_taken_is_69_and_names_its_key() {
    let mut home = Home::new();
    let served = home.serve().await;
    let taken = served.endpoint.trim_start_matches("http://");
    home.set("TOKEND_GRPC__LISTEN", taken);
    let ran = home.run(&["serve"]).await;
    assert_eq!(ran.code, 69, "{ran:?}");
    assert!(
        ran.stderr.contains("grpc.listen") && ran.stderr.contains(taken),
        "{}",
        ran.stderr
    );
}

async fn connect(client: &Client) {
    let mut admin = client.admin();
    let start = v1::StartAuthorizationRequest {
        integration_type: "simshared".to_owned(),
        ..Default::default()
    };
    let started = admin.start_authorization(start).await.unwrap().into_inner();
    Browser::new()
        .unwrap()
        .consent(&started.redirect_url)
        .await
        .unwrap();
    let complete = v1::CompleteAuthorizationRequest {
        authorization_id: started.authorization_id,
        completion_token: started.completion_token,
        ..Default::default()
    };
    admin.complete_authorization(complete).await.unwrap();
}
