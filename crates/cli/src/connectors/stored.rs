//! What the server has: connectors, integration types, and the definitions of those of one's own.

use std::collections::BTreeMap;

use tokend_api::v1::{self, admin_service_client::AdminServiceClient};
use tokend_client::{Authenticated, Error};
use tonic::Code;

use crate::remote::answer;

/// A client of the operators' service.
pub(crate) type AdminClient = AdminServiceClient<Authenticated>;

/// As many as a page may have.
const PAGE: i32 = 1000;

/// All of a workspace that files can describe.
pub(crate) struct Stored {
    /// By id.
    pub(crate) connectors: Vec<v1::Connector>,
    /// By name, those that are not offered too.
    pub(crate) integration_types: Vec<v1::IntegrationType>,
    /// The TOML of those of one's own, by name.
    pub(crate) definitions: BTreeMap<String, String>,
}

impl Stored {
    /// Asks the server for all.
    pub(crate) async fn read(admin: &mut AdminClient) -> Result<Self, Error> {
        let integration_types = integration_types(admin, "", true).await?;
        let mut definitions = BTreeMap::new();
        for own in integration_types.iter().filter(|one| one.user_defined) {
            let name = own.integration_type.clone();
            if let Some(toml) = definition(admin, &name).await? {
                definitions.insert(name, toml);
            }
        }
        Ok(Self {
            connectors: connectors(admin).await?,
            integration_types,
            definitions,
        })
    }

    /// The name that a name or an alias stands for.
    pub(crate) fn canonical<'a>(&'a self, name: &'a str) -> &'a str {
        let types = &self.integration_types;
        if types.iter().any(|one| one.integration_type == name) {
            return name;
        }
        let aliased = |one: &&v1::IntegrationType| one.aliases.iter().any(|alias| alias == name);
        let found = types.iter().find(aliased);
        found.map_or(name, |one| &one.integration_type)
    }
}

/// All integration types of a category (empty: of all), by name.
pub(crate) async fn integration_types(
    admin: &mut AdminClient,
    category: &str,
    unlisted: bool,
) -> Result<Vec<v1::IntegrationType>, Error> {
    let (mut all, mut page_token) = (Vec::new(), String::new());
    loop {
        let request = v1::ListIntegrationTypesRequest {
            category: category.to_owned(),
            include_unlisted: unlisted,
            page_size: PAGE,
            page_token,
        };
        let page = answer(admin.list_integration_types(request).await)?;
        all.extend(page.integration_types);
        page_token = page.next_page_token;
        if page_token.is_empty() {
            return Ok(all);
        }
    }
}

/// All connectors, by id.
async fn connectors(admin: &mut AdminClient) -> Result<Vec<v1::Connector>, Error> {
    let (mut all, mut page_token) = (Vec::new(), String::new());
    loop {
        let request = v1::ListConnectorsRequest {
            page_size: PAGE,
            page_token,
            ..Default::default()
        };
        let page = answer(admin.list_connectors(request).await)?;
        all.extend(page.connectors);
        page_token = page.next_page_token;
        if page_token.is_empty() {
            return Ok(all);
        }
    }
}

/// All connections under a connector.
pub(super) async fn connections(
    admin: &mut AdminClient,
    connector_id: &str,
) -> Result<Vec<v1::Connection>, Error> {
    let (mut all, mut page_token) = (Vec::new(), String::new());
    loop {
        let request = v1::ListConnectionsRequest {
            connector_id: connector_id.to_owned(),
            page_size: PAGE,
            page_token,
            ..Default::default()
        };
        let page = answer(admin.list_connections(request).await)?;
        all.extend(page.connections);
        page_token = page.next_page_token;
        if page_token.is_empty() {
            return Ok(all);
        }
    }
}

/// The TOML of an integration type; None where it is not of one's own.
pub(crate) async fn definition(
    admin: &mut AdminClient,
    name: &str,
) -> Result<Option<String>, Error> {
    let request = v1::GetIntegrationTypeRequest {
        integration_type: name.to_owned(),
    };
    match answer(admin.get_integration_type(request).await) {
        // A name may be an alias of another type.
        Ok(found) => {
            let found_name = found.integration_type.map(|one| one.integration_type);
            let toml = found.definition_toml;
            Ok((found_name.as_deref() == Some(name) && !toml.is_empty()).then_some(toml))
        }
        Err(error) if matches!(error.code, Code::NotFound | Code::InvalidArgument) => Ok(None),
        Err(error) => Err(error),
    }
}
