//! Asking for a connection, with options.

use std::{future::IntoFuture, pin::Pin, time::Duration};

use tokend_api::v1::{GetConnectionRequest, GetCurrentAppUserConnectionRequest};

use crate::{Client, Connection, Error, call::Repeat, interceptor::metadata_value};

/// What a connection has to be like.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct GetOptions {
    /// Which of several connections under the connector; the default one if absent.
    pub label: Option<String>,
    /// The token must be good for at least this long, or it is renewed first; the server's default if absent.
    pub min_ttl: Option<Duration>,
    /// Limits the token to these scopes, where the provider can; all if empty.
    pub scopes: Vec<String>,
    /// The [`generation`](Connection::generation) of a token that the provider has just refused with 401.
    pub rejected_generation: Option<u32>,
    /// Where the user goes after consenting. With it, an error for missing consent has a
    /// [`help_url`](Error::help_url).
    pub connect_return_url: Option<String>,
    /// Which of several tokens that the provider issues at once, such as `user`; the main one if absent.
    pub token: Option<String>,
}

/// A connection to be asked for; `await` it.
#[derive(Debug, Clone)]
#[must_use = "nothing is asked until it is awaited"]
pub struct GetConnection {
    client: Client,
    whose: Whose,
    options: GetOptions,
}

#[derive(Debug, Clone)]
enum Whose {
    Shared {
        integration_type: String,
    },
    AppUser {
        connector_id: String,
        user_token: UserToken,
    },
}

/// Keeps the app user's JWT out of Debug.
#[derive(Clone)]
struct UserToken(String);

impl std::fmt::Debug for UserToken {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("[REDACTED]")
    }
}

impl GetConnection {
    pub(crate) fn shared(client: Client, integration_type: String) -> Self {
        Self {
            client,
            whose: Whose::Shared { integration_type },
            options: GetOptions::default(),
        }
    }

    pub(crate) fn app_user(client: Client, connector_id: String, user_token: String) -> Self {
        Self {
            client,
            whose: Whose::AppUser {
                connector_id,
                user_token: UserToken(user_token),
            },
            options: GetOptions::default(),
        }
    }

    /// Sets all options.
    pub fn with_options(mut self, options: GetOptions) -> Self {
        self.options = options;
        self
    }

    /// Asks for one of the further tokens that the provider issues at once, such as Slack's `user`.
    pub fn token(mut self, name: impl Into<String>) -> Self {
        self.options.token = Some(name.into());
        self
    }

    /// Says that the provider refused this connection's token with 401, so that another one comes.
    pub fn instead_of(mut self, rejected: &Connection) -> Self {
        self.options.rejected_generation = Some(rejected.generation);
        self
    }

    async fn send(self) -> Result<Connection, Error> {
        let Self {
            client,
            whose,
            options,
        } = self;
        let min_ttl = options.min_ttl.map(duration).transpose()?;
        let connect_return_url = options.connect_return_url.unwrap_or_default();
        let token = options.token.unwrap_or_default();
        let connectors = client.connectors();
        let vended = match whose {
            Whose::Shared { integration_type } => {
                let message = GetConnectionRequest {
                    integration_type,
                    label: options.label,
                    min_ttl,
                    scopes: options.scopes,
                    rejected_generation: options.rejected_generation,
                    connect_return_url,
                    token,
                };
                client
                    .call(None, Repeat::WhenUnavailable)
                    .send(&message, |request| {
                        let mut connectors = connectors.clone();
                        async move { connectors.get_connection(request).await }
                    })
                    .await?
            }
            Whose::AppUser {
                connector_id,
                user_token: UserToken(user_token),
            } => {
                let user_token = metadata_value("app user's token", &user_token)?;
                let message = GetCurrentAppUserConnectionRequest {
                    connector_id,
                    label: options.label,
                    min_ttl,
                    scopes: options.scopes,
                    rejected_generation: options.rejected_generation,
                    connect_return_url,
                    token,
                };
                client
                    .call(Some(&user_token), Repeat::WhenUnavailable)
                    .send(&message, |request| {
                        let mut connectors = connectors.clone();
                        async move { connectors.get_current_app_user_connection(request).await }
                    })
                    .await?
            }
        };
        Ok(vended.into())
    }
}

impl IntoFuture for GetConnection {
    type Output = Result<Connection, Error>;
    type IntoFuture = Pin<Box<dyn Future<Output = Self::Output> + Send>>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(self.send())
    }
}

fn duration(duration: Duration) -> Result<prost_types::Duration, Error> {
    prost_types::Duration::try_from(duration)
        .map_err(|_| Error::new(tonic::Code::InvalidArgument, "min_ttl is too long"))
}
