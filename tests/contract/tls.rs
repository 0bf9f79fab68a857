//! gRPC over TLS: the certificate is the server's, a client that trusts another authority does not talk to it, and a new
//! certificate is taken while it runs.

use std::fs;

use tokend_client::{Client, Code, Credentials};
use tokend_server::{
    Callers, NewCaller, Server, StartError, add_caller,
    config::{Config, Spiffe},
    generate_key_file,
};
use tokend_tests::{
    Authority, Database, KeyedCertificate, captured_logs, eventually, local_config, tls_channel,
};

async fn configuration(home: &tempfile::TempDir, served: &KeyedCertificate) -> Config {
    let mut config = local_config(Database::Sqlite, home.path()).await;
    config.grpc.tls_certificate_file = home.path().join("server.pem");
    config.grpc.tls_private_key_file = home.path().join("server.key");
    write(&config, served);
    generate_key_file(&config.keys.file).unwrap();
    config
}

fn write(config: &Config, served: &KeyedCertificate) {
    fs::write(&config.grpc.tls_certificate_file, &served.certificate).unwrap();
    fs::write(&config.grpc.tls_private_key_file, &served.key).unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_trusts_the_authority_is_served_and_others_are_not() {
    let home = tempfile::tempdir().unwrap();
    let authority = Authority::new();
    let config = configuration(&home, &authority.server()).await;
    let caller = NewCaller {
        name: "backend".to_owned(),
        workspace: "default".to_owned(),
        operator: false,
        expires_in: None,
    };
    let api_key = add_caller(&config, caller).await.unwrap().api_key;
    let server = Server::start(&config, Callers::ApiKeys).await.unwrap();
    let endpoint = format!("https://localhost:{}", server.grpc_address().port());
    let client = |pem: String| {
        Client::builder(&endpoint)
            .ca_certificate(pem)
            .credentials(Credentials::api_key(api_key.expose()))
    };

    // The call arrives: it is refused for what it asks, not for how it came.
    let trusting = client(authority.pem.clone()).connect().await.unwrap();
    let refused = trusting.get_connection("googlecalendar").await.unwrap_err();
    assert_eq!(refused.code, Code::NotFound, "{refused}");

    let failed = client(Authority::new().pem).connect().await.unwrap_err();
    assert_eq!(failed.code, Code::Unavailable, "{failed}");
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_certificate_is_taken_and_a_bad_one_is_not() {
    captured_logs();
    let home = tempfile::tempdir().unwrap();
    let (old, new) = (Authority::new(), Authority::new());
    let config = configuration(&home, &old.server()).await;
    let server = Server::start(&config, Callers::ApiKeys).await.unwrap();
    let port = server.grpc_address().port();
    let name = config.grpc.tls_private_key_file.display().to_string();
    let complaints = || {
        let logs = captured_logs();
        let warnings = logs.lines().filter(|line| line.contains("WARN"));
        warnings.filter(|line| line.contains(&name)).count()
    };
    let serves =
        async |authority: &Authority| tls_channel(port, &authority.pem, None).await.is_ok();
    assert!(serves(&old).await && !serves(&new).await);

    // A key that does not fit its certificate, then no key at all: those before stay.
    for key in [new.server().key, "no key".to_owned()] {
        let certificate = new.server().certificate;
        let before = complaints();
        write(&config, &KeyedCertificate { certificate, key });
        eventually("the pair is looked at", async || {
            (complaints() > before).then_some(())
        })
        .await;
        assert!(serves(&old).await && !serves(&new).await);
    }

    write(&config, &new.server());
    eventually("the new certificate is served", async || {
        serves(&new).await.then_some(())
    })
    .await;
    assert!(!serves(&old).await);
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_start_with_files_that_do_not_fit_is_refused() {
    let home = tempfile::tempdir().unwrap();
    let authority = Authority::new();
    let mut config = configuration(&home, &authority.server()).await;
    let other = authority.server();
    fs::write(&config.grpc.tls_private_key_file, &other.key).unwrap();
    let refused = Server::start(&config, Callers::ApiKeys).await;
    let Err(error @ StartError::Tls(_)) = refused else {
        panic!("it started with a key that does not fit");
    };
    assert!(error.to_string().contains("server.key"), "{error}");

    // Client certificates without TLS would be asked of nobody.
    config.grpc.tls_certificate_file = Default::default();
    config.grpc.tls_private_key_file = Default::default();
    fs::write(home.path().join("bundle.pem"), &authority.pem).unwrap();
    config.access.spiffe = vec![Spiffe {
        trust_domain: "acme.test".to_owned(),
        bundle_file: home.path().join("bundle.pem"),
        workspaces: vec!["default".to_owned()],
        role: String::new(),
    }];
    let refused = Server::start(&config, Callers::ApiKeys).await;
    assert!(matches!(refused, Err(StartError::Tls(_))));
}
