//! The pulse that replicas count on, and what its silence says: the database was out of everybody's reach.

use std::time::Duration;

use chrono::TimeDelta;
use tokend_model::Timestamp;

use super::{Tables, time_left};

/// Nobody having counted it on for this long, the database was out of reach.
const SILENT: TimeDelta = TimeDelta::seconds(12);

/// How long holders are waited for once it is there again.
const RETURN: TimeDelta = TimeDelta::seconds(8);

/// When the pulse was counted on.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Pulse {
    pub(crate) beat: Timestamp,
    /// When it was after a silence.
    pub(crate) resumed: Timestamp,
}

impl Tables {
    /// Gives the database to this deployment, if it is nobody's.
    pub(crate) fn found(&mut self) {
        self.pulse.get_or_insert_default();
    }

    /// Counts the pulse on.
    pub(crate) fn beat(&mut self, now: Timestamp) {
        if let Some(pulse) = &mut self.pulse {
            if pulse.beat < now - SILENT {
                pulse.resumed = now;
            }
            pulse.beat = now;
        }
    }

    /// How long nothing is taken over that somebody may come back to.
    pub(super) fn time_to_return(&self, now: Timestamp) -> Option<Duration> {
        let pulse = self.pulse?;
        let resumed = match pulse.beat < now - SILENT {
            true => now,
            false => pulse.resumed,
        };
        time_left(now, resumed + RETURN)
    }
}
