//! What goes on in the world beside the faults: replicas that live and die, callers, the scheduler, an operator and a
//! user.

pub(crate) mod callers;
pub(crate) mod fleet;
pub(crate) mod people;
