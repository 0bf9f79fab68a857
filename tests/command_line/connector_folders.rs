//! `tokend connectors push`, `pull` and `diff` over whole folders: there and back again, and what happens when files are
//! wrong, gone or changed.

use std::{fs, process::Stdio};

use serde_json::Value;
use tokend_simulator::{Simulator, SimulatorOptions};
use tokend_tests::definition;
use tokio::io::AsyncWriteExt;

use crate::{connector_files::write_connectors, home::Home};

/// 40 files: shared connectors, app users' ones, and types of one's own.
fn write_forty(home: &Home, simulator: &Simulator) {
    for name in ["github", "googlecalendar", "notion", "slack"] {
        let text = format!(
            "// {name}, ours\n{{\n  \"clientId\": \"{name}\",\n  \"clientSecretEnv\": \"CRM_SECRET\",\n}}\n"
        );
        home.write(&format!("connectors/{name}.jsonc"), &text);
    }
    for name in ["ours", "theirs"] {
        let file = format!("connectors/{name}.toml");
        home.write(
            &file,
            &format!("# {name}\n{}", definition(simulator.base_url())),
        );
    }
    for number in 0..34 {
        let integration_type = ["github", "slack", "ours", "theirs", "share_point"][number % 5];
        let config = match integration_type {
            "share_point" => ",\n  \"connectionConfig\": {\"tenant\": \"acme.example\"}",
            _ => "",
        };
        let change = ["accept", "ask", "refuse"][number % 3];
        let text = format!(
            "{{\n  \"integrationType\": \"{integration_type}\",\n  \"kind\": \"app_user\",\n  \"connectorId\": \"crm-{number}\",\n  \
             \"clientId\": \"client \\\"{number}\\\" é\",\n  \"displayName\": \"CRM {number}\",\n  \"disabled\": {},\n  \
             \"scopes\": [\"b\", \"a\"], // in this order\n  \"returnUrls\": [\"https://app.example/{number}\"],\n  \
             \"accountChange\": \"{change}\"{config}\n}}\n",
            number % 7 == 0
        );
        home.write(&format!("connectors/{number}.json"), &text);
    }
    let files = fs::read_dir(home.path("connectors")).unwrap();
    assert_eq!(files.count(), 40);
}

#[tokio::test]
async fn forty_files_are_pushed_and_pulled_elsewhere_without_a_difference() {
    let simulator = Simulator::start(SimulatorOptions::default()).await.unwrap();
    let mut home = Home::new();
    home.set("CRM_SECRET", "not much of one");
    let _served = home.serve().await;
    write_forty(&home, &simulator);
    let push = home
        .succeed(&["connectors", "push", "--yes", "--no-connect"])
        .await;
    assert_eq!(push.stdout.lines().count(), 41, "{}", push.stdout);
    let again = home.succeed(&["connectors", "diff"]).await;
    assert_eq!(again.stdout, "");

    let pulled = home
        .succeed(&["connectors", "pull", "elsewhere", "--json"])
        .await;
    assert_eq!(pulled.json()["files"].as_array().unwrap().len(), 40);
    let differs = home
        .succeed(&["connectors", "diff", "elsewhere", "--json"])
        .await
        .json();
    assert_eq!(differs["same"], true, "{differs}");
    let github = fs::read_to_string(home.path("elsewhere/github.jsonc")).unwrap();
    assert!(!github.contains("not much"), "{github}");
    let crm = fs::read_to_string(home.path("elsewhere/crm-1.jsonc")).unwrap();
    assert!(crm.contains("\"integrationType\": \"slack\""), "{crm}");

    // Where everything stands as it should, nothing is touched.
    let before = contents(&home, "connectors");
    let standing = home.succeed(&["connectors", "pull"]).await;
    assert!(
        standing
            .stdout
            .lines()
            .skip(1)
            .all(|line| line.starts_with("unchanged")),
        "{}",
        standing.stdout
    );
    assert_eq!(contents(&home, "connectors"), before);
}

#[tokio::test]
async fn a_pull_edits_what_changed_and_tells_what_is_gone() {
    let simulator = Simulator::start(SimulatorOptions::default()).await.unwrap();
    let mut home = Home::new();
    let _served = home.serve().await;
    write_connectors(&home, &simulator);
    home.succeed(&["connectors", "push", "--yes", "--no-connect"])
        .await;

    let wanted =
        "{\n  \"clientId\": \"other\",\n  \"scopes\": [\"events.read\", \"events.write\"]\n}\n";
    home.write("other/simshared.jsonc", wanted);
    home.write(
        "connectors/unknown.jsonc",
        "{\"clientId\": \"a\", \"integrationType\": \"github\"}",
    );
    let differs = home.run(&["connectors", "diff", "other"]).await;
    assert_eq!(differs.code, 1, "{differs:?}");
    for part in [
        "~ simshared",
        "client_id: \"simulated\" on the server, \"other\" in the files",
        "- simshared.toml",
    ] {
        assert!(differs.stdout.contains(part), "{part}: {}", differs.stdout);
    }
    home.succeed(&["connectors", "push", "other", "--yes", "--no-connect"])
        .await;

    let pulled = home.succeed(&["connectors", "pull"]).await;
    assert!(pulled.stderr.contains("unknown.jsonc"), "{}", pulled.stderr);
    let text = fs::read_to_string(home.path("connectors/simshared.jsonc")).unwrap();
    for kept in [
        "// Kept with the code: the secret is not in here.\n",
        "\"clientId\": \"other\", /* as registered */",
        "\"clientSecretFile\": \"secrets/simshared\",\n",
        "\"events.read\", // all we need\n",
        "\"events.write\"",
    ] {
        assert!(text.contains(kept), "{kept} is not in {text}");
    }
    assert!(home.path("connectors/unknown.jsonc").exists());
    home.succeed(&["connectors", "pull", "--prune"]).await;
    assert!(!home.path("connectors/unknown.jsonc").exists());
    assert!(home.path("connectors/notes.md").exists());
    home.succeed(&["connectors", "diff"]).await;
}

#[tokio::test]
async fn everything_that_is_wrong_is_told_at_once_and_nothing_is_applied() {
    let simulator = Simulator::start(SimulatorOptions::default()).await.unwrap();
    let mut home = Home::new();
    home.set("CRM_SECRET", "not much of one");
    let _served = home.serve().await;
    write_forty(&home, &simulator);
    home.write(
        "connectors/slack.jsonc",
        "{\n  \"clientId\": 7,\n  \"scope\": []\n}",
    );
    home.write("connectors/notion.jsonc", "{\n  \"clientId\": \"a\"\n");
    home.write(
        "connectors/github.jsonc",
        "{\n  \"clientId\": \"\",\n  \"scopes\": [\"a b\", \"c d\"],\n  \"connectionConfig\": {\n    \"x\": \"y\"\n  }\n}",
    );
    home.write(
        "connectors/slak.jsonc",
        "{\n  \"clientId\": \"a\",\n  \"clientSecretFile\": [\n\"none\"]\n}",
    );
    home.write(
        "connectors/slak2.jsonc",
        "{\n  \"integrationType\": \"slak\",\n  \"clientId\": \"a\"\n}",
    );
    home.write("connectors/ours.toml", "[about]\ndisplay_nam = \"Mine\"\n");
    home.write("connectors/worse.toml", "[about\n");
    let ran = home.run(&["connectors", "push", "--yes"]).await;
    assert_eq!((ran.code, ran.stdout.as_str()), (65, ""), "{ran:?}");
    for place in [
        "tokend: connectors/github.jsonc:2: clientId",
        "connectors/github.jsonc:3: scopes: \"a b\"",
        "connectors/github.jsonc:3: scopes: \"c d\"",
        "connectors/github.jsonc:5: connectionConfig.x",
        "connectors/notion.jsonc:1: ",
        "connectors/ours.toml:2: ",
        "connectors/slack.jsonc:2: ",
        "connectors/slack.jsonc:3: unknown key 'scope'",
        "connectors/slak.jsonc:3: 'clientSecretFile' connectors/none",
        "connectors/slak2.jsonc:2: integrationType: there is no integration type 'slak'",
        "connectors/worse.toml:1: ",
        "nothing was changed",
    ] {
        assert!(ran.stderr.contains(place), "{place}: {}", ran.stderr);
    }
    assert_no_connectors(&home).await;
}

#[tokio::test]
async fn more_errors_than_an_answer_has_room_for_are_all_told() {
    let mut home = Home::new();
    let _served = home.serve().await;
    for number in 0..120 {
        let text = format!(
            "{{\n  \"integrationType\": \"github\",\n  \"kind\": \"app_user\",\n  \"connectorId\": \"crm-{number}\",\n  \
             \"clientId\": \"\",\n  \"scopes\": [\"{}\"]\n}}",
            "a b ".repeat(30)
        );
        home.write(&format!("connectors/{number}.json"), &text);
    }
    let ran = home.run(&["connectors", "push", "--yes"]).await;
    assert_eq!(ran.code, 65, "{ran:?}");
    for number in 0..120 {
        for line in [5, 6] {
            let place = format!("connectors/{number}.json:{line}: ");
            assert!(ran.stderr.contains(&place), "{place}: {}", ran.stderr);
        }
    }
    assert!(
        ran.stderr.contains("240 errors in 120 file(s)"),
        "{}",
        ran.stderr
    );
    assert_no_connectors(&home).await;
}

#[tokio::test]
async fn two_files_of_one_connector_are_told_apart_by_nobody() {
    let mut home = Home::new();
    let _served = home.serve().await;
    home.write(
        "connectors/a.jsonc",
        "{\"integrationType\": \"github\",\n\"clientId\": \"a\"}",
    );
    home.write("connectors/github.jsonc", "{\"clientId\": \"b\"}");
    let twice = home.run(&["connectors", "push", "--yes"]).await;
    assert_eq!(twice.code, 65, "{twice:?}");
    assert!(
        twice.stderr.contains("github.jsonc:1: "),
        "{}",
        twice.stderr
    );
    home.write(
        "connectors/github.jsonc",
        "{\"clientId\": \"b\",\n\"connectorId\": \"another\"}",
    );
    let shared = home.run(&["connectors", "push", "--yes"]).await;
    assert_eq!(shared.code, 65, "{shared:?}");
    assert!(
        shared.stderr.contains("one shared connector"),
        "{}",
        shared.stderr
    );
}

#[tokio::test]
async fn a_name_that_a_type_also_answers_to_is_the_type() {
    let mut home = Home::new();
    let _served = home.serve().await;
    home.write("connectors/google_calendar.jsonc", "{\"clientId\": \"a\"}");
    let pushed = home
        .succeed(&["connectors", "push", "--yes", "--no-connect", "--json"])
        .await
        .json();
    let connector = &pushed["changes"][0]["connector"];
    assert_eq!(connector["integrationType"], "googlecalendar");
    assert_eq!(connector["connectorId"], "googlecalendar");
    let pulled = home.succeed(&["connectors", "pull", "--json"]).await.json();
    assert_eq!(pulled["files"][0]["action"], "unchanged", "{pulled}");
    home.succeed(&["connectors", "diff"]).await;
}

#[tokio::test]
async fn what_needs_nobody_s_consent_is_connected_at_once() {
    let simulator = Simulator::start(SimulatorOptions::default()).await.unwrap();
    let client = tokend_simulator::Client::new("machine");
    simulator.register(client.clone());
    let mut home = Home::new();
    home.set("MACHINE_SECRET", &client.secret);
    let _served = home.serve().await;
    let text = format!(
        "{{\"clientId\": \"machine\", \"clientSecretEnv\": \"MACHINE_SECRET\", \
         \"connectionConfig\": {{\"token_url\": \"{}/token\"}}}}",
        simulator.base_url()
    );
    home.write("connectors/generic_client_credentials.jsonc", &text);
    let pushed = home.succeed(&["connectors", "push", "--yes"]).await;
    assert!(
        pushed
            .stderr
            .contains("Connected generic_client_credentials"),
        "{}",
        pushed.stderr
    );
    home.succeed(&["get", "generic_client_credentials"]).await;
    let again = home.succeed(&["connectors", "push", "--yes"]).await;
    assert!(!again.stderr.contains("Connected"), "{}", again.stderr);
}

#[tokio::test]
async fn on_a_terminal_a_person_is_asked() {
    let Some(python) = std::env::var_os("TOKEND_TEST_PYTHON") else {
        return; // generated_types says so
    };
    let mut home = Home::new();
    let _served = home.serve().await;
    home.write("connectors/github.jsonc", "{\"clientId\": \"a\"}");
    let no = on_terminal(&home, &python, "n\n").await;
    assert!(no.contains("Apply this (create 1)? [y/N]"), "{no}");
    assert!(no.contains("nothing was changed"), "{no}");
    assert_no_connectors(&home).await;
    let yes = on_terminal(&home, &python, "y\nn\n").await;
    assert!(
        yes.contains("Connect the shared account of github now"),
        "{yes}"
    );
    assert!(yes.contains("tokend connect github"), "{yes}");
    home.succeed(&["connectors", "diff"]).await;
}

/// Runs a push on a terminal of its own, with what is typed there; answers what it shows.
async fn on_terminal(home: &Home, python: &std::ffi::OsStr, typed: &str) -> String {
    let push = home.command(&["connectors", "push"]);
    let push = push.as_std();
    let mut command = tokio::process::Command::new(python);
    command
        .args(["-c", "import pty, sys; pty.spawn(sys.argv[1:])"])
        .arg(push.get_program())
        .args(push.get_args())
        .current_dir(home.path("."))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .kill_on_drop(true);
    for (name, value) in push.get_envs() {
        match value {
            Some(value) => command.env(name, value),
            None => command.env_remove(name),
        };
    }
    let mut child = command.spawn().unwrap();
    let mut keyboard = child.stdin.take().unwrap();
    keyboard.write_all(typed.as_bytes()).await.unwrap();
    // It stays plugged in: its end would be that of the terminal.
    let shown = child.wait_with_output().await.unwrap();
    drop(keyboard);
    String::from_utf8(shown.stdout).unwrap()
}

async fn assert_no_connectors(home: &Home) {
    let differs = home.run(&["connectors", "pull", "nothing", "--json"]).await;
    assert_eq!(differs.json()["files"], Value::Array(Vec::new()));
}

fn contents(home: &Home, folder: &str) -> Vec<(String, String)> {
    let entries = fs::read_dir(home.path(folder)).unwrap();
    let mut files: Vec<_> = entries
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.is_file())
        .map(|path| {
            let text = fs::read_to_string(&path).unwrap();
            (path.display().to_string(), text)
        })
        .collect();
    files.sort();
    files
}
