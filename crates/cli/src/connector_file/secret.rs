//! The client secrets that a connector file names: in other files, or in the environment.

use std::{fs, path::Path};

use super::{ConnectorFile, InvalidLine, key::SecretPlace};

impl ConnectorFile {
    /// Fills in the secrets that the file names, the first as the one to try first; tells those that cannot be read.
    /// A file that names none keeps the stored ones.
    pub(crate) fn read_secrets(&mut self) -> Vec<InvalidLine> {
        let (mut secrets, mut errors) = (Vec::new(), Vec::new());
        for place in &self.secrets {
            match place.read(self.file.parent().unwrap_or(Path::new("."))) {
                Ok(secret) => secrets.push(secret),
                Err(why) => errors.push(self.at("client_secret", why)),
            }
        }
        // A list with a gap would be another order.
        if errors.is_empty() && !secrets.is_empty() {
            self.connector.client_secret = secrets.remove(0);
            self.connector.other_client_secrets = secrets;
        }
        errors
    }
}

impl SecretPlace {
    fn read(&self, folder: &Path) -> Result<String, String> {
        match self {
            Self::File(name) => {
                let path = folder.join(name);
                let read = fs::read_to_string(&path)
                    .map_err(|error| format!("'clientSecretFile' {}: {error}", path.display()))?;
                secret(&read)
                    .ok_or_else(|| format!("'clientSecretFile' {} is empty", path.display()))
            }
            Self::Variable(name) => {
                let read = std::env::var(name)
                    .map_err(|_| format!("'clientSecretEnv': the environment has no {name}"))?;
                secret(&read).ok_or_else(|| format!("'clientSecretEnv': {name} is empty"))
            }
        }
    }
}

/// Without the line's end. None where there is none: a public client's connector names no secret at all.
fn secret(text: &str) -> Option<String> {
    let text = text.trim();
    (!text.is_empty()).then(|| text.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(folder: &Path, text: &str) -> (ConnectorFile, Vec<String>) {
        let (read, errors) = super::super::read::read(&folder.join("slack.jsonc"), text);
        assert_eq!(errors, []);
        let mut read = read.unwrap();
        let errors = read.read_secrets();
        (read, errors.iter().map(ToString::to_string).collect())
    }

    #[test]
    fn an_empty_secret_is_not_taken_for_a_public_client() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("secret"), " \n").unwrap();
        let text = "{\n\"clientId\": \"abc\",\n\"clientSecretFile\": \"secret\"}";
        let (_, errors) = read(folder.path(), text);
        assert!(errors[0].contains("slack.jsonc:3: "), "{errors:?}");
        assert!(errors[0].ends_with("secret is empty"), "{errors:?}");
    }

    #[test]
    fn of_several_the_first_is_tried_first() {
        let folder = tempfile::tempdir().unwrap();
        for name in ["one", "two", "three"] {
            fs::write(folder.path().join(name), format!("{name}\n")).unwrap();
        }
        let text = "{\"clientSecretFile\": [\"two\", \"one\", \"three\"]}";
        let (file, errors) = read(folder.path(), text);
        assert!(errors.is_empty(), "{errors:?}");
        assert_eq!(file.connector.client_secret, "two");
        assert_eq!(file.connector.other_client_secrets, ["one", "three"]);
        let gap = "{\"clientSecretFile\": [\"two\", \"none\", \"three\"]}";
        let (file, errors) = read(folder.path(), gap);
        assert_eq!(errors.len(), 1);
        assert_eq!(file.connector.client_secret, "");
    }
}
