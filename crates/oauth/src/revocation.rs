//! Ends a grant at the provider: RFC 7009, or what the definition says instead.

use tokend_catalog::{RevocableToken, Revoke};
use tokend_model::{Credential, GrantType, Secret, TokenFailure, TokenFailureKind};

use crate::provider::Provider;

/// Revokes the credential; `false` where there is no endpoint, or none that takes what the credential has.
pub(crate) async fn revoke(
    provider: &Provider<'_>,
    credential: &Credential,
) -> Result<bool, TokenFailure> {
    let Some(revoke) = &provider.definition.revoke else {
        return Ok(false);
    };
    let Some(token) = preferred(provider, revoke, credential) else {
        return Ok(false);
    };
    match provider.call(revoke.call(), token).await {
        Ok(answered) => Ok(answered.is_some()),
        // What is dead already need not be ended; RFC 7009 section 2.2 answers 200 to that.
        Err(failure) if failure.kind == TokenFailureKind::GrantRejected => Ok(true),
        Err(failure) => Err(failure),
    }
}

fn preferred<'c>(
    provider: &Provider<'_>,
    revoke: &Revoke,
    credential: &'c Credential,
) -> Option<&'c Secret> {
    // Elsewhere something else stands in the refresh token's place.
    let has_refresh_token = provider.definition.grant_type() == GrantType::AuthorizationCode;
    revoke.accepts.iter().find_map(|accepted| match accepted {
        RevocableToken::RefreshToken => credential
            .refresh_token
            .as_ref()
            .filter(|_| has_refresh_token),
        RevocableToken::AccessToken => Some(&credential.access_token),
    })
}
