//! How this server tells its callers.

use std::{net::SocketAddr, sync::Arc};

use tokend_model::{Timestamp, WorkspaceName, ports::CallerRole};

use crate::{
    AccessError, ApiKeyAuthenticator, Caller, CallerKind, CallerRejection, SpiffeCallers,
    TokenCallers, caller::OtherWorkspaces,
};

/// The ways in which this server tells its callers; several at once.
#[derive(Default)]
pub struct CallerAuthentication {
    /// Whoever is on this machine is the operator; for the demonstration only.
    pub loopback: Option<LoopbackCaller>,
    /// By API key.
    pub api_keys: Option<Arc<ApiKeyAuthenticator>>,
    /// By JWT.
    pub tokens: Option<Arc<TokenCallers>>,
    /// By the connection's certificate: looked at when the connection is made, here they are only named.
    pub spiffe: Option<Arc<SpiffeCallers>>,
}

/// What a call brings to prove who makes it.
#[derive(Debug, Clone, Copy, Default)]
pub struct Presented<'a> {
    /// The call's `authorization` metadata. Where it is there, it is what counts.
    pub authorization: Option<&'a str>,
    /// Whom the connection's client certificate proves.
    pub certificate: Option<&'a Arc<Caller>>,
}

/// The caller that everybody on this machine is taken for.
#[derive(Debug, Clone)]
pub struct LoopbackCaller(Arc<Caller>);

/// The address can be reached from other machines, so callers must be told apart.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("callers must authenticate: {0} can be reached from other machines")]
pub struct NotLoopback(
    /// The address listened on.
    pub SocketAddr,
);

impl LoopbackCaller {
    /// Allows unauthenticated calls as an operator of the workspace, if `listen` cannot be reached from elsewhere.
    pub fn new(
        listen: SocketAddr,
        name: impl Into<String>,
        workspace: WorkspaceName,
    ) -> Result<Self, NotLoopback> {
        if !listen.ip().to_canonical().is_loopback() {
            return Err(NotLoopback(listen));
        }
        Ok(Self(Arc::new(Caller {
            name: name.into(),
            workspace,
            other_workspaces: OtherWorkspaces::None,
            role: Some(CallerRole::Operator),
            kind: CallerKind::Loopback,
            expire_time: None,
        })))
    }
}

impl CallerAuthentication {
    /// The caller, or [`AccessError::CallerUnauthenticated`]. What is presented and not accepted is not made up for
    /// by something else that would be.
    pub async fn authenticate(
        &self,
        presented: Presented<'_>,
        now: Timestamp,
    ) -> Result<Arc<Caller>, AccessError> {
        if let Some(LoopbackCaller(caller)) = &self.loopback {
            return Ok(caller.clone());
        }
        let Some(authorization) = presented.authorization else {
            let caller = presented.certificate.ok_or(CallerRejection::Missing)?;
            return match caller.expire_time {
                Some(expire_time) if expire_time <= now => {
                    Err(CallerRejection::CertificateExpired.into())
                }
                _ => Ok(caller.clone()),
            };
        };
        let credentials = bearer(authorization).ok_or(CallerRejection::Malformed)?;
        // No part of an API key holds a dot, and a JWT holds two.
        if credentials.contains('.') {
            let tokens = self.tokens.as_ref().ok_or(CallerRejection::TokenRefused)?;
            return Ok(tokens.authenticate(credentials).await?);
        }
        let api_keys = self.api_keys.as_ref().ok_or(CallerRejection::Malformed)?;
        Ok(api_keys.authenticate(credentials).await?)
    }

    /// The caller that somebody of this name would be, however they prove it; nobody, if none of the ways makes such
    /// a name.
    pub fn named(&self, name: &str) -> Option<Arc<Caller>> {
        if let Some(LoopbackCaller(caller)) = &self.loopback {
            return (caller.name == name).then(|| caller.clone());
        }
        let api_key = self.api_keys.as_ref().and_then(|keys| keys.named(name));
        let token = || self.tokens.as_ref().and_then(|it| it.named(name));
        let spiffe = || self.spiffe.as_ref().and_then(|it| it.named(name));
        api_key.or_else(token).or_else(|| spiffe().map(Arc::new))
    }
}

/// The credentials of the scheme `Bearer` (RFC 6750 section 2.1), whose name has no case (RFC 9110 section 11.1).
fn bearer(authorization: &str) -> Option<&str> {
    let (scheme, credentials) = authorization.trim().split_once(' ')?;
    scheme
        .eq_ignore_ascii_case("bearer")
        .then(|| credentials.trim_start())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_loopback_may_be_open() {
        let open = |listen: &str| {
            let workspace = WorkspaceName::default_workspace();
            LoopbackCaller::new(listen.parse().unwrap(), "demo", workspace)
        };
        for listen in [
            "127.0.0.1:50051",
            "127.9.9.9:1",
            "[::1]:50051",
            "[::ffff:127.0.0.1]:1",
        ] {
            assert!(open(listen).is_ok(), "{listen}");
        }
        for listen in [
            "0.0.0.0:50051",
            "[::]:50051",
            "10.0.0.1:1",
            "[::ffff:10.0.0.1]:1",
        ] {
            assert!(open(listen).is_err(), "{listen}");
        }
    }

    #[test]
    fn bearer_is_read_as_http_says() {
        assert_eq!(bearer("Bearer abc"), Some("abc"));
        assert_eq!(bearer("bearer  abc "), Some("abc"));
        for other in ["", "Bearer", "abc", "Basic abc", "Bearerabc"] {
            assert_eq!(bearer(other), None, "{other}");
        }
    }
}
