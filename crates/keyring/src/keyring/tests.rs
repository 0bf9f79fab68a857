//! Key files: what is read, what is refused, and that none is ever overwritten.

use crate::{KeyFileError, Keyring, generate_key_file, generate_key_line};

fn line() -> String {
    generate_key_line().unwrap().1.expose().to_owned()
}

#[test]
fn a_generated_file_is_private_readable_and_never_overwritten() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("keys");
    let id = generate_key_file(&path).unwrap();
    let found = Keyring::from_file(&path).unwrap();
    assert_eq!(found.keyring.primary_key_id(), id);
    assert!(!found.readable_by_others);
    let before = std::fs::read(&path).unwrap();
    assert!(matches!(
        generate_key_file(&path),
        Err(KeyFileError::Exists(_))
    ));
    assert_eq!(std::fs::read(&path).unwrap(), before);
}

#[cfg(unix)]
#[test]
fn a_file_that_others_can_read_is_reported() {
    use std::os::unix::fs::PermissionsExt;
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("keys");
    generate_key_file(&path).unwrap();
    let mode = std::fs::metadata(&path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode, 0o600);
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o644)).unwrap();
    assert!(Keyring::from_file(&path).unwrap().readable_by_others);
}

#[test]
fn the_first_key_is_primary_among_comments_and_blank_lines() {
    let (id, first) = generate_key_line().unwrap();
    let text = format!("# ours\n\n  {}  \n{}\n# end\n", first.expose(), line());
    let keyring = Keyring::parse(&text).unwrap();
    assert_eq!(keyring.primary_key_id(), id);
    assert_eq!(keyring.others.len(), 1);
}

#[test]
fn a_missing_file_says_what_to_type() {
    let error = Keyring::from_file(std::path::Path::new("/nonexistent/keys")).unwrap_err();
    assert!(
        error.to_string().contains("tokend keys generate"),
        "{error}"
    );
}

#[test]
fn faults_name_their_line_and_never_the_key() {
    let good = line();
    let (prefix, key) = good.rsplit_once(':').unwrap();
    let faulty = [
        key.to_owned(),
        format!("other-v1:id:{key}"),
        format!("tokend-key-v1::{key}"),
        format!("tokend-key-v1:a b:{key}"),
        prefix.to_owned(),
        format!("{prefix}:{key}="),
        format!("{prefix}:{}", &key[..42]),
        format!("{prefix}:{key}{key}"),
        format!("{good}:more"),
    ];
    for text in faulty {
        let error = Keyring::parse(&format!("# one\n{text}\n")).unwrap_err();
        assert!(
            matches!(error, KeyFileError::Malformed { line: 2, .. }),
            "{error}"
        );
        assert!(!format!("{error} {error:?}").contains(key));
    }
    let twice = Keyring::parse(&format!("{good}\n{good}\n")).unwrap_err();
    assert!(matches!(twice, KeyFileError::Duplicate { line: 2, .. }));
    for empty in ["", "\n", "# only words\n"] {
        assert!(matches!(Keyring::parse(empty), Err(KeyFileError::NoKey)));
    }
}

#[test]
fn debug_tells_ids_only() {
    let text = line();
    let keyring = Keyring::parse(&text).unwrap();
    let key = text.rsplit(':').next().unwrap();
    let shown = format!("{keyring:?}");
    assert!(!shown.contains(key) && !shown.contains("bytes"), "{shown}");
}
