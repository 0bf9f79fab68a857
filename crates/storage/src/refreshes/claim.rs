//! Claiming: one transaction that reads how things stand and writes who goes ahead.

use std::time::Duration;

use sea_orm::{
    ActiveValue::Set,
    ColumnTrait, ConnectionTrait, DatabaseBackend, DatabaseTransaction, EntityTrait,
    FromQueryResult, IntoActiveModel, Iterable, QueryFilter, Statement,
    sea_query::{LockType, OnConflict},
};
use tokend_model::ports::{Claim, ClaimOutcome, ClaimRequest, Claimed, Deployment, StorageError};

use super::{
    CLAIM_OPEN, can_refresh, of_connection, orphans,
    takeover::{Standing, time_left},
    whole_milliseconds,
};
use crate::{
    Storage,
    columns::optional_time,
    connect::clock,
    connections::locked::lock_connection,
    deployments::{SILENT, seen::is_still},
    entities::{connection, orphan, refresh_claim},
    faults::{by_meaning, corrupt},
};

const WHAT: &str = "connections.uncertain_since";

/// What decides about a claim, at one moment.
#[derive(FromQueryResult)]
struct Circumstances {
    now: i64,
    paused_until: Option<i64>,
    beat_time: Option<i64>,
    resume_time: Option<i64>,
    deployment: Option<String>,
    adoptions: Option<i64>,
    pulse: Option<i64>,
    orphaned: bool,
    #[sea_orm(nested)]
    earlier: Option<Standing>,
}

/// How long holders are waited for, in milliseconds, once the database is there again: one that lives tries to store
/// its answer every 2 s.
const RETURN: i64 = 8_000;

impl Circumstances {
    fn deployment(&self) -> Option<Deployment> {
        Some(Deployment {
            id: self.deployment.clone()?,
            adoptions: self.adoptions?,
            pulse: self.pulse?,
        })
    }

    /// How long nothing is taken over, because the database was out of reach until a moment ago: a holder may only
    /// now be able to store what it has.
    fn time_to_return(&self) -> Option<Duration> {
        let beat_time = self.beat_time?;
        let resume_time = match beat_time < self.now.saturating_sub(SILENT) {
            true => self.now,
            false => self.resume_time?,
        };
        time_left(self.now, resume_time.saturating_add(RETURN))
    }
}

/// Claims, takes over, or says why not.
pub(crate) async fn claim(
    transaction: &DatabaseTransaction,
    storage: &Storage,
    request: ClaimRequest,
) -> Result<ClaimOutcome, StorageError> {
    let lock = LockType::NoKeyUpdate;
    let current = lock_connection(
        transaction,
        &request.workspace,
        &request.connection_id,
        lock,
    )
    .await?;
    let Some(current) = current.filter(|row| can_refresh(row, request.base)) else {
        return Ok(ClaimOutcome::Moved);
    };
    // Before the pulse is read: others count it on meanwhile.
    let seen = storage.seen.get();
    let circumstances = circumstances(transaction, &request).await?;
    let shown = circumstances.deployment();
    if !is_still(seen.as_ref(), shown.as_ref()) {
        return Ok(ClaimOutcome::NotOurs);
    }
    if let Some(shown) = shown.filter(|_| seen.is_some()) {
        storage.seen.note(&shown);
    }
    let before_return = circumstances.time_to_return();
    let Circumstances {
        now,
        paused_until,
        orphaned,
        earlier,
        ..
    } = circumstances;
    let held = earlier.as_ref().and_then(|standing| {
        let doubted = current.uncertain_since;
        let remaining = standing.remaining(&request, doubted, now);
        // Without its own: what is dead does not come back.
        let away = before_return.filter(|_| standing.may_be_alive(&request.holder));
        remaining.max(away)
    });
    if let Some(held) = held {
        return Ok(ClaimOutcome::Held(held));
    }
    if let Some(pause) = paused_until.and_then(|until| time_left(now, until)) {
        return Ok(ClaimOutcome::Paused(pause));
    }
    let uncertain_since = uncertain_since(&request, &current, earlier.as_ref());
    expect(transaction, &request, uncertain_since, now).await?;
    let epoch = earlier
        .as_ref()
        .map_or(1, |standing| standing.epoch.saturating_add(1));
    let predecessor = earlier.map_or(0, |standing| standing.longest_deadline(&request));
    write(transaction, &request, (epoch, predecessor), now).await?;
    let orphan = if orphaned {
        let untried = of_connection(&request.connection_id)
            .filter(orphan::Column::BaseGeneration.eq(i64::from(request.base.0)))
            .filter(orphan::Column::Tried.eq(false));
        let found = orphans::newest_first(transaction, untried, &storage.keyring).await?;
        found.into_iter().next()
    } else {
        None
    };
    Ok(ClaimOutcome::Claimed(Claimed {
        claim: Claim {
            workspace: request.workspace,
            connection_id: request.connection_id,
            epoch,
            base: request.base,
        },
        uncertain_since: optional_time(WHAT, uncertain_since)?,
        orphan,
    }))
}

/// Read in one statement, under the lock of the connection. The clock is read after the claim's row was locked:
/// waiting for a heartbeat must not use up anybody's time.
async fn circumstances(
    transaction: &DatabaseTransaction,
    request: &ClaimRequest,
) -> Result<Circumstances, StorageError> {
    let backend = transaction.get_database_backend();
    let lock = match backend {
        DatabaseBackend::Postgres => "FOR NO KEY UPDATE",
        _ => "",
    };
    let query = format!(
        "WITH earlier AS (\
            SELECT epoch, holder, base_generation, started_at, heartbeat_at, deadline_at, state, \
                predecessor_deadline_at \
            FROM refresh_claims WHERE connection_id = $1 {lock}) \
        SELECT {now} AS now, pause.until_time AS paused_until, pulse.beat_time, pulse.resume_time, \
            pulse.id AS deployment, pulse.adoptions, pulse.pulse, EXISTS (\
            SELECT 1 FROM orphans WHERE connection_id = $1 AND base_generation = $2 AND NOT tried) AS orphaned, \
            earlier.* \
        FROM (SELECT 1 AS one) AS always LEFT JOIN earlier ON TRUE \
        LEFT JOIN deployments AS pulse ON pulse.only = 1 \
        LEFT JOIN client_pauses AS pause \
            ON pause.workspace = $3 AND pause.endpoint = $4 AND pause.client_id = $5",
        now = clock(backend),
    );
    let values = [
        request.connection_id.as_str().into(),
        i64::from(request.base.0).into(),
        request.registration.workspace.as_str().into(),
        request.registration.endpoint.as_str().into(),
        request.registration.client_id.as_str().into(),
    ];
    Circumstances::find_by_statement(Statement::from_sql_and_values(backend, query, values))
        .one(transaction)
        .await
        .map_err(by_meaning)?
        .ok_or_else(|| corrupt("refresh_claims", "reading it gave no answer"))
}

/// What earlier attempts leave. One that was open until now may have got as far as the provider.
fn uncertain_since(
    request: &ClaimRequest,
    current: &connection::Model,
    earlier: Option<&Standing>,
) -> Option<i64> {
    let taken_over = earlier.filter(|standing| standing.is_open() && standing.is_of(request));
    current
        .uncertain_since
        .or(taken_over.map(|standing| standing.started_at))
}

/// Should the attempt come to nothing, it is looked at again as soon as it may be taken over: a provider's window may
/// close soon after.
async fn expect(
    transaction: &DatabaseTransaction,
    request: &ClaimRequest,
    uncertain_since: Option<i64>,
    now: i64,
) -> Result<(), StorageError> {
    let free = request.takeover.silence.unwrap_or(request.time_to_live);
    let free_at = now.saturating_add(whole_milliseconds(free.min(request.time_to_live)));
    let change = connection::ActiveModel {
        renewal_time: Set(Some(free_at)),
        uncertain_since: Set(uncertain_since),
        ..Default::default()
    };
    connection::Entity::update_many()
        .set(change)
        .filter(connection::Column::Id.eq(request.connection_id.as_str()))
        .exec(transaction)
        .await
        .map_err(by_meaning)?;
    Ok(())
}

async fn write(
    transaction: &DatabaseTransaction,
    request: &ClaimRequest,
    (epoch, predecessor_deadline_at): (i64, i64),
    now: i64,
) -> Result<(), StorageError> {
    let row = refresh_claim::Model {
        connection_id: request.connection_id.as_str().to_owned(),
        workspace: request.workspace.as_str().to_owned(),
        epoch,
        holder: request.holder.to_string(),
        base_generation: i64::from(request.base.0),
        started_at: now,
        heartbeat_at: now,
        deadline_at: now.saturating_add(whole_milliseconds(request.time_to_live)),
        state: CLAIM_OPEN.to_owned(),
        predecessor_deadline_at,
    };
    let replace = OnConflict::column(refresh_claim::Column::ConnectionId)
        .update_columns(refresh_claim::Column::iter())
        .to_owned();
    refresh_claim::Entity::insert(row.into_active_model())
        .on_conflict(replace)
        .exec_without_returning(transaction)
        .await
        .map_err(by_meaning)?;
    Ok(())
}
