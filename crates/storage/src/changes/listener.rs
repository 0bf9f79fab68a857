//! The connection on which PostgreSQL announces changes, made again whenever it is lost.

use std::{sync::Arc, time::Duration};

use backon::{BackoffBuilder, ExponentialBackoff, ExponentialBuilder};
use sea_orm::sqlx::{
    self, Connection, Executor, PgConnection, Postgres, Row,
    pool::PoolOptions,
    postgres::{PgConnectOptions, PgListener},
};
use tokio::{
    sync::Notify,
    time::{Instant, error::Elapsed, sleep, timeout},
};

/// Announces, once the transaction is committed, that there are changes.
pub(super) const NOTIFY: &str = "SELECT pg_notify('tokend_changes', '')";

const CHANNEL: &str = "tokend_changes";

/// How long the server may be silent before it is asked whether it is still there; also how long a connection must
/// have lasted for the next pause to be a short one again.
const SILENCE: Duration = Duration::from_secs(60);

/// How long connecting, or one answer, may take.
const PATIENCE: Duration = Duration::from_secs(10);

const FIRST_PAUSE: Duration = Duration::from_millis(200);
const LONGEST_PAUSE: Duration = Duration::from_secs(60);

/// Why nothing is announced at the moment.
#[derive(Debug, thiserror::Error)]
enum Deaf {
    #[error("a pooler between here and PostgreSQL changes the connection with every transaction")]
    Pooled,
    #[error("the connection was closed")]
    Closed,
    #[error("PostgreSQL does not answer")]
    Silent(#[from] Elapsed),
    #[error("PostgreSQL refuses: {0}")]
    Refused(#[from] sqlx::Error),
}

/// Rings the bell for every announcement, for ever.
pub(super) async fn listen(options: Arc<PgConnectOptions>, bell: Arc<Notify>) {
    let options = options.as_ref().clone().application_name("tokend-changes");
    let (mut pauses, mut told) = (pauses(), false);
    loop {
        let begin = Instant::now();
        match subscribe(&options).await {
            Ok(mut listener) => {
                if told {
                    tracing::info!("the database announces changes of other replicas again");
                    told = false;
                }
                // What happened before is not announced any more.
                bell.notify_one();
                let deaf = forward(&mut listener, &bell).await;
                tracing::debug!(why = %deaf, "the connection for announcements is lost");
            }
            Err(deaf) if told => tracing::debug!(why = %deaf, "no announcements yet"),
            Err(deaf) => {
                told = true;
                tracing::warn!(
                    why = %deaf,
                    "the database cannot announce changes of other replicas; they are found by asking, a little later"
                );
            }
        }
        if begin.elapsed() > SILENCE {
            pauses = self::pauses();
        }
        sleep(pauses.next().unwrap_or(LONGEST_PAUSE)).await;
    }
}

async fn subscribe(options: &PgConnectOptions) -> Result<PgListener, Deaf> {
    let pool = PoolOptions::<Postgres>::new()
        .max_connections(1)
        .max_lifetime(None)
        .idle_timeout(None)
        .acquire_timeout(PATIENCE)
        .connect_lazy_with(options.clone());
    let mut listener = PgListener::connect_with(&pool).await?;
    // Connecting again is our own affair: what was missed has to be told.
    listener.eager_reconnect(false);
    if timeout(PATIENCE, is_pooled(&mut listener, options)).await?? {
        return Err(Deaf::Pooled);
    }
    timeout(PATIENCE, listener.listen(CHANNEL)).await??;
    Ok(listener)
}

/// Whether a transaction-mode pooler gives the listener's server process to others in between. Listening through
/// one hears nothing, and worse: whoever gets that server process next receives announcements it never asked for,
/// which sqlx takes for a broken protocol. Such a pooler gives the process that was used last to whoever asks next.
async fn is_pooled(
    listener: &mut PgListener,
    options: &PgConnectOptions,
) -> Result<bool, sqlx::Error> {
    let mut other = PgConnection::connect_with(options).await?;
    let mut pooled = false;
    for _ in 0..3 {
        let first = server_process(&mut *listener).await?;
        let mut transaction = other.begin().await?;
        // Ours serves somebody else's transaction, or is no longer ours meanwhile.
        pooled = first == server_process(&mut *transaction).await?
            || first != server_process(&mut *listener).await?;
        transaction.rollback().await?;
        if pooled {
            break;
        }
    }
    other.close().await?;
    Ok(pooled)
}

/// The process that serves the connection at this moment.
async fn server_process<'c>(
    connection: impl Executor<'c, Database = Postgres>,
) -> Result<i32, sqlx::Error> {
    sqlx::raw_sql("SELECT pg_backend_pid()")
        .fetch_one(connection)
        .await?
        .try_get(0)
}

async fn forward(listener: &mut PgListener, bell: &Notify) -> Deaf {
    loop {
        match timeout(SILENCE, listener.try_recv()).await {
            Ok(Ok(Some(_))) => bell.notify_one(),
            Ok(Ok(None)) => return Deaf::Closed,
            Ok(Err(error)) => return error.into(),
            // A connection that died without a word looks just like one on which nothing happens.
            Err(_) => match timeout(PATIENCE, server_process(&mut *listener)).await {
                Ok(Ok(_)) => {}
                Ok(Err(error)) => return error.into(),
                Err(silent) => return silent.into(),
            },
        }
    }
}

fn pauses() -> ExponentialBackoff {
    ExponentialBuilder::new()
        .with_min_delay(FIRST_PAUSE)
        .with_max_delay(LONGEST_PAUSE)
        .without_max_times()
        .with_jitter()
        .build()
}
