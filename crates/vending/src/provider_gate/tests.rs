//! The gate as the refresh engine meets it, in virtual time.

use futures::{FutureExt, future::join_all, poll};
use tokend_model::WorkspaceName;

use super::*;

struct Fixed(f64);

impl Chance for Fixed {
    fn roll(&self) -> f64 {
        self.0
    }
}

const NOW: Duration = Duration::ZERO;
const SECOND: Duration = Duration::from_secs(1);
const LONG: Duration = Duration::from_secs(7200);

fn gate(options: GateOptions) -> ProviderGate {
    ProviderGate::new(options, Arc::new(Fixed(1.0)))
}

fn client(client_id: &str) -> ClientRegistration {
    ClientRegistration {
        workspace: WorkspaceName::new("default").expect("a name"),
        endpoint: "https://idp.example.com/token".to_owned(),
        client_id: client_id.to_owned(),
    }
}

async fn enter(gate: &ProviderGate, urgency: Urgency, patience: Duration) -> Result<Pass, Closed> {
    gate.enter(&client("a"), &RefreshFacts::default(), urgency, patience)
        .await
}

async fn asked(gate: &ProviderGate) -> Result<Pass, Closed> {
    enter(gate, Urgency::Asked, SECOND).await
}

fn because(outcome: Result<Pass, Closed>) -> Option<ClosedBecause> {
    outcome.err().map(|closed| closed.because)
}

/// Makes calls that bring nothing until nobody passes any more.
async fn fail_until_closed(gate: &ProviderGate) -> Closed {
    for _ in 0..100 {
        match asked(gate).await {
            Ok(pass) => pass.unanswered(),
            Err(closed) => return closed,
        }
    }
    panic!("a hundred calls without an answer")
}

#[tokio::test(start_paused = true)]
async fn callers_find_room_whatever_is_scheduled() {
    let gate = gate(GateOptions {
        concurrent_calls: 8,
        ..GateOptions::default()
    });
    let mut passes = Vec::new();
    for _ in 0..6 {
        passes.push(enter(&gate, Urgency::Scheduled, SECOND).await.ok());
    }
    assert!(passes.iter().all(Option::is_some));
    let refused = because(enter(&gate, Urgency::Scheduled, SECOND).await);
    assert_eq!(refused, Some(ClosedBecause::Busy));
    let (first, second) = (asked(&gate).await, asked(&gate).await);
    assert!(first.is_ok() && second.is_ok());
    assert_eq!(because(asked(&gate).await), Some(ClosedBecause::Busy));

    // A place that is given back goes to who waits longest.
    let mut early = Box::pin(enter(&gate, Urgency::Asked, LONG));
    let mut late = Box::pin(enter(&gate, Urgency::Asked, LONG));
    assert!(poll!(&mut early).is_pending() && poll!(&mut late).is_pending());
    drop(first);
    assert!(poll!(&mut late).is_pending());
    assert!(early.await.is_ok());
}

#[tokio::test(start_paused = true)]
async fn a_waiter_that_leaves_takes_nothing_with_it() {
    let gate = gate(GateOptions {
        concurrent_calls: 1,
        calls_per_second: 1,
        ..GateOptions::default()
    });
    let first = asked(&gate).await;
    for urgency in [Urgency::Asked, Urgency::Scheduled] {
        let mut waiting = Box::pin(enter(&gate, urgency, LONG));
        assert!(poll!(&mut waiting).is_pending());
    }
    drop(first);
    {
        // This one has its place and waits for the rate.
        let mut waiting = Box::pin(enter(&gate, Urgency::Asked, LONG));
        assert!(poll!(&mut waiting).is_pending());
    }
    tokio::time::advance(SECOND).await;
    for urgency in [Urgency::Asked, Urgency::Scheduled] {
        assert!(enter(&gate, urgency, SECOND * 2).await.is_ok());
    }
}

#[tokio::test(start_paused = true)]
async fn the_catalogue_may_know_a_lower_rate() {
    let gate = gate(GateOptions::default());
    let calls = |limit, registration: &'static str| {
        let facts = RefreshFacts {
            calls_per_second: Some(limit),
            ..RefreshFacts::default()
        };
        let gate = &gate;
        async move {
            let start = Instant::now();
            let call = || async {
                drop(
                    gate.enter(&client(registration), &facts, Urgency::Asked, LONG)
                        .await,
                );
            };
            join_all((0..101).map(|_| call())).await;
            start.elapsed().as_secs()
        }
    };
    assert_eq!(calls(4, "low").await, 25);
    assert_eq!(calls(1_000_000, "high").await, 1);
    assert_eq!(calls(0, "none").await, 100);
}

#[tokio::test(start_paused = true)]
async fn callers_do_not_stand_behind_what_is_scheduled() {
    let gate = gate(GateOptions {
        calls_per_second: 1,
        ..GateOptions::default()
    });
    let renewal = || async {
        while let Err(closed) = enter(&gate, Urgency::Scheduled, LONG).await {
            tokio::time::sleep(closed.retry_after).await;
        }
    };
    let backlog = join_all((0..200).map(|_| renewal()));
    let callers = async {
        // One caller each five seconds, while the backlog always stands there.
        for _ in 0..20 {
            tokio::time::sleep(SECOND * 5).await;
            let start = Instant::now();
            assert!(enter(&gate, Urgency::Asked, LONG).await.is_ok());
            assert!(start.elapsed() <= SECOND * 2, "{:?}", start.elapsed());
        }
    };
    tokio::select! {
        _ = backlog => panic!("the backlog is gone"),
        () = callers => {}
    }
}

#[tokio::test(start_paused = true)]
async fn few_of_what_nobody_waits_for_stand_in_line() {
    let gate = gate(GateOptions {
        calls_per_second: 1,
        ..GateOptions::default()
    });
    let start = Instant::now();
    let busy = Closed {
        retry_after: SECOND * 8,
        because: ClosedBecause::Busy,
    };
    let enter_all = |urgency| {
        let gate = &gate;
        join_all((0..40).map(move |_| async move {
            let outcome = enter(gate, urgency, SECOND * 2).await;
            (outcome.err(), start.elapsed())
        }))
    };
    let outcomes = enter_all(Urgency::Scheduled).await;
    let passed = outcomes.iter().filter(|(closed, _)| closed.is_none());
    assert_eq!(passed.count(), 2);
    let refused = outcomes.iter().filter(|(closed, _)| *closed == Some(busy));
    let at_once = refused.filter(|(_, at)| at.is_zero());
    assert!(at_once.count() >= 20);
    // Callers wait, each as long as it likes.
    let callers = enter_all(Urgency::Asked).await;
    let waited = callers.iter().filter(|(_, at)| !at.is_zero());
    assert!(waited.count() >= 39);
}

#[tokio::test(start_paused = true)]
async fn what_nobody_waits_for_does_not_come_back_soon() {
    let gate = gate(GateOptions::default());
    fail_until_closed(&gate).await;
    let scheduled = || enter(&gate, Urgency::Scheduled, SECOND);
    let closed = |seconds, because| Closed {
        retry_after: SECOND * seconds,
        because,
    };
    let away = closed(30, ClosedBecause::NotAnswering);
    assert_eq!(scheduled().await.err(), Some(away));
    gate.pause(&client("a"), SECOND * 60);
    let asked_to_wait = closed(75, ClosedBecause::AskedToWait);
    assert_eq!(scheduled().await.err(), Some(asked_to_wait));
}

#[tokio::test(start_paused = true)]
async fn p_12_nobody_passes_before_the_time_the_provider_asked_for() {
    let gate = gate(GateOptions {
        concurrent_calls: 2,
        ..GateOptions::default()
    });
    let (called, about_to_call) = (asked(&gate).await, asked(&gate).await);
    let mut waiting = Box::pin(enter(&gate, Urgency::Asked, LONG));
    assert!(poll!(&mut waiting).is_pending());

    gate.pause(&client("a"), SECOND * 30);
    gate.pause(&client("a"), SECOND);
    drop(called);
    let asked_to_wait = Closed {
        retry_after: SECOND * 30,
        because: ClosedBecause::AskedToWait,
    };
    assert_eq!(waiting.await.err(), Some(asked_to_wait));
    assert_eq!(asked(&gate).await.err(), Some(asked_to_wait));
    let late = about_to_call.as_ref().map(Pass::still_open);
    assert_eq!(late, Ok(Err(asked_to_wait)));
    let (other, facts) = (client("b"), RefreshFacts::default());
    let other = gate.enter(&other, &facts, Urgency::Asked, NOW).await;
    assert!(other.is_ok());

    tokio::time::advance(SECOND * 30 - Duration::from_millis(1)).await;
    assert_eq!(
        because(asked(&gate).await),
        Some(ClosedBecause::AskedToWait)
    );
    tokio::time::advance(Duration::from_millis(1)).await;
    assert!(asked(&gate).await.is_ok());
    gate.pause(&client("a"), Duration::MAX);
    assert_eq!(
        because(asked(&gate).await),
        Some(ClosedBecause::AskedToWait)
    );
}

#[tokio::test(start_paused = true)]
async fn one_call_finds_out_whether_the_provider_answers_again() {
    let gate = gate(GateOptions::default());
    let not_answering = |retry_after| Closed {
        retry_after,
        because: ClosedBecause::NotAnswering,
    };
    // Never sooner than shortly, spread by chance.
    let shortly = not_answering(SECOND.mul_f64(1.5));
    assert_eq!(fail_until_closed(&gate).await, shortly);

    tokio::time::advance(SECOND).await;
    let probe = asked(&gate).await;
    assert_eq!(asked(&gate).await.err(), Some(shortly));
    // It went away without a word: the next one finds out.
    drop(probe);
    let Ok(probe) = asked(&gate).await else {
        panic!("nobody may find out")
    };
    probe.unanswered();
    assert_eq!(asked(&gate).await.err(), Some(not_answering(SECOND * 2)));

    tokio::time::advance(SECOND * 2).await;
    let Ok(probe) = asked(&gate).await else {
        panic!("nobody may find out")
    };
    assert_eq!(probe.still_open(), Ok(()));
    assert_eq!(asked(&gate).await.err(), Some(shortly));
    probe.answered();
    let passes = join_all((0..10).map(|_| asked(&gate))).await;
    assert!(passes.iter().all(Result::is_ok));
}

#[tokio::test(start_paused = true)]
async fn of_those_who_wait_at_the_end_of_a_pause_one_passes() {
    let gate = gate(GateOptions::default());
    fail_until_closed(&gate).await;
    tokio::time::advance(SECOND).await;
    let outcomes = join_all((0..50).map(|_| asked(&gate))).await;
    assert_eq!(outcomes.iter().filter(|outcome| outcome.is_ok()).count(), 1);
}

#[tokio::test(start_paused = true)]
async fn calls_under_way_when_it_closed_lengthen_no_pause() {
    let gate = gate(GateOptions::default());
    let passes = join_all((0..20).map(|_| asked(&gate))).await;
    for pass in passes.into_iter().flatten() {
        pass.unanswered();
    }
    tokio::time::advance(SECOND).await;
    assert!(asked(&gate).await.is_ok());
}

#[tokio::test(start_paused = true)]
async fn p_11_a_provider_that_comes_back_gets_no_burst_and_is_found_soon() {
    const CALLS: usize = 500;
    let gate = gate(GateOptions::default());
    let start = Instant::now();
    let back = start + SECOND * 3600;
    let begun = Mutex::new(Vec::new());
    let (gate, begun_at) = (&gate, &begun);
    let call = |number: u32| async move {
        // The gate's chance is the same for all, so that they would come back together.
        let apart = SECOND * number / 50;
        loop {
            match enter(gate, Urgency::Scheduled, SECOND * 10).await {
                Ok(pass) => {
                    let at = Instant::now();
                    if let Ok(mut begun) = begun_at.lock() {
                        begun.push(at);
                    }
                    tokio::time::sleep(SECOND / 10).await;
                    if at >= back {
                        return pass.answered();
                    }
                    pass.unanswered();
                }
                Err(closed) => tokio::time::sleep(closed.retry_after + apart).await,
            }
        }
    };
    join_all((0..).take(CALLS).map(call)).await;
    let begun = begun.into_inner().unwrap_or_default();
    let (during, after): (Vec<_>, Vec<_>) = begun.into_iter().partition(|at| *at < back);
    // One call in four seconds, of which none lengthens the pause beyond that.
    assert!(
        during.len() < 1000,
        "{} calls while it was away",
        during.len()
    );
    assert_eq!(after.len(), CALLS);
    assert!(after[0] - back <= SECOND * 5);
    for window in after.windows(56) {
        assert!(
            window[55] - window[0] >= SECOND,
            "a burst at {:?}",
            window[0] - back
        );
    }
    // All have come back after half a minute at the latest, one after the other, and had their turn.
    assert!(after[CALLS - 1] - back < SECOND * 60);
}

#[tokio::test(start_paused = true)]
async fn what_no_longer_matters_is_forgotten() {
    let gate = gate(GateOptions::default());
    let facts = RefreshFacts::default();
    let knows = |name| gate.lanes.contains_key(&client(name));
    let pass = |name| {
        let (gate, facts) = (&gate, &facts);
        async move {
            gate.enter(&client(name), facts, Urgency::Asked, SECOND)
                .await
        }
    };
    drop(pass("quiet").await);
    gate.pause(&client("paused"), LONG);
    let under_way = pass("under-way").await;
    assert!(under_way.is_ok());
    tokio::time::advance(QUIET / 2).await;
    drop(pass("lately").await);
    tokio::time::advance(QUIET / 2).await;
    drop(pass("new").await);
    assert_eq!(gate.lanes.len(), 4);
    assert!(!knows("quiet") && knows("paused") && knows("under-way") && knows("lately"));
    drop(under_way);
    tokio::time::advance(LONG).await;
    drop(pass("newer").await);
    assert_eq!(gate.lanes.len(), 1);
}

#[tokio::test(start_paused = true)]
async fn figures_of_zero_let_calls_through_one_by_one() {
    let gate = gate(GateOptions {
        concurrent_calls: 0,
        calls_per_second: 0,
        failures_to_open: 0,
        first_pause: Duration::MAX,
        longest_pause: Duration::ZERO,
    });
    let pass = enter(&gate, Urgency::Scheduled, NOW).now_or_never();
    let Some(Ok(pass)) = pass else {
        panic!("nobody passes")
    };
    pass.unanswered();
    assert_eq!(
        because(asked(&gate).await),
        Some(ClosedBecause::NotAnswering)
    );
}
