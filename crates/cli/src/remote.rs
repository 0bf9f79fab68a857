//! Where the server is, and who we are to it: what every command that calls it takes.

use std::{fs, path::PathBuf, time::Duration};

use anyhow::Context;
use clap::Args;
use tokend_client::{Client, Credentials};
use tonic::{Code, Response, Status};

#[derive(Args)]
pub(crate) struct Remote {
    /// The server's gRPC endpoint, http:// or https://.
    #[arg(
        long,
        env = "TOKEND_ENDPOINT",
        default_value = "http://127.0.0.1:50051",
        value_name = "URL"
    )]
    endpoint: String,
    /// A file with the API key; without it the key is taken from the environment variable TOKEND_API_KEY.
    #[arg(long, env = "TOKEND_API_KEY_FILE", value_name = "FILE")]
    api_key_file: Option<PathBuf>,
    /// The certificate authority of the server (PEM), in place of the system's.
    #[arg(long, env = "TOKEND_CA_FILE", value_name = "FILE")]
    ca_file: Option<PathBuf>,
    /// The workspace to ask about [default: the API key's].
    #[arg(long, env = "TOKEND_WORKSPACE", value_name = "NAME")]
    workspace: Option<String>,
    /// Print JSON.
    #[arg(long)]
    pub(crate) json: bool,
}

impl Remote {
    /// Connects.
    pub(crate) async fn client(&self) -> anyhow::Result<Client> {
        let mut builder = Client::builder(&self.endpoint).timeout(Duration::from_secs(90));
        let key = match &self.api_key_file {
            Some(file) => Some(
                fs::read_to_string(file)
                    .with_context(|| format!("--api-key-file {}", file.display()))?,
            ),
            None => std::env::var("TOKEND_API_KEY").ok(),
        };
        if let Some(key) = key {
            builder = builder.credentials(Credentials::api_key(key.trim()));
        }
        if let Some(file) = &self.ca_file {
            let pem = fs::read(file).with_context(|| format!("--ca-file {}", file.display()))?;
            builder = builder.ca_certificate(pem);
        }
        if let Some(workspace) = &self.workspace {
            builder = builder.workspace(workspace);
        }
        let connected = builder.connect().await;
        match connected.as_ref().err().map(|error| error.code) {
            Some(Code::Unavailable) => connected
                .with_context(|| format!("the server at {} cannot be reached", self.endpoint)),
            _ => Ok(connected?),
        }
    }
}

/// The answer, or the error with what tokend says about it.
pub(crate) fn answer<T>(result: Result<Response<T>, Status>) -> Result<T, tokend_client::Error> {
    result
        .map(Response::into_inner)
        .map_err(tokend_client::Error::from)
}
