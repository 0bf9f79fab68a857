//! What the storage ports promise, case by case, on both databases: SQLite always, PostgreSQL where
//! `TOKEND_TEST_POSTGRES_URL` names a server (with `CI=true` it must).

#![allow(
    clippy::unwrap_used,
    reason = "a case that meets what it did not expect has failed"
)]

/// Makes two tests of each case.
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

mod api_keys;
mod attempts;
mod audit_trail;
mod authorizations;
mod bulk_revocations;
mod cancellation;
mod changes;
mod claims;
mod connections;
mod connectors;
mod deployments;
mod dump;
mod durability;
mod held_grants;
mod housekeeping;
mod imports;
mod integration_overrides;
mod journal;
mod opening;
mod orphans;
mod pooler;
mod refreshes;
mod renewals;
mod rig;
mod sample;
mod sealing;
mod siblings;
mod silence;
mod staged_imports;
mod statistics;
mod suspensions;
mod tags;
mod workspaces;
