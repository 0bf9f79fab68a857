//! A trust domain: its certificate authorities, as its bundle file has them at any time, and what its workloads may use.

use std::{path::PathBuf, sync::Arc};

use rustls::{
    RootCertStore,
    crypto::CryptoProvider,
    pki_types::{CertificateDer, pem::PemObject},
    server::{WebPkiClientVerifier, danger::ClientCertVerifier},
};

use crate::{Reloaded, Standing, spiffe::id::check_trust_domain};

/// Whose X.509-SVIDs are accepted, and what for.
#[derive(Debug, Clone)]
pub struct TrustDomainOptions {
    /// Its name, without scheme.
    pub trust_domain: String,
    /// Its certificate authorities (PEM).
    pub bundle_file: PathBuf,
    /// What its workloads may use.
    pub standing: Standing,
}

/// A trust domain that cannot be used as it is configured.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("trust domain {trust_domain:?}: {problem}")]
pub struct InvalidTrustDomain {
    /// Its name.
    pub trust_domain: String,
    /// What is wrong.
    pub problem: String,
}

/// A trust domain in use.
#[derive(Debug)]
pub(super) struct TrustDomain {
    pub(super) standing: Standing,
    bundle: Reloaded<Arc<dyn ClientCertVerifier>>,
}

impl TrustDomain {
    /// Reads the bundle for the first time.
    pub(super) async fn load(
        options: TrustDomainOptions,
        provider: Arc<CryptoProvider>,
    ) -> Result<Self, InvalidTrustDomain> {
        let trust_domain = options.trust_domain;
        let invalid = |problem: String| InvalidTrustDomain {
            trust_domain: trust_domain.clone(),
            problem,
        };
        check_trust_domain(&trust_domain).map_err(|error| invalid(error.to_string()))?;
        let bundle = Reloaded::load(vec![options.bundle_file], move |contents| {
            let [pem] = contents else {
                return Err("is not one file".to_owned());
            };
            verifier(pem, provider.clone())
        });
        Ok(Self {
            standing: options.standing,
            bundle: bundle.await.map_err(invalid)?,
        })
    }

    /// Verifies chains up to the authorities that are in the bundle now.
    pub(super) fn verifier(&self) -> Arc<dyn ClientCertVerifier> {
        (*self.bundle.current()).clone()
    }

    pub(super) async fn reload(&self) {
        self.bundle.reload().await;
    }
}

fn verifier(
    pem: &[u8],
    provider: Arc<CryptoProvider>,
) -> Result<Arc<dyn ClientCertVerifier>, String> {
    let mut authorities = RootCertStore::empty();
    for certificate in CertificateDer::pem_slice_iter(pem) {
        let added = certificate
            .map_err(|error| error.to_string())
            .and_then(|it| authorities.add(it).map_err(|error| error.to_string()));
        added.map_err(|error| format!("a certificate does not read: {error}"))?;
    }
    if authorities.is_empty() {
        return Err("has no certificate".to_owned());
    }
    WebPkiClientVerifier::builder_with_provider(Arc::new(authorities), provider)
        .build()
        .map_err(|error| error.to_string())
}
