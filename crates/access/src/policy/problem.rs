//! Why policies cannot be used: each place, and what is wrong there.

use std::fmt;

/// The policies cannot be used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InvalidPolicies {
    /// What is wrong; never empty.
    pub problems: Vec<PolicyProblem>,
}

/// Something in a policy that is wrong, or probably not meant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PolicyProblem {
    /// Such as `billing.cedar:12`, or a file or directory.
    pub location: String,
    /// What is wrong, and where it can be said what to do.
    pub message: String,
}

impl PolicyProblem {
    pub(super) fn new(location: impl Into<String>, message: impl Into<String>) -> Self {
        Self {
            location: location.into(),
            message: message.into(),
        }
    }
}

impl fmt::Display for PolicyProblem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.location, self.message)
    }
}

impl fmt::Display for InvalidPolicies {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the policies cannot be used")?;
        self.problems
            .iter()
            .try_for_each(|problem| write!(f, "\n  {problem}"))
    }
}

impl std::error::Error for InvalidPolicies {}

impl From<PolicyProblem> for InvalidPolicies {
    fn from(problem: PolicyProblem) -> Self {
        Self {
            problems: vec![problem],
        }
    }
}
