//! Integration types of this installation.

use tokend_model::ports::{Connectors, IntegrationOverrides};

use crate::{
    rig::Rig,
    sample::{at, service, stranger, workspace},
};

cases!(a_definition_is_added_then_replaced);

async fn a_definition_is_added_then_replaced(rig: Rig) {
    let name = service("intranet");
    for (workspace, definition) in [
        (workspace(), "a = 1"),
        (stranger(), "b = 1"),
        (workspace(), "a = 2\n# é"),
    ] {
        rig.storage
            .apply(
                &workspace,
                &[],
                &[(name.clone(), definition.to_owned())],
                at(0),
            )
            .await
            .unwrap();
    }
    assert_eq!(
        IntegrationOverrides::list(&rig.storage).await.unwrap(),
        [
            (workspace(), name.clone(), "a = 2\n# é".to_owned()),
            (stranger(), name, "b = 1".to_owned()),
        ]
    );
}
