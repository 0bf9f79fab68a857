//! What becomes of tokens: renewed, and in the end revoked.

use tokend_api::v1;

use crate::{
    dialect::{Grant, Kills},
    journey::{Failure, Journey, at},
};

impl Journey<'_> {
    /// Renews once on an operator's word and once because a backend's token was refused; answers what is vended then.
    pub(crate) async fn renew(
        &self,
        connection: &v1::Connection,
        first: v1::VendedConnection,
    ) -> Result<v1::VendedConnection, Failure> {
        let refresh = v1::RefreshConnectionRequest {
            connection_id: connection.connection_id.clone(),
            ..Default::default()
        };
        let mut admin = self.world.operator.admin();
        let renewed = admin
            .refresh_connection(refresh)
            .await
            .map_err(at("refresh"))?;
        let renewable = self.is_renewable();
        if renewed.into_inner().renewed != renewable {
            return Err(format!(
                "refresh: it is renewable: {renewable}, but not told so"
            ));
        }
        if !renewable {
            return Ok(first);
        }
        let second = self.vend(None).await?;
        self.check(&second, true)?;
        let third = self.vend(Some(second.generation)).await?;
        self.check(&third, true)?;
        let distinct =
            first.access_token != second.access_token && second.access_token != third.access_token;
        match distinct && third.generation == first.generation + 2 {
            true => Ok(third),
            false => Err("two renewals did not make two new tokens".to_owned()),
        }
    }

    /// Revokes; answers what the provider was sent.
    pub(crate) async fn revoke(
        &self,
        connection: &v1::Connection,
        vended: &v1::VendedConnection,
    ) -> Result<String, Failure> {
        let refresh_token = {
            let mut books = self.provider.books();
            let line = books.by_access(&vended.access_token);
            line.and_then(|line| line.refresh.clone())
        };
        let revoke = v1::RevokeConnectionRequest {
            connection_id: connection.connection_id.clone(),
            ..Default::default()
        };
        let mut admin = self.world.operator.admin();
        let revoked = admin
            .revoke_connection(revoke)
            .await
            .map_err(at("revoke"))?;
        let outcome = revoked.into_inner().provider_revocation();
        let Some(call) = &self.dialect.revoke else {
            return match outcome {
                v1::ProviderRevocation::NotSupported => Ok("not offered".to_owned()),
                other => Err(format!("revoke: {other:?} where nothing is offered")),
            };
        };
        let mut books = self.provider.books();
        let dead = match call.kills {
            Some(Kills::Renewal) => {
                refresh_token.is_some_and(|token| books.by_refresh(&token).is_none())
            }
            _ => !books.works(&vended.access_token),
        };
        match (outcome, dead, books.seen.revoked) {
            (v1::ProviderRevocation::Revoked, true, Some(what)) => Ok(what.to_owned()),
            (outcome, dead, _) => Err(format!("revoke: {outcome:?}; dead at the provider: {dead}")),
        }
    }

    /// Whether there is a next token without a person.
    fn is_renewable(&self) -> bool {
        let by_client = [
            Grant::ClientCredentials,
            Grant::JwtBearer,
            Grant::TokenExchange,
        ];
        self.dialect.refresh.is_some() || by_client.contains(&self.dialect.grant)
    }
}
