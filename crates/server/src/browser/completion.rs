//! Completing an attempt on our own page, and what goes on record of it.

use std::{net::SocketAddr, sync::Arc};

use axum::response::Response;
use tokend_model::{AuthorizationId, Connection, Secret};
use tokend_vending::{CallbackOutcome, Error};

use super::{Pages, page};
use crate::{audit::OnPage, failure::Failure};

/// What a browser posts, and from where.
pub(super) struct Confirmed {
    pub(super) context: String,
    pub(super) id: AuthorizationId,
    pub(super) completion_token: Secret,
    pub(super) browser_binding: Secret,
    pub(super) accept_account_change: bool,
    pub(super) peer: SocketAddr,
}

impl Pages {
    /// Completes an attempt and puts on record what came of it, whether or not the browser waits for that.
    pub(super) async fn complete(
        self: &Arc<Self>,
        confirmed: Confirmed,
    ) -> Result<Connection, Failure> {
        let pages = self.clone();
        let act = async move { pages.complete_on_record(&confirmed).await };
        self.acts.carry_out(act, |failure| failure).await
    }

    async fn complete_on_record(&self, confirmed: &Confirmed) -> Result<Connection, Failure> {
        self.audit.check()?;
        let mut on_page = nowhere(confirmed.peer);
        let completed = self.complete_unless_stopped(confirmed, &mut on_page).await;
        match &completed {
            Ok(connection) => self.audit.connected(&on_page, connection).await?,
            Err(failure) => self.audit.not_connected(&on_page, failure).await,
        }
        completed
    }

    async fn complete_unless_stopped(
        &self,
        confirmed: &Confirmed,
        on_page: &mut OnPage,
    ) -> Result<Connection, Failure> {
        let Confirmed { context, id, .. } = confirmed;
        let authorization = self.vending.authorization_under(context, id).await?;
        let authorization = on_page.authorization.insert(authorization);
        let integration_type = self.type_of(authorization).await?;
        on_page.integration_type = integration_type.to_string();
        self.check_suspensions(&authorization.workspace, &integration_type)?;
        let connected = self.vending.complete_in_browser(
            context,
            id,
            &confirmed.completion_token,
            &confirmed.browser_binding,
            confirmed.accept_account_change,
        );
        Ok(connected.await?)
    }

    /// A form that is not from our page, or not from the browser that it was shown in.
    pub(super) async fn mismatch(&self, peer: SocketAddr) -> Response {
        let mismatch = Error::CompletionMismatch;
        let failure = mismatch.clone().into();
        self.audit.not_connected(&nowhere(peer), &failure).await;
        page::error(&mismatch)
    }

    /// Puts on record how an attempt ended with the provider's answer; one that goes on is not at its end.
    pub(super) async fn record_callback(
        &self,
        peer: SocketAddr,
        received: &Result<CallbackOutcome, Error>,
    ) {
        let mut on_page = nowhere(peer);
        let error = match received {
            Ok(CallbackOutcome::Denied(authorization)) => {
                let integration_type = self.type_of(authorization).await;
                on_page.integration_type =
                    integration_type.map_or_else(|_| String::new(), |name| name.to_string());
                on_page.authorization = Some((**authorization).clone());
                Error::AuthorizationDenied
            }
            Ok(_) => return,
            Err(Error::AuthorizationNotFound | Error::InvalidField { .. }) => return,
            Err(error) => error.clone(),
        };
        self.audit.not_connected(&on_page, &error.into()).await;
    }
}

fn nowhere(peer: SocketAddr) -> OnPage {
    OnPage {
        peer,
        authorization: None,
        integration_type: String::new(),
    }
}
