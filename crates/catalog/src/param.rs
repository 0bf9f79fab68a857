//! A parameter of a request: fixed, or a value that is filled in.

use serde::Deserialize;

/// What a parameter is sent with. In TOML: a text, a whole number, or a text that is `{name}` as a whole.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(from = "Written")]
pub enum Param {
    /// This text.
    Text(String),
    /// This number; a JSON body has it as a number.
    Number(i64),
    /// The value of this name; without one the parameter is left out.
    Value(String),
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Written {
    Number(i64),
    Text(String),
}

impl Param {
    /// The name of the value it is filled with, if it is.
    pub fn name(&self) -> Option<&str> {
        match self {
            Self::Value(name) => Some(name),
            Self::Text(_) | Self::Number(_) => None,
        }
    }
}

impl From<Written> for Param {
    fn from(written: Written) -> Self {
        match written {
            Written::Number(number) => Self::Number(number),
            Written::Text(text) => {
                let name = text
                    .strip_prefix('{')
                    .and_then(|rest| rest.strip_suffix('}'));
                match name {
                    Some(name) if !name.contains(['{', '}', '"', ' ']) => {
                        Self::Value(name.to_owned())
                    }
                    _ => Self::Text(text),
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parameters_are_texts_numbers_or_values() {
        #[derive(Deserialize)]
        struct Params {
            text: Param,
            number: Param,
            value: Param,
            json: Param,
        }
        let text = "text = 'a b'\nnumber = 1800\nvalue = '{instance_id}'\njson = '{ \"a\": 1 }'";
        let params: Params = toml::from_str(text).expect("it is TOML");
        assert_eq!(params.text, Param::Text("a b".to_owned()));
        assert_eq!(params.number, Param::Number(1800));
        assert_eq!(params.value, Param::Value("instance_id".to_owned()));
        assert_eq!(params.json, Param::Text("{ \"a\": 1 }".to_owned()));
    }
}
