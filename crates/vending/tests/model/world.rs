//! What is not ours to decide: the provider's side of a call, faults, operators, callers and the clock.

use crate::{
    protocol::{is_running, with_phase},
    state::{Accusation, Phase, Process, SILENCE, State, Status, Stray},
    variants::{Configuration, Policy, Variant},
};

impl Configuration {
    pub(crate) fn process(&self, state: &State, replica: usize) -> Option<State> {
        let attempt = state.replicas[replica].attempt?;
        if attempt.phase != Phase::Sent || !state.provider.can_issue() {
            return None;
        }
        let mut provider = state.provider.clone();
        let phase = match provider.redeem(attempt.presents, self.class) {
            Some(token) => Phase::Answered(token),
            None => Phase::Refused,
        };
        Some(State {
            provider,
            ..with_phase(state, replica, phase)
        })
    }

    pub(crate) fn lose(&self, state: &State, replica: usize) -> Option<State> {
        let attempt = state.replicas[replica]
            .attempt
            .filter(|_| is_running(state, replica))?;
        if attempt.phase != Phase::Sent {
            return None;
        }
        let mut next = with_phase(state, replica, Phase::Unknown);
        next.faults.losses = state.faults.losses.checked_sub(1)?;
        next.strays.push(Stray {
            presents: attempt.presents,
            age: attempt.age,
        });
        next.strays.sort_unstable();
        Some(next)
    }

    pub(crate) fn refuse_spuriously(&self, state: &State, replica: usize) -> Option<State> {
        let attempt = state.replicas[replica].attempt?;
        if attempt.phase != Phase::Sent {
            return None;
        }
        let mut next = with_phase(state, replica, Phase::Refused);
        next.faults.spurious = state.faults.spurious.checked_sub(1)?;
        Some(next)
    }

    pub(crate) fn process_stray(&self, state: &State, stray: usize) -> Option<State> {
        if !state.provider.can_issue() {
            return None;
        }
        let mut next = state.clone();
        let stray = next.strays.remove(stray);
        if let Some(token) = next.provider.redeem(stray.presents, self.class) {
            next.ledger.lost |= 1 << token;
        }
        Some(next)
    }

    pub(crate) fn drop_stray(&self, state: &State, stray: usize) -> Option<State> {
        let mut next = state.clone();
        next.strays.remove(stray);
        Some(next)
    }

    pub(crate) fn crash(&self, state: &State, replica: usize) -> Option<State> {
        if state.replicas[replica].process == Process::Crashed || !self.may_stop(state, replica) {
            return None;
        }
        let mut next = state.clone();
        next.faults.crashes = state.faults.crashes.checked_sub(1)?;
        next.replicas[replica].process = Process::Crashed;
        match next.replicas[replica].attempt.take() {
            Some(attempt) if attempt.phase == Phase::Sent => {
                next.strays.push(Stray {
                    presents: attempt.presents,
                    age: attempt.age,
                });
                next.strays.sort_unstable();
            }
            Some(attempt) => {
                if let Phase::Answered(token) = attempt.phase {
                    next.ledger.lost |= 1 << token;
                }
            }
            // A process that does nothing takes nothing with it.
            None => return None,
        }
        Some(next)
    }

    pub(crate) fn restart(&self, state: &State, replica: usize) -> Option<State> {
        change_process(state, replica, Process::Crashed, Process::Running)
    }

    pub(crate) fn pause(&self, state: &State, replica: usize) -> Option<State> {
        if state.replicas[replica].attempt.is_none() || !self.may_stop(state, replica) {
            return None;
        }
        let mut next = change_process(state, replica, Process::Running, Process::Paused)?;
        next.faults.pauses = state.faults.pauses.checked_sub(1)?;
        Some(next)
    }

    pub(crate) fn resume(&self, state: &State, replica: usize) -> Option<State> {
        change_process(state, replica, Process::Paused, Process::Running)
    }

    pub(crate) fn database_fails(&self, state: &State) -> Option<State> {
        let mut next = state.clone();
        next.faults.outages = state.faults.outages.checked_sub(1)?;
        next.database.up = false;
        state.database.up.then_some(next)
    }

    pub(crate) fn database_returns(&self, state: &State) -> Option<State> {
        let mut next = state.clone();
        next.database.up = true;
        next.database.just_back = true;
        (!state.database.up).then_some(next)
    }

    pub(crate) fn delete(&self, state: &State) -> Option<State> {
        let mut next = state.clone();
        next.faults.deletes = state.faults.deletes.checked_sub(1)?;
        next.database.status = Status::Deleted { revoked: false };
        state.database.up.then_some(next)
    }

    pub(crate) fn revoke(&self, state: &State) -> Option<State> {
        let pending = state.database.status == Status::Deleted { revoked: false };
        if !pending || !state.database.up {
            return None;
        }
        let mut next = state.clone();
        next.database.status = Status::Deleted { revoked: true };
        next.provider.revoke(state.database.current, self.class);
        for token in state
            .database
            .previous
            .iter()
            .map(|previous| previous.token)
        {
            next.provider.revoke(token, self.class);
        }
        for orphan in &state.database.orphans {
            next.provider.revoke(orphan.token, self.class);
        }
        Some(next)
    }

    pub(crate) fn withdraw_consent(&self, state: &State) -> Option<State> {
        let mut next = state.clone();
        next.faults.withdrawals = state.faults.withdrawals.checked_sub(1)?;
        next.provider.withdraw();
        next.ledger.withdrawn = true;
        Some(next)
    }

    pub(crate) fn vend(&self, state: &State) -> Option<State> {
        let database = &state.database;
        let ready = database.up
            && !database.vended
            && database.access > 0
            && database.status == Status::Authorized;
        let mut next = state.clone();
        next.database.vended = true;
        next.provider.use_access(database.current, self.class);
        ready.then_some(next)
    }

    /// While the database is away, what is in the journal may be vended, except where using it ends the old refresh token.
    pub(crate) fn vend_early(&self, state: &State, replica: usize) -> Option<State> {
        let stopped = &state.replicas[replica];
        let attempt = stopped.attempt.filter(|_| is_running(state, replica))?;
        let token = match attempt.phase {
            Phase::Answered(token) if self.is(Variant::VendBeforeDurable) => token,
            Phase::Recorded if !state.database.up && self.policy != Policy::UntilSuccessorUsed => {
                stopped.journal?.token
            }
            _ => return None,
        };
        let mut next = state.clone();
        next.provider.use_access(token, self.class);
        next.ledger.hasty |= stopped
            .journal
            .is_none_or(|recorded| recorded.token != token);
        Some(next)
    }

    pub(crate) fn tick(&self, state: &State) -> Option<State> {
        if self.is_urgent(state) {
            return None;
        }
        let mut next = state.clone();
        let older = |age: &mut u8| *age = (*age + 1).min(self.deadline);
        let quieter = |silence: &mut u8| *silence = (*silence + 1).min(SILENCE);
        for (index, replica) in next.replicas.iter_mut().enumerate() {
            let Some(attempt) = &mut replica.attempt else {
                continue;
            };
            older(&mut attempt.age);
            let beats = state.database.up && is_running(state, index) && state.owns(index);
            if beats {
                attempt.silence = 0;
            } else {
                quieter(&mut attempt.silence);
            }
        }
        if let Some(claim) = &mut next.database.claim {
            older(&mut claim.age);
            match next.replicas[claim.holder].attempt {
                Some(attempt) if state.owns(claim.holder) => claim.silence = attempt.silence,
                _ => quieter(&mut claim.silence),
            }
        }
        if let Some(uncertainty) = &mut next.database.uncertainty {
            older(&mut uncertainty.first);
            older(&mut uncertainty.latest);
        }
        if let (Some(previous), Policy::Overlap { .. }) = (&mut next.database.previous, self.policy)
        {
            older(&mut previous.age);
        }
        if let Accusation::Suspect { wait } = &mut next.database.accusation {
            *wait = wait.saturating_sub(1);
        }
        next.strays
            .iter_mut()
            .for_each(|stray| older(&mut stray.age));
        next.database.just_back &= !state.database.up;
        next.database.access = next
            .database
            .access
            .saturating_sub(1)
            .max(self.least_access());
        next.provider.tick();
        Some(next)
    }

    fn may_stop(&self, state: &State, replica: usize) -> bool {
        !self.one_running
            || state.replicas[replica].process != Process::Running
            || (0..state.replicas.len()).any(|other| other != replica && is_running(state, other))
    }
}

fn change_process(state: &State, replica: usize, from: Process, to: Process) -> Option<State> {
    let mut next = state.clone();
    next.replicas[replica].process = to;
    (state.replicas[replica].process == from).then_some(next)
}
