//! What a provider has granted: codes, and lines of tokens that replace each other.

use std::collections::{HashMap, HashSet};

use crate::{dialect::Rotation, provider::random};

/// All that one provider remembers.
#[derive(Default)]
pub(crate) struct Books {
    /// By code; a code that was redeemed is gone.
    pub(crate) codes: HashMap<String, Asked>,
    pub(crate) lines: Vec<Line>,
    /// What no such client should have sent.
    pub(crate) complaints: Vec<String>,
    pub(crate) seen: Seen,
    /// The ids of assertions that were taken.
    pub(crate) assertions: HashSet<String>,
}

/// What was made use of.
#[derive(Default)]
pub(crate) struct Seen {
    pub(crate) challenge: bool,
    pub(crate) refreshes: usize,
    /// `access token` or `refresh token`, once something was revoked.
    pub(crate) revoked: Option<&'static str>,
}

/// What a code or a device code was issued for.
#[derive(Clone, Default)]
pub(crate) struct Asked {
    pub(crate) scopes: Vec<String>,
    /// The scopes of the second token.
    pub(crate) second: Vec<String>,
    pub(crate) challenge: Option<String>,
    /// How often a device has polled.
    pub(crate) polls: usize,
}

/// The tokens of one grant.
#[derive(Default)]
pub(crate) struct Line {
    pub(crate) scopes: Vec<String>,
    /// Access tokens that work.
    pub(crate) access: Vec<String>,
    /// The refresh token that works.
    pub(crate) refresh: Option<String>,
    /// Refresh tokens that were replaced.
    pub(crate) replaced: Vec<String>,
    /// A first token that has to be exchanged.
    pub(crate) interim: Option<String>,
}

impl Line {
    /// A grant with its first access token, and a refresh token if there is to be one.
    pub(crate) fn new(scopes: Vec<String>, renewable: bool) -> Self {
        Self {
            scopes,
            access: vec![random("access")],
            refresh: renewable.then(|| random("refresh")),
            replaced: Vec::new(),
            interim: None,
        }
    }

    /// The newest access token.
    pub(crate) fn newest(&self) -> &str {
        self.access.last().map_or("", String::as_str)
    }

    /// Makes the next tokens.
    pub(crate) fn renew(&mut self, rotation: Rotation, old_access_dies: bool) {
        if old_access_dies {
            self.access.clear();
        }
        self.access.push(random("access"));
        if rotation != Rotation::StaysValid
            && let Some(old) = self.refresh.replace(random("refresh"))
        {
            self.replaced.push(old);
        }
    }

    /// Ends it: nothing of it works any more.
    pub(crate) fn end(&mut self) {
        let refresh = self.refresh.take();
        *self = Self {
            replaced: self.replaced.drain(..).chain(refresh).collect(),
            ..Self::default()
        };
    }
}

impl Books {
    /// The line with this working access token.
    pub(crate) fn by_access(&mut self, token: &str) -> Option<&mut Line> {
        self.lines
            .iter_mut()
            .find(|line| line.access.iter().any(|live| live == token))
    }

    /// The line with this working refresh token.
    pub(crate) fn by_refresh(&mut self, token: &str) -> Option<&mut Line> {
        self.lines
            .iter_mut()
            .find(|line| line.refresh.as_deref() == Some(token))
    }

    /// The line whose refresh token this was.
    pub(crate) fn by_replaced(&mut self, token: &str) -> Option<&mut Line> {
        self.lines
            .iter_mut()
            .find(|line| line.replaced.iter().any(|old| old == token))
    }

    /// Whether this access token works.
    pub(crate) fn works(&mut self, token: &str) -> bool {
        self.by_access(token).is_some()
    }

    /// The person takes everything back.
    pub(crate) fn withdraw(&mut self) {
        for line in &mut self.lines {
            line.end();
        }
    }
}
