//! What is done to both databases. Times are given from the moment on that it is done.

use std::{collections::BTreeMap, time::Duration};

use chrono::TimeDelta;
use tokend_model::{
    Account, AccountChange, AppUserId, ConnectionConfig, ConnectionId, ConnectionStatus, Connector,
    ConnectorId, ConnectorKind, Credential, CredentialSource, Expiry, Generation,
    IntegrationTypeName, Label, Owner, RefreshHealth, Secret, Timestamp, TokenAnswer,
    WorkspaceName,
    ports::{
        Claim, ClaimRequest, ClientRegistration, NewConnection, RefreshFailure, Renewed, Share,
    },
};

/// One transaction.
#[derive(Debug, Clone)]
pub(super) enum Operation {
    Found,
    Beat,
    Connect(Box<NewConnection>, Option<i64>),
    Delete(WorkspaceName, ConnectionId),
    Revoke(WorkspaceName, ConnectionId),
    Claim(Box<ClaimRequest>),
    Heartbeat(Claim, Option<Duration>),
    Commit(Claim, Box<Renewed>, Option<i64>),
    Fail(Claim, Box<Failing>),
    /// What is taken is put off for so long, if at all.
    TakeDue(Share, Vec<WorkspaceName>, Option<Duration>),
    /// Marks the n-th orphan as tried, the newest being the first.
    MarkTried(Claim, usize),
    Previous(Claim),
}

/// A failure, its times in seconds from now.
#[derive(Debug, Clone)]
pub(super) struct Failing {
    pub(super) status: ConnectionStatus,
    pub(super) failures: u32,
    pub(super) retry: Option<i64>,
    pub(super) accused: Option<i64>,
    pub(super) uncertain: Option<i64>,
    pub(super) renewal: Option<i64>,
    pub(super) pause: Option<(ClientRegistration, i64)>,
}

impl Operation {
    /// The one connection that it is about, where that is known before.
    pub(super) fn connection(&self) -> Option<&ConnectionId> {
        match self {
            Self::Found | Self::Beat | Self::Connect(..) | Self::TakeDue(..) => None,
            Self::Delete(_, id) | Self::Revoke(_, id) => Some(id),
            Self::Claim(request) => Some(&request.connection_id),
            Self::Heartbeat(claim, _)
            | Self::Commit(claim, ..)
            | Self::Fail(claim, _)
            | Self::MarkTried(claim, _)
            | Self::Previous(claim) => Some(&claim.connection_id),
        }
    }
}

impl Failing {
    pub(super) fn at(&self, now: Timestamp) -> RefreshFailure {
        RefreshFailure {
            status: self.status,
            status_reason: "PROVIDER_UNAVAILABLE".to_owned(),
            health: RefreshHealth {
                consecutive_failures: self.failures,
                last_failure: Some("PROVIDER_UNAVAILABLE".to_owned()),
                last_failure_time: Some(now),
                retry_time: after(now, self.retry),
                accused_time: after(now, self.accused),
                uncertain_since: after(now, self.uncertain),
            },
            renewal_time: after(now, self.renewal),
            pause: self
                .pause
                .clone()
                .map(|(client, seconds)| (client, now + TimeDelta::seconds(seconds))),
        }
    }
}

/// So many seconds from now.
pub(super) fn after(now: Timestamp, seconds: Option<i64>) -> Option<Timestamp> {
    seconds.map(|seconds| now + TimeDelta::seconds(seconds))
}

/// A time that nothing depends on.
pub(super) fn fixed_time() -> Timestamp {
    Timestamp::from_timestamp(1_800_000_000, 0).unwrap()
}

pub(super) fn workspaces() -> [WorkspaceName; 2] {
    ["first", "second"].map(|name| WorkspaceName::new(name).unwrap())
}

pub(super) fn client(workspace: &WorkspaceName, id: &str) -> ClientRegistration {
    ClientRegistration {
        workspace: workspace.clone(),
        endpoint: "https://provider.example.com/token".to_owned(),
        client_id: id.to_owned(),
    }
}

pub(super) fn connector(workspace: &WorkspaceName) -> Connector {
    Connector {
        workspace: workspace.clone(),
        id: connector_id(),
        integration_type: integration_type(),
        kind: ConnectorKind::AppUser,
        display_name: String::new(),
        client_id: "client".to_owned(),
        client_secret: None,
        other_client_secrets: Vec::new(),
        scopes: Vec::new(),
        connection_config: ConnectionConfig::default(),
        return_urls: Vec::new(),
        disabled: false,
        account_change: AccountChange::default(),
        version: 1,
        create_time: fixed_time(),
        update_time: fixed_time(),
    }
}

/// A consent of one of the users; `number` names its tokens, and its connection if there is none.
pub(super) fn consent(
    workspace: &WorkspaceName,
    user: usize,
    number: usize,
    refreshable: bool,
    keeps: bool,
) -> NewConnection {
    NewConnection {
        id: ConnectionId::new(format!("conn_{number:04}")).unwrap(),
        workspace: workspace.clone(),
        connector_id: connector_id(),
        integration_type: integration_type(),
        owner: Owner::AppUser(AppUserId::new(format!("user-{user}")).unwrap()),
        label: Label::default_label(),
        account: Account::default(),
        connection_config: ConnectionConfig::default(),
        answer: TokenAnswer {
            access_token: Secret::new(format!("access-{number}")),
            token_type: "Bearer".to_owned(),
            refresh_token: refreshable.then(|| Secret::new(format!("refresh-{number}"))),
            expiry: Expiry::Unknown,
            refresh_expire_time: refreshable.then(fixed_time),
            scopes: None,
            captured: ConnectionConfig::default(),
            others: BTreeMap::new(),
            receive_time: fixed_time(),
        },
        source: CredentialSource::Authorization,
        tags: None,
        scopes: vec![format!("scope-{number}")],
        keep_refresh_token: keeps,
        renewal_time: None,
        authorization: None,
        siblings: None,
    }
}

/// What an attempt brought.
pub(super) fn renewed(number: usize, rotated: bool, supersedes_at_once: bool) -> Renewed {
    Renewed {
        credential: Credential {
            generation: Generation(0),
            access_token: Secret::new(format!("access-{number}")),
            token_type: "Bearer".to_owned(),
            refresh_token: rotated.then(|| Secret::new(format!("refresh-{number}"))),
            expiry: Expiry::Never,
            refresh_expire_time: None,
            scopes: Vec::new(),
            receive_time: fixed_time(),
        },
        connection_config: None,
        renewal_time: None,
        supersedes_at_once,
    }
}

fn connector_id() -> ConnectorId {
    ConnectorId::new("connector").unwrap()
}

fn integration_type() -> IntegrationTypeName {
    IntegrationTypeName::new("simulated").unwrap()
}
