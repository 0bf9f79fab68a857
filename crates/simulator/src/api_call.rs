//! The provider's API, called as a backend calls it: proof that a token works.

use std::{io, time::Duration};

use crate::Simulator;

impl Simulator {
    /// Gets `/api/events` with the token as bearer (RFC 6750 section 2.1); the HTTP status, 401 for a token that is not
    /// alive.
    ///
    /// # Errors
    /// When the simulator cannot be reached.
    pub async fn call_api(&self, access_token: &str) -> io::Result<u16> {
        // As in `Browser::new`: reqwest wants a TLS provider even for plain HTTP.
        _ = rustls::crypto::ring::default_provider().install_default();
        let client = reqwest::Client::builder()
            .no_proxy()
            .timeout(Duration::from_secs(10))
            .build()
            .map_err(io::Error::other)?;
        let request = client
            .get(format!("{}/api/events", self.base_url()))
            .bearer_auth(access_token);
        let answer = request
            .send()
            .await
            .map_err(|error| io::Error::other(error.without_url()))?;
        Ok(answer.status().as_u16())
    }
}
