//! The tables as sea-orm sees them, one file each. Foreign keys live in the migrations alone.

pub(crate) mod api_key;
pub(crate) mod audit_anchor;
pub(crate) mod audit_head;
pub(crate) mod audit_record;
pub(crate) mod authorization;
pub(crate) mod bulk_revocation;
pub(crate) mod change;
pub(crate) mod client_pause;
pub(crate) mod connection;
pub(crate) mod connection_tag;
pub(crate) mod connection_usage;
pub(crate) mod connector;
pub(crate) mod credential;
pub(crate) mod deployment;
pub(crate) mod integration_override;
pub(crate) mod orphan;
pub(crate) mod refresh_claim;
pub(crate) mod suspension;
