//! Certificate authorities that are made for a test, what they sign, and channels that show it.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use rcgen::{
    BasicConstraints, CertificateParams, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose, SanType, date_time_ymd,
};
use tonic::transport::{self, Certificate, Channel, ClientTlsConfig, Endpoint, Identity};

/// An authority to sign with.
pub struct Authority {
    /// Its certificate.
    pub pem: String,
    issuer: Issuer<'static, KeyPair>,
}

/// A certificate chain and its key, both PEM.
#[derive(Clone)]
pub struct KeyedCertificate {
    /// The chain.
    pub certificate: String,
    /// The key.
    pub key: String,
}

impl Authority {
    /// A new one.
    pub fn new() -> Self {
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        Self::of(params)
    }

    /// One of these parameters, which signs itself.
    pub fn of(params: CertificateParams) -> Self {
        let key = KeyPair::generate().unwrap();
        let pem = params.self_signed(&key).unwrap().pem();
        let issuer = Issuer::new(params, key);
        Self { pem, issuer }
    }

    /// Another authority, that this one vouches for, if it may.
    pub fn vouch_for(&self, params: CertificateParams) -> Self {
        let key = KeyPair::generate().unwrap();
        let pem = params.signed_by(&key, &self.issuer).unwrap().pem();
        let issuer = Issuer::new(params, key);
        Self { pem, issuer }
    }

    /// A certificate of these parameters with a key of its own.
    pub fn sign(&self, params: &CertificateParams) -> KeyedCertificate {
        let key = KeyPair::generate().unwrap();
        KeyedCertificate {
            certificate: params.signed_by(&key, &self.issuer).unwrap().pem(),
            key: key.serialize_pem(),
        }
    }

    /// A server's certificate, for `localhost`.
    pub fn server(&self) -> KeyedCertificate {
        self.sign(&CertificateParams::new(vec!["localhost".to_owned()]).unwrap())
    }
}

impl Default for Authority {
    fn default() -> Self {
        Self::new()
    }
}

/// An X.509-SVID with these URIs, good for an hour.
pub fn svid(uris: &[&str]) -> CertificateParams {
    let mut params = CertificateParams::default();
    let uri = |uri: &&str| SanType::URI((*uri).try_into().unwrap());
    params.subject_alt_names = uris.iter().map(uri).collect();
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.extended_key_usages = vec![
        ExtendedKeyUsagePurpose::ClientAuth,
        ExtendedKeyUsagePurpose::ServerAuth,
    ];
    valid(params, -3600, 3600)
}

/// The same, valid between these seconds from now.
pub fn valid(mut params: CertificateParams, from: i64, to: i64) -> CertificateParams {
    #[expect(clippy::disallowed_methods, reason = "tests stand at the edge")]
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    let at = |seconds: i64| {
        let seconds = now.as_secs().checked_add_signed(seconds).unwrap();
        date_time_ymd(1970, 1, 1) + Duration::from_secs(seconds)
    };
    params.not_before = at(from);
    params.not_after = at(to);
    params
}

/// A channel to the server on this port that trusts these authorities (PEM), and shows a certificate if there is one.
pub async fn tls_channel(
    port: u16,
    trusted: &str,
    shown: Option<&KeyedCertificate>,
) -> Result<Channel, transport::Error> {
    let mut tls = ClientTlsConfig::new()
        .ca_certificate(Certificate::from_pem(trusted))
        .domain_name("localhost");
    if let Some(KeyedCertificate { certificate, key }) = shown {
        tls = tls.identity(Identity::from_pem(certificate, key));
    }
    Endpoint::from_shared(format!("https://127.0.0.1:{port}"))?
        .tls_config(tls)?
        .connect()
        .await
}
