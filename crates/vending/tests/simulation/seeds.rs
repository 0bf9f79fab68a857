//! Many seeds, on all cores; the first that fails is replayed with its trace.

use std::{
    collections::{BTreeMap, BTreeSet},
    ops::Range,
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use crate::run::{Broken, Report, Totals, run};

/// What came of many seeds.
#[derive(Default)]
pub(crate) struct Summary {
    pub(crate) seeds: u64,
    pub(crate) totals: Totals,
    pub(crate) took: Duration,
    /// By broken rule, the seeds that broke it.
    pub(crate) broken: BTreeMap<String, BTreeSet<u64>>,
}

/// Runs seeds in a world that is broken, or not; with `until` only until one breaks that rule.
pub(crate) fn run_seeds(seeds: Range<u64>, broken: Option<Broken>, until: Option<&str>) -> Summary {
    let began = Instant::now();
    let next = AtomicU64::new(seeds.start);
    let summary = Mutex::new(Summary::default());
    let work = || {
        loop {
            let seed = next.fetch_add(1, Ordering::Relaxed);
            if seed >= seeds.end {
                return;
            }
            let report = run(seed, broken, false);
            let mut summary = summary.lock().unwrap_or_else(PoisonError::into_inner);
            summary.add(&report);
            if until.is_some_and(|rule| summary.broken.contains_key(rule)) {
                return;
            }
        }
    };
    let cores = thread::available_parallelism().map_or(1, usize::from);
    thread::scope(|scope| {
        for _ in 0..cores {
            scope.spawn(work);
        }
    });
    let mut summary = summary.into_inner().unwrap_or_else(PoisonError::into_inner);
    summary.took = began.elapsed();
    summary
}

/// Runs one seed and tells all that happened.
pub(crate) fn replay(seed: u64, broken: Option<Broken>) -> Report {
    let report = run(seed, broken, true);
    for line in &report.trace {
        println!("{line}");
    }
    println!("{:#?}", report.plan);
    for violation in &report.violations {
        println!("VIOLATED {violation}");
    }
    println!("SEED={} replays it", report.seed);
    report
}

impl Summary {
    /// The first seed that broke a rule.
    pub(crate) fn first(&self) -> Option<u64> {
        self.broken.values().flatten().copied().min()
    }

    fn add(&mut self, report: &Report) {
        self.seeds += 1;
        self.totals.add(&report.totals);
        let rules: BTreeSet<_> = report
            .violations
            .iter()
            .filter_map(|violation| violation.split(' ').next())
            .collect();
        for rule in rules {
            let seeds = self.broken.entry(rule.to_owned()).or_default();
            seeds.insert(report.seed);
        }
    }
}

impl Totals {
    fn add(&mut self, other: &Self) {
        self.vends += other.vends;
        self.refreshes += other.refreshes;
        self.crashes += other.crashes;
        self.takeovers += other.takeovers;
        self.orphans += other.orphans;
        self.lost += other.lost;
    }
}
