//! What is connected without a browser here: with a code on another device, by the client alone, or with what a person
//! made at the provider.

use tokend_simulator::{Simulator, SimulatorOptions};
use tokend_tests::definition;
use tokio::{
    io::{AsyncBufReadExt, BufReader},
    process::Child,
};

use crate::{
    connector_files::write_connectors,
    home::{Home, Ran, Served},
};

/// A server with the simulator's connector, whose type was changed like that.
async fn served(change: impl Fn(String, &str) -> String) -> (Simulator, Home, Served) {
    let simulator = Simulator::start(SimulatorOptions::default()).await.unwrap();
    let mut home = Home::new();
    let served = home.serve().await;
    write_connectors(&home, &simulator);
    let base = simulator.base_url();
    home.write("connectors/simshared.toml", &change(definition(base), base));
    home.succeed(&["connectors", "push", "--yes", "--no-connect"])
        .await;
    (simulator, home, served)
}

fn without_consent(toml: String, base: &str, grant: &str) -> String {
    let about = "category = \"developer\"\n";
    toml.replace(&format!("[authorize]\nurl = \"{base}/authorize\"\n"), "")
        .replace(about, &format!("{about}grant = \"{grant}\"\n"))
}

#[tokio::test]
async fn a_code_is_shown_and_the_consent_waited_for() {
    let (simulator, home, _served) =
        served(|toml, base| format!("{toml}\n[device]\nurl = \"{base}/device\"\n")).await;
    let arguments = ["connect", "simshared", "--device", "--tag", "team=sales"];
    let mut connecting = home.command(&arguments).spawn().unwrap();
    let code = shown_code(&mut connecting).await;
    simulator.decide_device(&code, true);
    let connected = Ran::of(connecting.wait_with_output().await.unwrap());
    assert_eq!(connected.code, 0, "{connected:?}");
    assert!(connected.stdout.contains("conn_"), "{}", connected.stdout);
    home.succeed(&["get", "simshared"]).await;
    let listed = home.succeed(&["connections", "list", "--json"]).await;
    let tags = &listed.json()["connections"][0]["tags"];
    assert_eq!(tags["team"], "sales");

    let mut connecting = home.command(&arguments).spawn().unwrap();
    let code = shown_code(&mut connecting).await;
    simulator.decide_device(&code, false);
    let denied = Ran::of(connecting.wait_with_output().await.unwrap());
    assert_eq!(denied.code, 1, "{denied:?}");
}

/// The code that the command shows.
async fn shown_code(connecting: &mut Child) -> String {
    let stderr = connecting.stderr.take().unwrap();
    let mut lines = BufReader::new(stderr).lines();
    let mut code = None;
    while let Some(line) = lines.next_line().await.unwrap() {
        code = code.or_else(|| {
            let word = line.trim();
            word.starts_with("user-").then(|| word.to_owned())
        });
        if line.starts_with("Waiting") {
            break;
        }
    }
    // Whatever it says from here on is read, so that it can go on.
    tokio::spawn(async move { while let Ok(Some(_)) = lines.next_line().await {} });
    code.unwrap()
}

#[tokio::test]
async fn what_nobody_consents_to_is_connected_at_once() {
    let (simulator, home, _served) =
        served(|toml, base| without_consent(toml, base, "client_credentials")).await;
    let connected = home.succeed(&["connect", "simshared"]).await;
    assert!(connected.stdout.contains("CONNECTED"), "{connected:?}");
    assert!(!connected.stderr.contains("http"), "{connected:?}");
    let got = home.succeed(&["get", "simshared"]).await;
    let token = got.stdout.trim_end();
    assert!(simulator.ledger().is_access_token_live(token));
}

#[tokio::test]
async fn a_credential_comes_from_a_file_or_standard_input_only() {
    let (simulator, home, _served) = served(|toml, base| {
        let credential = "[credential]\ndisplay_name = \"Key\"\ndescription = \"Yours.\"\n";
        let toml = without_consent(toml, base, "static");
        let sections = [
            format!("[token]\nurl = \"{base}/token\"\n"),
            "[refresh]\nrotation = \"strict\"\n".to_owned(),
            format!("[revoke]\nurl = \"{base}/revoke\"\n"),
        ];
        let bare = sections
            .iter()
            .fold(toml, |toml, section| toml.replace(section, ""));
        format!("{bare}\n{credential}")
    })
    .await;
    let key = simulator.grant("simulated", "grace", &[]).access_token;
    home.write("key", &format!("{key}\n"));
    let arguments = ["connections", "set-credential", "simshared"];
    let from_file = [&arguments[..], &["--credential-file", "key"]].concat();
    let set = home.succeed(&from_file).await;
    assert!(set.stdout.contains("grace@example.com"), "{}", set.stdout);
    assert!(!set.stdout.contains(&key) && !set.stderr.contains(&key));
    let got = home.succeed(&["get", "simshared"]).await;
    assert_eq!(got.stdout, format!("{key}\n"));

    // Nothing comes from a closed standard input, and nothing is taken from the command line.
    let nothing = home.run(&arguments).await;
    assert_eq!(nothing.code, 1, "{nothing:?}");
    let spoken = [&arguments[..], &[key.as_str()]].concat();
    assert_eq!(home.run(&spoken).await.code, 2);
    let wrong = [&arguments[..], &["--connector", "simshared"]].concat();
    assert_eq!(home.run(&wrong).await.code, 2);
}
