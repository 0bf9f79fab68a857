//! The gRPC listener: both services, health and reflection, and the limits that hold for all calls.

use std::{sync::Arc, time::Duration};

use tokend_api::{
    FILE_DESCRIPTOR_SET,
    v1::{
        admin_service_server::AdminServiceServer, connector_service_server::ConnectorServiceServer,
    },
};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use tonic::transport::server::Router;
use tonic_health::{ServingStatus, server::HealthReporter};
use tower::layer::util::{Identity, Stack};

use crate::{
    StartError,
    config::Config,
    deadline::DeadlineLayer,
    service::{Admin, Connector},
    wire::{Incoming, SheddingLayer, Tls, admin_message, bounded, shares},
    wire_up::Wired,
};

type Connectors = ConnectorServiceServer<Connector>;
type Admins = AdminServiceServer<Admin>;

/// What `grpc.health.v1` is asked about: the server as a whole, and each service.
const SERVICES: [&str; 3] = ["", "tokend.v1.ConnectorService", "tokend.v1.AdminService"];

/// What `grpc.health.v1` answers, for the server as a whole and for each service.
pub(crate) struct Health(HealthReporter);

impl Health {
    pub(crate) async fn set_serving(&self, serving: bool) {
        let status = match serving {
            true => ServingStatus::Serving,
            false => ServingStatus::NotServing,
        };
        for service in SERVICES {
            self.0.set_service_status(service, status).await;
        }
    }

    /// Ends the streams of those who watch, after they have heard the last status: a stream that nobody ends would
    /// keep the listener from ever being done.
    pub(crate) async fn end_watches(mut self) {
        for service in SERVICES {
            self.0.clear_service_status(service).await;
        }
    }
}

/// A listener's worth of services, ready to run.
pub(crate) struct ServeGrpc {
    router: Router<Stack<DeadlineLayer, Stack<SheddingLayer, Identity>>>,
    incoming: Incoming,
}

/// Puts the services together. Health says NOT_SERVING until told otherwise.
pub(crate) async fn prepare(
    config: &Config,
    wired: Wired,
    tls: Option<Arc<Tls>>,
) -> Result<(Health, ServeGrpc), StartError> {
    let (reporter, health_service) = tonic_health::server::health_reporter();
    let health = Health(reporter);
    health.set_serving(false).await;

    let Wired {
        vending,
        admission,
        clock,
        ..
    } = wired;
    let limit = config.grpc.max_request_bytes;
    let connectors = Connector {
        vending: vending.clone(),
        admission: admission.clone(),
    };
    let connectors = Connectors::new(connectors).max_decoding_message_size(limit);
    let admins = Admins::new(Admin {
        vending,
        admission,
        clock,
    })
    .max_decoding_message_size(admin_message(&config.grpc));

    let shares = Arc::new(shares(&config.grpc));
    let mut server = bounded(&config.grpc)
        .layer(SheddingLayer::new(
            shares.clone(),
            config.grpc.max_metadata_bytes,
        ))
        .layer(DeadlineLayer {
            longest: Duration::from_secs(config.grpc.request_timeout_seconds),
        });
    let reflection = config.grpc.reflection.then(|| {
        tonic_reflection::server::Builder::configure()
            .register_encoded_file_descriptor_set(FILE_DESCRIPTOR_SET)
            .register_encoded_file_descriptor_set(tonic_health::pb::FILE_DESCRIPTOR_SET)
            // So that grpcurl can read the details of errors.
            .register_encoded_file_descriptor_set(tonic_types::pb::FILE_DESCRIPTOR_SET)
            .build_v1()
    });
    let reflection = reflection.transpose()?;
    let router = server
        .add_service(health_service)
        .add_service(connectors)
        .add_service(admins)
        .add_optional_service(reflection);
    let incoming = Incoming::new(&config.grpc, tls, shares);
    Ok((health, ServeGrpc { router, incoming }))
}

impl ServeGrpc {
    /// Serves until `stop`, then finishes the calls in flight.
    pub(crate) async fn run(self, listener: TcpListener, stop: CancellationToken) {
        let (connections, accept) = self.incoming.accept(listener, stop.clone());
        let serve = self
            .router
            .serve_with_incoming_shutdown(connections, stop.cancelled_owned());
        let (served, ()) = tokio::join!(serve, accept);
        if let Err(error) = served {
            tracing::error!(%error, "the gRPC listener ended");
        }
    }
}
