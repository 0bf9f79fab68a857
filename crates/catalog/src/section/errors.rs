//! `[errors]`: how the provider reports errors, where RFC 6749 section 5.2 does not say.

use std::collections::BTreeMap;

use serde::Deserialize;

use crate::{ErrorMeaning, Pointer};

/// `[errors]`
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Errors {
    /// A boolean that is true in each success; anything else there is an error whatever the status.
    pub ok: Option<Pointer>,
    /// Where the provider's error code is, beside `/error`; the first that is there counts.
    #[serde(default)]
    pub code: Vec<Pointer>,
    /// A value of `code` that means success, such as TikTok's `ok`.
    pub success_code: Option<String>,
    /// The provider's own error codes and what they mean.
    #[serde(default)]
    pub codes: BTreeMap<String, ErrorMeaning>,
    /// HTTP statuses (`"409"`) and what they mean where the body says nothing known.
    #[serde(default)]
    pub statuses: BTreeMap<String, ErrorMeaning>,
}
