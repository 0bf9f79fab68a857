//! The callers that go by API key: let in, listed, given new keys, shut out. All of it works on the database; running
//! servers notice within seconds.

use std::{collections::HashSet, time::Duration};

use chrono::{Datelike, SecondsFormat, TimeDelta};
use tokend_access::{ApiKey, ApiKeyError, clashing_keys, may_hold_a_key};
use tokend_model::{
    AuditAction, InvalidId, Secret, Timestamp, WorkspaceName,
    ports::{ApiKeyRecord, ApiKeys, CallerRole, Connections as _, StorageError},
};
use tokend_storage::Storage;

use crate::{
    StartError,
    audit::{OfflineAct, record_offline},
    config::Config,
    wire_up::open_storage,
};

/// A caller to be let in.
#[derive(Debug, Clone)]
pub struct NewCaller {
    /// Its name, as logs show it: unlike those of callers that prove themselves in other ways.
    pub name: String,
    /// The workspace it may ask about.
    pub workspace: String,
    /// Whether it may call `AdminService` as well.
    pub operator: bool,
    /// When its key stops working; never if absent.
    pub expires_in: Option<Duration>,
}

/// A caller's API key, to be shown once.
#[derive(Debug)]
pub struct AddedCaller {
    /// The key itself.
    pub api_key: Secret,
    /// What there is to say about it.
    pub key: CallerKey,
    /// How many other keys of its caller work.
    pub others: usize,
}

/// An API key as it is shown. Times are in RFC 3339, to the second.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CallerKey {
    /// Whose it is.
    pub caller: String,
    /// The workspace its caller may ask about.
    pub workspace: String,
    /// Whether its caller may call `AdminService` as well.
    pub operator: bool,
    /// Its public half.
    pub key_id: String,
    /// When it was made.
    pub create_time: String,
    /// When it stops working; never if absent.
    pub expire_time: Option<String>,
    /// When it was last accepted, a minute old at most; never if absent.
    pub last_used_time: Option<String>,
    /// Whether it is accepted.
    pub status: KeyStatus,
}

/// Whether a key is accepted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeyStatus {
    /// It is.
    Active,
    /// It has expired.
    Expired,
    /// Its caller's name could be that of another kind of caller.
    NameNotAllowed,
    /// Its caller's name is that of an older key in another workspace.
    NameTaken,
}

/// Which keys are meant.
#[derive(Debug, Clone)]
pub enum WhichKeys {
    /// All of a caller.
    Caller {
        /// Its name.
        name: String,
        /// Its workspace; needed only where several have a caller of that name.
        workspace: Option<String>,
    },
    /// The one with this id.
    Key(String),
}

/// A new key for a caller in place of those that it has.
#[derive(Debug, Clone)]
pub struct Rotation {
    /// The caller's name.
    pub name: String,
    /// Its workspace; needed only where several have a caller of that name.
    pub workspace: Option<String>,
    /// How long the present keys still work, unless they end sooner by themselves.
    pub overlap: Duration,
    /// When the new key stops working; as long after it was made as the newest present one if absent.
    pub expires_in: Option<Duration>,
}

/// What a rotation came to.
#[derive(Debug)]
pub struct RotatedCaller {
    /// The new key.
    pub added: AddedCaller,
    /// Those that end now.
    pub ending: Vec<CallerKey>,
}

/// Why callers cannot be seen to.
#[derive(Debug, thiserror::Error)]
pub enum CallerError {
    /// The installation cannot be opened.
    #[error(transparent)]
    Installation(#[from] StartError),
    /// The key cannot be made.
    #[error(transparent)]
    ApiKey(#[from] ApiKeyError),
    /// The workspace's name is none.
    #[error("{0}")]
    Workspace(#[from] InvalidId),
    /// The key was to end at a time that cannot be written down.
    #[error(
        "a key cannot expire after the year 9999; make it shorter, or leave it out for one that does not expire"
    )]
    ExpiresTooLate,
    /// There is no such key.
    #[error("{0} has no API key here; 'tokend callers list' shows those there are")]
    NotFound(
        /// What was asked for.
        String,
    ),
    /// Several callers are meant.
    #[error("workspaces {0} have callers of this name; name one with --workspace")]
    SeveralWorkspaces(
        /// Their names.
        String,
    ),
    /// Another caller has this name.
    #[error(
        "the name {name} is taken: workspace {workspace} has a {role} with it, and policies, quotas and the audit trail go by \
         names; take another one, or see 'tokend callers list' and remove what is not needed"
    )]
    NameTaken {
        /// The name.
        name: String,
        /// Where it is taken.
        workspace: WorkspaceName,
        /// What the caller that has it is.
        role: &'static str,
    },
    /// The caller has keys of both roles.
    #[error(
        "the caller has keys of both roles; remove one kind with --key-id, so that it is plain what the new one may do"
    )]
    SeveralRoles,
}

impl KeyStatus {
    /// Its name, as listings show it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Active => "ACTIVE",
            Self::Expired => "EXPIRED",
            Self::NameNotAllowed => "NAME_NOT_ALLOWED",
            Self::NameTaken => "NAME_TAKEN",
        }
    }
}

/// Makes an API key and stores its hash.
pub async fn add_caller(config: &Config, caller: NewCaller) -> Result<AddedCaller, CallerError> {
    let workspace = WorkspaceName::new(caller.workspace)?;
    let role = match caller.operator {
        true => CallerRole::Operator,
        false => CallerRole::Backend,
    };
    let (storage, now) = open(config).await?;
    let expire_time = caller.expires_in.map(|it| later(now, it)).transpose()?;
    let key = ApiKey::generate(caller.name, workspace, role, now, expire_time)?;
    let present = records(&storage).await?;
    check_name(&present, &key.record)?;
    let others = present.iter().filter(|it| it.caller == key.record.caller);
    let others = others.filter(|it| it.expire_time.is_none_or(|end| end > now));
    let others = others.count();
    ApiKeys::insert(&storage, &key.record)
        .await
        .map_err(unreadable)?;
    record(config, &storage, "add", &key.record).await?;
    Ok(added(key, now, others))
}

/// All API keys of all workspaces, by caller.
pub async fn list_callers(config: &Config) -> Result<Vec<CallerKey>, CallerError> {
    let (storage, now) = open(config).await?;
    let keys = records(&storage).await?;
    let clashing = clashing_keys(&keys);
    let shown = keys.iter().map(|key| shown(key, now, &clashing));
    Ok(shown.collect())
}

/// Removes API keys; answers them.
pub async fn remove_caller(
    config: &Config,
    which: WhichKeys,
) -> Result<Vec<CallerKey>, CallerError> {
    let (storage, now) = open(config).await?;
    let all = records(&storage).await?;
    let clashing = clashing_keys(&all);
    let found = match which {
        WhichKeys::Key(id) => {
            let found = all.into_iter().find(|key| key.key_id == id);
            vec![found.ok_or(CallerError::NotFound(id))?]
        }
        WhichKeys::Caller { name, workspace } => of_caller(all, &name, workspace)?,
    };
    let ids: Vec<_> = found.iter().map(|key| key.key_id.clone()).collect();
    ApiKeys::delete(&storage, &ids).await.map_err(unreadable)?;
    for key in &found {
        record(config, &storage, "remove", key).await?;
    }
    let shown = found.iter().map(|key| shown(key, now, &clashing));
    Ok(shown.collect())
}

/// Makes a new API key for a caller, and lets those that it has end.
pub async fn rotate_caller(
    config: &Config,
    rotation: Rotation,
) -> Result<RotatedCaller, CallerError> {
    let (storage, now) = open(config).await?;
    let all = records(&storage).await?;
    let mut live = all.clone();
    live.retain(|key| status(key, now, &HashSet::new()) == KeyStatus::Active);
    let mut present = of_caller(live, &rotation.name, rotation.workspace)?;
    let Some(newest) = present.iter().max_by_key(|key| key.create_time) else {
        return Err(CallerError::NotFound(rotation.name));
    };
    if present.iter().any(|key| key.role != newest.role) {
        return Err(CallerError::SeveralRoles);
    }
    let expire_time = match rotation.expires_in {
        Some(expires_in) => Some(later(now, expires_in)?),
        None => {
            let lifetime = newest.expire_time.map(|end| end - newest.create_time);
            lifetime.map(|lifetime| now + lifetime)
        }
    };
    let (workspace, role) = (newest.workspace.clone(), newest.role);
    let key = ApiKey::generate(rotation.name, workspace, role, now, expire_time)?;
    check_name(&all, &key.record)?;
    let end = later(now, rotation.overlap)?;
    let ids: Vec<_> = present.iter().map(|key| key.key_id.clone()).collect();
    ApiKeys::replace(&storage, &key.record, &ids, end)
        .await
        .map_err(unreadable)?;
    record(config, &storage, "add", &key.record).await?;
    for key in &mut present {
        key.expire_time = Some(key.expire_time.map_or(end, |time| time.min(end)));
        record(config, &storage, "end", key).await?;
    }
    Ok(RotatedCaller {
        added: added(key, now, ids.len()),
        ending: (present.iter())
            .map(|key| shown(key, now, &HashSet::new()))
            .collect(),
    })
}

/// The database, up to date, and the time by its clock: the one that servers go by.
async fn open(config: &Config) -> Result<(Storage, Timestamp), CallerError> {
    let storage = open_storage(config).await?;
    if config.database.migrate_on_start {
        storage.migrate().await.map_err(StartError::Migrate)?;
    }
    let now = storage.database_time().await.map_err(unreadable)?;
    Ok((storage, now))
}

/// Puts on the audit trail what was done to a key.
async fn record(
    config: &Config,
    storage: &Storage,
    change: &str,
    key: &ApiKeyRecord,
) -> Result<(), CallerError> {
    let mut details = vec![
        ("change", change.to_owned()),
        ("caller", key.caller.clone()),
        ("key_id", key.key_id.clone()),
        ("role", format!("{:?}", key.role).to_lowercase()),
    ];
    if let Some(end) = key.expire_time {
        details.push(("expire_time", text(end)));
    }
    let act = OfflineAct {
        workspace: key.workspace.clone(),
        action: AuditAction::CallerChange,
        details,
    };
    Ok(record_offline(config, storage, act).await?)
}

async fn records(storage: &Storage) -> Result<Vec<ApiKeyRecord>, CallerError> {
    let mut records = ApiKeys::list(storage).await.map_err(unreadable)?;
    records.sort_by(|one, other| {
        let order =
            |key: &ApiKeyRecord| (key.caller.clone(), key.workspace.clone(), key.create_time);
        order(one).cmp(&order(other))
    });
    Ok(records)
}

/// The keys of one caller; at least one.
fn of_caller(
    mut records: Vec<ApiKeyRecord>,
    name: &str,
    workspace: Option<String>,
) -> Result<Vec<ApiKeyRecord>, CallerError> {
    let workspace = workspace.map(WorkspaceName::new).transpose()?;
    records.retain(|key| {
        key.caller == name && workspace.as_ref().is_none_or(|it| *it == key.workspace)
    });
    let mut workspaces: Vec<_> = records.iter().map(|key| key.workspace.as_str()).collect();
    workspaces.dedup();
    match workspaces.len() {
        0 => Err(CallerError::NotFound(name.to_owned())),
        1 => Ok(records),
        _ => Err(CallerError::SeveralWorkspaces(workspaces.join(", "))),
    }
}

/// Refuses a key whose caller's name another caller has: one of another workspace, or of another role.
fn check_name(records: &[ApiKeyRecord], new: &ApiKeyRecord) -> Result<(), CallerError> {
    let taken = records.iter().find(|key| {
        key.caller == new.caller && (key.workspace != new.workspace || key.role != new.role)
    });
    let Some(taken) = taken else {
        return Ok(());
    };
    Err(CallerError::NameTaken {
        name: new.caller.clone(),
        workspace: taken.workspace.clone(),
        role: match taken.role {
            CallerRole::Backend => "backend",
            CallerRole::Operator => "operator",
        },
    })
}

fn added(key: ApiKey, now: Timestamp, others: usize) -> AddedCaller {
    AddedCaller {
        key: shown(&key.record, now, &HashSet::new()),
        api_key: key.key,
        others,
    }
}

fn shown(key: &ApiKeyRecord, now: Timestamp, clashing: &HashSet<String>) -> CallerKey {
    CallerKey {
        caller: key.caller.clone(),
        workspace: key.workspace.to_string(),
        operator: key.role == CallerRole::Operator,
        key_id: key.key_id.clone(),
        create_time: text(key.create_time),
        expire_time: key.expire_time.map(text),
        last_used_time: key.last_used_time.map(text),
        status: status(key, now, clashing),
    }
}

fn text(time: Timestamp) -> String {
    time.to_rfc3339_opts(SecondsFormat::Secs, true)
}

fn status(key: &ApiKeyRecord, now: Timestamp, clashing: &HashSet<String>) -> KeyStatus {
    if !may_hold_a_key(&key.caller) {
        KeyStatus::NameNotAllowed
    } else if clashing.contains(&key.key_id) {
        KeyStatus::NameTaken
    } else if key.expire_time.is_some_and(|end| end <= now) {
        KeyStatus::Expired
    } else {
        KeyStatus::Active
    }
}

/// So long after now; RFC 3339 and the databases know years of four digits.
fn later(now: Timestamp, time: Duration) -> Result<Timestamp, CallerError> {
    TimeDelta::from_std(time)
        .ok()
        .and_then(|time| now.checked_add_signed(time))
        .filter(|time| time.year() <= 9999)
        .ok_or(CallerError::ExpiresTooLate)
}

fn unreadable(_: StorageError) -> CallerError {
    StartError::Storage.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_that_would_outlive_the_calendar_is_refused() {
        let now = Timestamp::UNIX_EPOCH + TimeDelta::days(20_000);
        let day = Duration::from_secs(24 * 60 * 60);
        let tomorrow = later(now, day).expect("a day");
        assert_eq!(tomorrow - now, TimeDelta::days(1));
        for too_long in [day * 365 * 9000, day * u32::MAX, Duration::MAX] {
            let refused = later(now, too_long);
            assert!(matches!(refused, Err(CallerError::ExpiresTooLate)));
        }
    }

    fn record(workspace: &str, role: CallerRole, second: i64) -> ApiKeyRecord {
        let workspace = WorkspaceName::new(workspace).unwrap();
        let time = Timestamp::UNIX_EPOCH + TimeDelta::seconds(second);
        let key = ApiKey::generate("billing", workspace, role, time, None);
        key.unwrap().record
    }

    #[test]
    fn keys_that_share_a_name_from_earlier_are_told_apart() {
        let east = record("east", CallerRole::Backend, 1);
        let west = record("west", CallerRole::Backend, 2);
        let operator = record("east", CallerRole::Operator, 3);
        let all = vec![east.clone(), operator, west.clone()];
        let clashing = clashing_keys(&all);
        let status = |key| status(key, Timestamp::UNIX_EPOCH, &clashing);
        assert_eq!(
            (status(&east), status(&west)),
            (KeyStatus::Active, KeyStatus::NameTaken)
        );
        let several = of_caller(all.clone(), "billing", None);
        assert!(matches!(several, Err(CallerError::SeveralWorkspaces(it)) if it == "east, west"));
        let wests = of_caller(all.clone(), "billing", Some("west".to_owned()));
        assert_eq!(wests.unwrap(), [west]);
        let more = record("east", CallerRole::Backend, 4);
        assert!(check_name(&all[..1], &more).is_ok());
        for taken in &all[1..] {
            let refused = check_name(std::slice::from_ref(taken), &more);
            assert!(matches!(refused, Err(CallerError::NameTaken { .. })));
        }
    }
}
