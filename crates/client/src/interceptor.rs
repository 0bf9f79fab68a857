//! Adds to every call who is calling and in which workspace.

use tokend_api::{USER_TOKEN_METADATA, WORKSPACE_METADATA};
use tonic::{
    Request, Status,
    metadata::{Ascii, MetadataValue},
    service::{Interceptor, interceptor::InterceptedService},
    transport::Channel,
};

use crate::{Credentials, Error};

/// The channel that the raw stubs run on: it knows the caller.
pub type Authenticated = InterceptedService<Channel, CallMetadata>;

/// The metadata that goes with every call.
#[derive(Debug, Clone, Default)]
pub struct CallMetadata {
    pub(crate) credentials: Option<Credentials>,
    pub(crate) workspace: Option<MetadataValue<Ascii>>,
}

impl Interceptor for CallMetadata {
    fn call(&mut self, mut request: Request<()>) -> Result<Request<()>, Status> {
        let metadata = request.metadata_mut();
        if let Some(credentials) = &self.credentials {
            let authorization = credentials
                .authorization()
                .map_err(|error| Status::unauthenticated(error.to_string()))?;
            metadata.insert("authorization", authorization);
        }
        if let Some(workspace) = &self.workspace {
            metadata.insert(WORKSPACE_METADATA, workspace.clone());
        }
        Ok(request)
    }
}

/// Adds the app user's token to one call.
pub(crate) fn set_user_token<T>(request: &mut Request<T>, token: &MetadataValue<Ascii>) {
    request
        .metadata_mut()
        .insert(USER_TOKEN_METADATA, token.clone());
}

/// Reads a value for metadata; the error names what it was for, not the value.
pub(crate) fn metadata_value(what: &str, text: &str) -> Result<MetadataValue<Ascii>, Error> {
    let mut value = MetadataValue::try_from(text).map_err(|_| {
        Error::new(
            tonic::Code::InvalidArgument,
            format!("the {what} has characters that cannot be sent"),
        )
    })?;
    // Neither in Debug nor in the connection's header table.
    value.set_sensitive(true);
    Ok(value)
}
