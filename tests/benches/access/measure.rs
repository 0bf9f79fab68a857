//! Medians over rounds in which every variant has its turn, so that whatever else the machine does troubles them alike.

use std::time::{Duration, Instant};

use futures::{StreamExt, stream};

use crate::variant::Variant;

/// Calls of a variant in a round.
const CALLS: usize = 100;

/// How many of them are under way at once: enough that neither side waits for the other.
const AT_ONCE: usize = 16;

/// What a variant costs.
pub(crate) struct Figure {
    /// The median time of a call.
    pub(crate) microseconds: f64,
    /// The median of the rounds' ratios to its baseline.
    pub(crate) ratio: f64,
    /// Half of the distance between the quartiles of these.
    pub(crate) spread: f64,
}

/// Measures them in turns, each round beginning with another one.
pub(crate) async fn measure(
    variants: &[Variant],
    baselines: &[usize],
    rounds: usize,
) -> Vec<Figure> {
    let mut times: Vec<Vec<f64>> = vec![Vec::new(); variants.len()];
    // The first round warms up.
    for round in 0..=rounds {
        for turn in 0..variants.len() {
            let number = (turn + round) % variants.len();
            let time = one_round(&variants[number]).await;
            if round > 0 {
                times[number].push(time.as_secs_f64() * 1e6 / CALLS as f64);
            }
        }
    }
    let figures = times.iter().zip(baselines).map(|(of_variant, baseline)| {
        let ratios = of_variant
            .iter()
            .zip(&times[*baseline])
            .map(|(one, base)| one / base);
        let ratios = sorted(ratios.collect());
        Figure {
            microseconds: quantile(&sorted(of_variant.clone()), 0.5),
            ratio: quantile(&ratios, 0.5),
            spread: (quantile(&ratios, 0.75) - quantile(&ratios, 0.25)) / 2.0,
        }
    });
    figures.collect()
}

async fn one_round(variant: &Variant) -> Duration {
    let started = Instant::now();
    let calls = stream::iter(0..CALLS).map(|_| variant.call());
    calls
        .buffer_unordered(AT_ONCE)
        .for_each(|()| async {})
        .await;
    started.elapsed()
}

fn sorted(mut values: Vec<f64>) -> Vec<f64> {
    values.sort_by(f64::total_cmp);
    values
}

fn quantile(sorted: &[f64], part: f64) -> f64 {
    let place = (sorted.len().saturating_sub(1)) as f64 * part;
    sorted
        .get(place.round() as usize)
        .copied()
        .unwrap_or(f64::NAN)
}
