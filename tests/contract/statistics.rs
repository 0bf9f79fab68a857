//! Figures of a workspace.

use tokend_api::v1;
use tokend_tests::{Options, Tokend};
use tonic::Code;

use crate::answers::{eventually, metadata, on_each_database, refused};

async fn statistics(tokend: &Tokend, integration_type: &str) -> v1::GetStatisticsResponse {
    let request = v1::GetStatisticsRequest {
        integration_type: integration_type.to_owned(),
    };
    let counted = tokend.operator.admin().get_statistics(request).await;
    counted.unwrap().into_inner()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_there_is_is_counted_by_status_type_and_category() {
    on_each_database(async |database| {
        let tokend = Tokend::start(Options {
            database,
            ..Options::default()
        })
        .await;
        let nothing = statistics(&tokend, "").await;
        assert_eq!((nothing.connector_count, nothing.connection_count), (2, 0));
        tokend.connect_shared().await;
        tokend.connect_user("ada").await;
        let bob = tokend.connect_user("bob").await;
        for _ in 0..3 {
            tokend.get_for(&tokend.user_token("ada")).await.unwrap();
        }
        let revoke = v1::RevokeConnectionRequest {
            connection_id: bob.connection_id,
            ..Default::default()
        };
        let mut admin = tokend.operator.admin();
        admin.revoke_connection(revoke).await.unwrap();

        let counted = eventually("the uses are written", async || {
            let counted = statistics(&tokend, "").await;
            (counted.use_count == 3).then_some(counted)
        })
        .await;
        assert_eq!(
            (
                counted.connector_count,
                counted.connection_count,
                counted.app_user_count
            ),
            (2, 3, 2)
        );
        let [type_] = &counted.integration_types[..] else {
            panic!("{counted:?}");
        };
        let statuses = [
            (v1::ConnectionStatus::Authorized, 2),
            (v1::ConnectionStatus::Revoked, 1),
        ]
        .map(|(status, connection_count)| v1::StatusCount {
            status: status.into(),
            connection_count,
        });
        assert_eq!(counted.statuses, statuses);
        assert_eq!(type_.statuses, statuses);
        assert_eq!(type_.integration_type, "simshared");
        assert_eq!((type_.connection_count, type_.app_user_count), (3, 2));
        assert!(type_.last_use_time.is_some());
        let category = v1::CategoryStatistics {
            category: "developer".to_owned(),
            connector_count: 2,
            connection_count: 3,
            app_user_count: 2,
            use_count: 3,
        };
        assert_eq!(counted.categories, [category]);
        let other = statistics(&tokend, "googlecalendar").await;
        assert_eq!((other.connector_count, other.connection_count), (0, 0));
        let unknown = v1::GetStatisticsRequest {
            integration_type: "googelcalendar".to_owned(),
        };
        let status = refused(
            admin.get_statistics(unknown).await,
            Code::NotFound,
            "INTEGRATION_TYPE_UNKNOWN",
        );
        assert_eq!(metadata(&status, "nearest"), "googlecalendar");
        tokend.stop().await;
    })
    .await;
}
