//! Running the checker and saying what it found.

use std::{
    fmt,
    time::{Duration, Instant},
};

use stateright::{Checker, Expectation, HasDiscoveries, Model};

use crate::{
    action::Action,
    state::State,
    variants::{Configuration, Variant, broken},
};

/// What an exhaustive run over one configuration showed.
pub(crate) struct Verdict {
    pub(crate) name: &'static str,
    pub(crate) states: usize,
    time: Duration,
    /// Invariants that do not hold, with the steps that lead there.
    pub(crate) broken: Vec<(&'static str, Vec<Action>)>,
    /// What should have happened somewhere and never did: the model would prove nothing.
    pub(crate) missing: Vec<&'static str>,
}

/// Visits every state of the configuration.
pub(crate) fn exhaust(configuration: Configuration) -> Verdict {
    let name = configuration.name;
    let started = Instant::now();
    let checker = configuration
        .checker()
        .threads(2)
        .symmetry_fn(State::canonical)
        .spawn_dfs()
        .join();
    let (mut broken, mut missing) = (Vec::new(), Vec::new());
    for property in checker.model().properties() {
        match (property.expectation, checker.discovery(property.name)) {
            (Expectation::Sometimes, None) => missing.push(property.name),
            (Expectation::Always, Some(path)) => broken.push((property.name, path.into_actions())),
            _ => {}
        }
    }
    Verdict {
        name,
        states: checker.unique_state_count(),
        time: started.elapsed(),
        broken,
        missing,
    }
}

/// The invariants that the variant breaks first, each with the fewest steps that lead there. A variant that breaks
/// nothing gives none.
pub(crate) fn caught(variant: Variant) -> Vec<(&'static str, Vec<Action>)> {
    let checker = broken(variant)
        .checker()
        .finish_when(HasDiscoveries::AnyFailures)
        .spawn_bfs()
        .join();
    let model = checker.model();
    let discoveries = checker.discoveries().into_iter();
    discoveries
        .filter(|(name, _)| model.property(name).expectation == Expectation::Always)
        .map(|(name, path)| (name, path.into_actions()))
        .collect()
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (name, states, seconds) = (self.name, self.states, self.time.as_secs_f32());
        write!(f, "{name:<36} {states:>9} states {seconds:>5.1} s")?;
        for (name, path) in &self.broken {
            write!(f, "\n  BROKEN {name}: {path:?}")?;
        }
        for name in &self.missing {
            write!(f, "\n  NEVER: {name}")?;
        }
        Ok(())
    }
}
