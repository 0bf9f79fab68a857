//! TLS: which versions, whose certificate, and whom client certificates may prove. Certificates change while it runs.

use std::{path::PathBuf, sync::Arc};

use rustls::{
    ServerConfig,
    crypto::{CryptoProvider, ring},
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject},
    server::{ClientHello, NoServerSessionStorage, ResolvesServerCert},
    sign::CertifiedKey,
    version::{TLS12, TLS13},
};
use tokend_access::{Caller, Reloaded, SpiffeCallers};
use tokio::net::TcpStream;
use tokio_rustls::{TlsAcceptor, server::TlsStream};

use crate::config::Grpc;

/// The protocol that is spoken inside (RFC 9113 section 3.2); nothing else is.
const HTTP_2: &[u8] = b"h2";

/// TLS for a listener.
pub(crate) struct Tls {
    acceptor: TlsAcceptor,
    certificate: Arc<ServedCertificate>,
    spiffe: Option<Arc<SpiffeCallers>>,
}

/// TLS cannot be had as it is configured.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// The server's certificate or key cannot be used.
    #[error("grpc.tls_certificate_file and grpc.tls_private_key_file: {0}")]
    Certificate(String),
    /// Client certificates need TLS.
    #[error("access.spiffe needs grpc.tls_certificate_file and grpc.tls_private_key_file")]
    SpiffeWithoutTls,
    /// The TLS library does not take the settings.
    #[error("TLS cannot be set up: {0}")]
    Settings(#[from] rustls::Error),
}

/// The server's certificate as it is in its files.
#[derive(Debug)]
struct ServedCertificate(Reloaded<CertifiedKey>);

impl Tls {
    /// As the configuration says; `None` without TLS.
    pub(crate) async fn load(
        config: &Grpc,
        spiffe: Option<Arc<SpiffeCallers>>,
    ) -> Result<Option<Self>, TlsError> {
        if config.tls_certificate_file.as_os_str().is_empty() {
            return match spiffe {
                Some(_) => Err(TlsError::SpiffeWithoutTls),
                None => Ok(None),
            };
        }
        let provider = Arc::new(ring::default_provider());
        let files = vec![
            config.tls_certificate_file.clone(),
            config.tls_private_key_file.clone(),
        ];
        let certificate = ServedCertificate::load(files, provider.clone()).await?;
        let certificate = Arc::new(certificate);
        let settings = settings(provider, certificate.clone(), spiffe.clone())?;
        Ok(Some(Self {
            acceptor: TlsAcceptor::from(Arc::new(settings)),
            certificate,
            spiffe,
        }))
    }

    /// Looks at all files again: what changed is used for the connections to come.
    pub(crate) async fn reload(&self) {
        self.certificate.0.reload().await;
        if let Some(spiffe) = &self.spiffe {
            spiffe.reload().await;
        }
    }

    /// Shakes hands; answers whom the client's certificate proves as well.
    pub(super) async fn accept(
        &self,
        stream: TcpStream,
    ) -> std::io::Result<(TlsStream<TcpStream>, Option<Arc<Caller>>)> {
        let stream = self.acceptor.accept(stream).await?;
        let (_, session) = stream.get_ref();
        if session.alpn_protocol() != Some(HTTP_2) {
            return Err(std::io::Error::other("the client does not ask for HTTP/2"));
        }
        let presented = session.peer_certificates().and_then(<[_]>::first);
        let Some((certificate, spiffe)) = presented.zip(self.spiffe.as_ref()) else {
            return Ok((stream, None));
        };
        let caller = spiffe.caller(certificate);
        let caller =
            caller.ok_or_else(|| std::io::Error::other("the certificate proves nobody"))?;
        Ok((stream, Some(caller)))
    }
}

impl ServedCertificate {
    async fn load(files: Vec<PathBuf>, provider: Arc<CryptoProvider>) -> Result<Self, TlsError> {
        let pair = Reloaded::load(files, move |contents| {
            let [certificates, key] = contents else {
                return Err("are not two files".to_owned());
            };
            let chain: Vec<_> = CertificateDer::pem_slice_iter(certificates)
                .collect::<Result<_, _>>()
                .map_err(|error| format!("a certificate does not read: {error}"))?;
            if chain.is_empty() {
                return Err("there is no certificate".to_owned());
            }
            let key = PrivateKeyDer::from_pem_slice(key)
                .map_err(|_| "the private key does not read".to_owned())?;
            CertifiedKey::from_der(chain, key, &provider).map_err(|error| error.to_string())
        });
        Ok(Self(pair.await.map_err(TlsError::Certificate)?))
    }
}

impl ResolvesServerCert for ServedCertificate {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(self.0.current())
    }
}

fn settings(
    provider: Arc<CryptoProvider>,
    certificate: Arc<ServedCertificate>,
    spiffe: Option<Arc<SpiffeCallers>>,
) -> Result<ServerConfig, rustls::Error> {
    let settings =
        ServerConfig::builder_with_provider(provider).with_protocol_versions(&[&TLS13, &TLS12])?;
    let mut settings = match &spiffe {
        Some(callers) => settings.with_client_cert_verifier(callers.clone()),
        None => settings.with_no_client_auth(),
    }
    .with_cert_resolver(certificate);
    settings.alpn_protocols = vec![HTTP_2.to_vec()];
    if spiffe.is_some() {
        // A resumed session is not asked for its certificate again, which may have run out.
        settings.session_storage = Arc::new(NoServerSessionStorage {});
        settings.send_tls13_tickets = 0;
    }
    Ok(settings)
}
