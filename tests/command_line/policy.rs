//! `tokend policy`: policies checked without a server, and access explained by one.

use crate::home::Home;

const BILLING: &str = r#"@id("billing-gets-stripe")
@description("The billing service gets the shared Stripe token.")
permit (principal == Caller::"billing", action == Action::"vend", resource in IntegrationType::"stripe");
@id("operators")
permit (principal, action, resource) when { principal.role == "operator" };
"#;

#[tokio::test]
async fn checking_names_each_mistake_with_its_file_and_line_and_needs_no_server() {
    let mut home = Home::new();
    let built_in = home.succeed(&["policy", "check"]).await.stdout;
    assert!(built_in.contains("built in: 2 policies"), "{built_in}");
    home.write("policies/a.cedar", BILLING);
    let given = home.succeed(&["policy", "check", "policies"]).await;
    assert_eq!(given.stdout, "policies: 2 policies\n");
    assert!(!given.stderr.contains("warning"), "{}", given.stderr);
    let misspelt = BILLING.replace("stripe\"", "strip\"");
    home.write("misspelt.cedar", &misspelt);
    let warned = home.succeed(&["policy", "check", "misspelt.cedar"]).await;
    for part in ["misspelt.cedar:1: ", "\"strip\"", "'stripe'"] {
        assert!(warned.stderr.contains(part), "{part}: {}", warned.stderr);
    }
    home.set("TOKEND_ACCESS__POLICY_PATH", "policies/a.cedar");
    let configured = home.succeed(&["policy", "check"]).await.stdout;
    assert_eq!(configured, "policies/a.cedar: 2 policies\n");

    home.write("policies/b.cedar", "permit (principal, action);\n");
    home.write(
        "policies/c.cedar",
        "\npermit (principal, action, resource) when { principal.rôle == 1 };\n",
    );
    let ran = home.run(&["policy", "check", "policies"]).await;
    assert_eq!((ran.code, ran.stdout.as_str()), (65, ""), "{ran:?}");
    for place in ["policies", "b.cedar:1: ", "c.cedar:2: "] {
        assert!(ran.stderr.contains(place), "{place}: {}", ran.stderr);
    }
    home.set("TOKEND_ACCESS__POLICY_PATH", "policies");
    home.succeed(&["keys", "generate"]).await;
    let serve = home.run(&["serve"]).await;
    assert_eq!(serve.code, 78, "{}", serve.stderr);
    assert!(serve.stderr.contains("b.cedar:1: "), "{}", serve.stderr);

    let schema = home.succeed(&["policy", "schema"]).await.stdout;
    assert!(schema.contains("entity Caller"), "{schema}");
}

#[tokio::test]
async fn explaining_says_which_policy_decided_and_exits_with_3_if_it_is_no() {
    let mut home = Home::new();
    home.write("policies/a.cedar", BILLING);
    home.set("TOKEND_ACCESS__POLICY_PATH", "policies");
    let served = home.serve().await;
    home.succeed(&["callers", "add", "billing"]).await;
    let known = async || {
        let ran = home
            .run(&[
                "policy", "explain", "--caller", "billing", "--type", "stripe",
            ])
            .await;
        (ran.code == 0).then_some(ran.stdout)
    };
    let explained = tokend_tests::eventually("the key is known", known).await;
    for part in [
        "billing may vend (integration type stripe) in workspace default: ",
        "billing-gets-stripe",
        "a.cedar:1",
        "The billing service gets",
    ] {
        assert!(explained.contains(part), "{part}: {explained}");
    }
    let of_billing = ["policy", "explain", "--caller", "billing"];
    for (more, says) in [
        (&["--type", "slack"][..], "no policy permits it"),
        (
            &["--connector", "users", "--user", "ada"],
            "billing may not vend-for-user (connector users, app user ada)",
        ),
        (
            &["--action", "manage-connectors"],
            "may not manage-connectors",
        ),
        (
            &["--type", "strip"],
            "there is no integration type 'strip'; did you mean 'stripe'?",
        ),
        (
            &["--connector", "nowhere"],
            "there is no connector 'nowhere' here",
        ),
        (
            &[
                "--type", "slack", "--scope", "a", "--scope", "b", "--label", "x", "--json",
            ],
            "\"allowed\": false",
        ),
    ] {
        let ran = home.run(&[&of_billing[..], more].concat()).await;
        assert_eq!(ran.code, 3, "{ran:?}");
        assert!(ran.stdout.contains(says), "{says}: {}", ran.stdout);
    }
    let nobody = home
        .run(&["policy", "explain", "--caller", "nobody", "--type", "slack"])
        .await;
    assert_eq!(nobody.code, 65, "{nobody:?}");
    drop(served);
}
