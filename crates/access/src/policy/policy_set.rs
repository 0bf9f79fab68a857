//! A set of policies: read from text, held against the schema, and asked.

use std::{collections::HashMap, thread};

use cedar_policy::{
    Authorizer, Effect as CedarEffect, Policy as CedarPolicy, PolicyId, PolicySet as CedarSet,
    ValidationMode, Validator,
};

use super::{
    DecidingPolicy, Decision, Effect, NamedType, PolicySummary,
    diagnosis::{line_of, problem, said_once},
    facts::Facts,
    file::{PolicyFile, revision},
    looked_at::LookedAt,
    nesting::too_deep,
    problem::{InvalidPolicies, PolicyProblem},
    vocabulary::Vocabulary,
};

/// Longer names of policies are refused: they stand in each line of the audit trail.
const LONGEST_ID: usize = 128;

/// A set without policies is taken for a mistake, such as a file that is being written.
const NO_POLICY: &str = "there is no policy, so nobody could do anything; if that is meant, say it: \
    forbid (principal, action, resource);";

/// Bytes of stack for reading policies.
const PARSER_STACK: usize = 64 << 20;

/// Policies that fit the schema.
pub(super) struct PolicySet {
    policies: CedarSet,
    described: HashMap<PolicyId, DecidingPolicy>,
    vocabulary: Vocabulary,
    /// What any of them looks at.
    pub(super) looked_at: LookedAt,
    /// Tells this set from others.
    pub(super) revision: String,
    warnings: Vec<PolicyProblem>,
    integration_types: Vec<NamedType>,
}

/// What is read so far.
#[derive(Default)]
struct Draft {
    policies: CedarSet,
    described: HashMap<PolicyId, DecidingPolicy>,
    problems: Vec<PolicyProblem>,
    integration_types: Vec<NamedType>,
}

impl PolicySet {
    /// Reads the policies; each problem is named, not only the first.
    pub(super) fn parse(files: &[PolicyFile], environment: &str) -> Result<Self, InvalidPolicies> {
        with_deep_stack(|| Self::parse_here(files, environment))
    }

    fn parse_here(files: &[PolicyFile], environment: &str) -> Result<Self, InvalidPolicies> {
        let vocabulary = Vocabulary::new(environment)
            .map_err(|error| PolicyProblem::new("schema.cedarschema", error))?;
        let mut draft = Draft::default();
        for file in files {
            draft.read(file);
        }
        let Draft {
            policies,
            described,
            mut problems,
            integration_types,
        } = draft;
        let validated =
            Validator::new(vocabulary.schema().clone()).validate(&policies, ValidationMode::Strict);
        let located = |id: &PolicyId| {
            let location = described.get(id).map(|it| it.location.as_str());
            let (name, line) = location?.rsplit_once(':')?;
            let file = files.iter().find(|file| file.name == name)?;
            Some((file, line.parse().ok()?))
        };
        let errors = validated.validation_errors();
        problems.extend(errors.filter_map(|it| Some(problem(located(it.policy_id())?, it))));
        if policies.is_empty() && problems.is_empty() {
            problems.push(PolicyProblem::new("policies", NO_POLICY));
        }
        if !validated.validation_passed() && problems.is_empty() {
            problems.push(PolicyProblem::new("policies", validated.to_string()));
        }
        let problems = said_once(problems);
        let warnings = validated.validation_warnings();
        let warnings = warnings.filter_map(|it| Some(problem(located(it.policy_id())?, it)));
        let warnings = said_once(warnings.collect());
        if !problems.is_empty() {
            return Err(InvalidPolicies { problems });
        }
        Ok(Self {
            looked_at: LookedAt::by(&policies),
            revision: revision(files),
            policies,
            described,
            vocabulary,
            warnings,
            integration_types,
        })
    }

    /// What there is to say about it.
    pub(super) fn summary(&self) -> PolicySummary {
        PolicySummary {
            revision: self.revision.clone(),
            count: self.described.len(),
            warnings: self.warnings.clone(),
            integration_types: self.integration_types.clone(),
        }
    }

    /// The same set as one whose policies are nobody's file.
    pub(super) fn without_locations(mut self) -> Self {
        for policy in self.described.values_mut() {
            policy.location.clear();
        }
        self
    }

    /// What the policies say. What cannot be asked is refused, and so is what only policies permit that fail.
    pub(super) fn decide(&self, facts: &Facts<'_>) -> Decision {
        let (request, entities) = match self.vocabulary.ask(facts) {
            Ok(question) => question,
            Err(error) => {
                tracing::error!(%error, "a question to the policies was refused unasked");
                return Decision::default();
            }
        };
        let response = Authorizer::new().is_authorized(&request, &self.policies, &entities);
        let diagnostics = response.diagnostics();
        for error in diagnostics.errors() {
            tracing::error!(%error, "a policy failed and took no part in a decision");
        }
        let mut policies: Vec<_> = diagnostics
            .reason()
            .filter_map(|id| self.described.get(id).cloned())
            .collect();
        policies.sort_by(|one, other| one.id.cmp(&other.id));
        Decision {
            allowed: response.decision() == cedar_policy::Decision::Allow,
            policies,
        }
    }
}

impl Draft {
    fn read(&mut self, file: &PolicyFile) {
        if let Some(at) = too_deep(&file.text) {
            let location = format!("{}:{}", file.name, line_of(&file.text, at));
            let message = "the policy goes too deep; make several of it";
            return self.problems.push(PolicyProblem::new(location, message));
        }
        let parsed: CedarSet = match file.text.parse() {
            Ok(parsed) => parsed,
            Err(errors) => {
                let errors: cedar_policy::ParseErrors = errors;
                let problems = errors.iter().map(|error| problem((file, 1), error));
                return self.problems.extend(problems);
            }
        };
        let lines = lines(&parsed, file);
        for template in parsed.templates() {
            let line = lines.get(template.id()).copied().unwrap_or(1);
            self.problems.push(PolicyProblem::new(
                format!("{}:{line}", file.name),
                "templates (?principal, ?resource) are not supported; write the policy with what it is about",
            ));
        }
        let mut policies: Vec<_> = parsed.policies().collect();
        policies.sort_by_key(|policy| number(policy.id()));
        for (position, policy) in policies.into_iter().enumerate() {
            let line = lines.get(policy.id()).copied().unwrap_or(1);
            let location = format!("{}:{line}", file.name);
            match self.name(policy, position, file) {
                Ok(id) => self.add(policy, id, location),
                Err(message) => self.problems.push(PolicyProblem::new(location, message)),
            }
        }
    }

    /// What the policy is called: by its annotation `@id`, or else by its file and place in it.
    fn name(
        &self,
        policy: &CedarPolicy,
        position: usize,
        file: &PolicyFile,
    ) -> Result<String, String> {
        let Some(id) = policy.annotation("id") else {
            return Ok(format!("{}#{}", file.name, position + 1));
        };
        let bad = id.trim().is_empty() || id.len() > LONGEST_ID || id.contains(char::is_control);
        if bad {
            return Err(format!(
                "@id must be 1 to {LONGEST_ID} characters, all of them visible; give the policy a name like \
                 @id(\"billing-reads-calendars\")"
            ));
        }
        match self.described.get(&PolicyId::new(id)) {
            Some(other) => Err(format!(
                "there is another policy with @id {id:?} at {}; give one of them another",
                other.location
            )),
            None => Ok(id.to_owned()),
        }
    }

    fn add(&mut self, policy: &CedarPolicy, id: String, location: String) {
        let literals = policy.entity_literals();
        if let Some(literal) = literals
            .iter()
            .find(|literal| literal.type_name().basename() == "Connection")
        {
            self.problems.push(PolicyProblem::new(
                &location,
                format!(
                    "{literal}: connections have no names in policies; say what they are in, such as \
                     resource in IntegrationType::\"slack\" or resource in Connector::\"CONNECTOR_ID\""
                ),
            ));
        }
        for literal in &literals {
            if literal.type_name().basename() == "IntegrationType" {
                self.integration_types.push(NamedType {
                    name: literal.id().unescaped().to_owned(),
                    location: location.clone(),
                });
            }
        }
        let policy_id = PolicyId::new(&id);
        if let Err(error) = self.policies.add(policy.new_id(policy_id.clone())) {
            self.problems
                .push(PolicyProblem::new(location, error.to_string()));
            return;
        }
        let described = DecidingPolicy {
            id,
            effect: match policy.effect() {
                CedarEffect::Permit => Effect::Permit,
                CedarEffect::Forbid => Effect::Forbid,
            },
            description: policy
                .annotation("description")
                .unwrap_or_default()
                .to_owned(),
            location,
        };
        self.described.insert(policy_id, described);
    }
}

/// Runs it where there is stack enough for what is not too deep: Cedar's parser takes much for each bracket.
fn with_deep_stack<T: Send>(
    parse: impl FnOnce() -> Result<T, InvalidPolicies> + Send,
) -> Result<T, InvalidPolicies> {
    let failed = |why: &str| InvalidPolicies::from(PolicyProblem::new("policies", why));
    thread::scope(|scope| {
        let reader = thread::Builder::new().stack_size(PARSER_STACK);
        let reader = reader.spawn_scoped(scope, parse);
        let reader = reader.map_err(|error| failed(&error.to_string()))?;
        let parsed = reader.join();
        parsed.unwrap_or_else(|_| Err(failed("reading them failed unexpectedly")))
    })
}

/// The line that each policy and template of a file begins on. Their texts are parts of the file's, one after the other.
fn lines(parsed: &CedarSet, file: &PolicyFile) -> HashMap<PolicyId, usize> {
    let policies = parsed
        .policies()
        .map(|policy| (policy.id(), policy.to_cedar().unwrap_or_default()));
    let templates = parsed
        .templates()
        .map(|template| (template.id(), template.to_cedar()));
    let mut texts: Vec<_> = policies.chain(templates).collect();
    texts.sort_by_key(|(id, _)| number(id));
    let mut from = 0;
    let mut lines = HashMap::new();
    for (id, text) in texts {
        let rest = file.text.get(from..).unwrap_or_default();
        let at = from + rest.find(&text).unwrap_or_default();
        from = at + text.len();
        lines.insert(id.clone(), line_of(&file.text, at));
    }
    lines
}

/// The parser names policies and templates `policy0`, `policy1` ... as they come.
fn number(id: &PolicyId) -> usize {
    let id: &str = id.as_ref();
    let number = id.strip_prefix("policy").map(str::parse);
    number.and_then(Result::ok).unwrap_or(usize::MAX)
}
