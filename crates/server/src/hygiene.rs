//! Keeps secrets in the process: nothing of its memory is written to disk or shown to others when it fails.

use std::{
    io::Write,
    panic::{self, Location, PanicHookInfo},
    thread,
};

use rustix::process::{DumpableBehavior, Resource, Rlimit, set_dumpable_behavior, setrlimit};

/// The operating system does not keep the process's memory to itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NotHardened {
    /// Core dumps cannot be switched off.
    #[error("core dumps cannot be switched off: {0}")]
    CoreDumps(rustix::io::Errno),
    /// Processes of the same user can read its memory.
    #[error("other processes cannot be kept from reading this one's memory: {0}")]
    Dumpable(rustix::io::Errno),
}

/// Switches off core dumps, reading of our memory by other processes of the same user, and the texts of panics, which may
/// repeat what they were about. The first thing that a process with secrets does. Panics are redacted whatever the answer.
pub fn keep_secrets_in() -> Result<(), NotHardened> {
    panic::set_hook(Box::new(report));
    let none = Rlimit {
        current: Some(0),
        maximum: Some(0),
    };
    setrlimit(Resource::Core, none).map_err(NotHardened::CoreDumps)?;
    // Also keeps other processes from attaching, and /proc/PID from all but root (PR_SET_DUMPABLE in prctl(2)).
    set_dumpable_behavior(DumpableBehavior::NotDumpable).map_err(NotHardened::Dumpable)
}

/// Tells where a panic was, and nothing of what it said.
fn report(panic: &PanicHookInfo<'_>) {
    let line = line(panic.location(), thread::current().name());
    // A panic in the log itself has to be told as well; and there is nothing to be done where stderr is closed.
    let _ = writeln!(std::io::stderr(), "{line}");
}

fn line(location: Option<&Location<'_>>, thread: Option<&str>) -> String {
    let place = location.map_or_else(|| "an unknown place".to_owned(), Location::to_string);
    let thread = thread.unwrap_or("unnamed");
    format!(
        "tokend: a panic at {place} in thread {thread}; what it said is left out, for it may hold secrets"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_is_told_by_its_place_alone() {
        let told = line(Some(Location::caller()), Some("tokio-runtime-worker"));
        assert!(
            told.contains("hygiene.rs:") && told.contains("tokio-runtime-worker"),
            "{told}"
        );
        assert!(line(None, None).contains("an unknown place in thread unnamed"));
    }

    #[test]
    fn the_process_is_closed_to_others() {
        let hook = panic::take_hook();
        let hardened = keep_secrets_in();
        panic::set_hook(hook);
        hardened.unwrap();
        let core = rustix::process::getrlimit(Resource::Core);
        assert_eq!((core.current, core.maximum), (Some(0), Some(0)));
        let dumpable = rustix::process::dumpable_behavior().unwrap();
        assert_eq!(dumpable, DumpableBehavior::NotDumpable);
    }
}
