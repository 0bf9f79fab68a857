//! `ConnectorService`: what backends call.

use std::{future::Future, pin::Pin, sync::Arc};

use futures::{Stream, StreamExt, stream};
use tokend_access::Action;
use tokend_api::v1::{
    self, batch_get_connections_result::Result as BatchResult, connection_selector::Selector,
    connector_service_server::ConnectorService,
};
use tokend_model::AuditAction;
use tokend_vending::{Error, Vended, Vending};
use tonic::{Extensions, Request, Response, Status, metadata::MetadataMap};

use super::{
    asked::{Asked, Named},
    from_proto, to_proto,
};
use crate::{
    admission::{Admission, Admitted, Ask, Call},
    failure::Failure,
    status,
};

const LARGEST_BATCH: usize = 100;

/// Serves `tokend.v1.ConnectorService`.
#[derive(Clone)]
pub(crate) struct Connector {
    pub(crate) vending: Vending,
    pub(crate) admission: Arc<Admission>,
}

type Answer<T> = Result<Response<T>, Status>;

#[tonic::async_trait]
impl ConnectorService for Connector {
    async fn get_connection(
        &self,
        request: Request<v1::GetConnectionRequest>,
    ) -> Answer<v1::VendedConnection> {
        let vended = self.get_shared(&request).await;
        answer(
            || request.get_ref().asked(),
            vended.map(|vended| to_proto::vended(&vended)),
        )
    }

    async fn get_current_app_user_connection(
        &self,
        request: Request<v1::GetCurrentAppUserConnectionRequest>,
    ) -> Answer<v1::VendedConnection> {
        let vended = self.get_of_user(&request).await;
        answer(
            || request.get_ref().asked(),
            vended.map(|vended| to_proto::vended(&vended)),
        )
    }

    async fn batch_get_connections(
        &self,
        request: Request<v1::BatchGetConnectionsRequest>,
    ) -> Answer<v1::BatchGetConnectionsResponse> {
        let (metadata, extensions, batch) = request.into_parts();
        let call = self
            .identify_batch(&metadata, &extensions, &batch.selectors)
            .await;
        let call = call.map_err(|failure| status::of(&failure))?;
        if batch.selectors.is_empty() || batch.selectors.len() > LARGEST_BATCH {
            let why = format!(
                "must be 1 to {LARGEST_BATCH}, not {}",
                batch.selectors.len()
            );
            return Err(status::of(&Error::invalid("selectors", why).into()));
        }
        let results = stream::iter(batch.selectors)
            .map(|selector| self.batch_item(&call, selector))
            .buffered(16)
            .collect()
            .await;
        Ok(Response::new(v1::BatchGetConnectionsResponse { results }))
    }

    type WatchConnectionStream =
        Pin<Box<dyn Stream<Item = Result<v1::WatchConnectionResponse, Status>> + Send>>;

    async fn watch_connection(
        &self,
        request: Request<v1::WatchConnectionRequest>,
    ) -> Answer<Self::WatchConnectionStream> {
        let call = self
            .admission
            .identify(request.metadata(), request.extensions())
            .await;
        call.map_err(|failure| status::of(&failure))?;
        Err(status::unimplemented("WatchConnection"))
    }

    async fn connect_app_user(
        &self,
        request: Request<v1::ConnectAppUserRequest>,
    ) -> Answer<v1::ConnectAppUserResponse> {
        let ask = Ask {
            connector_id: &request.get_ref().connector_id,
            label: request.get_ref().label.as_deref().unwrap_or_default(),
            scopes: &request.get_ref().scopes,
            ..Ask::new(Action::Connect, AuditAction::AuthorizationStart)
        };
        let admitted = self.admit_user(&request, ask).await?;
        let (names, connector) = (request.get_ref().names(), self.clone());
        self.to_the_end(async move {
            let result = connector.connect(&admitted, request.into_inner()).await;
            connector.admission.acted(names, &admitted, result).await
        })
        .await
    }

    async fn complete_app_user_connection(
        &self,
        request: Request<v1::CompleteAppUserConnectionRequest>,
    ) -> Answer<v1::CompleteAppUserConnectionResponse> {
        let admitted = self.admit_completion(&request).await;
        let admitted =
            admitted.map_err(|failure| status::about(&failure, request.get_ref().asked()))?;
        let (names, connector) = (request.get_ref().names(), self.clone());
        self.to_the_end(async move {
            let result = connector.complete(&admitted, request.into_inner()).await;
            connector.admission.acted(names, &admitted, result).await
        })
        .await
    }

    async fn disconnect_app_user(
        &self,
        request: Request<v1::DisconnectAppUserRequest>,
    ) -> Answer<v1::DisconnectAppUserResponse> {
        let ask = Ask {
            connector_id: &request.get_ref().connector_id,
            label: request.get_ref().label.as_deref().unwrap_or_default(),
            ..Ask::new(Action::Disconnect, AuditAction::ConnectionDelete)
        };
        let admitted = self.admit_user(&request, ask).await?;
        let (names, connector) = (request.get_ref().names(), self.clone());
        self.to_the_end(async move {
            let result = connector.disconnect(&admitted, request.get_ref()).await;
            connector.admission.acted(names, &admitted, result).await
        })
        .await
    }

    async fn list_app_user_connections(
        &self,
        request: Request<v1::ListAppUserConnectionsRequest>,
    ) -> Answer<v1::ListAppUserConnectionsResponse> {
        let ask = Ask::new(Action::ReadMetadata, AuditAction::MetadataRead);
        let admitted = self.admit_user(&request, ask).await?;
        let result = self.list(&admitted, request.get_ref()).await;
        let names = request.get_ref().names();
        self.admission.acted(names, &admitted, result).await
    }

    async fn get_access_token(
        &self,
        request: Request<v1::GetAccessTokenRequest>,
    ) -> Answer<v1::GetAccessTokenResponse> {
        let asked = request.get_ref().asked();
        let (metadata, extensions, request) = request.into_parts();
        let get = v1::GetConnectionRequest {
            integration_type: request.integration_type,
            ..Default::default()
        };
        let get = Request::from_parts(metadata, extensions, get);
        let vended = self.get_shared(&get).await;
        answer(
            || asked,
            vended.map(|vended| v1::GetAccessTokenResponse {
                access_token: vended.access_token.expose().to_owned(),
            }),
        )
    }
}

impl Connector {
    async fn identify<T>(&self, request: &Request<T>) -> Result<Call, Failure> {
        self.admission
            .identify(request.metadata(), request.extensions())
            .await
    }

    async fn identify_user<T>(&self, request: &Request<T>) -> Result<Call, Failure> {
        let call = self.identify(request).await?;
        self.admission.identify_user(call, request.metadata()).await
    }

    /// Admits what an app user's caller wants other than a token.
    async fn admit_user<T: Asked>(
        &self,
        request: &Request<T>,
        ask: Ask<'_>,
    ) -> Result<Admitted, Status> {
        let admitted = async {
            let call = Arc::new(self.identify_user(request).await?);
            self.admit(&call, ask).await
        };
        admitted
            .await
            .map_err(|failure| status::about(&failure, request.get_ref().asked()))
    }

    /// The same for completing an attempt: what it is about, the attempt says.
    async fn admit_completion(
        &self,
        request: &Request<v1::CompleteAppUserConnectionRequest>,
    ) -> Result<Admitted, Failure> {
        let call = Arc::new(self.identify_user(request).await?);
        let attempt = &request.get_ref().authorization_id;
        let ask = Ask {
            connector_id: &self.admission.connector_of(&call, attempt).await?,
            ..Ask::new(Action::Connect, AuditAction::AuthorizationComplete)
        };
        self.admit(&call, ask).await
    }

    pub(super) async fn admit(&self, call: &Arc<Call>, ask: Ask<'_>) -> Result<Admitted, Failure> {
        let admitted = self.admission.admit(call, ask).await?;
        self.admission.audit.check()?;
        Ok(admitted)
    }

    /// Carries an act and its record to their end, whoever waits for them.
    async fn to_the_end<T: Send + 'static>(
        &self,
        act: impl Future<Output = Answer<T>> + Send + 'static,
    ) -> Answer<T> {
        let broken_off = |failure| status::of(&failure);
        self.admission.acts.carry_out(act, broken_off).await
    }

    async fn get_shared(
        &self,
        request: &Request<v1::GetConnectionRequest>,
    ) -> Result<Arc<Vended>, Failure> {
        let call = Arc::new(self.identify(request).await?);
        self.vend_shared(&call, request.get_ref()).await
    }

    async fn get_of_user(
        &self,
        request: &Request<v1::GetCurrentAppUserConnectionRequest>,
    ) -> Result<Arc<Vended>, Failure> {
        let call = Arc::new(self.identify_user(request).await?);
        self.vend_for_user(&call, request.get_ref()).await
    }

    async fn vend_shared(
        &self,
        call: &Arc<Call>,
        request: &v1::GetConnectionRequest,
    ) -> Result<Arc<Vended>, Failure> {
        let ask = Ask {
            integration_type: &request.integration_type,
            label: request.label.as_deref().unwrap_or_default(),
            scopes: &request.scopes,
            ..Ask::new(Action::Vend, AuditAction::Vend)
        };
        let admitted = self.admission.admit(call, ask).await?;
        let vended = async {
            let (target, options) = from_proto::shared_get(&call.workspace, request)?;
            self.admission
                .count(&admitted, &target, options.rejected_generation)?;
            Ok(self.vending.vend(&target, &options).await?)
        };
        self.hand_out(&admitted, vended.await).await
    }

    async fn vend_for_user(
        &self,
        call: &Arc<Call>,
        request: &v1::GetCurrentAppUserConnectionRequest,
    ) -> Result<Arc<Vended>, Failure> {
        let ask = Ask {
            connector_id: &request.connector_id,
            label: request.label.as_deref().unwrap_or_default(),
            scopes: &request.scopes,
            ..Ask::new(Action::VendForUser, AuditAction::Vend)
        };
        let admitted = self.admission.admit(call, ask).await?;
        let vended = async {
            let user = call.user()?;
            let (target, options) = from_proto::app_user_get(&call.workspace, &user, request)?;
            self.admission
                .count(&admitted, &target, options.rejected_generation)?;
            match self.vending.vend(&target, &options).await {
                Err(error) if !request.connect_return_url.is_empty() => {
                    Err(self.with_connect_link(call, error, target, request).await)
                }
                result => Ok(result?),
            }
        };
        self.hand_out(&admitted, vended.await).await
    }

    /// A token leaves only once it is on record who gets it.
    async fn hand_out(
        &self,
        admitted: &Admitted,
        vended: Result<Arc<Vended>, Failure>,
    ) -> Result<Arc<Vended>, Failure> {
        let audit = &self.admission.audit;
        match vended {
            Ok(vended) => {
                audit.vended(admitted, &vended).await?;
                Ok(vended)
            }
            Err(failure) => {
                audit.not_vended(admitted, &failure).await;
                Err(failure)
            }
        }
    }

    /// Finds out once who asks for a batch: for which user too, if one of its items is a user's.
    async fn identify_batch(
        &self,
        metadata: &MetadataMap,
        extensions: &Extensions,
        selectors: &[v1::ConnectionSelector],
    ) -> Result<Arc<Call>, Failure> {
        let for_user =
            |item: &v1::ConnectionSelector| matches!(item.selector, Some(Selector::AppUser(_)));
        let mut call = self.admission.identify(metadata, extensions).await?;
        if selectors.iter().any(for_user) {
            call = self.admission.identify_user(call, metadata).await?;
        }
        Ok(Arc::new(call))
    }

    async fn batch_item(
        &self,
        call: &Arc<Call>,
        item: v1::ConnectionSelector,
    ) -> v1::BatchGetConnectionsResult {
        let vended = match &item.selector {
            Some(Selector::Shared(request)) => self.vend_shared(call, request).await,
            Some(Selector::AppUser(request)) => self.vend_for_user(call, request).await,
            None => Err(Error::invalid("selectors", "each must be shared or app_user").into()),
        };
        let result = match vended {
            Ok(vended) => BatchResult::Connection(to_proto::vended(&vended)),
            Err(error) => BatchResult::Status(status::call_status(&error)),
        };
        v1::BatchGetConnectionsResult {
            result: Some(result),
        }
    }
}

/// The answer, or the error with what the request named.
pub(super) fn answer<T>(
    asked: impl FnOnce() -> Named,
    result: Result<T, impl Into<Failure>>,
) -> Answer<T> {
    result
        .map(Response::new)
        .map_err(|failure| status::about(&failure.into(), asked()))
}
