//! Static credentials, for operators: what a person made at the provider is set here.

use tokend_api::v1;
use tokend_model::{Secret, WorkspaceName};
use tokend_vending::{Error, SetStaticCredential, StaticSecret};

use super::{admin::Admin, from_proto};

impl Admin {
    pub(super) async fn set_static_credential_in(
        &self,
        workspace: &WorkspaceName,
        request: v1::SetStaticCredentialRequest,
    ) -> Result<v1::SetStaticCredentialResponse, Error> {
        let given = |text: String| (!text.is_empty()).then_some(text);
        let secret = secret(request.access_token, request.basic)?;
        let set = SetStaticCredential {
            workspace: workspace.clone(),
            connector_id: from_proto::connector_id(&request.connector_id)?,
            app_user: given(request.app_user_id)
                .map(|id| from_proto::app_user_id(&id))
                .transpose()?,
            label: from_proto::label(request.label.as_deref())?,
            secret,
            token_type: given(request.token_type),
            expire_time: request
                .expire_time
                .map(|time| from_proto::timestamp("expire_time", time))
                .transpose()?,
            scopes: request.scopes,
            connection_config: request.connection_config.into_iter().collect(),
            tags: request.tags.into_iter().collect(),
            skip_check: request.skip_check,
        };
        let connection = self.vending.set_static_credential(set).await?;
        let connection = Some(self.shown_connection(&connection).await?);
        Ok(v1::SetStaticCredentialResponse { connection })
    }
}

fn secret(access_token: String, basic: Option<v1::BasicCredential>) -> Result<StaticSecret, Error> {
    match (access_token.is_empty(), basic) {
        (false, None) => Ok(StaticSecret::Token(Secret::new(access_token))),
        (true, Some(basic)) => Ok(StaticSecret::Basic {
            username: basic.username,
            password: Secret::new(basic.password),
        }),
        (true, None) => Err(Error::invalid("access_token", "or basic is needed")),
        (false, Some(_)) => Err(Error::invalid(
            "access_token",
            "and basic exclude each other",
        )),
    }
}
