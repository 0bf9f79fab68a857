//! Everything that can happen, and which of it cannot wait.

use stateright::{Model, Property};

use crate::{
    properties,
    state::{Phase, Process, State},
    variants::Configuration,
};

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Action {
    /// The claim transaction of a replica: take over, promote an orphan, or claim.
    Begin(usize),
    /// The deadline is checked; the write comes later.
    Check(usize),
    Send(usize),
    /// Too late to send: the claim is given back.
    Withdraw(usize),
    /// The answer goes to the journal.
    Record(usize),
    /// The answer in the journal is committed, kept as an orphan or revoked.
    Settle(usize),
    /// A refusal is judged.
    Judge(usize),
    /// An unknown outcome is written down.
    Admit(usize),
    /// The provider processes a request and its answer arrives.
    Process(usize),
    /// The holder hears nothing, or aborts; the request may still be on its way.
    Lose(usize),
    /// The provider refuses without reason.
    RefuseSpuriously(usize),
    ProcessStray(usize),
    DropStray(usize),
    /// The access token of the present generation goes to a caller.
    Vend,
    /// The access token of an answer that is not committed goes to a caller.
    VendEarly(usize),
    Crash(usize),
    Restart(usize),
    Pause(usize),
    Resume(usize),
    DatabaseFails,
    DatabaseReturns,
    Delete,
    /// The grants of a deleted connection are revoked at the provider.
    Revoke,
    WithdrawConsent,
    Tick,
}

impl Model for Configuration {
    type State = State;
    type Action = Action;

    fn init_states(&self) -> Vec<State> {
        vec![State::new(self.replicas, self.life(), self.faults)]
    }

    fn actions(&self, state: &State, actions: &mut Vec<Action>) {
        if state.ledger.is_broken() {
            return; // what follows proves nothing
        }
        for replica in 0..state.replicas.len() {
            actions.extend([
                Action::Begin(replica),
                Action::Check(replica),
                Action::Send(replica),
                Action::Withdraw(replica),
                Action::Record(replica),
                Action::Settle(replica),
                Action::Judge(replica),
                Action::Admit(replica),
                Action::Process(replica),
                Action::Lose(replica),
                Action::RefuseSpuriously(replica),
                Action::VendEarly(replica),
                Action::Crash(replica),
                Action::Restart(replica),
                Action::Pause(replica),
                Action::Resume(replica),
            ]);
        }
        for stray in 0..state.strays.len() {
            actions.extend([Action::ProcessStray(stray), Action::DropStray(stray)]);
        }
        actions.extend([
            Action::Vend,
            Action::DatabaseFails,
            Action::DatabaseReturns,
            Action::Delete,
            Action::Revoke,
            Action::WithdrawConsent,
            Action::Tick,
        ]);
    }

    fn next_state(&self, state: &State, action: Action) -> Option<State> {
        let next = match action {
            Action::Begin(replica) => self.begin(state, replica),
            Action::Check(replica) => self.check(state, replica),
            Action::Send(replica) => self.send(state, replica),
            Action::Withdraw(replica) => self.withdraw(state, replica),
            Action::Record(replica) => self.record(state, replica),
            Action::Settle(replica) => self.settle(state, replica),
            Action::Judge(replica) => self.judge(state, replica),
            Action::Admit(replica) => self.admit(state, replica),
            Action::Vend => self.vend(state),
            Action::VendEarly(replica) => self.vend_early(state, replica),
            Action::Revoke => self.revoke(state),
            Action::Process(replica) => self.process(state, replica),
            Action::Lose(replica) => self.lose(state, replica),
            Action::RefuseSpuriously(replica) => self.refuse_spuriously(state, replica),
            Action::ProcessStray(stray) => self.process_stray(state, stray),
            Action::DropStray(stray) => self.drop_stray(state, stray),
            Action::Crash(replica) => self.crash(state, replica),
            Action::Restart(replica) => self.restart(state, replica),
            Action::Pause(replica) => self.pause(state, replica),
            Action::Resume(replica) => self.resume(state, replica),
            Action::DatabaseFails => self.database_fails(state),
            Action::DatabaseReturns => self.database_returns(state),
            Action::Delete => self.delete(state),
            Action::WithdrawConsent => self.withdraw_consent(state),
            Action::Tick => self.tick(state),
        };
        next.filter(|next| next != state)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        properties::of(self)
    }
}

impl Configuration {
    /// A running replica finishes its own steps within a tick; whatever takes longer is a pause.
    pub(crate) fn is_urgent(&self, state: &State) -> bool {
        (0..state.replicas.len()).any(|replica| {
            [
                Action::Check(replica),
                Action::Send(replica),
                Action::Withdraw(replica),
                Action::Record(replica),
                Action::Settle(replica),
                Action::Judge(replica),
                Action::Admit(replica),
            ]
            .into_iter()
            .any(|action| self.next_state(state, action).is_some())
                || !self.is_routine(&state.database) && self.begin(state, replica).is_some()
        }) || self.is_request_due(state)
    }

    /// Whether nothing is left to happen but faults and the passing of time.
    pub(crate) fn is_settled(&self, state: &State) -> bool {
        let at_rest = state.database.up
            && state.strays.is_empty()
            && state.replicas.iter().all(|replica| {
                replica.process == Process::Running
                    && replica.attempt.is_none()
                    && replica.journal.is_none()
            });
        at_rest
            && self.tick(state).is_none_or(|next| next == *state)
            && !self.is_urgent(state)
            && self.revoke(state).is_none()
            && self.begin(state, 0).is_none()
    }

    /// Whether a request is out that the provider processes or loses before the next tick.
    fn is_request_due(&self, state: &State) -> bool {
        let due = |age: u8| age >= self.latency();
        state.strays.iter().any(|stray| due(stray.age))
            || state
                .replicas
                .iter()
                .filter_map(|replica| replica.attempt)
                .any(|attempt| attempt.phase == Phase::Sent && due(attempt.age))
    }
}
