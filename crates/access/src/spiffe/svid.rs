//! What an X.509-SVID says, and whether it says it as the X509-SVID specification asks. Who signed it is another matter.

use std::sync::Arc;

use rustls::{CertificateError, OtherError, pki_types::CertificateDer};
use tokend_model::Timestamp;
use x509_parser::{
    certificate::X509Certificate,
    extensions::{GeneralName, KeyUsage},
    prelude::FromDer,
};

use super::{InvalidSpiffeId, SpiffeId};

/// The leaf certificate of a workload.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Svid {
    /// Whose it is.
    pub id: SpiffeId,
    /// The last second at which it holds.
    pub expire_time: Timestamp,
}

/// A certificate that is no leaf X.509-SVID, and why.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum InvalidSvid {
    /// It does not read.
    #[error("it is no X.509 certificate")]
    Malformed,
    /// It has no URI among its subject alternative names, or more than one (X509-SVID section 2).
    #[error("it has {0} URI names, and exactly one is allowed")]
    Names(usize),
    /// Its one URI is no SPIFFE id.
    #[error("{0}")]
    Id(#[from] InvalidSpiffeId),
    /// Its id names a trust domain and no workload (X509-SVID section 3.1).
    #[error("its SPIFFE id has no path")]
    NoPath,
    /// It may sign other certificates (X509-SVID sections 4.1 and 4.3).
    #[error("it is a certificate authority")]
    Authority,
    /// Its key usage is missing or does not allow signatures (X509-SVID section 4.3).
    #[error("its key usage has no digitalSignature")]
    KeyUsage,
}

impl Svid {
    /// Reads a leaf certificate.
    pub fn read(certificate: &CertificateDer<'_>) -> Result<Self, InvalidSvid> {
        let (rest, read) =
            X509Certificate::from_der(certificate).map_err(|_| InvalidSvid::Malformed)?;
        if !rest.is_empty() {
            return Err(InvalidSvid::Malformed);
        }
        check_use(&read)?;
        let id: SpiffeId = only_uri(&read)?.parse()?;
        if id.path().is_empty() {
            return Err(InvalidSvid::NoPath);
        }
        let expire_time = Timestamp::from_timestamp(read.validity().not_after.timestamp(), 0);
        Ok(Self {
            id,
            expire_time: expire_time.ok_or(InvalidSvid::Malformed)?,
        })
    }
}

impl From<InvalidSvid> for rustls::Error {
    fn from(invalid: InvalidSvid) -> Self {
        Self::InvalidCertificate(CertificateError::Other(OtherError(Arc::new(invalid))))
    }
}

fn check_use(certificate: &X509Certificate<'_>) -> Result<(), InvalidSvid> {
    let constraints = certificate.basic_constraints();
    let constraints = constraints.map_err(|_| InvalidSvid::Malformed)?;
    if constraints.is_some_and(|constraints| constraints.value.ca) {
        return Err(InvalidSvid::Authority);
    }
    let usage = certificate.key_usage();
    let usage = usage.map_err(|_| InvalidSvid::Malformed)?;
    let usage: &KeyUsage = usage.ok_or(InvalidSvid::KeyUsage)?.value;
    if usage.key_cert_sign() || usage.crl_sign() {
        return Err(InvalidSvid::Authority);
    }
    match usage.digital_signature() {
        true => Ok(()),
        false => Err(InvalidSvid::KeyUsage),
    }
}

fn only_uri<'a>(certificate: &'a X509Certificate<'_>) -> Result<&'a str, InvalidSvid> {
    let names = certificate.subject_alternative_name();
    let names = names.map_err(|_| InvalidSvid::Malformed)?;
    let names = names.map_or(&[][..], |names| &names.value.general_names);
    let mut uris = Vec::new();
    for name in names {
        match name {
            GeneralName::URI(uri) => uris.push(*uri),
            // It may have been meant for a URI.
            GeneralName::Invalid(..) => return Err(InvalidSvid::Malformed),
            _ => {}
        }
    }
    match uris[..] {
        [uri] => Ok(uri),
        _ => Err(InvalidSvid::Names(uris.len())),
    }
}
