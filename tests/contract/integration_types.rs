//! Integration types of one's own: kept over a restart, and explained where they are wrong.

use tokend_api::v1;
use tokend_tests::{Database, Options, Tokend, databases};
use tonic::Code;
use tonic_types::StatusExt;

use crate::{
    answers::{eventually, instead_of, refused},
    applying::{apply, own_type},
};

#[tokio::test(flavor = "multi_thread")]
async fn a_type_of_ones_own_survives_a_restart() {
    for database in databases() {
        let tokend = Tokend::start(Options {
            database,
            ..Options::default()
        })
        .await;
        tokend.connect_shared().await;
        let tokend = tokend.restart().await;

        let get = v1::GetIntegrationTypeRequest {
            integration_type: "simshared".to_owned(),
        };
        let answer = tokend
            .operator
            .admin()
            .get_integration_type(get)
            .await
            .unwrap();
        assert_eq!(
            answer.into_inner().integration_type.unwrap().display_name,
            "Simulated"
        );
        assert_eq!(tokend.get().await.unwrap().generation, 1);
        assert_eq!(
            tokend.get_with(instead_of(1)).await.unwrap().generation,
            2,
            "{database:?}"
        );
        tokend.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_type_pushed_to_one_replica_is_known_to_the_other() {
    if !databases().contains(&Database::Postgres) {
        return;
    }
    let tokend = Tokend::start(Options {
        database: Database::Postgres,
        ..Options::default()
    })
    .await;
    let (other, client) = tokend.replica().await;
    let request = v1::ApplyConnectorsRequest {
        integration_types: vec![own_type(&tokend, "later")],
        ..Default::default()
    };
    apply(&tokend, request).await.unwrap();

    let get = || v1::GetIntegrationTypeRequest {
        integration_type: "later".to_owned(),
    };
    let known = eventually("the other replica reads it", async || {
        client.admin().get_integration_type(get()).await.ok()
    });
    known.await;
    other.stop().await;
    tokend.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_catalogue_lists_what_can_be_connected() {
    let tokend = Tokend::start(Options::default()).await;
    let list = v1::ListIntegrationTypesRequest {
        include_unlisted: true,
        ..Default::default()
    };
    let listed = tokend
        .operator
        .admin()
        .list_integration_types(list)
        .await
        .unwrap()
        .into_inner();
    let names: Vec<_> = listed
        .integration_types
        .iter()
        .map(|one| &*one.integration_type)
        .collect();
    for name in [
        "generic_oauth2",
        "github",
        "googlecalendar",
        "notion",
        "simshared",
        "slack",
    ] {
        assert!(names.contains(&name), "{name} in {names:?}");
    }
    assert!(names.is_sorted());
    tokend.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_definition_that_is_wrong_is_told_where() {
    let tokend = Tokend::start(Options::default()).await;
    let whole = own_type(&tokend, "ours").toml;
    for (toml, says) in [
        (whole.replace("[token]", "[tokn]"), "tokn"),
        (
            whole.replace("category = \"developer\"", "category = 7"),
            "category",
        ),
        (whole.replace("[about]", "[about"), "line"),
        (whole.replace("/authorize\"", "/{unknown}\""), "unknown"),
    ] {
        let mut definition = own_type(&tokend, "ours");
        definition.toml = toml;
        let integration_types = vec![own_type(&tokend, "first"), definition];
        let request = v1::ApplyConnectorsRequest {
            integration_types,
            ..Default::default()
        };
        let status = refused(
            apply(&tokend, request).await,
            Code::InvalidArgument,
            "INVALID_FIELD",
        );
        let violation = &status.get_details_bad_request().unwrap().field_violations[0];
        assert_eq!(violation.field, "integration_types[1].toml");
        for part in ["ours", says] {
            assert!(
                violation.description.contains(part),
                "{part}: {}",
                violation.description
            );
        }
        let get = v1::GetIntegrationTypeRequest {
            integration_type: "first".to_owned(),
        };
        let answer = tokend.operator.admin().get_integration_type(get).await;
        refused(answer, Code::NotFound, "INTEGRATION_TYPE_UNKNOWN");
    }
    tokend.stop().await;
}
