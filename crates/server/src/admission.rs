//! The first step of every call: who calls, for which workspace and app user, and may they.

use tokend_access::{
    AccessError, Action, AppUserVerifier, Caller, CallerAuthentication, TokenRejection, authorize,
};
use tokend_api::{USER_TOKEN_METADATA, WORKSPACE_METADATA};
use tokend_model::{AppUserId, WorkspaceName};
use tokend_vending::Error;
use tonic::{Status, metadata::MetadataMap};

use crate::status;

/// Admits calls.
pub(crate) struct Admission {
    pub(crate) callers: CallerAuthentication,
    pub(crate) app_users: AppUserVerifier,
}

/// A call that may go on.
#[derive(Debug, Clone)]
pub(crate) struct Admitted {
    pub(crate) caller: Caller,
    pub(crate) workspace: WorkspaceName,
}

impl Admission {
    /// Admits a call of a backend or operator.
    pub(crate) async fn admit(
        &self,
        metadata: &MetadataMap,
        action: Action,
    ) -> Result<Admitted, Status> {
        let refuse = |error: AccessError| status::of_access(&error);
        let authorization = text(metadata, "authorization")?;
        let caller = self
            .callers
            .authenticate(authorization)
            .await
            .map_err(refuse)?;
        let workspace = match text(metadata, WORKSPACE_METADATA)? {
            None => caller.workspace.clone(),
            Some(name) => WorkspaceName::new(name).map_err(|invalid| {
                status::of(&Error::invalid(WORKSPACE_METADATA, invalid.to_string()))
            })?,
        };
        authorize(&caller, action, &workspace).map_err(|error| {
            tracing::info!(caller = %caller.name, %action, %workspace, "a call was refused");
            refuse(error)
        })?;
        Ok(Admitted { caller, workspace })
    }

    /// Admits a call on behalf of an app user: the caller must be allowed, and the user proven.
    pub(crate) async fn admit_for_user(
        &self,
        metadata: &MetadataMap,
        action: Action,
    ) -> Result<(Admitted, AppUserId), Status> {
        let admitted = self.admit(metadata, action).await?;
        let refuse = |error: AccessError| status::of_access(&error);
        let token = text(metadata, USER_TOKEN_METADATA)?
            .ok_or(AccessError::AppUserUnauthenticated(TokenRejection::Missing))
            .map_err(refuse)?;
        let verified = self
            .app_users
            .verify(&admitted.workspace, token)
            .await
            .map_err(refuse)?;
        Ok((admitted, verified.id))
    }
}

fn text<'a>(metadata: &'a MetadataMap, name: &'static str) -> Result<Option<&'a str>, Status> {
    metadata
        .get(name)
        .map(|value| value.to_str())
        .transpose()
        .map_err(|_| status::of(&Error::invalid(name, "must be visible ASCII")))
}
