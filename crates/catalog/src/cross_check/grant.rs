//! Which sections a grant needs, and which say nothing under it.

use tokend_model::GrantType;

use crate::{Definition, RenewedWith};

pub(super) fn check(definition: &Definition) -> Result<(), String> {
    let grant = definition.grant_type();
    let sections = [
        (
            "authorize",
            definition.authorize.is_some(),
            grant == GrantType::AuthorizationCode,
        ),
        (
            "token",
            definition.token.is_some(),
            grant != GrantType::Static,
        ),
        (
            "assertion",
            definition.assertion.is_some(),
            grant == GrantType::JwtBearer,
        ),
        (
            "subject",
            definition.subject.is_some(),
            grant == GrantType::TokenExchange,
        ),
        (
            "credential",
            definition.integration_type.static_credential.is_some(),
            grant == GrantType::Static,
        ),
    ];
    for (section, there, needed) in sections {
        if there != needed {
            let verb = if needed { "needs" } else { "has no use for" };
            return Err(format!("about.grant: {} {verb} [{section}]", word(grant)));
        }
    }
    let code_only = [
        ("device", definition.device.is_some()),
        ("exchange", definition.exchange.is_some()),
        (
            "token.other",
            !definition.integration_type.other_tokens.is_empty(),
        ),
        (
            "refresh.with = \"access_token\"",
            definition.refresh.with == RenewedWith::AccessToken,
        ),
        // Under the other grants a renewal is the first request once more.
        ("refresh.params", !definition.refresh.params.is_empty()),
        ("refresh.url", definition.refresh.url.is_some()),
    ];
    let unused = code_only
        .iter()
        .find(|(_, there)| *there && grant != GrantType::AuthorizationCode);
    if let Some((section, _)) = unused {
        return Err(format!(
            "about.grant: {} has no use for {section}",
            word(grant)
        ));
    }
    if let Some(revoke) = &definition.revoke
        && revoke.accepts.is_empty()
    {
        return Err("revoke.accepts: name refresh_token, access_token or both".to_owned());
    }
    if definition
        .assertion
        .as_ref()
        .is_some_and(|assertion| !(1..=3600).contains(&assertion.lifetime_seconds))
    {
        return Err("assertion.lifetime_seconds: allowed is 1 to 3600".to_owned());
    }
    Ok(())
}

fn word(grant: GrantType) -> &'static str {
    match grant {
        GrantType::AuthorizationCode => "authorization_code",
        GrantType::ClientCredentials => "client_credentials",
        GrantType::JwtBearer => "jwt_bearer",
        GrantType::TokenExchange => "token_exchange",
        GrantType::Static => "static",
    }
}
