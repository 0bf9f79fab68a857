//! All other calls: whose account it is, what else there is to learn, second exchanges, revocation.

use serde_json::Value;

use crate::{
    books::{Books, Line},
    client_auth::{Demands, headers, nothing_left},
    dialect::{Call, CallAuth, ClientAuth, Kills},
    provider::{Provider, Refusal, USERNAME, random},
    wire::{Answer, Params, Request, text},
};

/// What a call was about.
#[derive(Default)]
struct About {
    access: Option<String>,
    refresh: Option<String>,
    interim: Option<String>,
}

impl Provider {
    /// Answers a call that the dialect has.
    pub(crate) fn call(
        &self,
        call: &Call,
        url: &str,
        request: &Request,
    ) -> Result<Answer, Refusal> {
        let mut about = About {
            access: self.carried(call, request)?,
            ..About::default()
        };
        let mut params = self.call_params(call, url, request)?;
        for (name, expected) in &call.params {
            let given = params.remove(name);
            let given = given.as_ref().map(text).unwrap_or_default();
            if !self.fits(&text(expected), &given, &mut about) {
                return Err(Refusal::request(format!("{name} is not {expected}")));
            }
        }
        params.retain(|name, _| !call.optional.contains(name) && !call.any.contains(name));
        nothing_left(&params)?;
        let mut books = self.books();
        let line = Self::line_of(&mut books, &about);
        if let Some(line) = &line
            && let Some(scope) = call.needs.iter().find(|scope| !line.scopes.contains(scope))
        {
            let complaint = format!("the token lacks {scope}, having {:?}", line.scopes);
            return Err(Refusal::new(403, "insufficient_scope", complaint));
        }
        let answer = Answer {
            status: call.status,
            body: self.rendered(&call.answer, line.as_deref()),
        };
        if let (Some(kills), Some(line)) = (call.kills, line) {
            kill(kills, line, &about);
            books.seen.revoked = Some(match about.refresh {
                Some(_) => "refresh token",
                None => "access token",
            });
        }
        Ok(answer)
    }

    /// The access token that the call proves itself with, if it does that.
    fn carried(&self, call: &Call, request: &Request) -> Result<Option<String>, Refusal> {
        let bearer = request.bearer();
        let token = match call.auth {
            CallAuth::Bearer => bearer,
            CallAuth::BearerOrBare => bearer.or(Some(request.header("authorization"))),
            CallAuth::Header => Some(request.header(&call.header)),
            CallAuth::Assertion => {
                let believed = self.believes(bearer.unwrap_or_default());
                let refused = |complaint| Refusal::new(401, "invalid_token", complaint);
                return believed.map(|_| None).map_err(refused);
            }
            CallAuth::Password => {
                let entered = (USERNAME.to_owned(), self.client_secret.clone());
                return match request.basic() == Some(entered) {
                    true => Ok(None),
                    false => Err(Refusal::new(401, "unauthorized", "user name and password")),
                };
            }
            CallAuth::ClientSecretBasic | CallAuth::ClientSecretPost | CallAuth::None => {
                return Ok(None);
            }
        };
        match token {
            Some(token) if self.books().works(token) || self.is_credential(token) => {
                Ok(Some(token.to_owned()))
            }
            _ => Err(Refusal::new(
                401,
                "invalid_token",
                "no access token that works",
            )),
        }
    }

    fn call_params(&self, call: &Call, url: &str, request: &Request) -> Result<Params, Refusal> {
        if let Some(body) = &call.body {
            headers(&call.headers, request)?;
            let given: Option<Value> = serde_json::from_slice(&request.body).ok();
            return match given == serde_json::from_str(body).ok() {
                true => Ok(Params::new()),
                false => Err(Refusal::request(format!("the body is not {body}"))),
            };
        }
        let auth = match call.auth {
            CallAuth::ClientSecretBasic => ClientAuth::ClientSecretBasic,
            CallAuth::ClientSecretPost => ClientAuth::ClientSecretPost,
            _ => ClientAuth::None,
        };
        let demands = Demands {
            url,
            auth: &[auth],
            encoding: &call.encoding,
            headers: &call.headers,
            params: &Params::new(),
            optional: &[],
        };
        self.met(&demands, request)
    }

    fn fits(&self, expected: &str, given: &str, about: &mut About) -> bool {
        let mut books = self.books();
        let given = given.to_owned();
        match expected {
            "$client_id" => given == self.client_id,
            "$client_secret" => given == self.client_secret,
            "$interim_token" => {
                let live = books
                    .lines
                    .iter()
                    .any(|line| line.interim.as_ref() == Some(&given));
                about.interim = live.then_some(given);
                live
            }
            "$access_token" | "$refresh_token" | "$token" => {
                let access = expected != "$refresh_token" && books.works(&given);
                let refresh = expected != "$access_token" && books.by_refresh(&given).is_some();
                about.access = access.then(|| given.clone()).or(about.access.take());
                about.refresh = refresh.then_some(given);
                access || refresh
            }
            fixed => given == fixed,
        }
    }

    /// The grant that the call is about; a first token is exchanged by this.
    fn line_of<'b>(books: &'b mut Books, about: &About) -> Option<&'b mut Line> {
        match (&about.interim, &about.refresh, &about.access) {
            (Some(interim), _, _) => {
                let mut lines = books.lines.iter_mut();
                let line = lines.find(|line| line.interim.as_ref() == Some(interim))?;
                line.interim = None;
                line.access.push(random("access"));
                Some(line)
            }
            (None, Some(refresh), _) => books.by_refresh(refresh),
            (None, None, Some(access)) => books.by_access(access),
            (None, None, None) => None,
        }
    }

    /// Whether this is what a person entered.
    fn is_credential(&self, token: &str) -> bool {
        self.dialect.credential.is_some() && token == self.client_secret
    }
}

fn kill(kills: Kills, line: &mut Line, about: &About) {
    match kills {
        Kills::Grant => line.end(),
        Kills::Token => line
            .access
            .retain(|live| Some(live) != about.access.as_ref()),
        Kills::Renewal => line.refresh = None,
    }
}
