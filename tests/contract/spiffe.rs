//! Callers that prove themselves by an X.509-SVID: whoever is not exactly one of them is nobody, and none is lost while
//! everything that vouches for them is exchanged.

use std::{
    env, fs,
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU32, Ordering},
    },
    time::Duration,
};

use rcgen::{
    BasicConstraints, CertificateParams, ExtendedKeyUsagePurpose, IsCa, KeyUsagePurpose, SanType,
};
use tempfile::TempDir;
use tokend_api::v1::{
    GetConnectionRequest, ListConnectorsRequest, VendedConnection,
    admin_service_client::AdminServiceClient, connector_service_client::ConnectorServiceClient,
};
use tokend_client::Client;
use tokend_server::{
    Callers, NewCaller, Server, add_caller,
    config::{Config, Spiffe},
    generate_key_file,
};
use tokend_tests::{
    Authority, Database, KeyedCertificate, eventually, local_config, refused, svid, tls_channel,
    valid,
};
use tokio::{
    sync::RwLock,
    time::{Instant, timeout},
};
use tonic::{Code, Request, Status, transport::Channel};
use tonic_types::StatusExt;

const BILLING: &str = "spiffe://acme.test/billing";

/// A client whose certificate is refused may try to connect for ever, for it learns of that only afterwards.
const PATIENCE: Duration = Duration::from_secs(5);

/// A server that accepts the SVIDs of `acme.test` and `partner.test`, each by an authority of its own, and lets
/// [`BILLING`] do everything.
struct Served {
    server: Server,
    config: Config,
    authority: Authority,
    acme: Authority,
    partner: Authority,
    home: TempDir,
}

impl Served {
    async fn start(configure: impl FnOnce(&mut Config)) -> Self {
        let home = tempfile::tempdir().unwrap();
        let path = |name: &str| home.path().join(name);
        let (authority, acme, partner) = (Authority::new(), Authority::new(), Authority::new());
        let mut config = local_config(Database::Sqlite, home.path()).await;
        config.grpc.tls_certificate_file = path("server.pem");
        config.grpc.tls_private_key_file = path("server.key");
        config.access.policy_path = path("policies.cedar");
        let domain = |trust_domain: &str| Spiffe {
            trust_domain: trust_domain.to_owned(),
            bundle_file: path(&format!("{trust_domain}.pem")),
            workspaces: vec!["default".to_owned()],
            role: String::new(),
        };
        config.access.spiffe = vec![domain("acme.test"), domain("partner.test")];
        write_pair(&config, &authority.server());
        fs::write(path("acme.test.pem"), &acme.pem).unwrap();
        fs::write(path("partner.test.pem"), &partner.pem).unwrap();
        let policy = format!("permit (principal == Caller::\"{BILLING}\", action, resource);");
        fs::write(path("policies.cedar"), policy).unwrap();
        configure(&mut config);
        generate_key_file(&config.keys.file).unwrap();
        let server = Server::start(&config, Callers::ApiKeys).await.unwrap();
        Self {
            server,
            config,
            authority,
            acme,
            partner,
            home,
        }
    }

    fn port(&self) -> u16 {
        self.server.grpc_address().port()
    }

    fn path(&self, name: &str) -> std::path::PathBuf {
        self.home.path().join(name)
    }

    /// A call of its own connection that shows this certificate.
    async fn call(&self, shown: Option<&KeyedCertificate>) -> Result<VendedConnection, Status> {
        self.call_with(shown, &[]).await
    }

    /// The same with metadata.
    async fn call_with(
        &self,
        shown: Option<&KeyedCertificate>,
        metadata: &[(&'static str, String)],
    ) -> Result<VendedConnection, Status> {
        let channel = tls_channel(self.port(), &self.authority.pem, shown).await;
        let channel = channel.map_err(|error| Status::unavailable(error.to_string()))?;
        let mut request = Request::new(GetConnectionRequest {
            integration_type: "googlecalendar".to_owned(),
            ..Default::default()
        });
        for (name, value) in metadata {
            let value = value.parse().unwrap();
            request.metadata_mut().insert(*name, value);
        }
        let mut connectors = ConnectorServiceClient::new(channel);
        let answer = timeout(PATIENCE, connectors.get_connection(request)).await;
        let answer = answer.unwrap_or_else(|_| Err(Status::cancelled("never connected")));
        Ok(answer?.into_inner())
    }
}

fn write_pair(config: &Config, served: &KeyedCertificate) {
    write(&config.grpc.tls_certificate_file, &served.certificate);
    write(&config.grpc.tls_private_key_file, &served.key);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_client_proves_itself_by_its_certificate() {
    let served = Served::start(|_| {}).await;
    let get = async |shown: &KeyedCertificate| {
        let endpoint = format!("https://localhost:{}", served.port());
        let client = Client::builder(endpoint)
            .ca_certificate(served.authority.pem.as_str())
            .client_certificate(&shown.certificate, &shown.key);
        assert!(!format!("{client:?}").contains(&shown.key));
        let client = client.connect().await.unwrap();
        client
            .get_connection("googlecalendar")
            .await
            .unwrap_err()
            .code
    };
    let [billing, shop] =
        [BILLING, "spiffe://acme.test/shop"].map(|id| served.acme.sign(&svid(&[id])));
    // It may ask, and there is nothing.
    assert_eq!(get(&billing).await, Code::NotFound);
    assert_eq!(get(&shop).await, Code::PermissionDenied);
    served.server.stop().await;
}

/// In one step, as mounted files change.
fn write(path: &Path, text: &str) {
    let next = path.with_extension("next");
    fs::write(&next, text).unwrap();
    fs::rename(next, path).unwrap();
}

/// Each certificate with what is wrong with it.
fn impostors(acme: &Authority, partner: &Authority) -> Vec<(String, KeyedCertificate)> {
    let mut all = Vec::new();
    let mut add = |what: &str, shown: KeyedCertificate| all.push((what.to_owned(), shown));

    add(
        "two ids",
        acme.sign(&svid(&[BILLING, "spiffe://acme.test/shop"])),
    );
    add("the same id twice", acme.sign(&svid(&[BILLING, BILLING])));
    add(
        "another URI beside",
        acme.sign(&svid(&[BILLING, "https://acme.test/"])),
    );
    add(
        "an unknown trust domain",
        acme.sign(&svid(&["spiffe://other.test/billing"])),
    );
    add(
        "a domain that begins alike",
        acme.sign(&svid(&["spiffe://acme.test.evil/billing"])),
    );
    add(
        "a domain that ends alike",
        acme.sign(&svid(&["spiffe://evil.acme.test/billing"])),
    );
    add(
        "another domain's authority",
        partner.sign(&svid(&[BILLING])),
    );
    add(
        "our authority for another domain",
        acme.sign(&svid(&["spiffe://partner.test/billing"])),
    );
    add(
        "an unknown authority",
        Authority::new().sign(&svid(&[BILLING])),
    );
    add(
        "expired by one second",
        acme.sign(&valid(svid(&[BILLING]), -60, -1)),
    );
    add(
        "not valid yet",
        acme.sign(&valid(svid(&[BILLING]), 60, 120)),
    );
    for id in [
        "spiffe://acme.test",
        "spiffe://acme.test/",
        "spiffe://acme.test:443/billing",
        "spiffe://user@acme.test/billing",
        "spiffe://acme.test/billing?admin=true",
        "spiffe://acme.test/billing#x",
        "spiffe://acme.test/shop/../billing",
        "spiffe://acme.test/./billing",
        "spiffe://acme.test//billing",
        "spiffe://acme.test/billing/",
        "spiffe://acme.test/bil%6cing",
        "spiffe://ACME.test/billing",
        "SPIFFE://acme.test/billing",
        "https://acme.test/billing",
    ] {
        add(id, acme.sign(&svid(&[id])));
    }
    let long = format!("spiffe://acme.test/{}", "a".repeat(2048));
    add("too long an id", acme.sign(&svid(&[&long])));

    let changed = |change: fn(&mut CertificateParams)| {
        let mut params = svid(&[BILLING]);
        change(&mut params);
        params
    };
    add("no name", acme.sign(&svid(&[])));
    let dns = changed(|it| {
        it.subject_alt_names = vec![SanType::DnsName("billing.acme.test".try_into().unwrap())];
    });
    add("a DNS name alone", acme.sign(&dns));
    add(
        "no key usage",
        acme.sign(&changed(|it| it.key_usages.clear())),
    );
    let no_signatures = changed(|it| it.key_usages = vec![KeyUsagePurpose::KeyEncipherment]);
    add(
        "a key that is not for signatures",
        acme.sign(&no_signatures),
    );
    let signs = changed(|it| it.key_usages.push(KeyUsagePurpose::KeyCertSign));
    add("a key that signs certificates", acme.sign(&signs));
    let server_alone =
        changed(|it| it.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth]);
    add("for servers alone", acme.sign(&server_alone));
    let ca = changed(|it| it.is_ca = IsCa::Ca(BasicConstraints::Unconstrained));
    add("an authority as a leaf", acme.sign(&ca));

    let key = rcgen::KeyPair::generate().unwrap();
    let own = KeyedCertificate {
        certificate: svid(&[BILLING]).self_signed(&key).unwrap().pem(),
        key: key.serialize_pem(),
    };
    add("signed by itself", own);
    let leaf = acme.vouch_for(svid(&["spiffe://acme.test/shop"]));
    let mut below = leaf.sign(&svid(&[BILLING]));
    below.certificate.push_str(&leaf.pem);
    add("signed by a workload", below);
    all
}

#[tokio::test(flavor = "multi_thread")]
async fn only_an_exact_id_of_its_own_trust_domain_is_accepted() {
    let served = Served::start(|_| {}).await;
    let good = served.acme.sign(&svid(&[BILLING]));
    // It is let in: what it is refused for is what it asks for.
    refused(
        served.call(Some(&good)).await,
        Code::NotFound,
        "CONNECTOR_NOT_FOUND",
    );
    let mut through = CertificateParams::default();
    through.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    let through = served.acme.vouch_for(through);
    let mut chained = through.sign(&svid(&[BILLING]));
    chained.certificate.push_str(&through.pem);
    refused(
        served.call(Some(&chained)).await,
        Code::NotFound,
        "CONNECTOR_NOT_FOUND",
    );

    // Others of the domains are who they are, and no more.
    for (authority, id) in [
        (&served.acme, "spiffe://acme.test/billing2"),
        (&served.acme, "spiffe://acme.test/billing/v2"),
        (&served.acme, "spiffe://acme.test/Billing"),
        (&served.acme, "spiffe://acme.test/team/billing"),
        (&served.partner, "spiffe://partner.test/billing"),
    ] {
        let other = authority.sign(&svid(&[id]));
        let answer = served.call(Some(&other)).await;
        let status = refused(answer, Code::PermissionDenied, "CALLER_NOT_ALLOWED");
        assert!(status.message().starts_with(&format!("{id} ")), "{status}");
    }

    // A certificate that is shown has to be good, whatever else is.
    let caller = NewCaller {
        name: "ops".to_owned(),
        workspace: "default".to_owned(),
        operator: true,
        expires_in: None,
    };
    let added = add_caller(&served.config, caller).await.unwrap();
    let api_key = [(
        "authorization",
        format!("Bearer {}", added.api_key.expose()),
    )];
    eventually("the key alone is known", async || {
        let status = served.call_with(None, &api_key).await.unwrap_err();
        (status.code() == Code::PermissionDenied).then_some(())
    })
    .await;
    let impostors = impostors(&served.acme, &served.partner);
    for (what, shown) in &impostors {
        for metadata in [&[][..], &api_key] {
            let status = served.call_with(Some(shown), metadata).await.unwrap_err();
            let answered = status.get_error_details().error_info().is_some();
            assert!(!answered, "{what}: the call arrived: {status:?}");
        }
    }

    // Nor does anybody prove something by saying it.
    let spoofed = [
        "x-forwarded-client-cert",
        "x-forwarded-tls-client-cert",
        "x-client-cert",
        "x-ssl-client-cert",
        "x-spiffe-id",
    ];
    let spoofed = spoofed.map(|name| (name, format!("By={BILLING};URI={BILLING}")));
    let answer = served.call_with(None, &spoofed).await;
    refused(answer, Code::Unauthenticated, "CALLER_UNAUTHENTICATED");
    println!("SPIFFE set: {} certificates, 0 accepted", impostors.len());
    served.server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_certificate_that_runs_out_ends_what_an_open_connection_may() {
    let served = Served::start(|_| {}).await;
    let short = served.acme.sign(&valid(svid(&[BILLING]), -60, 3));
    let channel = tls_channel(served.port(), &served.authority.pem, Some(&short));
    let mut admin = AdminServiceClient::new(channel.await.unwrap());
    let list = ListConnectorsRequest::default;
    admin.list_connectors(list()).await.unwrap();
    let status = eventually("it ran out", async || {
        admin.list_connectors(list()).await.err()
    })
    .await;
    refused::<()>(Err(status), Code::Unauthenticated, "CALLER_UNAUTHENTICATED");
    served.server.stop().await;
}

/// How often everything is exchanged.
fn rotations() -> u32 {
    let rotations = env::var("ROTATIONS").ok();
    rotations.map_or(3, |text| text.parse().unwrap())
}

/// What callers show and trust now.
#[derive(Clone)]
struct Now {
    shown: KeyedCertificate,
    trusted: String,
}

/// Certificates live this long here, in seconds: each is used for a part of it, as agents renew them.
const LIFETIME: i64 = 30;

#[tokio::test(flavor = "multi_thread")]
async fn rotation_of_everything_loses_no_call() {
    let served = Served::start(|_| {}).await;
    let workload = |authority: &Authority| authority.sign(&valid(svid(&[BILLING]), -5, LIFETIME));
    let server = |authority: &Authority| {
        let params = CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
        authority.sign(&valid(params, -5, LIFETIME))
    };
    write_pair(&served.config, &server(&served.authority));
    // Nobody shows or trusts what was before once a new one is written here.
    let now = Arc::new(RwLock::new(Now {
        shown: workload(&served.acme),
        trusted: served.authority.pem.clone(),
    }));
    let port = served.port();
    let stop = Arc::new(AtomicBool::new(false));
    let (calls, lost) = (Arc::new(AtomicU32::new(0)), Arc::new(AtomicU32::new(0)));
    let callers: Vec<_> = (0..4)
        .map(|_| {
            let (now, stop) = (now.clone(), stop.clone());
            let (calls, lost) = (calls.clone(), lost.clone());
            tokio::spawn(async move {
                while !stop.load(Ordering::Relaxed) {
                    let (made, failed) = connect_and_call(port, &*now.read().await).await;
                    calls.fetch_add(made, Ordering::Relaxed);
                    lost.fetch_add(failed, Ordering::Relaxed);
                }
            })
        })
        .collect();

    let mut acme = served.acme.pem.clone();
    for _ in 0..rotations() {
        // The new authorities beside the old, then what they sign, then the new ones alone.
        let (next_server, next_acme) = (Authority::new(), Authority::new());
        now.write().await.trusted.push_str(&next_server.pem);
        write(
            &served.path("acme.test.pem"),
            &format!("{acme}{}", next_acme.pem),
        );
        let next = Now {
            shown: workload(&next_acme),
            trusted: now.read().await.trusted.clone(),
        };
        eventually("the new authority's workloads are accepted", async || {
            is_served(port, &next).await.then_some(())
        })
        .await;
        now.write().await.shown = next.shown.clone();
        write_pair(&served.config, &server(&next_server));
        let new_alone = Now {
            trusted: next_server.pem.clone(),
            ..next
        };
        eventually("the new server certificate is shown", async || {
            is_served(port, &new_alone).await.then_some(())
        })
        .await;
        *now.write().await = new_alone;
        acme = next_acme.pem.clone();
        write(&served.path("acme.test.pem"), &acme);
    }
    stop.store(true, Ordering::Relaxed);
    for caller in callers {
        caller.await.unwrap();
    }
    let (calls, lost) = (calls.load(Ordering::Relaxed), lost.load(Ordering::Relaxed));
    println!(
        "SPIFFE rotations: {}, calls: {calls}, lost: {lost}",
        rotations()
    );
    assert_eq!(lost, 0, "of {calls}");
    served.server.stop().await;
}

async fn is_served(port: u16, now: &Now) -> bool {
    let Ok(channel) = tls_channel(port, &now.trusted, Some(&now.shown)).await else {
        return false;
    };
    let mut admin = AdminServiceClient::new(channel);
    let answer = admin.list_connectors(ListConnectorsRequest::default());
    timeout(PATIENCE, answer).await.is_ok_and(|it| it.is_ok())
}

/// Calls of one client one after the other, and how many of them were lost.
async fn connect_and_call(port: u16, now: &Now) -> (u32, u32) {
    let until = Instant::now() + Duration::from_millis(300);
    let Ok(channel) = tls_channel(port, &now.trusted, Some(&now.shown)).await else {
        return (1, 1);
    };
    let mut admin: AdminServiceClient<Channel> = AdminServiceClient::new(channel);
    let (mut made, mut failed) = (0, 0);
    while Instant::now() < until {
        made += 1;
        let answer = admin
            .list_connectors(ListConnectorsRequest::default())
            .await;
        if let Err(status) = answer {
            eprintln!("lost: {status:?}");
            failed += 1;
        }
    }
    (made, failed)
}
