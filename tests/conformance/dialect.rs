//! What one provider demands and answers, as its own pages say: the tables under `dialects/`, written without a look at
//! the catalogue.

use std::{collections::BTreeMap, fs, path::Path, sync::Arc};

use serde::Deserialize;
use serde_json::Value;

/// A provider's dialect. URLs are written out with the values of `config` in them.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Dialect {
    /// How a connection comes about.
    #[serde(default)]
    pub(crate) grant: Grant,
    /// The integration types that speak it, each with the scopes it alone knows.
    pub(crate) types: BTreeMap<String, Vec<String>>,
    /// The scopes that all of them know.
    #[serde(default)]
    pub(crate) scopes: Vec<String>,
    /// What the operator asks for, where the type has nothing to suggest.
    #[serde(default)]
    pub(crate) connector_scopes: Vec<String>,
    /// What is entered before connecting.
    #[serde(default)]
    pub(crate) config: BTreeMap<String, String>,
    /// Whose account it is.
    #[serde(default)]
    pub(crate) account: Account,
    /// What is learnt while connecting.
    #[serde(default)]
    pub(crate) captured: BTreeMap<String, String>,
    /// What is different after a renewal.
    #[serde(default)]
    pub(crate) captured_later: BTreeMap<String, String>,
    #[serde(default)]
    pub(crate) client: Client,
    pub(crate) authorize: Option<Authorize>,
    pub(crate) second: Option<Second>,
    pub(crate) device: Option<Device>,
    pub(crate) assertion: Option<Assertion>,
    pub(crate) token: Option<TokenEndpoint>,
    pub(crate) exchange: Option<Call>,
    pub(crate) refresh: Option<Refresh>,
    pub(crate) revoke: Option<Call>,
    #[serde(default)]
    pub(crate) call: Vec<Call>,
    pub(crate) credential: Option<Credential>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Grant {
    #[default]
    AuthorizationCode,
    ClientCredentials,
    JwtBearer,
    TokenExchange,
    /// One pasted value.
    Static,
    /// A user name and a password.
    Basic,
}

/// As the provider tells it; empty where it does not.
#[derive(Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Account {
    pub(crate) id: String,
    pub(crate) email: String,
    pub(crate) name: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Client {
    /// The id that the provider issues; empty: any.
    pub(crate) id: String,
    pub(crate) id_param: String,
    pub(crate) secret_param: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Authorize {
    pub(crate) url: String,
    /// Required, with exactly these values.
    #[serde(default)]
    pub(crate) params: BTreeMap<String, String>,
    /// Further names that it knows.
    #[serde(default)]
    pub(crate) optional: Vec<String>,
    pub(crate) pkce: Pkce,
    pub(crate) state: Option<StateRule>,
    /// Whether `response_type` has to be there.
    #[serde(default = "yes")]
    pub(crate) response_type: bool,
    /// Absent: the provider has no scopes in the request.
    pub(crate) scope: Option<ScopeRule>,
    /// Further parameters of the callback.
    #[serde(default)]
    pub(crate) callback: BTreeMap<String, String>,
    /// Whether the callback is signed with the client's secret, as Shopify does.
    #[serde(default)]
    pub(crate) callback_hmac: bool,
}

/// What the provider does about RFC 7636.
#[derive(Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Pkce {
    /// Without a challenge there is no code.
    Demanded,
    /// A challenge that was sent is held against the verifier.
    Verified,
    /// Not known, and not minded.
    Ignored,
    /// A challenge would change what kind of client it is.
    Forbidden,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct StateRule {
    pub(crate) shortest: usize,
    pub(crate) longest: usize,
    pub(crate) letters: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct ScopeRule {
    pub(crate) param: String,
    pub(crate) separator: String,
    /// The scope without which no refresh token is issued.
    pub(crate) offline: Option<String>,
    /// Scopes that are granted and not reported.
    #[serde(default)]
    pub(crate) unreported: Vec<String>,
    /// Scopes that are reported under another name.
    #[serde(default)]
    pub(crate) reported_as: BTreeMap<String, String>,
    /// Whether only one may be asked for.
    #[serde(default)]
    pub(crate) single: bool,
}

/// A second token that comes with the first, and is renewed by itself.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Second {
    /// What the catalogue calls it.
    pub(crate) name: String,
    pub(crate) scope_param: String,
    pub(crate) scopes: Vec<String>,
}

/// The device authorization endpoint (RFC 8628).
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Device {
    pub(crate) url: String,
    pub(crate) verification_uri: String,
    /// The name of the member with it, which some call otherwise.
    #[serde(default = "verification_uri")]
    pub(crate) verification_uri_member: String,
    /// Whether the person has not entered the code yet when the client first asks.
    #[serde(default)]
    pub(crate) slow: bool,
    /// How polling clients prove themselves.
    pub(crate) auth: Vec<ClientAuth>,
}

/// The signed assertion.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Assertion {
    pub(crate) audience: Option<String>,
    pub(crate) subject: Option<String>,
    /// The claim with the scopes.
    pub(crate) scope_claim: Option<String>,
    pub(crate) longest_seconds: i64,
    /// Whether `jti` has to be there, and each time another.
    #[serde(default)]
    pub(crate) once: bool,
    /// Whether `kid` has to name the key.
    #[serde(default)]
    pub(crate) key_id: bool,
    #[serde(default)]
    pub(crate) place: AssertionPlace,
}

#[derive(Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum AssertionPlace {
    /// `assertion`, with the grant type of RFC 7523.
    #[default]
    Parameter,
    /// The authorization header; there is no grant type.
    Bearer,
}

/// The token endpoint, for whatever makes a connection.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct TokenEndpoint {
    pub(crate) url: String,
    pub(crate) auth: Vec<ClientAuth>,
    #[serde(default = "form")]
    pub(crate) encoding: Vec<Encoding>,
    #[serde(default)]
    pub(crate) headers: BTreeMap<String, String>,
    #[serde(default)]
    pub(crate) params: BTreeMap<String, Value>,
    #[serde(default)]
    pub(crate) optional: Vec<String>,
    /// Whether `grant_type` has to be there.
    #[serde(default = "yes")]
    pub(crate) grant_type: bool,
    /// Whether `redirect_uri` has to be there.
    #[serde(default = "yes")]
    pub(crate) redirect_uri: bool,
    /// Whether the scopes are asked for here.
    #[serde(default)]
    pub(crate) scope: bool,
    #[serde(default = "ok")]
    pub(crate) status: u16,
    pub(crate) answer: String,
    pub(crate) invalid_client: Option<Said>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum ClientAuth {
    ClientSecretBasic,
    ClientSecretPost,
    /// `client_assertion` (RFC 7523 section 2.2).
    PrivateKeyJwt,
    /// What the assertion says is enough.
    Assertion,
    None,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Encoding {
    Form,
    Json,
    Query,
}

/// How tokens are renewed; what is not said is as at the token endpoint.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Refresh {
    #[serde(default)]
    pub(crate) with: RenewedWith,
    pub(crate) url: Option<String>,
    #[serde(default = "post")]
    pub(crate) method: String,
    pub(crate) auth: Option<Vec<ClientAuth>>,
    pub(crate) encoding: Option<Vec<Encoding>>,
    #[serde(default = "refresh_token")]
    pub(crate) grant_type: String,
    #[serde(default)]
    pub(crate) params: BTreeMap<String, Value>,
    #[serde(default)]
    pub(crate) optional: Vec<String>,
    /// Whether `redirect_uri` has to be there.
    #[serde(default)]
    pub(crate) redirect_uri: bool,
    pub(crate) rotation: Rotation,
    /// Whether the access tokens issued before die.
    #[serde(default)]
    pub(crate) old_access_dies: bool,
    pub(crate) answer: Option<String>,
    /// What is answered to a refresh token that is no good.
    pub(crate) dead: Option<Said>,
}

#[derive(Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum RenewedWith {
    #[default]
    RefreshToken,
    AccessToken,
}

#[derive(Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Rotation {
    /// A refresh token that is used twice ends the grant.
    Strict,
    /// The old one goes on for a while.
    Overlap,
    /// There is never another one.
    StaysValid,
}

/// A call beside the token endpoint. In its parameters `$access_token` is one that works, `$refresh_token` likewise,
/// `$token` either of them.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Call {
    pub(crate) url: String,
    /// The scopes without which it is refused.
    #[serde(default)]
    pub(crate) needs: Vec<String>,
    /// Where it is answered as well.
    #[serde(default)]
    pub(crate) also_at: Vec<String>,
    #[serde(default = "get")]
    pub(crate) method: String,
    #[serde(default)]
    pub(crate) auth: CallAuth,
    /// The header with the token, for `auth = "header"`.
    #[serde(default)]
    pub(crate) header: String,
    #[serde(default = "form")]
    pub(crate) encoding: Vec<Encoding>,
    #[serde(default)]
    pub(crate) headers: BTreeMap<String, String>,
    #[serde(default)]
    pub(crate) params: BTreeMap<String, Value>,
    #[serde(default)]
    pub(crate) optional: Vec<String>,
    /// Parameters whose values are the caller's choice.
    #[serde(default)]
    pub(crate) any: Vec<String>,
    /// The whole body.
    pub(crate) body: Option<String>,
    #[serde(default = "ok")]
    pub(crate) status: u16,
    pub(crate) answer: String,
    /// What it ends.
    pub(crate) kills: Option<Kills>,
}

#[derive(Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum CallAuth {
    /// RFC 6750 section 2.1.
    #[default]
    Bearer,
    /// The same, or the token alone.
    BearerOrBare,
    /// The token alone in a header of the provider's own.
    Header,
    ClientSecretBasic,
    ClientSecretPost,
    /// The signed assertion, as bearer token.
    Assertion,
    /// The user name and the password that a person entered (RFC 7617).
    Password,
    None,
}

#[derive(Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Kills {
    /// Every token of the grant.
    Grant,
    /// The token that was sent.
    Token,
    /// The refresh token; access tokens live out their time.
    Renewal,
}

/// An answer that is always the same.
#[derive(Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Said {
    pub(crate) status: u16,
    pub(crate) body: String,
}

/// What a person enters.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Credential {
    pub(crate) prefix: String,
}

impl Dialect {
    /// Reads one file.
    pub(crate) fn read(path: &Path) -> Self {
        let text = fs::read_to_string(path).unwrap();
        toml::from_str(&text).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
    }

    /// All of them.
    pub(crate) fn all() -> Vec<Arc<Self>> {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("conformance/dialects");
        let files = fs::read_dir(folder).unwrap();
        let mut files: Vec<_> = files.map(|file| file.unwrap().path()).collect();
        files.sort();
        files
            .iter()
            .map(|file| Arc::new(Self::read(file)))
            .collect()
    }

    /// All scopes that a client of this type may ask for.
    pub(crate) fn knows_scope(&self, integration_type: &str, scope: &str) -> bool {
        let own = self.types.get(integration_type);
        let mut known = self.scopes.iter().chain(own.into_iter().flatten());
        known.any(|known| known == scope)
    }
}

impl Default for Client {
    fn default() -> Self {
        Self {
            id: String::new(),
            id_param: "client_id".to_owned(),
            secret_param: "client_secret".to_owned(),
        }
    }
}

fn yes() -> bool {
    true
}

fn ok() -> u16 {
    200
}

fn get() -> String {
    "GET".to_owned()
}

fn post() -> String {
    "POST".to_owned()
}

fn form() -> Vec<Encoding> {
    vec![Encoding::Form]
}

fn refresh_token() -> String {
    "refresh_token".to_owned()
}

fn verification_uri() -> String {
    "verification_uri".to_owned()
}
