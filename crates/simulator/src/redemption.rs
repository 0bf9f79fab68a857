//! The two redemptions of RFC 6749: a code for a grant (section 4.1.3), a refresh token for new tokens (section 6).

use std::time::Instant;

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use ring::digest;

use crate::{
    event::{FamilyId, Fingerprint, Happening, RevocationCause},
    grants::Issued,
    options::{Behaviour, Rotation},
    provider::Records,
};

/// A refusal: the error code of RFC 6749 section 5.2.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Refusal(pub(crate) &'static str);

const INVALID_GRANT: Refusal = Refusal("invalid_grant");
const INVALID_SCOPE: Refusal = Refusal("invalid_scope");

impl Records {
    /// Redeems a code; its second use ends the grant of the first.
    pub(crate) fn redeem_code(
        &mut self,
        client_id: &str,
        code: &str,
        redirect_uri: Option<&str>,
        code_verifier: Option<&str>,
        behaviour: &Behaviour,
    ) -> Result<Issued, Refusal> {
        let record = self.grants.codes.get(code).ok_or(INVALID_GRANT)?;
        let consented = record.consented.clone();
        if consented.client_id != client_id {
            return Err(INVALID_GRANT);
        }
        if let Some(family) = record.family {
            self.punish_reuse(code, family, RevocationCause::CodeReuse);
            return Err(INVALID_GRANT);
        }
        let proven = proves(consented.code_challenge.as_deref(), code_verifier);
        if record.is_expired() || redirect_uri != Some(&consented.redirect_uri) || !proven {
            return Err(INVALID_GRANT);
        }
        let scopes = consented.scopes.clone();
        let family = self.open_family(consented);
        if let Some(record) = self.grants.codes.get_mut(code) {
            record.family = Some(family);
        }
        self.books.note(Happening::CodeRedeemed {
            code: Fingerprint::of(code),
            family,
        });
        self.issue(family, scopes, behaviour.issues_refresh_tokens, behaviour)
            .ok_or(INVALID_GRANT)
    }

    /// Redeems a refresh token as the rotation policy has it.
    pub(crate) fn redeem_refresh_token(
        &mut self,
        client_id: &str,
        refresh_token: &str,
        scopes: Option<Vec<String>>,
        behaviour: &Behaviour,
    ) -> Result<Issued, Refusal> {
        let token = self
            .grants
            .refresh_tokens
            .get_mut(refresh_token)
            .ok_or(INVALID_GRANT)?;
        let id = token.family;
        let family = self.grants.families.get(&id).ok_or(INVALID_GRANT)?;
        if !family.live || family.consented.client_id != client_id {
            return Err(INVALID_GRANT);
        }
        if !token.is_accepted(behaviour.rotation) {
            self.punish_reuse(refresh_token, id, RevocationCause::RefreshTokenReuse);
            return Err(INVALID_GRANT);
        }
        let granted = &family.consented.scopes;
        let scopes = scopes.unwrap_or_else(|| granted.clone());
        if scopes.iter().any(|scope| !granted.contains(scope)) {
            return Err(INVALID_SCOPE);
        }
        token.first_redeemed.get_or_insert_with(Instant::now);
        let generation = family.generation + 1;
        self.books.note(Happening::RefreshRedeemed {
            refresh_token: Fingerprint::of(refresh_token),
            family: id,
            generation,
        });
        if !behaviour.access_token_survives_refresh {
            self.revoke_access_tokens(id);
        }
        let rotates = behaviour.rotation != Rotation::None;
        self.issue(id, scopes, rotates, behaviour)
            .ok_or(INVALID_GRANT)
    }

    fn punish_reuse(&mut self, token: &str, family: FamilyId, cause: RevocationCause) {
        self.books.note(Happening::ReuseDetected {
            token: Fingerprint::of(token),
            family,
        });
        self.revoke_family(family, cause);
    }
}

/// Whether a verifier belongs to an S256 challenge (RFC 7636 section 4.6). A verifier without a challenge is refused
/// too (RFC 9700 section 2.1.1: no PKCE downgrade).
fn proves(challenge: Option<&str>, verifier: Option<&str>) -> bool {
    match (challenge, verifier) {
        (Some(challenge), Some(verifier)) => {
            let hash = digest::digest(&digest::SHA256, verifier.as_bytes());
            (43..=128).contains(&verifier.len()) && URL_SAFE_NO_PAD.encode(hash) == challenge
        }
        (None, None) => true,
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::proves;

    #[test]
    fn the_verifier_of_rfc_7636_appendix_b_proves_its_challenge() {
        let challenge = Some("E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM");
        assert!(proves(
            challenge,
            Some("dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk")
        ));
        assert!(!proves(
            challenge,
            Some("dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXK")
        ));
        assert!(!proves(challenge, None));
        assert!(!proves(
            None,
            Some("dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk")
        ));
    }
}
