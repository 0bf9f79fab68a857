//! Who may apply a set of connectors, and what goes on record of it: each definition and each change for itself.

use tokend_access::Action;
use tokend_api::v1;
use tokend_model::AuditAction;
use tokend_vending::{PlannedAction, PlannedChange};

use super::{admin::Admin, asked::Named};
use crate::{
    admission::{Admitted, Ask},
    failure::Failure,
};

/// What a set does to one integration type or connector, and how it was admitted.
pub(super) struct Part {
    admitted: Admitted,
    named: Named,
}

impl Admin {
    /// Admits everything that a set names, as what it says it is; answers what becomes of the definitions.
    pub(super) async fn admit_set(
        &self,
        admitted: &Admitted,
        request: &v1::ApplyConnectorsRequest,
    ) -> Result<Vec<Part>, Failure> {
        let mut parts = Vec::new();
        for definition in &request.integration_types {
            let ask = Ask {
                integration_type: &definition.integration_type,
                ..Ask::new(Action::ManageConnectors, AuditAction::ConnectorUpdate)
            };
            parts.push(Part {
                admitted: self.admission.admit(&admitted.call, ask).await?,
                named: vec![("defined", "integrationType".to_owned())],
            });
        }
        for connector in &request.connectors {
            let ask = Ask {
                integration_type: &connector.integration_type,
                connector_id: &connector.connector_id,
                ..Ask::new(Action::ManageConnectors, admitted.audited)
            };
            self.admission.admit(&admitted.call, ask).await?;
        }
        Ok(parts)
    }

    /// Admits every change of a plan, as what the connector is; answers what becomes of the connectors.
    pub(super) async fn admit_plan(
        &self,
        admitted: &Admitted,
        plan: &[PlannedChange],
    ) -> Result<Vec<Part>, Failure> {
        let mut parts = Vec::new();
        for change in plan {
            let audited = match change.action {
                PlannedAction::Create => AuditAction::ConnectorCreate,
                PlannedAction::Update => AuditAction::ConnectorUpdate,
                PlannedAction::Delete => AuditAction::ConnectorDelete,
                PlannedAction::Unchanged => continue,
            };
            let ask = Ask {
                integration_type: change.connector.integration_type.as_str(),
                connector_id: change.connector.id.as_str(),
                ..Ask::new(Action::ManageConnectors, audited)
            };
            let fields = change.changed_fields.join(" ");
            let fields = (!fields.is_empty()).then_some(("changedFields", fields));
            parts.push(Part {
                admitted: self.admission.admit(&admitted.call, ask).await?,
                named: fields.into_iter().collect(),
            });
        }
        Ok(parts)
    }

    /// Puts on record what was applied.
    pub(super) async fn record_applied(&self, parts: &[Part]) -> Result<(), Failure> {
        for part in parts {
            let audit = &self.admission.audit;
            audit.done(&part.admitted, &part.named, None).await?;
        }
        Ok(())
    }
}
