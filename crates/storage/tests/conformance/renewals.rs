//! Renewals that are due: shared out, never to two, and never held up by one that cannot be read.

use std::{
    collections::BTreeSet,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use tokend_model::{
    ConnectionId, ConnectorChange, ConnectorKind, Timestamp, WorkspaceName,
    ports::{Connections, Connectors, DueRenewal, NewConnection, Renewals, Share},
};
use tokend_storage::Storage;

use crate::{
    attempts::{MINUTE, claimed, commit, renewed},
    rig::Rig,
    sample::{at, connector, new_connection, stored_connector, stranger, user, workspace},
};

cases!(
    what_is_due_is_shared_out_among_workspaces,
    what_is_taken_is_put_off,
    what_may_be_in_doubt_is_put_off_for_a_moment_only,
    what_was_taken_is_due_again_when_its_taker_says,
    what_somebody_did_since_is_left_as_it_is,
    two_never_take_the_same,
    what_cannot_be_read_holds_nothing_up,
    one_whose_row_is_locked_is_left_out,
    what_was_there_before_gets_a_first_time,
);

const HOUR: Duration = Duration::from_secs(3600);

fn share(limit: u32, per_workspace: u32) -> Share {
    Share {
        limit,
        per_workspace,
        put_off: HOUR,
    }
}

async fn due(
    storage: &Storage,
    in_workspace: WorkspaceName,
    name: &str,
    time: Timestamp,
) -> NewConnection {
    let new = NewConnection {
        workspace: in_workspace,
        renewal_time: Some(time),
        ..new_connection(user(name))
    };
    storage.connect(&new, at(2)).await.unwrap();
    new
}

async fn take(rig: &Rig, share: Share) -> Vec<DueRenewal> {
    rig.storage.take_due(share, &[]).await.unwrap()
}

fn ids(taken: &[DueRenewal]) -> Vec<&ConnectionId> {
    taken.iter().map(|one| &one.connection_id).collect()
}

/// A moment that is over, on the database clock.
async fn past(rig: &Rig, ago: Duration) -> Timestamp {
    let now = rig.storage.database_time().await.unwrap();
    let time = now - ago;
    Timestamp::from_timestamp_millis(time.timestamp_millis()).unwrap()
}

async fn what_is_due_is_shared_out_among_workspaces(rig: Rig) {
    let storage = &rig.storage;
    stored_connector(storage).await;
    let mut foreign = connector("calendar", ConnectorKind::AppUser);
    foreign.workspace = stranger();
    let create = [ConnectorChange::Create(foreign)];
    storage
        .apply(&stranger(), &create, &[], at(0))
        .await
        .unwrap();
    let begin = past(&rig, HOUR).await;
    let mut many = Vec::new();
    for seconds in 0..5 {
        let time = begin + Duration::from_secs(seconds);
        many.push(
            due(storage, workspace(), &format!("user-{seconds}"), time)
                .await
                .id,
        );
    }
    let few = due(storage, stranger(), "ada", begin + MINUTE).await.id;
    due(storage, workspace(), "later", begin + 2 * HOUR).await;
    let first = take(&rig, share(100, 2)).await;
    assert_eq!(ids(&first), [&many[0], &many[1], &few]);
    assert_eq!(first[0].due_time, begin);
    assert_eq!(first[2].workspace, stranger());
    // Who has enough is passed over.
    let others = storage.take_due(share(100, 2), &[workspace()]).await;
    assert_eq!(others.unwrap(), []);
    let second = take(&rig, share(1, 2)).await;
    assert_eq!(ids(&second), [&many[2]]);
    let third = take(&rig, share(100, 100)).await;
    assert_eq!(ids(&third), [&many[3], &many[4]]);
    assert_eq!(take(&rig, share(100, 100)).await, []);
}

async fn what_may_be_in_doubt_is_put_off_for_a_moment_only(rig: Rig) {
    stored_connector(&rig.storage).await;
    let time = past(&rig, HOUR).await;
    for (name, doubt) in [("ada", "uncertain_since = 1"), ("grace", "label = label")] {
        let new = due(&rig.storage, workspace(), name, time).await;
        let id = new.id.as_str();
        rig.execute(&format!("UPDATE connections SET {doubt} WHERE id = '{id}'"))
            .await;
        if name == "grace" {
            // Somebody claimed it, and died over it.
            claimed(&rig, &new, 1, MINUTE).await;
            rig.execute("UPDATE connections SET renewal_time = 1").await;
        }
    }
    let before = rig.storage.database_time().await.unwrap();
    let taken = take(&rig, share(9, 9)).await;
    assert_eq!(taken.len(), 2);
    for one in taken {
        let read = Connections::get(&rig.storage, &workspace(), &one.connection_id).await;
        let next = read.unwrap().unwrap().0.renewal_time.unwrap();
        assert!(next >= before && next < before + MINUTE, "{next}");
        assert_eq!((one.next_time, one.is_pressing), (next, true));
    }
}

/// When a connection is due.
async fn next_time(rig: &Rig, id: &ConnectionId) -> Timestamp {
    let read = Connections::get(&rig.storage, &workspace(), id).await;
    read.unwrap().unwrap().0.renewal_time.unwrap()
}

async fn what_was_taken_is_due_again_when_its_taker_says(rig: Rig) {
    let storage = &rig.storage;
    stored_connector(storage).await;
    let time = past(&rig, HOUR).await;
    let other = due(storage, workspace(), "grace", time + 2 * HOUR).await;
    let untouched = next_time(&rig, &other.id).await;
    due(storage, workspace(), "ada", time).await;
    let taken = take(&rig, share(9, 9)).await.remove(0);
    let id = &taken.connection_id;
    assert_eq!(taken.next_time, next_time(&rig, id).await);
    assert!(!taken.is_pressing);
    for wait in [MINUTE, 2 * HOUR] {
        let before = storage.database_time().await.unwrap();
        let present = DueRenewal {
            next_time: next_time(&rig, id).await,
            ..taken.clone()
        };
        storage.put_off(&present, wait).await.unwrap();
        let after = storage.database_time().await.unwrap();
        let next = next_time(&rig, id).await;
        assert!(next >= before + wait && next <= after + wait, "{next}");
    }
    assert_eq!(next_time(&rig, &other.id).await, untouched);
}

async fn what_somebody_did_since_is_left_as_it_is(rig: Rig) {
    let storage = &rig.storage;
    stored_connector(storage).await;
    let time = past(&rig, HOUR).await;
    let new = due(storage, workspace(), "ada", time).await;
    let taken = take(&rig, share(9, 9)).await.remove(0);
    let strangers = DueRenewal {
        workspace: stranger(),
        ..taken.clone()
    };
    storage.put_off(&strangers, MINUTE).await.unwrap();
    assert_eq!(next_time(&rig, &new.id).await, taken.next_time);
    // Taken by somebody else, claimed, renewed, and not to be renewed any more.
    rig.execute("UPDATE connections SET renewal_time = 1").await;
    let again = take(&rig, share(9, 9)).await.remove(0);
    let stands = async || {
        let next = next_time(&rig, &new.id).await;
        storage.put_off(&taken, MINUTE).await.unwrap();
        assert_eq!(next_time(&rig, &new.id).await, next);
    };
    stands().await;
    let claim = claimed(&rig, &new, 1, 2 * MINUTE).await;
    storage.put_off(&again, MINUTE).await.unwrap();
    stands().await;
    commit(&rig, &claim, &renewed()).await;
    storage.put_off(&again, MINUTE).await.unwrap();
    stands().await;
    assert_eq!(next_time(&rig, &new.id).await, at(5000));
    rig.execute("UPDATE connections SET renewal_time = NULL")
        .await;
    storage.put_off(&again, MINUTE).await.unwrap();
    let read = Connections::get(storage, &workspace(), &new.id).await;
    assert_eq!(read.unwrap().unwrap().0.renewal_time, None);
}

async fn what_is_taken_is_put_off(rig: Rig) {
    stored_connector(&rig.storage).await;
    let time = past(&rig, HOUR).await;
    let new = due(&rig.storage, workspace(), "ada", time).await;
    let before = rig.storage.database_time().await.unwrap();
    assert_eq!(take(&rig, share(9, 9)).await.len(), 1);
    let after = rig.storage.database_time().await.unwrap();
    let read = Connections::get(&rig.storage, &workspace(), &new.id).await;
    let next = read.unwrap().unwrap().0.renewal_time.unwrap();
    assert!(next >= before + HOUR && next <= after + HOUR, "{next}");
    // Nobody has to come back for it to be due again.
    rig.execute("UPDATE connections SET renewal_time = renewal_time - 3600001")
        .await;
    assert_eq!(take(&rig, share(9, 9)).await.len(), 1);
    rig.execute("UPDATE connections SET renewal_time = NULL")
        .await;
    assert_eq!(take(&rig, share(9, 9)).await, []);
}

async fn two_never_take_the_same(rig: Rig) {
    stored_connector(&rig.storage).await;
    let time = past(&rig, HOUR).await;
    let mut all = BTreeSet::new();
    for number in 0..60 {
        let new = due(&rig.storage, workspace(), &format!("user-{number}"), time).await;
        all.insert(new.id.to_string());
    }
    let count = Arc::new(AtomicUsize::new(0));
    let takers = (0..4).map(|_| {
        let (rig, count, enough) = (rig.clone(), count.clone(), all.len());
        tokio::spawn(async move {
            let mut taken = Vec::new();
            // One that finds everything locked by the others comes again.
            while count.load(Ordering::Relaxed) < enough {
                let more = take(&rig, share(7, 7)).await;
                count.fetch_add(more.len(), Ordering::Relaxed);
                taken.extend(more);
            }
            taken
        })
    });
    let takers = futures::future::join_all(takers);
    let taken = tokio::time::timeout(MINUTE, takers).await.unwrap();
    let taken: Vec<_> = taken.into_iter().flat_map(Result::unwrap).collect();
    assert_eq!(taken.len(), all.len(), "one was taken twice");
    let taken: BTreeSet<_> = taken
        .iter()
        .map(|one| one.connection_id.to_string())
        .collect();
    assert_eq!(taken, all);
}

async fn what_cannot_be_read_holds_nothing_up(rig: Rig) {
    stored_connector(&rig.storage).await;
    let time = past(&rig, HOUR).await;
    let poison = due(&rig.storage, workspace(), "poison", time).await;
    let timeless = due(&rig.storage, workspace(), "timeless", time).await;
    let sound = due(&rig.storage, workspace(), "sound", time + MINUTE).await;
    let columns = "id, integration_type, kind, shared_type, display_name, client_id, client_secret, scopes, connection_config, return_urls, disabled, version, create_time, update_time";
    for sql in [
        format!(
            "INSERT INTO connectors (workspace, {columns}) SELECT 'No workspace!', {columns} FROM connectors"
        ),
        format!(
            "UPDATE connections SET workspace = 'No workspace!' WHERE id = '{}'",
            poison.id
        ),
        format!(
            "UPDATE connections SET renewal_time = {} WHERE id = '{}'",
            i64::MIN,
            timeless.id
        ),
    ] {
        assert_eq!(rig.execute(&sql).await, 1);
    }
    // Those that cannot be read are the longest overdue.
    let taken = take(&rig, share(3, 3)).await;
    assert_eq!(ids(&taken), [&sound.id]);
    let ahead = "SELECT id FROM connections WHERE renewal_time > 0";
    assert_eq!(rig.texts(ahead, "id").await.len(), 3, "all are put off");
    assert_eq!(take(&rig, share(3, 3)).await, []);
}

async fn one_whose_row_is_locked_is_left_out(rig: Rig) {
    stored_connector(&rig.storage).await;
    let time = past(&rig, HOUR).await;
    let busy = due(&rig.storage, workspace(), "busy", time).await;
    let idle = due(&rig.storage, workspace(), "idle", time).await;
    // SQLite has one writer at a time: nobody else's lock to meet.
    if !rig.is_postgres() {
        return;
    }
    rig.execute("BEGIN").await;
    let lock = format!(
        "UPDATE connections SET status = status WHERE id = '{}'",
        busy.id
    );
    assert_eq!(rig.execute(&lock).await, 1);
    assert_eq!(ids(&take(&rig, share(9, 9)).await), [&idle.id]);
    rig.execute("COMMIT").await;
    assert_eq!(ids(&take(&rig, share(9, 9)).await), [&busy.id]);
}

/// The schema as it was before renewals, with rows in it, is brought up to date.
async fn what_was_there_before_gets_a_first_time(rig: Rig) {
    stored_connector(&rig.storage).await;
    let anyhow = at(2500);
    let hour = due(&rig.storage, workspace(), "hour", anyhow).await;
    let endless = due(&rig.storage, workspace(), "endless", anyhow).await;
    let final_one = due(&rig.storage, workspace(), "final", anyhow).await;
    let ended = due(&rig.storage, workspace(), "ended", anyhow).await;
    for sql in [
        format!(
            "UPDATE connections SET expiry = 'UNKNOWN', expire_time = NULL WHERE id = '{}'",
            endless.id
        ),
        format!(
            "UPDATE credentials SET refresh_token = NULL WHERE connection_id = '{}'",
            final_one.id
        ),
        format!(
            "UPDATE connections SET status = 'ERROR' WHERE id = '{}'",
            ended.id
        ),
    ] {
        assert_eq!(rig.execute(&sql).await, 1);
    }
    for sql in [
        "DROP INDEX ix_connections_renewal_time",
        "ALTER TABLE connections DROP COLUMN renewal_time",
        "ALTER TABLE connections DROP COLUMN uncertain_since",
        "DROP TABLE orphans",
        "DROP TABLE client_pauses",
        "DELETE FROM seaql_migrations WHERE version = 'm0003_renewals_and_orphans'",
    ] {
        rig.execute(sql).await;
    }
    let pending = rig.storage.pending_migrations().await.unwrap();
    assert_eq!(pending, ["m0003_renewals_and_orphans"]);
    rig.storage.migrate().await.unwrap();
    let all = [&hour.id, &endless.id, &final_one.id, &ended.id];
    first_times(&rig, all).await;
    assert_eq!(rig.storage.schedule_missed().await.unwrap(), 0);
    // A replica of the release before stores none.
    rig.execute("UPDATE connections SET renewal_time = NULL")
        .await;
    assert_eq!(rig.storage.schedule_missed().await.unwrap(), 2);
    first_times(&rig, all).await;
}

async fn first_times(rig: &Rig, [hour, endless, final_one, ended]: [&ConnectionId; 4]) {
    // Received at 1, for an hour; or kept alive after 6.5 days.
    let milliseconds = |time: Timestamp| time.timestamp_millis();
    for (id, expected) in [
        (hour, Some(milliseconds(at(1)) + 3_599_000 * 7 / 10)),
        (endless, Some(milliseconds(at(1)) + 561_600_000)),
        (final_one, None),
        (ended, None),
    ] {
        let read = Connections::describe(&rig.storage, &workspace(), id).await;
        let time = read.unwrap().unwrap().renewal_time;
        assert_eq!(time.map(milliseconds), expected);
    }
}
