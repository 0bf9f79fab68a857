//! What the fuzz targets of `tests/fuzz` need of the inside; nothing else uses it.

use std::sync::Arc;

use axum::extract::Query;
use http::Uri;
use tokend_api::{USER_TOKEN_METADATA, WORKSPACE_METADATA};
use tokend_keyring::Keyring;
use tokend_model::WorkspaceName;
use tonic::metadata::{AsciiMetadataValue, MetadataMap};

use crate::{
    admission::{text, trace_id},
    audit::Sealer,
    browser::CallbackQuery,
};

/// What a call's metadata says, as far as it can be read.
#[derive(Debug, Default)]
pub struct Said {
    /// `authorization`.
    pub authorization: Option<String>,
    /// `x-tokend-user-token`.
    pub user_token: Option<String>,
    /// `x-tokend-workspace`.
    pub workspace: Option<WorkspaceName>,
    /// The trace's id in `traceparent`.
    pub trace_id: String,
}

/// Reads a call's metadata: `authorization`, `x-tokend-user-token`, `x-tokend-workspace` and `traceparent`.
pub fn read_metadata(values: [Option<&[u8]>; 4]) -> Said {
    let names = [
        "authorization",
        USER_TOKEN_METADATA,
        WORKSPACE_METADATA,
        "traceparent",
    ];
    let mut metadata = MetadataMap::new();
    for (name, value) in names.into_iter().zip(values) {
        if let Some(Ok(value)) = value.map(AsciiMetadataValue::try_from) {
            metadata.insert(name, value);
        }
    }
    let read = |name| text(&metadata, name).ok().flatten();
    Said {
        authorization: read("authorization").map(str::to_owned),
        user_token: read(USER_TOKEN_METADATA).map(str::to_owned),
        workspace: read(WORKSPACE_METADATA).and_then(|name| WorkspaceName::new(name).ok()),
        trace_id: trace_id(&metadata).to_owned(),
    }
}

/// Reads what a provider sends back to the redirect URI; answers state, code and error.
pub fn read_callback(query: &str) -> Option<[Option<String>; 3]> {
    let uri = Uri::builder().path_and_query(format!("/oauth/callback/c?{query}"));
    let uri = uri.build().ok()?;
    let Query(pairs) = Query::<Vec<(String, String)>>::try_from_uri(&uri).ok()?;
    let query = CallbackQuery::read(pairs)?;
    Some([query.state, query.code, query.error])
}

/// Reads a line of the audit trail; answers whether it is a record made with a key of the ring.
pub fn read_audit_line(keyring: Arc<Keyring>, line: &[u8]) -> bool {
    Sealer::new(keyring).is_some_and(|sealer| sealer.open(line).is_ok())
}
