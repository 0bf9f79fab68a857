//! Refreshing (RFC 6749 section 6), or renewing an access token with itself.

use std::collections::BTreeMap;

use crate::{
    books::Books,
    client_auth::{Demands, nothing_left},
    dialect::{Refresh, RenewedWith, Rotation},
    provider::{Provider, Refusal},
    token_endpoint::take,
    wire::{Answer, Request, text},
};

impl Provider {
    /// Answers a request for the next access token.
    pub(crate) fn refresh(&self, request: &Request, url: &str) -> Result<Answer, Refusal> {
        let (Some(refresh), Some(token)) = (&self.dialect.refresh, &self.dialect.token) else {
            return Err(Refusal::new(404, "not_found", "nothing is renewed here"));
        };
        let own_endpoint = refresh.url.is_some();
        let no_headers = BTreeMap::new();
        let demands = Demands {
            url,
            auth: refresh.auth.as_ref().unwrap_or(&token.auth),
            encoding: refresh.encoding.as_ref().unwrap_or(&token.encoding),
            headers: match own_endpoint {
                true => &no_headers,
                false => &token.headers,
            },
            params: &refresh.params,
            optional: &refresh.optional,
        };
        let mut params = self.met(&demands, request)?;
        take(&mut params, "grant_type", &refresh.grant_type)?;
        if refresh.redirect_uri {
            take(&mut params, "redirect_uri", &self.redirect_uri)?;
        }
        let name = match refresh.with {
            RenewedWith::RefreshToken => "refresh_token",
            RenewedWith::AccessToken => "access_token",
        };
        let presented = params.remove(name).as_ref().map(text);
        let presented = presented.ok_or_else(|| Refusal::request(format!("{name} is missing")))?;
        nothing_left(&params)?;
        let mut books = self.books();
        self.renewed(refresh, &mut books, &presented)
    }

    fn renewed(
        &self,
        refresh: &Refresh,
        books: &mut Books,
        presented: &str,
    ) -> Result<Answer, Refusal> {
        let dead = refresh.dead.as_ref();
        let dead = || dead.map_or_else(|| Answer::error(400, "invalid_grant"), Answer::from);
        let line = match refresh.with {
            RenewedWith::AccessToken => books.by_access(presented),
            RenewedWith::RefreshToken => books.by_refresh(presented),
        };
        if let Some(line) = line {
            line.renew(refresh.rotation, refresh.old_access_dies);
            let token = self.dialect.token.as_ref();
            let template = refresh.answer.as_ref();
            let template = template.or_else(|| token.map(|token| &token.answer));
            let body = self.rendered(template.map_or("", String::as_str), Some(line));
            books.seen.refreshes += 1;
            return Ok(Answer { status: 200, body });
        }
        let reused = books.by_replaced(presented);
        if let Some(line) = reused
            && line.refresh.is_some()
            && refresh.rotation == Rotation::Strict
        {
            line.end();
            return Err(Refusal {
                answer: dead(),
                complaint: "a refresh token was used twice: the grant is ended".to_owned(),
            });
        }
        // The person took it back, and nobody could know.
        Ok(dead())
    }
}
