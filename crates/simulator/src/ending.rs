//! How grants and access tokens end before their time.

use crate::{
    event::{FamilyId, Happening, RevocationCause},
    fingerprint::Fingerprint,
    grants::Family,
    provider::Records,
};

impl Records {
    /// Ends a grant with all its tokens.
    pub(crate) fn revoke_family(&mut self, id: FamilyId, cause: RevocationCause) {
        let family = self.grants.families.get_mut(&id);
        if let Some(family) = family.filter(|family| family.live) {
            family.live = false;
            self.books
                .note(Happening::GrantRevoked { family: id, cause });
        }
    }

    /// Ends the access tokens of a grant; the grant lives on.
    pub(crate) fn revoke_access_tokens(&mut self, id: FamilyId) {
        let family = self.grants.families.get_mut(&id);
        let tokens = family.map(|family| std::mem::take(&mut family.access_tokens));
        for access_token in tokens.unwrap_or_default() {
            self.revoke_access_token(id, access_token);
        }
    }

    /// Ends what a token stands for (RFC 7009 section 2.1): with a refresh token its grant, with an access token only
    /// that one, unless its grant has no refresh token and so nothing else to live on. Unknown tokens are no error.
    pub(crate) fn revoke(&mut self, client_id: &str, token: &str) {
        let owned = |family: &&Family| family.consented.client_id == client_id;
        let Some(id) = self.grants.family_of(token) else {
            return;
        };
        let Some(family) = self.grants.families.get(&id).filter(owned) else {
            return;
        };
        let refreshable = !family.refresh_tokens.is_empty();
        let token = Fingerprint::of(token);
        if refreshable && self.grants.access_tokens.contains_key(&token) {
            self.revoke_access_token(id, token);
        } else {
            self.revoke_family(id, RevocationCause::Client);
        }
    }

    fn revoke_access_token(&mut self, family: FamilyId, access_token: Fingerprint) {
        let token = self.grants.access_tokens.get_mut(&access_token);
        if let Some(token) = token.filter(|token| !token.revoked) {
            token.revoked = true;
            self.books.note(Happening::AccessTokenRevoked {
                family,
                access_token,
            });
        }
    }
}
