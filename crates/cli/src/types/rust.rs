//! The names as Rust: enums, with what is known of each.

use std::{
    collections::BTreeMap,
    fmt::{self, Write},
};

use super::{
    facts::{Facts, HEADER},
    identifier::{Case, identifiers},
};

/// Keywords of all editions (The Rust Reference, Keywords) that a module cannot be called.
const KEYWORDS: [&str; 52] = [
    "abstract", "as", "async", "await", "become", "box", "break", "const", "continue", "crate",
    "do", "dyn", "else", "enum", "extern", "false", "final", "fn", "for", "gen", "if", "impl",
    "in", "let", "loop", "macro", "match", "mod", "move", "mut", "override", "priv", "pub", "ref",
    "return", "self", "static", "struct", "super", "trait", "true", "try", "type", "typeof",
    "unsafe", "unsized", "use", "virtual", "where", "while", "yield", "union",
];

/// The whole file.
pub(super) fn generate(facts: &Facts) -> String {
    let mut text = format!("// {HEADER}\n\n");
    // Writing to a text does not fail.
    let _ = write(&mut text, facts);
    text
}

fn write(text: &mut String, facts: &Facts) -> fmt::Result {
    let names = facts.types.iter().map(|one| one.name.as_str());
    let types = identifiers(names, Case::Pascal, "Type", &["Self"]);
    let categories = facts.categories.iter().map(String::as_str);
    let categories = identifiers(categories, Case::Pascal, "Category", &["Self"]);

    let docs = facts
        .types
        .iter()
        .map(|one| (one.name.as_str(), one.doc.as_str()));
    write_enum(
        text,
        "IntegrationType",
        "An integration type: a service that tokend speaks OAuth with.",
        &types,
        &docs.collect(),
    )?;
    writeln!(text, "impl IntegrationType {{")?;
    let members = facts.types.iter().map(|one| {
        (
            types[one.name.as_str()].as_str(),
            format!("{:?}", one.display_name),
        )
    });
    write_match(
        text,
        "The name for people.",
        "display_name",
        "&'static str",
        members,
    )?;
    text.push('\n');
    let members = facts.types.iter().map(|one| {
        let category = &categories[one.category.as_str()];
        (
            types[one.name.as_str()].as_str(),
            format!("Category::{category}"),
        )
    });
    write_match(
        text,
        "The group it belongs to.",
        "category",
        "Category",
        members,
    )?;
    text.push('\n');
    let members = facts.types.iter().map(|one| {
        let keys: Vec<_> = one.keys.iter().map(|key| key.name.as_str()).collect();
        (types[one.name.as_str()].as_str(), format!("&{keys:?}"))
    });
    write_match(
        text,
        "The keys of its connection config; the constants of `connection_config` name each.",
        "connection_config_keys",
        "&'static [&'static str]",
        members,
    )?;
    writeln!(text, "}}\n")?;

    let doc = "A group of integration types.";
    write_enum(text, "Category", doc, &categories, &BTreeMap::new())?;

    let shared = facts
        .shared
        .iter()
        .map(|name| types[name.as_str()].as_str());
    let shared: Vec<_> = shared
        .map(|name| format!("IntegrationType::{name}"))
        .collect();
    writeln!(
        text,
        "/// The integration types that have a shared connector here, for `GetConnection`.\n\
         pub const SHARED_CONNECTORS: &[IntegrationType] = &[{}];\n",
        shared.join(", ")
    )?;

    let ids = facts.app_user.iter().map(|one| one.id.as_str());
    let ids = identifiers(ids, Case::Pascal, "Connector", &["Self"]);
    let docs = facts
        .app_user
        .iter()
        .map(|one| (one.id.as_str(), one.doc.as_str()));
    write_enum(
        text,
        "AppUserConnector",
        "A connector for app users' connections here, for `GetCurrentAppUserConnection`.",
        &ids,
        &docs.collect(),
    )?;
    writeln!(text, "impl AppUserConnector {{")?;
    let members = facts.app_user.iter().map(|one| {
        let known = &types[one.integration_type.as_str()];
        (
            ids[one.id.as_str()].as_str(),
            format!("IntegrationType::{known}"),
        )
    });
    write_match(
        text,
        "Its integration type.",
        "integration_type",
        "IntegrationType",
        members,
    )?;
    writeln!(text, "}}\n")?;
    write_keys(text, facts)
}

/// An enum with its names, both ways.
fn write_enum(
    text: &mut String,
    name: &str,
    doc: &str,
    members: &BTreeMap<&str, String>,
    docs: &BTreeMap<&str, &str>,
) -> fmt::Result {
    writeln!(
        text,
        "/// {doc}\n#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]\n#[non_exhaustive]\n\
         pub enum {name} {{"
    )?;
    for (value, member) in members {
        let doc = docs.get(value).map_or(*value, |doc| doc);
        writeln!(text, "    /// {doc}\n    {member},")?;
    }
    let all = members.values().map(|member| format!("Self::{member}"));
    writeln!(
        text,
        "}}\n\nimpl {name} {{\n    /// All of them, by name.\n    pub const ALL: &'static [Self] = &[{}];\n",
        all.collect::<Vec<_>>().join(", ")
    )?;
    let names = members
        .iter()
        .map(|(value, member)| (member.as_str(), format!("{value:?}")));
    write_match(
        text,
        "The name that tokend knows it by.",
        "as_str",
        "&'static str",
        names,
    )?;
    writeln!(
        text,
        "}}\n\n\
         impl std::fmt::Display for {name} {{\n    \
             fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {{\n        \
                 formatter.write_str(self.as_str())\n    \
             }}\n\
         }}\n\n\
         impl std::str::FromStr for {name} {{\n    \
             /// The name that is none of these.\n    \
             type Err = String;\n\n    \
             fn from_str(name: &str) -> Result<Self, String> {{\n        \
                 let found = Self::ALL.iter().find(|one| one.as_str() == name);\n        \
                 found.copied().ok_or_else(|| name.to_owned())\n    \
             }}\n\
         }}\n"
    )
}

fn write_match<'a>(
    text: &mut String,
    doc: &str,
    name: &str,
    answer: &str,
    members: impl Iterator<Item = (&'a str, String)>,
) -> fmt::Result {
    writeln!(
        text,
        "    /// {doc}\n    pub const fn {name}(self) -> {answer} {{\n        match self {{"
    )?;
    for (member, value) in members {
        writeln!(text, "            Self::{member} => {value},")?;
    }
    writeln!(text, "        }}\n    }}")
}

fn write_keys(text: &mut String, facts: &Facts) -> fmt::Result {
    let with_keys = || facts.types.iter().filter(|one| !one.keys.is_empty());
    let names = with_keys().map(|one| one.name.as_str());
    let modules = identifiers(names, Case::Snake, "type_", &KEYWORDS);
    writeln!(
        text,
        "/// The keys of the connection config, by integration type.\npub mod connection_config {{"
    )?;
    for one in with_keys() {
        let module = &modules[one.name.as_str()];
        writeln!(text, "    /// {}\n    pub mod {module} {{", one.doc)?;
        let keys = one.keys.iter().map(|key| key.name.as_str());
        let keys = identifiers(keys, Case::Upper, "KEY_", &[]);
        for key in &one.keys {
            let constant = &keys[key.name.as_str()];
            writeln!(
                text,
                "        /// {}\n        pub const {constant}: &str = {:?};",
                key.doc, key.name
            )?;
        }
        writeln!(text, "    }}")?;
    }
    writeln!(text, "}}")
}
