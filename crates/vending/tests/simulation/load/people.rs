//! An operator who deletes and reconnects, and a user who takes the consent back at the provider.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use tokend_model::{
    Account, AccountChange, AppUserId, ConnectionConfig, ConnectionId, Connector, ConnectorId,
    ConnectorKind, CredentialSource, Expiry, Label, Owner, Secret, TokenAnswer, WorkspaceName,
    ports::NewConnection,
};

use super::fleet::Fleet;
use crate::world::{
    World,
    ports::{CLIENT_ID, integration_type},
    provider::GrantEnd,
};

/// Connections alternate between two workspaces.
pub(crate) fn workspace(subject: usize) -> WorkspaceName {
    #[expect(clippy::unwrap_used, reason = "the name is a valid one")]
    WorkspaceName::new(format!("workspace-{}", subject % 2)).unwrap()
}

pub(crate) fn connector_id() -> ConnectorId {
    #[expect(clippy::unwrap_used, reason = "the name is a valid one")]
    ConnectorId::new("connector").unwrap()
}

pub(crate) fn owner(subject: usize) -> Owner {
    #[expect(clippy::unwrap_used, reason = "the name is a valid one")]
    Owner::AppUser(AppUserId::new(format!("user-{subject}")).unwrap())
}

/// The connectors of both workspaces, and every user's first consent.
pub(crate) fn settle_in(world: &World) {
    for subject in 0..2 {
        let connector = connector(world, subject);
        world.tables().connectors.push(connector);
    }
    for subject in 0..world.plan.connections {
        consent(world, subject);
    }
}

/// The user consents, for the first time or again.
pub(crate) fn consent(world: &World, subject: usize) {
    let now = world.now();
    let (answer, grant) = {
        let mut provider = world.provider();
        let number = provider.consent(subject, now);
        let lifetime = provider.conduct.lifetime;
        let issued = &provider.answers[number];
        let answer = TokenAnswer {
            access_token: Secret::new(&issued.access_token),
            token_type: "Bearer".to_owned(),
            refresh_token: issued.refresh_token.as_deref().map(Secret::new),
            expiry: Expiry::At(now + chrono::TimeDelta::from_std(lifetime).unwrap_or_default()),
            refresh_expire_time: None,
            scopes: None,
            captured: ConnectionConfig::default(),
            others: BTreeMap::new(),
            receive_time: now,
        };
        (answer, issued.grant)
    };
    let lifetime = world.plan.conduct.lifetime.mul_f64(0.6);
    #[expect(clippy::unwrap_used, reason = "the id is a valid one")]
    let id = ConnectionId::new(format!("conn_{subject}g{grant}")).unwrap();
    let new = NewConnection {
        id,
        workspace: workspace(subject),
        connector_id: connector_id(),
        integration_type: integration_type(),
        owner: owner(subject),
        label: Label::default_label(),
        account: Account::default(),
        connection_config: ConnectionConfig::default(),
        answer,
        source: CredentialSource::Authorization,
        tags: None,
        scopes: Vec::new(),
        keep_refresh_token: false,
        renewal_time: Some(now + chrono::TimeDelta::from_std(lifetime).unwrap_or_default()),
        authorization: None,
        siblings: None,
    };
    let connection = world.tables().connect(&new, now);
    world
        .trace
        .write(|| format!("{} connected, grant {grant}", connection.id));
    world.provider().grants[grant].connection = Some(connection.id.clone());
    world.subjects().insert(connection.id, subject);
}

/// What people do in the run, if they do anything.
pub(crate) async fn act(fleet: Arc<Fleet>) {
    let world = fleet.world.clone();
    if world.plan.user_revokes {
        let moment = world.dice.between(0..world.plan.storm);
        let world = world.clone();
        tokio::spawn(async move {
            tokio::time::sleep(Duration::from_secs(moment)).await;
            let mut provider = world.provider();
            if let Some(grant) = provider.grants.iter().rposition(|grant| grant.subject == 0) {
                world.trace.write(|| format!("the user ends grant {grant}"));
                provider.end_grant(grant, GrantEnd::User);
            }
        });
    }
    if !world.plan.operator {
        return;
    }
    for _ in 0..world.dice.between(1..4) {
        let pause = world.dice.milliseconds(1000..world.plan.storm * 400);
        tokio::time::sleep(pause).await;
        let subject = world.dice.below(world.plan.connections);
        if world.dice.chance(0.6) {
            delete(&fleet, subject).await;
            let pause = world.dice.milliseconds(10..30_000);
            tokio::time::sleep(pause).await;
        }
        if !world.dice.chance(0.2) {
            consent(&world, subject);
        }
    }
}

async fn delete(fleet: &Fleet, subject: usize) {
    let Some(serving) = fleet.any() else { return };
    let present: Vec<_> = {
        let tables = fleet.world.tables();
        let rows = tables.rows.values().map(|row| &row.connection);
        rows.filter(|connection| connection.owner == owner(subject))
            .map(|connection| connection.id.clone())
            .collect()
    };
    let workspace = workspace(subject);
    for id in present {
        let deleting = serving.vending.delete_connection(&workspace, &id, false);
        let _ = tokio::time::timeout(Duration::from_secs(30), deleting).await;
    }
}

fn connector(world: &World, subject: usize) -> Connector {
    Connector {
        workspace: workspace(subject),
        id: connector_id(),
        integration_type: integration_type(),
        kind: ConnectorKind::AppUser,
        display_name: String::new(),
        client_id: CLIENT_ID.to_owned(),
        client_secret: None,
        other_client_secrets: Vec::new(),
        scopes: Vec::new(),
        connection_config: ConnectionConfig::default(),
        return_urls: Vec::new(),
        disabled: false,
        account_change: AccountChange::default(),
        version: 1,
        create_time: world.now(),
        update_time: world.now(),
    }
}
