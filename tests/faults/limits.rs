//! P-26: no place for the journal, and no file descriptors left.

use std::{fs, path::Path, sync::Arc, time::Duration};

use tokend_client::Client;
use tokend_tests::eventually;
use tokio::process::Command;
use tonic::Status;

use crate::{
    accounts::{Account, connect},
    fleet::{Fleet, FleetOptions},
    hot::{Hot, ask, ask_instead_of, comes_back_later},
    provider_class::Class,
    scale::turn,
};

/// Access tokens that outlive the test.
const LONG: Duration = Duration::from_secs(3600);

#[tokio::test(flavor = "multi_thread")]
async fn p26_without_a_place_for_the_journal_nothing_is_redeemed_and_known_tokens_are_vended() {
    let Some(_turn) = turn().await else { return };
    let fleet = one_replica().await;
    let accounts = connect(&fleet, &Class::ALL, 1, LONG).await;
    let client = &fleet.clients[0];
    for account in &accounts {
        ask(client, account).await.unwrap();
    }
    let journal = fleet.replicas[0].journal();
    let elsewhere = journal.with_extension("elsewhere");
    for occupied in [false, true] {
        fs::rename(&journal, &elsewhere).unwrap();
        if occupied {
            fs::write(&journal, "").unwrap();
        }
        let calls = fleet.simulator.ledger().token_calls();
        for account in &accounts {
            comes_back_later(&renewed(client, account).await.unwrap_err());
            ask(client, account).await.unwrap();
        }
        assert_eq!(fleet.simulator.ledger().token_calls(), calls);
        assert_eq!(open_claims(&fleet).await, 0);

        if occupied {
            fs::remove_file(&journal).unwrap();
        }
        fs::rename(&elsewhere, &journal).unwrap();
        all_renewed(client, &accounts).await;
    }
    println!("rig-limits: without a journal 0 provider calls; all is well when it is back");
}

#[tokio::test(flavor = "multi_thread")]
async fn p26_without_file_descriptors_known_tokens_are_vended_and_the_process_lives() {
    let Some(_turn) = turn().await else { return };
    if !cfg!(target_os = "linux") {
        return eprintln!("limits: NOT TESTED (prlimit is Linux's)");
    }
    let mut fleet = one_replica().await;
    let accounts = connect(&fleet, &Class::ALL, 1, LONG).await;
    let client = fleet.clients[0].clone();
    for account in &accounts {
        ask(&client, account).await.unwrap();
    }
    let process = fleet.replicas[0].process_id();
    let before = limit(process, lowest_free(process)).await;

    let callers = Hot::start(&fleet.clients, &accounts);
    let calls = fleet.simulator.ledger().token_calls();
    for account in &accounts {
        comes_back_later(&renewed(&client, account).await.unwrap_err());
    }
    // Whoever comes now is let in if a descriptor has become free just then, and must not end the listener if not.
    let newcomer = fleet.newcomer(0);
    let _ = tokio::time::timeout(Duration::from_secs(2), ask(&newcomer, &accounts[0])).await;
    let served = callers.stop().await;
    assert!(served.failed.is_empty(), "{:?}", served.failed);
    assert_eq!(fleet.simulator.ledger().token_calls(), calls);

    limit(process, before).await;
    all_renewed(&client, &accounts).await;
    let newcomer = fleet.newcomer(0);
    eventually("newcomers are let in again", async || {
        ask(&newcomer, &accounts[0]).await.ok()
    })
    .await;
    println!(
        "rig-limits: without file descriptors {} of {} hot calls served",
        served.calls(),
        served.calls()
    );
    assert!(fleet.replicas[0].terminate().await.success());
}

async fn one_replica() -> Fleet {
    Fleet::start(FleetOptions {
        replicas: 1,
        settings: vec![("vending.renew_ahead", "false".to_owned())],
        ..FleetOptions::default()
    })
    .await
}

/// Reports the token that is vended at present, and asks once for another.
async fn renewed(client: &Client, account: &Account) -> Result<u32, Status> {
    let present = ask(client, account).await?.generation;
    let renewed = ask_instead_of(client, account, Some(present)).await?;
    assert_eq!(renewed.generation, present + 1);
    Ok(renewed.generation)
}

async fn all_renewed(client: &Client, accounts: &[Arc<Account>]) {
    for account in accounts {
        eventually("it is renewed again", async || {
            renewed(client, account).await.ok()
        })
        .await;
    }
}

async fn open_claims(fleet: &Fleet) -> i64 {
    sqlx::query_scalar("SELECT count(*) FROM refresh_claims WHERE state = 'OPEN'")
        .fetch_one(&fleet.database)
        .await
        .unwrap()
}

/// The number that a process's next file descriptor gets.
fn lowest_free(process: u32) -> usize {
    let open = Path::new("/proc").join(process.to_string()).join("fd");
    (0..)
        .find(|number: &usize| fs::symlink_metadata(open.join(number.to_string())).is_err())
        .unwrap()
}

/// Lets a process have only file descriptors with lower numbers than this, beside those that it has; answers what the
/// limit was before.
async fn limit(process: u32, descriptors: usize) -> usize {
    let process = process.to_string();
    let mut ask = Command::new("prlimit");
    ask.args([
        "--pid",
        &process,
        "--nofile",
        "--output",
        "SOFT",
        "--noheadings",
        "--raw",
    ]);
    let before = String::from_utf8(ask.output().await.unwrap().stdout).unwrap();
    let mut set = Command::new("prlimit");
    set.args(["--pid", &process, &format!("--nofile={descriptors}:")]);
    assert!(set.status().await.unwrap().success());
    before.trim().parse().unwrap()
}
