//! Kill switches: stopping callers, integration types and the workspace, and setting them going again.

use tokend_access::AccessError;
use tokend_api::v1;
use tokend_model::{
    WorkspaceName,
    ports::{NewSuspension, Suspendable, Suspension},
};
use tokend_vending::Error;

use super::{admin::Admin, asked::Named, from_proto, to_proto};
use crate::{admission::Admitted, failure::Failure};

/// The longest name of a caller, and the longest comment, in bytes.
const LONGEST_NAME: usize = 1024;
const LONGEST_COMMENT: usize = 1000;

impl Admin {
    pub(super) async fn suspend_in(
        &self,
        admitted: &Admitted,
        request: v1::SuspendRequest,
    ) -> Result<v1::SuspendResponse, Failure> {
        let workspace = admitted.workspace();
        let subject = self.subject(workspace, request.kind(), &request.subject)?;
        if let Suspendable::IntegrationType(name) = &subject {
            self.vending.integration_type(workspace, name)?;
        }
        let caller = &admitted.call.caller.name;
        if matches!(&subject, Suspendable::Caller(name) if name == caller) {
            let why = "is yourself: nobody would be left to set you going again";
            return Err(Error::invalid("subject", why).into());
        }
        if request.comment.len() > LONGEST_COMMENT {
            return Err(Error::invalid("comment", "must be at most 1000 bytes").into());
        }
        let new = NewSuspension {
            workspace: workspace.clone(),
            subject,
            comment: request.comment,
            suspended_by: caller.clone(),
        };
        let suspensions = &self.admission.suspensions;
        let suspension = suspensions.suspend(&new).await.map_err(Error::from)?;
        Ok(v1::SuspendResponse {
            subject_unknown: self.is_unknown(workspace, &new.subject),
            suspension: Some(shown(suspension)),
        })
    }

    pub(super) async fn resume_in(
        &self,
        workspace: &WorkspaceName,
        request: v1::ResumeRequest,
    ) -> Result<v1::ResumeResponse, Failure> {
        let subject = self.subject(workspace, request.kind(), &request.subject)?;
        let suspensions = &self.admission.suspensions;
        let resumed = suspensions.resume(workspace, &subject).await;
        let stopped = resumed.map_err(Error::from)?;
        let suspension = stopped.ok_or(AccessError::NotSuspended)?;
        let suspension = Some(shown(suspension));
        Ok(v1::ResumeResponse { suspension })
    }

    pub(super) async fn list_suspensions_in(
        &self,
        workspace: &WorkspaceName,
    ) -> Result<v1::ListSuspensionsResponse, Error> {
        let suspensions = self.admission.suspensions.list(workspace).await?;
        let suspensions = suspensions.into_iter().map(shown).collect();
        Ok(v1::ListSuspensionsResponse { suspensions })
    }

    /// Whether it is the name of no caller that the workspace would let ask.
    fn is_unknown(&self, workspace: &WorkspaceName, subject: &Suspendable) -> bool {
        let Suspendable::Caller(name) = subject else {
            return false;
        };
        let known = self.admission.callers.named(name);
        !known.is_some_and(|caller| caller.may_use(workspace))
    }

    /// What a request names; an integration type by its canonical name, whether or not it is known.
    fn subject(
        &self,
        workspace: &WorkspaceName,
        kind: v1::SuspensionKind,
        subject: &str,
    ) -> Result<Suspendable, Error> {
        match kind {
            v1::SuspensionKind::Unspecified => Err(Error::invalid("kind", "is missing")),
            v1::SuspensionKind::Caller => {
                let length = subject.len();
                if !(1..=LONGEST_NAME).contains(&length) || subject.chars().any(char::is_control) {
                    let why = "must be a caller's name: 1 to 1024 bytes without control characters";
                    return Err(Error::invalid("subject", why));
                }
                Ok(Suspendable::Caller(subject.to_owned()))
            }
            v1::SuspensionKind::IntegrationType => {
                let name = from_proto::integration_type(subject)
                    .map_err(|_| Error::invalid("subject", "must be an integration type"))?;
                let canonical = self.vending.canonical_name(workspace, &name);
                Ok(Suspendable::IntegrationType(canonical))
            }
            v1::SuspensionKind::Workspace if subject.is_empty() => Ok(Suspendable::Workspace),
            v1::SuspensionKind::Workspace => {
                let why = "must be empty for the workspace, which is the one the call is for";
                Err(Error::invalid("subject", why))
            }
        }
    }
}

/// What a request names, for errors and the audit trail.
pub(super) fn named(kind: v1::SuspensionKind, subject: &str) -> Named {
    let kind = kind.as_str_name().trim_start_matches("SUSPENSION_KIND_");
    let pairs = [("kind", kind), ("subject", subject)];
    let given = pairs.into_iter().filter(|(_, value)| !value.is_empty());
    given.map(|(key, value)| (key, value.to_owned())).collect()
}

/// What is done about it, for the audit trail alone.
pub(super) fn change(change: &str, comment: &str) -> Named {
    let pairs = [("change", change), ("comment", comment)];
    let given = pairs.into_iter().filter(|(_, value)| !value.is_empty());
    given.map(|(key, value)| (key, value.to_owned())).collect()
}

fn shown(suspension: Suspension) -> v1::Suspension {
    let (kind, subject) = match suspension.subject {
        Suspendable::Caller(name) => (v1::SuspensionKind::Caller, name),
        Suspendable::IntegrationType(name) => {
            (v1::SuspensionKind::IntegrationType, name.to_string())
        }
        Suspendable::Workspace => (v1::SuspensionKind::Workspace, String::new()),
    };
    v1::Suspension {
        kind: kind.into(),
        subject,
        comment: suspension.comment,
        suspended_by: suspension.suspended_by,
        create_time: Some(to_proto::timestamp(suspension.create_time)),
    }
}
