//! What the caller proves itself with.

use std::{
    fmt, io,
    path::PathBuf,
    sync::{Arc, Mutex, PoisonError},
    time::SystemTime,
};

use tonic::metadata::{Ascii, MetadataValue, errors::InvalidMetadataValue};

/// What the caller proves itself with. Its Debug shows no secret.
#[derive(Clone)]
pub struct Credentials(Kind);

#[derive(Clone)]
enum Kind {
    ApiKey(String),
    File(Arc<TokenFile>),
}

/// A token that somebody else renews, such as the kubelet.
struct TokenFile {
    path: PathBuf,
    read: Mutex<Option<(SystemTime, MetadataValue<Ascii>)>>,
}

/// Why there are no credentials to send.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CredentialsError {
    #[error("the caller's credentials have characters that cannot be sent")]
    Invalid(#[from] InvalidMetadataValue),
    #[error("the caller's token cannot be read from {}: {error}", path.display())]
    Unreadable { path: PathBuf, error: io::Error },
}

impl Credentials {
    /// An API key, as `tokend callers add` printed it.
    pub fn api_key(key: impl Into<String>) -> Self {
        Self(Kind::ApiKey(key.into()))
    }

    /// A bearer token (or API key) in a file, read again whenever the file changes.
    pub fn bearer_file(path: impl Into<PathBuf>) -> Self {
        Self(Kind::File(Arc::new(TokenFile {
            path: path.into(),
            read: Mutex::new(None),
        })))
    }

    /// The value of `authorization`.
    pub(crate) fn authorization(&self) -> Result<MetadataValue<Ascii>, CredentialsError> {
        match &self.0 {
            Kind::ApiKey(key) => Ok(bearer(key)?),
            Kind::File(file) => file.authorization(),
        }
    }
}

impl TokenFile {
    fn authorization(&self) -> Result<MetadataValue<Ascii>, CredentialsError> {
        let unreadable = |error| CredentialsError::Unreadable {
            path: self.path.clone(),
            error,
        };
        let change_time = std::fs::metadata(&self.path)
            .and_then(|metadata| metadata.modified())
            .map_err(unreadable)?;
        let mut read = self.read.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((read_time, value)) = &*read
            && *read_time == change_time
        {
            return Ok(value.clone());
        }
        let token = std::fs::read_to_string(&self.path).map_err(unreadable)?;
        let value = bearer(token.trim())?;
        *read = Some((change_time, value.clone()));
        Ok(value)
    }
}

fn bearer(token: &str) -> Result<MetadataValue<Ascii>, InvalidMetadataValue> {
    let mut value = MetadataValue::try_from(format!("Bearer {token}"))?;
    // Keeps it out of Debug and out of HTTP/2's compression tables.
    value.set_sensitive(true);
    Ok(value)
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Kind::ApiKey(_) => f.write_str("Credentials::ApiKey([REDACTED])"),
            Kind::File(file) => write!(f, "Credentials::File({})", file.path.display()),
        }
    }
}
