//! Clearing away what has been over for long, and nothing else.

use tokend_api::v1;
use tokend_tests::{Options, Tokend};
use tonic::Code;

use crate::answers::{eventually, on_each_database, refused, violations};

#[tokio::test(flavor = "multi_thread")]
async fn abandoned_attempts_go_and_what_ended_of_late_stays() {
    on_each_database(async |database| {
        let tokend = Tokend::start(Options {
            database,
            configure: |config| config.connect.authorization_ttl_seconds = 1,
            ..Options::default()
        })
        .await;
        let imported = tokend
            .simulator
            .grant("client-of-users", "ada", &["events.read"]);
        let import = v1::ImportConnectionRequest {
            connector_id: "users".to_owned(),
            app_user_id: "ada".to_owned(),
            access_token: imported.access_token,
            ..Default::default()
        };
        let mut admin = tokend.operator.admin();
        let connection = admin.import_connection(import).await.unwrap().into_inner();
        let revoke = v1::RevokeConnectionRequest {
            connection_id: connection.connection.unwrap().connection_id,
            ..Default::default()
        };
        admin.revoke_connection(revoke).await.unwrap();
        let started = tokend.start_user("bob").await;

        let reap = async |dry_run, dead_for_days| {
            let request = v1::ReapConnectionsRequest {
                dry_run,
                dead_for_days,
            };
            tokend.operator.admin().reap_connections(request).await
        };
        let told = eventually("the attempt runs out of time", async || {
            let told = reap(true, 30).await.unwrap().into_inner();
            (told.authorization_count == 1).then_some(told)
        })
        .await;
        assert_eq!((told.connections.len(), told.removed), (0, false));
        let done = reap(false, 0).await.unwrap().into_inner();
        assert_eq!((done.authorization_count, done.removed), (1, true));
        assert_eq!(done.connections, []);
        let again = reap(false, 30).await.unwrap().into_inner();
        assert_eq!(again.authorization_count, 0);
        let gone = v1::GetAuthorizationRequest {
            authorization_id: started.authorization_id,
            ..Default::default()
        };
        let gone = admin.get_authorization(gone).await;
        refused(gone, Code::NotFound, "AUTHORIZATION_NOT_FOUND");

        for days in [29, -1] {
            let status = refused(
                reap(true, days).await,
                Code::InvalidArgument,
                "INVALID_FIELD",
            );
            assert_eq!(violations(&status), ["dead_for_days"]);
        }
        let mut backend = tokend.backend.admin();
        let nobody = backend
            .reap_connections(v1::ReapConnectionsRequest::default())
            .await;
        refused(nobody, Code::PermissionDenied, "CALLER_NOT_ALLOWED");
        tokend.stop().await;
    })
    .await;
}
