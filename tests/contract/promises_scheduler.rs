//! Renewing although nobody asks: by one of two replicas (P-04), past what cannot be read (P-30), past another
//! workspace's flood (P-25), and spread where everything is due at once (P-29).

use std::time::{Duration, Instant, SystemTime};

use futures::future::join_all;
use sqlx::{AssertSqlSafe, Connection, PgConnection};
use tokend_api::v1;
use tokend_client::{Client, Credentials};
use tokend_server::{NewCaller, add_caller};
use tokend_simulator::{Endpoint, Fault};
use tokend_tests::{Database, Options, Tokend, databases};

use crate::{
    answers::{eventually, now},
    many::{Account, Class, client_of, import_many},
};

/// The database's time in unix milliseconds.
const NOW: &str = "(EXTRACT(EPOCH FROM clock_timestamp()) * 1000)::bigint";

#[tokio::test(flavor = "multi_thread")]
async fn p04_two_schedulers_on_the_same_connections_redeem_each_token_once() {
    const CONNECTIONS: usize = 60;
    let Some(tokend) = on_postgres(|_| {}).await else {
        return;
    };
    let accounts = import_many(&tokend, Class::Strict, "collided", CONNECTIONS).await;
    let (tokend, other, _) = renewing_ahead(tokend).await;
    let mut database = open(&tokend).await;
    for generation in 1..=3 {
        // Due again and again while somebody is at it: both schedulers find it, whoever has it.
        let due =
            format!("UPDATE connections SET renewal_time = {NOW} WHERE generation = {generation}");
        eventually("all are renewed", async || {
            let left = sqlx::query(AssertSqlSafe(due.as_str()))
                .execute(&mut database)
                .await;
            (left.unwrap().rows_affected() == 0).then_some(())
        })
        .await;
    }
    database.close().await.unwrap();
    other.stop().await;
    let ledger = tokend.simulator.ledger();
    assert_eq!(ledger.most_presentations(), 1);
    assert_eq!((ledger.reuses(), ledger.overlapping_refreshes()), (0, 0));
    for account in &accounts {
        let known = account.connection(&tokend.operator).await.generation;
        let state = ledger.family_state(account.tokens.family).unwrap();
        assert_eq!(u64::from(known), state.generation);
    }
    println!(
        "P-04: {} redemptions by two schedulers, each token once",
        ledger.refreshes()
    );
    tokend.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn p30_what_cannot_be_read_keeps_nobody_waiting() {
    const POISONED: [&str; 4] = [
        "UPDATE credentials SET refresh_token = decode('00ff', 'hex') WHERE connection_id = $1",
        "UPDATE credentials SET receive_time = -9223372036854775808 WHERE connection_id = $1",
        "UPDATE connections SET connection_config = '{' WHERE id = $1",
        "UPDATE connections SET status = 'BEWITCHED' WHERE id = $1",
    ];
    let Some(tokend) = on_postgres(|_| {}).await else {
        return;
    };
    let mut accounts = import_many(&tokend, Class::Strict, "poisoned", 100).await;
    let mut database = open(&tokend).await;
    let poisoned = accounts.split_off(accounts.len() - POISONED.len());
    for (account, sql) in poisoned.iter().zip(POISONED) {
        let change = sqlx::query(sql).bind(&account.connection_id);
        assert_eq!(
            change.execute(&mut database).await.unwrap().rows_affected(),
            1
        );
    }
    let due = format!("UPDATE connections SET renewal_time = {NOW} - (status = 'BEWITCHED')::int");
    sqlx::query(AssertSqlSafe(due))
        .execute(&mut database)
        .await
        .unwrap();
    let (tokend, other, _) = renewing_ahead(tokend).await;
    all_at(&tokend.operator, &accounts, 2).await;
    for account in &poisoned {
        let next = "SELECT renewal_time > $1 FROM connections WHERE id = $2";
        eventually("its next time has advanced", async || {
            let next = sqlx::query_scalar::<_, bool>(next)
                .bind(milliseconds(now()))
                .bind(&account.connection_id);
            next.fetch_one(&mut database).await.unwrap().then_some(())
        })
        .await;
        let state = tokend
            .simulator
            .ledger()
            .family_state(account.tokens.family);
        assert_eq!(state.unwrap().presentations, 0);
    }
    database.close().await.unwrap();
    other.stop().await;
    tokend.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn p25_a_flood_in_one_workspace_does_not_hold_up_another() {
    const FLOOD: usize = 500;
    const FEW: usize = 5;
    const SOON: Duration = Duration::from_secs(5);
    let Some(mut tokend) = on_postgres(|_| {}).await else {
        return;
    };
    let few = import_many(&tokend, Class::Strict, "few", FEW).await;
    let flooded = operator_of(&tokend, "flooded").await;
    let own = std::mem::replace(&mut tokend.operator, flooded);
    import_many(&tokend, Class::Strict, "flood", FLOOD).await;
    tokend.operator = own;
    let faults = tokend.simulator.faults_of(&client_of("flood"));
    faults.always(Endpoint::Token, Some(Fault::Delay(Duration::from_secs(3))));
    // The flood was due first.
    let due = format!(
        "UPDATE connections SET renewal_time = {NOW} - CASE workspace WHEN 'flooded' THEN 60000 ELSE 1 END"
    );
    let mut database = open(&tokend).await;
    let update = sqlx::query(AssertSqlSafe(due));
    update.execute(&mut database).await.unwrap();

    tokend.config.vending.renew_ahead = true;
    let tokend = tokend.restart().await;
    let begun = Instant::now();
    all_at(&tokend.operator, &few, 2).await;
    let took = begun.elapsed();
    let left = "SELECT count(*) FROM connections WHERE workspace = 'flooded' AND generation = 1";
    let left: i64 = sqlx::query_scalar(left)
        .fetch_one(&mut database)
        .await
        .unwrap();
    println!(
        "P-25: {FEW} renewed after {took:?}, with {left} of another workspace's {FLOOD} due before"
    );
    assert!(took < SOON, "{took:?}");
    assert!(usize::try_from(left).unwrap() > FLOOD / 4, "{left}");
    faults.always(Endpoint::Token, None);
    database.close().await.unwrap();
    tokend.stop().await;
}

/// `make rig-expiry EXPIRING=n`.
#[tokio::test(flavor = "multi_thread")]
async fn p29_what_runs_out_together_is_renewed_spread_and_in_time() {
    const CALLS_PER_SECOND: usize = 40;
    const REPLICAS: usize = 2;
    /// Connections that are asked for all the time.
    const HOT: usize = 20;
    let count = std::env::var("EXPIRING").map_or(400, |count| count.parse().unwrap());
    let Some(tokend) = on_postgres(|config| {
        config.oauth.max_calls_per_second = u32::try_from(CALLS_PER_SECOND).unwrap();
    })
    .await
    else {
        return;
    };
    let accounts = import_many(&tokend, Class::Strict, "expiring", count).await;
    // All of them are due at once, with twice the time left that it takes at full rate.
    let takes = Duration::from_secs_f64(count as f64 / (CALLS_PER_SECOND * REPLICAS) as f64);
    let left = milliseconds(now() + takes * 2 + Duration::from_secs(20));
    let mut database = open(&tokend).await;
    for sql in [
        format!("UPDATE credentials SET expire_time = {left}"),
        format!("UPDATE connections SET expire_time = {left}, renewal_time = {NOW}"),
    ] {
        sqlx::query(AssertSqlSafe(sql))
            .execute(&mut database)
            .await
            .unwrap();
    }
    let (tokend, other, other_backend) = renewing_ahead(tokend).await;
    let (begun, ledger) = (Instant::now(), tokend.simulator.ledger());
    let mut asked = 0;
    let deadline = begun + takes * 2 + Duration::from_secs(20);
    loop {
        let hot = accounts.iter().step_by((count / HOT).max(1));
        let backends = [&tokend.backend, &other_backend].into_iter().cycle();
        for answer in join_all(hot.zip(backends).map(|(account, at)| account.get(at))).await {
            let end = SystemTime::try_from(answer.unwrap().expire_time.unwrap()).unwrap();
            assert!(end > now(), "a token in use ran out");
            asked += 1;
        }
        let renewed = "SELECT count(*) FROM connections WHERE generation > 1";
        let renewed = sqlx::query_scalar::<_, i64>(renewed).fetch_one(&mut database);
        if usize::try_from(renewed.await.unwrap()).unwrap() == count {
            break;
        }
        assert!(
            Instant::now() < deadline,
            "in time {} of {count} were renewed",
            ledger.refreshes()
        );
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    let busiest = ledger.busiest_second(&client_of("expiring"));
    println!(
        "P-29: {count} renewed in {:?}, busiest second {busiest} of {} allowed; {asked} tokens vended meanwhile",
        begun.elapsed(),
        CALLS_PER_SECOND * REPLICAS
    );
    assert!(busiest <= CALLS_PER_SECOND * REPLICAS, "{busiest}");
    assert_eq!(
        (ledger.refreshes(), ledger.most_presentations()),
        (count, 1)
    );
    database.close().await.unwrap();
    other.stop().await;
    tokend.stop().await;
}

async fn on_postgres(configure: fn(&mut tokend_server::config::Config)) -> Option<Tokend> {
    if !databases().contains(&Database::Postgres) {
        return None;
    }
    let options = Options {
        database: Database::Postgres,
        configure,
        ..Options::default()
    };
    Some(Tokend::start(options).await)
}

/// The same tokend, renewing ahead from now on, and another replica that does so too.
async fn renewing_ahead(mut tokend: Tokend) -> (Tokend, tokend_server::Server, Client) {
    tokend.config.vending.renew_ahead = true;
    let tokend = tokend.restart().await;
    let (other, backend) = tokend.replica().await;
    (tokend, other, backend)
}

/// An operator of another workspace.
async fn operator_of(tokend: &Tokend, workspace: &str) -> Client {
    let caller = NewCaller {
        name: format!("ops-of-{workspace}"),
        workspace: workspace.to_owned(),
        operator: true,
        expires_in: None,
    };
    let added = add_caller(&tokend.config, caller).await.unwrap();
    let client = Client::builder(format!("http://{}", tokend.grpc()))
        .credentials(Credentials::api_key(added.api_key.expose()))
        .workspace(workspace)
        .connect();
    let client = client.await.unwrap();
    eventually("its key is known", async || {
        let list = v1::ListConnectionsRequest::default();
        client.admin().list_connections(list).await.ok()
    })
    .await;
    client
}

async fn all_at(operator: &Client, accounts: &[Account], generation: u32) {
    for account in accounts {
        eventually("it is renewed", async || {
            let connection = account.connection(operator).await;
            (connection.generation >= generation).then_some(())
        })
        .await;
    }
}

async fn open(tokend: &Tokend) -> PgConnection {
    PgConnection::connect(&tokend.config.database.url)
        .await
        .unwrap()
}

fn milliseconds(time: SystemTime) -> i64 {
    let since = time.duration_since(SystemTime::UNIX_EPOCH).unwrap();
    i64::try_from(since.as_millis()).unwrap()
}
