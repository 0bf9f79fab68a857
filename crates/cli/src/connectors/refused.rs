//! What the server does not take of a folder, all of it, led back to files and lines.

use tokend_api::v1;
use tokend_client::Error;
use tonic::{Code, Status};
use tonic_types::{FieldViolation, StatusExt};

use super::stored::AdminClient;
use crate::connector_file::{ConnectorFile, ConnectorFolder, InvalidLine, TypeFile};

/// The file that a violation is about.
enum Place<'a> {
    Connector(&'a ConnectorFile),
    Type(&'a TypeFile),
}

/// Asks again, each time without the files that are known to be wrong, until the server takes the rest: one answer
/// has not room for everything. The error where the server has something else to say.
pub(super) async fn all(
    admin: &mut AdminClient,
    folder: &ConnectorFolder,
    first: Status,
) -> Result<Vec<InvalidLine>, Error> {
    let mut files: Vec<_> = folder.files.iter().collect();
    let mut types: Vec<_> = folder.types.iter().collect();
    let (mut told, mut status) = (Vec::new(), first);
    loop {
        let violations = violations(&status);
        let mut wrong_files = Vec::new();
        let mut wrong_types = Vec::new();
        let before = told.len();
        for violation in &violations {
            let Some((kind, index, field)) = indexed(&violation.field) else {
                continue;
            };
            let why = &violation.description;
            let place = match kind {
                "connectors" => files.get(index).map(|file| Place::Connector(file)),
                "integration_types" => types.get(index).map(|file| Place::Type(file)),
                _ => None,
            };
            match place {
                Some(Place::Connector(file)) => {
                    told.push(file.refused(field, why));
                    wrong_files.push(index);
                }
                Some(Place::Type(file)) => {
                    told.push(file.refused(why));
                    wrong_types.push(index);
                }
                None => {}
            }
        }
        // The last one told may have more to tell: it stays for another round.
        if told.len() - before > 1 && told_count(&status) > violations.len() {
            let last = violations.last().and_then(|last| indexed(&last.field));
            if let Some((kind, index, _)) = last {
                let wrong = match kind {
                    "connectors" => &mut wrong_files,
                    _ => &mut wrong_types,
                };
                if wrong.iter().any(|other| *other != index) {
                    wrong.retain(|other| *other != index);
                }
            }
        }
        // What it says is not about one of the files.
        if told.len() == before {
            return match told.is_empty() {
                true => Err(status.into()),
                false => Ok(told),
            };
        }
        remove(&mut files, &wrong_files);
        // A connector whose type is wrong says nothing of itself until the type is right.
        let without: Vec<_> = wrong_types
            .iter()
            .filter_map(|index| types.get(*index))
            .map(|file| file.definition.integration_type.clone())
            .collect();
        files.retain(|file| !without.contains(&file.connector.integration_type));
        remove(&mut types, &wrong_types);
        let request = v1::ApplyConnectorsRequest {
            connectors: files.iter().map(|file| file.connector.clone()).collect(),
            integration_types: types.iter().map(|file| file.definition.clone()).collect(),
            dry_run: true,
            prune: false,
        };
        match admin.apply_connectors(request).await {
            Ok(_) => return Ok(told),
            Err(next) => status = next,
        }
    }
}

fn violations(status: &Status) -> Vec<FieldViolation> {
    if !matches!(
        status.code(),
        Code::InvalidArgument | Code::NotFound | Code::FailedPrecondition
    ) {
        return Vec::new();
    }
    let details = status.get_error_details();
    let bad = details.bad_request();
    bad.map(|bad| bad.field_violations.clone())
        .unwrap_or_default()
}

/// How many violations there are, told or not.
fn told_count(status: &Status) -> usize {
    let details = status.get_error_details();
    let info = details.error_info();
    let count = info.and_then(|info| info.metadata.get("violationCount"));
    count.and_then(|count| count.parse().ok()).unwrap_or(0)
}

/// `connectors[3].scopes` as `connectors`, 3, `scopes`.
fn indexed(field: &str) -> Option<(&str, usize, &str)> {
    let (kind, rest) = field.split_once('[')?;
    let (index, field) = rest.split_once(']')?;
    Some((kind, index.parse().ok()?, field.trim_start_matches('.')))
}

fn remove<T>(all: &mut Vec<T>, wrong: &[usize]) {
    let mut index = 0;
    all.retain(|_| {
        index += 1;
        !wrong.contains(&(index - 1))
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_field_s_path_is_taken_apart() {
        assert_eq!(
            indexed("connectors[3].connection_config.a"),
            Some(("connectors", 3, "connection_config.a"))
        );
        assert_eq!(
            indexed("integration_types[0]"),
            Some(("integration_types", 0, ""))
        );
        for other in ["connector_id", "connectors[x].y", "connectors[1"] {
            assert_eq!(indexed(other), None);
        }
    }
}
