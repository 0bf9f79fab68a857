//! Integration types of one's own, in files: `{type}.toml`.

use std::path::PathBuf;

use tokend_api::v1;
use toml::{
    Spanned,
    de::{DeTable, DeValue},
};

use super::{InvalidLine, invalid::line_of};

/// A definition, and where it is written down.
pub(crate) struct TypeFile {
    pub(crate) definition: v1::IntegrationTypeDefinition,
    pub(crate) file: PathBuf,
}

impl TypeFile {
    /// Whether another definition says the same, whatever its comments and formatting.
    pub(crate) fn says(&self, other: &str) -> bool {
        let own = &self.definition.toml;
        let read = |text: &str| toml::from_str::<toml::Table>(text).ok();
        own == other || read(own).is_some_and(|own| Some(own) == read(other))
    }

    /// Whether a person consents in a browser, as is the grant where none is named.
    pub(crate) fn needs_browser(&self) -> bool {
        let table = toml::from_str::<toml::Table>(&self.definition.toml).unwrap_or_default();
        let about = table.get("about");
        let grant = about.and_then(|about| about.get("grant")?.as_str());
        grant.is_none_or(|grant| grant == "authorization_code")
    }

    /// What the server does not take, at the line that the reason names: by its number, or by the key it begins with.
    pub(crate) fn refused(&self, why: &str) -> InvalidLine {
        let own = format!("{}.toml: ", self.definition.integration_type);
        let why = why.strip_prefix(&own).unwrap_or(why);
        let (number, key) = (number(why), self.line_of_key(why));
        InvalidLine {
            file: self.file.clone(),
            line: Some(number.or(key).unwrap_or(1)),
            why: on_one_line(why),
        }
    }

    /// The line of the deepest part of a key, such as `token.url` or `connection_config[1].pattern`, that is there.
    fn line_of_key(&self, why: &str) -> Option<usize> {
        let path = why.split([':', ' ']).next()?;
        let text = &self.definition.toml;
        let table = DeTable::parse(text).ok()?;
        let mut line = None;
        let mut place = Place::Table(table.get_ref());
        for part in path.split(['.', '[', ']']).filter(|part| !part.is_empty()) {
            let Some((start, inner)) = place.enter(part) else {
                break;
            };
            line = Some(line_of(text, start));
            match inner.get_ref() {
                DeValue::Table(table) => place = Place::Table(table),
                DeValue::Array(array) => place = Place::Array(array),
                _ => break,
            }
        }
        line
    }
}

enum Place<'a, 'i> {
    Table(&'a DeTable<'i>),
    Array(&'a [Spanned<DeValue<'i>>]),
}

impl<'a, 'i> Place<'a, 'i> {
    /// What is under a name, or in an array what has it as its `name` or is at that index; and where it starts.
    fn enter(&self, part: &str) -> Option<(usize, &'a Spanned<DeValue<'i>>)> {
        match *self {
            Self::Table(table) => {
                let (key, value) = table.iter().find(|(key, _)| key.get_ref() == part)?;
                Some((key.span().start, value))
            }
            Self::Array(array) => {
                let index = part.parse::<usize>().ok();
                let named = |value: &&Spanned<DeValue<'i>>| {
                    let name = value.get_ref().get("name");
                    name.and_then(|name| name.get_ref().as_str()) == Some(part)
                };
                let found = array.iter().find(named);
                let found = found.or_else(|| array.get(index?))?;
                Some((found.span().start, found))
            }
        }
    }
}

/// The number after `line `, as the TOML reader tells it.
fn number(why: &str) -> Option<usize> {
    let (_, rest) = why.split_once("at line ")?;
    let digits = rest.split(|letter: char| !letter.is_ascii_digit()).next()?;
    digits.parse().ok()
}

/// The TOML reader shows the line with a mark below it, and then says why: the line itself and why are enough here.
fn on_one_line(why: &str) -> String {
    let mut lines = why.lines();
    let shown = lines
        .by_ref()
        .find_map(|line| line.split_once(" | ").map(|(_, shown)| shown.trim()));
    let reason: Vec<_> = lines
        .filter(|line| !line.trim_start().starts_with('|'))
        .map(str::trim)
        .collect();
    match (why.starts_with("TOML parse error"), shown) {
        (true, Some(shown)) => format!("{shown}: {}", reason.join(" ")),
        _ => why.lines().map(str::trim).collect::<Vec<_>>().join(" "),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reason_leads_to_its_line() {
        let toml = "[about]\ndisplay_name = \"x\"\n\n[token]\nurl = \"y\"\n\n[[connection_config]]\nname = \"tenant\"\npattern = \"(\"\n";
        let file = TypeFile {
            definition: v1::IntegrationTypeDefinition {
                integration_type: "mine".to_owned(),
                toml: toml.to_owned(),
            },
            file: "connectors/mine.toml".into(),
        };
        for (why, line) in [
            ("mine.toml: TOML parse error at line 2, column 1\n  |\n", 2),
            ("mine.toml: token.url: is no URL", 5),
            ("token.nothing: is missing", 4),
            ("connection_config.tenant.pattern: unclosed", 9),
            ("connection_config[0]: what", 7),
            ("it is no definition", 1),
        ] {
            let refused = file.refused(why);
            assert_eq!(refused.line, Some(line), "{why}");
            assert!(!refused.why.starts_with("mine.toml"), "{refused}");
        }
    }

    #[test]
    fn a_reason_is_one_line_with_the_key() {
        let told = "TOML parse error at line 2, column 16\n  |\n2 | display_name = 7\n  |                ^\ninvalid type: integer `7`, expected a string\n";
        assert_eq!(
            on_one_line(told),
            "display_name = 7: invalid type: integer `7`, expected a string"
        );
        assert_eq!(on_one_line("token.url: is\nno URL"), "token.url: is no URL");
    }
}
