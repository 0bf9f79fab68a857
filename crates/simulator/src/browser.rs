//! A browser without a screen: cookies, redirects, and one kind of form. It opens loopback addresses only.

use std::{fmt, io, time::Duration};

use reqwest::{Method, StatusCode, header, redirect};
use url::{Host, Url};

use crate::form::Form;

const MOST_REDIRECTS: usize = 20;
const MOST_FORMS: usize = 5;

/// A browser with its own cookie jar, as one person has.
#[derive(Clone, Debug)]
pub struct Browser {
    client: reqwest::Client,
}

/// A page that a browser arrived at.
#[derive(Clone)]
pub struct Page {
    /// Where it came to rest after all redirects.
    pub final_url: Url,
    /// HTTP status.
    pub status: u16,
    /// The body.
    pub body: String,
    /// Every URL that was visited on the way, the last one included.
    pub visited: Vec<Url>,
}

impl Browser {
    /// A browser without cookies.
    ///
    /// # Errors
    /// When the HTTP client cannot be built.
    pub fn new() -> io::Result<Self> {
        // reqwest wants a TLS provider in the process even for plain HTTP; one that is there already stays.
        _ = rustls::crypto::ring::default_provider().install_default();
        let client = reqwest::Client::builder()
            .cookie_store(true)
            .redirect(redirect::Policy::none())
            .no_proxy()
            .timeout(Duration::from_secs(60))
            .build();
        Ok(Self {
            client: client.map_err(io::Error::other)?,
        })
    }

    /// Opens a page, following redirects as a browser does.
    ///
    /// # Errors
    /// When a URL on the way is not loopback, cannot be reached, or there are more than 20 redirects.
    pub async fn open(&self, url: &str) -> io::Result<Page> {
        let url = Url::parse(url).map_err(io::Error::other)?;
        self.visit(Method::GET, url, Vec::new(), None).await
    }

    /// Submits the first form of a page by its first button: hidden inputs as they are.
    ///
    /// # Errors
    /// When the page has no form, and as [`open`](Self::open).
    pub async fn submit(&self, page: &Page) -> io::Result<Page> {
        let form =
            Form::first_of(&page.body).ok_or_else(|| io::Error::other("the page has no form"))?;
        let mut target = page
            .final_url
            .join(&form.action)
            .map_err(io::Error::other)?;
        let origin = page.final_url.origin().ascii_serialization();
        if form.is_post {
            return self
                .visit(Method::POST, target, form.fields, Some(&origin))
                .await;
        }
        target.query_pairs_mut().clear().extend_pairs(form.fields);
        self.visit(Method::GET, target, Vec::new(), None).await
    }

    /// Opens a page and submits the forms it meets until there is none left: what a willing user does.
    ///
    /// # Errors
    /// As [`submit`](Self::submit), and after 5 forms.
    pub async fn consent(&self, url: &str) -> io::Result<Page> {
        let mut page = self.open(url).await?;
        for _ in 0..MOST_FORMS {
            if Form::first_of(&page.body).is_none() {
                return Ok(page);
            }
            let visited = std::mem::take(&mut page.visited);
            let next = self.submit(&page).await?;
            page = Page {
                visited: [visited, next.visited.clone()].concat(),
                ..next
            };
        }
        Err(io::Error::other("too many forms"))
    }

    async fn visit(
        &self,
        mut method: Method,
        mut url: Url,
        fields: Vec<(String, String)>,
        origin: Option<&str>,
    ) -> io::Result<Page> {
        let mut visited = Vec::new();
        while visited.len() <= MOST_REDIRECTS {
            if !is_loopback(&url) {
                // The host alone: a query may hold a code or a state.
                let host = url.host_str().unwrap_or_default();
                return Err(io::Error::other(format!("{host} is not a loopback host")));
            }
            visited.push(url.clone());
            let mut request = self.client.request(method.clone(), url.clone());
            if method == Method::POST {
                request = request
                    .form(&fields)
                    .header(header::ORIGIN, origin.unwrap_or("null"));
            }
            let response = request.send().await.map_err(without_url)?;
            let status = response.status();
            let location = response
                .headers()
                .get(header::LOCATION)
                .and_then(|value| value.to_str().ok());
            match location.filter(|_| status.is_redirection()) {
                Some(location) => {
                    url = url.join(location).map_err(io::Error::other)?;
                    // Only 307 and 308 keep the method (RFC 9110 section 15.4).
                    if !matches!(
                        status,
                        StatusCode::TEMPORARY_REDIRECT | StatusCode::PERMANENT_REDIRECT
                    ) {
                        method = Method::GET;
                    }
                }
                None => {
                    let body = response.text().await.map_err(without_url)?;
                    return Ok(Page {
                        final_url: url,
                        status: status.as_u16(),
                        body,
                        visited,
                    });
                }
            }
        }
        Err(io::Error::other("too many redirects"))
    }
}

impl Page {
    /// A query parameter of the final URL.
    pub fn query(&self, name: &str) -> Option<String> {
        self.final_url
            .query_pairs()
            .find(|(key, _)| key == name)
            .map(|(_, value)| value.into_owned())
    }
}

impl fmt::Debug for Page {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Neither query nor body: both may hold secrets.
        f.debug_struct("Page")
            .field("status", &self.status)
            .field("path", &self.final_url.path())
            .finish_non_exhaustive()
    }
}

/// Whether a URL is http(s) to this machine.
pub(crate) fn is_loopback(url: &Url) -> bool {
    let local = match url.host() {
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        Some(Host::Domain(name)) => name == "localhost",
        None => false,
    };
    local && matches!(url.scheme(), "http" | "https")
}

fn without_url(error: reqwest::Error) -> io::Error {
    io::Error::other(error.without_url())
}
