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
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
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

/// How many bytes of decisions are remembered, about.
const REMEMBERED_DECISIONS: u64 = 32 << 20;

/// Bytes that remembering a decision takes beside its texts, about.
const DECISION_OVERHEAD: usize = 256;

/// Policies that are to be the first are looked at again after so long, until they are the same twice.
const SETTLING: Duration = Duration::from_millis(250);
const SETTLING_LOOKS: u32 = 40;

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

impl Decision {
    /// How many bytes it takes to remember it, about.
    fn size(&self) -> usize {
        let policies = self.policies.iter().map(|policy| {
            size_of_val(policy) + policy.id.len() + policy.description.len() + policy.location.len()
        });
        DECISION_OVERHEAD + policies.sum::<usize>()
    }
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
    last_look: Mutex<Look>,
}

/// What there was when the files were last looked at.
#[derive(Default)]
struct Look {
    /// The revision of what was read, if it is not in force.
    seen: Option<String>,
    /// What could not be used.
    refused: Option<InvalidPolicies>,
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
    /// The integration types that they name, whether or not there are such.
    pub integration_types: Vec<NamedType>,
}

/// An integration type that a policy names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NamedType {
    /// Its name.
    pub name: String,
    /// Where the policy that names it begins, such as `billing.cedar:12`.
    pub location: String,
}

impl Policy {
    /// Reads the policies of a file or a directory's `*.cedar` files; those that come with tokend if no path is given.
    /// `environment` is what they see as `context.environment`.
    pub fn open(path: Option<PathBuf>, environment: &str) -> Result<Self, InvalidPolicies> {
        let files = path.as_deref().map(file::read).transpose()?;
        Self::with(files, path, environment)
    }

    fn with(
        files: Option<Vec<PolicyFile>>,
        path: Option<PathBuf>,
        environment: &str,
    ) -> Result<Self, InvalidPolicies> {
        let policies = match files {
            Some(files) => PolicySet::parse(&files, environment)?,
            None => built_in(environment)?,
        };
        Ok(Self {
            in_force: ArcSwap::from_pointee(InForce::new(policies)),
            path,
            environment: environment.to_owned(),
            last_look: Mutex::default(),
        })
    }

    /// As [`open`](Self::open), but not in the middle of writing: waits until the files stay as they are for a moment.
    pub async fn open_settled(
        path: Option<PathBuf>,
        environment: &str,
    ) -> Result<Self, InvalidPolicies> {
        let Some(path) = path else {
            return Self::open(None, environment);
        };
        let mut before = file::read(&path);
        for _ in 0..SETTLING_LOOKS {
            tokio::time::sleep(SETTLING).await;
            let now = file::read(&path);
            if now == before {
                break;
            }
            before = now;
        }
        Self::with(Some(before?), Some(path), environment)
    }

    /// What the policies in force say.
    pub fn decide(&self, request: &AccessRequest<'_>) -> Arc<Decision> {
        self.in_force.load().decide(request)
    }

    /// What is in force.
    pub fn summary(&self) -> PolicySummary {
        self.in_force.load().policies.summary()
    }

    /// Reads the files again and puts in force what changed, once two looks have found the same: a file that is
    /// written in place is half there for a while, and its first half may read well. Policies that cannot be used
    /// never replace those that can: they are an error, once as long as they stay as they are.
    pub fn reload(&self) -> Result<Option<PolicySummary>, InvalidPolicies> {
        let Some(path) = &self.path else {
            return Ok(None);
        };
        let mut look = self.last_look();
        match self.read_changed(path, &mut look.seen) {
            Ok(None) if look.seen.is_some() => Ok(None),
            Ok(changed) => {
                look.refused = None;
                Ok(changed)
            }
            Err(invalid) => {
                if look.refused.as_ref() == Some(&invalid) {
                    return Ok(None);
                }
                look.refused = Some(invalid.clone());
                Err(invalid)
            }
        }
    }

    /// `seen` is what the look before found, and then what this one did, if that is not in force.
    fn read_changed(
        &self,
        path: &Path,
        seen: &mut Option<String>,
    ) -> Result<Option<PolicySummary>, InvalidPolicies> {
        let before = seen.take();
        let files = file::read(path)?;
        let revision = file::revision(&files);
        if revision == self.in_force.load().policies.revision {
            return Ok(None);
        }
        let settled = before.as_ref() == Some(&revision);
        *seen = Some(revision);
        if !settled {
            return Ok(None);
        }
        let policies = PolicySet::parse(&files, &self.environment)?;
        *seen = None;
        let summary = policies.summary();
        self.in_force.store(Arc::new(InForce::new(policies)));
        Ok(Some(summary))
    }

    fn last_look(&self) -> MutexGuard<'_, Look> {
        self.last_look
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
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
            decisions: Cache::<Box<[u8]>, Arc<Decision>>::builder()
                .weigher(|key, decision| {
                    u32::try_from(key.len() + decision.size()).unwrap_or(u32::MAX)
                })
                .max_capacity(REMEMBERED_DECISIONS)
                .build(),
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
