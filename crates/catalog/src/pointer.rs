//! JSON pointers (RFC 6901) into a provider's answers.

use serde::Deserialize;

/// A place in a JSON answer; the empty pointer is the whole of it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub struct Pointer(String);

/// A text that is not a JSON pointer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("a JSON pointer is empty or starts with '/', such as \"/team/id\"")]
pub struct InvalidPointer;

impl Pointer {
    /// The pointer as RFC 6901 writes it.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for Pointer {
    type Error = InvalidPointer;

    fn try_from(text: String) -> Result<Self, InvalidPointer> {
        if text.is_empty() || text.starts_with('/') {
            Ok(Self(text))
        } else {
            Err(InvalidPointer)
        }
    }
}
