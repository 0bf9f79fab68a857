//! URL templates whose placeholders are filled from the connection config without giving away the choice of host.

use std::fmt;
use std::net::IpAddr;

use serde::Deserialize;
use url::{Host, Url};

/// An https URL with `{name}` placeholders: parts of the host, parts of the path, what comes before the path, or the
/// whole URL. None can stand in the query.
///
/// Plain http is taken for loopback hosts only. What a placeholder can choose is told by [`Template::host_chosen_by`]: one
/// DNS label before a fixed domain chooses no host.
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
struct Shape {
    start: Start,
    /// The parts of path and query.
    tail: Vec<Part>,
}

/// What comes before the path.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Start {
    /// One value, of which a path may be part.
    Base(String),
    /// `https://` and the parts of the authority.
    Authority(String, Vec<Part>),
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
        let mut start = match &self.shape.start {
            Start::Base(name) => given(name)?.to_owned(),
            Start::Authority(scheme, parts) => {
                let single_label = self.host_chosen_by().is_empty();
                let mut start = scheme.clone();
                for part in parts {
                    match part {
                        Part::Text(text) => start.push_str(text),
                        Part::Placeholder(name) if single_label => {
                            start.push_str(dns_label(name, given(name)?)?);
                        }
                        Part::Placeholder(name) => start.push_str(host_piece(name, given(name)?)?),
                    }
                }
                start
            }
        };
        if self.shape.tail.is_empty() {
            return read_url(&start);
        }
        let origin = read_url(&start)?;
        if origin.query().is_some() {
            return Err(TemplateError::Url("what stands before a path has no query"));
        }
        // The tail begins with a slash or a question mark.
        start.truncate(start.trim_end_matches('/').len());
        for part in &self.shape.tail {
            match part {
                Part::Text(text) => start.push_str(text),
                Part::Placeholder(name) => start.push_str(path_piece(name, given(name)?)?),
            }
        }
        let url = read_url(&start)?;
        if url.origin() == origin.origin() {
            Ok(url)
        } else {
            Err(TemplateError::Url("the values change the URL's host"))
        }
    }

    /// The placeholders that choose the URL's host: all but a single DNS label before a fixed domain.
    pub fn host_chosen_by(&self) -> Vec<&str> {
        match &self.shape.start {
            Start::Base(name) => vec![name],
            Start::Authority(_, parts) => match parts.as_slice() {
                [Part::Text(_)] => Vec::new(),
                [Part::Placeholder(_), Part::Text(domain)]
                    if domain.starts_with('.') && domain.matches('.').count() >= 2 =>
                {
                    Vec::new()
                }
                parts => names(parts).collect(),
            },
        }
    }

    /// The placeholder that is the whole URL, if one is.
    pub fn whole(&self) -> Option<&str> {
        match &self.shape.start {
            Start::Base(name) if self.shape.tail.is_empty() => Some(name),
            _ => None,
        }
    }

    /// The names of all placeholders.
    pub fn placeholders(&self) -> Vec<&str> {
        let start = match &self.shape.start {
            Start::Base(name) => vec![name.as_str()],
            Start::Authority(_, parts) => names(parts).collect(),
        };
        start.into_iter().chain(names(&self.shape.tail)).collect()
    }
}

fn names(parts: &[Part]) -> impl Iterator<Item = &str> {
    parts.iter().filter_map(|part| match part {
        Part::Text(_) => None,
        Part::Placeholder(name) => Some(name.as_str()),
    })
}

impl fmt::Display for Template {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl TryFrom<String> for Template {
    type Error = TemplateError;

    fn try_from(text: String) -> Result<Self, TemplateError> {
        let shape = shape_of(&text)?;
        let template = Self { text, shape };
        // With harmless values it has to be a URL.
        let base = match &template.shape.start {
            Start::Base(name) => Some(name.clone()),
            Start::Authority(..) => None,
        };
        template.fill(|name| match base.as_deref() == Some(name) {
            true => Some("https://example.com"),
            false => Some("x"),
        })?;
        Ok(template)
    }
}

fn shape_of(text: &str) -> Result<Shape, TemplateError> {
    let (before, rest) = match text.find("://") {
        Some(at) => text.split_at(at + 3),
        None if text.starts_with('{') => ("", text),
        None => return Err(TemplateError::Url("a URL starts with https://")),
    };
    let tail_at = rest.find(['/', '?']).unwrap_or(rest.len());
    let (authority, tail) = rest.split_at(tail_at);
    if tail
        .split_once('?')
        .is_some_and(|(_, query)| query.contains('{'))
    {
        return Err(TemplateError::Url(
            "a placeholder cannot stand in the query; send it as a parameter",
        ));
    }
    let parts = split(authority)?;
    let start = match (before, parts.as_slice()) {
        ("", [Part::Placeholder(name)]) => Start::Base(name.clone()),
        ("", _) => {
            return Err(TemplateError::Url(
                "before the path stands one placeholder, or https:// and a host",
            ));
        }
        (scheme, _) if scheme.contains('{') => {
            return Err(TemplateError::Url("a URL starts with https://"));
        }
        (scheme, _) => Start::Authority(scheme.to_owned(), parts),
    };
    Ok(Shape {
        start,
        tail: split(tail)?,
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

/// Part of a host name: labels of letters, digits and inner hyphens.
fn host_piece<'v>(name: &str, value: &'v str) -> Result<&'v str, TemplateError> {
    let valid = value.len() <= 253
        && value.split('.').all(|label| {
            (1..=63).contains(&label.len())
                && !label.starts_with('-')
                && !label.ends_with('-')
                && label
                    .bytes()
                    .all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
        });
    valid.then_some(value).ok_or_else(|| TemplateError::Value {
        name: name.to_owned(),
        rule: "must be a host name: labels of letters, digits and inner hyphens, joined by dots",
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
    fn what_is_no_url_is_refused() {
        for bad in [
            "https://a@{sub}.example.com/",
            "http://example.com/token",
            "ftp://example.com/",
            "{scheme}://example.com/",
            "{base}.example.com/",
            "https://example.com/?tenant={tenant}",
            "https://example.com/{tenant",
            "https://example.com/{Tenant}",
            "https://user:pass@example.com/",
            "https://example.com/#part",
            "",
        ] {
            assert!(template(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_template_tells_what_chooses_its_host() -> Result<(), TemplateError> {
        for (text, chosen_by) in [
            ("https://example.com/{tenant}", vec![]),
            ("https://{sub}.example.com/{tenant}", vec![]),
            ("https://{host}/token", vec!["host"]),
            ("https://{sub}.com/token", vec!["sub"]),
            ("https://api.{domain}.example.com/", vec!["domain"]),
            ("https://{a}{b}", vec!["a", "b"]),
            ("https://{a}.{b}.example.com/", vec!["a", "b"]),
            ("{base}/{tenant}", vec!["base"]),
            ("{url}", vec!["url"]),
        ] {
            assert_eq!(template(text)?.host_chosen_by(), chosen_by, "{text}");
        }
        assert_eq!(template("{url}")?.whole(), Some("url"));
        assert_eq!(template("{base}/token")?.whole(), None);
        Ok(())
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
