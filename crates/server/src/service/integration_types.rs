//! The catalogue, for operators.

use tokend_api::v1;
use tokend_model::WorkspaceName;
use tokend_vending::Error;

use super::{admin::Admin, from_proto, page::PageRequest, to_proto};

impl Admin {
    pub(super) async fn list_integration_types_in(
        &self,
        workspace: &WorkspaceName,
        request: v1::ListIntegrationTypesRequest,
    ) -> Result<v1::ListIntegrationTypesResponse, Error> {
        let page = PageRequest::new(request.page_size, &request.page_token)?;
        let mut all = self.vending.catalogue().list(workspace);
        all.retain(|integration_type| {
            (integration_type.listed || request.include_unlisted)
                && (request.category.is_empty() || request.category == integration_type.category)
        });
        let (rows, next_page_token) = page.take(all, |row| row.name.as_str());
        Ok(v1::ListIntegrationTypesResponse {
            integration_types: rows
                .iter()
                .map(|row| to_proto::integration_type(row))
                .collect(),
            next_page_token,
        })
    }

    pub(super) async fn get_integration_type_in(
        &self,
        workspace: &WorkspaceName,
        request: v1::GetIntegrationTypeRequest,
    ) -> Result<v1::GetIntegrationTypeResponse, Error> {
        let name = from_proto::integration_type(&request.integration_type)?;
        let found = self.vending.integration_type(workspace, &name)?;
        let definition = match found.user_defined {
            true => {
                self.vending
                    .integration_type_definition(workspace, &found.name)
                    .await?
            }
            false => None,
        };
        Ok(v1::GetIntegrationTypeResponse {
            integration_type: Some(to_proto::integration_type(&found)),
            definition_toml: definition.unwrap_or_default(),
        })
    }
}
