//! Callers that prove themselves by JWTs: which issuer a token claims to be of says who looks at it.

use std::{collections::HashMap, num::NonZeroU32, sync::Arc};

use governor::{DefaultDirectRateLimiter, Quota, RateLimiter};
use tokend_model::{Timestamp, ports::Clock};

use crate::{
    Caller, CallerRejection, InvalidIssuer, JwtCallerOptions, KeySetOptions, KubernetesOptions,
    TokenRejection,
    caller_name_prefix::check_prefixes,
    jws::{Jws, check_length},
    jwt_callers::JwtCallers,
    kubernetes::Cluster,
    verified_tokens::{TokenDigest, VerifiedTokens, digest_of},
};

/// Lines in the log a second about tokens that are not accepted: anybody can bring such, as often as they like.
const LINES_A_SECOND: NonZeroU32 = NonZeroU32::MIN.saturating_add(9);

/// Authenticates callers by JWTs of OpenID Connect issuers and of Kubernetes clusters.
pub struct TokenCallers {
    authorities: Vec<Authority>,
    by_issuer: HashMap<String, Vec<usize>>,
    clock: Arc<dyn Clock>,
    verified: VerifiedTokens<Arc<Caller>>,
    lines: DefaultDirectRateLimiter,
}

/// Who vouches for callers.
enum Authority {
    Issuer(JwtCallers),
    Cluster(Cluster),
}

/// Whom a token proves, and until when that may be remembered.
pub(crate) struct Proven {
    pub(crate) caller: Caller,
    pub(crate) until: Timestamp,
}

impl TokenCallers {
    /// Checks the options; fetches nothing yet. Issuers may be there several times, as many clusters call theirs alike;
    /// a token is then any one's that accepts it.
    pub fn new(
        issuers: Vec<JwtCallerOptions>,
        clusters: Vec<KubernetesOptions>,
        clock: Arc<dyn Clock>,
        key_sets: KeySetOptions,
    ) -> Result<Self, InvalidIssuer> {
        let mut authorities = Vec::new();
        for options in issuers {
            let callers = JwtCallers::new(options, &clock, key_sets)?;
            authorities.push(Authority::Issuer(callers));
        }
        for options in clusters {
            let cluster = Cluster::new(options, &clock, key_sets)?;
            authorities.push(Authority::Cluster(cluster));
        }
        let prefixes: Vec<_> = authorities
            .iter()
            .map(|authority| (authority.issuer(), authority.name_prefix()))
            .collect();
        check_prefixes(&prefixes)?;
        let mut by_issuer: HashMap<_, Vec<_>> = HashMap::new();
        for (index, authority) in authorities.iter().enumerate() {
            let issuer = authority.issuer().to_owned();
            by_issuer.entry(issuer).or_default().push(index);
        }
        Ok(Self {
            authorities,
            by_issuer,
            clock,
            verified: VerifiedTokens::new(),
            lines: RateLimiter::direct(Quota::per_second(LINES_A_SECOND)),
        })
    }

    /// The caller that holds this token. Why one is not accepted is logged, and not said to whom brings it.
    pub async fn authenticate(&self, token: &str) -> Result<Arc<Caller>, CallerRejection> {
        check_length(token).map_err(|reason| self.refused(&reason, None))?;
        let digest = digest_of(&[token]);
        let now = self.clock.now();
        if let Some(caller) = self.verified.get(&digest, now) {
            return Ok(caller);
        }
        let proven = self.verify(token, &digest).await;
        let Proven { caller, until } =
            proven.map_err(|reason| self.refused(&reason, self.known_issuer(token)))?;
        let caller = Arc::new(caller);
        self.verified.insert(digest, caller.clone(), now, until);
        Ok(caller)
    }

    /// The caller somebody of this name would be.
    pub fn named(&self, name: &str) -> Option<Arc<Caller>> {
        self.authorities
            .iter()
            .find_map(|authority| match authority {
                Authority::Issuer(issuer) => issuer.named(name),
                Authority::Cluster(cluster) => cluster.named(name),
            })
            .map(Arc::new)
    }

    /// Who a token says has issued it, if that is somebody trusted here: what strangers write is not for the log.
    fn known_issuer(&self, token: &str) -> Option<&str> {
        let jws = Jws::parse(token).ok()?;
        let issuer = jws.claims.text("iss").ok()?;
        let (known, _) = self.by_issuer.get_key_value(issuer)?;
        Some(known)
    }

    /// What the caller is told; the operator's log has the reason.
    fn refused(&self, reason: &TokenRejection, issuer: Option<&str>) -> CallerRejection {
        if self.lines.check().is_ok() {
            tracing::info!(%reason, issuer, "a caller's token is not accepted");
        }
        match reason {
            TokenRejection::Expired | TokenRejection::TooOld => CallerRejection::TokenExpired,
            reason if reason.is_transient() => CallerRejection::Unavailable,
            _ => CallerRejection::TokenRefused,
        }
    }

    async fn verify(&self, token: &str, digest: &TokenDigest) -> Result<Proven, TokenRejection> {
        let jws = Jws::parse(token)?;
        let issuer = jws.claims.text("iss")?;
        let mut why = TokenRejection::UnknownIssuer;
        for &index in self.by_issuer.get(issuer).into_iter().flatten() {
            let proven = match &self.authorities[index] {
                Authority::Issuer(issuer) => issuer.authenticate(&jws).await,
                Authority::Cluster(cluster) => cluster.authenticate(&jws, token, digest).await,
            };
            match proven {
                Ok(proven) => return Ok(proven),
                Err(reason) => why = more_telling(why, reason),
            }
        }
        Err(why)
    }
}

impl Authority {
    fn issuer(&self) -> &str {
        match self {
            Self::Issuer(issuer) => issuer.issuer(),
            Self::Cluster(cluster) => cluster.issuer(),
        }
    }

    fn name_prefix(&self) -> &str {
        match self {
            Self::Issuer(issuer) => issuer.name_prefix(),
            Self::Cluster(cluster) => cluster.name_prefix(),
        }
    }
}

/// Of what two who share an issuer's name say: whose it may be that cannot tell now, then whose it is.
fn more_telling(one: TokenRejection, other: TokenRejection) -> TokenRejection {
    let weight = |rejection: &TokenRejection| match rejection {
        TokenRejection::UnknownIssuer
        | TokenRejection::AlgorithmNotAllowed
        | TokenRejection::UnknownKey
        | TokenRejection::BadSignature
        | TokenRejection::WrongAudience => 0,
        rejection if rejection.is_transient() => 2,
        _ => 1,
    };
    if weight(&one) > weight(&other) {
        one
    } else {
        other
    }
}
