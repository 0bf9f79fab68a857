//! Which app user a call is for: verifies the app's JWT against its issuer's keys (threat T-10, RFC 8725).

use std::{collections::HashMap, sync::Arc, time::Duration};

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use jsonwebtoken::{Algorithm, Header, decode_header};
use moka::future::Cache;
use ring::digest;
use tokend_model::{AppUserId, Timestamp, WorkspaceName, ports::Clock};

use crate::{
    AccessError, InvalidIssuer, IssuerOptions, KeySetOptions, TokenRejection,
    claims::{Claims, is_expired},
    key_set_source::{KeySetSource, http_client, is_within},
};

/// Longer tokens are not looked at.
const MAX_TOKEN_LEN: usize = 16 * 1024;

/// How many verified tokens are remembered.
const REMEMBERED_TOKENS: u64 = 50_000;

/// How long a verified token is remembered at most, so that a key its issuer withdrew stops working.
const REMEMBERED_FOR: Duration = Duration::from_secs(300);

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
    verified: Cache<[u8; digest::SHA256_OUTPUT_LEN], Verified>,
}

#[derive(Clone)]
struct Verified {
    user: AppUser,
    verify_time: Timestamp,
}

struct Issuer {
    audiences: Vec<String>,
    algorithms: Vec<Algorithm>,
    user_id_claim: String,
    keys: Arc<KeySetSource>,
}

impl AppUserVerifier {
    /// Checks the options; fetches nothing yet.
    pub fn new(
        issuers: Vec<IssuerOptions>,
        clock: Arc<dyn Clock>,
        key_sets: KeySetOptions,
    ) -> Result<Self, InvalidIssuer> {
        let mut known = HashMap::new();
        for options in issuers {
            let issuer = Issuer::new(&options, &clock, key_sets)?;
            let name = (options.workspace.clone(), options.issuer.clone());
            if known.insert(name, issuer).is_some() {
                return Err(options.invalid("is there twice in one workspace"));
            }
        }
        Ok(Self {
            issuers: known,
            clock,
            verified: Cache::builder()
                .max_capacity(REMEMBERED_TOKENS)
                .time_to_live(REMEMBERED_FOR)
                .build(),
        })
    }

    /// The app user that the token proves in the workspace, or [`AccessError::AppUserUnauthenticated`].
    pub async fn verify(
        &self,
        workspace: &WorkspaceName,
        token: &str,
    ) -> Result<AppUser, AccessError> {
        if token.is_empty() {
            return Err(TokenRejection::Missing.into());
        }
        if token.len() > MAX_TOKEN_LEN {
            return Err(TokenRejection::TooLong.into());
        }
        let remembered_as = digest_of(workspace, token);
        let now = self.clock.now();
        if let Some(verified) = self.verified.get(&remembered_as).await
            && is_within(verified.verify_time, now, REMEMBERED_FOR)
            && !is_expired(verified.user.expire_time, now)
        {
            return Ok(verified.user);
        }
        let user = self.verify_anew(workspace, token).await?;
        let verified = Verified {
            user: user.clone(),
            verify_time: now,
        };
        self.verified.insert(remembered_as, verified).await;
        Ok(user)
    }

    async fn verify_anew(
        &self,
        workspace: &WorkspaceName,
        token: &str,
    ) -> Result<AppUser, TokenRejection> {
        let jws = Jws::parse(token)?;
        let name = (workspace.clone(), jws.claims.text("iss")?.to_owned());
        let issuer = self
            .issuers
            .get(&name)
            .ok_or(TokenRejection::UnknownIssuer)?;
        issuer.check_signature(&jws).await?;

        if !jws.claims.is_for(&issuer.audiences)? {
            return Err(TokenRejection::WrongAudience);
        }
        let expire_time = jws.claims.expire_time(self.clock.now())?;
        jws.claims.text("sub")?;
        let id = jws.claims.text(&issuer.user_id_claim)?;
        Ok(AppUser {
            id: AppUserId::new(id).map_err(TokenRejection::UserIdInvalid)?,
            issuer: name.1,
            expire_time,
        })
    }
}

impl Issuer {
    fn new(
        options: &IssuerOptions,
        clock: &Arc<dyn Clock>,
        key_sets: KeySetOptions,
    ) -> Result<Self, InvalidIssuer> {
        let location = options.key_set_location()?;
        let http = http_client(&key_sets)
            .map_err(|error| options.invalid(format!("no HTTP client for its keys: {error}")))?;
        Ok(Self {
            audiences: options.checked_audiences()?,
            algorithms: options.checked_algorithms()?,
            user_id_claim: options.user_id_claim.clone(),
            keys: Arc::new(KeySetSource::new(
                location,
                http,
                Arc::clone(clock),
                key_sets,
            )),
        })
    }

    async fn check_signature(&self, jws: &Jws<'_>) -> Result<(), TokenRejection> {
        let algorithm = jws.header.alg;
        if !self.algorithms.contains(&algorithm) {
            return Err(TokenRejection::AlgorithmNotAllowed);
        }
        let keys = self.keys.find(algorithm, jws.header.kid.as_deref()).await?;
        let verifies = keys.iter().any(|key| {
            jsonwebtoken::crypto::verify(jws.signature, jws.signed.as_bytes(), key, algorithm)
                .unwrap_or(false)
        });
        verifies.then_some(()).ok_or(TokenRejection::BadSignature)
    }
}

/// A token in the compact serialization (RFC 7515 section 7.1), not verified.
///
/// Of its header only `alg`, `kid`, `typ` and `crit` are used: keys come from the issuer's set, never from `jku`,
/// `jwk`, `x5u` or `x5c`.
struct Jws<'a> {
    header: Header,
    claims: Claims,
    signed: &'a str,
    signature: &'a str,
}

impl<'a> Jws<'a> {
    fn parse(token: &'a str) -> Result<Self, TokenRejection> {
        let header = decode_header(token).map_err(|_| TokenRejection::Malformed)?;
        if header.crit.is_some() {
            return Err(TokenRejection::UnknownCritical);
        }
        if !header.typ.as_deref().is_none_or(is_accepted_type) {
            return Err(TokenRejection::WrongType);
        }
        let (signed, signature) = token.rsplit_once('.').ok_or(TokenRejection::Malformed)?;
        let (_, claims) = signed.split_once('.').ok_or(TokenRejection::Malformed)?;
        let claims = URL_SAFE_NO_PAD
            .decode(claims)
            .map_err(|_| TokenRejection::Malformed)?;
        Ok(Self {
            header,
            claims: Claims::parse(&claims)?,
            signed,
            signature,
        })
    }
}

/// Types of tokens that name a user (RFC 7519 section 5.1, RFC 9068 section 2.1); media types have no case, and their
/// prefix may be left out (RFC 7515 section 4.1.9).
fn is_accepted_type(typ: &str) -> bool {
    let typ = typ.to_ascii_lowercase();
    let typ = typ.strip_prefix("application/").unwrap_or(&typ);
    matches!(typ, "jwt" | "at+jwt")
}

/// What a verified token is remembered by; a workspace's name has no NUL, so the two cannot run together.
fn digest_of(workspace: &WorkspaceName, token: &str) -> [u8; digest::SHA256_OUTPUT_LEN] {
    let mut context = digest::Context::new(&digest::SHA256);
    context.update(workspace.as_str().as_bytes());
    context.update(&[0]);
    context.update(token.as_bytes());
    let mut digest = [0; digest::SHA256_OUTPUT_LEN];
    digest.copy_from_slice(context.finish().as_ref());
    digest
}
