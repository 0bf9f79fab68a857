//! Operations that ask for tokens: rightly, and wrongly in every way.

use std::time::Duration;

use tokend_api::v1::{
    self, batch_get_connections_result::Result as BatchResult, connection_selector::Selector,
};
use tokend_tests::{for_user, reason};

use crate::{
    observation::{Asker, Observation, Outcome, Refusal, UserToken, Wish},
    places::{CALLERS, CONNECTORS, LABELS, Slot, TYPES, USERS, WORKSPACES},
    worker::Worker,
};

/// What is there under no connector.
const NOWHERE: &str = "nowhere";

/// What a get asks beside whose token.
#[derive(Default, Clone, Copy)]
struct Terms {
    min_ttl: Option<Duration>,
    rejected_generation: Option<u32>,
}

impl Worker {
    /// The token of somebody who may have it.
    pub(crate) async fn get_of(&mut self, slot: Slot) {
        let (asker, wish) = self.rightful(slot);
        self.get(asker, wish, Terms::default()).await;
    }

    /// The same, with a wish that has it renewed: it was refused, or it has to last.
    pub(crate) async fn get_renewed(&mut self, slot: Slot) {
        let (asker, wish) = self.rightful(slot);
        if self.rng.bool() {
            let terms = Terms {
                min_ttl: Some(Duration::from_secs(self.rng.u64(30..90))),
                ..Terms::default()
            };
            let wish = Wish {
                renews: true,
                ..wish
            };
            self.get(asker, wish, terms).await;
        } else if let Some(rejected) = self.get(asker, wish, Terms::default()).await {
            let terms = Terms {
                rejected_generation: Some(rejected),
                ..Terms::default()
            };
            let wish = Wish {
                renews: true,
                ..wish
            };
            self.get(asker, wish, terms).await;
        }
    }

    /// Whoever asks with whatever they have: most should be refused.
    pub(crate) async fn get_anyhow(&mut self) {
        let slot = self.any_slot();
        let (mut asker, mut wish) = self.rightful(slot);
        for _ in 0..self.rng.u32(1..3) {
            match self.rng.u32(0..7) {
                0 => asker.caller = None,
                1 | 2 => asker.workspace = self.rng.usize(0..WORKSPACES.len()),
                3 => asker.user = None,
                4 => asker.user = Some(self.any_user_token()),
                5 => wish.connector = None,
                _ => wish.label = self.rng.usize(0..LABELS.len()),
            }
        }
        if wish
            .connector
            .is_some_and(|connector| connector.is_shared())
        {
            asker.user = None;
        }
        self.get(asker, wish, Terms::default()).await;
    }

    /// Several at once, some of them perhaps for a user, on behalf of whoever.
    pub(crate) async fn batch(&mut self) {
        let slot = self.any_slot();
        let (mut asker, _) = self.rightful(slot);
        if asker.user.is_none() || self.rng.u32(0..10) == 0 {
            asker.user = Some(self.any_user_token());
        }
        if self.rng.u32(0..10) == 0 {
            asker.workspace = self.rng.usize(0..WORKSPACES.len());
        }
        let wishes: Vec<_> = (0..self.rng.usize(1..6)).map(|_| self.any_wish()).collect();
        let for_user = wishes.iter().any(|wish| !is_shared(wish));
        let selectors = wishes.iter().map(selector).collect();
        let request = v1::BatchGetConnectionsRequest { selectors };
        let world = self.world.clone();
        let mut connectors = world.client(asker.caller, asker.workspace).connectors();
        let begun = world.model.moment();
        let token = asker.user.map_or("", |token| world.user_token(token));
        let answer = connectors
            .batch_get_connections(for_user_of(request, token))
            .await;
        let done = world.model.moment();
        let ledger = world.provider.ledger();
        let outcomes: Vec<_> = match answer {
            Ok(batch) => {
                let results = batch.into_inner().results;
                results
                    .into_iter()
                    .map(|item| match item.result {
                        Some(BatchResult::Connection(vended)) => Outcome::vended(vended, &ledger),
                        Some(BatchResult::Status(status)) => {
                            Outcome::Refused(Refusal::of(&status.reason))
                        }
                        None => Outcome::Refused(Refusal::Unexpected),
                    })
                    .collect()
            }
            Err(status) => {
                vec![Outcome::Refused(Refusal::of(&reason(&status))); wishes.len()]
            }
        };
        if outcomes.len() != wishes.len() {
            world.fault(format!(
                "{} answers to {} wishes",
                outcomes.len(),
                wishes.len()
            ));
        }
        for (wish, outcome) in wishes.into_iter().zip(outcomes) {
            self.seen.push(Observation {
                asker,
                for_user,
                wish,
                begun,
                done,
                outcome,
            });
        }
    }

    /// What an app user has connected: theirs alone.
    pub(crate) async fn list(&mut self) {
        let (workspace, user) = (
            self.rng.usize(0..WORKSPACES.len()),
            self.rng.usize(0..USERS.len()),
        );
        let caller = Some(self.spokesman(workspace));
        let world = self.world.clone();
        let mut connectors = world.client(caller, workspace).connectors();
        let token = world.user_token(UserToken::Of(workspace, user));
        let request = v1::ListAppUserConnectionsRequest::default();
        match connectors
            .list_app_user_connections(for_user(request, token))
            .await
        {
            Ok(answer) => {
                let rows = answer.into_inner().connections.into_iter();
                let ids = rows
                    .map(|row| row.connection_id)
                    .filter(|id| !id.is_empty());
                self.listed.push((workspace, user, ids.collect()));
            }
            Err(status) if Refusal::of(&reason(&status)) == Refusal::Stopped => {}
            Err(status) => world.fault(format!("listing: {status:?}")),
        }
    }

    /// Asks, and remembers what came of it; the generation of the token, if there was one.
    async fn get(&mut self, asker: Asker, wish: Wish, terms: Terms) -> Option<u32> {
        let world = self.world.clone();
        let mut connectors = world.client(asker.caller, asker.workspace).connectors();
        let begun = world.model.moment();
        let answer = match selector_with(&wish, terms).selector {
            Some(Selector::AppUser(request)) => {
                let token = asker.user.map_or("", |token| world.user_token(token));
                let request = for_user_of(request, token);
                connectors.get_current_app_user_connection(request).await
            }
            Some(Selector::Shared(request)) => connectors.get_connection(request).await,
            None => return None,
        };
        let done = world.model.moment();
        let answer = answer.map(tonic::Response::into_inner);
        let generation = answer.as_ref().ok().map(|vended| vended.generation);
        self.seen.push(Observation {
            asker,
            for_user: !is_shared(&wish),
            wish,
            begun,
            done,
            outcome: Outcome::of(answer, &world.provider.ledger()),
        });
        generation
    }

    /// Somebody who may have the token of that slot, and their wish for it.
    fn rightful(&mut self, slot: Slot) -> (Asker, Wish) {
        let asker = Asker {
            caller: Some((slot.workspace, self.rng.usize(0..CALLERS.len()))),
            workspace: slot.workspace,
            user: slot.user.map(|user| UserToken::Of(slot.workspace, user)),
        };
        let wish = Wish {
            connector: Some(slot.connector),
            label: slot.label,
            renews: false,
        };
        (asker, wish)
    }

    fn any_wish(&mut self) -> Wish {
        Wish {
            connector: Some(CONNECTORS[self.rng.usize(0..CONNECTORS.len())]),
            label: self.rng.usize(0..LABELS.len()),
            renews: false,
        }
    }

    fn any_user_token(&mut self) -> UserToken {
        let workspace = self.rng.usize(0..WORKSPACES.len());
        let user = self.rng.usize(0..USERS.len());
        match self.rng.u32(0..4) {
            0 => UserToken::Forged(workspace, user),
            _ => UserToken::Of(workspace, user),
        }
    }
}

fn is_shared(wish: &Wish) -> bool {
    wish.connector
        .is_some_and(|connector| connector.is_shared())
}

fn selector(wish: &Wish) -> v1::ConnectionSelector {
    selector_with(wish, Terms::default())
}

fn selector_with(wish: &Wish, terms: Terms) -> v1::ConnectionSelector {
    let label = Some(LABELS[wish.label].to_owned()).filter(|label| !label.is_empty());
    let min_ttl = terms.min_ttl.and_then(|ttl| ttl.try_into().ok());
    let rejected_generation = terms.rejected_generation;
    let selector = match wish.connector {
        Some(connector) if connector.is_shared() => Selector::Shared(v1::GetConnectionRequest {
            integration_type: TYPES[connector.integration_type()].to_owned(),
            label,
            min_ttl,
            rejected_generation,
            ..Default::default()
        }),
        other => {
            let id = other.map_or(NOWHERE, |connector| connector.id());
            Selector::AppUser(v1::GetCurrentAppUserConnectionRequest {
                connector_id: id.to_owned(),
                label,
                min_ttl,
                rejected_generation,
                ..Default::default()
            })
        }
    };
    v1::ConnectionSelector {
        selector: Some(selector),
    }
}

/// On behalf of an app user, if there is a token.
fn for_user_of<T>(message: T, token: &str) -> tonic::Request<T> {
    match token {
        "" => tonic::Request::new(message),
        token => for_user(message, token),
    }
}
