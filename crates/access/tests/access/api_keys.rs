//! API keys against a store that can fail, change and count its statements.

use std::sync::{
    Arc, Mutex,
    atomic::{AtomicBool, AtomicUsize, Ordering},
};

use async_trait::async_trait;
use futures::future::join_all;
use tokend_access::{
    AccessError, ApiKey, ApiKeyAuthenticator, Caller, CallerAuthentication, CallerKind,
    CallerRejection, Presented,
};
use tokend_model::{
    Timestamp, WorkspaceName,
    ports::{ApiKeyRecord, ApiKeys, CallerRole, Clock, StorageError},
};

use crate::clock::StandingClock;

#[derive(Default)]
struct Store {
    records: Mutex<Vec<ApiKeyRecord>>,
    is_down: AtomicBool,
    statements: AtomicUsize,
    /// How many seconds a look takes, by this clock.
    slowness: Mutex<Option<(Arc<StandingClock>, i64)>>,
}

impl Store {
    fn takes(&self, clock: &Arc<StandingClock>, seconds: i64) {
        *self.slowness.lock().unwrap() = Some((clock.clone(), seconds));
    }
}

#[async_trait]
impl ApiKeys for Store {
    async fn list(&self) -> Result<Vec<ApiKeyRecord>, StorageError> {
        self.statements.fetch_add(1, Ordering::SeqCst);
        // A real store gives others the chance to come in between.
        tokio::task::yield_now().await;
        if let Some((clock, seconds)) = &*self.slowness.lock().unwrap() {
            clock.advance(*seconds);
        }
        if self.is_down.load(Ordering::SeqCst) {
            return Err(StorageError::Unavailable("down".into()));
        }
        Ok(self.records.lock().unwrap().clone())
    }

    async fn insert(&self, key: &ApiKeyRecord) -> Result<(), StorageError> {
        self.records.lock().unwrap().push(key.clone());
        Ok(())
    }

    async fn replace(
        &self,
        key: &ApiKeyRecord,
        replaced: &[String],
        end: Timestamp,
    ) -> Result<(), StorageError> {
        let mut records = self.records.lock().unwrap();
        for record in records
            .iter_mut()
            .filter(|it| replaced.contains(&it.key_id))
        {
            record.expire_time = Some(record.expire_time.map_or(end, |time| time.min(end)));
        }
        records.push(key.clone());
        Ok(())
    }

    async fn delete(&self, key_ids: &[String]) -> Result<u64, StorageError> {
        let mut records = self.records.lock().unwrap();
        let before = records.len();
        records.retain(|record| !key_ids.contains(&record.key_id));
        Ok((before - records.len()) as u64)
    }

    async fn note_uses(&self, uses: &[(String, Timestamp)]) -> Result<(), StorageError> {
        self.statements.fetch_add(1, Ordering::SeqCst);
        if self.is_down.load(Ordering::SeqCst) {
            return Err(StorageError::Unavailable("down".into()));
        }
        let mut records = self.records.lock().unwrap();
        for record in records.iter_mut() {
            let used = uses.iter().find(|(key_id, _)| *key_id == record.key_id);
            record.last_used_time = record.last_used_time.max(used.map(|(_, time)| *time));
        }
        Ok(())
    }
}

struct Fixture {
    store: Arc<Store>,
    clock: Arc<StandingClock>,
    keys: Arc<ApiKeyAuthenticator>,
    authentication: CallerAuthentication,
}

impl Fixture {
    fn new() -> Self {
        let store = Arc::new(Store::default());
        let clock = Arc::new(StandingClock::new());
        let keys = Arc::new(ApiKeyAuthenticator::new(store.clone(), clock.clone()));
        Self {
            store,
            clock,
            keys: keys.clone(),
            authentication: CallerAuthentication {
                api_keys: Some(keys),
                ..Default::default()
            },
        }
    }

    /// A stored key of `billing`, as its header.
    async fn add_key(&self, expire_time: Option<Timestamp>) -> String {
        let ApiKey { key, record } = generate(self.clock.now(), expire_time);
        self.store.insert(&record).await.unwrap();
        format!("Bearer {}", key.expose())
    }

    async fn authenticate(&self, authorization: &str) -> Result<Arc<Caller>, AccessError> {
        self.present(Some(authorization)).await
    }

    async fn present(&self, authorization: Option<&str>) -> Result<Arc<Caller>, AccessError> {
        let presented = Presented {
            authorization,
            certificate: None,
        };
        self.authentication
            .authenticate(presented, self.clock.now())
            .await
    }

    /// When the only key there is was used, as the store has it.
    fn last_used(&self) -> Option<i64> {
        let records = self.store.records.lock().unwrap();
        records[0].last_used_time.map(|time| time.timestamp())
    }

    fn statements(&self) -> usize {
        self.store.statements.load(Ordering::SeqCst)
    }
}

fn generate(now: Timestamp, expire_time: Option<Timestamp>) -> ApiKey {
    let workspace = WorkspaceName::new("acme").unwrap();
    ApiKey::generate("billing", workspace, CallerRole::Backend, now, expire_time).unwrap()
}

fn rejected(rejection: CallerRejection) -> Result<Arc<Caller>, AccessError> {
    Err(AccessError::CallerUnauthenticated(rejection))
}

#[tokio::test]
async fn a_known_key_is_checked_without_a_statement() {
    let fixture = Fixture::new();
    let key = fixture.add_key(None).await;
    let caller = fixture.authenticate(&key).await.unwrap();
    assert_eq!(
        (caller.name.as_str(), caller.workspace.as_str()),
        ("billing", "acme")
    );
    assert_eq!(caller.role, Some(CallerRole::Backend));
    assert!(matches!(&caller.kind, CallerKind::ApiKey { key_id } if key.contains(key_id)));
    for _ in 0..100 {
        fixture.authenticate(&key).await.unwrap();
    }
    assert_eq!(fixture.statements(), 1);
}

#[tokio::test]
async fn unknown_and_wrong_keys_are_refused_alike() {
    let fixture = Fixture::new();
    let key = fixture.add_key(None).await;
    let stranger = generate(fixture.clock.now(), None).key;
    let stranger = format!("Bearer {}", stranger.expose());
    // The known id with the stranger's secret.
    let split = "Bearer tokend_".len() + 16;
    let wrong = format!("{}{}", &key[..split], &stranger[split..]);
    for text in [&stranger, &wrong] {
        let before = fixture.statements();
        fixture.clock.advance(1);
        assert_eq!(
            fixture.authenticate(text).await,
            rejected(CallerRejection::Refused)
        );
        assert_eq!(fixture.statements(), before + 1);
    }
    for text in [
        "",
        "Bearer ",
        "Bearer x",
        "Basic eA==",
        &key["Bearer ".len()..],
    ] {
        assert_eq!(
            fixture.authenticate(text).await,
            rejected(CallerRejection::Malformed)
        );
    }
    assert_eq!(
        fixture.present(None).await,
        rejected(CallerRejection::Missing)
    );
}

#[tokio::test]
async fn guessing_costs_the_database_one_statement_a_second() {
    let fixture = Fixture::new();
    let guesses: Vec<_> = (0..50)
        .map(|_| {
            format!(
                "Bearer {}",
                generate(fixture.clock.now(), None).key.expose()
            )
        })
        .collect();
    let calls = guesses.iter().map(|guess| fixture.authenticate(guess));
    assert!(join_all(calls).await.iter().all(Result::is_err));
    assert_eq!(fixture.statements(), 1);
}

#[tokio::test]
async fn guesses_at_a_slow_database_wait_for_one_look_and_not_in_a_row() {
    let fixture = Fixture::new();
    let guesses: Vec<_> = (0..50)
        .map(|_| {
            format!(
                "Bearer {}",
                generate(fixture.clock.now(), None).key.expose()
            )
        })
        .collect();
    // Each look takes longer than the time between two.
    fixture.store.takes(&fixture.clock, 5);
    let calls = guesses.iter().map(|guess| fixture.authenticate(guess));
    assert!(join_all(calls).await.iter().all(Result::is_err));
    assert_eq!(fixture.statements(), 1);
}

#[tokio::test]
async fn a_name_is_its_first_workspace_s_and_the_others_keys_open_nothing() {
    let fixture = Fixture::new();
    let first = fixture.add_key(None).await;
    let later = fixture.clock.now() + chrono::TimeDelta::seconds(1);
    let elsewhere = WorkspaceName::new("elsewhere").unwrap();
    let ApiKey { key, record } =
        ApiKey::generate("billing", elsewhere, CallerRole::Operator, later, None).unwrap();
    // Whichever comes first out of the store.
    fixture.store.records.lock().unwrap().insert(0, record);
    assert!(fixture.authenticate(&first).await.is_ok());
    let second = format!("Bearer {}", key.expose());
    assert_eq!(
        fixture.authenticate(&second).await,
        rejected(CallerRejection::Refused)
    );
    let named = fixture.keys.named("billing").unwrap();
    assert_eq!(named.workspace.as_str(), "acme");
}

#[tokio::test]
async fn a_new_key_works_after_a_second_and_a_deleted_one_ends_with_the_next_reload() {
    let fixture = Fixture::new();
    let old = fixture.add_key(None).await;
    fixture.authenticate(&old).await.unwrap();
    fixture.store.records.lock().unwrap().clear();
    let new = fixture.add_key(None).await;
    assert!(fixture.authenticate(&new).await.is_err());
    fixture.clock.advance(1);
    assert!(fixture.authenticate(&new).await.is_ok());
    assert!(fixture.authenticate(&old).await.is_err());
}

#[tokio::test]
async fn keys_expire_on_the_second() {
    let fixture = Fixture::new();
    let in_a_minute = fixture.clock.now() + std::time::Duration::from_secs(60);
    let key = fixture.add_key(Some(in_a_minute)).await;
    fixture.clock.advance(59);
    assert!(fixture.authenticate(&key).await.is_ok());
    fixture.clock.advance(1);
    assert_eq!(
        fixture.authenticate(&key).await,
        rejected(CallerRejection::Refused)
    );
}

#[tokio::test]
async fn an_outage_keeps_the_known_keys() {
    let fixture = Fixture::new();
    let key = fixture.add_key(None).await;
    fixture.authenticate(&key).await.unwrap();
    fixture.store.is_down.store(true, Ordering::SeqCst);
    assert!(fixture.keys.reload().await.is_err());
    assert!(fixture.authenticate(&key).await.is_ok());
}

#[tokio::test]
async fn the_right_key_is_found_among_many_and_no_other_is_taken_for_it() {
    let fixture = Fixture::new();
    let mut keys = Vec::new();
    for _ in 0..100 {
        keys.push(fixture.add_key(None).await);
    }
    for key in &keys {
        let caller = fixture.authenticate(key).await.unwrap();
        assert!(matches!(&caller.kind, CallerKind::ApiKey { key_id } if key.contains(key_id)));
    }
    // A known secret under another's id, known or not.
    let split = "Bearer tokend_".len() + 16;
    for (one, other) in keys.iter().zip(&keys[1..]) {
        let mixed = format!("{}{}", &one[..split], &other[split..]);
        let unknown = format!("Bearer tokend_{}{}", "z".repeat(16), &one[split..]);
        for text in [mixed, unknown] {
            assert_eq!(
                fixture.authenticate(&text).await,
                rejected(CallerRejection::Refused)
            );
        }
    }
}

#[tokio::test]
async fn a_key_whose_caller_could_be_of_another_kind_is_not_known() {
    let fixture = Fixture::new();
    let good = fixture.add_key(None).await;
    let foreign = fixture.add_key(None).await;
    fixture.store.records.lock().unwrap()[1].caller = "spiffe://acme.example/billing".to_owned();
    assert!(fixture.authenticate(&good).await.is_ok());
    assert_eq!(
        fixture.authenticate(&foreign).await,
        rejected(CallerRejection::Refused)
    );
}

#[tokio::test]
async fn uses_are_written_once_and_survive_reloads_and_outages() {
    let fixture = Fixture::new();
    let key = fixture.add_key(None).await;
    fixture.authenticate(&key).await.unwrap();
    let first = fixture.clock.seconds();
    fixture.keys.write_last_uses().await.unwrap();
    assert_eq!(fixture.last_used(), Some(first));

    // Nothing was used since, so nothing is written.
    let statements = fixture.statements();
    fixture.keys.write_last_uses().await.unwrap();
    assert_eq!(fixture.statements(), statements);

    fixture.clock.advance(30);
    fixture.authenticate(&key).await.unwrap();
    fixture.store.is_down.store(true, Ordering::SeqCst);
    assert!(fixture.keys.write_last_uses().await.is_err());
    fixture.store.is_down.store(false, Ordering::SeqCst);
    fixture.keys.reload().await.unwrap();
    fixture.keys.write_last_uses().await.unwrap();
    assert_eq!(fixture.last_used(), Some(first + 30));
}

#[tokio::test]
async fn what_is_refused_is_no_use() {
    let fixture = Fixture::new();
    let in_a_minute = fixture.clock.now() + std::time::Duration::from_secs(60);
    let key = fixture.add_key(Some(in_a_minute)).await;
    fixture.clock.advance(60);
    assert!(fixture.authenticate(&key).await.is_err());
    fixture.keys.write_last_uses().await.unwrap();
    assert_eq!(fixture.last_used(), None);
}
