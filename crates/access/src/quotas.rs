//! How much a caller and a workspace may ask for: each replica counts for itself, in memory.

mod distinct;

use std::{
    hash::{BuildHasher, RandomState},
    num::NonZeroU32,
    sync::atomic::{AtomicU64, Ordering},
    time::{Duration, Instant},
};

use dashmap::DashMap;
use governor::{
    DefaultKeyedRateLimiter, Quota, RateLimiter,
    clock::{Clock, DefaultClock},
};
use tokend_model::WorkspaceName;

use self::distinct::Distinct;
use crate::{AccessError, Caller};

const CALLER_VENDS: &str = "quotas.caller_vends_per_second";
const WORKSPACE_VENDS: &str = "quotas.workspace_vends_per_second";
const CALLER_CONNECTIONS: &str = "quotas.caller_connections_per_minute";
const WORKSPACE_CONNECTIONS: &str = "quotas.workspace_connections_per_minute";
const REJECTED_GENERATIONS: &str = "quotas.rejected_generations_per_minute";

/// Seconds in the minute that is counted over, and between two looks for what may be forgotten.
const MINUTE: u64 = 60;

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
    /// The second in which a caller's last alarm was given.
    alarms: DashMap<u64, u64>,
    swept: AtomicU64,
}

struct Rate {
    quota: &'static str,
    limiter: DefaultKeyedRateLimiter<u64>,
}

/// How many different things each of many asked for in the last minute.
struct Counts {
    quota: &'static str,
    limit: u32,
    of: DashMap<u64, Distinct>,
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
            alarms: DashMap::new(),
            swept: AtomicU64::new(0),
        }
    }

    /// Counts a call that asks for a token, or answers [`AccessError::QuotaExceeded`].
    pub fn take_vend(&self, caller: &Caller, workspace: &WorkspaceName) -> Result<(), AccessError> {
        let second = self.second();
        self.forget_idle(second);
        let own = self.hasher.hash_one((&caller.name, workspace));
        // A caller that is refused takes nothing from the others in its workspace.
        let taken = take(&self.caller_vends, own).and_then(|()| {
            let shared = self.hasher.hash_one(workspace);
            take(&self.workspace_vends, shared)
        });
        self.noted(taken, own, second, caller, workspace)
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
        self.noted(taken, own, second, caller, workspace)
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
        self.noted(taken, own, second, caller, workspace)
    }

    /// The alarm: the first refusal of a caller in a minute is logged.
    fn noted(
        &self,
        taken: Result<(), AccessError>,
        own: u64,
        second: u64,
        caller: &Caller,
        workspace: &WorkspaceName,
    ) -> Result<(), AccessError> {
        let Err(AccessError::QuotaExceeded { quota, .. }) = &taken else {
            return taken;
        };
        let last = self.alarms.insert(own, second);
        match last {
            Some(last) if second < last + MINUTE => drop(self.alarms.insert(own, last)),
            _ => {
                tracing::warn!(caller = %caller.name, %workspace, quota, "a caller has used up its quota");
            }
        }
        taken
    }

    fn second(&self) -> u64 {
        self.start.elapsed().as_secs()
    }

    /// Memory grows with those who ask; who has not asked for a minute has no count left.
    fn forget_idle(&self, second: u64) {
        let swept = self.swept.load(Ordering::Relaxed);
        let its_turn = second >= swept + MINUTE
            && self
                .swept
                .compare_exchange(swept, second, Ordering::Relaxed, Ordering::Relaxed)
                .is_ok();
        if !its_turn {
            return;
        }
        for rate in [&self.caller_vends, &self.workspace_vends]
            .into_iter()
            .flatten()
        {
            rate.limiter.retain_recent();
        }
        for counts in [
            &self.caller_connections,
            &self.workspace_connections,
            &self.rejected_generations,
        ] {
            counts.of.retain(|_, distinct| !distinct.is_idle(second));
        }
        self.alarms.retain(|_, last| second < *last + MINUTE);
    }
}

impl Rate {
    fn new(quota: &'static str, a_second: u32) -> Option<Self> {
        let a_second = Quota::per_second(NonZeroU32::new(a_second)?);
        Some(Self {
            quota,
            limiter: RateLimiter::keyed(a_second),
        })
    }
}

impl Counts {
    fn new(quota: &'static str, limit: u32) -> Self {
        Self {
            quota,
            limit,
            of: DashMap::new(),
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
        let mut distinct = self.of.entry(key).or_default();
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

fn take(rate: &Option<Rate>, key: u64) -> Result<(), AccessError> {
    let Some(rate) = rate else {
        return Ok(());
    };
    rate.limiter
        .check_key(&key)
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
            assert!(told.1 <= Duration::from_secs(MINUTE));
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
    fn who_does_not_ask_is_forgotten() {
        let quotas = Quotas::new(QuotaOptions {
            caller_vends_per_second: 10,
            caller_connections_per_minute: 1,
            ..NO_LIMITS
        });
        let a = workspace("a");
        for name in 0..100 {
            let caller = caller(&name.to_string());
            quotas.take_connection(&caller, &a, 1).unwrap();
            assert!(quotas.take_connection(&caller, &a, 2).is_err());
        }
        assert_eq!(
            (quotas.caller_connections.of.len(), quotas.alarms.len()),
            (100, 100)
        );
        quotas.forget_idle(2 * MINUTE);
        assert_eq!(
            (quotas.caller_connections.of.len(), quotas.alarms.len()),
            (0, 0)
        );
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
