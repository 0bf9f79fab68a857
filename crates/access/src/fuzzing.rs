//! What the fuzz targets of `tests/fuzz` need of the inside; nothing else uses it.

use tokend_model::Timestamp;

use crate::{jws::Jws, key_set::KeySet};

/// Reads a token as verifying one does, up to its signature; answers whether it could be one.
pub fn read_token(token: &str, audiences: &[String], now: Timestamp) -> bool {
    let Ok(jws) = Jws::parse(token) else {
        return false;
    };
    let claims = &jws.claims;
    let pod = claims.find_text(&["kubernetes.io", "pod", "name"]);
    claims.text("iss").is_ok()
        & claims.text("sub").is_ok()
        & pod.is_ok()
        & claims.is_for(audiences).is_ok_and(|is_ours| is_ours)
        & claims.expire_time(now, None).is_ok()
        & jws.signed.len().checked_add(jws.signature.len()).is_some()
}

/// Reads a key set; answers whether any key in it can verify the token.
pub fn read_key_set(json: &[u8], token: &str) -> bool {
    let (Some(keys), Ok(jws)) = (KeySet::parse(json), Jws::parse(token)) else {
        return false;
    };
    let found = keys.find(jws.header.alg, jws.header.kid.as_deref());
    !found.is_empty()
}
