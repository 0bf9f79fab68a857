//! One run through everything that touches a secret, with what was secret in it and what was shown to others.

use std::{fmt::Debug, time::Duration};

use tokend_tests::{AUDIENCE, Database, Options, Tokend};
use tonic::Status;
use tonic_types::StatusExt;

use crate::visitor::{Answer, Arrived, arrive};

/// A running tokend, the secrets that came up, and all that may hold none of them.
pub(crate) struct Run {
    pub(crate) tokend: Tokend,
    secrets: Vec<(String, String)>,
    pub(crate) shown: Vec<String>,
}

impl Run {
    /// Starts with the secrets there are before any call.
    pub(crate) async fn start(database: Database) -> Self {
        let tokend = Tokend::start(Options {
            database,
            configure: |config| {
                config.vending.first_pause_seconds = 0;
                config.vending.longest_pause_seconds = 0;
                config.oauth.timeout_seconds = 2;
            },
            ..Options::default()
        })
        .await;
        let mut run = Self {
            tokend,
            secrets: Vec::new(),
            shown: Vec::new(),
        };
        run.keep_api_key("operator", &run.tokend.operator_key.clone());
        run.keep_api_key("backend", &run.tokend.backend_key.clone());
        let key_file = std::fs::read_to_string(&run.tokend.config.keys.file).unwrap();
        let sealing_key = key_file.trim_end().rsplit(':').next().unwrap();
        run.keep("sealing key", sealing_key);
        let seen = format!("{:?} {:?}", run.tokend.config, run.tokend.backend);
        run.shown.push(seen);
        run
    }

    /// A value that nobody may find anywhere.
    pub(crate) fn keep(&mut self, name: &str, secret: &str) {
        self.secrets.push((name.to_owned(), secret.to_owned()));
    }

    /// A whole API key, and its secret half.
    pub(crate) fn keep_api_key(&mut self, name: &str, key: &str) {
        self.keep(&format!("{name}'s API key"), key);
        let half = key.splitn(3, '_').nth(2).unwrap();
        self.keep(&format!("{name}'s API key's secret half"), half);
    }

    /// A new JWT of that user.
    pub(crate) fn user_token(&mut self, user: &str) -> String {
        let token = self
            .tokend
            .simulator
            .app_user_token(user, AUDIENCE, Duration::from_secs(600));
        self.keep_jwt(&token);
        token
    }

    /// A JWT, whole and its signature.
    pub(crate) fn keep_jwt(&mut self, token: &str) {
        self.keep("an app user's JWT", token);
        let signature = token.rsplit('.').next().unwrap();
        if !signature.is_empty() {
            self.keep("an app user's JWT's signature", signature);
        }
    }

    /// The ticket in a redirect URL.
    pub(crate) fn keep_ticket(&mut self, redirect_url: &str) {
        let ticket = redirect_url.rsplit('/').next().unwrap().to_owned();
        self.keep("a ticket", &ticket);
    }

    /// Opens a ticket as a browser does, as far as the callback.
    pub(crate) async fn arrive(&mut self, redirect_url: &str) -> Arrived {
        self.keep_ticket(redirect_url);
        let arrived = arrive(redirect_url).await;
        let (_, binding) = arrived.cookie.split_once('=').unwrap();
        self.keep("a browser's cookie", binding);
        arrived
    }

    /// Takes in an answer as programs print it.
    pub(crate) fn show(&mut self, message: &impl Debug) {
        self.shown.push(format!("{message:?}"));
    }

    /// Takes in a page that is not the user's own.
    pub(crate) fn show_page(&mut self, page: &Answer) {
        self.shown.push(format!("{:?} {}", page.headers, page.body));
    }

    /// Takes in the error of a call, with its details. The link of a `Help` is made to hold a ticket; that one is
    /// looked for everywhere else.
    pub(crate) fn show_error<T: Debug>(&mut self, answer: Result<T, Status>) {
        let status = answer.expect_err("this call fails");
        let mut details = status.get_error_details();
        let links = details.help().map(|help| help.links.clone());
        for link in links.into_iter().flatten() {
            self.keep_ticket(&link.url);
            details.set_help(Vec::new());
        }
        self.shown.push(format!("{} {details:?}", status.message()));
    }

    /// Every secret of this run, those that the provider knows among them.
    pub(crate) fn secrets(&self) -> Vec<(String, String)> {
        let issued = self.tokend.simulator.ledger().secrets_issued();
        let issued = issued
            .into_iter()
            .map(|secret| (format!("issued {}", kind(&secret)), secret));
        let mut secrets: Vec<_> = self.secrets.iter().cloned().chain(issued).collect();
        secrets.dedup();
        secrets
    }

    /// All that the provider knows in one text, for a provider that repeats it.
    pub(crate) fn echo(&self) -> String {
        self.tokend.simulator.ledger().secrets_issued().join(" ")
    }
}

/// What the simulator's prefixes tell of a secret's kind, without the secret.
fn kind(secret: &str) -> &str {
    let Some(at) = secret.find("-sim-") else {
        return "state, verifier or completion token";
    };
    &secret[..at]
}
