//! URL templates whose placeholders are filled from the connection config without giving away the choice of host.

use std::fmt;
use std::net::IpAddr;

use serde::Deserialize;
use url::{Host, Url};

/// An https URL with `{name}` placeholders: a DNS label before a fixed domain, parts of the path, or the whole URL.
///
/// Plain http is taken for loopback hosts only.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub struct Template {
    text: String,
    shape: Shape,
}

/// Why a template is none, or gives no URL.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TemplateError {
    /// No value for a placeholder.
    #[error("{0} is missing")]
    Missing(String),
    /// A value that may not stand at its placeholder.
    #[error("{name}: {rule}")]
    Value {
        /// The placeholder.
        name: String,
        /// What is allowed.
        rule: &'static str,
    },
    /// The template or what came of it is not a URL that may be called.
    #[error("{0}")]
    Url(&'static str),
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Shape {
    /// The whole URL is one value.
    Whole(String),
    /// `scheme://[{label}]host` followed by the parts of path and query.
    Parts {
        /// Everything up to the host, such as `https://`.
        scheme: String,
        /// The placeholder that is the host's first label.
        label: Option<String>,
        /// The rest of the authority.
        authority: String,
        path: Vec<Part>,
    },
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Part {
    Text(String),
    Placeholder(String),
}

/// Whether the URL's host can only be this machine.
pub fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(Host::Domain(name)) => name == "localhost" || name.ends_with(".localhost"),
        Some(Host::Ipv4(address)) => IpAddr::from(address).is_loopback(),
        Some(Host::Ipv6(address)) => IpAddr::from(address).is_loopback(),
        None => false,
    }
}

impl Template {
    /// Fills in the placeholders and checks the URL that comes of it.
    pub fn fill<'v>(&self, value: impl Fn(&str) -> Option<&'v str>) -> Result<Url, TemplateError> {
        let given = |name: &str| {
            value(name)
                .filter(|value| !value.is_empty())
                .ok_or_else(|| TemplateError::Missing(name.to_owned()))
        };
        match &self.shape {
            Shape::Whole(name) => read_url(given(name)?),
            Shape::Parts {
                scheme,
                label,
                authority,
                path,
            } => {
                let mut host = authority.clone();
                if let Some(name) = label {
                    host.insert_str(0, dns_label(name, given(name)?)?);
                }
                let mut tail = String::new();
                for part in path {
                    match part {
                        Part::Text(text) => tail.push_str(text),
                        Part::Placeholder(name) => tail.push_str(path_piece(name, given(name)?)?),
                    }
                }
                let origin = read_url(&format!("{scheme}{host}/"))?;
                let url = read_url(&format!("{scheme}{host}{tail}"))?;
                if url.origin() == origin.origin() {
                    Ok(url)
                } else {
                    Err(TemplateError::Url("the values change the URL's host"))
                }
            }
        }
    }

    /// The placeholder that is the whole URL, if one is.
    pub fn whole(&self) -> Option<&str> {
        match &self.shape {
            Shape::Whole(name) => Some(name),
            Shape::Parts { .. } => None,
        }
    }

    /// The names of all placeholders.
    pub fn placeholders(&self) -> Vec<&str> {
        match &self.shape {
            Shape::Whole(name) => vec![name],
            Shape::Parts { label, path, .. } => label
                .iter()
                .chain(path.iter().filter_map(|part| match part {
                    Part::Text(_) => None,
                    Part::Placeholder(name) => Some(name),
                }))
                .map(String::as_str)
                .collect(),
        }
    }
}

impl fmt::Display for Template {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl TryFrom<String> for Template {
    type Error = TemplateError;

    fn try_from(text: String) -> Result<Self, TemplateError> {
        let parts = split(&text)?;
        if let [Part::Placeholder(name)] = parts.as_slice() {
            let shape = Shape::Whole(name.clone());
            return Ok(Self { text, shape });
        }
        let shape = shape_of(&text)?;
        let template = Self { text, shape };
        // With harmless values it has to be a URL.
        template.fill(|_| Some("x"))?;
        Ok(template)
    }
}

fn shape_of(text: &str) -> Result<Shape, TemplateError> {
    let scheme_end = text
        .find("://")
        .map(|at| at + 3)
        .ok_or(TemplateError::Url("a URL starts with https://"))?;
    let (scheme, rest) = text.split_at(scheme_end);
    let host_end = rest.find(['/', '?']).unwrap_or(rest.len());
    let (authority, tail) = rest.split_at(host_end);
    if tail
        .split_once('?')
        .is_some_and(|(_, query)| query.contains('{'))
    {
        return Err(TemplateError::Url(
            "a placeholder cannot stand in the query",
        ));
    }
    let (label, authority) = match split(authority)?.as_slice() {
        [Part::Text(authority)] => (None, authority.clone()),
        [Part::Placeholder(label), Part::Text(domain)]
            if domain.starts_with('.') && domain.matches('.').count() >= 2 =>
        {
            (Some(label.clone()), domain.clone())
        }
        _ => {
            return Err(TemplateError::Url(
                "in the host a placeholder can only be the first label, before a fixed domain such as .example.com",
            ));
        }
    };
    Ok(Shape::Parts {
        scheme: scheme.to_owned(),
        label,
        authority,
        path: split(tail)?,
    })
}

fn split(text: &str) -> Result<Vec<Part>, TemplateError> {
    let mut parts = Vec::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('{') {
        let (name, after) = after
            .split_once('}')
            .ok_or(TemplateError::Url("a placeholder has no closing brace"))?;
        let is_name = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_';
        if name.is_empty() || !name.chars().all(is_name) {
            return Err(TemplateError::Url(
                "a placeholder is named with a-z, 0-9 and '_'",
            ));
        }
        if !before.is_empty() {
            parts.push(Part::Text(before.to_owned()));
        }
        parts.push(Part::Placeholder(name.to_owned()));
        rest = after;
    }
    if !rest.is_empty() {
        parts.push(Part::Text(rest.to_owned()));
    }
    Ok(parts)
}

/// RFC 1123 section 2.1: letters, digits and inner hyphens, at most 63.
fn dns_label<'v>(name: &str, value: &'v str) -> Result<&'v str, TemplateError> {
    let valid = value.len() <= 63
        && !value.starts_with('-')
        && !value.ends_with('-')
        && value
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
    valid.then_some(value).ok_or_else(|| TemplateError::Value {
        name: name.to_owned(),
        rule: "must be one DNS label: letters, digits and inner hyphens",
    })
}

/// Characters that RFC 3986 section 3.3 lets stand unescaped in a path; nothing is escaped here, all else is refused.
fn path_piece<'v>(name: &str, value: &'v str) -> Result<&'v str, TemplateError> {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~:@,=+/".contains(&byte);
    let valid = value.bytes().all(allowed)
        && value
            .split('/')
            .all(|segment| !segment.is_empty() && segment.bytes().any(|byte| byte != b'.'));
    valid.then_some(value).ok_or_else(|| TemplateError::Value {
        name: name.to_owned(),
        rule: "must be path segments of letters, digits and -._~:@,=+ without empty or dot-only ones",
    })
}

fn read_url(text: &str) -> Result<Url, TemplateError> {
    let url = Url::parse(text).map_err(|_| TemplateError::Url("it is not a URL"))?;
    if !url.username().is_empty() || url.password().is_some() || url.fragment().is_some() {
        return Err(TemplateError::Url(
            "a URL may hold neither credentials nor a fragment",
        ));
    }
    match url.scheme() {
        "https" => Ok(url),
        "http" if is_loopback(&url) => Ok(url),
        _ => Err(TemplateError::Url(
            "a URL must be https; http only on a loopback host",
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn template(text: &str) -> Result<Template, TemplateError> {
        Template::try_from(text.to_owned())
    }

    fn filled(text: &str, value: &str) -> Result<String, TemplateError> {
        template(text)?.fill(|_| Some(value)).map(String::from)
    }

    #[test]
    fn values_stand_where_the_template_puts_them() {
        let tenant = "https://login.example.com/{tenant}/token?v=2";
        assert_eq!(
            filled(tenant, "acme.test").as_deref(),
            Ok("https://login.example.com/acme.test/token?v=2")
        );
        assert_eq!(
            filled("https://{sub}.example.com/token", "Acme-7").as_deref(),
            Ok("https://acme-7.example.com/token")
        );
        assert_eq!(
            filled("{token_url}", "http://127.0.0.1:9/token").as_deref(),
            Ok("http://127.0.0.1:9/token")
        );
    }

    #[test]
    fn a_missing_value_is_an_error() -> Result<(), TemplateError> {
        let tenant = template("https://login.example.com/{tenant}/token")?;
        let missing = Err(TemplateError::Missing("tenant".to_owned()));
        assert_eq!(tenant.fill(|_| None), missing);
        assert_eq!(tenant.fill(|_| Some("")), missing);
        Ok(())
    }

    #[test]
    fn templates_that_give_the_host_away_are_refused() {
        for bad in [
            "https://{host}/token",
            "https://{sub}.com/token",
            "https://api.{domain}.example.com/",
            "https://a@{sub}.example.com/",
            "http://example.com/token",
            "ftp://example.com/",
            "{scheme}://example.com/",
            "https://example.com/?tenant={tenant}",
            "https://example.com/{tenant",
            "https://example.com/{Tenant}",
            "https://user:pass@example.com/",
            "https://example.com/#part",
            "https://{a}{b}",
            "",
        ] {
            assert!(template(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn values_that_leave_their_place_are_refused() {
        let path = "https://login.example.com/{tenant}/token";
        for bad in [
            "..", "a/../b", "a//b", "/a", "a/", "a\\b", "a?b", "a#b", "a%2fb", "a b", "a\nb", ".",
            "\u{e9}",
        ] {
            assert!(filled(path, bad).is_err(), "{bad:?}");
        }
        let label = "https://{sub}.example.com/token";
        for bad in [
            "a.b",
            "evil.test/",
            "a:1",
            "a@b",
            "-a",
            "a-",
            "a#",
            &"a".repeat(64),
        ] {
            assert!(filled(label, bad).is_err(), "{bad:?}");
        }
        for bad in [
            "http://example.com/",
            "https://u:p@example.com/",
            "javascript:alert(1)",
            "//example.com",
            "file:///etc/passwd",
        ] {
            assert!(filled("{token_url}", bad).is_err(), "{bad:?}");
        }
    }

    proptest! {
        #[test]
        fn no_value_moves_the_host(value in ".*", piece in "[a-zA-Z0-9./:@\\\\?#%-]{0,20}") {
            for value in [value.as_str(), piece.as_str()] {
                if let Ok(url) = template("https://login.example.com/{tenant}/token").and_then(|t| t.fill(|_| Some(value))) {
                    prop_assert_eq!(url.host_str(), Some("login.example.com"));
                    prop_assert_eq!(url.port(), None);
                    prop_assert_eq!(url.path(), format!("/{value}/token"));
                }
                if let Ok(url) = template("https://{sub}.example.com/token").and_then(|t| t.fill(|_| Some(value))) {
                    prop_assert!(url.host_str().is_some_and(|host| host.ends_with(".example.com")));
                    prop_assert_eq!(url.path(), "/token");
                }
            }
        }
    }
}
