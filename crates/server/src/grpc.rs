//! The gRPC listener: both services, health and reflection, and the limits that hold for all calls.

use std::time::Duration;

use tokend_api::{
    FILE_DESCRIPTOR_SET,
    v1::{
        admin_service_server::AdminServiceServer, connector_service_server::ConnectorServiceServer,
    },
};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use tonic::transport::{
    Identity as TlsIdentity, Server, ServerTlsConfig,
    server::{Router, TcpIncoming},
};
use tonic_health::{ServingStatus, server::HealthReporter};
use tower::layer::util::{Identity, Stack};

use crate::{
    StartError,
    config::{Config, Grpc},
    deadline::DeadlineLayer,
    service::{Admin, Connector},
    wire_up::Wired,
};

type Connectors = ConnectorServiceServer<Connector>;
type Admins = AdminServiceServer<Admin>;

/// Larger metadata than this is refused: two JWTs fit well.
const MAX_METADATA_BYTES: u32 = 48 * 1024;
const KEEPALIVE: Duration = Duration::from_secs(30);
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
pub(crate) struct ServeGrpc(Router<Stack<DeadlineLayer, Identity>>);

/// Puts the services together. Health says NOT_SERVING until told otherwise.
pub(crate) async fn prepare(
    config: &Config,
    wired: Wired,
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
    // A set of connectors, or a definition, may be larger than any call of a backend.
    let admins = Admins::new(Admin {
        vending,
        admission,
        clock,
    })
    .max_decoding_message_size(limit.max(4 << 20));

    let mut server = Server::builder()
        .layer(DeadlineLayer {
            longest: Duration::from_secs(config.grpc.request_timeout_seconds),
        })
        .max_concurrent_streams(config.grpc.max_concurrent_streams)
        .http2_max_header_list_size(MAX_METADATA_BYTES)
        .http2_keepalive_interval(Some(KEEPALIVE));
    if let Some(tls) = tls(&config.grpc)? {
        server = server
            .tls_config(tls)
            .map_err(|error| StartError::Tls(error.to_string()))?;
    }
    let reflection = config.grpc.reflection.then(|| {
        tonic_reflection::server::Builder::configure()
            .register_encoded_file_descriptor_set(FILE_DESCRIPTOR_SET)
            .register_encoded_file_descriptor_set(tonic_health::pb::FILE_DESCRIPTOR_SET)
            // So that grpcurl can read the details of errors.
            .register_encoded_file_descriptor_set(tonic_types::pb::FILE_DESCRIPTOR_SET)
            .build_v1()
    });
    let reflection = reflection
        .transpose()
        .map_err(|error| StartError::Tls(error.to_string()))?;
    let router = server
        .add_service(health_service)
        .add_service(connectors)
        .add_service(admins)
        .add_optional_service(reflection);
    Ok((health, ServeGrpc(router)))
}

impl ServeGrpc {
    /// Serves until `stop`, then finishes the calls in flight.
    pub(crate) async fn run(self, listener: TcpListener, stop: CancellationToken) {
        // Without no-delay small answers wait for acknowledgements: throughput falls to a tenth.
        let incoming = TcpIncoming::from(listener).with_nodelay(Some(true));
        let served = self
            .0
            .serve_with_incoming_shutdown(incoming, stop.cancelled_owned())
            .await;
        if let Err(error) = served {
            tracing::error!(%error, "the gRPC listener ended");
        }
    }
}

fn tls(config: &Grpc) -> Result<Option<ServerTlsConfig>, StartError> {
    if config.tls_certificate_file.as_os_str().is_empty() {
        return Ok(None);
    }
    let read = |file: &std::path::Path| {
        std::fs::read(file).map_err(|error| StartError::Tls(format!("{}: {error}", file.display())))
    };
    let identity = TlsIdentity::from_pem(
        read(&config.tls_certificate_file)?,
        read(&config.tls_private_key_file)?,
    );
    Ok(Some(ServerTlsConfig::new().identity(identity)))
}
