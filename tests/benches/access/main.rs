//! What it costs to know who asks, whether they may, and to put it on record: `GetConnection` of a valid token with each
//! authenticator, policy and audit sink, over one with none, all in one process. `make bench-access`; `ROUNDS=600` for
//! steadier figures.

#![expect(
    clippy::unwrap_used,
    reason = "a bench that cannot be set up has failed"
)]

mod measure;
mod policies;
mod stage;
mod variant;

use std::env;

use crate::{measure::measure, stage::Stages, variant::Variant};

/// A ratio above this is worth a look at the profile.
const WORTH_A_LOOK: f64 = 1.3;

#[tokio::main]
async fn main() {
    let rounds = env::var("ROUNDS").ok().and_then(|text| text.parse().ok());
    let stages = Stages::start().await;
    let variants = Variant::all(&stages).await;
    let baselines: Vec<_> = variants.iter().map(|variant| variant.baseline).collect();
    let figures = measure(&variants, &baselines, rounds.unwrap_or(150)).await;
    println!(
        "\nbench-access: GetConnection of a valid token, 16 at a time, client and server in this process\n"
    );
    println!("{:<44} {:>9}   {:<13} over", "", "a call", "ratio");
    for (variant, figure) in variants.iter().zip(&figures) {
        let over = match variants.iter().position(|it| std::ptr::eq(it, variant)) {
            Some(place) if place == variant.baseline => "itself".to_owned(),
            _ => variants[variant.baseline].name.clone(),
        };
        let mark = if figure.ratio > WORTH_A_LOOK {
            " !"
        } else {
            ""
        };
        println!(
            "{:<44} {:>6.1} us   {:>5.2} ± {:<4.2}  {over}{mark}",
            variant.name, figure.microseconds, figure.ratio, figure.spread
        );
    }
    stages.stop().await;
}
