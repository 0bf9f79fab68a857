//! `--help`: every command says what it is for.

use crate::home::Home;

const COMMANDS: [&[&str]; 20] = [
    &["serve"],
    &["demo"],
    &["migrate"],
    &["keys"],
    &["keys", "generate"],
    &["callers"],
    &["callers", "add"],
    &["callers", "list"],
    &["callers", "remove"],
    &["callers", "rotate"],
    &["connectors"],
    &["connectors", "list-available"],
    &["connectors", "push"],
    &["connectors", "pull"],
    &["connectors", "diff"],
    &["connect"],
    &["get"],
    &["connections", "list"],
    &["types"],
    &["types", "generate"],
];

#[tokio::test]
async fn help_lists_all_commands_and_each_has_its_own() {
    let home = Home::new();
    let all = home.succeed(&["--help"]).await.stdout;
    for command in COMMANDS {
        assert!(
            all.contains(&format!("\n  {} ", command[0])),
            "{command:?} is not in {all}"
        );
        let help = home.succeed(&[command, &["--help"]].concat()).await.stdout;
        let usage = format!("Usage: tokend {}", command.join(" "));
        assert!(help.contains(&usage), "{help}");
        assert!(
            !help.starts_with("Usage"),
            "it does not say what it is for: {help}"
        );
    }
}

#[tokio::test]
async fn what_is_no_command_is_a_usage_error_that_names_the_nearest() {
    let ran = Home::new().run(&["connector", "push"]).await;
    assert_eq!((ran.code, ran.stdout.as_str()), (2, ""));
    assert!(ran.stderr.contains("'connectors'"), "{}", ran.stderr);
}

#[tokio::test]
async fn commands_that_call_the_server_can_all_print_json() {
    let home = Home::new();
    for command in COMMANDS
        .iter()
        .filter(|command| command.len() == 2 || command[0] == "get")
    {
        let help = home
            .succeed(&[command, &["--help"][..]].concat())
            .await
            .stdout;
        assert!(help.contains("--json"), "{command:?}: {help}");
    }
}
