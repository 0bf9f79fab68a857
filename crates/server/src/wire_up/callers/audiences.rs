//! Whom tokens are made out to, held against each other: an app user's must not be good as a caller's.

use tokend_access::InvalidIssuer;

use crate::config::{Access, AppUsers, JwtCallers};

/// Stands for the calling caller's name in app users' audiences.
const CALLER: &str = "{caller}";

/// Refuses an issuer of which a token could be an app user's and a caller's at once (threat T-09).
pub(super) fn check(access: &Access) -> Result<(), InvalidIssuer> {
    for users in &access.app_users {
        let is_confused = |callers: &&JwtCallers| {
            let mut theirs = callers.audiences.iter();
            callers.issuer == users.issuer
                && theirs.any(|callers| of_users(users).any(|users| overlap(users, callers)))
        };
        if access.jwt_callers.iter().any(|it| is_confused(&it)) {
            return Err(InvalidIssuer {
                issuer: users.issuer.clone(),
                problem: format!(
                    "access.app_users and access.jwt_callers take its tokens for the same audience, so that an app user \
                     could call as a backend: name different ones, none of which {CALLER} can stand for"
                ),
            });
        }
    }
    Ok(())
}

/// The issuers whose tokens every caller may bring, where callers of several kinds could.
pub(super) fn of_any_caller(access: &Access) -> impl Iterator<Item = &str> {
    let kinds = [
        !access.spiffe.is_empty(),
        !access.kubernetes.is_empty(),
        !access.jwt_callers.is_empty(),
    ];
    // There are API keys beside them.
    let several = kinds.contains(&true);
    let of_any = access.app_users.iter().filter(move |users| {
        several
            && users.caller_audiences.is_empty()
            && users.audiences.iter().any(|it| !it.contains(CALLER))
    });
    of_any.map(|users| users.issuer.as_str())
}

fn of_users(users: &AppUsers) -> impl Iterator<Item = &str> {
    let of_each = users.caller_audiences.values().flatten();
    let of_all = users.audiences.iter();
    let of_all = of_all.filter(|_| users.caller_audiences.is_empty());
    of_each.chain(of_all).map(String::as_str)
}

/// Whether an app user's audience may be this one, for some caller's name.
fn overlap(users: &str, callers: &str) -> bool {
    match (users.split_once(CALLER), users.rsplit_once(CALLER)) {
        (Some((begin, _)), Some((_, end))) => callers.starts_with(begin) && callers.ends_with(end),
        _ => users == callers,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Config;

    fn access(users: &str, callers: &str) -> Access {
        let text = format!(
            "[[access.app_users]]\nissuer = 'https://login.acme.test'\n{users}\n{callers}\n"
        );
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(&file, text).unwrap();
        Config::load(Some(file.path())).unwrap().access
    }

    fn callers(issuer: &str) -> String {
        format!("[[access.jwt_callers]]\nissuer = '{issuer}'\naudiences = ['tokend', 'backends']")
    }

    #[test]
    fn an_app_users_token_is_no_callers() {
        let (same, other) = (
            callers("https://login.acme.test"),
            callers("https://ci.acme.test"),
        );
        for confused in [
            "audiences = ['app', 'backends']",
            "audiences = ['{caller}']",
            "audiences = ['back{caller}']",
            "caller_audiences = { shop = ['shop', 'tokend'] }",
        ] {
            assert!(check(&access(confused, &same)).is_err(), "{confused}");
            assert!(check(&access(confused, &other)).is_ok(), "{confused}");
        }
        for apart in [
            "audiences = ['app', 'users-of-{caller}']",
            "audiences = ['{caller}-app']",
            "audiences = ['backends']\ncaller_audiences = { shop = ['shop'] }",
        ] {
            assert!(check(&access(apart, &same)).is_ok(), "{apart}");
        }
    }

    #[test]
    fn whose_users_any_caller_may_bring_is_told_where_there_are_several_kinds() {
        let told = |users: &str, callers: &str| of_any_caller(&access(users, callers)).count();
        let some = callers("https://ci.acme.test");
        assert_eq!(told("audiences = ['app']", ""), 0);
        assert_eq!(told("audiences = ['app']", &some), 1);
        assert_eq!(told("audiences = ['{caller}']", &some), 0);
        assert_eq!(told("caller_audiences = { shop = ['app'] }", &some), 0);
    }
}
