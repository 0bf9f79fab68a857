//! Searching for many secrets at once, in every form that encoders give them.

use std::fmt::Write;

use aho_corasick::AhoCorasick;
use base64::{
    Engine,
    engine::general_purpose::{STANDARD_NO_PAD, URL_SAFE_NO_PAD},
};

/// Secrets by name, in all their forms.
pub(crate) struct Search {
    forms: Vec<(String, &'static str)>,
    automaton: AhoCorasick,
}

impl Search {
    /// Prepares the search for these secrets, each with the name that a find is reported under.
    pub(crate) fn new(secrets: &[(String, String)]) -> Self {
        let (mut forms, mut needles) = (Vec::new(), Vec::new());
        for (name, secret) in secrets {
            assert!(
                secret.len() >= 16,
                "too short to be told from chance: {name}"
            );
            for (form, needle) in forms_of(secret) {
                forms.push((name.clone(), form));
                needles.push(needle);
            }
        }
        let automaton = AhoCorasick::new(needles).unwrap();
        Self { forms, automaton }
    }

    /// Every secret that is in the text, as `name (form)`, without the secret itself.
    pub(crate) fn finds(&self, text: &[u8]) -> Vec<String> {
        let found = self.automaton.find_overlapping_iter(text);
        let mut finds: Vec<_> = found
            .map(|found| {
                let (name, form) = &self.forms[found.pattern().as_usize()];
                let before = found.start().saturating_sub(60);
                let context = String::from_utf8_lossy(&text[before..found.start()]);
                format!("{name} ({form}) after {context:?}")
            })
            .collect();
        finds.truncate(20);
        finds
    }
}

/// Base64 is searched at each of the three alignments, without its first and last digits: padding and neighbours
/// change nothing then.
fn forms_of(secret: &str) -> Vec<(&'static str, Vec<u8>)> {
    let mut forms = vec![("plain", secret.as_bytes().to_vec())];
    let percent: String = url::form_urlencoded::byte_serialize(secret.as_bytes()).collect();
    forms.push(("percent-encoded", percent.into_bytes()));
    forms.extend(byte_forms(secret.as_bytes()));
    // Most secrets are themselves base64url of random bytes.
    if let Ok(bytes) = URL_SAFE_NO_PAD.decode(secret)
        && bytes.len() >= 16
    {
        forms.push(("its bytes", bytes.clone()));
        forms.extend(byte_forms(&bytes));
    }
    forms
}

fn byte_forms(bytes: &[u8]) -> Vec<(&'static str, Vec<u8>)> {
    let mut hex = String::new();
    bytes
        .iter()
        .for_each(|byte| write!(hex, "{byte:02x}").unwrap());
    let list = format!("{bytes:?}");
    let mut forms = vec![
        ("hexadecimal", hex.clone().into_bytes()),
        ("HEXADECIMAL", hex.to_uppercase().into_bytes()),
        (
            "a list of bytes",
            list.trim_matches(['[', ']']).as_bytes().to_vec(),
        ),
    ];
    for skipped in 0..3 {
        let whole = (bytes.len() - skipped) / 3 * 3;
        let part = &bytes[skipped..skipped + whole];
        forms.push(("base64", STANDARD_NO_PAD.encode(part).into_bytes()));
        forms.push(("base64url", URL_SAFE_NO_PAD.encode(part).into_bytes()));
    }
    forms
}

#[test]
fn a_secret_is_found_in_every_form() {
    use base64::engine::general_purpose::{STANDARD, URL_SAFE};

    let secret = tokend_simulator::Client::new("any").secret;
    let search = Search::new(&[("it".to_owned(), secret.clone())]);
    let bytes = URL_SAFE_NO_PAD.decode(&secret[11..]).unwrap();
    let random = Search::new(&[("it".to_owned(), secret[11..].to_owned())]);
    assert_eq!(search.finds(b"nothing to be seen"), [] as [String; 0]);
    for (search, hidden) in [
        (&search, format!("token={secret};")),
        (&search, STANDARD.encode(format!("Basic id:{secret}"))),
        (&search, URL_SAFE.encode(format!("xy{secret}z"))),
        (&search, STANDARD_NO_PAD.encode(format!("x{secret}"))),
        (&search, format!("{:?}", secret.as_bytes())),
        (&random, STANDARD.encode(&bytes)),
        (
            &random,
            format!(
                "\\x{}",
                bytes
                    .iter()
                    .map(|byte| format!("{byte:02x}"))
                    .collect::<String>()
            ),
        ),
        (&random, format!("{bytes:?}")),
    ] {
        assert!(!search.finds(hidden.as_bytes()).is_empty(), "{hidden}");
    }
    assert!(
        !random
            .finds(&[b"raw".as_slice(), &bytes].concat())
            .is_empty()
    );
}
