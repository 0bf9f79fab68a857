//! Client secrets while they are being rotated, and what a connector says about another account.

use tokend_api::v1;
use tokend_tests::{Options, Tokend};
use tonic::{Code, Status};
use uuid::Uuid;

use crate::answers::{on_each_database, refused, violations};

fn secrets(count: usize) -> Vec<String> {
    (0..count).map(|_| Uuid::new_v4().to_string()).collect()
}

async fn update(
    tokend: &Tokend,
    mask: &[&str],
    change: impl FnOnce(&mut v1::Connector),
) -> Result<v1::Connector, Status> {
    let mut connector = v1::Connector {
        connector_id: "users".to_owned(),
        ..Default::default()
    };
    change(&mut connector);
    let paths: Vec<_> = mask.iter().map(|&path| path.to_owned()).collect();
    let request = v1::UpdateConnectorRequest {
        connector: Some(connector),
        update_mask: (!paths.is_empty()).then_some(prost_types::FieldMask { paths }),
    };
    let updated = tokend.operator.admin().update_connector(request).await?;
    Ok(updated.into_inner().connector.unwrap())
}

#[tokio::test(flavor = "multi_thread")]
async fn further_secrets_are_kept_until_the_first_one_changes() {
    on_each_database(async |database| {
        let tokend = Tokend::start(Options {
            database,
            ..Options::default()
        })
        .await;
        let others = secrets(2);
        let given = others.clone();
        let set = update(&tokend, &[], |it| it.other_client_secrets = given).await;
        let set = set.unwrap();
        assert_eq!(set.other_client_secret_count, 2);
        assert!(set.other_client_secrets.is_empty() && set.client_secret_set);
        let renamed = update(&tokend, &[], |it| it.display_name = "Users".to_owned()).await;
        assert_eq!(renamed.unwrap().other_client_secret_count, 2);
        // A new first secret ends what stood beside the old one, unless they come with it.
        let first = secrets(1).remove(0);
        let changed = update(&tokend, &["client_secret"], |it| it.client_secret = first).await;
        assert_eq!(changed.unwrap().other_client_secret_count, 0);
        let (first, given) = (secrets(1).remove(0), secrets(4));
        let both = update(&tokend, &[], |it| {
            it.client_secret = first;
            it.other_client_secrets = given;
        });
        assert_eq!(both.await.unwrap().other_client_secret_count, 4);
        let none = update(&tokend, &["other_client_secrets"], |_| {}).await;
        assert_eq!(none.unwrap().other_client_secret_count, 0);

        for wrong in [secrets(5), vec![String::new()]] {
            let wrong = update(&tokend, &[], |it| it.other_client_secrets = wrong).await;
            let status = refused(wrong, Code::InvalidArgument, "INVALID_FIELD");
            assert_eq!(violations(&status), ["other_client_secrets"]);
        }
        let given = secrets(1);
        let public = update(&tokend, &["client_secret", "other_client_secrets"], |it| {
            it.other_client_secrets = given;
        });
        let status = refused(public.await, Code::InvalidArgument, "INVALID_FIELD");
        assert_eq!(violations(&status), ["other_client_secrets"]);
        let list = v1::ListConnectorsRequest::default();
        let shown = tokend.operator.admin().list_connectors(list).await;
        let shown = format!("{:?}", shown.unwrap().into_inner());
        assert!(others.iter().all(|secret| !shown.contains(secret)));
        tokend.stop().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_to_do_about_another_account_is_kept() {
    on_each_database(async |database| {
        let tokend = Tokend::start(Options {
            database,
            ..Options::default()
        })
        .await;
        let usual = update(&tokend, &[], |it| it.display_name = "Users".to_owned()).await;
        assert_eq!(usual.unwrap().account_change(), v1::AccountChange::Accept);
        for wish in [v1::AccountChange::Ask, v1::AccountChange::Refuse] {
            let set = update(&tokend, &[], |it| it.set_account_change(wish)).await;
            assert_eq!(set.unwrap().account_change(), wish);
            let other = update(&tokend, &["scopes"], |_| {}).await;
            assert_eq!(other.unwrap().account_change(), wish);
        }
        let back = update(&tokend, &["account_change"], |_| {}).await;
        assert_eq!(back.unwrap().account_change(), v1::AccountChange::Accept);
        tokend.stop().await;
    })
    .await;
}
