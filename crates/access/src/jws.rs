//! Tokens in the compact serialization of JWS (RFC 7515 section 7.1), read but not verified.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use jsonwebtoken::{Header, decode_header};

use crate::{TokenRejection, claims::Claims};

/// Longer tokens are not looked at.
const MAX_TOKEN_LEN: usize = 16 * 1024;

/// A token, not verified.
///
/// Of its header only `alg`, `kid`, `typ` and `crit` are used: keys come from the issuer's set, never from `jku`,
/// `jwk`, `x5u` or `x5c`.
pub(crate) struct Jws<'a> {
    pub(crate) header: Header,
    pub(crate) claims: Claims,
    pub(crate) signed: &'a str,
    pub(crate) signature: &'a str,
}

impl<'a> Jws<'a> {
    pub(crate) fn parse(token: &'a str) -> Result<Self, TokenRejection> {
        check_length(token)?;
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

/// Refuses what is too long to be looked at, or hashed.
pub(crate) fn check_length(token: &str) -> Result<(), TokenRejection> {
    match token.len() {
        0..=MAX_TOKEN_LEN => Ok(()),
        _ => Err(TokenRejection::TooLong),
    }
}

/// Types of tokens that name a user or a service (RFC 7519 section 5.1, RFC 9068 section 2.1); media types have no
/// case, and their prefix may be left out (RFC 7515 section 4.1.9).
fn is_accepted_type(typ: &str) -> bool {
    let typ = typ.to_ascii_lowercase();
    let typ = typ.strip_prefix("application/").unwrap_or(&typ);
    matches!(typ, "jwt" | "at+jwt")
}
