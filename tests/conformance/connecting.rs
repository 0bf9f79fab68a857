//! Connecting an account in the way of the grant.

use base64::{Engine, engine::general_purpose::STANDARD};
use reqwest::header;
use tokend_api::v1;
use url::Url;

use crate::{
    dialect::Grant,
    journey::{Failure, Journey, at, config_of},
    provider::USERNAME,
};

impl Journey<'_> {
    /// Connects; answers the connection.
    pub(crate) async fn connect(&self) -> Result<v1::Connection, Failure> {
        match self.dialect.grant {
            Grant::Static | Grant::Basic => self.enter().await,
            _ => self.authorize().await,
        }
    }

    /// Whether this is what was entered.
    pub(crate) fn is_entered(&self, token: &str) -> bool {
        let secret = &self.provider.client_secret;
        match self.dialect.grant {
            Grant::Basic => token == STANDARD.encode(format!("{USERNAME}:{secret}")),
            _ => token == secret,
        }
    }

    async fn authorize(&self) -> Result<v1::Connection, Failure> {
        let exchanged = self.dialect.grant == Grant::TokenExchange;
        let subject_token = exchanged.then(|| self.provider.subject_token.clone());
        let start = v1::StartAuthorizationRequest {
            integration_type: self.entry.integration_type.clone(),
            connection_config: config_of(self.dialect, self.entry, false),
            subject_token: subject_token.unwrap_or_default(),
            device: self.dialect.device.is_some(),
            ..Default::default()
        };
        let mut admin = self.world.operator.admin();
        let started = admin
            .start_authorization(start)
            .await
            .map_err(at("start"))?;
        let started = started.into_inner();
        match (started.connection, started.device) {
            (Some(connection), _) if !self.provider.needs_person() => return Ok(connection),
            (None, None) if self.provider.needs_person() => {
                self.browse(&started.redirect_url).await?
            }
            (None, Some(device)) => self.read(&device)?,
            _ => return Err("start: not what the grant needs".to_owned()),
        }
        let complete = v1::CompleteAuthorizationRequest {
            authorization_id: started.authorization_id,
            completion_token: started.completion_token,
            ..Default::default()
        };
        let completed = loop {
            match admin.complete_authorization(complete.clone()).await {
                Err(status) if tokend_tests::reason(&status) == "AUTHORIZATION_PENDING" => {
                    tokio::time::sleep(std::time::Duration::from_millis(1050)).await;
                }
                other => break other.map_err(at("complete"))?.into_inner(),
            }
        };
        Ok(completed.connection.unwrap_or_default())
    }

    /// The person's way through the browser: tokend, the provider, tokend again.
    async fn browse(&self, url: &str) -> Result<(), Failure> {
        let browser = reqwest::Client::builder()
            .cookie_store(true)
            .redirect(reqwest::redirect::Policy::none())
            .no_proxy()
            .build()
            .unwrap();
        let failed = |error: reqwest::Error| format!("browser: {}", error.without_url());
        let page = browser.get(url).send().await.map_err(failed)?;
        let location = page.headers().get(header::LOCATION);
        let location = location.and_then(|location| location.to_str().ok());
        let location =
            location.ok_or_else(|| format!("browser: {} at the start", page.status()))?;
        let location = Url::parse(location).map_err(|error| error.to_string())?;
        let back = self.provider.consent(&location).inspect_err(|_| {
            let endpoint = format!(
                "{}{}",
                location.host_str().unwrap_or_default(),
                location.path()
            );
            let names: Vec<_> = location
                .query_pairs()
                .map(|(name, _)| name.into_owned())
                .collect();
            println!("at {endpoint}: {names:?}");
        })?;
        let page = browser.get(back).send().await.map_err(failed)?;
        match page.status().is_success() {
            true => Ok(()),
            false => Err(format!("browser: {} after consenting", page.status())),
        }
    }

    fn read(&self, device: &v1::DeviceAuthorization) -> Result<(), Failure> {
        let expected = self.dialect.device.as_ref();
        let expected = expected.map(|device| device.verification_uri.as_str());
        match !device.user_code.is_empty() && Some(device.verification_uri.as_str()) == expected {
            true => Ok(()),
            false => Err(format!("device: {:?} is shown", device.verification_uri)),
        }
    }

    async fn enter(&self) -> Result<v1::Connection, Failure> {
        let basic = self.dialect.grant == Grant::Basic;
        let secret = self.provider.client_secret.clone();
        let set = v1::SetStaticCredentialRequest {
            connector_id: self.entry.integration_type.clone(),
            access_token: match basic {
                true => String::new(),
                false => secret.clone(),
            },
            basic: basic.then(|| v1::BasicCredential {
                username: USERNAME.to_owned(),
                password: secret,
            }),
            connection_config: config_of(self.dialect, self.entry, false),
            ..Default::default()
        };
        let mut admin = self.world.operator.admin();
        let set = admin.set_static_credential(set).await.map_err(at("set"))?;
        Ok(set.into_inner().connection.unwrap_or_default())
    }
}
