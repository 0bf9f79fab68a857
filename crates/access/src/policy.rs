//! May this caller do that to this? Default deny: what no policy permits is refused.

mod diagnosis;
mod facts;
mod file;
mod looked_at;
mod nesting;
mod policy_set;
mod problem;
mod vocabulary;

use std::{
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
};

use arc_swap::ArcSwap;
use moka::sync::Cache;
use tokend_model::{AppUserId, WorkspaceName};

use crate::{Action, AppUser, Caller};

pub use file::PolicyFile;
pub use problem::{InvalidPolicies, PolicyProblem};

use {facts::Facts, policy_set::PolicySet};

/// What policies can see, as a Cedar schema.
pub const POLICY_SCHEMA: &str = include_str!("policy/schema.cedarschema");

/// The policies where none are set.
pub const BUILT_IN_POLICIES: &str = include_str!("policy/built_in.cedar");

/// How many decisions are remembered.
const REMEMBERED_DECISIONS: u64 = 100_000;

/// A question to the policy.
#[derive(Debug, Clone)]
pub struct AccessRequest<'a> {
    /// Who asks.
    pub caller: &'a Arc<Caller>,
    /// What it would do.
    pub action: Action,
    /// Where.
    pub workspace: &'a WorkspaceName,
    /// To what.
    pub resource: Resource<'a>,
    /// With which scopes; none: with all that were granted.
    pub scopes: &'a [String],
    /// For whom.
    pub app_user: Option<&'a AppUser>,
}

/// What something would be done to. What is not known, or does not apply, is empty.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub struct Resource<'a> {
    /// The integration type, by its canonical name.
    pub integration_type: &'a str,
    /// The connector; empty for a shared one, which goes by its integration type.
    pub connector_id: &'a str,
    /// The app user whose connection it is; none for the organisation's.
    pub owner: Option<&'a AppUserId>,
    /// Which of the owner's connections; empty for the default one.
    pub label: &'a str,
}

/// What the policy says to a question.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Decision {
    /// Whether it may be done.
    pub allowed: bool,
    /// The policies that decided; none if none applied.
    pub policies: Vec<DecidingPolicy>,
}

/// A policy that took part in a decision.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DecidingPolicy {
    /// Its name.
    pub id: String,
    /// Whether it permits or forbids.
    pub effect: Effect,
    /// What it says, for a person to read.
    pub description: String,
    /// Where it was written, such as `billing.cedar:12`; empty if it is built in.
    pub location: String,
}

/// What a policy says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Effect {
    /// It permits.
    Permit,
    /// It forbids, whatever others permit.
    Forbid,
}

/// The policies in force, and what they have decided.
pub struct Policy {
    in_force: ArcSwap<InForce>,
    path: Option<PathBuf>,
    environment: String,
    /// What could not be used when it was last looked at.
    refused: Mutex<Option<InvalidPolicies>>,
}

/// A set of policies with its decisions: a new set begins with none, at one stroke.
struct InForce {
    policies: PolicySet,
    decisions: Cache<Box<[u8]>, Arc<Decision>>,
}

/// A set of policies that can be used, or is in use.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PolicySummary {
    /// Tells these policies from others, in hexadecimal.
    pub revision: String,
    /// How many there are.
    pub count: usize,
    /// What is probably not meant, such as a policy that never applies.
    pub warnings: Vec<PolicyProblem>,
}

impl Policy {
    /// Reads the policies of a file or a directory's `*.cedar` files; those that come with tokend if no path is given.
    /// `environment` is what they see as `context.environment`.
    pub fn open(path: Option<PathBuf>, environment: &str) -> Result<Self, InvalidPolicies> {
        let policies = match &path {
            Some(path) => PolicySet::parse(&file::read(path)?, environment)?,
            None => built_in(environment)?,
        };
        Ok(Self {
            in_force: ArcSwap::from_pointee(InForce::new(policies)),
            path,
            environment: environment.to_owned(),
            refused: Mutex::new(None),
        })
    }

    /// What the policies in force say.
    pub fn decide(&self, request: &AccessRequest<'_>) -> Arc<Decision> {
        self.in_force.load().decide(request)
    }

    /// What is in force.
    pub fn summary(&self) -> PolicySummary {
        self.in_force.load().policies.summary()
    }

    /// Reads the files again and puts what changed in force. Policies that cannot be used never replace those that
    /// can: they are an error, once as long as they stay as they are.
    pub fn reload(&self) -> Result<Option<PolicySummary>, InvalidPolicies> {
        let Some(path) = &self.path else {
            return Ok(None);
        };
        match self.read_changed(path) {
            Ok(changed) => {
                *self.refused() = None;
                Ok(changed)
            }
            Err(invalid) => {
                let mut refused = self.refused();
                if refused.as_ref() == Some(&invalid) {
                    return Ok(None);
                }
                *refused = Some(invalid.clone());
                Err(invalid)
            }
        }
    }

    fn read_changed(&self, path: &Path) -> Result<Option<PolicySummary>, InvalidPolicies> {
        let files = file::read(path)?;
        if file::revision(&files) == self.in_force.load().policies.revision {
            return Ok(None);
        }
        // Whoever is writing them is not done: next time.
        if file::read(path)? != files {
            return Ok(None);
        }
        let policies = PolicySet::parse(&files, &self.environment)?;
        let summary = policies.summary();
        self.in_force.store(Arc::new(InForce::new(policies)));
        Ok(Some(summary))
    }

    fn refused(&self) -> std::sync::MutexGuard<'_, Option<InvalidPolicies>> {
        self.refused.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Whether these policies can be used.
pub fn check_policy_files(files: &[PolicyFile]) -> Result<PolicySummary, InvalidPolicies> {
    Ok(PolicySet::parse(files, "")?.summary())
}

impl InForce {
    fn new(policies: PolicySet) -> Self {
        Self {
            policies,
            decisions: Cache::new(REMEMBERED_DECISIONS),
        }
    }

    fn decide(&self, request: &AccessRequest<'_>) -> Arc<Decision> {
        let facts = Facts::of(request, self.policies.looked_at);
        let Some(key) = facts.key() else {
            return Arc::new(self.policies.decide(&facts));
        };
        if let Some(decision) = self.decisions.get(key.as_slice()) {
            return decision;
        }
        let decision = Arc::new(self.policies.decide(&facts));
        self.decisions
            .insert(key.into_boxed_slice(), decision.clone());
        decision
    }
}

fn built_in(environment: &str) -> Result<PolicySet, InvalidPolicies> {
    let file = PolicyFile {
        name: "built_in.cedar".to_owned(),
        text: BUILT_IN_POLICIES.to_owned(),
    };
    Ok(PolicySet::parse(&[file], environment)?.without_locations())
}
