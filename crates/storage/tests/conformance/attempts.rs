//! Refresh attempts to work with.

use std::time::Duration;

use tokend_model::{
    Connection, ConnectionStatus, Credential, Generation, RefreshHealth, TakeoverRule,
    ports::{
        Claim, ClaimOutcome, ClaimRequest, Claimed, ClientRegistration, CommitOutcome, Connections,
        Holder, NewConnection, RefreshFailure, Refreshes, Renewed,
    },
};

use crate::{
    rig::Rig,
    sample::{at, credential, workspace},
};

pub(crate) const MINUTE: Duration = Duration::from_secs(60);

pub(crate) fn holder(replica: &str, incarnation: &str) -> Holder {
    Holder {
        replica: replica.to_owned(),
        incarnation: incarnation.to_owned(),
    }
}

pub(crate) fn registration() -> ClientRegistration {
    ClientRegistration {
        workspace: workspace(),
        endpoint: "https://idp.example.com/token".to_owned(),
        client_id: "client-id-in-the-clear".to_owned(),
    }
}

/// Asks for a claim of a minute that only its deadline ends.
pub(crate) fn request(new: &NewConnection, base: u32) -> ClaimRequest {
    ClaimRequest {
        workspace: workspace(),
        connection_id: new.id.clone(),
        base: Generation(base),
        holder: holder("replica-1", "first"),
        time_to_live: MINUTE,
        takeover: TakeoverRule::default(),
        registration: registration(),
    }
}

pub(crate) async fn claim(
    rig: &Rig,
    new: &NewConnection,
    base: u32,
    time_to_live: Duration,
) -> ClaimOutcome {
    let request = ClaimRequest {
        time_to_live,
        ..request(new, base)
    };
    rig.storage.claim(&request).await.unwrap()
}

pub(crate) async fn claimed(
    rig: &Rig,
    new: &NewConnection,
    base: u32,
    time_to_live: Duration,
) -> Claim {
    won(claim(rig, new, base, time_to_live).await).claim
}

pub(crate) fn won(outcome: ClaimOutcome) -> Claimed {
    match outcome {
        ClaimOutcome::Claimed(claimed) => claimed,
        other => panic!("not claimed: {other:?}"),
    }
}

pub(crate) fn renewed() -> Renewed {
    Renewed {
        credential: credential(),
        connection_config: None,
        renewal_time: Some(at(5000)),
        supersedes_at_once: false,
    }
}

pub(crate) async fn commit(rig: &Rig, claim: &Claim, renewed: &Renewed) -> CommitOutcome {
    rig.storage.commit(claim, renewed).await.unwrap()
}

pub(crate) fn failure() -> RefreshFailure {
    RefreshFailure {
        status: ConnectionStatus::Expired,
        status_reason: "PROVIDER_UNAVAILABLE".to_owned(),
        health: RefreshHealth {
            consecutive_failures: 3,
            last_failure: Some("PROVIDER_UNAVAILABLE".to_owned()),
            last_failure_time: Some(at(45)),
            retry_time: Some(at(50)),
            accused_time: Some(at(40)),
            uncertain_since: None,
        },
        renewal_time: Some(at(60)),
        pause: None,
    }
}

pub(crate) async fn fail(rig: &Rig, claim: &Claim) {
    rig.storage.fail(claim, &failure()).await.unwrap();
}

pub(crate) async fn read(rig: &Rig, new: &NewConnection) -> (Connection, Option<Credential>) {
    let read = Connections::get(&rig.storage, &workspace(), &new.id).await;
    read.unwrap().unwrap()
}
