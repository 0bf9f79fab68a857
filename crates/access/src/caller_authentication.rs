//! How this server tells its callers.

use std::net::SocketAddr;

use tokend_model::{WorkspaceName, ports::CallerRole};

use crate::{AccessError, ApiKeyAuthenticator, Caller, CallerKind, CallerRejection};

/// How this server tells its callers.
pub enum CallerAuthentication {
    /// By API key.
    ApiKeys(ApiKeyAuthenticator),
    /// Whoever is on this machine is the operator; for the demonstration only.
    Open(LoopbackCaller),
}

/// The caller that everybody on this machine is taken for.
#[derive(Debug, Clone)]
pub struct LoopbackCaller(Caller);

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
        Ok(Self(Caller {
            name: name.into(),
            workspace,
            role: CallerRole::Operator,
            kind: CallerKind::Loopback,
        }))
    }
}

impl CallerAuthentication {
    /// The caller, by the call's `authorization` metadata; [`AccessError::CallerUnauthenticated`] if it is not
    /// accepted.
    pub async fn authenticate(&self, authorization: Option<&str>) -> Result<Caller, AccessError> {
        match self {
            Self::Open(LoopbackCaller(caller)) => Ok(caller.clone()),
            Self::ApiKeys(authenticator) => {
                let authorization = authorization.ok_or(CallerRejection::Missing)?;
                let key = bearer(authorization).ok_or(CallerRejection::Malformed)?;
                Ok(authenticator.authenticate(key).await?)
            }
        }
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
