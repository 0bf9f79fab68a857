//! The catalogue: the definitions that come with tokend, and each workspace's own over them.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use arc_swap::ArcSwap;
use include_dir::{Dir, include_dir};
use tokend_model::ports::{self, InvalidDefinition};
use tokend_model::{
    ConnectionConfig, Connector, IntegrationType, IntegrationTypeName, InvalidConnectionConfig,
    RefreshFacts, WorkspaceName,
};

use crate::Definition;

static TYPES: Dir<'_> = include_dir!("$CARGO_MANIFEST_DIR/types");

/// How alike two names have to be for one to be suggested for the other (Jaro-Winkler, 0 to 1).
const SUGGESTION_LIKENESS: f64 = 0.8;

type ByName = BTreeMap<IntegrationTypeName, Arc<Definition>>;

/// All integration types. Reading takes no lock.
#[derive(Debug)]
pub struct Catalogue {
    embedded: ByName,
    defined: ArcSwap<HashMap<WorkspaceName, ByName>>,
}

/// A definition that came with tokend is wrong; a build that has this should not be released.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("embedded integration type: {0}")]
pub struct InvalidEmbeddedDefinition(
    /// File, line, key and what is allowed.
    pub String,
);

impl Catalogue {
    /// The definitions that come with tokend.
    pub fn embedded() -> Result<Self, InvalidEmbeddedDefinition> {
        let mut embedded = ByName::new();
        for file in TYPES.files() {
            let path = file.path().display();
            let invalid = |why: String| InvalidEmbeddedDefinition(why);
            let stem = file.path().file_stem().and_then(|stem| stem.to_str());
            let name = IntegrationTypeName::new(stem.unwrap_or_default())
                .map_err(|error| invalid(format!("{path}: {error}")))?;
            let text = file
                .contents_utf8()
                .ok_or_else(|| invalid(format!("{path}: it is not UTF-8")))?;
            let definition =
                Definition::parse(&name, text, false).map_err(|error| invalid(error.0))?;
            embedded.insert(name, Arc::new(definition));
        }
        Ok(Self {
            embedded,
            defined: ArcSwap::default(),
        })
    }

    /// One definition: the workspace's own before the one that came with tokend, names before aliases.
    pub fn definition(
        &self,
        workspace: &WorkspaceName,
        name: &IntegrationTypeName,
    ) -> Option<Arc<Definition>> {
        let defined = self.defined.load();
        let own = defined.get(workspace);
        let named = own
            .and_then(|own| own.get(name))
            .or_else(|| self.embedded.get(name));
        let aliased = || {
            let own = own.into_iter().flat_map(BTreeMap::values);
            own.chain(self.embedded.values())
                .find(|one| one.integration_type.aliases.contains(name))
        };
        named.or_else(aliased).cloned()
    }

    fn definitions(&self, workspace: &WorkspaceName) -> ByName {
        let mut definitions = self.embedded.clone();
        if let Some(own) = self.defined.load().get(workspace) {
            definitions.extend(own.clone());
        }
        definitions
    }

    fn known(
        &self,
        workspace: &WorkspaceName,
        name: &IntegrationTypeName,
    ) -> Result<Arc<Definition>, InvalidConnectionConfig> {
        self.definition(workspace, name)
            .ok_or_else(|| InvalidConnectionConfig {
                violations: vec![(
                    "integration_type".to_owned(),
                    format!("{name} is not in the catalogue"),
                )],
            })
    }
}

impl ports::Catalogue for Catalogue {
    fn get(
        &self,
        workspace: &WorkspaceName,
        name: &IntegrationTypeName,
    ) -> Option<Arc<IntegrationType>> {
        Some(self.definition(workspace, name)?.integration_type.clone())
    }

    fn learn_from_callback(
        &self,
        workspace: &WorkspaceName,
        name: &IntegrationTypeName,
        parameters: &BTreeMap<String, String>,
    ) -> Result<ConnectionConfig, InvalidConnectionConfig> {
        self.known(workspace, name)?.learn_from_callback(parameters)
    }

    fn check_learned_config(
        &self,
        workspace: &WorkspaceName,
        name: &IntegrationTypeName,
        given: &BTreeMap<String, String>,
    ) -> Result<ConnectionConfig, InvalidConnectionConfig> {
        self.known(workspace, name)?.check_learned_config(given)
    }

    fn refresh_facts(&self, workspace: &WorkspaceName, name: &IntegrationTypeName) -> RefreshFacts {
        self.definition(workspace, name)
            .map(|definition| definition.refresh.facts.clone())
            .unwrap_or_default()
    }

    fn nearest(
        &self,
        workspace: &WorkspaceName,
        name: &IntegrationTypeName,
    ) -> Option<IntegrationTypeName> {
        self.definitions(workspace)
            .into_keys()
            .map(|known| (strsim::jaro_winkler(name.as_str(), known.as_str()), known))
            .filter(|(likeness, _)| *likeness >= SUGGESTION_LIKENESS)
            .max_by(|(one, _), (other, _)| one.total_cmp(other))
            .map(|(_, known)| known)
    }

    fn list(&self, workspace: &WorkspaceName) -> Vec<Arc<IntegrationType>> {
        self.definitions(workspace)
            .into_values()
            .map(|definition| definition.integration_type.clone())
            .collect()
    }

    fn check_connector_config(
        &self,
        workspace: &WorkspaceName,
        name: &IntegrationTypeName,
        given: &BTreeMap<String, String>,
    ) -> Result<ConnectionConfig, InvalidConnectionConfig> {
        self.known(workspace, name)?.check_connector_config(given)
    }

    fn check_connection_config(
        &self,
        connector: &Connector,
        given: &BTreeMap<String, String>,
    ) -> Result<ConnectionConfig, InvalidConnectionConfig> {
        self.known(&connector.workspace, &connector.integration_type)?
            .check_connection_config(&connector.connection_config, given)
    }

    fn overlay(
        &self,
        workspace: &WorkspaceName,
        definitions: &[(IntegrationTypeName, String)],
    ) -> Result<Arc<dyn ports::Catalogue>, InvalidDefinition> {
        let overlaid = Self {
            embedded: self.embedded.clone(),
            defined: ArcSwap::new(self.defined.load_full()),
        };
        for (name, definition) in definitions {
            ports::Catalogue::define(&overlaid, workspace, name, definition)?;
        }
        Ok(Arc::new(overlaid))
    }

    fn define(
        &self,
        workspace: &WorkspaceName,
        name: &IntegrationTypeName,
        definition: &str,
    ) -> Result<(), InvalidDefinition> {
        let definition = Arc::new(Definition::parse(name, definition, true)?);
        self.defined.rcu(|defined| {
            let mut defined = HashMap::clone(defined);
            defined
                .entry(workspace.clone())
                .or_default()
                .insert(name.clone(), definition.clone());
            defined
        });
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::CaptureFrom;
    use ports::Catalogue as _;
    use std::time::Duration;
    use tokend_model::{AccountChange, ConnectorId, ConnectorKind, Rotation};

    const PROMISED: &str = "airtable bamboohr box calendly clickup contentful discord dropbox github gitlab gmail \
        google_analytics googlebigquery googlecalendar google_classroom googledocs googledrive googlemeet \
        google_search_console googlesheets googleslides googletasks hubspot hugging_face instagram linear linkedin \
        microsoft_teams one_drive notion outlook salesforce share_point slack slackbot splitwise supabase tiktok \
        typeform wix wrike stripe confluence jira zoom asana quickbooks shopify zendesk xero intercom generic_oidc \
        generic_oauth2 generic_client_credentials generic_api_key google_service_account github_app";

    type Outcome = Result<(), Box<dyn std::error::Error>>;

    /// A definition of one's own.
    const ACME: &str = r#"[about]
display_name = "Acme"
description = "The things of an Acme account."
category = "files"
documentation_url = "https://acme.example.com/oauth"

[authorize]
url = "https://login.acme.example.com/{tenant}/authorize"
params = { response_mode = "query" }

[token]
url = "https://login.acme.example.com/{tenant}/token"
auth = "client_secret_post"

[refresh]
rotation = "stays_valid"
idle_limit_days = 90

[errors.codes]
consent_required = "grant_rejected"

[identity]
url = "https://api.acme.example.com/me"
id = ["/id"]

[[connection_config]]
name = "tenant"
display_name = "Tenant"
description = "The directory to sign in to."
default = "common"
pattern = "[a-z]+(-[a-z]+)*"
pattern_error = "Enter lower-case words joined by hyphens"
"#;

    fn connector(
        name: &str,
        config: &[(&str, &str)],
    ) -> Result<Connector, Box<dyn std::error::Error>> {
        let now = chrono::DateTime::from_timestamp(1_800_000_000, 0).unwrap_or_default();
        Ok(Connector {
            workspace: WorkspaceName::default_workspace(),
            id: ConnectorId::new("c")?,
            integration_type: IntegrationTypeName::new(name)?,
            kind: ConnectorKind::AppUser,
            display_name: String::new(),
            client_id: "client".to_owned(),
            client_secret: None,
            other_client_secrets: Vec::new(),
            scopes: Vec::new(),
            connection_config: values(config),
            return_urls: Vec::new(),
            disabled: false,
            account_change: AccountChange::default(),
            version: 1,
            create_time: now,
            update_time: now,
        })
    }

    fn values(pairs: &[(&str, &str)]) -> ConnectionConfig {
        let pair = |(key, value): &(&str, &str)| ((*key).to_owned(), (*value).to_owned());
        pairs.iter().map(pair).collect()
    }

    fn keys<T>(result: Result<T, InvalidConnectionConfig>) -> Vec<String> {
        result
            .err()
            .map(|error| error.violations.into_iter().map(|(key, _)| key).collect())
            .unwrap_or_default()
    }

    #[test]
    fn every_embedded_definition_is_complete() -> Outcome {
        let catalogue = Catalogue::embedded()?;
        let all = catalogue.list(&WorkspaceName::default_workspace());
        let names: Vec<&str> = all.iter().map(|one| one.name.as_str()).collect();
        for expected in PROMISED.split_whitespace() {
            assert!(names.contains(&expected), "{expected}");
        }
        let hidden = all.iter().filter(|one| !one.listed);
        let hidden: Vec<&str> = hidden.map(|one| one.name.as_str()).collect();
        assert_eq!(hidden, ["stripe"]);
        for (name, definition) in &catalogue.embedded {
            let shown = &definition.integration_type;
            assert!(!definition.sources.is_empty(), "{name} has no sources");
            for text in [&shown.display_name, &shown.description, &shown.category] {
                assert!(!text.is_empty(), "{name}");
            }
            for (url, date) in &definition.sources {
                assert!(
                    url.starts_with("https://") && date.len() == 10,
                    "{name}: {url} {date}"
                );
            }
        }
        Ok(())
    }

    /// Whoever connects can edit the callback's URL, and name somebody else's tenant in it.
    #[test]
    fn what_a_callback_tells_is_proven_by_a_call_with_the_token() -> Outcome {
        for (name, definition) in &Catalogue::embedded()?.embedded {
            let of_callback = definition.captures.iter();
            for capture in of_callback.filter(|capture| capture.from == CaptureFrom::Callback) {
                let placeholder = format!("{{{}}}", capture.name);
                let proven = definition.discoveries.iter().any(|call| {
                    let needed = call.capture.iter().any(|capture| capture.required);
                    needed && call.url.to_string().contains(&placeholder)
                });
                assert!(proven, "{name}: {}", capture.name);
            }
        }
        Ok(())
    }

    #[test]
    fn names_of_other_systems_are_understood_and_each_means_one_type() -> Outcome {
        let catalogue = Catalogue::embedded()?;
        let here = WorkspaceName::default_workspace();
        for (alias, name) in [
            ("google_calendar", "googlecalendar"),
            ("google_drive", "googledrive"),
            ("microsoft_outlook", "outlook"),
            ("microsoft_sharepoint", "share_point"),
            ("onedrive", "one_drive"),
        ] {
            let found = catalogue.get(&here, &IntegrationTypeName::new(alias)?);
            assert_eq!(found.as_ref().map(|one| one.name.as_str()), Some(name));
        }
        let mut taken: Vec<_> = catalogue.embedded.keys().cloned().collect();
        for definition in catalogue.embedded.values() {
            for alias in &definition.integration_type.aliases {
                assert!(!taken.contains(alias), "{alias} is taken");
                taken.push(alias.clone());
            }
        }
        Ok(())
    }

    #[test]
    fn a_scope_is_the_token_s_whose_name_stands_before_it() -> Outcome {
        let catalogue = Catalogue::embedded()?;
        let here = WorkspaceName::default_workspace();
        let asked = ["chat:write", "user:chat:write", "user", "users:read"].map(str::to_owned);
        for (name, token, expected) in [
            ("slackbot", "", "chat:write user users:read"),
            ("slackbot", "user", "chat:write"),
            ("slackbot", "app", ""),
            ("github", "", "chat:write user:chat:write user users:read"),
        ] {
            let found = catalogue.get(&here, &IntegrationTypeName::new(name)?);
            let scopes = found.map(|one| one.scopes_of(token, &asked).join(" "));
            assert_eq!(scopes.as_deref(), Some(expected), "{name} {token}");
        }
        Ok(())
    }

    #[test]
    fn a_workspace_s_own_definition_goes_first_and_only_there() -> Outcome {
        let catalogue = Catalogue::embedded()?;
        let (here, there) = (WorkspaceName::new("here")?, WorkspaceName::new("there")?);
        let github = IntegrationTypeName::new("github")?;
        let own = ACME.replace("\"Acme\"", "\"Our GitHub\"");
        catalogue.define(&here, &github, &own)?;
        let shown = |workspace| {
            catalogue
                .get(workspace, &github)
                .map(|one| (one.display_name.clone(), one.user_defined))
        };
        assert_eq!(shown(&here), Some(("Our GitHub".to_owned(), true)));
        assert_eq!(shown(&there), Some(("GitHub".to_owned(), false)));
        assert_eq!(catalogue.list(&here).len(), catalogue.list(&there).len());
        Ok(())
    }

    #[test]
    fn the_refresh_facts_are_those_of_the_definition_that_counts() -> Outcome {
        let catalogue = Catalogue::embedded()?;
        let (here, there) = (WorkspaceName::new("here")?, WorkspaceName::new("there")?);
        let google = IntegrationTypeName::new("googlecalendar")?;
        let facts = |workspace| catalogue.refresh_facts(workspace, &google);
        assert_eq!(facts(&here).rotation, Rotation::StaysValid);
        let half_a_year = Duration::from_secs(180 * 24 * 3600);
        assert_eq!(facts(&here).idle_limit, Some(half_a_year));

        let own = ACME.replace("\"stays_valid\"", "\"strict\"");
        catalogue.define(&here, &google, &own)?;
        assert_eq!(facts(&here).rotation, Rotation::Strict);
        assert_eq!(facts(&there).rotation, Rotation::StaysValid);

        let silent = ACME.replace("rotation = \"stays_valid\"", "");
        assert!(Definition::parse(&google, &silent, false).is_err());
        catalogue.define(&here, &google, &silent)?;
        assert_eq!(facts(&here).rotation, Rotation::Unknown);

        let nobody_s = IntegrationTypeName::new("acme")?;
        let unknown = catalogue.refresh_facts(&here, &nobody_s);
        assert_eq!(unknown, RefreshFacts::default());
        Ok(())
    }

    #[test]
    fn an_overlay_knows_more_and_leaves_the_catalogue_as_it_was() -> Outcome {
        let catalogue = Catalogue::embedded()?;
        let (here, there) = (WorkspaceName::new("here")?, WorkspaceName::new("there")?);
        let [defined, planned] = ["defined", "planned"].map(IntegrationTypeName::new);
        let (defined, planned) = (defined?, planned?);
        catalogue.define(&here, &defined, ACME)?;
        let github = IntegrationTypeName::new("github")?;
        let own = ACME.replace("\"Acme\"", "\"Our GitHub\"");
        let definitions = [(planned.clone(), ACME.to_owned()), (github.clone(), own)];
        let overlaid = catalogue.overlay(&here, &definitions)?;
        for name in [&defined, &planned] {
            assert!(overlaid.get(&here, name).is_some(), "{name}");
            assert!(overlaid.get(&there, name).is_none(), "{name}");
        }
        let config = values(&[("tenant", "acme")]);
        assert_eq!(
            overlaid.check_connector_config(&here, &planned, &config)?,
            config
        );
        assert!(catalogue.get(&here, &planned).is_none());
        assert!(catalogue.get(&here, &defined).is_some());
        let shown = |catalogue: &dyn ports::Catalogue| {
            let found = catalogue.get(&here, &github);
            found.map(|one| one.display_name.clone())
        };
        assert_eq!(shown(&*overlaid).as_deref(), Some("Our GitHub"));
        assert_eq!(shown(&catalogue).as_deref(), Some("GitHub"));
        Ok(())
    }

    #[test]
    fn a_slip_of_the_pen_is_understood() -> Outcome {
        let catalogue = Catalogue::embedded()?;
        let workspace = WorkspaceName::default_workspace();
        for (typed, meant) in [
            ("google_calendar", Some("googlecalendar")),
            ("sharepoint", Some("share_point")),
            ("githib", Some("github")),
            ("xyz", None),
        ] {
            let nearest = catalogue.nearest(&workspace, &IntegrationTypeName::new(typed)?);
            assert_eq!(nearest.as_ref().map(IntegrationTypeName::as_str), meant);
        }
        Ok(())
    }

    #[test]
    fn wrong_definitions_say_where_and_what_is_allowed() -> Outcome {
        let catalogue = Catalogue::embedded()?;
        let name = IntegrationTypeName::new("acme")?;
        let workspace = WorkspaceName::default_workspace();
        let with = |text: &str| catalogue.overlay(&workspace, &[(name.clone(), text.to_owned())]);
        assert!(with(ACME)?.get(&workspace, &name).is_some());
        assert!(catalogue.get(&workspace, &name).is_none(), "taken unasked");
        for (from, to, told) in [
            (
                "category =",
                "categry =",
                vec!["acme.toml", "line 4", "categry", "category"],
            ),
            (
                "client_secret_post",
                "client_secret_put",
                vec!["line 13", "client_secret_basic"],
            ),
            (
                "/{tenant}/token",
                "/{tennant}/token",
                vec!["token.url", "tennant", "tenant"],
            ),
            (
                "https://login.acme.example.com/{tenant}/token",
                "{tenant}",
                vec!["token.url", "operator_only"],
            ),
            (
                "https://login.acme.example.com/{tenant}/token",
                "https://{tenant}/token",
                vec!["token.url", "operator_only", "about.hosts"],
            ),
            ("https://login", "http://login", vec!["line 8", "https"]),
            (
                "(-[a-z]+)*",
                "(-[a-z]+*",
                vec!["line", "pattern", "unclosed"],
            ),
            (
                "\"grant_rejected\"",
                "\"dead\"",
                vec!["line 20", "grant_rejected"],
            ),
            ("[\"/id\"]", "[\"id\"]", vec!["line 24", "JSON pointer"]),
            (
                "\"stays_valid\"",
                "\"rotating\"",
                vec!["line 16", "until_successor_used"],
            ),
            (
                "idle_limit_days",
                "overlap_seconds",
                vec!["acme.toml: refresh.overlap_seconds", "\"overlap\""],
            ),
            (
                "default = \"common\"",
                "default = \"%\"",
                vec!["tenant", "default"],
            ),
            ("response_mode", "state", vec!["authorize.params.state"]),
            (
                "name = \"tenant\"",
                "name = \"client_id\"",
                vec!["client_id", "taken"],
            ),
        ] {
            assert!(ACME.contains(from), "{from}");
            let bad = ACME.replacen(from, to, 1);
            let error = with(&bad).err().map(|error| error.0).unwrap_or_default();
            for words in told {
                assert!(error.contains(words), "{to}: {words} is not in {error}");
            }
        }
        Ok(())
    }

    #[test]
    fn only_operators_choose_where_secrets_go() -> Outcome {
        let catalogue = Catalogue::embedded()?;
        let workspace = WorkspaceName::default_workspace();
        let generic = IntegrationTypeName::new("generic_oauth2")?;
        let check = |pairs: &[(&str, &str)]| {
            catalogue.check_connector_config(&workspace, &generic, &values(pairs))
        };
        let urls = [
            ("authorization_url", "https://idp.example.com/authorize"),
            ("token_url", "http://127.0.0.1:7000/token"),
        ];
        assert_eq!(check(&urls)?.len(), 2);
        assert_eq!(keys(check(&urls[..1])), ["token_url"]);
        for evil in [
            "http://idp.example.com/t",
            "https://u:p@x.test/",
            "https://x.test/#",
            "https://x.test/t\n",
            "file:///x",
        ] {
            assert_eq!(
                keys(check(&[urls[0], ("token_url", evil)])),
                ["token_url"],
                "{evil}"
            );
        }
        assert_eq!(
            keys(check(&[urls[0], urls[1], ("token_uri", "x")])),
            ["token_uri"]
        );
        let connector = connector("generic_oauth2", &urls)?;
        let given = values(&[("token_url", "https://evil.test/token")]);
        assert_eq!(
            keys(catalogue.check_connection_config(&connector, &given)),
            ["token_url"]
        );
        let all = catalogue.check_connection_config(&connector, &values(&[]))?;
        assert_eq!(
            all.get("token_auth_method").map(String::as_str),
            Some("client_secret_basic")
        );
        assert_eq!(
            all.get("token_url").map(String::as_str),
            Some("http://127.0.0.1:7000/token")
        );
        Ok(())
    }

    #[test]
    fn what_is_given_is_checked_and_completed() -> Outcome {
        let catalogue = Catalogue::embedded()?;
        let open = connector("share_point", &[])?;
        let given = values(&[("subdomain", "sites/mysite")]);
        let all = catalogue.check_connection_config(&open, &given)?;
        assert_eq!(
            all,
            values(&[("subdomain", "sites/mysite"), ("tenant", "organizations")])
        );
        for bad in ["../x", "/sites/a", "sites//a", "sites/a/", ""] {
            let given = values(&[("subdomain", bad)]);
            assert_eq!(
                keys(catalogue.check_connection_config(&open, &given)),
                ["subdomain"],
                "{bad}"
            );
        }
        assert_eq!(
            keys(catalogue.check_connection_config(&open, &values(&[]))),
            ["subdomain"]
        );
        let fixed = connector(
            "share_point",
            &[("tenant", "acme.test"), ("left_over", "x")],
        )?;
        assert_eq!(
            catalogue.check_connection_config(&fixed, &given)?,
            values(&[("subdomain", "sites/mysite"), ("tenant", "acme.test")])
        );
        let other = values(&[("subdomain", "sites/mysite"), ("tenant", "evil.test")]);
        assert_eq!(
            keys(catalogue.check_connection_config(&fixed, &other)),
            ["tenant"]
        );
        Ok(())
    }
}
