//! Rows to work with; every secret is made at run time.

use std::collections::BTreeMap;

use tokend_model::{
    Account, AccountChange, AppUserId, Authorization, AuthorizationId, AuthorizationState,
    ConnectionId, Connector, ConnectorChange, ConnectorId, ConnectorKind, Credential,
    CredentialSource, Expiry, Generation, IntegrationTypeName, Label, Owner, Secret, TicketUse,
    Timestamp, TokenAnswer, WorkspaceName,
    ports::{Connections, Connectors, NewConnection},
};
use tokend_storage::Storage;
use uuid::Uuid;

/// A time some seconds after a fixed one.
pub(crate) fn at(seconds: i64) -> Timestamp {
    Timestamp::from_timestamp(1_800_000_000 + seconds, 0).unwrap()
}

pub(crate) fn workspace() -> WorkspaceName {
    WorkspaceName::default_workspace()
}

/// A workspace that must never see anything of the first.
pub(crate) fn stranger() -> WorkspaceName {
    WorkspaceName::new("stranger").unwrap()
}

/// A secret with characters that every encoding changes.
pub(crate) fn secret() -> Secret {
    Secret::new(format!("canary/+?{}=", Uuid::new_v4()))
}

/// What a hash looks like.
pub(crate) fn hash() -> Vec<u8> {
    [Uuid::new_v4().into_bytes(), Uuid::new_v4().into_bytes()].concat()
}

pub(crate) fn service(name: &str) -> IntegrationTypeName {
    IntegrationTypeName::new(name).unwrap()
}

pub(crate) fn connector_id(id: &str) -> ConnectorId {
    ConnectorId::new(id).unwrap()
}

pub(crate) fn user(id: &str) -> Owner {
    Owner::AppUser(AppUserId::new(id).unwrap())
}

pub(crate) fn texts(list: &[&str]) -> Vec<String> {
    list.iter().map(|&text| text.to_owned()).collect()
}

pub(crate) fn connector(id: &str, kind: ConnectorKind) -> Connector {
    Connector {
        workspace: workspace(),
        id: connector_id(id),
        integration_type: service("googlecalendar"),
        kind,
        display_name: "Calendar \"of\" everybody".to_owned(),
        client_id: "client-id-in-the-clear".to_owned(),
        client_secret: Some(secret()),
        other_client_secrets: vec![secret()],
        scopes: texts(&["calendar.read", "b"]),
        connection_config: BTreeMap::from([("subdomain".to_owned(), "a'b".to_owned())]),
        return_urls: texts(&["https://app.test/done"]),
        disabled: false,
        account_change: AccountChange::Ask,
        version: 1,
        create_time: at(0),
        update_time: at(0),
    }
}

/// Stores an app user connector with the id `calendar`.
pub(crate) async fn stored_connector(storage: &Storage) -> Connector {
    let connector = connector("calendar", ConnectorKind::AppUser);
    storage
        .apply(
            &workspace(),
            &[ConnectorChange::Create(connector.clone())],
            &[],
            at(0),
        )
        .await
        .unwrap();
    connector
}

pub(crate) fn new_connection(owner: Owner) -> NewConnection {
    NewConnection {
        id: ConnectionId::from_uuid(Uuid::now_v7()),
        workspace: workspace(),
        connector_id: connector_id("calendar"),
        integration_type: service("googlecalendar"),
        owner,
        label: Label::default_label(),
        account: Account {
            id: Some("42".to_owned()),
            email: Some("ada@example.test".to_owned()),
            name: None,
        },
        connection_config: BTreeMap::from([("cloud_id".to_owned(), "7".to_owned())]),
        answer: TokenAnswer {
            access_token: secret(),
            token_type: "Bearer".to_owned(),
            refresh_token: Some(secret()),
            expiry: Expiry::At(at(3600)),
            refresh_expire_time: Some(at(86_400)),
            scopes: None,
            captured: BTreeMap::new(),
            receive_time: at(1),
            others: BTreeMap::new(),
        },
        source: CredentialSource::Import,
        tags: Some(BTreeMap::from([("team".to_owned(), "sales".to_owned())])),
        scopes: texts(&["calendar.read"]),
        keep_refresh_token: false,
        renewal_time: Some(at(2500)),
        authorization: None,
        siblings: None,
    }
}

/// Stores a connector and a user's connection under it.
pub(crate) async fn stored_connection(storage: &Storage) -> NewConnection {
    stored_connector(storage).await;
    let new = new_connection(user("ada"));
    storage.connect(&new, at(2)).await.unwrap();
    new
}

pub(crate) fn credential() -> Credential {
    Credential {
        generation: Generation(0),
        access_token: secret(),
        token_type: "bearer".to_owned(),
        refresh_token: Some(secret()),
        expiry: Expiry::Unknown,
        refresh_expire_time: None,
        scopes: texts(&["calendar.write"]),
        receive_time: at(100),
    }
}

pub(crate) fn authorization() -> Authorization {
    Authorization {
        workspace: workspace(),
        id: AuthorizationId::from_uuid(Uuid::now_v7()),
        connector_id: connector_id("calendar"),
        owner: user("ada"),
        label: Label::default_label(),
        scopes: texts(&["calendar.read"]),
        connection_config: BTreeMap::new(),
        tags: BTreeMap::from([("team".to_owned(), "sales".to_owned())]),
        return_url: Some("https://app.test/done".to_owned()),
        state: AuthorizationState::Started,
        failure_reason: String::new(),
        connection_id: None,
        create_time: at(0),
        expire_time: at(600),
    }
}

pub(crate) fn ticket_use() -> TicketUse {
    TicketUse {
        state_hash: hash(),
        pkce_verifier: secret(),
        browser_hash: hash(),
        redirect_uri: "https://tokend.test/oauth/callback/default.calendar".to_owned(),
    }
}
