#![allow(clippy::unwrap_used, dead_code)]
macro_rules! cases {
    ($($case:ident),+ $(,)?) => {
        $(mod $case {
            #[tokio::test(flavor = "multi_thread")]
            async fn sqlite() {
                crate::rig::on_sqlite(super::$case).await;
            }

            #[tokio::test(flavor = "multi_thread")]
            async fn postgres() {
                crate::rig::on_postgres(super::$case).await;
            }
        })+
    };
}
#[path = "conformance/changes.rs"]
mod changes;
#[path = "conformance/deployments.rs"]
mod deployments;
#[path = "conformance/durability.rs"]
mod durability;
#[path = "conformance/journal.rs"]
mod journal;
#[path = "conformance/pooler.rs"]
mod pooler;
#[path = "conformance/rig.rs"]
mod rig;
#[path = "conformance/sample.rs"]
mod sample;
