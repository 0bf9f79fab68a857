//! Reads the first form of an HTML page, as far as a click on its button needs.

use std::collections::BTreeMap;

use html5gum::{HtmlString, Spanned, StartTag, Token, Tokenizer};

/// A form, ready to be submitted by its first button.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Form {
    /// Where it goes; empty means the page itself.
    pub(crate) action: String,
    /// Whether by POST.
    pub(crate) is_post: bool,
    /// Names and values, in the order of the page.
    pub(crate) fields: Vec<(String, String)>,
}

impl Form {
    /// The first form of a page, if it has any.
    pub(crate) fn first_of(html: &str) -> Option<Self> {
        let mut form: Option<Self> = None;
        let mut clicked = false;
        for token in Tokenizer::new(html) {
            let Ok(token) = token;
            match token {
                Token::StartTag(tag) if *tag.name == b"form" => {
                    form.get_or_insert_with(|| Self {
                        action: attribute(&tag, "action").unwrap_or_default(),
                        is_post: attribute(&tag, "method")
                            .is_some_and(|method| method.eq_ignore_ascii_case("post")),
                        fields: Vec::new(),
                    });
                }
                Token::StartTag(tag) if *tag.name == b"input" || *tag.name == b"button" => {
                    if let (Some(form), Some(field)) = (&mut form, field(&tag, &mut clicked)) {
                        form.fields.push(field);
                    }
                }
                Token::EndTag(tag) if *tag.name == b"form" => return form,
                _ => {}
            }
        }
        form
    }
}

/// What an element adds to the submission; of several buttons only the first is clicked.
fn field(tag: &StartTag<()>, clicked: &mut bool) -> Option<(String, String)> {
    let kind = attribute(tag, "type")
        .unwrap_or_default()
        .to_ascii_lowercase();
    let is_button = *tag.name == b"button" && (kind.is_empty() || kind == "submit");
    let is_submit = is_button || (*tag.name == b"input" && kind == "submit");
    let counts = match kind.as_str() {
        _ if is_submit => !std::mem::replace(clicked, true),
        "checkbox" | "radio" => attribute(tag, "checked").is_some(),
        "button" | "reset" | "image" | "file" => false,
        _ => *tag.name == b"input",
    };
    let name = attribute(tag, "name").filter(|name| counts && !name.is_empty())?;
    Some((name, attribute(tag, "value").unwrap_or_default()))
}

fn attribute(tag: &StartTag<()>, name: &str) -> Option<String> {
    let attributes: &BTreeMap<HtmlString, Spanned<HtmlString, ()>> = &tag.attributes;
    attributes
        .get(name.as_bytes())
        .map(|value| String::from_utf8_lossy(value).into_owned())
}

#[cfg(test)]
mod tests {
    use super::Form;

    #[test]
    fn hidden_inputs_and_the_first_button_are_sent_with_entities_decoded() {
        let form = Form::first_of(
            "<!doctype html><p>Connect?<!-- <form action=/wrong> --><form method=POST action='/go?a=1&amp;b=2'>\
             <input type=hidden name=ticket value=\"x&quot;y\"><input name=unchecked type=checkbox>\
             <button name=answer value=yes>Yes</button><button name=answer value=no>No</button></form>\
             <input name=outside>",
        );
        let fields = [("ticket", "x\"y"), ("answer", "yes")]
            .map(|(name, value)| (name.to_owned(), value.to_owned()));
        let expected = Form {
            action: "/go?a=1&b=2".to_owned(),
            is_post: true,
            fields: fields.to_vec(),
        };
        assert_eq!(form, Some(expected));
    }

    #[test]
    fn a_page_without_a_form_has_none() {
        assert_eq!(Form::first_of("<p>Done <input name=x>"), None);
    }
}
