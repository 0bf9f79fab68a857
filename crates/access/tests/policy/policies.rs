//! Policies: what is built in, how they are read, refused and changed, and what decisions say.

use std::{
    fs,
    os::unix::fs::symlink,
    path::Path,
    sync::Arc,
    time::{Duration, Instant},
};

use proptest::prelude::*;
use tokend_access::{
    ACTIONS, AccessRequest, Action, Effect, InvalidPolicies, Policy, PolicyFile, PolicySummary,
    Resource, check_policy_files,
};
use tokend_model::{WorkspaceName, ports::CallerRole};

use crate::asking::{Question, asked_by, policy_of, write};

const ALL: &str = "@id(\"all\")\n@description(\"All.\")\npermit (principal, action, resource);\n";

#[test]
fn without_files_backends_use_and_operators_administer() {
    let policy = Policy::open(None, "").unwrap();
    for action in ACTIONS {
        let passes = |role| asked_by("x", role).doing(action).passes(&policy);
        assert!(passes(Some(CallerRole::Operator)), "{action}");
        let backend = passes(Some(CallerRole::Backend));
        assert_eq!(backend, !action.is_administrative(), "{action}");
        assert!(!passes(None), "{action}");
    }
    let decision = asked_by("x", Some(CallerRole::Backend)).decide(&policy);
    let [decided] = &decision.policies[..] else {
        panic!("{decision:?}");
    };
    assert_eq!(
        (
            decided.id.as_str(),
            decided.effect,
            decided.location.as_str()
        ),
        ("backends-use", Effect::Permit, "")
    );
    assert_eq!(policy.reload().unwrap(), None);
}

#[test]
fn a_decision_names_the_policies_that_decided_and_where_they_stand() {
    let rest = "// A comment.\n\n@id(\"no-slack\")\n@description(\"Slack is out.\")\nforbid (principal, action, resource \
                in IntegrationType::\"slack\");\n\npermit (principal, action == Action::\"vend\", resource);\n";
    let policy = policy_of(&[ALL, rest]);
    let decided = |question: Question| -> Vec<_> {
        let decision = question.decide(&policy);
        let policies = decision.policies.iter();
        policies
            .map(|it| (it.id.clone(), it.effect, it.location.clone()))
            .collect()
    };
    assert_eq!(
        decided(asked_by("x", None)),
        [
            (
                "1.cedar#2".to_owned(),
                Effect::Permit,
                "1.cedar:7".to_owned()
            ),
            ("all".to_owned(), Effect::Permit, "0.cedar:1".to_owned()),
        ]
    );
    assert_eq!(
        decided(asked_by("x", None).about("slack")),
        [(
            "no-slack".to_owned(),
            Effect::Forbid,
            "1.cedar:3".to_owned()
        )]
    );
    let nothing =
        policy_of(&["forbid (principal, action, resource) when { principal.role == \"x\" };"]);
    assert_eq!(*asked_by("x", None).decide(&nothing), Default::default());
}

#[test]
fn each_mistake_is_named_with_its_line() {
    for (text, location, says) in [
        (
            "permit (principal, action, resource)",
            "p.cedar:1",
            "unexpected",
        ),
        (
            "\n\npermit (principal, action, resource)\nwhen { principal.nmae == \"x\" };",
            "p.cedar:4",
            "nmae",
        ),
        (
            "permit (principal == User::\"x\", action, resource);",
            "p.cedar:1",
            "User",
        ),
        (
            "\npermit (principal, action == Action::\"vendd\", resource);",
            "p.cedar:2",
            "vendd",
        ),
        (
            "permit (principal, action, resource)\nwhen { context.app_user.id == \"x\" };",
            "p.cedar:2",
            "has",
        ),
        (
            "permit (principal, action, resource) when { principal.name == 1 };",
            "p.cedar:1",
            "",
        ),
        (
            "\npermit (principal == ?principal, action, resource);",
            "p.cedar:2",
            "template",
        ),
        (
            "permit (principal, action, resource == Connection::\"x\");",
            "p.cedar:1",
            "no names",
        ),
        (
            "@id(\"\")\npermit (principal, action, resource);",
            "p.cedar:1",
            "@id",
        ),
    ] {
        let invalid = check(&[("p.cedar", text)]).unwrap_err();
        let [problem] = &invalid.problems[..] else {
            panic!("{text}: {invalid}");
        };
        assert_eq!(problem.location, location, "{text}: {invalid}");
        assert!(problem.message.contains(says), "{text}: {invalid}");
    }
    let twice = check(&[("a.cedar", ALL), ("b.cedar", &format!("\n{ALL}"))]).unwrap_err();
    assert_eq!(twice.problems[0].location, "b.cedar:2");
    assert!(twice.to_string().contains("a.cedar:1"), "{twice}");
    let never = "permit (principal, action, resource) when { principal.name == \"a\" && false };";
    let checked = check(&[("p.cedar", never)]).unwrap();
    assert_eq!(checked.warnings[0].location, "p.cedar:1");
}

#[test]
fn all_mistakes_of_all_files_are_named_at_once() {
    let invalid = check(&[
        ("a.cedar", "permit (principal, action);"),
        (
            "b.cedar",
            "permit (principal, action, resource) when { principal.x };",
        ),
        (
            "c.cedar",
            "permit (principal == ?principal, action, resource);",
        ),
    ]);
    let problems = invalid.unwrap_err().problems;
    let mut locations: Vec<_> = problems.iter().map(|it| it.location.as_str()).collect();
    locations.sort_unstable();
    assert_eq!(locations, ["a.cedar:1", "b.cedar:1", "c.cedar:1"]);
}

#[test]
fn a_path_that_holds_no_policies_is_refused() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path();
    assert!(check_policies(&path.join("missing.cedar")).is_err());
    write(path, "notes.txt", "not a policy");
    write(path, ".hidden.cedar", "not a policy");
    let empty = check_policies(path).unwrap_err().to_string();
    assert!(empty.contains("no *.cedar file"), "{empty}");
    write(path, "a.cedar", ALL);
    assert_eq!(check_policies(path).unwrap().count, 1);
    assert_eq!(check_policies(&path.join("a.cedar")).unwrap().count, 1);
    fs::write(path.join("b.cedar"), [0xff, 0xfe]).unwrap();
    assert!(check_policies(path).is_err());
    fs::write(path.join("b.cedar"), vec![b'/'; (1 << 20) + 1]).unwrap();
    let long = check_policies(path).unwrap_err().to_string();
    assert!(long.contains("1 MiB"), "{long}");
}

#[test]
fn what_changes_is_in_force_at_once_and_what_is_bad_never() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path();
    write(path, "a.cedar", ALL);
    let policy = Policy::open(Some(path.to_owned()), "").unwrap();
    let question = asked_by("x", None);
    assert!(question.passes(&policy));
    assert_eq!(policy.reload().unwrap(), None);

    write(path, "b.cedar", "forbid (principal, action, resource) whn;");
    let problems = settled(&policy).unwrap_err().problems;
    assert_eq!(problems[0].location, "b.cedar:1");
    assert_eq!(settled(&policy).unwrap(), None, "said once");
    assert!(question.passes(&policy));
    write(
        path,
        "b.cedar",
        "\nforbid (principal, action, resource) whn;",
    );
    assert!(settled(&policy).is_err(), "this is another mistake");
    assert!(question.passes(&policy));

    write(path, "b.cedar", "forbid (principal, action, resource);");
    let changed = settled(&policy).unwrap().unwrap();
    assert_eq!(changed.count, 2);
    assert_eq!(policy.summary(), changed);
    assert!(
        !question.passes(&policy),
        "what was decided before is forgotten"
    );
    fs::remove_dir_all(path).unwrap();
    assert!(settled(&policy).is_err());
    assert!(!question.passes(&policy));
}

/// Two looks: what is there has stayed as it was.
fn settled(policy: &Policy) -> Result<Option<PolicySummary>, InvalidPolicies> {
    assert_eq!(policy.reload()?, None, "the first look changes nothing");
    policy.reload()
}

#[test]
fn what_is_written_in_place_is_not_taken_before_it_is_whole() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path();
    let whole =
        format!("{ALL}\nforbid (principal, action, resource in IntegrationType::\"slack\");");
    write(path, "a.cedar", &whole);
    let policy = Policy::open(Some(path.to_owned()), "").unwrap();
    let slack = asked_by("x", None).about("slack");
    assert!(!slack.passes(&policy));

    // Cut where a policy ends, empty, half a policy: each reads differently from look to look.
    let longer =
        format!("{whole}\npermit (principal, action, resource in IntegrationType::\"github\");");
    for half in [ALL, "", &longer[..whole.len() + 10], &whole] {
        write(path, "a.cedar", half);
        assert_eq!(policy.reload().unwrap(), None, "{half}");
        assert!(!slack.passes(&policy), "{half}");
    }
    write(path, "a.cedar", &longer);
    assert_eq!(settled(&policy).unwrap().unwrap().count, 3);
    assert!(!slack.passes(&policy));

    // What was seen, and then went back, is not half the way there.
    write(path, "a.cedar", ALL);
    assert_eq!(policy.reload().unwrap(), None);
    write(path, "a.cedar", &longer);
    assert_eq!(policy.reload().unwrap(), None);
    write(path, "a.cedar", ALL);
    assert_eq!(policy.reload().unwrap(), None);
    assert!(!slack.passes(&policy));
}

#[test]
fn no_policy_at_all_is_taken_for_a_mistake_and_forbidding_all_is_not() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path();
    for empty in ["", "// Nothing is permitted yet.\n"] {
        write(path, "a.cedar", empty);
        let Err(refused) = Policy::open(Some(path.to_owned()), "") else {
            panic!("a start without policies")
        };
        assert!(
            refused
                .to_string()
                .contains("forbid (principal, action, resource);"),
            "{refused}"
        );
    }
    write(path, "a.cedar", ALL);
    let policy = Policy::open(Some(path.to_owned()), "").unwrap();
    let question = asked_by("x", None);
    write(path, "a.cedar", "");
    assert!(settled(&policy).is_err());
    assert_eq!(settled(&policy).unwrap(), None, "said once");
    assert!(question.passes(&policy), "the good one stays");
    write(path, "a.cedar", "forbid (principal, action, resource);");
    assert_eq!(settled(&policy).unwrap().unwrap().count, 1);
    assert!(!question.passes(&policy));
}

#[tokio::test]
async fn a_start_waits_for_policies_that_are_being_written() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("a.cedar");
    fs::write(&path, ALL).unwrap();
    let whole = format!("{ALL}\nforbid (principal, action, resource);");
    let writing = async {
        let mut pace = tokio::time::interval(Duration::from_millis(20));
        for end in ALL.len()..=whole.len() {
            pace.tick().await;
            fs::write(&path, &whole[..end]).unwrap();
        }
    };
    let opening = Policy::open_settled(Some(path.clone()), "");
    let (policy, ()) = tokio::join!(opening, writing);
    assert_eq!(policy.unwrap().summary().count, 2);
}

#[test]
fn a_config_map_is_read_as_kubernetes_mounts_and_swaps_it() {
    let mount = tempfile::tempdir().unwrap();
    let path = mount.path();
    let version = |name: &str, text: &str| {
        fs::create_dir(path.join(name)).unwrap();
        write(&path.join(name), "p.cedar", text);
    };
    let point_at = |name: &str| {
        symlink(name, path.join("..data_tmp")).unwrap();
        fs::rename(path.join("..data_tmp"), path.join("..data")).unwrap();
    };
    version("..2026_01", ALL);
    point_at("..2026_01");
    symlink(Path::new("..data/p.cedar"), path.join("p.cedar")).unwrap();
    let policy = Policy::open(Some(path.to_owned()), "").unwrap();
    assert!(asked_by("x", None).passes(&policy));
    version("..2026_02", "forbid (principal, action, resource);");
    point_at("..2026_02");
    assert_eq!(settled(&policy).unwrap().unwrap().count, 1);
    assert!(!asked_by("x", None).passes(&policy));
}

#[test]
fn what_policies_look_at_tells_questions_apart_and_nothing_else_does() {
    let texts = [
        "permit (principal == Caller::\"a\", action, resource) when { context has app_user && context.app_user.id == \"ada\" };",
        "permit (principal == Caller::\"b\", action, resource) when { context.scopes.contains(\"read\") };",
        "permit (principal == Caller::\"c\", action, resource) when { resource.label == \"main\" };",
        "permit (principal == Caller::\"d\", action, resource in Connector::\"one\");",
        "permit (principal == Caller::\"e\", action, resource) when { resource.owner == \"app_user\" };",
    ];
    let together = policy_of(&texts);
    for (number, text) in texts.iter().enumerate() {
        let alone = policy_of(&[text]);
        let caller = ["a", "b", "c", "d", "e"][number];
        // Both orders, so that what was remembered would show.
        for round in 0..2 {
            for bits in 0..16_u8 {
                let bits = if round == 0 { bits } else { 15 - bits };
                let is = |bit: u8| bits & (1 << bit) != 0;
                let question = Question {
                    user: is(0).then(|| "ada".to_owned()),
                    label: if is(1) { "main" } else { "" }.to_owned(),
                    connector_id: if is(3) { "one" } else { "two" }.to_owned(),
                    ..asked_by(caller, None).with(if is(2) { &["read"] } else { &[] })
                };
                let expected = match caller {
                    "a" | "e" => is(0),
                    "b" => is(2),
                    "c" => is(1),
                    _ => is(3),
                };
                assert_eq!(question.passes(&alone), expected, "{caller} {bits:b}");
                assert_eq!(question.passes(&together), expected, "{caller} {bits:b}");
            }
        }
    }
}

#[test]
fn what_is_nested_deeply_is_refused_or_used_and_ends_nothing() {
    let nested = [
        ("(", ")"),
        ("!", ""),
        ("[", "]"),
        ("{a: ", "}.a"),
        ("if true then ", " else false"),
        ("if true then true else ", ""),
        ("true && ", ""),
        ("false || ", ""),
        ("1 + ", " == 1"),
        ("principal.name == \"\" || ", ""),
        ("", ".a"),
        ("", ".contains(1)"),
        ("[true].contains(", ")"),
        ("principal has a.", ""),
    ];
    for (open, close) in nested {
        // The deepest that is taken, and far deeper ones.
        let (mut deepest, mut step) = (0, 4_096);
        while step > 0 {
            let deeper = deepest + step;

            if !says(open, close, deeper).contains("too deep") {
                deepest = deeper;
            }
            step /= 2;
        }
        assert!(deepest < 2_000, "{open} {close}");
        says(open, close, 30_000);
    }
}

/// What is said about an expression within so many others; if nothing, it is used.
fn says(open: &str, close: &str, depth: usize) -> String {
    let (open, close) = (open.repeat(depth), close.repeat(depth));
    let text = format!("permit (principal, action, resource) when {{ {open}true{close} }};");
    match check(&[("deep.cedar", &text)]) {
        Ok(_) => {
            let _ = asked_by("x", None).decide(&policy_of(&[&text]));
            String::new()
        }
        Err(invalid) => invalid.to_string(),
    }
}

proptest! {
    #[test]
    fn no_question_ends_the_process(
        name in any::<String>(),
        texts in prop::collection::vec(any::<String>(), 3),
        scopes in prop::collection::vec(any::<String>(), 0..5),
        action in prop::sample::select(&ACTIONS[..]),
        long in 0_usize..5_000,
    ) {
        let policy = policy_of(&[
            ALL,
            "forbid (principal, action, resource) when { principal.name like \"a*b\" || context.scopes.contains(\"x\") || \
             resource.label == \"y\" || resource in IntegrationType::\"z\" || (context has app_user && \
             context.app_user.id == principal.name) };",
        ]);
        let mut texts = texts.into_iter();
        let mut next = || texts.next().unwrap_or_default();
        let question = Question {
            integration_type: next(),
            connector_id: next(),
            label: next() + &"l".repeat(long),
            scopes,
            ..asked_by(&name, None).doing(action)
        };
        // What is remembered is what is decided.
        prop_assert_eq!(question.decide(&policy), question.decide(&policy));
        let _ = asked_by(&name, Some(CallerRole::Backend)).decide(&policy);
    }

    #[test]
    fn no_text_ends_the_process(text in any::<String>(), tail in "[a-z(){}\\[\\]!=<>\"&|.?@;: ]*") {
        let _ = check(&[("p.cedar", &text)]);
        let _ = check(&[("p.cedar", &format!("permit (principal, action, resource) when {{ {tail}"))]);
    }
}

/// cargo test -p tokend-access --test policy -- --ignored --nocapture what_a_decision_costs
#[test]
#[ignore = "a measurement"]
fn what_a_decision_costs() {
    let examples = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/policies");
    let policy = Policy::open(Some(examples.into()), "test").unwrap();
    let question = asked_by("billing", None);
    let (caller, workspace) = (
        Arc::new(question.caller),
        WorkspaceName::default_workspace(),
    );
    let types: Vec<_> = (0..2_000).map(|number| format!("type{number}")).collect();
    for what in ["decided", "remembered", "remembered"] {
        let started = Instant::now();
        for integration_type in &types {
            let _ = policy.decide(&AccessRequest {
                caller: &caller,
                action: Action::Vend,
                workspace: &workspace,
                resource: Resource {
                    integration_type,
                    ..Resource::default()
                },
                scopes: &[],
                app_user: None,
            });
        }
        let each: Duration = started.elapsed() / types.len() as u32;
        println!("{what}: {each:?} each");
    }
}

fn check_policies(path: &Path) -> Result<PolicySummary, InvalidPolicies> {
    Ok(Policy::open(Some(path.to_owned()), "")?.summary())
}

fn check(files: &[(&str, &str)]) -> Result<PolicySummary, InvalidPolicies> {
    let files = files.iter().map(|(name, text)| PolicyFile {
        name: (*name).to_owned(),
        text: (*text).to_owned(),
    });
    check_policy_files(&files.collect::<Vec<_>>())
}

#[test]
fn every_action_is_in_the_group_it_belongs_to() {
    for (group, administrative) in [("use", false), ("administer", true)] {
        let policy = policy_of(&[&format!(
            "permit (principal, action in Action::\"{group}\", resource);"
        )]);
        for action in ACTIONS {
            let passes = asked_by("x", None).doing(action).passes(&policy);
            assert_eq!(passes, action.is_administrative() == administrative);
        }
    }
    let vend = policy_of(&["permit (principal, action == Action::\"vend\", resource);"]);
    assert!(asked_by("x", None).doing(Action::Vend).passes(&vend));
}
