//! Whom client certificates prove: each is verified against the bundle of exactly the trust domain that its id names.

use std::{collections::HashMap, sync::Arc};

use rustls::{
    CertificateError, DigitallySignedStruct, DistinguishedName, Error, SignatureScheme,
    client::danger::HandshakeSignatureValid,
    crypto::{CryptoProvider, ring, verify_tls12_signature, verify_tls13_signature},
    pki_types::{CertificateDer, UnixTime},
    server::danger::{ClientCertVerified, ClientCertVerifier},
};
use tokend_model::Timestamp;

use super::{InvalidTrustDomain, SpiffeId, Svid, TrustDomainOptions, trust_domain::TrustDomain};
use crate::{Caller, CallerKind};

/// The trust domains whose workloads may call. As a verifier of client certificates it asks for one, and takes none only
/// if none is presented.
#[derive(Debug)]
pub struct SpiffeCallers {
    domains: HashMap<String, TrustDomain>,
    provider: Arc<CryptoProvider>,
}

impl SpiffeCallers {
    /// Reads the bundles for the first time.
    pub async fn load(options: Vec<TrustDomainOptions>) -> Result<Self, InvalidTrustDomain> {
        let provider = Arc::new(ring::default_provider());
        let mut domains = HashMap::new();
        for options in options {
            let name = options.trust_domain.clone();
            let domain = TrustDomain::load(options, provider.clone()).await?;
            if domains.insert(name.clone(), domain).is_some() {
                return Err(InvalidTrustDomain {
                    trust_domain: name,
                    problem: "is there twice".to_owned(),
                });
            }
        }
        Ok(Self { domains, provider })
    }

    /// Whom a certificate proves that has been verified.
    pub fn caller(&self, verified: &CertificateDer<'_>) -> Option<Arc<Caller>> {
        let svid = Svid::read(verified).ok()?;
        let domain = self.domains.get(svid.id.trust_domain())?;
        Some(Arc::new(caller(domain, &svid.id, Some(svid.expire_time))))
    }

    /// The caller of that name, if a workload of these trust domains may have it.
    pub fn named(&self, name: &str) -> Option<Caller> {
        let id: SpiffeId = name.parse().ok()?;
        let domain = self.domains.get(id.trust_domain())?;
        (!id.path().is_empty()).then(|| caller(domain, &id, None))
    }

    /// Looks at the bundles again: those that changed are used for the connections to come.
    pub async fn reload(&self) {
        for domain in self.domains.values() {
            domain.reload().await;
        }
    }
}

impl ClientCertVerifier for SpiffeCallers {
    /// API keys and tokens are still taken, on connections without a certificate.
    fn client_auth_mandatory(&self) -> bool {
        false
    }

    /// None: clients have one certificate, and the bundles change.
    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        &[]
    }

    fn verify_client_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<ClientCertVerified, Error> {
        let svid = Svid::read(end_entity)?;
        let domain = self.domains.get(svid.id.trust_domain());
        let domain = domain.ok_or(CertificateError::UnknownIssuer)?;
        domain
            .verifier()
            .verify_client_cert(end_entity, intermediates, now)
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        verify_tls12_signature(message, certificate, signature, algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        verify_tls13_signature(message, certificate, signature, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider
            .signature_verification_algorithms
            .supported_schemes()
    }
}

fn caller(domain: &TrustDomain, id: &SpiffeId, expire_time: Option<Timestamp>) -> Caller {
    let kind = CallerKind::Spiffe {
        trust_domain: id.trust_domain().to_owned(),
    };
    domain
        .standing
        .caller(id.as_str().to_owned(), kind, expire_time)
}
