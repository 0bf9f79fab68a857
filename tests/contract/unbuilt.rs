//! What is not built yet says so, by name.

use std::fmt::Debug;

use tokend_api::v1;
use tokend_tests::{Options, Tokend};
use tonic::{Code, Status};

use crate::answers::{metadata, refused};

#[tokio::test(flavor = "multi_thread")]
async fn an_rpc_that_is_not_built_yet_names_itself() {
    let tokend = Tokend::start(Options::default()).await;
    let mut admin = tokend.operator.admin();
    let watch = v1::WatchConnectionRequest::default();
    unbuilt(
        "WatchConnection",
        tokend
            .backend
            .connectors()
            .watch_connection(watch)
            .await
            .map(|_| ()),
    );
    unbuilt(
        "RotateKeys",
        admin.rotate_keys(v1::RotateKeysRequest::default()).await,
    );
    tokend.stop().await;
}

#[track_caller]
fn unbuilt<T: Debug>(rpc: &str, answer: Result<T, Status>) {
    let status = refused(answer, Code::Unimplemented, "UNIMPLEMENTED");
    assert_eq!(metadata(&status, "rpc"), rpc);
}
