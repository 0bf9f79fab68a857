//! The gRPC services: handlers that admit, convert and call a use case.

mod acts;
mod admin;
mod app_users;
mod applied_sets;
mod asked;
mod audit_events;
mod authorizations;
mod bulk_revocations;
mod connect_links;
mod connections;
mod connector_service;
mod connectors;
mod explain_access;
mod from_proto;
mod housekeeping;
mod integration_types;
mod made;
mod page;
mod static_credentials;
mod statistics;
mod suspensions;
mod to_proto;
mod user_data;

pub(crate) use acts::Acts;
pub(crate) use admin::Admin;
pub(crate) use connector_service::Connector;
