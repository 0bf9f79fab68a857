//! Reads an answer's body into JSON, whatever it calls itself.

use serde_json::{Map, Value};
use url::form_urlencoded;

/// The object or list in a body: JSON, or form-encoded members as strings. `None` for anything else, such as HTML.
///
/// The look of the body decides: providers send JSON as `text/html` and forms as `text/plain`. The content type only
/// rules out that a form is seen in what is said to be JSON or HTML. JSON that is nested too deeply is refused.
pub(crate) fn read_json(content_type: Option<&str>, body: &[u8]) -> Option<Value> {
    let text = std::str::from_utf8(body).ok()?;
    let text = text.strip_prefix('\u{feff}').unwrap_or(text).trim();
    if text.starts_with(['{', '[']) {
        return serde_json::from_str(text).ok();
    }
    let content_type = content_type.unwrap_or_default().to_ascii_lowercase();
    let may_be_form = ["", "application/x-www-form-urlencoded", "text/plain"]
        .contains(&content_type.split(';').next().unwrap_or_default().trim());
    // A form consists of printable characters without spaces (its own are escaped) and of pairs.
    let looks_like_form = text.contains('=')
        && text
            .bytes()
            .all(|byte| byte.is_ascii_graphic() && !b"<>\"{}".contains(&byte));
    if !may_be_form || !looks_like_form {
        return None;
    }
    let members: Map<String, Value> = form_urlencoded::parse(text.as_bytes())
        .map(|(name, value)| (name.into_owned(), Value::String(value.into_owned())))
        .collect();
    Some(Value::Object(members))
}
