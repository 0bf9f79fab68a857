//! The words for how providers differ; the OAuth crate carries out each of them.

use std::marker::PhantomData;

use serde::Deserialize;
use serde::de::{DeserializeOwned, IntoDeserializer};
use tokend_model::GrantType;

/// How the client proves itself at the token endpoint, in the words of RFC 7591 section 2.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ClientAuth {
    /// HTTP Basic with form-encoded id and secret (RFC 6749 section 2.3.1).
    #[default]
    ClientSecretBasic,
    /// Id and secret in the body.
    ClientSecretPost,
    /// A JWT signed with the client's private key (RFC 7523 section 2.2), which is given as the client secret.
    PrivateKeyJwt,
    /// A public client: the id in the body.
    None,
}

/// The words for `GrantType`.
#[derive(Deserialize)]
#[serde(remote = "GrantType", rename_all = "snake_case")]
pub(crate) enum GrantTypeWord {
    AuthorizationCode,
    ClientCredentials,
    JwtBearer,
    TokenExchange,
    Static,
}

/// How a call beside the token endpoint proves itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CallAuth {
    /// The token that the call is about, in the header of `[api]`.
    Bearer,
    /// As at the token endpoint (RFC 7009 section 2.1).
    AsToken,
    /// HTTP Basic with the client's id and secret.
    ClientSecretBasic,
    /// The client's signed assertion, as bearer token.
    Assertion,
    /// By what is in its parameters.
    None,
}

/// How the client's signed assertion travels to the token endpoint.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AssertionPlace {
    /// As `assertion`, with the grant type of RFC 7523 section 2.1.
    #[default]
    Parameter,
    /// As bearer token of a request that has no grant type.
    Bearer,
}

/// What renews a connection's token.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RenewedWith {
    /// The refresh token (RFC 6749 section 6).
    #[default]
    RefreshToken,
    /// The access token itself, while it is good.
    AccessToken,
}

/// Where the parameters of a call beside the token endpoint go.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CallEncoding {
    /// Into a form.
    #[default]
    Form,
    /// Into a JSON object.
    Json,
    /// Into the URL's query.
    Query,
}

/// What a request body is written in.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Encoding {
    /// `application/x-www-form-urlencoded`, as RFC 6749 has it.
    #[default]
    Form,
    /// A JSON object of the same members.
    Json,
}

/// What stands between two scopes in a request.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Separator {
    /// A space (RFC 6749 section 3.3).
    #[default]
    Space,
    /// A comma.
    Comma,
}

/// The method of a call beside the token endpoint.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum Method {
    /// `GET`
    Get,
    /// `POST`
    Post,
    /// `PUT`
    Put,
    /// `DELETE`
    Delete,
}

/// What an answer without `expires_in` says about the access token.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum WithoutExpiresIn {
    /// Nothing: it lives until it is refused.
    #[default]
    Unknown,
    /// It does not expire.
    Never,
}

/// A token that a revocation endpoint takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RevocableToken {
    /// The refresh token, and usually the grant with it.
    RefreshToken,
    /// The access token.
    AccessToken,
}

/// What a provider's own error code means, where RFC 6749 does not say.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ErrorMeaning {
    /// The code, token or grant is dead.
    GrantRejected,
    /// The client's registration or credentials are refused.
    ClientRejected,
    /// What was asked for is refused.
    RequestRejected,
    /// Refused for now; nothing was spent.
    RateLimited,
    /// The provider failed midway.
    Ambiguous,
}

/// A value of the vocabulary: fixed by the definition, or `{name}` for one that the operator gives with the connector.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String", bound(deserialize = "T: DeserializeOwned"))]
pub enum Setting<T> {
    /// Always this.
    Fixed(T),
    /// The value of this connection config field.
    Field(String, PhantomData<T>),
}

/// A word that is not in the vocabulary.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct ParseSettingError(
    /// What was found and what is allowed.
    pub String,
);

impl Separator {
    /// The character.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Space => " ",
            Self::Comma => ",",
        }
    }
}

impl<T: Copy + Default + DeserializeOwned> Setting<T> {
    /// The value, read from the connection config where the definition leaves it open; its default where nothing is given.
    pub fn resolve<'v>(
        &self,
        value: impl Fn(&str) -> Option<&'v str>,
    ) -> Result<T, ParseSettingError> {
        match self {
            Self::Fixed(fixed) => Ok(*fixed),
            Self::Field(name, _) => value(name).map_or(Ok(T::default()), read_word),
        }
    }
}

impl<T> Setting<T> {
    /// The connection config field that it is read from, if it is.
    pub fn field(&self) -> Option<&str> {
        match self {
            Self::Fixed(_) => None,
            Self::Field(name, _) => Some(name),
        }
    }
}

impl<T: Default> Default for Setting<T> {
    fn default() -> Self {
        Self::Fixed(T::default())
    }
}

impl<T: DeserializeOwned> TryFrom<String> for Setting<T> {
    type Error = ParseSettingError;

    fn try_from(text: String) -> Result<Self, ParseSettingError> {
        let name = text
            .strip_prefix('{')
            .and_then(|rest| rest.strip_suffix('}'));
        match name {
            Some(name) => Ok(Self::Field(name.to_owned(), PhantomData)),
            None => read_word(&text).map(Self::Fixed),
        }
    }
}

fn read_word<T: DeserializeOwned>(word: &str) -> Result<T, ParseSettingError> {
    let deserializer: serde::de::value::StrDeserializer<'_, serde::de::value::Error> =
        word.into_deserializer();
    T::deserialize(deserializer).map_err(|error| ParseSettingError(error.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_are_fixed_or_left_to_the_operator() {
        let fixed = Setting::<Separator>::try_from("comma".to_owned());
        assert_eq!(fixed, Ok(Setting::Fixed(Separator::Comma)));
        let open = Setting::<ClientAuth>::try_from("{token_auth_method}".to_owned());
        let open = open.unwrap_or_default();
        assert_eq!(open.field(), Some("token_auth_method"));
        let post = |_: &str| Some("client_secret_post");
        assert_eq!(open.resolve(post), Ok(ClientAuth::ClientSecretPost));
        assert_eq!(open.resolve(|_| None), Ok(ClientAuth::ClientSecretBasic));
    }

    #[test]
    fn unknown_words_name_the_known_ones() {
        let error = Setting::<Separator>::try_from("semicolon".to_owned())
            .err()
            .map(|error| error.to_string())
            .unwrap_or_default();
        assert!(
            error.contains("space") && error.contains("comma"),
            "{error}"
        );
    }
}
