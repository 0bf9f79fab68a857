//! What a set of policies looks at: what none looks at need not tell one question from another.

use cedar_policy::PolicySet;
use serde_json::Value;

/// Which of the inputs that have many values the policies look at. What is not looked at is taken for empty, so that a
/// decision is remembered for all its values.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct LookedAt {
    pub(super) scopes: bool,
    pub(super) app_user: bool,
    pub(super) label: bool,
}

impl LookedAt {
    /// Cedar reads an attribute only by a name that is written down (`.`, `has`), or compares the context as a whole.
    pub(super) fn by(policies: &PolicySet) -> Self {
        let mut seen = Self::nothing();
        for policy in policies.policies() {
            match policy.to_json() {
                Ok(json) => seen.look_through(&json, false),
                Err(_) => return Self::everything(),
            }
        }
        seen
    }

    fn nothing() -> Self {
        Self {
            scopes: false,
            app_user: false,
            label: false,
        }
    }

    fn everything() -> Self {
        Self {
            scopes: true,
            app_user: true,
            label: true,
        }
    }

    /// `accessed`: an attribute of this expression is what is meant, not the whole.
    fn look_through(&mut self, json: &Value, accessed: bool) {
        match json {
            Value::Array(parts) => parts.iter().for_each(|part| self.look_through(part, false)),
            Value::Object(parts) => {
                if let Some(attribute) = parts.get("attr") {
                    self.attribute(attribute);
                }
                let whole_context = parts.get("Var").is_some_and(|name| name == "context");
                if whole_context && !accessed {
                    *self = Self::everything();
                }
                let accesses = parts.contains_key("attr");
                for (name, part) in parts {
                    self.look_through(part, accesses && name == "left");
                }
            }
            _ => {}
        }
    }

    /// A name, or with `has` a path of names.
    fn attribute(&mut self, name: &Value) {
        match name {
            Value::Array(path) => path.iter().for_each(|name| self.attribute(name)),
            Value::String(name) => match name.as_str() {
                "scopes" => self.scopes = true,
                "app_user" => self.app_user = true,
                "label" => self.label = true,
                _ => {}
            },
            _ => *self = Self::everything(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn by(condition: &str) -> LookedAt {
        let text = format!("permit (principal, action, resource) when {{ {condition} }};");
        LookedAt::by(&text.parse().unwrap())
    }

    #[test]
    fn what_is_looked_at_is_found_wherever_it_stands() {
        let nothing = LookedAt::nothing();
        let (scopes, app_user, label) = (
            LookedAt {
                scopes: true,
                ..nothing
            },
            LookedAt {
                app_user: true,
                ..nothing
            },
            LookedAt {
                label: true,
                ..nothing
            },
        );
        for (condition, expected) in [
            ("principal.name like \"scopes*\"", nothing),
            ("context.environment == \"label\"", nothing),
            ("context.scopes == []", scopes),
            ("context[\"scopes\"].contains(\"a\")", scopes),
            ("[\"a\"].containsAll(context.scopes)", scopes),
            ("context has scopes", scopes),
            ("context has app_user.id", app_user),
            ("!(context has app_user)", app_user),
            (
                "principal.role == \"\" || (context has app_user && context.app_user.id == \"a\")",
                app_user,
            ),
            ("if resource.label == \"\" then true else false", label),
            (
                "(if principal.role == \"\" then resource else resource).label == \"\"",
                label,
            ),
            (
                "(if principal.role == \"\" then context else context).environment == \"\"",
                LookedAt::everything(),
            ),
            ("[context].contains(context)", LookedAt::everything()),
            ("context == {scopes: []}", LookedAt::everything()),
        ] {
            assert_eq!(by(condition), expected, "{condition}");
        }
    }
}
