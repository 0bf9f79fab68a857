//! Who may call: said before anything is said about what there is.

use std::time::{Duration, Instant};

use prost_reflect::DescriptorPool;
use tokend_api::v1::{self, connector_service_client::ConnectorServiceClient};
use tokend_client::{Client, Credentials};
use tokend_server::{
    NewCaller, Rotation, WhichKeys, add_caller, list_callers, remove_caller, rotate_caller,
};
use tokend_tests::{Options, Tokend};
use tonic::{
    Code, Request, Status,
    transport::{Channel, Endpoint},
};
use tonic_prost::ProstCodec;

use crate::answers::{eventually, refused, retry_delay, violations};

#[tokio::test(flavor = "multi_thread")]
async fn without_a_good_key_nothing_is_answered_not_even_what_is_missing() {
    let tokend = Tokend::start(Options::default()).await;
    tokend.connect_shared().await;
    let key = &tokend.backend_key;
    // Another last character, and another key's secret.
    let last = if key.ends_with('A') { "B" } else { "A" };
    let wrong = format!("{}{last}", &key[..key.len() - 1]);
    // tokend_<key id>_<secret>; a secret may have more of these lines.
    let (id, _) = key.split_at(key.match_indices('_').nth(1).unwrap().0);
    let secret = tokend.operator_key.splitn(3, '_').nth(2).unwrap();
    for authorization in [
        None,
        Some(String::new()),
        Some("Bearer".to_owned()),
        Some("Bearer nonsense".to_owned()),
        Some(key.clone()),
        Some(format!("Basic {key}")),
        Some(format!("Bearer {wrong}")),
        Some(format!("Bearer {id}_{secret}")),
        Some(format!("Bearer {key}x")),
    ] {
        for integration_type in ["simshared", "no-such-type", "", "NOT A NAME"] {
            let answer = get_as(&tokend, authorization.as_deref(), integration_type).await;
            let status = refused(answer, Code::Unauthenticated, "CALLER_UNAUTHENTICATED");
            assert!(!status.message().contains(secret), "{}", status.message());
        }
    }
    get_as(&tokend, Some(&format!("Bearer {key}")), "simshared")
        .await
        .unwrap();
    tokend.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_rpc_asks_first_who_is_calling_and_every_administration_whether_they_may() {
    let tokend = Tokend::start(Options::default()).await;
    let backend = format!("Bearer {}", tokend.backend_key);
    let (mut rpcs, mut administration) = (0, 0);
    for (service, rpc) in rpcs_of_the_contract() {
        rpcs += 1;
        let answer = call_empty(&tokend, None, &service, &rpc).await;
        let status = refused(answer, Code::Unauthenticated, "CALLER_UNAUTHENTICATED");
        assert_eq!(retry_delay(&status), None, "{rpc}: waiting does not help");
        // The catalogue is no secret: any caller may read it.
        // And everybody may ask about itself.
        let for_all = [
            "ListIntegrationTypes",
            "GetIntegrationType",
            "ExplainAccess",
        ];
        let for_all = for_all.contains(&rpc.as_str());
        if service.ends_with("AdminService") && !for_all {
            administration += 1;
            let answer = call_empty(&tokend, Some(&backend), &service, &rpc).await;
            refused(answer, Code::PermissionDenied, "CALLER_NOT_ALLOWED");
        }
    }
    assert!(
        rpcs >= 33 && administration >= 23,
        "{rpcs}, {administration}"
    );
    tokend.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn another_workspace_is_not_a_callers_to_see() {
    let tokend = Tokend::start(Options::default()).await;
    tokend.connect_shared().await;
    for client in [&tokend.backend, &tokend.operator] {
        let elsewhere = client.in_workspace("elsewhere").unwrap();
        for integration_type in ["simshared", "no-such-type"] {
            let answer = get(&elsewhere, integration_type).await;
            refused(answer, Code::PermissionDenied, "CALLER_NOT_ALLOWED");
        }
        get(&client.in_workspace("default").unwrap(), "simshared")
            .await
            .unwrap();
    }
    let nowhere = get(
        &tokend.backend.in_workspace("Not A Name").unwrap(),
        "simshared",
    )
    .await;
    let status = refused(nowhere, Code::InvalidArgument, "INVALID_FIELD");
    assert_eq!(violations(&status), ["x-tokend-workspace"]);
    tokend.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_malformed_request_names_its_field() {
    let tokend = Tokend::start(Options::default()).await;
    for integration_type in ["", "NOT A NAME", &"x".repeat(64)] {
        let status = refused(
            get(&tokend.backend, integration_type).await,
            Code::InvalidArgument,
            "INVALID_FIELD",
        );
        assert_eq!(violations(&status), ["integration_type"]);
    }
    let label = Some("not a label".to_owned());
    let labelled = v1::GetConnectionRequest {
        label,
        ..Default::default()
    };
    let status = refused(
        tokend.get_with(labelled).await,
        Code::InvalidArgument,
        "INVALID_FIELD",
    );
    assert_eq!(violations(&status), ["label"]);

    let mut admin = tokend.operator.admin();
    let delete = v1::DeleteConnectionRequest {
        connection_id: "42".to_owned(),
        ..Default::default()
    };
    let answer = admin.delete_connection(delete).await;
    let status = refused(answer, Code::InvalidArgument, "INVALID_FIELD");
    assert_eq!(violations(&status), ["connection_id"]);
    let answer = admin
        .create_connector(v1::CreateConnectorRequest::default())
        .await;
    let status = refused(answer, Code::InvalidArgument, "INVALID_FIELD");
    assert_eq!(violations(&status), ["connector"]);
    tokend.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_added_elsewhere_is_noticed_without_a_restart() {
    let tokend = Tokend::start(Options::default()).await;
    tokend.connect_shared().await;
    let added = add_caller(&tokend.config, late()).await.unwrap();
    let late = client_with(&tokend, added.api_key.expose()).await;
    let vended = eventually("the key is known", async || {
        get(&late, "simshared").await.ok()
    });
    assert_eq!(vended.await.generation, 1);
    tokend.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_ends_when_it_was_said_to() {
    let tokend = Tokend::start(Options::default()).await;
    tokend.connect_shared().await;
    let brief = NewCaller {
        expires_in: Some(Duration::from_secs(3)),
        ..late()
    };
    let added = add_caller(&tokend.config, brief).await.unwrap();
    let brief = client_with(&tokend, added.api_key.expose()).await;
    eventually("the key is known", async || {
        get(&brief, "simshared").await.ok()
    })
    .await;
    let status = eventually("the key ends", async || {
        get(&brief, "simshared").await.err()
    })
    .await;
    refused::<()>(Err(status), Code::Unauthenticated, "CALLER_UNAUTHENTICATED");
    tokend.get().await.unwrap();
    tokend.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rotated_key_and_its_successor_both_work_until_the_overlap_is_over() {
    let tokend = Tokend::start(Options::default()).await;
    tokend.connect_shared().await;
    let rotate = async |overlap| {
        let rotation = Rotation {
            name: "calendar-backend".to_owned(),
            workspace: None,
            overlap: Duration::from_secs(overlap),
            expires_in: None,
        };
        let rotated = rotate_caller(&tokend.config, rotation).await.unwrap();
        (
            client_with(&tokend, rotated.added.api_key.expose()).await,
            rotated.ending.len(),
        )
    };
    let (second, ending) = rotate(3600).await;
    assert_eq!(ending, 1);
    eventually("the new key is known", async || {
        get(&second, "simshared").await.ok()
    })
    .await;
    tokend.get().await.unwrap();

    // Rotated again with a short overlap: both that there are end, and the newest goes on.
    let (third, ending) = rotate(4).await;
    assert_eq!(ending, 2);
    eventually("the newest key is known", async || {
        get(&third, "simshared").await.ok()
    })
    .await;
    for old in [&tokend.backend, &second] {
        let status = eventually("the old key ends", async || {
            get(old, "simshared").await.err()
        });
        refused::<()>(
            Err(status.await),
            Code::Unauthenticated,
            "CALLER_UNAUTHENTICATED",
        );
    }
    get(&third, "simshared").await.unwrap();
    tokend.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_removed_key_is_refused_by_every_replica_within_five_seconds() {
    let tokend = Tokend::start(Options::default()).await;
    tokend.connect_shared().await;
    let (replica, elsewhere) = tokend.replica().await;
    for client in [&tokend.backend, &elsewhere] {
        get(client, "simshared").await.unwrap();
    }
    let which = WhichKeys::Caller {
        name: "calendar-backend".to_owned(),
        workspace: None,
    };
    let removed = remove_caller(&tokend.config, which).await.unwrap();
    assert_eq!(removed.len(), 1);
    let since = Instant::now();
    for client in [&tokend.backend, &elsewhere] {
        eventually("the key is gone", async || {
            get(client, "simshared").await.err()
        })
        .await;
    }
    assert!(
        since.elapsed() < Duration::from_secs(5),
        "{:?}",
        since.elapsed()
    );
    replica.stop().await;

    let asked = v1::ListAuditEventsRequest {
        actions: vec![v1::AuditAction::CallerChange.into()],
        ..Default::default()
    };
    let trail = tokend.operator.admin().list_audit_events(asked).await;
    let newest = trail.unwrap().into_inner().events.swap_remove(0);
    let told = |name: &str| newest.details.get(name).map(String::as_str);
    assert_eq!(told("change"), Some("remove"));
    assert_eq!(told("caller"), Some("calendar-backend"));
    assert_eq!(told("key_id"), Some(removed[0].key_id.as_str()));
    tokend.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn when_a_key_was_last_used_is_known_once_the_server_has_stopped() {
    let tokend = Tokend::start(Options::default()).await;
    tokend.connect_shared().await;
    add_caller(&tokend.config, late()).await.unwrap();
    tokend.get().await.unwrap();
    let config = tokend.config.clone();
    let _files = tokend.stop().await;
    let keys = list_callers(&config).await.unwrap();
    let used: Vec<_> = keys
        .iter()
        .map(|key| (key.caller.as_str(), key.last_used_time.is_some()))
        .collect();
    assert_eq!(
        used,
        [("calendar-backend", true), ("late", false), ("ops", true)]
    );
    assert!(keys[0].last_used_time >= Some(keys[0].create_time.clone()));
}

/// A backend that is let in while the server runs.
fn late() -> NewCaller {
    NewCaller {
        name: "late".to_owned(),
        workspace: "default".to_owned(),
        operator: false,
        expires_in: None,
    }
}

async fn client_with(tokend: &Tokend, api_key: &str) -> Client {
    Client::builder(format!("http://{}", tokend.grpc()))
        .credentials(Credentials::api_key(api_key))
        .connect()
        .await
        .unwrap()
}

async fn get(client: &Client, integration_type: &str) -> Result<v1::VendedConnection, Status> {
    let integration_type = integration_type.to_owned();
    let get = v1::GetConnectionRequest {
        integration_type,
        ..Default::default()
    };
    Ok(client.connectors().get_connection(get).await?.into_inner())
}

/// Service and method of each RPC there is.
fn rpcs_of_the_contract() -> Vec<(String, String)> {
    let pool = DescriptorPool::decode(tokend_api::FILE_DESCRIPTOR_SET).unwrap();
    let methods = pool.services().flat_map(|service| {
        let name = service.full_name().to_owned();
        let methods: Vec<_> = service.methods().map(|rpc| rpc.name().to_owned()).collect();
        methods.into_iter().map(move |rpc| (name.clone(), rpc))
    });
    methods
        .filter(|(service, _)| service.starts_with("tokend."))
        .collect()
}

/// Calls an RPC with a message that says nothing.
async fn call_empty(
    tokend: &Tokend,
    authorization: Option<&str>,
    service: &str,
    rpc: &str,
) -> Result<(), Status> {
    let mut grpc = tonic::client::Grpc::new(channel(tokend));
    grpc.ready().await.unwrap();
    let path = format!("/{service}/{rpc}").parse().unwrap();
    let codec = ProstCodec::<(), ()>::default();
    let answer = grpc
        .unary(with_authorization((), authorization), path, codec)
        .await;
    answer.map(|_| ())
}

fn channel(tokend: &Tokend) -> Channel {
    Endpoint::from_shared(format!("http://{}", tokend.grpc()))
        .unwrap()
        .connect_lazy()
}

fn with_authorization<T>(message: T, authorization: Option<&str>) -> Request<T> {
    let mut request = Request::new(message);
    if let Some(authorization) = authorization {
        request
            .metadata_mut()
            .insert("authorization", authorization.parse().unwrap());
    }
    request
}

/// A get with the `authorization` metadata as it is.
async fn get_as(
    tokend: &Tokend,
    authorization: Option<&str>,
    integration_type: &str,
) -> Result<v1::VendedConnection, Status> {
    let mut connectors = ConnectorServiceClient::new(channel(tokend));
    let integration_type = integration_type.to_owned();
    let get = v1::GetConnectionRequest {
        integration_type,
        ..Default::default()
    };
    let answer = connectors
        .get_connection(with_authorization(get, authorization))
        .await?;
    Ok(answer.into_inner())
}
