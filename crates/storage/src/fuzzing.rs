//! What the fuzz targets of `tests/fuzz` need of the inside; nothing else uses it.

pub use crate::journal::read_page;
