//! A caller's name is one caller's: no policy could tell two apart.

use std::collections::{HashMap, HashSet};

use tokend_model::ports::ApiKeyRecord;

/// The ids of the keys whose callers have the name that an older key has in another workspace; they are not accepted.
///
/// A name is its oldest key's for as long as that key is there, also when it has expired: so it does not change hands
/// unnoticed.
pub fn clashing_keys(records: &[ApiKeyRecord]) -> HashSet<String> {
    let mut oldest: HashMap<&str, &ApiKeyRecord> = HashMap::new();
    for record in records {
        let age = |record: &ApiKeyRecord| (record.create_time, record.key_id.clone());
        let holder = oldest.entry(&record.caller).or_insert(record);
        if age(record) < age(holder) {
            *holder = record;
        }
    }
    let clashing = records.iter().filter(|record| {
        let holder = oldest.get(record.caller.as_str());
        holder.is_some_and(|holder| holder.workspace != record.workspace)
    });
    clashing.map(|record| record.key_id.clone()).collect()
}

#[cfg(test)]
mod tests {
    use chrono::TimeDelta;
    use tokend_model::{Timestamp, WorkspaceName, ports::CallerRole};

    use super::*;
    use crate::ApiKey;

    #[test]
    fn a_name_is_the_workspace_s_that_had_it_first() {
        let key = |caller: &str, workspace: &str, second: i64| {
            let workspace = WorkspaceName::new(workspace).unwrap();
            let time = Timestamp::UNIX_EPOCH + TimeDelta::seconds(second);
            let ended = Some(time + TimeDelta::seconds(1));
            let key = ApiKey::generate(caller, workspace, CallerRole::Backend, time, ended);
            key.unwrap().record
        };
        let records = [
            key("billing", "b", 2),
            key("billing", "a", 1),
            key("billing", "b", 3),
            key("billing", "a", 4),
            key("shop", "b", 9),
        ];
        let clashing = clashing_keys(&records);
        let expected = [&records[0], &records[2]].map(|record| record.key_id.clone());
        assert_eq!(clashing, HashSet::from(expected));
    }
}
