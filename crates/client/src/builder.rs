//! Where tokend is, and how to reach it.

use std::{fmt, time::Duration};

use tonic::{
    Code,
    transport::{Certificate, Channel, ClientTlsConfig, Endpoint, Identity},
};

use crate::{
    Client, Credentials, Error,
    interceptor::{CallMetadata, metadata_value},
};

const DEFAULT_TIMEOUT: Duration = Duration::from_secs(10);
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// An idle connection is checked this often, so that one that died in between does not cost a call.
const KEEP_ALIVE: Duration = Duration::from_secs(60);

/// Makes a [`Client`].
#[derive(Debug, Clone)]
#[must_use = "nothing happens until connect"]
pub struct ClientBuilder {
    endpoint: String,
    ca_certificate: Option<Vec<u8>>,
    client_certificate: Option<ClientCertificate>,
    credentials: Option<Credentials>,
    workspace: Option<String>,
    timeout: Duration,
}

/// Keeps the private key out of Debug.
#[derive(Clone)]
struct ClientCertificate(Identity);

impl fmt::Debug for ClientCertificate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[REDACTED]")
    }
}

impl ClientBuilder {
    pub(crate) fn new(endpoint: String) -> Self {
        Self {
            endpoint,
            ca_certificate: None,
            client_certificate: None,
            credentials: None,
            workspace: None,
            timeout: DEFAULT_TIMEOUT,
        }
    }

    /// Trusts the servers of this certificate authority (PEM), and not those of the system's.
    pub fn ca_certificate(mut self, pem: impl Into<Vec<u8>>) -> Self {
        self.ca_certificate = Some(pem.into());
        self
    }

    /// Proves ourselves by mutual TLS, as with an X.509-SVID: the certificate, followed by any intermediate ones, and its
    /// private key (PEM). Not together with [`credentials`](Self::credentials), which would count instead. To change them
    /// before they expire, make another client.
    pub fn client_certificate(
        mut self,
        certificate_pem: impl AsRef<[u8]>,
        private_key_pem: impl AsRef<[u8]>,
    ) -> Self {
        let identity = Identity::from_pem(certificate_pem, private_key_pem);
        self.client_certificate = Some(ClientCertificate(identity));
        self
    }

    /// What to prove ourselves with.
    pub fn credentials(mut self, credentials: Credentials) -> Self {
        self.credentials = Some(credentials);
        self
    }

    /// The workspace to ask about; `default` unless said otherwise.
    pub fn workspace(mut self, workspace: impl Into<String>) -> Self {
        self.workspace = Some(workspace.into());
        self
    }

    /// How long a call may take in all, retries included; 10 s unless said otherwise.
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }

    /// Connects now, and again by itself whenever the connection is lost.
    pub async fn connect(self) -> Result<Client, Error> {
        let channel = self.endpoint()?.connect().await?;
        self.client(channel)
    }

    /// Connects with the first call, so that the caller can start before tokend does.
    pub fn connect_lazy(self) -> Result<Client, Error> {
        let channel = self.endpoint()?.connect_lazy();
        self.client(channel)
    }

    fn client(self, channel: Channel) -> Result<Client, Error> {
        let workspace = self.workspace.as_deref();
        let metadata = CallMetadata {
            workspace: workspace
                .map(|workspace| metadata_value("workspace", workspace))
                .transpose()?,
            credentials: self.credentials,
        };
        Ok(Client::new(channel, metadata, self.timeout))
    }

    fn endpoint(&self) -> Result<Endpoint, Error> {
        let endpoint = Endpoint::from_shared(self.endpoint.clone())
            .map_err(|error| self.invalid(error.to_string()))?;
        let endpoint = match endpoint.uri().scheme_str() {
            Some("https") => endpoint.tls_config(self.tls())?,
            // A given certificate shows that encryption is meant: do not send credentials without.
            Some("http") if self.ca_certificate.is_some() => {
                return Err(self.invalid("a CA certificate needs https://"));
            }
            Some("http") if self.client_certificate.is_some() => {
                return Err(self.invalid("a client certificate needs https://"));
            }
            Some("http") => endpoint,
            _ => return Err(self.invalid("it must start with http://, https:// or unix:")),
        };
        Ok(endpoint
            .connect_timeout(CONNECT_TIMEOUT)
            .http2_keep_alive_interval(KEEP_ALIVE)
            .keep_alive_while_idle(true)
            .tcp_nodelay(true))
    }

    fn tls(&self) -> ClientTlsConfig {
        let tls = match &self.ca_certificate {
            Some(pem) => ClientTlsConfig::new().ca_certificate(Certificate::from_pem(pem)),
            None => ClientTlsConfig::new().with_native_roots(),
        };
        match &self.client_certificate {
            Some(ClientCertificate(identity)) => tls.identity(identity.clone()),
            None => tls,
        }
    }

    fn invalid(&self, problem: impl std::fmt::Display) -> Error {
        Error::new(
            Code::InvalidArgument,
            format!("endpoint {:?}: {problem}", self.endpoint),
        )
    }
}
