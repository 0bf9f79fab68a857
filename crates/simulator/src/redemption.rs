//! The two redemptions of RFC 6749: a code for a grant (section 4.1.3), a refresh token for new tokens (section 6).

use std::{sync::Arc, time::Instant};

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use ring::digest;

use crate::{
    behaviour::Behaviour,
    event::{FamilyId, Happening, RevocationCause},
    fingerprint::Fingerprint,
    grants::{Issued, Verdict},
    provider::Records,
    rotation::Rotation,
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
        let consented = Arc::clone(&record.consented);
        if consented.client_id != client_id {
            return Err(INVALID_GRANT);
        }
        if let Some(family) = record.family {
            self.note_reuse(Fingerprint::of(code), family);
            self.revoke_family(family, RevocationCause::CodeReuse);
            return Err(INVALID_GRANT);
        }
        let proven = proves(consented.code_challenge.as_deref(), code_verifier);
        if record.is_expired() || redirect_uri != Some(&consented.redirect_uri) || !proven {
            return Err(INVALID_GRANT);
        }
        let issued = self.grant(&consented, behaviour);
        if let Some(record) = self.grants.codes.get_mut(code) {
            record.family = Some(issued.family);
        }
        self.books.note(Happening::CodeRedeemed {
            code: Fingerprint::of(code),
            family: issued.family,
        });
        Ok(issued)
    }

    /// Redeems a refresh token as the rotation policy has it.
    pub(crate) fn redeem_refresh_token(
        &mut self,
        client_id: &str,
        refresh_token: &str,
        scopes: Option<Vec<String>>,
        behaviour: &Behaviour,
    ) -> Result<Issued, Refusal> {
        let (now, presented) = (Instant::now(), Fingerprint::of(refresh_token));
        let verdict = self
            .grants
            .verdict(presented, behaviour, now)
            .ok_or(INVALID_GRANT)?;
        let token = self.grants.refresh_tokens.get_mut(&presented);
        let token = token.ok_or(INVALID_GRANT)?;
        let (id, depth) = (token.family, token.depth);
        let family = self.grants.families.get_mut(&id).ok_or(INVALID_GRANT)?;
        if family.consented.client_id != client_id || verdict == Verdict::Dead {
            return Err(INVALID_GRANT);
        }
        if verdict == Verdict::Spent {
            self.note_reuse(presented, id);
            if behaviour.reuse_revokes_grant {
                self.revoke_family(id, RevocationCause::RefreshTokenReuse);
            }
            return Err(INVALID_GRANT);
        }
        let granted = &family.consented.scopes;
        let scopes = scopes.unwrap_or_else(|| granted.clone());
        if scopes.iter().any(|scope| !granted.contains(scope)) {
            return Err(INVALID_SCOPE);
        }
        token.touched = now;
        family.lineage.mark_used(depth, now);
        let (generation, consented) = (family.generation + 1, Arc::clone(&family.consented));
        self.books.note(Happening::RefreshRedeemed {
            refresh_token: presented,
            family: id,
            generation,
        });
        if !behaviour.access_token_survives_refresh {
            self.revoke_access_tokens(id);
        }
        let rotates = behaviour.rotation != Rotation::None;
        let depth = depth + u64::from(rotates);
        Ok(self.issue(id, &consented, scopes, depth, rotates, behaviour))
    }

    fn note_reuse(&mut self, token: Fingerprint, family: FamilyId) {
        self.books.note(Happening::ReuseDetected { token, family });
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
