//! The words of the schema: what a question is in Cedar's terms.

use std::collections::{HashMap, HashSet};

use cedar_policy::{
    Context, Entities, Entity, EntityId, EntityTypeName, EntityUid, Request,
    RestrictedExpression as Expression, Schema,
};

use super::{POLICY_SCHEMA, facts::Facts};
use crate::{ACTIONS, Action};

/// The schema, and its names ready to be used.
pub(super) struct Vocabulary {
    schema: Schema,
    environment: String,
    action_entities: Entities,
    actions: HashMap<Action, EntityUid>,
    caller: EntityTypeName,
    workspace: EntityTypeName,
    integration_type: EntityTypeName,
    connector: EntityTypeName,
    connection: EntityUid,
}

impl Vocabulary {
    /// The texts of what goes wrong are for whoever changes the schema.
    pub(super) fn new(environment: &str) -> Result<Self, String> {
        let (schema, _) = Schema::from_cedarschema_str(POLICY_SCHEMA).map_err(text)?;
        let type_name = |name: &str| name.parse::<EntityTypeName>().map_err(text);
        let action = type_name("Action")?;
        let actions = ACTIONS.map(|it| (it, entity(&action, it.name())));
        Ok(Self {
            action_entities: schema.action_entities().map_err(text)?,
            schema,
            environment: environment.to_owned(),
            actions: actions.into(),
            caller: type_name("Caller")?,
            workspace: type_name("Workspace")?,
            integration_type: type_name("IntegrationType")?,
            connector: type_name("Connector")?,
            // Policies cannot name it, and there is one in each question.
            connection: entity(&type_name("Connection")?, "this"),
        })
    }

    pub(super) fn schema(&self) -> &Schema {
        &self.schema
    }

    /// The question, with what there is to know about it. It fits the schema by the way it is made, which the tests hold.
    pub(super) fn ask(&self, facts: &Facts<'_>) -> Result<(Request, Entities), String> {
        let action = self.actions.get(&facts.action);
        let action = action.ok_or("an action without an entity")?.clone();
        let caller = self.caller_entity(facts)?;
        let request = Request::new(
            caller.uid(),
            action,
            self.connection.clone(),
            self.context(facts)?,
            None,
        );
        let connection = self.connection_entity(facts)?;
        let entities = self
            .action_entities
            .clone()
            .add_entities([caller, connection], None);
        Ok((request.map_err(text)?, entities.map_err(text)?))
    }

    fn caller_entity(&self, facts: &Facts<'_>) -> Result<Entity, String> {
        let caller = &facts.caller;
        let attributes = texts([
            ("name", caller.name),
            ("kind", caller.kind),
            ("role", caller.role),
            ("workspace", caller.workspace),
            ("issuer", caller.issuer),
            ("namespace", caller.namespace),
            ("service_account", caller.service_account),
            ("trust_domain", caller.trust_domain),
        ]);
        let id = entity(&self.caller, caller.name);
        Entity::new(id, attributes, HashSet::new()).map_err(text)
    }

    fn connection_entity(&self, facts: &Facts<'_>) -> Result<Entity, String> {
        let attributes = texts([
            ("workspace", facts.workspace),
            ("integration_type", facts.integration_type),
            ("connector_id", facts.connector_id),
            ("owner", facts.owner),
            ("label", facts.label),
        ]);
        let parents = [
            (&self.workspace, facts.workspace),
            (&self.integration_type, facts.integration_type),
            (&self.connector, facts.connector_id),
        ];
        let parents = parents.into_iter().filter(|(_, id)| !id.is_empty());
        let parents = parents.map(|(type_name, id)| entity(type_name, id));
        Entity::new(self.connection.clone(), attributes, parents.collect()).map_err(text)
    }

    fn context(&self, facts: &Facts<'_>) -> Result<Context, String> {
        let scopes = facts.scopes.iter().cloned().map(Expression::new_string);
        let mut pairs = vec![
            ("scopes".to_owned(), Expression::new_set(scopes)),
            (
                "environment".to_owned(),
                Expression::new_string(self.environment.clone()),
            ),
            (
                "own_workspace".to_owned(),
                Expression::new_bool(facts.own_workspace()),
            ),
        ];
        if let Some((id, issuer)) = facts.app_user {
            let user = Expression::new_record(texts([("id", id), ("issuer", issuer)]));
            pairs.push(("app_user".to_owned(), user.map_err(text)?));
        }
        Context::from_pairs(pairs).map_err(text)
    }
}

fn entity(type_name: &EntityTypeName, id: &str) -> EntityUid {
    EntityUid::from_type_name_and_id(type_name.clone(), EntityId::new(id))
}

fn texts<const N: usize>(pairs: [(&str, &str); N]) -> HashMap<String, Expression> {
    let pairs =
        pairs.map(|(name, text)| (name.to_owned(), Expression::new_string(text.to_owned())));
    pairs.into()
}

fn text(error: impl ToString) -> String {
    error.to_string()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::facts::CallerFacts;

    #[test]
    fn what_is_asked_fits_the_schema() {
        let vocabulary = Vocabulary::new("test").unwrap();
        let scopes = ["read".to_owned()];
        for action in ACTIONS {
            for app_user in [None, Some(("ada", "https://login.acme.test"))] {
                let facts = Facts {
                    caller: CallerFacts {
                        name: "shop",
                        kind: "api-key",
                        role: "backend",
                        workspace: "default",
                        issuer: "",
                        namespace: "",
                        service_account: "",
                        trust_domain: "",
                    },
                    action,
                    workspace: "default",
                    integration_type: "slack",
                    connector_id: "users",
                    owner: "shared",
                    label: "",
                    scopes: &scopes,
                    app_user,
                };
                let (request, entities) = vocabulary.ask(&facts).unwrap();
                let uids = [
                    request.principal().unwrap().clone(),
                    request.action().unwrap().clone(),
                    request.resource().unwrap().clone(),
                ];
                let context = request.context().unwrap().clone();
                let [principal, action, resource] = uids;
                let schema = Some(vocabulary.schema());
                Request::new(principal, action, resource, context, schema).unwrap();
                Entities::from_entities(entities, schema).unwrap();
            }
        }
        let known = vocabulary.schema().actions().count();
        // The two groups besides.
        assert_eq!(known, ACTIONS.len() + 2);
    }
}
