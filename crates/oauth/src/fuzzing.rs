//! What the fuzz targets of `tests/fuzz` need of the inside; nothing else uses it.

use tokend_catalog::Definition;
use tokend_model::{RawTokenAnswer, TokenAnswer};

use crate::answer::{read_first, read_renewal};

/// Reads a token answer as the first one, and as that of a renewal.
pub fn read_answers(definition: &Definition, raw: &RawTokenAnswer) -> [Option<TokenAnswer>; 2] {
    [
        read_first(definition, raw).ok(),
        read_renewal(definition, "", raw).ok(),
    ]
}
