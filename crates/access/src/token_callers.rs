//! Callers that prove themselves by JWTs: which issuer a token claims to be of says who looks at it.

use std::{collections::HashMap, sync::Arc};

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

/// Authenticates callers by JWTs of OpenID Connect issuers and of Kubernetes clusters.
pub struct TokenCallers {
    authorities: Vec<Authority>,
    by_issuer: HashMap<String, Vec<usize>>,
    clock: Arc<dyn Clock>,
    verified: VerifiedTokens<Arc<Caller>>,
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
        })
    }

    /// The caller that holds this token. Why one is not accepted is logged, and not said to whom brings it.
    pub async fn authenticate(&self, token: &str) -> Result<Arc<Caller>, CallerRejection> {
        check_length(token).map_err(|reason| refused(&reason))?;
        let digest = digest_of(&[token]);
        let now = self.clock.now();
        if let Some(caller) = self.verified.get(&digest, now) {
            return Ok(caller);
        }
        let proven = self.verify(token, &digest).await;
        let Proven { caller, until } = proven.map_err(|reason| refused(&reason))?;
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

/// What the caller is told; the operator's log has the reason.
fn refused(reason: &TokenRejection) -> CallerRejection {
    tracing::info!(%reason, "a caller's token is not accepted");
    match reason {
        TokenRejection::Expired | TokenRejection::TooOld => CallerRejection::TokenExpired,
        reason if reason.is_transient() => CallerRejection::Unavailable,
        _ => CallerRejection::TokenRefused,
    }
}
