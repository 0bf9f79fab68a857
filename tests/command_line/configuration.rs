//! Configuration that cannot be used: which key, from where, what was meant. Exit code 78 (sysexits: EX_CONFIG).

use crate::home::Home;

#[tokio::test]
async fn serve_without_a_key_file_says_what_to_type_and_makes_nothing() {
    let home = Home::new();
    let ran = home.run(&["serve"]).await;
    assert_eq!(ran.code, 78, "{ran:?}");
    assert!(
        ran.stderr.contains("tokend keys generate"),
        "{}",
        ran.stderr
    );
    assert!(!home.path("tokend.db").exists(), "a database was made");
}

#[tokio::test]
async fn an_unknown_key_in_the_file_names_the_file_and_the_nearest() {
    let home = Home::new();
    home.write("tokend.toml", "[database]\nurll = 'sqlite:x.db'\n");
    home.write("other.toml", "[databse]\nurl = 'sqlite:x.db'\n");
    for (arguments, file, key, nearest) in [
        (
            &["serve"][..],
            "tokend.toml",
            "'urll' in [database]",
            "did you mean 'url'?",
        ),
        (
            &["serve", "--config", "other.toml"],
            "other.toml",
            "'databse'",
            "did you mean 'database'?",
        ),
    ] {
        let ran = home.run(arguments).await;
        assert_eq!(ran.code, 78, "{ran:?}");
        for part in [file, key, nearest] {
            assert!(ran.stderr.contains(part), "{part}: {}", ran.stderr);
        }
    }
}

#[tokio::test]
async fn an_unknown_key_in_the_environment_names_the_nearest() {
    let mut home = Home::new();
    home.set("TOKEND_DATABASE__URLL", "sqlite:x.db");
    let ran = home.run(&["migrate"]).await;
    assert_eq!(ran.code, 78, "{ran:?}");
    for part in [
        "TOKEND_DATABASE__URLL: ",
        "'urll' in [database]",
        "did you mean 'url'?",
    ] {
        assert!(ran.stderr.contains(part), "{part}: {}", ran.stderr);
    }
}

#[tokio::test]
async fn a_configuration_file_that_is_not_there_is_an_error() {
    let ran = Home::new()
        .run(&["serve", "--config", "nowhere.toml"])
        .await;
    assert_eq!(ran.code, 78, "{ran:?}");
    assert!(ran.stderr.contains("nowhere.toml"), "{}", ran.stderr);
}

#[tokio::test]
async fn a_wrong_value_in_the_environment_names_its_variable() {
    let mut home = Home::new();
    home.set("TOKEND_GRPC__LISTEN", "everywhere");
    let ran = home.run(&["migrate"]).await;
    assert_eq!(ran.code, 78, "{ran:?}");
    assert!(ran.stderr.contains("TOKEND_GRPC__LISTEN"), "{}", ran.stderr);
}
