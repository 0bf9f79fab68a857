//! App users' ids: what an issuer calls a user, told apart from what the workspace's other issuers call theirs.

use tokend_model::AppUserId;

use crate::{InvalidIssuer, IssuerOptions, TokenRejection, token_issuer::invalid};

/// What one issuer's users are called.
pub(crate) struct AppUserIds {
    prefix: String,
    /// What only others' users' ids begin with.
    of_others: Vec<String>,
}

impl AppUserIds {
    /// Refuses an issuer whose users could have the ids of another's of the workspace, unless one of the two says that
    /// they are the same people.
    pub(crate) fn new(
        options: &IssuerOptions,
        all: &[IssuerOptions],
    ) -> Result<Self, InvalidIssuer> {
        let prefix = options.user_id_prefix.as_str();
        let others = all
            .iter()
            .filter(|other| other.workspace == options.workspace && other.issuer != options.issuer);
        let mut of_others = Vec::new();
        for other in others {
            let theirs = other.user_id_prefix.as_str();
            if prefix == theirs {
                if !options.shares_user_ids && !other.shares_user_ids {
                    let problem = format!(
                        "its users could have the same ids as those of issuer {:?} in the same workspace: give one of them \
                         a user_id_prefix, or say shares_user_ids = true if they name the same people alike",
                        other.issuer
                    );
                    return Err(invalid(&options.issuer, problem));
                }
            } else if prefix.is_empty() {
                of_others.push(theirs.to_owned());
            } else if !theirs.is_empty()
                && (prefix.starts_with(theirs) || theirs.starts_with(prefix))
            {
                let problem = format!(
                    "user_id_prefix must tell its users from those of issuer {:?}: neither may begin with the other's",
                    other.issuer
                );
                return Err(invalid(&options.issuer, problem));
            }
        }
        Ok(Self {
            prefix: prefix.to_owned(),
            of_others,
        })
    }

    /// The id of the user whom the issuer calls this.
    pub(crate) fn of(&self, claim: &str) -> Result<AppUserId, TokenRejection> {
        if self
            .of_others
            .iter()
            .any(|prefix| claim.starts_with(prefix))
        {
            return Err(TokenRejection::UserIdOfAnother);
        }
        AppUserId::new(format!("{}{claim}", self.prefix)).map_err(TokenRejection::UserIdInvalid)
    }
}

#[cfg(test)]
mod tests {
    use tokend_model::WorkspaceName;

    use super::*;

    fn issuer(name: &str, prefix: &str, shares_user_ids: bool) -> IssuerOptions {
        let workspace = WorkspaceName::default_workspace();
        IssuerOptions {
            user_id_prefix: prefix.to_owned(),
            shares_user_ids,
            ..IssuerOptions::new(workspace, name, vec!["app".to_owned()])
        }
    }

    /// Whether each of them can be used.
    fn usable(issuers: &[IssuerOptions]) -> bool {
        issuers
            .iter()
            .all(|it| AppUserIds::new(it, issuers).is_ok())
    }

    #[test]
    fn two_issuers_name_different_people_differently_or_say_that_they_do_not() {
        let (plain, other) = (issuer("a", "", false), issuer("b", "", false));
        assert!(usable(std::slice::from_ref(&plain)));
        assert!(!usable(&[plain.clone(), other.clone()]));
        assert!(usable(&[plain.clone(), issuer("b", "b:", false)]));
        assert!(usable(&[plain.clone(), issuer("b", "", true)]));
        assert!(!usable(&[
            issuer("a", "b:", false),
            issuer("b", "b:", false)
        ]));
        assert!(!usable(&[
            issuer("a", "b:", false),
            issuer("b", "b:c:", true)
        ]));
        assert!(!usable(&[
            plain.clone(),
            issuer("b", "", true),
            issuer("c", "", false)
        ]));
        let elsewhere = WorkspaceName::new("elsewhere").unwrap();
        assert!(usable(&[
            plain,
            IssuerOptions {
                workspace: elsewhere,
                ..other
            }
        ]));
    }

    #[test]
    fn nobody_takes_a_name_of_another_issuer_s() {
        let issuers = [issuer("a", "", false), issuer("b", "b:", false)];
        let ids = |index: usize| AppUserIds::new(&issuers[index], &issuers).unwrap();
        assert_eq!(ids(0).of("jane").unwrap().as_str(), "jane");
        assert_eq!(ids(1).of("jane").unwrap().as_str(), "b:jane");
        assert_eq!(ids(0).of("b:jane"), Err(TokenRejection::UserIdOfAnother));
    }
}
