//! How much a caller and a workspace may ask for: each replica counts for itself, in memory.

mod distinct;

use std::{
    hash::{BuildHasher, RandomState},
    num::NonZeroU32,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use governor::{
    DefaultDirectRateLimiter, Quota, RateLimiter,
    clock::{Clock, DefaultClock},
};
use moka::sync::Cache;
use tokend_model::WorkspaceName;

use self::distinct::Distinct;
use crate::{AccessError, Caller};

const CALLER_VENDS: &str = "quotas.caller_vends_per_second";
const WORKSPACE_VENDS: &str = "quotas.workspace_vends_per_second";
const CALLER_CONNECTIONS: &str = "quotas.caller_connections_per_minute";
const WORKSPACE_CONNECTIONS: &str = "quotas.workspace_connections_per_minute";
const REJECTED_GENERATIONS: &str = "quotas.rejected_generations_per_minute";

/// Who has not asked for the minute that is counted over has no count left.
const MINUTE: Duration = Duration::from_secs(60);

/// So many are counted for at once, of each kind; beyond them those who ask least begin anew. Names of workspaces are
/// free to be made up by callers that may ask about all.
const COUNTED: u64 = 50_000;

/// The limits; 0 is no limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct QuotaOptions {
    /// Tokens a second, and at once, to one caller.
    pub caller_vends_per_second: u32,
    /// Tokens a second, and at once, in one workspace.
    pub workspace_vends_per_second: u32,
    /// Different connections in a minute, to one caller.
    pub caller_connections_per_minute: u32,
    /// Different connections in a minute, in one workspace.
    pub workspace_connections_per_minute: u32,
    /// Different generations of one connection that one caller may call rejected in a minute.
    pub rejected_generations_per_minute: u32,
}

/// Counts what is asked for.
///
/// What is counted is known by hashes with keys of this process's own, so that nobody can make two that are the same.
pub struct Quotas {
    hasher: RandomState,
    start: Instant,
    caller_vends: Option<Rate>,
    workspace_vends: Option<Rate>,
    caller_connections: Counts,
    workspace_connections: Counts,
    rejected_generations: Counts,
    /// For whom an alarm was given in the last minute.
    alarms: Cache<u64, ()>,
}

struct Rate {
    quota: &'static str,
    a_second: Quota,
    of: Cache<u64, Arc<DefaultDirectRateLimiter>>,
}

/// How many different things each of many asked for in the last minute.
struct Counts {
    quota: &'static str,
    limit: u32,
    of: Cache<u64, Arc<Mutex<Distinct>>>,
}

impl Quotas {
    /// Nothing is counted yet.
    pub fn new(options: QuotaOptions) -> Self {
        Self {
            hasher: RandomState::new(),
            start: Instant::now(),
            caller_vends: Rate::new(CALLER_VENDS, options.caller_vends_per_second),
            workspace_vends: Rate::new(WORKSPACE_VENDS, options.workspace_vends_per_second),
            caller_connections: Counts::new(
                CALLER_CONNECTIONS,
                options.caller_connections_per_minute,
            ),
            workspace_connections: Counts::new(
                WORKSPACE_CONNECTIONS,
                options.workspace_connections_per_minute,
            ),
            rejected_generations: Counts::new(
                REJECTED_GENERATIONS,
                options.rejected_generations_per_minute,
            ),
            alarms: Cache::builder()
                .max_capacity(COUNTED)
                .time_to_live(MINUTE)
                .build(),
        }
    }

    /// Counts a call that asks for a token, or answers [`AccessError::QuotaExceeded`].
    pub fn take_vend(&self, caller: &Caller, workspace: &WorkspaceName) -> Result<(), AccessError> {
        let own = self.hasher.hash_one((&caller.name, workspace));
        // A caller that is refused takes nothing from the others in its workspace.
        let taken = take(&self.caller_vends, own).and_then(|()| {
            let shared = self.hasher.hash_one(workspace);
            take(&self.workspace_vends, shared)
        });
        self.noted(taken, own, caller, workspace)
    }

    /// Counts the connection that a token is of, or answers [`AccessError::QuotaExceeded`]. `connection` tells it from
    /// all others of the workspace. One that was counted within the last minute is not refused.
    pub fn take_connection(
        &self,
        caller: &Caller,
        workspace: &WorkspaceName,
        connection: u64,
    ) -> Result<(), AccessError> {
        let second = self.second();
        let own = self.hasher.hash_one((&caller.name, workspace));
        let taken = self.caller_connections.take(own, connection, second, || {
            let shared = self.hasher.hash_one(workspace);
            self.workspace_connections
                .take(shared, connection, second, || Ok(()))
        });
        self.noted(taken, own, caller, workspace)
    }

    /// Counts a generation of a connection that a caller says was rejected, each of which may be renewed for it, or
    /// answers [`AccessError::QuotaExceeded`]. Saying it again of the same generation costs nothing.
    pub fn take_rejection(
        &self,
        caller: &Caller,
        workspace: &WorkspaceName,
        connection: u64,
        generation: u32,
    ) -> Result<(), AccessError> {
        let second = self.second();
        let own = self.hasher.hash_one((&caller.name, workspace));
        let of_connection = self.hasher.hash_one((own, connection));
        let generation = u64::from(generation);
        let taken = self
            .rejected_generations
            .take(of_connection, generation, second, || Ok(()));
        self.noted(taken, own, caller, workspace)
    }

    /// The alarm: the first refusal of a caller in a minute is logged.
    fn noted(
        &self,
        taken: Result<(), AccessError>,
        own: u64,
        caller: &Caller,
        workspace: &WorkspaceName,
    ) -> Result<(), AccessError> {
        let Err(AccessError::QuotaExceeded { quota, .. }) = &taken else {
            return taken;
        };
        if self.alarms.entry(own).or_insert(()).is_fresh() {
            tracing::warn!(caller = %caller.name, %workspace, quota, "a caller has used up its quota");
        }
        taken
    }

    fn second(&self) -> u64 {
        self.start.elapsed().as_secs()
    }
}

impl Rate {
    fn new(quota: &'static str, a_second: u32) -> Option<Self> {
        let a_second = Quota::per_second(NonZeroU32::new(a_second)?);
        Some(Self {
            quota,
            a_second,
            of: counted(),
        })
    }
}

impl Counts {
    fn new(quota: &'static str, limit: u32) -> Self {
        Self {
            quota,
            limit,
            of: counted(),
        }
    }

    /// Counts a thing, if it was counted before or there is room, and `also` agrees.
    fn take(
        &self,
        key: u64,
        thing: u64,
        second: u64,
        also: impl FnOnce() -> Result<(), AccessError>,
    ) -> Result<(), AccessError> {
        if self.limit == 0 {
            return also();
        }
        let distinct = self.of.get_with(key, Arc::default);
        let mut distinct = distinct.lock().unwrap_or_else(PoisonError::into_inner);
        if !distinct.has_room_for(thing, second, self.limit) {
            return Err(AccessError::QuotaExceeded {
                quota: self.quota,
                retry_after: Duration::from_secs(distinct.seconds_to_room(second)),
            });
        }
        // Always from a caller to its workspace, so that nobody waits for each other.
        also()?;
        distinct.count(thing, second);
        Ok(())
    }
}

fn counted<T: Clone + Send + Sync + 'static>() -> Cache<u64, T> {
    Cache::builder()
        .max_capacity(COUNTED)
        .time_to_idle(MINUTE)
        .build()
}

fn take(rate: &Option<Rate>, key: u64) -> Result<(), AccessError> {
    let Some(rate) = rate else {
        return Ok(());
    };
    rate.of
        .get_with(key, || Arc::new(RateLimiter::direct(rate.a_second)))
        .check()
        .map_err(|not_until| AccessError::QuotaExceeded {
            quota: rate.quota,
            retry_after: not_until.wait_time_from(DefaultClock::default().now()),
        })
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::{CallerKind, OtherWorkspaces};

    const NO_LIMITS: QuotaOptions = QuotaOptions {
        caller_vends_per_second: 0,
        workspace_vends_per_second: 0,
        caller_connections_per_minute: 0,
        workspace_connections_per_minute: 0,
        rejected_generations_per_minute: 0,
    };

    fn workspace(name: &str) -> WorkspaceName {
        WorkspaceName::new(name).unwrap()
    }

    fn caller(name: &str) -> Caller {
        Caller {
            name: name.to_owned(),
            workspace: workspace("a"),
            other_workspaces: OtherWorkspaces::All,
            role: None,
            kind: CallerKind::Loopback,
            expire_time: None,
        }
    }

    fn quota(refused: Result<(), AccessError>) -> (&'static str, Duration) {
        match refused {
            Err(AccessError::QuotaExceeded { quota, retry_after }) => (quota, retry_after),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_burst_is_a_second_s_worth_for_each_caller_by_itself() {
        let quotas = Quotas::new(QuotaOptions {
            caller_vends_per_second: 1,
            ..NO_LIMITS
        });
        let (greedy, other, a) = (caller("greedy"), caller("other"), workspace("a"));
        quotas.take_vend(&greedy, &a).unwrap();
        let (quota, retry_after) = quota(quotas.take_vend(&greedy, &a));
        assert_eq!(quota, "quotas.caller_vends_per_second");
        assert!(!retry_after.is_zero() && retry_after <= Duration::from_secs(1));
        quotas.take_vend(&other, &a).unwrap();
        quotas.take_vend(&greedy, &workspace("b")).unwrap();
    }

    #[test]
    fn a_noisy_workspace_leaves_the_others_alone() {
        let quotas = Quotas::new(QuotaOptions {
            workspace_vends_per_second: 2,
            workspace_connections_per_minute: 2,
            ..NO_LIMITS
        });
        let callers = ["one", "two", "three"].map(caller);
        let (a, b) = (workspace("a"), workspace("b"));
        for (caller, connection) in callers[..2].iter().zip(0..) {
            quotas.take_vend(caller, &a).unwrap();
            quotas.take_connection(caller, &a, connection).unwrap();
        }
        let rate = quota(quotas.take_vend(&callers[2], &a));
        assert_eq!(rate.0, "quotas.workspace_vends_per_second");
        let connections = quota(quotas.take_connection(&callers[2], &a, 2));
        assert_eq!(connections.0, "quotas.workspace_connections_per_minute");
        quotas.take_vend(&callers[2], &b).unwrap();
        quotas.take_connection(&callers[2], &b, 2).unwrap();
        // What others of the workspace have asked for is counted already.
        quotas.take_connection(&callers[2], &a, 0).unwrap();
    }

    #[test]
    fn what_the_workspace_refuses_is_not_the_caller_s() {
        let quotas = Quotas::new(QuotaOptions {
            caller_connections_per_minute: 2,
            workspace_connections_per_minute: 1,
            ..NO_LIMITS
        });
        let (one, a) = (caller("one"), workspace("a"));
        quotas.take_connection(&one, &a, 0).unwrap();
        for refused in 1..10 {
            let told = quota(quotas.take_connection(&one, &a, refused));
            assert_eq!(told.0, "quotas.workspace_connections_per_minute");
            assert!(told.1 <= MINUTE);
        }
        quotas.take_connection(&one, &a, 0).unwrap();
    }

    #[test]
    fn one_generation_is_rejected_as_often_as_anybody_likes_and_few_of_them() {
        let quotas = Quotas::new(QuotaOptions {
            rejected_generations_per_minute: 3,
            ..NO_LIMITS
        });
        let (one, a) = (caller("one"), workspace("a"));
        for _ in 0..1000 {
            quotas.take_rejection(&one, &a, 7, 1).unwrap();
        }
        quotas.take_rejection(&one, &a, 7, 2).unwrap();
        quotas.take_rejection(&one, &a, 7, 3).unwrap();
        let told = quota(quotas.take_rejection(&one, &a, 7, 4));
        assert_eq!(told.0, "quotas.rejected_generations_per_minute");
        quotas.take_rejection(&one, &a, 8, 4).unwrap();
        quotas.take_rejection(&caller("two"), &a, 7, 4).unwrap();
    }

    #[test]
    fn made_up_names_take_no_more_than_so_much_memory() {
        let quotas = Quotas::new(QuotaOptions {
            caller_vends_per_second: 1,
            workspace_vends_per_second: 1,
            caller_connections_per_minute: 1,
            ..NO_LIMITS
        });
        let one = caller("one");
        for made_up in 0..COUNTED + 10_000 {
            let made_up = workspace(&format!("w{made_up}"));
            quotas.take_vend(&one, &made_up).unwrap();
            quotas.take_connection(&one, &made_up, 1).unwrap();
        }
        let (rates, counts) = (
            quotas.workspace_vends.unwrap().of,
            quotas.caller_connections.of,
        );
        rates.run_pending_tasks();
        counts.run_pending_tasks();
        assert!(rates.entry_count() <= COUNTED && counts.entry_count() <= COUNTED);
    }

    #[test]
    fn many_at_once_get_no_more_than_the_limit() {
        let quotas = Arc::new(Quotas::new(QuotaOptions {
            caller_connections_per_minute: 100,
            workspace_connections_per_minute: 150,
            ..NO_LIMITS
        }));
        let count = |name: &'static str, first: u64| {
            let quotas = quotas.clone();
            std::thread::spawn(move || {
                let (caller, a) = (caller(name), workspace("a"));
                let asked = first..first + 400;
                let taken = asked.filter(|n| quotas.take_connection(&caller, &a, *n).is_ok());
                taken.count()
            })
        };
        let threads = [
            count("one", 0),
            count("one", 1000),
            count("two", 2000),
            count("two", 3000),
        ];
        let [one, also_one, two, also_two] = threads.map(|thread| thread.join().unwrap());
        assert!(one + also_one <= 100 && two + also_two <= 100);
        assert_eq!(one + also_one + two + also_two, 150);
    }
}
