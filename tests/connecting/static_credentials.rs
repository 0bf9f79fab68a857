//! Static credentials: what a person made at the provider, checked when it is set and vended as it is.

use tokend_api::v1;
use tokend_simulator::{Endpoint, Fault};
use tokend_tests::{Options, Tokend, databases};
use tonic::{Code, Status};

use crate::{
    answers::{refused, retry_delay, violations},
    own_types::{apply, connector, get, start, with_grant},
};

const KEY: &str = "keyed";
const SECTIONS: &str = r#"
[credential]
display_name = "Key"
description = "In the settings."
pattern = "at-sim-.+|bad-.+"
pattern_error = "A key begins with at-sim-."
"#;

async fn with_keys(options: Options) -> Tokend {
    let tokend = Tokend::start(options).await;
    let unclaimed = v1::Connector {
        client_id: String::new(),
        client_secret: String::new(),
        scopes: Vec::new(),
        ..connector(&tokend, KEY, KEY)
    };
    let toml = static_type(&tokend, SECTIONS);
    apply(&tokend, KEY, toml, vec![unclaimed]).await;
    tokend
}

/// A static type has neither endpoint nor renewal.
fn static_type(tokend: &Tokend, sections: &str) -> String {
    let base = tokend.simulator.base_url();
    let token = format!("[token]\nurl = \"{base}/token\"\n");
    let refresh = "[refresh]\nrotation = \"stays_valid\"\n";
    let revoke = format!("[revoke]\nurl = \"{base}/revoke\"\n");
    let whole = with_grant(tokend, "static", sections);
    [token.as_str(), refresh, revoke.as_str()]
        .iter()
        .fold(whole, |toml, section| {
            assert!(toml.contains(section), "{section}");
            toml.replace(section, "")
        })
}

/// A key of that account's.
fn key(tokend: &Tokend, account: &str) -> String {
    let grant = tokend.simulator.grant("client-of-keyed", account, &[]);
    grant.access_token
}

fn setting(access_token: String) -> v1::SetStaticCredentialRequest {
    v1::SetStaticCredentialRequest {
        connector_id: KEY.to_owned(),
        access_token,
        ..Default::default()
    }
}

async fn set(
    tokend: &Tokend,
    request: v1::SetStaticCredentialRequest,
) -> Result<v1::Connection, Status> {
    let mut admin = tokend.operator.admin();
    let answer = admin.set_static_credential(request).await?;
    Ok(answer.into_inner().connection.unwrap())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_is_checked_stored_and_vended_as_it_is() {
    for database in databases() {
        let options = Options {
            database,
            ..Options::default()
        };
        let tokend = with_keys(options).await;
        let token = key(&tokend, "grace");
        let request = v1::SetStaticCredentialRequest {
            tags: [("team".to_owned(), "sales".to_owned())].into(),
            ..setting(token.clone())
        };
        let connection = set(&tokend, request).await.unwrap();
        assert_eq!(connection.account.unwrap().id, "grace");
        assert_eq!(connection.tags["team"], "sales");
        let mut connectors = tokend.backend.connectors();
        let vended = connectors.get_connection(get(KEY)).await.unwrap();
        let vended = vended.into_inner();
        assert_eq!(vended.access_token, token);
        assert_eq!(vended.token_type, "Bearer");
        assert_eq!(vended.expire_time, None);
        assert_eq!(vended.warnings, []);

        // Nothing can renew it: only another one helps.
        let rejected = v1::GetConnectionRequest {
            rejected_generation: Some(vended.generation),
            ..get(KEY)
        };
        let answer = connectors.get_connection(rejected.clone()).await;
        let status = refused(answer, Code::FailedPrecondition, "REAUTHORIZATION_REQUIRED");
        assert!(
            status.message().contains("SetStaticCredential"),
            "{status:?}"
        );
        let other = key(&tokend, "grace");
        let again = set(&tokend, setting(other.clone())).await.unwrap();
        assert_eq!(again.connection_id, connection.connection_id);
        assert_eq!(again.tags["team"], "sales");
        let vended = connectors.get_connection(rejected).await.unwrap();
        assert_eq!(vended.into_inner().access_token, other);
        let described = v1::DescribeConnectionRequest {
            connection_id: again.connection_id,
        };
        let mut admin = tokend.operator.admin();
        let described = admin.describe_connection(described).await.unwrap();
        let newest = described.into_inner().generations.remove(0);
        assert_eq!(newest.source(), v1::CredentialSource::Static);
        assert_eq!(tokend.simulator.ledger().token_calls(), 0);
        tokend.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_work_is_not_stored() {
    let tokend = with_keys(Options::default()).await;
    let good = key(&tokend, "grace");
    let basic = v1::BasicCredential {
        username: "grace".to_owned(),
        password: good.clone(),
    };
    let cases = [
        (setting(String::new()), "access_token", "basic is needed"),
        (
            setting("other".to_owned()),
            "access_token",
            "A key begins with",
        ),
        (
            setting(format!("bad-{good}")),
            "access_token",
            "refused by the provider",
        ),
        (
            setting(format!("at-sim-\n{good}")),
            "access_token",
            "characters",
        ),
        (
            v1::SetStaticCredentialRequest {
                basic: Some(basic.clone()),
                ..setting(String::new())
            },
            "basic",
            "one value",
        ),
        (
            v1::SetStaticCredentialRequest {
                basic: Some(basic),
                ..setting(good.clone())
            },
            "access_token",
            "exclude",
        ),
        (
            v1::SetStaticCredentialRequest {
                app_user_id: "ada".to_owned(),
                ..setting(good.clone())
            },
            "app_user_id",
            "app user connector",
        ),
        (
            v1::SetStaticCredentialRequest {
                tags: [("Bad Name".to_owned(), String::new())].into(),
                ..setting(good)
            },
            "tags",
            "Bad Name",
        ),
    ];
    for (request, field, words) in cases {
        let answer = set(&tokend, request).await;
        let status = refused(answer, Code::InvalidArgument, "INVALID_FIELD");
        let told = violations(&status).remove(0);
        assert_eq!(told.0, field, "{status:?}");
        assert!(told.1.contains(words), "{told:?}");
    }
    let answer = tokend
        .operator
        .admin()
        .start_authorization(start(KEY))
        .await;
    let status = refused(answer, Code::InvalidArgument, "INVALID_FIELD");
    assert!(violations(&status)[0].1.contains("SetStaticCredential"));
    let mut connectors = tokend.backend.connectors();
    let answer = connectors.get_connection(get(KEY)).await;
    refused(answer, Code::FailedPrecondition, "NOT_CONNECTED");
    tokend.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn without_the_provider_it_is_set_unchecked_or_not_at_all() {
    let tokend = with_keys(Options::default()).await;
    let token = key(&tokend, "grace");
    tokend
        .simulator
        .faults()
        .always(Endpoint::Userinfo, Some(Fault::status(503)));
    let answer = set(&tokend, setting(token.clone())).await;
    let status = refused(answer, Code::Unavailable, "PROVIDER_UNAVAILABLE");
    assert!(status.message().contains("skip_check"), "{status:?}");
    assert!(retry_delay(&status).is_some());
    let unchecked = v1::SetStaticCredentialRequest {
        skip_check: true,
        ..setting(token)
    };
    let connection = set(&tokend, unchecked).await.unwrap();
    assert_eq!(connection.account.unwrap_or_default().id, "");
    tokend.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_user_name_and_a_password_are_vended_as_basic() {
    let tokend = Tokend::start(Options::default()).await;
    let sections =
        "[credential]\ndisplay_name = \"Login\"\ndescription = \"Yours.\"\nbasic = true\n";
    let toml = static_type(&tokend, sections);
    apply(&tokend, KEY, toml, vec![connector(&tokend, KEY, KEY)]).await;
    let request = v1::SetStaticCredentialRequest {
        basic: Some(v1::BasicCredential {
            username: "grace".to_owned(),
            password: "p:w".to_owned(),
        }),
        skip_check: true,
        ..setting(String::new())
    };
    set(&tokend, request).await.unwrap();
    let vended = tokend.backend.connectors().get_connection(get(KEY)).await;
    let vended = vended.unwrap().into_inner();
    assert_eq!(vended.token_type, "Basic");
    assert_eq!(vended.access_token, "Z3JhY2U6cDp3");
    tokend.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_personal_token_goes_with_any_type() {
    let tokend = Tokend::start(Options::default()).await;
    let token = key(&tokend, "grace");
    let request = v1::SetStaticCredentialRequest {
        connector_id: "users".to_owned(),
        app_user_id: "ada".to_owned(),
        scopes: vec!["events.read".to_owned()],
        ..setting(token.clone())
    };
    set(&tokend, request).await.unwrap();
    let vended = tokend.get_for(&tokend.user_token("ada")).await.unwrap();
    assert_eq!(vended.access_token, token);
    assert_eq!(vended.missing_scopes, [""; 0]);
    tokend.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refresh_token_cannot_be_imported_for_what_nothing_renews() {
    let tokend = with_keys(Options::default()).await;
    for (access_token, verify) in [(String::new(), false), (key(&tokend, "ada"), true)] {
        let import = v1::ImportConnectionRequest {
            connector_id: KEY.to_owned(),
            access_token,
            refresh_token: "rt".to_owned(),
            verify,
            ..Default::default()
        };
        let answer = tokend.operator.admin().import_connection(import).await;
        let status = refused(answer, Code::InvalidArgument, "INVALID_FIELD");
        assert_eq!(violations(&status)[0].0, "refresh_token");
    }
    tokend.stop().await;
}
