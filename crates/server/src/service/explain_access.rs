//! Why a caller may do something, or may not: the question that a call of its would raise, asked without the call.

use std::sync::Arc;

use tokend_access::{AccessError, Action, AppUser, Caller, Decision, Effect, Suspended};
use tokend_api::v1;
use tokend_model::{AppUserId, AuditAction};
use tokend_vending::Error;
use tonic::Request;

use super::{admin::Admin, from_proto};
use crate::{
    admission::{Admitted, Ask, Call, question},
    failure::Failure,
};

impl Admin {
    /// Lets everybody who is not stopped ask about itself, and about others whoever the policies permit it.
    pub(super) async fn admit_explanation(
        &self,
        request: &Request<v1::ExplainAccessRequest>,
    ) -> Result<Admitted, Failure> {
        let admission = &self.admission;
        let call = admission.identify(request.metadata(), request.extensions());
        let call = Arc::new(call.await?);
        let ask = Ask::new(Action::ExplainAccess, AuditAction::AccessExplain);
        let admitted = if is_about_itself(&call, request.get_ref()) {
            admission.admit_about_itself(&call, ask).await?
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
        let answer = answer(&asked, action, &request, decision.allowed);
        let mut explanation = format!("{answer}: {}.", reason(barrier.err(), &decision));
        if let Some(unknown) = self.unknown(call, &request, &integration_type) {
            explanation.push_str(&format!(" Note: {unknown}."));
        }
        Ok(v1::ExplainAccessResponse {
            allowed: decision.allowed,
            explanation,
            rules: rules(&decision),
        })
    }

    /// What the request names that is not there: for those alone who may see what is.
    fn unknown(
        &self,
        call: &Call,
        request: &v1::ExplainAccessRequest,
        integration_type: &str,
    ) -> Option<String> {
        let ask = Ask::new(Action::ReadConfiguration, AuditAction::AccessExplain);
        let admission = &self.admission;
        admission.barrier(call, &ask, "").ok()?;
        if !admission.policy.decide(&question(call, &ask, "")).allowed {
            return None;
        }
        let id = &request.connector_id;
        if !id.is_empty() {
            let unknown = integration_type.is_empty();
            return unknown.then(|| format!("there is no connector '{id}' here"));
        }
        if request.integration_type.is_empty() {
            return None;
        }
        let known = from_proto::integration_type(&request.integration_type)
            .and_then(|name| self.vending.integration_type(&call.workspace, &name));
        known.err().map(|error| error.to_string())
    }

    fn caller(
        &self,
        call: &Call,
        request: &v1::ExplainAccessRequest,
    ) -> Result<Arc<Caller>, Failure> {
        if is_about_itself(call, request) {
            return Ok(call.caller.clone());
        }
        // Who may not use the workspace is nobody there, and nothing is told of it.
        let named = self.admission.callers.named(&request.caller);
        let named = named.filter(|caller| caller.may_use(&call.workspace));
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

/// Such as `billing may vend (integration type stripe) in workspace default`.
fn answer(
    asked: &Call,
    action: Action,
    request: &v1::ExplainAccessRequest,
    allowed: bool,
) -> String {
    let may = if allowed { "may" } else { "may not" };
    let named = [
        ("integration type", &request.integration_type),
        ("connector", &request.connector_id),
        ("app user", &request.app_user_id),
    ];
    let named = named.into_iter().filter(|(_, name)| !name.is_empty());
    let named: Vec<_> = named.map(|(what, name)| format!("{what} {name}")).collect();
    let about = match named.is_empty() {
        true => String::new(),
        false => format!(" ({})", named.join(", ")),
    };
    let (caller, workspace) = (&asked.caller.name, &asked.workspace);
    format!("{caller} {may} {action}{about} in workspace {workspace}")
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
