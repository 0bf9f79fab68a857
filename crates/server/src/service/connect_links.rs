//! Links to connect an account, which the gets put into their error where consent is missing.

use std::{convert::identity, sync::Arc};

use tokend_access::Action;
use tokend_api::v1;
use tokend_model::AuditAction;
use tokend_vending::{ConnectLink, Error, StartAuthorization, Target};

use super::connector_service::Connector;
use crate::{
    admission::{Admitted, Ask, Call},
    failure::Failure,
};

impl Connector {
    /// Where consent is missing, opens an attempt and puts its URL into the error, if the caller may connect accounts.
    pub(super) async fn with_connect_link(
        &self,
        call: &Arc<Call>,
        error: Error,
        target: Target,
        request: &v1::GetCurrentAppUserConnectionRequest,
    ) -> Failure {
        if !matches!(
            error,
            Error::NotConnected { .. } | Error::ReauthorizationRequired { .. }
        ) {
            return error.into();
        }
        let ask = Ask {
            connector_id: &request.connector_id,
            label: request.label.as_deref().unwrap_or_default(),
            scopes: &request.scopes,
            ..Ask::new(Action::Connect, AuditAction::AuthorizationStart)
        };
        let admitted = match self.admit(call, ask).await {
            Ok(admitted) => admitted,
            Err(Failure::AuditUnavailable) => return Failure::AuditUnavailable,
            Err(_) => return error.into(),
        };
        let start = StartAuthorization {
            workspace: target.workspace,
            connector: target.connector,
            owner: target.owner,
            label: target.label,
            scopes: request.scopes.clone(),
            connection_config: Default::default(),
            tags: Default::default(),
            return_url: Some(request.connect_return_url.clone()),
            reconnect: true,
            device: false,
            subject_token: None,
            by_operator: false,
        };
        let connector = self.clone();
        let linked = async move { connector.connect_link(&admitted, &start).await };
        let linked = self.admission.acts.carry_out(linked, identity).await;
        match (linked, error) {
            (Ok(connect), Error::NotConnected { .. }) => Error::NotConnected { connect }.into(),
            (Ok(connect), _) => Error::ReauthorizationRequired { connect }.into(),
            // The link needs values that only the app can ask its user for.
            (Err(Failure::UseCase(Error::InvalidConnectionConfig(_))), error) => error.into(),
            (Err(failure), _) => failure,
        }
    }

    /// The link, once its attempt is on record; none where no consent is needed.
    async fn connect_link(
        &self,
        admitted: &Admitted,
        start: &StartAuthorization,
    ) -> Result<Option<ConnectLink>, Failure> {
        let linked = self.vending.connect_link(start).await;
        let linked = linked.map_err(Failure::from);
        let named = match &linked {
            Ok(None) => return Ok(None),
            Ok(Some(link)) => vec![("authorizationId", link.authorization_id.clone())],
            Err(_) => Vec::new(),
        };
        let audit = &self.admission.audit;
        audit.done(admitted, &named, linked.as_ref().err()).await?;
        linked
    }
}
