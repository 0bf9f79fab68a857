//! Authorizations, for operators and control planes.

use std::time::Duration;

use tokend_access::Action;
use tokend_api::v1::{self, batch_start_authorizations_result::Result as BatchResult};
use tokend_model::{AuditAction, AuthorizationId, Owner, Secret, WorkspaceName};
use tokend_vending::{
    CompleteAuthorization, ConnectorRef, Error, StartAuthorization, StartedAuthorization, Starter,
};

use super::{admin::Admin, asked::Asked, from_proto, to_proto};
use crate::{
    admission::{Admitted, Ask},
    status,
};

const LONGEST_WAIT: Duration = Duration::from_secs(60);
const POLL: Duration = Duration::from_millis(200);

impl Admin {
    pub(super) async fn start_authorization_in(
        &self,
        workspace: &WorkspaceName,
        request: v1::StartAuthorizationRequest,
    ) -> Result<v1::StartAuthorizationResponse, Error> {
        let connector = match (
            request.integration_type.as_str(),
            request.connector_id.as_str(),
        ) {
            ("", "") => {
                return Err(Error::invalid(
                    "integration_type",
                    "or connector_id is needed",
                ));
            }
            (name, "") => ConnectorRef::Shared(from_proto::integration_type(name)?),
            ("", id) => ConnectorRef::AppUser(from_proto::connector_id(id)?),
            _ => {
                return Err(Error::invalid(
                    "integration_type",
                    "and connector_id exclude each other",
                ));
            }
        };
        let owner = match (&connector, request.app_user_id.as_str()) {
            (ConnectorRef::Shared(_), "") => Owner::Shared,
            (ConnectorRef::Shared(_), _) => {
                return Err(Error::invalid("app_user_id", "goes with connector_id"));
            }
            (ConnectorRef::AppUser(_), id) => Owner::AppUser(from_proto::app_user_id(id)?),
        };
        let start = StartAuthorization {
            workspace: workspace.clone(),
            connector,
            owner,
            label: from_proto::label(request.label.as_deref())?,
            scopes: request.scopes,
            connection_config: request.connection_config.into_iter().collect(),
            tags: request.tags.into_iter().collect(),
            return_url: request.return_url.filter(|url| !url.is_empty()),
            reconnect: true,
            device: request.device,
            subject_token: (!request.subject_token.is_empty())
                .then(|| Secret::new(request.subject_token)),
            by_operator: true,
        };
        match self.vending.start_authorization(&start).await? {
            StartedAuthorization::Open {
                authorization,
                redirect_url,
                completion_token,
            } => Ok(v1::StartAuthorizationResponse {
                redirect_url: redirect_url.expose().to_owned(),
                authorization_id: authorization.id.to_string(),
                completion_token: completion_token
                    .map(|token| token.expose().to_owned())
                    .unwrap_or_default(),
                expire_time: Some(to_proto::timestamp(authorization.expire_time)),
                ..Default::default()
            }),
            StartedAuthorization::Device {
                authorization,
                completion_token,
                device,
            } => Ok(v1::StartAuthorizationResponse {
                authorization_id: authorization.id.to_string(),
                completion_token: completion_token.expose().to_owned(),
                expire_time: Some(to_proto::timestamp(authorization.expire_time)),
                device: Some(v1::DeviceAuthorization {
                    user_code: device.user_code,
                    verification_uri: device.verification_uri,
                    verification_uri_complete: device.verification_uri_complete.unwrap_or_default(),
                    poll_interval: device.poll_interval.try_into().ok(),
                }),
                ..Default::default()
            }),
            StartedAuthorization::Connected(connection) => Ok(v1::StartAuthorizationResponse {
                connection: Some(self.shown_connection(&connection).await?),
                ..Default::default()
            }),
            StartedAuthorization::AlreadyConnected(_) => Err(Error::Internal),
        }
    }

    /// Each is admitted and on record for itself: what one may not start does not keep the others from being started.
    pub(super) async fn batch_start_authorizations_in(
        &self,
        admitted: &Admitted,
        request: v1::BatchStartAuthorizationsRequest,
    ) -> Result<v1::BatchStartAuthorizationsResponse, Error> {
        if request.requests.is_empty() || request.requests.len() > 100 {
            return Err(Error::invalid("requests", "must be 1 to 100"));
        }
        let mut results = Vec::new();
        for item in request.requests {
            let names = item.names();
            let ask = Ask {
                integration_type: &item.integration_type,
                connector_id: &item.connector_id,
                ..Ask::new(
                    Action::ManageAuthorizations,
                    AuditAction::AuthorizationStart,
                )
            };
            let started = match self.admission.admit(&admitted.call, ask).await {
                Ok(admitted) => {
                    let workspace = admitted.workspace();
                    let result = self.start_authorization_in(workspace, item).await;
                    self.admission.recorded(&names, &admitted, result).await
                }
                Err(failure) => Err(failure),
            };
            let result = match started {
                Ok(started) => BatchResult::Authorization(started),
                Err(failure) => BatchResult::Status(status::call_status(&failure)),
            };
            results.push(v1::BatchStartAuthorizationsResult {
                result: Some(result),
            });
        }
        Ok(v1::BatchStartAuthorizationsResponse { results })
    }

    pub(super) async fn complete_authorization_in(
        &self,
        workspace: &WorkspaceName,
        request: v1::CompleteAuthorizationRequest,
    ) -> Result<v1::CompleteAuthorizationResponse, Error> {
        let id = from_proto::authorization_id(&request.authorization_id)?;
        let complete = CompleteAuthorization {
            workspace: workspace.clone(),
            id,
            completion_token: from_proto::secret("completion_token", request.completion_token)?,
            starter: Starter::Operator,
            accept_account_change: request.accept_account_change,
        };
        let connection = self.vending.complete_authorization(&complete).await?;
        let connection = Some(self.shown_connection(&connection).await?);
        Ok(v1::CompleteAuthorizationResponse { connection })
    }

    /// Answers at once, or as soon as the state leaves the one it has now.
    pub(super) async fn get_authorization_in(
        &self,
        workspace: &WorkspaceName,
        request: v1::GetAuthorizationRequest,
    ) -> Result<v1::GetAuthorizationResponse, Error> {
        let id = from_proto::authorization_id(&request.authorization_id)?;
        let wait = from_proto::duration("wait_time", request.wait_time)?.unwrap_or_default();
        let first = self.authorization(workspace, &id).await?;
        let deadline = tokio::time::Instant::now() + wait.min(LONGEST_WAIT);
        let mut present = first.clone();
        while present.state == first.state && tokio::time::Instant::now() < deadline {
            tokio::time::sleep(POLL).await;
            present = self.authorization(workspace, &id).await?;
        }
        Ok(v1::GetAuthorizationResponse {
            authorization: Some(present),
        })
    }

    async fn authorization(
        &self,
        workspace: &WorkspaceName,
        id: &AuthorizationId,
    ) -> Result<v1::Authorization, Error> {
        let authorization = self.vending.authorization(workspace, id).await?;
        let connector = self
            .vending
            .get_connector(workspace, &authorization.connector_id)
            .await?;
        let integration_type = connector.integration_type.to_string();
        Ok(to_proto::authorization(
            &authorization,
            integration_type,
            self.clock.now(),
        ))
    }
}
