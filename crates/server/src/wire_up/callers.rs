//! How callers and app users are told, as the configuration says.

mod audiences;

use std::{net::SocketAddr, sync::Arc, time::Duration};

use tokend_access::{
    ApiKeyAuthenticator, AppUserVerifier, CallerAuthentication, IssuerOptions, JwtCallerOptions,
    KeySetOptions, KubernetesOptions, LoopbackCaller, SpiffeCallers, Standing, TokenCallers,
    TrustDomainOptions,
};
use tokend_model::{WorkspaceName, ports::Clock};
use tokend_storage::Storage;

use super::Callers;
use crate::{
    StartError,
    config::{Access, AppUsers, JwtCallers, Kubernetes, Spiffe},
};

/// The ways in which callers may prove themselves.
pub(super) async fn caller_authentication(
    access: &Access,
    callers: Callers,
    grpc: SocketAddr,
    storage: Arc<Storage>,
    clock: Arc<dyn Clock>,
) -> Result<CallerAuthentication, StartError> {
    match callers {
        Callers::ApiKeys => {
            let api_keys = ApiKeyAuthenticator::new(storage, clock.clone());
            api_keys.reload().await.map_err(|_| StartError::Storage)?;
            Ok(CallerAuthentication {
                api_keys: Some(Arc::new(api_keys)),
                tokens: Some(Arc::new(token_callers(access, clock)?)),
                spiffe: spiffe_callers(&access.spiffe).await?.map(Arc::new),
                ..CallerAuthentication::default()
            })
        }
        Callers::OpenOnLoopback => {
            let workspace = WorkspaceName::default_workspace();
            Ok(CallerAuthentication {
                loopback: Some(LoopbackCaller::new(grpc, "loopback", workspace)?),
                ..CallerAuthentication::default()
            })
        }
    }
}

/// Whose tokens prove app users.
pub(super) fn app_users(
    access: &Access,
    clock: Arc<dyn Clock>,
) -> Result<AppUserVerifier, StartError> {
    audiences::check(access)?;
    for issuer in audiences::of_any_caller(access) {
        tracing::warn!(
            issuer,
            "every caller may bring this issuer's app users' tokens, whomever they were made out to: name {{caller}} in its \
             audiences, or list caller_audiences"
        );
    }
    let issuers = access.app_users.iter().map(app_user_issuer);
    let issuers = issuers.collect::<Result<_, _>>()?;
    Ok(AppUserVerifier::new(
        issuers,
        clock,
        KeySetOptions::default(),
    )?)
}

/// The rights of callers that a section of the configuration lets in.
pub(super) fn standing(
    section: &'static str,
    workspaces: &[String],
    role: &str,
) -> Result<Standing, StartError> {
    Standing::read(workspaces, role).map_err(|source| StartError::Standing { section, source })
}

fn token_callers(access: &Access, clock: Arc<dyn Clock>) -> Result<TokenCallers, StartError> {
    let issuers = access.jwt_callers.iter().map(jwt_callers);
    let clusters = access.kubernetes.iter().map(kubernetes);
    TokenCallers::new(
        issuers.collect::<Result<_, _>>()?,
        clusters.collect::<Result<_, _>>()?,
        clock,
        KeySetOptions::default(),
    )
    .map_err(StartError::CallerIssuer)
}

async fn spiffe_callers(sections: &[Spiffe]) -> Result<Option<SpiffeCallers>, StartError> {
    if sections.is_empty() {
        return Ok(None);
    }
    let options = sections.iter().map(|section| {
        Ok(TrustDomainOptions {
            trust_domain: section.trust_domain.clone(),
            bundle_file: section.bundle_file.clone(),
            standing: standing("access.spiffe", &section.workspaces, &section.role)?,
        })
    });
    let options = options.collect::<Result<_, StartError>>()?;
    Ok(Some(SpiffeCallers::load(options).await?))
}

fn jwt_callers(section: &JwtCallers) -> Result<JwtCallerOptions, StartError> {
    let standing = standing("access.jwt_callers", &section.workspaces, &section.role)?;
    let mut options =
        JwtCallerOptions::new(section.issuer.as_str(), section.audiences.clone(), standing);
    options.jwks_url = set(&section.jwks_url);
    if !section.algorithms.is_empty() {
        options.algorithms = section.algorithms.clone();
    }
    options.caller_claim = section.caller_claim.clone();
    if let Some(prefix) = &section.name_prefix {
        options.name_prefix = prefix.clone();
    }
    options.max_token_age = Duration::from_secs(section.max_token_age_seconds);
    Ok(options)
}

fn kubernetes(section: &Kubernetes) -> Result<KubernetesOptions, StartError> {
    Ok(KubernetesOptions {
        issuer: section.issuer.clone(),
        audiences: section.audiences.clone(),
        api_server: set(&section.api_server),
        ca_file: section.ca_file.clone(),
        token_file: section.token_file.clone(),
        token_review: section.token_review,
        name_prefix: section.name_prefix.clone(),
        standing: standing("access.kubernetes", &section.workspaces, &section.role)?,
    })
}

fn app_user_issuer(section: &AppUsers) -> Result<IssuerOptions, StartError> {
    let workspace = WorkspaceName::new(section.workspace.as_str())
        .map_err(|invalid| StartError::Workspace(invalid.to_string()))?;
    let audiences = section.audiences.clone();
    let mut options = IssuerOptions::new(workspace, section.issuer.as_str(), audiences);
    options.caller_audiences = section.caller_audiences.clone();
    options.jwks_url = set(&section.jwks_url);
    if !section.algorithms.is_empty() {
        options.algorithms = section.algorithms.clone();
    }
    options.user_id_claim = section.user_id_claim.clone();
    options.user_id_prefix = section.user_id_prefix.clone();
    options.shares_user_ids = section.shares_user_ids;
    options.max_token_age = Duration::from_secs(section.max_token_age_seconds);
    Ok(options)
}

/// The empty text is "not set".
fn set(text: &str) -> Option<String> {
    Some(text.to_owned()).filter(|text| !text.is_empty())
}
