//! What a journey was like, in the words of the table.

use crate::{
    dialect::{Grant, RenewedWith, Rotation},
    journey::Journey,
    table::Row,
};

impl Journey<'_> {
    /// The line of the table, once it is over.
    pub(crate) fn row(&self, revoke: String) -> Row {
        let captured: Vec<_> = self.dialect.captured.keys().cloned().collect();
        Row {
            integration_type: self.entry.integration_type.clone(),
            grant: self.grant().to_owned(),
            connect: self.connecting().to_owned(),
            refresh: self.renewing().to_owned(),
            revoke,
            identity: self.identity(),
            captured: captured.join(", "),
        }
    }

    fn grant(&self) -> &'static str {
        match self.dialect.grant {
            Grant::AuthorizationCode if self.dialect.device.is_some() => "device code",
            Grant::AuthorizationCode => "authorization code",
            Grant::ClientCredentials if self.dialect.assertion.is_some() => {
                "client credentials, signed"
            }
            Grant::ClientCredentials => "client credentials",
            Grant::JwtBearer => "JWT bearer",
            Grant::TokenExchange => "token exchange",
            Grant::Static => "static credential",
            Grant::Basic => "user name and password",
        }
    }

    fn connecting(&self) -> &'static str {
        match self.dialect.grant {
            Grant::AuthorizationCode if self.dialect.device.is_some() => "code shown",
            Grant::AuthorizationCode if self.dialect.second.is_some() => "browser, 2 tokens",
            Grant::AuthorizationCode if self.provider.books().seen.challenge => "browser, PKCE",
            Grant::AuthorizationCode => "browser",
            Grant::Static | Grant::Basic => "entered",
            _ => "nobody asked",
        }
    }

    fn renewing(&self) -> &'static str {
        let Some(refresh) = &self.dialect.refresh else {
            return match self.dialect.grant {
                Grant::ClientCredentials => "asked for again",
                Grant::JwtBearer => "signed for again",
                Grant::TokenExchange => "exchanged again",
                _ => "never",
            };
        };
        match (refresh.with, refresh.rotation) {
            (RenewedWith::AccessToken, _) => "by the token itself",
            (_, Rotation::Strict) => "rotates, used once",
            (_, Rotation::Overlap) => "rotates, with overlap",
            (_, Rotation::StaysValid) => "stays valid",
        }
    }

    fn identity(&self) -> String {
        let account = &self.dialect.account;
        let told = [
            ("id", &account.id),
            ("e-mail", &account.email),
            ("name", &account.name),
        ];
        let told = told.iter().filter(|(_, value)| !value.is_empty());
        told.map(|(name, _)| *name).collect::<Vec<_>>().join(", ")
    }
}
