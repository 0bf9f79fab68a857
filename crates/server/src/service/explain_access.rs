//! Why a caller may do something, or may not: the question that a call of its would raise, asked without the call.

use std::sync::Arc;

use tokend_access::{AccessError, Action, AppUser, Caller, Decision, Effect, Suspended};
use tokend_api::v1;
use tokend_model::{AppUserId, AuditAction};
use tokend_vending::Error;
use tonic::Request;

use super::admin::Admin;
use crate::{
    admission::{Admitted, Ask, Call, question},
    failure::Failure,
};

impl Admin {
    /// Lets everybody ask about itself, and about others whoever the policies permit it.
    pub(super) async fn admit_explanation(
        &self,
        request: &Request<v1::ExplainAccessRequest>,
    ) -> Result<Admitted, Failure> {
        let admission = &self.admission;
        let call = admission.identify(request.metadata(), request.extensions());
        let call = Arc::new(call.await?);
        let ask = Ask::new(Action::ExplainAccess, AuditAction::AccessExplain);
        let admitted = if is_about_itself(&call, request.get_ref()) {
            Admitted {
                call,
                audited: ask.audited,
                decision: Arc::default(),
                integration_type: String::new(),
                connector_id: String::new(),
            }
        } else {
            admission.admit(&call, ask).await?
        };
        admission.audit.check()?;
        Ok(admitted)
    }

    /// Nothing is done, counted or used up.
    pub(super) async fn explain_access_to(
        &self,
        call: &Call,
        request: v1::ExplainAccessRequest,
    ) -> Result<v1::ExplainAccessResponse, Failure> {
        if !request.integration_type.is_empty() && !request.connector_id.is_empty() {
            let why = "cannot be asked about together with integration_type";
            return Err(Error::invalid("connector_id", why).into());
        }
        let action = action(&request)?;
        let asked = Call {
            caller: self.caller(call, &request)?,
            app_user: self.app_user(&request)?,
            peer: None,
            trace_id: String::new(),
            ..call.clone()
        };
        let mut ask = Ask {
            integration_type: &request.integration_type,
            connector_id: &request.connector_id,
            label: &request.label,
            scopes: &request.scopes,
            ..Ask::new(action, AuditAction::AccessExplain)
        };
        let admission = &self.admission;
        let integration_type = admission.integration_type(&asked, &ask).await?;
        if action == Action::Vend {
            // Shared connections are asked for by their integration type.
            ask.connector_id = "";
        }
        let barrier = admission.barrier(&asked, &ask, &integration_type);
        let decision = match &barrier {
            Ok(()) => admission
                .policy
                .decide(&question(&asked, &ask, &integration_type)),
            Err(_) => Arc::default(),
        };
        Ok(v1::ExplainAccessResponse {
            allowed: decision.allowed,
            explanation: format!(
                "{} {}: {}.",
                subject(&asked, action, &request),
                if decision.allowed {
                    "is allowed"
                } else {
                    "is not allowed"
                },
                reason(barrier.err(), &decision)
            ),
            rules: rules(&decision),
        })
    }

    fn caller(
        &self,
        call: &Call,
        request: &v1::ExplainAccessRequest,
    ) -> Result<Arc<Caller>, Failure> {
        if is_about_itself(call, request) {
            return Ok(call.caller.clone());
        }
        let named = self.admission.callers.named(&request.caller);
        Ok(named.ok_or_else(|| {
            let why = "is the name of no caller here: neither of an API key nor one that a configured issuer or trust \
                       domain could vouch for";
            Error::invalid("caller", why)
        })?)
    }

    /// Who would vouch for the user is not known: policies see no issuer.
    fn app_user(&self, request: &v1::ExplainAccessRequest) -> Result<Option<AppUser>, Failure> {
        if request.app_user_id.is_empty() {
            return Ok(None);
        }
        let id = AppUserId::new(request.app_user_id.as_str());
        Ok(Some(AppUser {
            id: id.map_err(|invalid| Error::invalid("app_user_id", invalid.to_string()))?,
            issuer: String::new(),
            expire_time: self.clock.now(),
        }))
    }
}

fn is_about_itself(call: &Call, request: &v1::ExplainAccessRequest) -> bool {
    request.caller.is_empty() || request.caller == call.caller.name
}

/// What policies call that which the request asks about.
fn action(request: &v1::ExplainAccessRequest) -> Result<Action, Failure> {
    use v1::AuditAction as Audited;
    if !request.policy_action.is_empty() {
        let action = request.policy_action.parse::<Action>();
        return Ok(action.map_err(|unknown| Error::invalid("policy_action", unknown.to_string()))?);
    }
    let for_user = !request.app_user_id.is_empty();
    let either = |if_for_user, otherwise| if for_user { if_for_user } else { otherwise };
    Ok(match request.action() {
        // Shared connections go by their integration type, app users' by their connector.
        Audited::Unspecified | Audited::Vend if request.connector_id.is_empty() => Action::Vend,
        Audited::Unspecified | Audited::Vend => Action::VendForUser,
        Audited::AuthorizationStart | Audited::AuthorizationComplete => {
            either(Action::Connect, Action::ManageAuthorizations)
        }
        Audited::ConnectionDelete => either(Action::Disconnect, Action::ManageConnections),
        Audited::Refresh | Audited::ConnectionRevoke | Audited::ConnectionUpdate => {
            Action::ManageConnections
        }
        Audited::ConnectionImport | Audited::StaticCredentialSet => Action::ManageAuthorizations,
        Audited::ConnectorCreate | Audited::ConnectorUpdate | Audited::ConnectorDelete => {
            Action::ManageConnectors
        }
        Audited::UserDataExport | Audited::UserErase => Action::ManageUsers,
        Audited::KeysRotate => Action::RotateKeys,
        Audited::MetadataRead => Action::ReadMetadata,
        Audited::Suspension | Audited::BulkRevocation => Action::Suspend,
        Audited::AuditRead => Action::ReadAudit,
        Audited::AccessExplain => Action::ExplainAccess,
        _ => {
            let why = "is nothing that a call asks for; policy_action names what policies know";
            return Err(Error::invalid("action", why).into());
        }
    })
}

/// Such as `billing's vend of integration type stripe in workspace default`.
fn subject(asked: &Call, action: Action, request: &v1::ExplainAccessRequest) -> String {
    let mut subject = format!("{}'s {action}", asked.caller.name);
    for (what, name) in [
        ("of integration type", &request.integration_type),
        ("of connector", &request.connector_id),
        ("for app user", &request.app_user_id),
    ] {
        if !name.is_empty() {
            subject.push_str(&format!(" {what} {name}"));
        }
    }
    format!("{subject} in workspace {}", asked.workspace)
}

fn reason(barrier: Option<AccessError>, decision: &Decision) -> String {
    match barrier {
        Some(AccessError::Suspended(stopped)) => stopped_by(stopped),
        Some(_) => "the workspace is not among those that this caller may ask about".to_owned(),
        None => match decision.policies.first() {
            Some(policy) if policy.effect == Effect::Permit => {
                format!("policy {} permits it", policy.id)
            }
            Some(policy) => format!("policy {} forbids it", policy.id),
            None => "no policy permits it".to_owned(),
        },
    }
}

fn stopped_by(stopped: Suspended) -> String {
    format!("{stopped}, whatever the policies say")
}

fn rules(decision: &Decision) -> Vec<v1::AccessRule> {
    let rules = decision.policies.iter().map(|policy| v1::AccessRule {
        rule_id: policy.id.clone(),
        effect: match policy.effect {
            Effect::Permit => v1::AccessEffect::Allow,
            Effect::Forbid => v1::AccessEffect::Deny,
        }
        .into(),
        description: policy.description.clone(),
        location: policy.location.clone(),
    });
    rules.collect()
}
