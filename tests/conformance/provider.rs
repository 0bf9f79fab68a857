//! A provider that speaks one dialect: what it has granted, and where each request goes.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::{
    assertion::SigningKey,
    books::Books,
    dialect::{AssertionPlace, Dialect, Grant},
    wire::{Answer, Request},
};

/// The user name that a person enters where one is asked for.
pub(crate) const USERNAME: &str = "ada";

/// One provider, with one client registered.
pub(crate) struct Provider {
    pub(crate) dialect: Arc<Dialect>,
    /// The integration type that is tried.
    pub(crate) integration_type: String,
    pub(crate) client_id: String,
    /// The one secret that works.
    pub(crate) client_secret: String,
    /// The key whose signature is believed, for clients that sign.
    pub(crate) key: Option<&'static SigningKey>,
    /// Where browsers are sent back to.
    pub(crate) redirect_uri: String,
    /// What it takes for somebody's token, for token exchange.
    pub(crate) subject_token: String,
    books: Mutex<Books>,
}

/// Why a request is not answered as hoped: what to answer, and what was wrong about it.
pub(crate) struct Refusal {
    pub(crate) answer: Answer,
    pub(crate) complaint: String,
}

impl Provider {
    /// A provider that has granted nothing yet.
    pub(crate) fn new(dialect: &Arc<Dialect>, integration_type: &str, redirect_uri: &str) -> Self {
        let signs = dialect.assertion.is_some();
        let entered = dialect.credential.as_ref();
        let client_id = match dialect.client.id.as_str() {
            "" => format!("client-of-{integration_type}"),
            id => id.to_owned(),
        };
        Self {
            dialect: Arc::clone(dialect),
            integration_type: integration_type.to_owned(),
            client_id,
            client_secret: random(entered.map_or("secret", |credential| &credential.prefix)),
            key: signs.then(SigningKey::of_this_run),
            redirect_uri: redirect_uri.to_owned(),
            subject_token: random("subject"),
            books: Mutex::default(),
        }
    }

    /// Answers a request, and remembers it if no such client should have sent it.
    pub(crate) fn answer(&self, request: &Request) -> Answer {
        self.route(request).unwrap_or_else(|refusal| {
            let complaint = format!("{}\n      {request}", refusal.complaint);
            self.books().complaints.push(complaint);
            refusal.answer
        })
    }

    /// What was granted so far.
    pub(crate) fn books(&self) -> MutexGuard<'_, Books> {
        self.books.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn route(&self, request: &Request) -> Result<Answer, Refusal> {
        let is_at = |method: &str, url: &str| {
            let endpoint = url.split('?').next().unwrap_or_default();
            request.method == method && request.url() == self.filled(endpoint)
        };
        let dialect = &self.dialect;
        if let Some(refresh) = &dialect.refresh
            && let Some(url) = &refresh.url
            && is_at(&refresh.method, url)
        {
            return self.refresh(request, url);
        }
        if let Some(token) = &dialect.token
            && is_at("POST", &token.url)
        {
            return self.token(token, request);
        }
        if let Some(device) = &dialect.device
            && is_at("POST", &device.url)
        {
            return self.device_authorization(device, request);
        }
        let calls = dialect
            .exchange
            .iter()
            .chain(&dialect.revoke)
            .chain(&dialect.call);
        for call in calls {
            let urls = [&call.url].into_iter().chain(&call.also_at);
            if let Some(url) = urls.into_iter().find(|url| is_at(&call.method, url)) {
                return self.call(call, url, request);
            }
        }
        Err(Refusal::new(404, "not_found", "there is no such endpoint"))
    }

    /// A URL of the dialect with the client's id in it.
    fn filled(&self, url: &str) -> String {
        url.replace("$client_id", &self.client_id)
    }

    /// The client's secret as it is given to an operator: for clients that sign, the key.
    pub(crate) fn operators_secret(&self) -> String {
        let Some((key, assertion)) = self.key.zip(self.dialect.assertion.as_ref()) else {
            return self.client_secret.clone();
        };
        match assertion.place {
            AssertionPlace::Parameter if assertion.key_id => key.key_file(&self.client_id),
            _ => key.pem(),
        }
    }

    /// Whether a person consents.
    pub(crate) fn needs_person(&self) -> bool {
        self.dialect.grant == Grant::AuthorizationCode
    }
}

impl Refusal {
    /// An error as RFC 6749 section 5.2 has it.
    pub(crate) fn new(status: u16, code: &str, complaint: impl Into<String>) -> Self {
        Self {
            answer: Answer::error(status, code),
            complaint: complaint.into(),
        }
    }

    /// A request that is not as it has to be.
    pub(crate) fn request(complaint: impl Into<String>) -> Self {
        Self::new(400, "invalid_request", complaint)
    }
}

/// A value nobody guesses.
pub(crate) fn random(kind: &str) -> String {
    let letters: String = std::iter::repeat_with(fastrand::alphanumeric)
        .take(40)
        .collect();
    format!("{kind}{letters}")
}
