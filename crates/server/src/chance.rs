//! Chance, from the operating system; everywhere else it is an argument.

use ring::rand::{SecureRandom, SystemRandom};
use tokend_model::ports::Chance;

/// The operating system's random numbers.
pub(crate) struct SystemChance;

impl Chance for SystemChance {
    fn roll(&self) -> f64 {
        let mut bytes = [0_u8; 4];
        match SystemRandom::new().fill(&mut bytes) {
            Ok(()) => f64::from(u32::from_le_bytes(bytes)) / (f64::from(u32::MAX) + 1.0),
            // Nothing is spread then, and all the rest works.
            Err(_) => 0.5,
        }
    }
}
