//! Odd answers of a token endpoint by name, as data: what each is, and what a client should take it for.

use std::time::Duration;

use crate::{
    alteration::{Alteration, BodyChange},
    fault::Fault,
    misanswers::ALL,
};

/// A named odd answer to a token call.
#[derive(Debug)]
pub struct Misanswer {
    /// What it is, in a few words; no two have the same.
    pub name: &'static str,
    /// Whether the provider does what was asked: redeems, rotates.
    pub processed: bool,
    /// What a client should take it for. Only the client's view: it need not be the truth.
    pub outcome: Outcome,
    pub(crate) shape: Shape,
}

/// What a client can tell from an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Outcome {
    /// Refused for now; nothing was spent: 429, or 503 with `Retry-After`.
    RateLimited,
    /// The refresh token is said to be dead. An accusation, to be checked.
    GrantRejected,
    /// The client's registration is refused: not this connection's fault.
    ClientRejected,
    /// The request was refused for what it is or where it went; nothing was spent.
    RequestRejected,
    /// It may or may not have been processed.
    Ambiguous,
    /// An answer that is none; it may or may not have been processed, and may be worth keeping for a repair.
    Garbage,
    /// New tokens; whatever is odd about the rest is passed over.
    Success,
    /// A new access token without a usable new refresh token: the old one is kept.
    SuccessKeepingRefreshToken,
    /// New tokens and an ID token that does not hold: the tokens are kept, the identity is not believed.
    SuccessWithoutIdentity,
}

/// How an answer is made.
#[derive(Debug)]
pub(crate) enum Shape {
    /// This instead of the true answer: status, headers, body.
    Canned(u16, Headers, &'static str),
    /// The true answer under another status.
    Status(u16),
    /// The true answer with these headers; an empty value takes one away.
    Headers(Headers),
    /// The true answer with these members set to this JSON text, or taken away.
    Members(&'static [(&'static str, Option<&'static str>)]),
    /// The true answer between these bytes.
    Wrapped(&'static [u8], &'static [u8]),
    /// The true answer after so many spaces.
    Padded(usize),
    /// The first half of the true answer as if it were all.
    Half,
    /// The first half of the true answer, then the connection breaks.
    Truncated,
    /// The true answer byte by byte, so many milliseconds apart.
    Dripping(u64),
    /// The connection is closed.
    Closed,
    /// The connection is reset.
    Reset,
}

/// Names and values of HTTP headers.
pub(crate) type Headers = &'static [(&'static str, &'static str)];

impl Misanswer {
    /// Every one there is.
    pub fn all() -> &'static [Self] {
        ALL
    }

    /// The one of this name.
    pub fn named(name: &str) -> Option<&'static Self> {
        ALL.iter().find(|misanswer| misanswer.name == name)
    }

    /// The fault that makes the token endpoint answer so, to be pushed onto a script.
    pub fn fault(&self) -> Fault {
        let altered = |status, headers, body| {
            Fault::Alter(Alteration {
                status,
                headers: owned(headers),
                body,
            })
        };
        match (&self.shape, self.processed) {
            (Shape::Canned(status, headers, body), true) => altered(
                Some(*status),
                headers,
                BodyChange::Replace(body.as_bytes().to_vec()),
            ),
            (Shape::Canned(status, headers, body), false) => Fault::Answer {
                status: *status,
                headers: owned(headers),
                body: (*body).to_owned(),
            },
            (Shape::Status(status), _) => altered(Some(*status), &[], BodyChange::Keep),
            (Shape::Headers(headers), _) => altered(None, headers, BodyChange::Keep),
            (Shape::Members(members), _) => {
                let owned = members
                    .iter()
                    .map(|(name, json)| ((*name).to_owned(), json.map(str::to_owned)));
                altered(None, &[], BodyChange::Members(owned.collect()))
            }
            (Shape::Wrapped(before, after), _) => altered(None, &[], wrap(before, after)),
            (Shape::Padded(bytes), _) => altered(None, &[], wrap(&vec![b' '; *bytes], &[])),
            (Shape::Half, _) => altered(None, &[], BodyChange::Half),
            (Shape::Truncated, _) => Fault::TruncateAnswer,
            (Shape::Dripping(millis), _) => Fault::Drip(Duration::from_millis(*millis)),
            (Shape::Closed, true) => Fault::LoseAnswer,
            (Shape::Closed, false) => Fault::Close,
            (Shape::Reset, processed) => Fault::Reset { processed },
        }
    }
}

fn owned(headers: Headers) -> Vec<(String, String)> {
    let owned = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
    headers.iter().map(owned).collect()
}

fn wrap(before: &[u8], after: &[u8]) -> BodyChange {
    BodyChange::Wrap {
        before: before.to_vec(),
        after: after.to_vec(),
    }
}
