//! All that policies see of a question. A decision rests on nothing else, so that it can be remembered by it.

use tokend_model::ports::CallerRole;

use super::{AccessRequest, looked_at::LookedAt};
use crate::{Action, Caller, CallerKind};

/// Decisions on longer questions are not remembered: whoever asks with a thousand scopes pays for it alone.
const LONGEST_KEY: usize = 2048;

/// What policies see. What does not apply is empty, or is not looked at by any of them.
#[derive(Debug, Clone, Copy)]
pub(super) struct Facts<'a> {
    pub(super) caller: CallerFacts<'a>,
    pub(super) action: Action,
    pub(super) workspace: &'a str,
    pub(super) integration_type: &'a str,
    pub(super) connector_id: &'a str,
    pub(super) owner: &'static str,
    pub(super) label: &'a str,
    pub(super) scopes: &'a [String],
    /// Id and issuer.
    pub(super) app_user: Option<(&'a str, &'a str)>,
}

/// What policies see of the caller.
#[derive(Debug, Clone, Copy)]
pub(super) struct CallerFacts<'a> {
    pub(super) name: &'a str,
    pub(super) kind: &'static str,
    pub(super) role: &'static str,
    pub(super) workspace: &'a str,
    pub(super) issuer: &'a str,
    pub(super) namespace: &'a str,
    pub(super) service_account: &'a str,
    pub(super) trust_domain: &'a str,
}

impl<'a> Facts<'a> {
    /// What is looked at of the question.
    pub(super) fn of(request: &AccessRequest<'a>, looked_at: LookedAt) -> Self {
        let resource = &request.resource;
        let app_user = request.app_user.filter(|_| looked_at.app_user);
        Self {
            caller: CallerFacts::of(request.caller),
            action: request.action,
            workspace: request.workspace.as_str(),
            integration_type: resource.integration_type,
            connector_id: resource.connector_id,
            owner: match resource.owner {
                Some(_) => "app_user",
                None => "shared",
            },
            label: if looked_at.label { resource.label } else { "" },
            scopes: if looked_at.scopes {
                request.scopes
            } else {
                &[]
            },
            app_user: app_user.map(|user| (user.id.as_str(), user.issuer.as_str())),
        }
    }

    /// Whether the workspace asked about is the caller's own.
    pub(super) fn own_workspace(&self) -> bool {
        self.workspace == self.caller.workspace
    }

    /// All of it in bytes, each text after its length: two questions are one if and only if these are the same. None if
    /// that would be too much to remember.
    pub(super) fn key(&self) -> Option<Vec<u8>> {
        let (user, user_issuer) = self.app_user.unwrap_or_default();
        let caller = &self.caller;
        let texts = [
            caller.name,
            caller.kind,
            caller.role,
            caller.workspace,
            caller.issuer,
            caller.namespace,
            caller.service_account,
            caller.trust_domain,
            self.workspace,
            self.integration_type,
            self.connector_id,
            self.owner,
            self.label,
            user,
            user_issuer,
        ];
        let scopes = self.scopes.iter().map(String::as_str);
        let length: usize = texts.into_iter().chain(scopes.clone()).map(str::len).sum();
        let length = length + (texts.len() + self.scopes.len()) * size_of::<u16>() + 2;
        if length > LONGEST_KEY {
            return None;
        }
        let mut key = Vec::with_capacity(length);
        key.push(self.action as u8);
        key.push(u8::from(self.app_user.is_some()));
        for text in texts.into_iter().chain(scopes) {
            // At most LONGEST_KEY.
            key.extend_from_slice(&(text.len() as u16).to_le_bytes());
            key.extend_from_slice(text.as_bytes());
        }
        Some(key)
    }
}

impl<'a> CallerFacts<'a> {
    fn of(caller: &'a Caller) -> Self {
        let mut facts = Self {
            name: &caller.name,
            kind: caller.kind.name(),
            role: match caller.role {
                Some(CallerRole::Backend) => "backend",
                Some(CallerRole::Operator) => "operator",
                None => "",
            },
            workspace: caller.workspace.as_str(),
            issuer: "",
            namespace: "",
            service_account: "",
            trust_domain: "",
        };
        match &caller.kind {
            CallerKind::ApiKey { .. } | CallerKind::Loopback => {}
            CallerKind::Jwt { issuer } => facts.issuer = issuer,
            CallerKind::Kubernetes {
                issuer,
                namespace,
                service_account,
                ..
            } => {
                facts.issuer = issuer;
                facts.namespace = namespace;
                facts.service_account = service_account;
            }
            CallerKind::Spiffe { trust_domain } => facts.trust_domain = trust_domain,
        }
        facts
    }
}
