//! A browser that goes one step at a time, so that a test can meddle between the steps.

use reqwest::{Method, StatusCode, header, redirect};
use tokend_tests::Tokend;
use url::Url;

/// What came back from one request.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: header::HeaderMap,
    pub(crate) body: String,
}

/// On the way from the ticket to the callback.
#[derive(Debug)]
pub(crate) struct Arrived {
    /// `name=value` of the cookie that tokend set.
    pub(crate) cookie: String,
    /// The callback as the provider sends the browser to it, not opened yet.
    pub(crate) callback: Url,
}

/// One request, with these headers, following nothing.
pub(crate) async fn request(
    method: Method,
    url: &str,
    headers: &[(&str, &str)],
    form: &[(&str, &str)],
) -> Answer {
    // reqwest wants a TLS provider in the process even for plain HTTP; one that is there already stays.
    _ = rustls::crypto::ring::default_provider().install_default();
    let client = reqwest::Client::builder()
        .redirect(redirect::Policy::none())
        .no_proxy()
        .build()
        .unwrap();
    let mut request = client.request(method.clone(), url);
    if method == Method::POST {
        request = request.form(form);
    }
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let response = request.send().await.unwrap();
    Answer {
        status: response.status(),
        headers: response.headers().clone(),
        body: response.text().await.unwrap(),
    }
}

/// `GET`, with the given cookies.
pub(crate) async fn get(url: &str, cookies: &str) -> Answer {
    request(Method::GET, url, &[("cookie", cookies)], &[]).await
}

/// Opens the ticket and consents at the provider.
pub(crate) async fn arrive(redirect_url: &str) -> Arrived {
    let opened = get(redirect_url, "").await;
    assert_eq!(opened.status, StatusCode::SEE_OTHER, "{}", opened.body);
    let consented = get(opened.location().as_str(), "").await;
    Arrived {
        cookie: opened.cookie(),
        callback: consented.location(),
    }
}

impl Answer {
    /// A header's text; empty where it is absent.
    pub(crate) fn header(&self, name: header::HeaderName) -> &str {
        let value = self.headers.get(name);
        value.map_or("", |value| value.to_str().unwrap())
    }

    /// Where it redirects to.
    pub(crate) fn location(&self) -> Url {
        let location = self.header(header::LOCATION);
        Url::parse(location).unwrap_or_else(|_| panic!("{} {location:?}", self.status))
    }

    /// `name=value` of the cookie it sets.
    pub(crate) fn cookie(&self) -> String {
        let cookie = self.header(header::SET_COOKIE);
        cookie.split(';').next().unwrap().to_owned()
    }

    /// Asserts that it is an error page of this status that names this reason.
    #[track_caller]
    pub(crate) fn is_error(&self, status: u16, reason: &str) {
        assert_eq!(self.status.as_u16(), status, "{}", self.body);
        assert!(self.body.contains(reason), "no {reason} in {}", self.body);
    }

    /// The hidden fields of its form, by name and value.
    pub(crate) fn form(&self) -> Vec<(&str, &str)> {
        let inputs = self.body.split("type=\"hidden\" name=\"").skip(1);
        inputs
            .map(|input| {
                let (name, rest) = input.split_once("\" value=\"").unwrap();
                (name, rest.split('"').next().unwrap())
            })
            .collect()
    }

    /// The completion token in its form.
    pub(crate) fn completion_token(&self) -> &str {
        let form = self.form();
        let found = form.iter().find(|(name, _)| *name == "completion_token");
        found.unwrap().1
    }
}

impl Arrived {
    /// Lets the browser go on to the callback.
    pub(crate) async fn go_on(&self) -> Answer {
        get(self.callback.as_str(), &self.cookie).await
    }

    /// The callback with another path below `/oauth/callback/`.
    pub(crate) fn under_context(&self, context: &str) -> Url {
        let mut url = self.callback.clone();
        url.set_path(&format!("/oauth/callback/{context}"));
        url
    }
}

/// The context in the redirect URI of a connector.
pub(crate) async fn callback_context(tokend: &Tokend, connector_id: &str) -> String {
    let request = tokend_api::v1::GetConnectorRequest {
        connector_id: connector_id.to_owned(),
    };
    let answer = tokend.operator.admin().get_connector(request).await;
    let connector = answer.unwrap().into_inner().connector.unwrap();
    let context = connector.redirect_uri.rsplit('/').next();
    context.unwrap().to_owned()
}

/// A parameter of a URL's query, which must be there.
pub(crate) fn parameter(url: &Url, name: &str) -> String {
    let mut pairs = url.query_pairs();
    let found = pairs.find(|(key, _)| key == name);
    found.unwrap_or_else(|| panic!("no {name}")).1.into_owned()
}
