//! `ListAuditEvents`: the part of the audit trail that is in the database.

use tokend_api::v1;
use tokend_model::{
    AuditAction, AuditOutcome, Timestamp, WorkspaceName,
    ports::{AuditFilter, StoredAuditRecord},
};
use tokend_vending::Error;

use super::{admin::Admin, from_proto, page::PageRequest, to_proto};
use crate::audit::Record;

impl Admin {
    /// The events of a workspace that pass the filters, newest first unless asked for otherwise.
    pub(super) async fn list_audit_events_in(
        &self,
        workspace: &WorkspaceName,
        request: v1::ListAuditEventsRequest,
    ) -> Result<v1::ListAuditEventsResponse, Error> {
        let page = PageRequest::new(request.page_size, &request.page_token)?;
        let filter = filter(&request)?;
        let read = page.to_read();
        let after = read.after.map(|after| after.parse()).transpose();
        let after = after.map_err(|_| {
            Error::invalid(
                "page_token",
                "must be a next_page_token from an earlier answer",
            )
        })?;
        let stored = self
            .admission
            .audit
            .list(workspace, &filter, after, read.limit)
            .await?;
        let mut rows = Vec::with_capacity(stored.len());
        for record in stored {
            rows.push((record.sequence.to_string(), event(&record)?));
        }
        let next_page_token = page.cut(&mut rows, |(sequence, _)| sequence);
        let events = rows.into_iter().map(|(_, event)| event).collect();
        Ok(v1::ListAuditEventsResponse {
            events,
            next_page_token,
        })
    }
}

fn filter(request: &v1::ListAuditEventsRequest) -> Result<AuditFilter, Error> {
    let actions = request.actions.iter().map(|number| {
        let action = v1::AuditAction::try_from(*number).ok();
        action
            .and_then(model_action)
            .ok_or_else(|| Error::invalid("actions", "each must be one of AuditAction, and set"))
    });
    let outcome = match v1::AuditOutcome::try_from(request.outcome) {
        Ok(v1::AuditOutcome::Unspecified) => None,
        Ok(v1::AuditOutcome::Succeeded) => Some(AuditOutcome::Succeeded),
        Ok(v1::AuditOutcome::Denied) => Some(AuditOutcome::Denied),
        Ok(v1::AuditOutcome::Failed) => Some(AuditOutcome::Failed),
        Err(_) => return Err(Error::invalid("outcome", "must be one of AuditOutcome")),
    };
    Ok(AuditFilter {
        start: time("start_time", request.start_time)?,
        end: time("end_time", request.end_time)?,
        actions: actions.collect::<Result<_, _>>()?,
        outcome,
        caller: request.caller.clone(),
        app_user_id: request.app_user_id.clone(),
        connector_id: request.connector_id.clone(),
        connection_id: request.connection_id.clone(),
        integration_type: request.integration_type.clone(),
        oldest_first: request.oldest_first,
    })
}

fn time(
    field: &'static str,
    time: Option<prost_types::Timestamp>,
) -> Result<Option<Timestamp>, Error> {
    time.map(|time| from_proto::timestamp(field, time))
        .transpose()
}

fn model_action(action: v1::AuditAction) -> Option<AuditAction> {
    let name = action.as_str_name().strip_prefix("AUDIT_ACTION_")?;
    AuditAction::from_name(name)
}

/// What a record says. Whether it is as it was written is for `tokend audit verify` to find out.
fn event(stored: &StoredAuditRecord) -> Result<v1::AuditEvent, Error> {
    let record: Record<'_> = serde_json::from_str(&stored.line).map_err(|error| {
        tracing::error!(sequence = stored.sequence, %error, "an audit record cannot be read");
        Error::Internal
    })?;
    let action = v1::AuditAction::from_str_name(&format!("AUDIT_ACTION_{}", record.action));
    let outcome = v1::AuditOutcome::from_str_name(&format!("AUDIT_OUTCOME_{}", record.outcome));
    Ok(v1::AuditEvent {
        sequence: record.sequence,
        event_time: Some(to_proto::timestamp(record.time)),
        action: action.unwrap_or_default().into(),
        outcome: outcome.unwrap_or_default().into(),
        reason: record.reason.into_owned(),
        caller: record.caller.into_owned(),
        app_user_id: record.app_user_id.into_owned(),
        connector_id: record.connector_id.into_owned(),
        integration_type: record.integration_type.into_owned(),
        connection_id: record.connection_id.into_owned(),
        generation: record.generation,
        authorization_id: record.authorization_id.into_owned(),
        scopes: record.scopes.into_owned(),
        trace_id: record.trace_id.into_owned(),
        details: record.details.into_owned().into_iter().collect(),
        previous_hash: record.previous_hash.into_owned(),
        hash: record.hash.into_owned(),
        caller_kind: record.caller_kind.into_owned(),
        credential_id: record.credential_id.into_owned(),
        peer_address: record.peer_address.into_owned(),
        policy_ids: record.policy_ids.into_owned(),
        token_fingerprint: record.token_fingerprint.into_owned(),
        app_user_issuer: record.app_user_issuer.into_owned(),
        event_id: record.id.into_owned(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_action_of_the_contract_is_one_of_the_model() {
        for number in 0..100 {
            let Ok(action) = v1::AuditAction::try_from(number) else {
                continue;
            };
            let is_set = action != v1::AuditAction::Unspecified;
            let known = model_action(action);
            assert_eq!(known.is_some(), is_set, "{action:?}");
        }
    }
}
