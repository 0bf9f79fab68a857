//! Callers by token, as a call presents them.

use std::sync::Arc;

use tokend_access::{
    AccessError, Caller, CallerAuthentication, CallerRejection, JwtCallerOptions, KeySetOptions,
    KubernetesOptions, Presented, Standing, TokenCallers,
};
use tokend_model::ports::Clock;

use crate::{
    clock::StandingClock,
    issuer::{AUDIENCE, Issuer},
};

/// The ways by token, with their clock.
pub(crate) struct Callers {
    pub(crate) clock: Arc<StandingClock>,
    pub(crate) callers: CallerAuthentication,
}

impl Callers {
    pub(crate) fn new(issuers: Vec<JwtCallerOptions>, clusters: Vec<KubernetesOptions>) -> Self {
        let clock = Arc::new(StandingClock::new());
        let key_sets = KeySetOptions::default();
        let tokens = TokenCallers::new(issuers, clusters, clock.clone(), key_sets).unwrap();
        Self {
            clock,
            callers: CallerAuthentication {
                tokens: Some(Arc::new(tokens)),
                ..CallerAuthentication::default()
            },
        }
    }

    pub(crate) async fn authenticate(&self, token: &str) -> Result<Arc<Caller>, CallerRejection> {
        let authorization = format!("Bearer {token}");
        let presented = Presented {
            authorization: Some(&authorization),
            certificate: None,
        };
        match self.callers.authenticate(presented, self.clock.now()).await {
            Ok(caller) => Ok(caller),
            Err(AccessError::CallerUnauthenticated(rejection)) => Err(rejection),
            Err(other) => panic!("{other}"),
        }
    }
}

/// What callers may use, as a configuration says.
pub(crate) fn standing(workspaces: &[&str], role: &str) -> Standing {
    let workspaces: Vec<_> = workspaces.iter().map(|&name| name.to_owned()).collect();
    Standing::read(&workspaces, role).unwrap()
}

/// Options that let backends of this issuer in, in the default workspace.
pub(crate) fn backends_of(issuer: &Issuer) -> JwtCallerOptions {
    let audiences = vec![AUDIENCE.to_owned()];
    JwtCallerOptions {
        jwks_url: Some(format!("{}/jwks.json", issuer.url())),
        ..JwtCallerOptions::new(issuer.url(), audiences, standing(&["default"], "backend"))
    }
}
