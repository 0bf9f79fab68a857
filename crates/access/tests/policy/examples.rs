//! The examples of docs/policies say what they are said to say.

use std::{fs, path::PathBuf};

use tokend_access::{ACTIONS, Action, BUILT_IN_POLICIES, CallerKind, Policy};
use tokend_model::ports::CallerRole;

use crate::asking::{Question, asked_by, asked_by_kind, policy_of};

fn directory() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../docs/policies")
}

fn text(name: &str) -> String {
    fs::read_to_string(directory().join(name)).unwrap()
}

fn example(name: &str) -> Policy {
    policy_of(&[&text(name)])
}

/// Beside the policies that come with tokend, for those that only forbid.
fn beside_the_built_in(name: &str) -> Policy {
    policy_of(&[&text(name), BUILT_IN_POLICIES])
}

fn named(name: &str) -> Question {
    asked_by(name, None)
}

fn kubernetes(issuer: &str, namespace: &str) -> Question {
    let kind = CallerKind::Kubernetes {
        issuer: issuer.to_owned(),
        namespace: namespace.to_owned(),
        service_account: "sa".to_owned(),
        pod: None,
    };
    asked_by_kind(&format!("system:serviceaccount:{namespace}:sa"), None, kind)
}

fn spiffe(id: &str) -> Question {
    let trust_domain = "acme.test".to_owned();
    asked_by_kind(id, None, CallerKind::Spiffe { trust_domain })
}

/// Those that pass, and those that do not.
fn holds(policy: &Policy, pass: &[Question], fail: &[Question]) {
    for (questions, expected) in [(pass, true), (fail, false)] {
        for (number, question) in questions.iter().enumerate() {
            let caller = &question.caller.name;
            let passes = question.passes(policy);
            assert_eq!(passes, expected, "{number}: {caller} {}", question.action);
        }
    }
}

#[test]
fn all_ten_fit_the_schema_together_and_every_one_says_what_it_is_for() {
    let files = fs::read_dir(directory()).unwrap().count();
    let checked = Policy::open(Some(directory()), "").unwrap().summary();
    assert_eq!((files, checked.count), (10, 12));
    assert_eq!(checked.warnings, []);
    let documented = fs::read_to_string(directory().join("../policy.md")).unwrap();
    for entry in fs::read_dir(directory()).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        let text = text(&name);
        let permits = text.matches("\npermit (").count() + text.matches("\nforbid (").count();
        assert_eq!(text.matches("\n@id(").count(), permits, "{name}");
        assert_eq!(text.matches("\n@description(").count(), permits, "{name}");
        assert!(documented.contains(&format!("policies/{name}")), "{name}");
    }
}

#[test]
fn one_backend_one_service() {
    holds(
        &example("one-backend-one-service.cedar"),
        &[named("billing").about("stripe")],
        &[
            named("billing").about("xero"),
            named("billing").about("stripe2"),
            named("billing").about("stripe").doing(Action::VendForUser),
            named("billing")
                .about("stripe")
                .doing(Action::ManageConnectors),
            named("billing2").about("stripe"),
            asked_by("shop", Some(CallerRole::Operator)).about("stripe"),
        ],
    );
}

#[test]
fn a_kubernetes_namespace() {
    let cluster = "https://kubernetes.default.svc.cluster.local";
    let elsewhere = Question {
        workspace: "elsewhere",
        ..kubernetes(cluster, "reporting")
    };
    holds(
        &example("kubernetes-namespace.cedar"),
        &[
            kubernetes(cluster, "reporting").about("slack"),
            kubernetes(cluster, "reporting").about("github"),
        ],
        &[
            kubernetes(cluster, "reporting").doing(Action::Connect),
            kubernetes(cluster, "reporting2"),
            kubernetes("https://other.cluster.test", "reporting"),
            elsewhere,
            named("system:serviceaccount:reporting:sa"),
        ],
    );
}

#[test]
fn a_part_of_the_spiffe_tree() {
    let below = |id| spiffe(id).about("stripe");
    holds(
        &example("spiffe-path.cedar"),
        &[
            below("spiffe://acme.test/payments/worker"),
            below("spiffe://acme.test/payments/a/b").about("xero"),
        ],
        &[
            below("spiffe://acme.test/payments"),
            below("spiffe://acme.test/payments-test/worker"),
            below("spiffe://other.test/payments/worker"),
            below("spiffe://acme.test/payments/worker").about("slack"),
            named("spiffe://acme.test/payments/worker").about("stripe"),
        ],
    );
}

#[test]
fn scopes_that_only_read() {
    let calendar = "https://www.googleapis.com/auth/calendar.readonly";
    let drive = "https://www.googleapis.com/auth/drive.readonly";
    let all = "https://www.googleapis.com/auth/calendar";
    holds(
        &example("read-only-scopes.cedar"),
        &[
            named("search").with(&[calendar]),
            named("search")
                .with(&[calendar, drive])
                .about("googledrive"),
            named("search").with(&[drive]).doing(Action::VendForUser),
        ],
        &[
            named("search"),
            named("search").with(&[all]),
            named("search").with(&[calendar, all]),
            named("search").with(&[calendar]).about("slack"),
            named("other").with(&[calendar]),
        ],
    );
}

#[test]
fn frontends_that_act_for_users() {
    let doing = |name, action| Question {
        connector_id: "users".to_owned(),
        user: Some("ada".to_owned()),
        ..named(name).doing(action)
    };
    holds(
        &example("frontends-act-for-users.cedar"),
        &[
            doing("web-backend", Action::VendForUser),
            doing("web-backend", Action::Connect),
            doing("mobile-backend", Action::Disconnect),
            doing("mobile-backend", Action::ReadMetadata),
        ],
        &[
            doing("cron", Action::VendForUser),
            doing("cron", Action::Connect),
            named("web-backend"),
            doing("web-backend", Action::ManageUsers),
        ],
    );
}

#[test]
fn only_those_on_call_administer() {
    let policy = beside_the_built_in("on-call-administers.cedar");
    let (anna, other) = (
        asked_by("ops-anna", Some(CallerRole::Operator)),
        asked_by("ops-old", Some(CallerRole::Operator)),
    );
    for action in ACTIONS {
        assert!(anna.clone().doing(action).passes(&policy), "{action}");
        let passes = other.clone().doing(action).passes(&policy);
        assert_eq!(passes, !action.is_administrative(), "{action}");
    }
    let decision = other.doing(Action::RotateKeys).decide(&policy);
    assert_eq!(decision.policies[0].id, "nobody-else-administers");
}

#[test]
fn a_service_that_is_off_limits() {
    let (backend, operator) = (
        asked_by("shop", Some(CallerRole::Backend)),
        asked_by("ops", Some(CallerRole::Operator)),
    );
    let dropbox = |question: &Question, action| question.clone().about("dropbox").doing(action);
    holds(
        &beside_the_built_in("service-forbidden.cedar"),
        &[
            backend.clone(),
            dropbox(&operator, Action::ManageConnections),
            dropbox(&operator, Action::ReadConfiguration),
        ],
        &[
            dropbox(&backend, Action::Vend),
            dropbox(&backend, Action::VendForUser),
            dropbox(&backend, Action::Connect),
            dropbox(&operator, Action::Vend),
            dropbox(&operator, Action::ManageAuthorizations),
            dropbox(&operator, Action::ManageConnectors),
        ],
    );
    assert!(!backend.passes(&example("service-forbidden.cedar")));
}

#[test]
fn an_auditor() {
    let policy = example("auditor.cedar");
    for action in ACTIONS {
        let expected = [Action::ReadAudit, Action::ExplainAccess].contains(&action);
        assert_eq!(named("auditor").doing(action).passes(&policy), expected);
        assert!(!named("other").doing(action).passes(&policy));
    }
}

#[test]
fn staging_that_stays_out_of_production() {
    let production = |question: Question| Question {
        workspace: "production",
        ..question
    };
    let backend = |name| asked_by(name, Some(CallerRole::Backend));
    let mut in_namespace = kubernetes("https://cluster.test", "staging");
    in_namespace.caller.role = Some(CallerRole::Backend);
    holds(
        &beside_the_built_in("staging-stays-out.cedar"),
        &[
            backend("staging-shop"),
            in_namespace.clone(),
            production(backend("shop")),
        ],
        &[
            production(backend("staging-shop")),
            production(in_namespace),
            production(asked_by("staging-ops", Some(CallerRole::Operator))),
        ],
    );
    let files = tempfile::tempdir().unwrap();
    for (name, text) in [
        ("a.cedar", text("staging-stays-out.cedar").as_str()),
        ("b.cedar", BUILT_IN_POLICIES),
    ] {
        crate::asking::write(files.path(), name, text);
    }
    let here = Policy::open(Some(files.path().to_owned()), "production").unwrap();
    holds(&here, &[backend("shop")], &[backend("staging-shop")]);
}

#[test]
fn a_control_plane() {
    let policy = beside_the_built_in("control-plane.cedar");
    let alone = example("control-plane.cedar");
    let operator = asked_by("control-plane", Some(CallerRole::Operator));
    for action in ACTIONS {
        let question = operator.clone().doing(action);
        assert_eq!(question.passes(&policy), !action.is_vend(), "{action}");
        let manages = [
            Action::ReadMetadata,
            Action::ReadConfiguration,
            Action::ManageConnectors,
        ];
        assert_eq!(question.passes(&alone), manages.contains(&action));
    }
}
