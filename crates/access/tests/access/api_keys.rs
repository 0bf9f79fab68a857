//! API keys against a store that can fail, change and count its statements.

use std::sync::{
    Arc, Mutex,
    atomic::{AtomicBool, AtomicUsize, Ordering},
};

use async_trait::async_trait;
use futures::future::join_all;
use tokend_access::{
    AccessError, ApiKey, ApiKeyAuthenticator, Caller, CallerAuthentication, CallerKind,
    CallerRejection,
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
}

#[async_trait]
impl ApiKeys for Store {
    async fn list(&self) -> Result<Vec<ApiKeyRecord>, StorageError> {
        self.statements.fetch_add(1, Ordering::SeqCst);
        // A real store gives others the chance to come in between.
        tokio::task::yield_now().await;
        if self.is_down.load(Ordering::SeqCst) {
            return Err(StorageError::Unavailable("down".into()));
        }
        Ok(self.records.lock().unwrap().clone())
    }

    async fn insert(&self, key: &ApiKeyRecord) -> Result<(), StorageError> {
        self.records.lock().unwrap().push(key.clone());
        Ok(())
    }
}

struct Fixture {
    store: Arc<Store>,
    clock: Arc<StandingClock>,
    authentication: CallerAuthentication,
}

impl Fixture {
    fn new() -> Self {
        let store = Arc::new(Store::default());
        let clock = Arc::new(StandingClock::new());
        let authenticator = ApiKeyAuthenticator::new(store.clone(), clock.clone());
        Self {
            store,
            clock,
            authentication: CallerAuthentication::ApiKeys(authenticator),
        }
    }

    /// A stored key of `billing`, as its header.
    async fn add_key(&self, expire_time: Option<Timestamp>) -> String {
        let ApiKey { key, record } = generate(self.clock.now(), expire_time);
        self.store.insert(&record).await.unwrap();
        format!("Bearer {}", key.expose())
    }

    async fn authenticate(&self, authorization: &str) -> Result<Caller, AccessError> {
        self.authentication.authenticate(Some(authorization)).await
    }

    fn statements(&self) -> usize {
        self.store.statements.load(Ordering::SeqCst)
    }
}

fn generate(now: Timestamp, expire_time: Option<Timestamp>) -> ApiKey {
    let workspace = WorkspaceName::new("acme").unwrap();
    ApiKey::generate("billing", workspace, CallerRole::Backend, now, expire_time).unwrap()
}

fn rejected(rejection: CallerRejection) -> Result<Caller, AccessError> {
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
    assert_eq!(caller.role, CallerRole::Backend);
    assert!(matches!(caller.kind, CallerKind::ApiKey { key_id } if key.contains(&key_id)));
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
        fixture.authentication.authenticate(None).await,
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
    let CallerAuthentication::ApiKeys(authenticator) = &fixture.authentication else {
        panic!("the fixture uses keys");
    };
    assert!(authenticator.reload().await.is_err());
    assert!(fixture.authenticate(&key).await.is_ok());
}
