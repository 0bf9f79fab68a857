//! Callers: they ask at random, go away at random, and complain of tokens that do not work.

use std::{sync::Arc, time::Duration};

use tokend_model::{Generation, Label};
use tokend_vending::{ConnectorRef, Error, Target, VendOptions, Vended};

use super::{
    fleet::{Fleet, Serving},
    people::{connector_id, owner, workspace},
};

/// Starts the run's callers.
pub(crate) fn start(fleet: &Arc<Fleet>) {
    for _ in 0..fleet.world.plan.callers {
        let fleet = fleet.clone();
        tokio::spawn(async move {
            loop {
                let pause = fleet.world.dice.milliseconds(match fleet.world.is_calm() {
                    true => 5000..60_000,
                    false => 50..20_000,
                });
                tokio::time::sleep(pause).await;
                let subject = fleet.world.dice.below(fleet.world.plan.connections);
                ask_and_use(&fleet, subject).await;
            }
        });
    }
}

/// The connection a caller means.
pub(crate) fn target(subject: usize) -> Target {
    Target {
        workspace: workspace(subject),
        connector: ConnectorRef::AppUser(connector_id()),
        owner: owner(subject),
        label: Label::default_label(),
        token: String::new(),
    }
}

/// One call whose caller waits for at most `patience`.
pub(crate) async fn ask(
    fleet: &Fleet,
    serving: &Serving,
    subject: usize,
    options: &VendOptions,
    patience: Duration,
) -> Option<Result<Arc<Vended>, Error>> {
    let target = target(subject);
    let call = serving.vending.vend(&target, options);
    let answer = tokio::time::timeout(patience, call).await.ok()?;
    if serving.process.is_dead() || serving.process.is_stopped() {
        return None;
    }
    match &answer {
        Ok(vended) => fleet.world.note_vend(&serving.process, subject, vended),
        Err(Error::Internal) => fleet
            .world
            .violated("P-27", "a call ended in an internal error"),
        Err(error) => fleet.world.trace.write(|| {
            let replica = serving.process.holder.to_string();
            format!("{replica} vends nothing of {subject}: {error:?}")
        }),
    }
    Some(answer)
}

async fn ask_and_use(fleet: &Fleet, subject: usize) {
    let world = &fleet.world;
    let Some(serving) = fleet.any() else { return };
    let lifetime = world.plan.conduct.lifetime.as_secs();
    let mut options = VendOptions::default();
    if world.dice.chance(0.2) {
        options.min_ttl = Some(Duration::from_secs(world.dice.between(0..2 * lifetime)));
    }
    if world.dice.chance(0.03) {
        let generation = world.dice.between(1..6);
        options.rejected_generation = Some(Generation(u32::try_from(generation).unwrap_or(1)));
    }
    let patience = match world.dice.chance(0.3) {
        true => world.dice.milliseconds(0..800),
        false => world.dice.milliseconds(1000..40_000),
    };
    let Some(Ok(vended)) = ask(fleet, &serving, subject, &options, patience).await else {
        return;
    };
    let works = world
        .provider()
        .works(vended.access_token.expose(), world.now());
    if !works && world.dice.chance(0.7) {
        options.rejected_generation = Some(vended.generation);
        ask(fleet, &serving, subject, &options, patience).await;
    }
}
