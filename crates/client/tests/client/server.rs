//! A `ConnectorService` that answers by script and notes what it was asked with.

use std::{
    collections::{HashMap, VecDeque},
    net::SocketAddr,
    sync::{Arc, Mutex},
};

use tokend_api::v1::{
    connector_service_server::{ConnectorService, ConnectorServiceServer},
    *,
};
use tokend_client::{Client, ClientBuilder};
use tokio::net::TcpListener;
use tokio_stream::wrappers::TcpListenerStream;
use tonic::{Request, Response, Status, metadata::MetadataMap, transport::Server};

/// What to do with a call.
pub(crate) enum Turn {
    Fail(Status),
    /// Never answers.
    Hang,
}

#[derive(Default)]
struct Script {
    turns: Mutex<VecDeque<Turn>>,
    calls: Mutex<Vec<(MetadataMap, String)>>,
}

impl Script {
    async fn play<T: std::fmt::Debug>(&self, request: Request<T>) -> Result<(), Status> {
        let seen = (
            request.metadata().clone(),
            format!("{:?}", request.get_ref()),
        );
        self.calls.lock().unwrap().push(seen);
        let turn = self.turns.lock().unwrap().pop_front();
        match turn {
            Some(Turn::Fail(status)) => Err(status),
            Some(Turn::Hang) => std::future::pending().await,
            None => Ok(()),
        }
    }
}

/// A running server; every call beyond the script succeeds.
pub(crate) struct ScriptedServer {
    address: SocketAddr,
    script: Arc<Script>,
}

pub(crate) const ACCESS_TOKEN: &str = "the-vended-token";

impl ScriptedServer {
    pub(crate) async fn start(turns: impl IntoIterator<Item = Turn>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let script = Arc::new(Script {
            turns: Mutex::new(turns.into_iter().collect()),
            calls: Mutex::default(),
        });
        let service = ConnectorServiceServer::new(Scripted(Arc::clone(&script)));
        let incoming = TcpListenerStream::new(listener);
        tokio::spawn(
            Server::builder()
                .add_service(service)
                .serve_with_incoming(incoming),
        );
        Self { address, script }
    }

    pub(crate) fn builder(&self) -> ClientBuilder {
        Client::builder(format!("http://{}", self.address))
    }

    pub(crate) async fn client(&self) -> Client {
        self.builder().connect().await.unwrap()
    }

    pub(crate) fn calls(&self) -> usize {
        self.script.calls.lock().unwrap().len()
    }

    /// A value of the metadata of the last call.
    pub(crate) fn metadata(&self, name: &str) -> Option<String> {
        let calls = self.script.calls.lock().unwrap();
        let value = calls.last()?.0.get(name)?;
        Some(value.to_str().unwrap().to_owned())
    }

    /// The message of the last call, as its Debug.
    pub(crate) fn message(&self) -> String {
        self.script.calls.lock().unwrap().last().unwrap().1.clone()
    }
}

struct Scripted(Arc<Script>);

fn vended() -> VendedConnection {
    VendedConnection {
        access_token: ACCESS_TOKEN.to_owned(),
        connection_config: [("subdomain".to_owned(), "acme".to_owned())].into(),
        token_type: "Bearer".to_owned(),
        expire_time: Some(prost_types::Timestamp {
            seconds: 1_800_000_000,
            nanos: 0,
        }),
        scopes: vec!["calendar".to_owned()],
        connection_id: "conn_1".to_owned(),
        generation: 7,
        ..VendedConnection::default()
    }
}

type Answer<T> = Result<Response<T>, Status>;

#[tonic::async_trait]
impl ConnectorService for Scripted {
    type WatchConnectionStream = tokio_stream::Empty<Result<WatchConnectionResponse, Status>>;

    async fn get_connection(
        &self,
        request: Request<GetConnectionRequest>,
    ) -> Answer<VendedConnection> {
        self.0.play(request).await?;
        Ok(Response::new(vended()))
    }

    async fn get_current_app_user_connection(
        &self,
        request: Request<GetCurrentAppUserConnectionRequest>,
    ) -> Answer<VendedConnection> {
        self.0.play(request).await?;
        Ok(Response::new(vended()))
    }

    async fn batch_get_connections(
        &self,
        request: Request<BatchGetConnectionsRequest>,
    ) -> Answer<BatchGetConnectionsResponse> {
        self.0.play(request).await?;
        Ok(Response::new(Default::default()))
    }

    async fn watch_connection(
        &self,
        request: Request<WatchConnectionRequest>,
    ) -> Answer<Self::WatchConnectionStream> {
        self.0.play(request).await?;
        Ok(Response::new(tokio_stream::empty()))
    }

    async fn connect_app_user(
        &self,
        request: Request<ConnectAppUserRequest>,
    ) -> Answer<ConnectAppUserResponse> {
        self.0.play(request).await?;
        Ok(Response::new(ConnectAppUserResponse {
            authorization_id: "authz_1".to_owned(),
            ..ConnectAppUserResponse::default()
        }))
    }

    async fn complete_app_user_connection(
        &self,
        request: Request<CompleteAppUserConnectionRequest>,
    ) -> Answer<CompleteAppUserConnectionResponse> {
        self.0.play(request).await?;
        Ok(Response::new(Default::default()))
    }

    async fn disconnect_app_user(
        &self,
        request: Request<DisconnectAppUserRequest>,
    ) -> Answer<DisconnectAppUserResponse> {
        self.0.play(request).await?;
        Ok(Response::new(DisconnectAppUserResponse {
            disconnected: true,
            ..DisconnectAppUserResponse::default()
        }))
    }

    async fn list_app_user_connections(
        &self,
        request: Request<ListAppUserConnectionsRequest>,
    ) -> Answer<ListAppUserConnectionsResponse> {
        self.0.play(request).await?;
        Ok(Response::new(Default::default()))
    }

    async fn get_access_token(
        &self,
        request: Request<GetAccessTokenRequest>,
    ) -> Answer<GetAccessTokenResponse> {
        self.0.play(request).await?;
        Ok(Response::new(Default::default()))
    }
}

/// The metadata of an `ErrorInfo`.
pub(crate) fn info(name: &str, value: &str) -> HashMap<String, String> {
    HashMap::from([(name.to_owned(), value.to_owned())])
}
