//! gRPC over TLS: the certificate is the server's, and a client that trusts another authority does not talk to it.

use std::fs;

use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use tempfile::TempDir;
use tokend_client::{Client, Code, Credentials};
use tokend_server::{Callers, NewCaller, Server, add_caller, config::Config, generate_key_file};

/// An authority made for this test: its PEM, and one to sign with.
fn authority() -> (String, Issuer<'static, KeyPair>) {
    let key = KeyPair::generate().unwrap();
    let mut params = CertificateParams::default();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let certificate = params.self_signed(&key).unwrap();
    (certificate.pem(), Issuer::new(params, key))
}

fn configuration(home: &TempDir, issuer: &Issuer<'static, KeyPair>) -> Config {
    let key = KeyPair::generate().unwrap();
    let names = vec!["localhost".to_owned()];
    let certificate = CertificateParams::new(names)
        .unwrap()
        .signed_by(&key, issuer)
        .unwrap();
    let mut config = Config::defaults().unwrap();
    config.grpc.listen.set_port(0);
    config.http.listen.set_port(0);
    config.operations.listen.set_port(0);
    config.database.url = format!(
        "sqlite:{}?mode=rwc",
        home.path().join("tokend.db").display()
    );
    config.keys.file = home.path().join("tokend.key");
    config.journal.directory = home.path().join("journal");
    config.deployment.file = home.path().join("tokend.deployment");
    config.grpc.tls_certificate_file = home.path().join("server.pem");
    config.grpc.tls_private_key_file = home.path().join("server.key");
    fs::write(&config.grpc.tls_certificate_file, certificate.pem()).unwrap();
    fs::write(&config.grpc.tls_private_key_file, key.serialize_pem()).unwrap();
    generate_key_file(&config.keys.file).unwrap();
    config
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_trusts_the_authority_is_served_and_others_are_not() {
    let home = tempfile::tempdir().unwrap();
    let (pem, issuer) = authority();
    let config = configuration(&home, &issuer);
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
    let trusting = client(pem).connect().await.unwrap();
    let refused = trusting.get_connection("googlecalendar").await.unwrap_err();
    assert_eq!(refused.code, Code::NotFound, "{refused}");

    let (foreign, _) = authority();
    let failed = client(foreign).connect().await.unwrap_err();
    assert_eq!(failed.code, Code::Unavailable, "{failed}");
    server.stop().await;
}
