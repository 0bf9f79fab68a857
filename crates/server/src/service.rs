//! The gRPC services: handlers that admit, convert and call a use case.

mod admin;
mod asked;
mod authorizations;
mod connections;
mod connector_service;
mod connectors;
mod from_proto;
mod housekeeping;
mod integration_types;
mod page;
mod static_credentials;
mod statistics;
mod to_proto;
mod user_data;

pub(crate) use admin::Admin;
pub(crate) use connector_service::Connector;
