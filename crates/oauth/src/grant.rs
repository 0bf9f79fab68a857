//! Any grant's request to the token endpoint (RFC 6749 section 3.2).

use tokend_catalog::Method;
use tokend_model::{RawTokenAnswer, Secret, TokenFailure, TokenFailureKind};

use crate::outgoing::{Outgoing, Parameters, as_call_encoding};
use crate::provider::{Provider, not_sent};

impl Provider<'_> {
    /// Sends the grant that makes a connection, with the client's proof and the definition's own parameters.
    pub(crate) async fn send_grant(
        &self,
        grant: &Parameters,
    ) -> Result<RawTokenAnswer, TokenFailure> {
        self.send(TokenFailureKind::ClientRejected, |secret| {
            let mut request = self.grant_request(secret)?;
            request.parameters.merge(grant);
            self.authenticate(&mut request, secret)?;
            Ok(request)
        })
        .await
    }

    /// A request to the token endpoint, with the definition's own parameters.
    pub(crate) fn grant_request(&self, secret: Option<&Secret>) -> Result<Outgoing, TokenFailure> {
        let token = self.token().map_err(not_sent)?;
        let url = self.url(&token.url).map_err(not_sent)?;
        let encoding = as_call_encoding(token.encoding);
        let mut request = Outgoing::new(Method::Post, url, encoding, &token.headers)?;
        let value = |name: &str| self.param_value(name, secret, None);
        request.parameters.set_all(&token.params, value);
        Ok(request)
    }
}
