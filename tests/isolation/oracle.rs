//! Whether an answer may be, by what the model knows was true while it was asked for.

use std::collections::HashMap;

use tokend_simulator::{FamilyId, Grant};

use crate::{
    model::{Stop, Truth},
    observation::{Observation, Outcome, Refusal, UserToken},
    places::{SPEAKS_FOR_NONE, Slot, WORKSPACES},
};

/// Which workspaces have the same issuer of app users' tokens: each has the number of its issuer.
pub(crate) type Issuers = [usize; WORKSPACES.len()];

/// All there is to judge by.
pub(crate) struct Oracle<'a> {
    pub(crate) truth: &'a Truth,
    pub(crate) issuers: Issuers,
    /// The provider's ledger.
    pub(crate) grants: &'a HashMap<FamilyId, Grant>,
}

impl Oracle<'_> {
    /// What is wrong with an answer; nothing, if it may be.
    pub(crate) fn objection(&self, seen: &Observation) -> Option<String> {
        let Outcome::Vended { .. } = &seen.outcome else {
            return self.objection_to_refusal(seen);
        };
        if let Some(must) = self.refused_at_the_door(seen) {
            return Some(format!("a token, where {must:?} is due"));
        }
        let Some(slot) = seen.slot() else {
            return Some("a token of a connector that does not exist".to_owned());
        };
        if self.stops(seen, slot, |states| states.iter().all(|stopped| *stopped)) {
            return Some("a token, though it is stopped".to_owned());
        }
        self.objection_to_token(seen, slot)
    }

    fn objection_to_token(&self, seen: &Observation, slot: Slot) -> Option<String> {
        let Outcome::Vended {
            grant,
            connection_id,
            account,
            live,
        } = &seen.outcome
        else {
            return None;
        };
        let Some(grant) = grant.and_then(|grant| self.grants.get(&grant)) else {
            return Some("a token that the provider never issued".to_owned());
        };
        let mark = slot.to_string();
        if grant.account != mark {
            return Some(format!("the token of {}, not of {mark}", grant.account));
        }
        // A connection is there before the provider has told whose account it is.
        if *account != mark && !account.is_empty() {
            return Some(format!("the account {account} told, not {mark}"));
        }
        let clients = self.truth.connector(slot.workspace, slot.connector);
        let mut clients = clients
            .into_iter()
            .flat_map(|clients| clients.during(seen.begun, seen.done));
        if !clients.any(|client| client.as_deref() == Some(&grant.client_id)) {
            return Some(format!("a token of the former client {}", grant.client_id));
        }
        let there = self.truth.connection(slot);
        let mut there = there
            .into_iter()
            .flat_map(|there| there.during(seen.begun, seen.done))
            .peekable();
        let mut states = 0;
        let here = there.find(|state| {
            states += 1;
            state
                .as_ref()
                .is_some_and(|it| it.grant == grant.family && it.connection_id == *connection_id)
        });
        if here.is_none() {
            let grant = grant.family.0;
            return Some(format!("a token of grant {grant}, which was ended before"));
        }
        // Nothing changed meanwhile: then the provider must take it too.
        let settled = states == 1 && there.next().is_none();
        (settled && !live).then(|| "a token that the provider does not take".to_owned())
    }

    fn objection_to_refusal(&self, seen: &Observation) -> Option<String> {
        let Outcome::Refused(refusal) = seen.outcome else {
            return None;
        };
        let objection =
            |due: &dyn std::fmt::Debug| Some(format!("{refusal:?}, where {due:?} is due"));
        if let Some(must) = self.refused_at_the_door(seen) {
            // A stopped caller hears of that before its user is looked at.
            let stopped = refusal == Refusal::Stopped
                && must == Refusal::UserUnknown
                && self.is_caller_stopped(seen);
            return if refusal == must || stopped {
                None
            } else {
                objection(&must)
            };
        }
        let Some(slot) = seen.slot() else {
            return match refusal {
                Refusal::NoConnector => None,
                Refusal::Stopped if self.is_ever_stopped(seen) => None,
                _ => objection(&Refusal::NoConnector),
            };
        };
        let may = match refusal {
            Refusal::Stopped => self.stops(seen, slot, |states| states.contains(&true)),
            Refusal::NoConnector => {
                let connector = self.truth.connector(slot.workspace, slot.connector);
                connector
                    .is_none_or(|states| states.during(seen.begun, seen.done).any(Option::is_none))
            }
            Refusal::NotConnected => {
                let connection = self.truth.connection(slot);
                connection
                    .is_none_or(|states| states.during(seen.begun, seen.done).any(Option::is_none))
            }
            Refusal::NotNow => {
                let connection = self.truth.connection(slot);
                seen.wish.renews
                    || connection
                        .is_some_and(|states| states.during(seen.begun, seen.done).count() > 1)
            }
            _ => false,
        };
        if may {
            None
        } else {
            objection(&"another answer")
        }
    }

    /// Why it is not let in, whatever there is: who asks is asked first.
    fn refused_at_the_door(&self, seen: &Observation) -> Option<Refusal> {
        let asker = &seen.asker;
        let Some((workspace, caller)) = asker.caller else {
            return Some(Refusal::CallerUnknown);
        };
        // The wall comes first: whose users another workspace knows is not said.
        if workspace != asker.workspace {
            return Some(Refusal::NotAllowed);
        }
        let known = |token| match token {
            UserToken::Of(issuer, _) => self.issuers[issuer] == self.issuers[asker.workspace],
            UserToken::Forged(..) => false,
        };
        let speaks = (asker.workspace, caller) != SPEAKS_FOR_NONE;
        if seen.for_user && !(speaks && asker.user.is_some_and(known)) {
            return Some(Refusal::UserUnknown);
        }
        None
    }

    /// Whether that holds of one of the switches which may stop this.
    fn stops(&self, seen: &Observation, slot: Slot, holds: impl Fn(&[bool]) -> bool) -> bool {
        let caller = seen.asker.caller.map(|(_, caller)| Stop::Caller(caller));
        let integration_type = Stop::Type(slot.connector.integration_type());
        let stops = [Some(integration_type), Some(Stop::Workspace), caller];
        stops.into_iter().flatten().any(|stop| {
            let timeline = self.truth.stop(slot.workspace, stop);
            timeline.is_some_and(|states| {
                let states: Vec<_> = states.during(seen.begun, seen.done).copied().collect();
                holds(&states)
            })
        })
    }

    /// Whether the caller may be stopped.
    fn is_caller_stopped(&self, seen: &Observation) -> bool {
        let caller = seen.asker.caller.map(|(_, caller)| Stop::Caller(caller));
        let timeline = caller.and_then(|stop| self.truth.stop(seen.asker.workspace, stop));
        timeline.is_some_and(|states| states.during(seen.begun, seen.done).any(|it| *it))
    }

    /// Whether the caller or the workspace may be stopped.
    fn is_ever_stopped(&self, seen: &Observation) -> bool {
        let timeline = self.truth.stop(seen.asker.workspace, Stop::Workspace);
        self.is_caller_stopped(seen)
            || timeline.is_some_and(|states| states.during(seen.begun, seen.done).any(|it| *it))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        model::Connected,
        observation::{Asker, Wish},
        places::Connector,
    };

    const SLOT: Slot = Slot {
        workspace: 0,
        connector: Connector::AppUsers(0),
        user: Some(1),
        label: 0,
    };

    /// Connected under one grant from 10 on, under another from 20 on, and ended between 30 and 32.
    fn objection(change: impl FnOnce(&mut Observation)) -> Option<String> {
        let connected = |number| Connected {
            grant: FamilyId(number),
            connection_id: "conn".to_owned(),
        };
        let mut truth = Truth::default();
        truth.set_connector(0, SLOT.connector, (1, 2), Some("client".to_owned()));
        truth.connect(SLOT, (9, 10), connected(1));
        truth.connect(SLOT, (19, 20), connected(2));
        truth.end(SLOT, (30, 32));
        truth.set_stop(0, Stop::Workspace, (50, 51), true);
        let grant = |number, account: String| Grant {
            family: FamilyId(number),
            client_id: "client".to_owned(),
            account,
            scopes: Vec::new(),
            generation: 1,
            live: true,
        };
        let others = Slot {
            user: Some(2),
            ..SLOT
        };
        let grants = [
            grant(1, SLOT.to_string()),
            grant(2, SLOT.to_string()),
            grant(3, others.to_string()),
        ];
        let mut seen = Observation {
            asker: Asker {
                caller: Some((0, 0)),
                workspace: 0,
                user: Some(UserToken::Of(0, 1)),
            },
            for_user: true,
            wish: Wish {
                connector: Some(SLOT.connector),
                label: 0,
                renews: false,
            },
            begun: 25,
            done: 26,
            outcome: vended(2),
        };
        change(&mut seen);
        let grants = grants.into_iter().map(|grant| (grant.family, grant));
        let oracle = Oracle {
            truth: &truth,
            issuers: crate::world::ISSUERS,
            grants: &grants.collect(),
        };
        oracle.objection(&seen)
    }

    fn vended(number: u64) -> Outcome {
        Outcome::Vended {
            grant: Some(FamilyId(number)),
            connection_id: "conn".to_owned(),
            account: SLOT.to_string(),
            live: true,
        }
    }

    fn at(begun: u64, done: u64, outcome: Outcome) -> Option<String> {
        objection(|seen| (seen.begun, seen.done, seen.outcome) = (begun, done, outcome))
    }

    #[test]
    fn what_is_so_may_be_answered_and_either_while_it_changes() {
        assert_eq!(objection(|_| ()), None);
        for (begun, done, grant) in [
            (11, 12, 1),
            (18, 19, 1),
            (18, 19, 2),
            (20, 21, 1),
            (29, 31, 2),
        ] {
            assert_eq!(
                at(begun, done, vended(grant)),
                None,
                "{begun} {done} {grant}"
            );
        }
        let not_connected = || Outcome::Refused(Refusal::NotConnected);
        for (begun, done) in [(5, 6), (29, 30), (31, 33), (40, 41)] {
            assert_eq!(at(begun, done, not_connected()), None, "{begun} {done}");
        }
        let stopped = Outcome::Refused(Refusal::Stopped);
        assert_eq!(at(60, 61, stopped), None);
    }

    #[test]
    fn anything_else_is_objected_to() {
        for (begun, done, outcome) in [
            // Others' tokens, ended grants, those that are yet to come, and after the end.
            (25, 26, vended(3)),
            (25, 26, vended(4)),
            (25, 26, vended(1)),
            (11, 12, vended(2)),
            (40, 41, vended(2)),
            (60, 61, vended(2)),
            (25, 26, Outcome::Refused(Refusal::NotConnected)),
            (25, 26, Outcome::Refused(Refusal::NoConnector)),
            (25, 26, Outcome::Refused(Refusal::NotAllowed)),
            (25, 26, Outcome::Refused(Refusal::Stopped)),
            (25, 26, Outcome::Refused(Refusal::NotNow)),
            (25, 26, Outcome::Refused(Refusal::Unexpected)),
        ] {
            let case = format!("{begun} {done} {outcome:?}");
            assert!(at(begun, done, outcome).is_some(), "{case}");
        }
        for change in [
            |seen: &mut Observation| seen.asker.caller = None,
            |seen: &mut Observation| seen.asker.caller = Some((1, 0)),
            |seen: &mut Observation| seen.asker.user = None,
            |seen: &mut Observation| seen.asker.user = Some(UserToken::Forged(0, 1)),
            |seen: &mut Observation| seen.asker.user = Some(UserToken::Of(4, 1)),
            |seen: &mut Observation| seen.asker.user = Some(UserToken::Of(0, 2)),
            |seen: &mut Observation| seen.asker.workspace = 1,
            |seen: &mut Observation| seen.wish.label = 1,
            |seen: &mut Observation| seen.wish.connector = None,
        ] {
            assert!(objection(change).is_some());
        }
        // The first two workspaces have the same issuer.
        assert_eq!(
            objection(|seen| seen.asker.user = Some(UserToken::Of(1, 1))),
            None
        );
    }
}
