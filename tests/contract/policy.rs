//! Policies: every caller asks for every connection and gets what it is granted, each refusal is on record, and
//! `ExplainAccess` says what comes of a call.

use std::{
    collections::{BTreeMap, HashMap},
    fs,
    path::PathBuf,
    time::Duration,
};

use tokend_api::v1;
use tokend_client::{Client, Credentials};
use tokend_server::{NewCaller, add_caller, config::Config};
use tokend_tests::{Options, Tokend, definition, for_user};
use tonic::{Code, Status};

use crate::answers::{eventually, metadata, now, refused, violations};

/// The policies under test, each file by its name.
const POLICIES: [(&str, &str); 4] = [
    (
        "operators.cedar",
        r#"@id("operators") @description("Operators do everything.")
permit (principal, action, resource) when { principal.role == "operator" };"#,
    ),
    (
        "backends.cedar",
        r#"@id("billing") permit (
  principal == Caller::"billing", action == Action::"vend", resource in IntegrationType::"simbilling");
@id("search") permit (principal == Caller::"search", action == Action::"vend", resource)
when { ["simsearch", "simshared", "simnothing"].contains(resource.integration_type) };
@id("reporting") permit (principal == Caller::"reporting", action == Action::"vend", resource);
@id("reporting-no-billing") @description("Bills are nobody's report.") forbid (
  principal == Caller::"reporting", action, resource in IntegrationType::"simbilling");"#,
    ),
    (
        "frontends.cedar",
        r#"@id("web") permit (
  principal == Caller::"web", action == Action::"vend-for-user", resource in Connector::"users");
@id("mobile") permit (principal == Caller::"mobile", action == Action::"vend-for-user", resource)
when { context has app_user && context.app_user.id == "ada" };
@id("no-crm-on-the-road") forbid (
  principal == Caller::"mobile", action == Action::"vend-for-user", resource in IntegrationType::"simsearch");"#,
    ),
    (
        "auditor.cedar",
        r#"@id("auditor") permit (
  principal == Caller::"auditor", action in [Action::"read-audit", Action::"explain-access"], resource);"#,
    ),
];

/// Shared connections, by integration type; the last does not exist.
const SHARED: [&str; 4] = ["simshared", "simbilling", "simsearch", "simnothing"];
/// Connectors of app users; `crm` is of type simsearch, and the last does not exist.
const CONNECTORS: [&str; 3] = ["users", "crm", "ghost"];
const USERS: [&str; 2] = ["ada", "bob"];

/// What is granted, said once more and in another way than the policies say it.
const GRANTED: [(&str, &[&str]); 8] = [
    (
        "ops",
        &[
            "simshared",
            "simbilling",
            "simsearch",
            "simnothing",
            "users/ada",
            "users/bob",
            "crm/ada",
            "crm/bob",
            "ghost/ada",
            "ghost/bob",
        ],
    ),
    // Of role backend, which means nothing where policies are set.
    ("calendar-backend", &[]),
    ("billing", &["simbilling"]),
    ("search", &["simshared", "simsearch", "simnothing"]),
    ("reporting", &["simshared", "simsearch", "simnothing"]),
    ("web", &["users/ada", "users/bob"]),
    ("mobile", &["users/ada", "ghost/ada"]),
    ("auditor", &[]),
];

/// A connection that may be asked for.
#[derive(Clone, Copy)]
enum Cell {
    Shared(&'static str),
    OfUser(&'static str, &'static str),
}

impl Cell {
    fn all() -> Vec<Self> {
        let of_users = CONNECTORS
            .iter()
            .flat_map(|&connector| USERS.map(|user| Self::OfUser(connector, user)));
        SHARED
            .map(Self::Shared)
            .into_iter()
            .chain(of_users)
            .collect()
    }

    fn name(self) -> String {
        match self {
            Self::Shared(integration_type) => integration_type.to_owned(),
            Self::OfUser(connector, user) => format!("{connector}/{user}"),
        }
    }

    async fn get(self, tokend: &Tokend, client: &Client) -> Result<String, Status> {
        let mut connectors = client.connectors();
        let answer = match self {
            Self::Shared(integration_type) => {
                let integration_type = integration_type.to_owned();
                let get = v1::GetConnectionRequest {
                    integration_type,
                    ..Default::default()
                };
                connectors.get_connection(get).await
            }
            Self::OfUser(connector, user) => {
                let get = v1::GetCurrentAppUserConnectionRequest {
                    connector_id: connector.to_owned(),
                    ..Default::default()
                };
                let get = for_user(get, &tokend.user_token(user));
                connectors.get_current_app_user_connection(get).await
            }
        };
        Ok(answer?.into_inner().access_token)
    }

    fn question(self, caller: &str) -> v1::ExplainAccessRequest {
        let mut question = v1::ExplainAccessRequest {
            caller: caller.to_owned(),
            ..Default::default()
        };
        match self {
            Self::Shared(integration_type) => {
                question.integration_type = integration_type.to_owned()
            }
            Self::OfUser(connector, user) => {
                question.connector_id = connector.to_owned();
                question.app_user_id = user.to_owned();
            }
        }
        question
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_caller_gets_exactly_the_connections_it_is_granted_and_each_refusal_is_on_record() {
    let tokend = Tokend::start(with_policies()).await;
    let tokens = connect(&tokend).await;
    let callers = callers(&tokend).await;
    let mut admin = callers["auditor"].admin();
    let mut refusals: BTreeMap<(String, String), usize> = BTreeMap::new();
    let (mut cells, mut passed) = (0, 0);
    for (caller, granted) in GRANTED {
        for cell in Cell::all() {
            cells += 1;
            let name = cell.name();
            let answer = cell.get(&tokend, &callers[caller]).await;
            let is_granted = granted.contains(&name.as_str());
            match (is_granted, tokens.get(&name)) {
                (true, Some(token)) => {
                    passed += 1;
                    assert_eq!(
                        answer.as_ref().ok(),
                        Some(token),
                        "{caller} {name}: {answer:?}"
                    );
                }
                (true, None) => assert_eq!(
                    answer.unwrap_err().code(),
                    Code::NotFound,
                    "{caller} {name}"
                ),
                (false, _) => {
                    refused(answer, Code::PermissionDenied, "CALLER_NOT_ALLOWED");
                    *refusals
                        .entry((caller.to_owned(), name.clone()))
                        .or_default() += 1;
                }
            }
            let explained = admin.explain_access(cell.question(caller)).await.unwrap();
            let explained = explained.into_inner();
            assert_eq!(explained.allowed, is_granted, "{}", explained.explanation);
        }
    }
    println!(
        "{cells} cells: {passed} tokens, {} refusals",
        refusals.len()
    );
    assert_eq!((cells, refusals.values().sum::<usize>()), (80, 59));

    let audit_file = tokend.config.audit.file.clone();
    // The files stay until this goes.
    let _stopped = tokend.stop().await;
    assert_eq!(refusals_on_record(&audit_file), refusals);
}

#[tokio::test(flavor = "multi_thread")]
async fn access_is_explained_to_whom_it_concerns_and_to_whom_the_policies_permit_it() {
    let tokend = Tokend::start(with_policies()).await;
    let callers = callers(&tokend).await;
    let explain = async |asker: &str, question: v1::ExplainAccessRequest| {
        let answer = callers[asker].admin().explain_access(question).await;
        Ok::<_, Status>(answer?.into_inner())
    };
    let forbidden = explain("reporting", Cell::Shared("simbilling").question(""))
        .await
        .unwrap();
    assert!(!forbidden.allowed);
    assert_eq!(
        forbidden.explanation,
        "reporting may not vend (integration type simbilling) in workspace default: policy \
         reporting-no-billing forbids it."
    );
    let [rule] = &forbidden.rules[..] else {
        panic!("{forbidden:?}");
    };
    assert_eq!(
        (
            rule.rule_id.as_str(),
            rule.effect(),
            rule.description.as_str(),
            rule.location.as_str()
        ),
        (
            "reporting-no-billing",
            v1::AccessEffect::Deny,
            "Bills are nobody's report.",
            "backends.cedar:6"
        )
    );
    let nothing = explain("billing", Cell::Shared("simshared").question("billing"))
        .await
        .unwrap();
    assert!(
        nothing.explanation.ends_with("no policy permits it."),
        "{}",
        nothing.explanation
    );
    assert!(nothing.rules.is_empty() && !nothing.allowed);

    // About others only whoever the policies permit it; of nobody it is said whether there is such a caller.
    for other in ["search", "no-such-caller"] {
        let answer = explain("billing", Cell::Shared("simshared").question(other)).await;
        refused(answer, Code::PermissionDenied, "CALLER_NOT_ALLOWED");
    }
    let unknown = explain("ops", Cell::Shared("simshared").question("no-such-caller")).await;
    let status = refused(unknown, Code::InvalidArgument, "INVALID_FIELD");
    assert_eq!(violations(&status), ["caller"]);

    let manage = |action: &str| v1::ExplainAccessRequest {
        caller: "search".to_owned(),
        policy_action: action.to_owned(),
        ..Default::default()
    };
    assert!(
        !explain("ops", manage("manage-connectors"))
            .await
            .unwrap()
            .allowed
    );
    let status = refused(
        explain("ops", manage("conquer")).await,
        Code::InvalidArgument,
        "INVALID_FIELD",
    );
    assert_eq!(violations(&status), ["policy_action"]);
    let both = v1::ExplainAccessRequest {
        connector_id: "users".to_owned(),
        ..Cell::Shared("simshared").question("")
    };
    let status = refused(
        explain("ops", both).await,
        Code::InvalidArgument,
        "INVALID_FIELD",
    );
    assert_eq!(violations(&status), ["connector_id"]);

    let elsewhere = callers["search"].in_workspace("elsewhere").unwrap();
    let walled = elsewhere
        .admin()
        .explain_access(Cell::Shared("simshared").question(""))
        .await
        .unwrap()
        .into_inner();
    assert!(!walled.allowed);
    assert!(
        walled.explanation.contains("the workspace is not among"),
        "{}",
        walled.explanation
    );
    tokend.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_operators_stop_is_what_an_explanation_says() {
    let tokend = Tokend::start(with_policies()).await;
    let stop = v1::SuspendRequest {
        kind: v1::SuspensionKind::Caller.into(),
        subject: "search".to_owned(),
        ..Default::default()
    };
    let mut admin = tokend.operator.admin();
    add(&tokend.config, "search").await;
    admin.suspend(stop).await.unwrap();
    let explained = eventually("the key is known, and the suspension", async || {
        let question = Cell::Shared("simshared").question("search");
        let explained = admin.explain_access(question).await.ok()?.into_inner();
        (!explained.allowed).then_some(explained)
    });
    let explanation = explained.await.explanation;
    assert!(
        explanation.contains("an operator has stopped this caller"),
        "{explanation}"
    );
    tokend.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn changed_policies_are_in_force_within_seconds_and_bad_ones_never() {
    let tokend = Tokend::start(with_policies()).await;
    let tokens = connect(&tokend).await;
    let callers = callers(&tokend).await;
    let directory = tokend.config.access.policy_path.clone();
    let billing = &callers["billing"];
    let get = async |name: &'static str| Cell::Shared(name).get(&tokend, billing).await;
    assert_eq!(get("simbilling").await.unwrap(), tokens["simbilling"]);

    fs::write(
        directory.join("z.cedar"),
        "forbid (principal, action, resource) when { nonsense };",
    )
    .unwrap();
    let more = r#"permit (principal == Caller::"billing", action == Action::"vend", resource);"#;
    fs::write(directory.join("y.cedar"), more).unwrap();
    eventually("the mistake is in the log", async || {
        tokend_tests::captured_logs()
            .contains("z.cedar:1")
            .then_some(())
    })
    .await;
    refused(
        get("simshared").await,
        Code::PermissionDenied,
        "CALLER_NOT_ALLOWED",
    );
    assert_eq!(get("simbilling").await.unwrap(), tokens["simbilling"]);

    fs::remove_file(directory.join("z.cedar")).unwrap();
    let token = eventually("what was added is in force", async || {
        get("simshared").await.ok()
    });
    assert_eq!(token.await, tokens["simshared"]);
    fs::remove_file(directory.join("y.cedar")).unwrap();
    fs::remove_file(directory.join("backends.cedar")).unwrap();
    eventually("what was taken away is gone", async || {
        get("simbilling").await.err()
    })
    .await;

    let audit_file = tokend.config.audit.file.clone();
    let _stopped = tokend.stop().await;
    let text = fs::read_to_string(audit_file).unwrap();
    let changes = text
        .lines()
        .filter(|line| line.contains("\"action\":\"POLICY_CHANGE\""));
    assert!(changes.count() >= 2, "{text}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_forbidden_type_is_out_of_reach_by_every_way_that_names_it() {
    let tokend = Tokend::start(with_policies()).await;
    connect(&tokend).await;
    let mut admin = tokend.operator.admin();
    let start = |integration_type: &str| v1::StartAuthorizationRequest {
        integration_type: integration_type.to_owned(),
        ..Default::default()
    };
    let begun = admin
        .start_authorization(start("simbilling"))
        .await
        .unwrap()
        .into_inner();
    tokend.browse(&begun.redirect_url).await;
    let directory = tokend.config.access.policy_path.clone();
    let forbid = r#"@id("out") forbid (principal, action in [Action::"manage-authorizations", Action::"manage-connectors"],
        resource in IntegrationType::"simbilling");"#;
    fs::write(directory.join("out.cedar"), forbid).unwrap();
    let status = eventually("it is in force", async || {
        admin.start_authorization(start("simbilling")).await.err()
    });
    let denied = |answer: Result<(), Status>| {
        refused(answer, Code::PermissionDenied, "CALLER_NOT_ALLOWED");
    };
    denied(Err(status.await));
    let complete = v1::CompleteAuthorizationRequest {
        authorization_id: begun.authorization_id,
        completion_token: begun.completion_token,
        ..Default::default()
    };
    denied(admin.complete_authorization(complete).await.map(|_| ()));
    let create = v1::CreateConnectorRequest {
        connector: Some(v1::Connector {
            integration_type: "simbilling".to_owned(),
            ..Default::default()
        }),
    };
    denied(admin.create_connector(create).await.map(|_| ()));
    let mut apply = tokend.connectors();
    admin.apply_connectors(apply.clone()).await.unwrap();
    // Nor by being left out, by being defined anew, or under another type's name.
    let pruned = v1::ApplyConnectorsRequest {
        prune: true,
        dry_run: true,
        ..apply.clone()
    };
    denied(admin.apply_connectors(pruned).await.map(|_| ()));
    let defined = v1::ApplyConnectorsRequest {
        integration_types: vec![v1::IntegrationTypeDefinition {
            integration_type: "simbilling".to_owned(),
            toml: definition(tokend.simulator.base_url()),
        }],
        ..Default::default()
    };
    denied(admin.apply_connectors(defined).await.map(|_| ()));
    let mut disguised = apply.clone();
    disguised.connectors[0].connector_id = "simbilling".to_owned();
    denied(admin.apply_connectors(disguised).await.map(|_| ()));
    let create = v1::CreateConnectorRequest {
        connector: Some(v1::Connector {
            integration_type: "simshared".to_owned(),
            connector_id: "simbilling".to_owned(),
            ..Default::default()
        }),
    };
    denied(admin.create_connector(create).await.map(|_| ()));
    apply.connectors[0].integration_type = "simbilling".to_owned();
    denied(admin.apply_connectors(apply).await.map(|_| ()));
    let batch = v1::BatchStartAuthorizationsRequest {
        requests: vec![start("simshared"), start("simbilling")],
    };
    let answer = admin.batch_start_authorizations(batch).await.unwrap();
    use v1::batch_start_authorizations_result::Result as Started;
    let [first, second] = &answer.get_ref().results[..] else {
        panic!("{answer:?}");
    };
    assert!(matches!(first.result, Some(Started::Authorization(_))));
    let Some(Started::Status(status)) = &second.result else {
        panic!("{second:?}");
    };
    assert_eq!(status.code, Code::PermissionDenied as i32);
    tokend.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_link_to_connect_is_for_those_who_may_connect() {
    let tokend = Tokend::start(with_policies()).await;
    let callers = callers(&tokend).await;
    let get = async |caller: &str| {
        let get = v1::GetCurrentAppUserConnectionRequest {
            connector_id: "users".to_owned(),
            connect_return_url: tokend.simulator.app_return_url(),
            ..Default::default()
        };
        let request = for_user(get, &tokend.user_token("ada"));
        let mut connectors = callers[caller].connectors();
        let answer = connectors.get_current_app_user_connection(request).await;
        let status = refused(answer, Code::FailedPrecondition, "NOT_CONNECTED");
        metadata(&status, "authorizationId")
    };
    assert_eq!(get("web").await, "");
    assert_ne!(get("ops").await, "");
    let text = fs::read_to_string(&tokend.config.audit.file).unwrap();
    let outcomes: Vec<_> = text
        .lines()
        .filter(|line| line.contains("\"action\":\"AUTHORIZATION_START\""))
        .map(|line| line.contains("\"outcome\":\"SUCCEEDED\""))
        .collect();
    assert_eq!(outcomes, [false, true], "{text}");
    tokend.stop().await;
}

fn with_policies() -> Options {
    Options {
        configure: |config| {
            let directory = config.keys.file.parent().unwrap().join("policies");
            fs::create_dir(&directory).unwrap();
            for (name, text) in POLICIES {
                fs::write(directory.join(name), text).unwrap();
            }
            config.access.policy_path = directory;
        },
        ..Options::default()
    }
}

/// Connects an account for every connection there is; its token by the connection's name.
async fn connect(tokend: &Tokend) -> HashMap<String, String> {
    let mut apply = tokend.connectors();
    let register = |id: &str, integration_type: &str, kind: v1::ConnectorKind| {
        let client = tokend_simulator::Client::new(format!("client-of-{id}"));
        tokend.simulator.register(client.clone());
        v1::Connector {
            connector_id: id.to_owned(),
            integration_type: integration_type.to_owned(),
            kind: kind.into(),
            client_id: client.id,
            client_secret: client.secret,
            scopes: vec!["events.read".to_owned()],
            ..Default::default()
        }
    };
    apply.connectors.extend([
        register("simbilling", "simbilling", v1::ConnectorKind::Shared),
        register("simsearch", "simsearch", v1::ConnectorKind::Shared),
        register("crm", "simsearch", v1::ConnectorKind::AppUser),
    ]);
    let types = ["simbilling", "simsearch"].map(|name| v1::IntegrationTypeDefinition {
        integration_type: name.to_owned(),
        toml: definition(tokend.simulator.base_url()),
    });
    apply.integration_types.extend(types);
    let mut admin = tokend.operator.admin();
    admin.apply_connectors(apply).await.unwrap();
    let mut tokens = HashMap::new();
    let shared = SHARED[..3].iter().map(|&id| (id, "", id.to_owned()));
    let of_users = CONNECTORS[..2]
        .iter()
        .flat_map(|&id| USERS.map(|user| (id, user, format!("{id}/{user}"))));
    for (connector, user, name) in shared.chain(of_users) {
        let account = name.replace('/', "-");
        let grant = tokend.simulator.grant(
            &format!("client-of-{connector}"),
            &account,
            &["events.read"],
        );
        let import = v1::ImportConnectionRequest {
            connector_id: connector.to_owned(),
            app_user_id: user.to_owned(),
            access_token: grant.access_token.clone(),
            refresh_token: grant.refresh_token.clone().unwrap(),
            expire_time: Some((now() + Duration::from_secs(3600)).into()),
            ..Default::default()
        };
        admin.import_connection(import).await.unwrap();
        tokens.insert(name, grant.access_token);
    }
    tokens
}

/// A client for each caller of the matrix, once the server knows it.
async fn callers(tokend: &Tokend) -> HashMap<&'static str, Client> {
    let mut clients = HashMap::from([
        ("ops", tokend.operator.clone()),
        ("calendar-backend", tokend.backend.clone()),
    ]);
    let new: Vec<_> = GRANTED
        .iter()
        .map(|(name, _)| *name)
        .filter(|name| !clients.contains_key(name))
        .collect();
    for name in new {
        let key = add(&tokend.config, name).await;
        let client = Client::builder(format!("http://{}", tokend.grpc()))
            .credentials(Credentials::api_key(&key))
            .connect()
            .await
            .unwrap();
        clients.insert(name, client);
    }
    for client in clients.values() {
        eventually("the key is known", async || {
            let itself = v1::ExplainAccessRequest::default();
            client.admin().explain_access(itself).await.ok()
        })
        .await;
    }
    clients
}

async fn add(config: &Config, name: &str) -> String {
    let caller = NewCaller {
        name: name.to_owned(),
        workspace: "default".to_owned(),
        operator: false,
        expires_in: None,
    };
    let added = add_caller(config, caller).await.unwrap();
    added.api_key.expose().to_owned()
}

/// How often the trail says that a caller was denied a connection.
fn refusals_on_record(file: &PathBuf) -> BTreeMap<(String, String), usize> {
    let mut refusals = BTreeMap::new();
    for line in fs::read_to_string(file).unwrap().lines() {
        let record: serde_json::Value = serde_json::from_str(line).unwrap();
        let text = |field: &str| record[field].as_str().unwrap().to_owned();
        if (text("action").as_str(), text("outcome").as_str()) != ("VEND", "DENIED") {
            continue;
        }
        assert_eq!(text("reason"), "CALLER_NOT_ALLOWED");
        let connection = match text("connector_id").as_str() {
            "" => text("integration_type"),
            connector => format!("{connector}/{}", text("app_user_id")),
        };
        *refusals.entry((text("caller"), connection)).or_default() += 1;
    }
    refusals
}
