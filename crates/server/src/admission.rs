//! The first step of every call: who calls, for which workspace and app user, and may they.

use std::{
    hash::{DefaultHasher, Hash, Hasher},
    net::SocketAddr,
    sync::Arc,
};

use tokend_access::{
    AccessError, AccessRequest, Action, AppUser, AppUserVerifier, Caller, CallerAuthentication,
    Decision, Policy, Presented, Quotas, Resource, Suspensions, TokenRejection,
};
use tokend_api::{USER_TOKEN_METADATA, WORKSPACE_METADATA};
use tokend_model::{
    AppUserId, AuditAction, AuthorizationId, ConnectorId, Generation, IntegrationTypeName,
    WorkspaceName, ports::Clock,
};
use tokend_vending::{Error, Target, Vending};
use tonic::{Extensions, metadata::MetadataMap};

use crate::{audit::Audit, failure::Failure, peer::Peer, service::Acts, wire::Unidentified};

/// Admits calls.
pub(crate) struct Admission {
    pub(crate) callers: CallerAuthentication,
    pub(crate) app_users: AppUserVerifier,
    pub(crate) policy: Arc<Policy>,
    pub(crate) suspensions: Arc<Suspensions>,
    pub(crate) quotas: Quotas,
    pub(crate) audit: Arc<Audit>,
    /// What callers have done, until it is on record.
    pub(crate) acts: Acts,
    pub(crate) vending: Vending,
    pub(crate) clock: Arc<dyn Clock>,
}

/// A call whose caller is known.
#[derive(Debug, Clone)]
pub(crate) struct Call {
    pub(crate) caller: Arc<Caller>,
    pub(crate) workspace: WorkspaceName,
    pub(crate) app_user: Option<AppUser>,
    pub(crate) peer: Option<SocketAddr>,
    /// Of the W3C trace context; empty if there is none.
    pub(crate) trace_id: String,
}

/// What a call is about to do, as its request says.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Ask<'a> {
    pub(crate) action: Action,
    pub(crate) audited: AuditAction,
    pub(crate) integration_type: &'a str,
    pub(crate) connector_id: &'a str,
    pub(crate) label: &'a str,
    pub(crate) scopes: &'a [String],
}

/// A call that may go on.
#[derive(Debug, Clone)]
pub(crate) struct Admitted {
    pub(crate) call: Arc<Call>,
    pub(crate) audited: AuditAction,
    pub(crate) decision: Arc<Decision>,
    /// The integration type's canonical name; empty if the request names none, or an unknown connector.
    pub(crate) integration_type: String,
    pub(crate) connector_id: String,
}

impl Ask<'_> {
    /// Something that is not about one integration type or connector.
    pub(crate) fn new(action: Action, audited: AuditAction) -> Self {
        Self {
            action,
            audited,
            integration_type: "",
            connector_id: "",
            label: "",
            scopes: &[],
        }
    }
}

impl Admitted {
    /// Where it goes on.
    pub(crate) fn workspace(&self) -> &WorkspaceName {
        &self.call.workspace
    }
}

impl Call {
    /// The app user's id, of a call that [`Admission::identify_user`] has gone through.
    pub(crate) fn user(&self) -> Result<AppUserId, Failure> {
        let user = self.app_user.as_ref();
        let user = user.ok_or(AccessError::AppUserUnauthenticated(TokenRejection::Missing))?;
        Ok(user.id.clone())
    }
}

impl Admission {
    /// Finds out who calls, and for which workspace.
    pub(crate) async fn identify(
        &self,
        metadata: &MetadataMap,
        extensions: &Extensions,
    ) -> Result<Call, Failure> {
        let peer = extensions.get::<Peer>();
        let presented = Presented {
            authorization: text(metadata, "authorization")?,
            certificate: peer.and_then(|peer| peer.caller.as_ref()),
        };
        let trace_id = trace_id(metadata).to_owned();
        let address = peer.map(|peer| peer.address);
        let caller = self.callers.authenticate(presented, self.clock.now()).await;
        let caller = match caller {
            Ok(caller) => caller,
            Err(error) => {
                self.audit.unauthenticated(&error, address, &trace_id).await;
                return Err(error.into());
            }
        };
        if let Some(place) = extensions.get::<Unidentified>() {
            place.is_known();
        }
        let workspace = match text(metadata, WORKSPACE_METADATA)? {
            None => caller.workspace.clone(),
            Some(name) => WorkspaceName::new(name)
                .map_err(|invalid| Error::invalid(WORKSPACE_METADATA, invalid.to_string()))?,
        };
        Ok(Call {
            caller,
            workspace,
            app_user: None,
            peer: address,
            trace_id,
        })
    }

    /// Finds out which app user a call is for as well. For a caller that is kept out in any case nobody's token is
    /// looked at: [`Admission::admit`], which comes next, refuses its call.
    pub(crate) async fn identify_user(
        &self,
        mut call: Call,
        metadata: &MetadataMap,
    ) -> Result<Call, Failure> {
        if self.is_kept_out(&call) {
            return Ok(call);
        }
        let verified = match text(metadata, USER_TOKEN_METADATA)? {
            Some(token) => {
                let caller = &call.caller.name;
                self.app_users.verify(&call.workspace, caller, token).await
            }
            None => Err(TokenRejection::Missing.into()),
        };
        match verified {
            Ok(user) => {
                call.app_user = Some(user);
                Ok(call)
            }
            Err(error) => {
                self.audit.user_unauthenticated(&call, &error).await;
                Err(error.into())
            }
        }
    }

    /// Lets a call go on, if nothing that it is about is stopped, the policy permits it, and its quota is not used up.
    /// Whether what it names exists is not asked before that is settled.
    pub(crate) async fn admit(&self, call: &Arc<Call>, ask: Ask<'_>) -> Result<Admitted, Failure> {
        let integration_type = self.integration_type(call, &ask).await?;
        let mut admitted = Admitted {
            call: call.clone(),
            audited: ask.audited,
            decision: Arc::default(),
            integration_type,
            connector_id: ask.connector_id.to_owned(),
        };
        let mut judged = self.judge(&mut admitted, &ask);
        // Who names a connector as well does not make it one of another type by saying so.
        if judged.is_ok() && !ask.integration_type.is_empty() {
            let stored = self.type_of_connector(call, ask.connector_id).await?;
            if !stored.is_empty() && stored != admitted.integration_type {
                admitted.integration_type = stored;
                judged = self.judge(&mut admitted, &ask);
            }
        }
        match judged {
            Ok(()) => Ok(admitted),
            Err(error) => {
                self.audit.refused(&admitted, &ask, &error).await;
                Err(error.into())
            }
        }
    }

    /// Lets a caller ask about itself unless it is stopped; no policy is asked. Who asks from beyond the wall between
    /// workspaces is told that there is one.
    pub(crate) async fn admit_about_itself(
        &self,
        call: &Arc<Call>,
        ask: Ask<'_>,
    ) -> Result<Admitted, Failure> {
        let admitted = Admitted {
            call: call.clone(),
            audited: ask.audited,
            decision: Arc::default(),
            integration_type: String::new(),
            connector_id: String::new(),
        };
        let stopped = self
            .suspensions
            .find(&call.caller, &call.workspace, "", ask.action);
        match stopped.map(AccessError::Suspended) {
            None => Ok(admitted),
            Some(error) => {
                self.audit.refused(&admitted, &ask, &error).await;
                Err(error.into())
            }
        }
    }

    fn judge(&self, admitted: &mut Admitted, ask: &Ask<'_>) -> Result<(), AccessError> {
        let call = admitted.call.clone();
        let named = admitted.integration_type.as_str();
        self.barrier(&call, ask, named)?;
        let decision = self.policy.decide(&question(&call, ask, named));
        let allowed = decision.allowed;
        admitted.decision = decision;
        if !allowed {
            return Err(not_allowed(&call, ask));
        }
        if ask.action.is_vend() {
            self.quotas.take_vend(&call.caller, &call.workspace)?;
        }
        Ok(())
    }

    /// What keeps a call out whatever the policies say: the wall between workspaces, and what operators have stopped.
    pub(crate) fn barrier(
        &self,
        call: &Call,
        ask: &Ask<'_>,
        integration_type: &str,
    ) -> Result<(), AccessError> {
        if !call.caller.may_use(&call.workspace) {
            return Err(not_allowed(call, ask));
        }
        let stopped =
            self.suspensions
                .find(&call.caller, &call.workspace, integration_type, ask.action);
        stopped.map_or(Ok(()), |stopped| Err(AccessError::Suspended(stopped)))
    }

    /// Whether a caller has no business in the workspace, or is stopped, whatever it asks for.
    fn is_kept_out(&self, call: &Call) -> bool {
        // Disconnecting is refused to stopped callers alone.
        let stopped = self
            .suspensions
            .find(&call.caller, &call.workspace, "", Action::Disconnect);
        !call.caller.may_use(&call.workspace) || stopped.is_some()
    }

    /// The connector of an attempt to connect; empty if there is no such attempt, or the caller may not ask.
    pub(crate) async fn connector_of(
        &self,
        call: &Call,
        authorization_id: &str,
    ) -> Result<String, Failure> {
        let Ok(id) = AuthorizationId::new(authorization_id) else {
            return Ok(String::new());
        };
        if self.is_kept_out(call) {
            return Ok(String::new());
        }
        match self.vending.authorization(&call.workspace, &id).await {
            Ok(authorization) => Ok(authorization.connector_id.to_string()),
            Err(Error::AuthorizationNotFound) => Ok(String::new()),
            Err(error) => Err(error.into()),
        }
    }

    /// Counts the connection that a token is asked of, and the generation of it that is said to be rejected.
    pub(crate) fn count(
        &self,
        admitted: &Admitted,
        target: &Target,
        rejected: Option<Generation>,
    ) -> Result<(), Failure> {
        let mut hasher = DefaultHasher::new();
        target.hash(&mut hasher);
        let Call {
            caller, workspace, ..
        } = &*admitted.call;
        let connection = hasher.finish();
        self.quotas.take_connection(caller, workspace, connection)?;
        if let Some(Generation(generation)) = rejected {
            self.quotas
                .take_rejection(caller, workspace, connection, generation)?;
        }
        Ok(())
    }

    /// The integration type that a request is about: the one it names, or that of the connector it names.
    pub(crate) async fn integration_type(
        &self,
        call: &Call,
        ask: &Ask<'_>,
    ) -> Result<String, Failure> {
        if !ask.integration_type.is_empty() {
            return Ok(match IntegrationTypeName::new(ask.integration_type) {
                Ok(name) => self
                    .vending
                    .canonical_name(&call.workspace, &name)
                    .to_string(),
                // No policy names it; what is wrong with it is said to those who may know.
                Err(_) => ask.integration_type.to_owned(),
            });
        }
        self.type_of_connector(call, ask.connector_id).await
    }

    /// A connector's integration type; empty if there is no such connector, or the caller may not ask.
    async fn type_of_connector(&self, call: &Call, id: &str) -> Result<String, Failure> {
        let Ok(id) = ConnectorId::new(id) else {
            return Ok(String::new());
        };
        if !call.caller.may_use(&call.workspace) {
            return Ok(String::new());
        }
        let found = self
            .vending
            .integration_type_of(&call.workspace, &id)
            .await?;
        Ok(found.map(|name| name.to_string()).unwrap_or_default())
    }
}

/// What the policies are asked about a call.
pub(crate) fn question<'a>(
    call: &'a Call,
    ask: &Ask<'a>,
    integration_type: &'a str,
) -> AccessRequest<'a> {
    let owner = call.app_user.as_ref().map(|user| &user.id);
    AccessRequest {
        caller: &call.caller,
        action: ask.action,
        workspace: &call.workspace,
        resource: Resource {
            integration_type,
            connector_id: ask.connector_id,
            owner: owner.filter(|_| ask.action != Action::Vend),
            label: ask.label,
        },
        scopes: ask.scopes,
        app_user: call.app_user.as_ref(),
    }
}

fn not_allowed(call: &Call, ask: &Ask<'_>) -> AccessError {
    AccessError::NotAllowed {
        caller: call.caller.name.clone(),
        action: ask.action,
        workspace: call.workspace.clone(),
    }
}

/// A metadata's value, which must be ASCII.
pub(crate) fn text<'a>(
    metadata: &'a MetadataMap,
    name: &'static str,
) -> Result<Option<&'a str>, Error> {
    metadata
        .get(name)
        .map(|value| value.to_str())
        .transpose()
        .map_err(|_| Error::invalid(name, "must be visible ASCII"))
}

/// The trace id of `traceparent` (W3C Trace Context section 3.2.2); empty if there is none.
pub(crate) fn trace_id(metadata: &MetadataMap) -> &str {
    let parent = metadata.get("traceparent").and_then(|it| it.to_str().ok());
    parent
        .and_then(|parent| parent.split('-').nth(1))
        .filter(|id| id.len() == 32 && id.bytes().all(|byte| byte.is_ascii_hexdigit()))
        .unwrap_or_default()
}
