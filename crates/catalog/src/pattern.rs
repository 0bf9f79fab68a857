//! Regular expressions of a definition, always matched against the whole value.

use regex::Regex;
use serde::Deserialize;

/// A regular expression (RE2 syntax, linear time) that a whole value has to match.
#[derive(Debug, Clone, Deserialize)]
#[serde(try_from = "String")]
pub struct Pattern {
    text: String,
    whole: Regex,
}

impl Pattern {
    /// The expression as it was written.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Whether the whole of `value` matches.
    pub fn matches(&self, value: &str) -> bool {
        self.whole.is_match(value)
    }
}

impl TryFrom<String> for Pattern {
    type Error = regex::Error;

    fn try_from(text: String) -> Result<Self, regex::Error> {
        // Compiled alone first: an unbalanced `a)|(?:b` would escape from the anchors put round it.
        Regex::new(&text)?;
        let whole = Regex::new(&format!(r"\A(?:{text})\z"))?;
        Ok(Self { text, whole })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pattern(text: &str) -> Result<Pattern, regex::Error> {
        Pattern::try_from(text.to_owned())
    }

    #[test]
    fn the_whole_value_counts() -> Result<(), regex::Error> {
        let letters = pattern("[a-z]+|x-[0-9]")?;
        assert!(letters.matches("abc") && letters.matches("x-1"));
        for other in ["abc\n", " abc", "abc.evil.test", "x-1y", ""] {
            assert!(!letters.matches(other), "{other:?}");
        }
        assert!(!pattern("(?m)^a$")?.matches("b\na"));
        Ok(())
    }

    #[test]
    fn anchors_cannot_be_escaped_from() {
        assert!(pattern("a)|(?:b").is_err());
        assert!(pattern("(?x)a #").is_err() || !pattern("(?x)a #").is_ok_and(|p| p.matches("ab")));
        assert!(pattern("[").is_err());
    }
}
