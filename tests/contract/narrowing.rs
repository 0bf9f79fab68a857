//! A grant that becomes narrower at a renewal: callers and operators hear of it.

use tokend_api::v1;
use tokend_tests::{Options, Tokend};
use tonic::Code;

use crate::answers::{instead_of, on_each_database, only_connection, refused, warnings};

#[tokio::test(flavor = "multi_thread")]
async fn scopes_that_a_renewal_no_longer_brings_are_missing_from_then_on() {
    on_each_database(async |database| {
        let tokend = Tokend::start(Options {
            database,
            ..Options::default()
        })
        .await;
        let mut connectors = tokend.connectors();
        for connector in &mut connectors.connectors {
            connector.scopes.push("events.write".to_owned());
        }
        let mut admin = tokend.operator.admin();
        admin.apply_connectors(connectors).await.unwrap();
        let granted = tokend.connect_shared().await;
        assert_eq!(granted.scopes, ["events.read", "events.write"]);
        assert_eq!(warnings(&tokend.get().await.unwrap()), []);

        // The user took a permission back at the provider: the answer says what is left (RFC 6749 section 5.1).
        tokend.simulator.change(|behaviour| {
            let left = "events.read".into();
            behaviour.extra_answer.insert("scope".to_owned(), left);
        });
        let renewed = tokend.get_with(instead_of(1)).await.unwrap();
        for vended in [renewed, tokend.get().await.unwrap()] {
            assert_eq!(vended.generation, 2);
            assert_eq!(vended.scopes, ["events.read"]);
            assert_eq!(vended.missing_scopes, ["events.write"]);
            assert_eq!(warnings(&vended), [v1::WarningCode::ScopesMissing]);
        }
        let listed = only_connection(&tokend).await;
        assert_eq!(listed.scopes, ["events.read"]);
        assert_eq!(listed.missing_scopes, ["events.write"]);
        let wider = v1::GetConnectionRequest {
            scopes: vec!["events.write".to_owned()],
            ..Default::default()
        };
        let status = tokend.get_with(wider).await;
        refused(status, Code::FailedPrecondition, "SCOPE_NOT_GRANTED");
        // Whoever starts without anything in memory reads the same.
        let tokend = tokend.restart().await;
        let read = tokend.get().await.unwrap();
        assert_eq!(read.missing_scopes, ["events.write"]);
        tokend.stop().await;
    })
    .await;
}
