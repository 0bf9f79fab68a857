//! Which app user a call is for: verifies the app's JWT, which the calling service must be meant to bring (threats T-09
//! and T-10).

use std::{collections::HashMap, sync::Arc};

use tokend_model::{AppUserId, Timestamp, WorkspaceName, ports::Clock};

use crate::{
    AccessError, InvalidIssuer, IssuerOptions, KeySetOptions, TokenRejection,
    app_user_audiences::AppUserAudiences,
    app_user_ids::AppUserIds,
    jws::{Jws, check_length},
    token_issuer::{TokenIssuer, invalid},
    verified_tokens::{VerifiedTokens, digest_of},
};

/// An app user, as its issuer vouches.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AppUser {
    /// Its id.
    pub id: AppUserId,
    /// Who vouches.
    pub issuer: String,
    /// When the token expires.
    pub expire_time: Timestamp,
}

/// Verifies app users' tokens, each workspace's against its own issuers.
pub struct AppUserVerifier {
    issuers: HashMap<(WorkspaceName, String), Issuer>,
    clock: Arc<dyn Clock>,
    verified: VerifiedTokens<AppUser>,
}

struct Issuer {
    tokens: TokenIssuer,
    audiences: AppUserAudiences,
    user_id_claim: String,
    user_ids: AppUserIds,
}

impl AppUserVerifier {
    /// Checks the options; fetches nothing yet.
    pub fn new(
        issuers: Vec<IssuerOptions>,
        clock: Arc<dyn Clock>,
        key_sets: KeySetOptions,
    ) -> Result<Self, InvalidIssuer> {
        let mut known = HashMap::new();
        for options in &issuers {
            let user_ids = AppUserIds::new(options, &issuers)?;
            let issuer = Issuer::new(options, user_ids, &clock, key_sets)?;
            let name = (options.workspace.clone(), options.issuer.clone());
            if known.contains_key(&name) {
                return Err(invalid(&name.1, "is there twice in one workspace"));
            }
            known.insert(name, issuer);
        }
        Ok(Self {
            issuers: known,
            clock,
            verified: VerifiedTokens::new(),
        })
    }

    /// The app user that the token, brought by the caller of this name, proves in the workspace, or
    /// [`AccessError::AppUserUnauthenticated`].
    pub async fn verify(
        &self,
        workspace: &WorkspaceName,
        caller: &str,
        token: &str,
    ) -> Result<AppUser, AccessError> {
        if token.is_empty() {
            return Err(TokenRejection::Missing.into());
        }
        check_length(token)?;
        // What one caller may bring, another may not: each has its own memory.
        let remembered_as = digest_of(&[workspace.as_str(), caller, token]);
        let now = self.clock.now();
        if let Some(user) = self.verified.get(&remembered_as, now) {
            return Ok(user);
        }
        let user = self.verify_anew(workspace, caller, token).await?;
        self.verified
            .insert(remembered_as, user.clone(), now, user.expire_time);
        Ok(user)
    }

    async fn verify_anew(
        &self,
        workspace: &WorkspaceName,
        caller: &str,
        token: &str,
    ) -> Result<AppUser, TokenRejection> {
        let jws = Jws::parse(token)?;
        let name = (workspace.clone(), jws.claims.text("iss")?.to_owned());
        let issuer = self
            .issuers
            .get(&name)
            .ok_or(TokenRejection::UnknownIssuer)?;
        let audiences = issuer.audiences.of(caller);
        let audiences = audiences.ok_or(TokenRejection::IssuerNotForCaller)?;
        let expire_time = issuer.tokens.verify(&jws, &audiences).await?;
        let claim = jws.claims.text(&issuer.user_id_claim)?;
        Ok(AppUser {
            id: issuer.user_ids.of(claim)?,
            issuer: name.1,
            expire_time,
        })
    }
}

impl Issuer {
    fn new(
        options: &IssuerOptions,
        user_ids: AppUserIds,
        clock: &Arc<dyn Clock>,
        key_sets: KeySetOptions,
    ) -> Result<Self, InvalidIssuer> {
        if options.user_id_claim.is_empty() {
            return Err(invalid(&options.issuer, "user_id_claim must not be empty"));
        }
        Ok(Self {
            tokens: TokenIssuer::new(
                &options.issuer,
                options.jwks_url.as_deref(),
                &options.algorithms,
                clock,
                key_sets,
            )?
            .with_max_age(options.max_token_age),
            audiences: AppUserAudiences::new(options)?,
            user_id_claim: options.user_id_claim.clone(),
            user_ids,
        })
    }
}
