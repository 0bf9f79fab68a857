//! Callers that prove themselves by the projected token of a Kubernetes service account (threat T-11).

use std::{path::PathBuf, sync::Arc};

use tokend_model::ports::Clock;

use crate::{
    Caller, CallerKind, DEFAULT_ALGORITHMS, InvalidIssuer, KeySetOptions, Standing, TokenRejection,
    caller_name_prefix::check_prefix,
    claims::Claims,
    issuer::safe_url,
    issuer_http::{ClusterFiles, IssuerHttp},
    jws::Jws,
    key_set_source::KeySetLocation,
    token_callers::Proven,
    token_issuer::{TokenIssuer, check_audiences, invalid},
    token_review::TokenReviews,
    verified_tokens::TokenDigest,
};

/// What the names of service accounts begin with, in `sub` and for the API server.
const SERVICE_ACCOUNT: &str = "system:serviceaccount:";

/// The claim that says what a token was made for.
const CLAIM: &str = "kubernetes.io";

/// A cluster whose service accounts' tokens prove callers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KubernetesOptions {
    /// The exact `iss` of its tokens.
    pub issuer: String,
    /// The names that stand for this service in `aud`; at least one.
    pub audiences: Vec<String>,
    /// The URL of its API server, which has the issuer's keys and reviews tokens. Without it the keys are found through
    /// OpenID Connect Discovery, as with any public issuer.
    pub api_server: Option<String>,
    /// The authorities (PEM) that the API server's certificate must come from; those of the system if there is no such
    /// file.
    pub ca_file: PathBuf,
    /// This service's own token for the API server; none is sent if there is no such file.
    pub token_file: PathBuf,
    /// Whether the API server is asked about each token.
    pub token_review: bool,
    /// Put before the names, to tell several clusters apart.
    pub name_prefix: String,
    /// What its callers may ask about and do.
    pub standing: Standing,
}

/// The callers of one cluster.
pub(crate) struct Cluster {
    issuer: String,
    audiences: Vec<String>,
    name_prefix: String,
    standing: Standing,
    tokens: TokenIssuer,
    reviews: Option<TokenReviews>,
}

/// A service account, as it is named.
struct ServiceAccount<'a> {
    namespace: &'a str,
    name: &'a str,
}

impl Cluster {
    pub(crate) fn new(
        options: KubernetesOptions,
        clock: &Arc<dyn Clock>,
        key_sets: KeySetOptions,
    ) -> Result<Self, InvalidIssuer> {
        let issuer = options.issuer.as_str();
        check_audiences(issuer, &options.audiences)?;
        let name_prefix = format!("{}{SERVICE_ACCOUNT}", options.name_prefix);
        if !options.name_prefix.is_empty() {
            check_prefix(issuer, &name_prefix)?;
        }
        let algorithms = DEFAULT_ALGORITHMS.map(str::to_owned);
        // How old tokens may get is left to `exp`: a pod asks for the lifetime itself, and the kubelet keeps a token for
        // a day or for 80 % of its life before it asks for the next.
        let (tokens, reviews) = match &options.api_server {
            None if options.token_review => {
                return Err(invalid(issuer, "token_review needs the api_server"));
            }
            None => {
                let tokens = TokenIssuer::new(issuer, None, &algorithms, clock, key_sets)?;
                (tokens, None)
            }
            Some(api_server) => {
                let at = |path: &str| {
                    let url = format!("{}{path}", api_server.trim_end_matches('/'));
                    let problem = "api_server must be an https URL (http on loopback only)";
                    safe_url(&url).ok_or_else(|| invalid(issuer, problem))
                };
                let files = ClusterFiles {
                    ca_file: options.ca_file.clone(),
                    token_file: options.token_file.clone(),
                };
                let http = IssuerHttp::new(key_sets, Some(files)).map_err(|error| {
                    invalid(
                        issuer,
                        format!("no HTTP client for its API server: {error}"),
                    )
                })?;
                let http = Arc::new(http);
                // The document of OpenID Connect Discovery names the address that other clusters see.
                let keys = KeySetLocation::KeySet(at("/openid/v1/jwks")?);
                let tokens = TokenIssuer::with_keys_at(
                    keys,
                    http.clone(),
                    issuer,
                    &algorithms,
                    clock,
                    key_sets,
                )?;
                let url = at("/apis/authentication.k8s.io/v1/tokenreviews")?;
                let reviews = options.token_review.then(|| {
                    TokenReviews::new(http, url, options.audiences.clone(), clock.clone())
                });
                (tokens, reviews)
            }
        };
        Ok(Self {
            name_prefix,
            issuer: options.issuer,
            audiences: options.audiences,
            standing: options.standing,
            tokens,
            reviews,
        })
    }

    pub(crate) fn issuer(&self) -> &str {
        &self.issuer
    }

    /// What its callers' names begin with.
    pub(crate) fn name_prefix(&self) -> &str {
        &self.name_prefix
    }

    pub(crate) async fn authenticate(
        &self,
        jws: &Jws<'_>,
        token: &str,
        digest: &TokenDigest,
    ) -> Result<Proven, TokenRejection> {
        let expire_time = self.tokens.verify(jws, &self.audiences).await?;
        let account = ServiceAccount::of(&jws.claims)?;
        let until = match &self.reviews {
            None => expire_time,
            Some(reviews) => {
                let username = jws.claims.text("sub")?;
                reviews
                    .confirm(token, digest, username, expire_time)
                    .await?
            }
        };
        let pod = jws.claims.find_text(&[CLAIM, "pod", "name"])?;
        Ok(Proven {
            caller: self.caller(&account, pod),
            until,
        })
    }

    /// The caller somebody of this name would be, if it is one of this cluster's.
    pub(crate) fn named(&self, name: &str) -> Option<Caller> {
        let (namespace, name) = name.strip_prefix(&self.name_prefix)?.split_once(':')?;
        let account = ServiceAccount { namespace, name };
        account.is_named().then(|| self.caller(&account, None))
    }

    fn caller(&self, account: &ServiceAccount<'_>, pod: Option<&str>) -> Caller {
        let ServiceAccount { namespace, name } = account;
        let kind = CallerKind::Kubernetes {
            issuer: self.issuer.clone(),
            namespace: (*namespace).to_owned(),
            service_account: (*name).to_owned(),
            pod: pod.map(str::to_owned),
        };
        let name = format!("{}{namespace}:{name}", self.name_prefix);
        self.standing.caller(name, kind, None)
    }
}

impl<'a> ServiceAccount<'a> {
    /// The account that the token was made for; what `sub` says must be the same.
    fn of(claims: &'a Claims) -> Result<Self, TokenRejection> {
        let account = Self {
            namespace: claims.text_at(&[CLAIM, "namespace"])?,
            name: claims.text_at(&[CLAIM, "serviceaccount", "name"])?,
        };
        if !account.is_named() {
            return Err(TokenRejection::ClaimMalformed(CLAIM.to_owned()));
        }
        let Self { namespace, name } = &account;
        if claims.text("sub")? != format!("{SERVICE_ACCOUNT}{namespace}:{name}") {
            return Err(TokenRejection::ClaimsDisagree);
        }
        Ok(account)
    }

    /// Whether these are names of Kubernetes (RFC 1123): a label, and a subdomain. Neither holds a colon.
    fn is_named(&self) -> bool {
        let is_name = |name: &str, longest: usize| {
            (1..=longest).contains(&name.len())
                && name.bytes().all(|b| {
                    b.is_ascii_lowercase() || b.is_ascii_digit() || matches!(b, b'-' | b'.')
                })
        };
        is_name(self.namespace, 63) && is_name(self.name, 253)
    }
}
