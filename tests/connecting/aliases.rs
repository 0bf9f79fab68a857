//! Other names of an integration type: whoever asks by one finds what is kept under its own.

use tokend_api::v1;
use tokend_tests::{Options, Tokend, definition};

use crate::own_types::{apply, connector, get};

#[tokio::test(flavor = "multi_thread")]
async fn an_alias_leads_to_the_type_wherever_names_come_in() {
    let tokend = Tokend::start(Options::default()).await;
    let base = tokend.simulator.base_url();
    let about = "category = \"developer\"\n";
    let toml = definition(base).replace(about, &format!("{about}aliases = [\"sim_calendar\"]\n"));
    let named = v1::Connector {
        connector_id: String::new(),
        ..connector(&tokend, "simcalendar", "sim_calendar")
    };
    let changes = apply(&tokend, "simcalendar", toml, vec![named]).await;
    let made = changes[0].connector.clone().unwrap();
    assert_eq!(made.connector_id, "simcalendar");
    assert_eq!(made.integration_type, "simcalendar");

    let mut admin = tokend.operator.admin();
    let start = v1::StartAuthorizationRequest {
        integration_type: "sim_calendar".to_owned(),
        ..Default::default()
    };
    let started = admin.start_authorization(start).await.unwrap().into_inner();
    let page = tokend.browse(&started.redirect_url).await;
    assert_eq!(page.status, 200, "{}", page.body);
    let complete = v1::CompleteAuthorizationRequest {
        authorization_id: started.authorization_id,
        completion_token: started.completion_token,
        ..Default::default()
    };
    admin.complete_authorization(complete).await.unwrap();

    let mut connectors = tokend.backend.connectors();
    for name in ["sim_calendar", "simcalendar", "sim_calendar"] {
        let vended = connectors.get_connection(get(name)).await.unwrap();
        assert_eq!(vended.into_inner().generation, 1, "{name}");
    }
    // What is renewed under one name is renewed under the other.
    let rejected = v1::GetConnectionRequest {
        rejected_generation: Some(1),
        ..get("simcalendar")
    };
    connectors.get_connection(rejected).await.unwrap();
    let vended = connectors.get_connection(get("sim_calendar")).await;
    assert_eq!(vended.unwrap().into_inner().generation, 2);

    let list = v1::ListConnectionsRequest {
        integration_type: "sim_calendar".to_owned(),
        ..Default::default()
    };
    let listed = admin.list_connections(list).await.unwrap().into_inner();
    assert_eq!(listed.connections.len(), 1);
    let list = v1::ListConnectorsRequest {
        integration_type: "sim_calendar".to_owned(),
        ..Default::default()
    };
    let listed = admin.list_connectors(list).await.unwrap().into_inner();
    assert_eq!(listed.connectors.len(), 1);
    let entry = v1::GetIntegrationTypeRequest {
        integration_type: "sim_calendar".to_owned(),
    };
    let found = admin
        .get_integration_type(entry)
        .await
        .unwrap()
        .into_inner();
    let found = found.integration_type.unwrap();
    assert_eq!(found.integration_type, "simcalendar");
    assert_eq!(found.aliases, ["sim_calendar"]);
    tokend.stop().await;
}
