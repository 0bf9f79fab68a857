//! Refreshing: the one code path that redeems a refresh token.
//!
//! Claim before the call, call once, the answer durable before anybody reads it, and committed before anybody sees
//! its token. It runs in a task of its own, never in a request's future: a caller that goes away must not take the
//! only copy of a new refresh token with it.

mod attempt;
mod call;
mod failure;
mod recover;
mod store;

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use backon::ExponentialBuilder;
use tokend_model::{
    Connection, ConnectionId, ConnectionStatus, Connector, Credential, Expiry, Freshness,
    Generation, Presentation, RefreshFacts, Timestamp, WorkspaceName,
    ports::{ClaimOutcome, ClaimRequest, ClientRegistration, Registration},
};
use tokio::time::Instant;

use crate::{
    Error, Vended, Vending,
    cache::BeforeRead,
    connectors::enabled,
    provider_gate::{Closed, ClosedBecause, Pass, Urgency},
    single_flight::Aborted,
    vended::vended,
};
use attempt::Attempt;

/// How often a claim held elsewhere is looked at again.
const CLAIM_POLL: Duration = Duration::from_millis(100);

/// How long no token is redeemed after the journal took nothing.
const REST: Duration = Duration::from_secs(3);

/// How long a renewal waits for its turn at the provider, and how long it does where nobody waits for it: then it takes
/// up a place that the workspace's other providers need.
pub(crate) const TURN_PATIENCE: Duration = Duration::from_secs(30);
const SCHEDULED_PATIENCE: Duration = Duration::from_secs(2);

/// Why a connection is to be renewed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum RenewalCause {
    /// Its token is not good for long enough.
    Aged,
    /// A caller says that the provider refused its token.
    Reported,
    /// An operator wants it, whatever the last attempt said.
    Operator,
    /// It is due, and nobody waits.
    Scheduled,
}

/// A wish to have a connection renewed.
#[derive(Debug, Clone)]
pub(crate) struct Wish {
    pub(crate) workspace: WorkspaceName,
    pub(crate) connection_id: ConnectionId,
    pub(crate) past: Past,
    pub(crate) cause: RenewalCause,
}

/// What fulfils a wish.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Past {
    /// A newer token set than this.
    Generation(Generation),
    /// One received after this time.
    Time(Timestamp),
}

/// A connection as it was read for a renewal.
pub(crate) struct Subject {
    pub(crate) before_read: BeforeRead,
    pub(crate) connection: Connection,
    pub(crate) connector: Connector,
    pub(crate) credential: Credential,
    pub(crate) facts: RefreshFacts,
    client: ClientRegistration,
}

/// A pause in which no claim is taken, because nothing could be written down: the disk of the journal is full, say.
#[derive(Default)]
pub(crate) struct Rest(Mutex<Option<Instant>>);

impl Rest {
    fn begin(&self) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(Instant::now() + REST);
    }

    fn is_on(&self) -> bool {
        let until = *self.0.lock().unwrap_or_else(PoisonError::into_inner);
        until.is_some_and(|until| Instant::now() < until)
    }
}

impl Wish {
    /// A newer token set than the one in `known`.
    pub(crate) fn beyond(known: &Vended, cause: RenewalCause) -> Self {
        Self {
            workspace: known.workspace.clone(),
            connection_id: known.connection_id.clone(),
            past: Past::Generation(known.generation),
            cause,
        }
    }

    fn is_fulfilled_by(&self, credential: &Credential) -> bool {
        // A grant that was imported without an access token has none until it is renewed.
        if credential.access_token.is_empty() {
            return false;
        }
        match self.past {
            Past::Generation(known) => credential.generation > known,
            Past::Time(due) => credential.receive_time > due,
        }
    }
}

impl Subject {
    fn registration(&self) -> ClientRegistration {
        self.client.clone()
    }
}

impl Vending {
    /// Fulfils a wish, once for all who have it at the same time.
    pub(crate) async fn renew(&self, wish: Wish) -> Result<Arc<Vended>, Error> {
        let this = self.clone();
        // Those who wait do not join what was only scheduled: that waits behind others, and for nobody.
        let key = (
            wish.connection_id.clone(),
            wish.cause == RenewalCause::Scheduled,
        );
        let flight = self
            .shared
            .refreshes
            .run(key, || async move { this.renew_detached(&wish).await });
        flight.await.unwrap_or_else(|Aborted| Err(Error::Internal))
    }

    async fn renew_detached(&self, wish: &Wish) -> Result<Arc<Vended>, Error> {
        let deadline = Instant::now() + self.shared.options.claim_wait;
        loop {
            let subject = self.subject(&wish.workspace, &wish.connection_id).await?;
            if wish.is_fulfilled_by(&subject.credential) {
                return Ok(self.keep(&subject, subject.credential.clone()));
            }
            self.may_be_tried(&subject, wish.cause)?;
            let pass = self.turn(&subject, wish.cause).await?;
            // Waiting for one's turn may have taken a while.
            self.may_begin(wish.cause)?;
            let claiming = Instant::now();
            let request = self.claim_request(&subject);
            match self.shared.ports.refreshes.claim(&request).await? {
                ClaimOutcome::Moved => {}
                ClaimOutcome::NotOurs => return Err(Error::VendsOnly),
                ClaimOutcome::Paused(pause) => {
                    self.shared.gate.pause(&request.registration, pause);
                    return Err(Error::ProviderRateLimited { retry_after: pause });
                }
                ClaimOutcome::Held(remaining) => {
                    drop(pass);
                    self.wait_for_holder(&subject, wish.cause, remaining, deadline)
                        .await?;
                }
                ClaimOutcome::Claimed(claimed) => {
                    let attempt = Attempt {
                        subject,
                        cause: wish.cause,
                        claimed,
                        claiming,
                        learned: false,
                    };
                    if let Some(renewed) = self.attempt(attempt, pass).await? {
                        return Ok(renewed);
                    }
                }
            }
        }
    }

    /// Reads all that a renewal needs to know.
    async fn subject(
        &self,
        workspace: &WorkspaceName,
        id: &ConnectionId,
    ) -> Result<Subject, Error> {
        let before_read = self.shared.cache.before_read();
        let (connection, credential) = self
            .shared
            .ports
            .connections
            .get(workspace, id)
            .await?
            .ok_or(Error::NotConnected { connect: None })?;
        let connector = self.connector_of(&connection).await?;
        enabled(&connector)?;
        let credential = credential.ok_or(match connection.status {
            ConnectionStatus::Revoked => Error::NotConnected { connect: None },
            _ => Error::ReauthorizationRequired { connect: None },
        })?;
        Ok(Subject {
            before_read,
            facts: self.facts(&connection),
            client: self
                .client(Registration {
                    connector: &connector,
                    connection_config: &connection.connection_config,
                    token: connection.token_kind(),
                })
                .await,
            connection,
            connector,
            credential,
        })
    }

    /// Whether calling the provider makes sense now; if not, what the last call said still holds.
    fn may_be_tried(&self, subject: &Subject, cause: RenewalCause) -> Result<(), Error> {
        self.may_begin(cause)?;
        let id = &subject.connection.id;
        let remembered = self
            .shared
            .cache
            .of_connection(id)
            .is_some_and(|remembered| {
                remembered.generation > subject.credential.generation
                    && self.freshness(&remembered, None) != Freshness::RunOut
            });
        if remembered {
            // Ours is still to be stored, or the database lost it: either way the row's token was used up.
            tracing::error!(%id, "the database is behind what was vended");
            let retry_after = Duration::from_secs(2);
            return Err(Error::RefreshInProgress { retry_after });
        }
        let now = self.shared.ports.clock.now();
        let health = &subject.connection.refresh_health;
        let doubt = health.uncertain_since;
        if self.presentation(subject, cause, doubt) == Presentation::WhenRunOut {
            return Err(until_run_out(&subject.credential, now));
        }
        // What may still be on its way is waited for, whoever asks.
        let settling = doubt.is_some() && health.retry_time.is_some_and(|time| time > now);
        let rate_limited = health.last_failure.as_deref() == Some("PROVIDER_RATE_LIMITED");
        if cause == RenewalCause::Operator && !rate_limited && !settling {
            return Ok(());
        }
        if subject.connection.status == ConnectionStatus::Error {
            return Err(Error::ReauthorizationRequired { connect: None });
        }
        let Some(retry_time) = health.retry_time.filter(|&time| time > now) else {
            return Ok(());
        };
        let retry_after = (retry_time - now).to_std().unwrap_or_default();
        let connector_id = subject.connector.id.to_string();
        Err(match health.last_failure.as_deref() {
            Some("PROVIDER_RATE_LIMITED") => Error::ProviderRateLimited { retry_after },
            Some("PROVIDER_MISBEHAVED") => Error::ProviderMisbehaved { retry_after },
            Some("CLIENT_REJECTED") => Error::ClientRejected { connector_id },
            Some("REAUTHORIZATION_REQUIRED") if subject.credential.refresh_token.is_none() => {
                Error::ReauthorizationRequired { connect: None }
            }
            Some("REAUTHORIZATION_REQUIRED") => Error::GrantInDoubt { retry_after },
            _ => Error::ProviderUnavailable { retry_after },
        })
    }

    /// Whether anything may be begun at all.
    fn may_begin(&self, cause: RenewalCause) -> Result<(), Error> {
        self.may_call_providers()?;
        if self.shared.journal_rest.is_on() {
            return Err(Error::JournalUnavailable);
        }
        if self
            .shared
            .closing
            .refuses(cause == RenewalCause::Scheduled)
        {
            let retry_after = Duration::from_secs(1);
            return Err(Error::RefreshInProgress { retry_after });
        }
        Ok(())
    }

    /// Whether the refresh token may be presented, for what its provider makes of one that was redeemed before.
    fn presentation(
        &self,
        subject: &Subject,
        cause: RenewalCause,
        uncertain_since: Option<Timestamp>,
    ) -> Presentation {
        let credential = &subject.credential;
        // Where refreshing ends the access token, or nothing else tells its end, its users are the ones to know.
        let reported = cause == RenewalCause::Reported
            && (!subject.facts.access_token_survives_refresh || credential.expiry.time().is_none());
        let works = !reported && self.is_unexpired(credential);
        let now = self.shared.ports.clock.now();
        subject
            .facts
            .rotation
            .presentation(uncertain_since, works, now)
    }

    /// A place among the calls to this provider. Held until the call is over.
    async fn turn(&self, subject: &Subject, cause: RenewalCause) -> Result<Pass, Error> {
        let (urgency, patience) = match cause {
            RenewalCause::Scheduled => (Urgency::Scheduled, SCHEDULED_PATIENCE),
            _ => (Urgency::Asked, TURN_PATIENCE),
        };
        let registration = subject.registration();
        self.shared
            .gate
            .enter(&registration, &subject.facts, urgency, patience)
            .await
            .map_err(closed)
    }

    fn claim_request(&self, subject: &Subject) -> ClaimRequest {
        ClaimRequest {
            workspace: subject.connection.workspace.clone(),
            connection_id: subject.connection.id.clone(),
            base: subject.credential.generation,
            holder: self.shared.options.holder.clone(),
            time_to_live: self.shared.options.claim_time_to_live,
            takeover: subject.facts.rotation.takeover(),
            registration: subject.registration(),
        }
    }

    /// Waits until the attempt of somebody else has come to something, or may be taken over. Nobody waits for what
    /// was only scheduled.
    async fn wait_for_holder(
        &self,
        subject: &Subject,
        cause: RenewalCause,
        remaining: Duration,
        deadline: Instant,
    ) -> Result<(), Error> {
        let connection = &subject.connection;
        let free = Instant::now() + remaining;
        loop {
            if cause == RenewalCause::Scheduled || Instant::now() >= deadline {
                let retry_after = remaining.clamp(CLAIM_POLL, Duration::from_secs(5));
                return Err(Error::RefreshInProgress { retry_after });
            }
            if Instant::now() >= free {
                return Ok(());
            }
            tokio::time::sleep(CLAIM_POLL).await;
            let now = self
                .shared
                .ports
                .connections
                .describe(&connection.workspace, &connection.id)
                .await?;
            let same = now.is_some_and(|now| {
                now.generation == connection.generation
                    && now.status == connection.status
                    && now.refresh_health == connection.refresh_health
            });
            if !same {
                return Ok(());
            }
        }
    }

    /// Puts a token set into memory, for all who ask from now on.
    fn keep(&self, subject: &Subject, credential: Credential) -> Arc<Vended> {
        let vended = vended(
            &subject.connection,
            &subject.connector,
            &self.wanted_scopes(&subject.connection, &subject.connector),
            credential,
            &subject.facts,
        );
        let key = self.cache_key_of(&subject.connection);
        self.shared.cache.put(key, &vended, subject.before_read);
        vended
    }

    /// Whether an access token still works, as far as times tell.
    pub(crate) fn is_unexpired(&self, credential: &Credential) -> bool {
        let policy = &self.shared.options.refresh_policy;
        let now = self.shared.ports.clock.now();
        policy.freshness(credential.receive_time, credential.expiry, now, None) != Freshness::RunOut
    }

    /// The client whose calls count together.
    pub(crate) async fn client(&self, registration: Registration<'_>) -> ClientRegistration {
        let connector = registration.connector;
        let server = &self.shared.ports.authorization_server;
        let endpoint = server.token_endpoint(registration).await;
        ClientRegistration {
            workspace: connector.workspace.clone(),
            // Where there is none it is the call that fails, and says why.
            endpoint: endpoint.unwrap_or_else(|_| connector.integration_type.to_string()),
            client_id: connector.client_id.clone(),
        }
    }

    /// How the connection's provider treats refresh tokens.
    pub(crate) fn facts(&self, connection: &Connection) -> RefreshFacts {
        let catalogue = &self.shared.ports.catalogue;
        catalogue.refresh_facts(&connection.workspace, &connection.integration_type)
    }

    /// Whether the database is known to be this deployment's, so that providers may be called for what is in it.
    pub(crate) fn may_call_providers(&self) -> Result<(), Error> {
        match self.shared.ports.deployment_guard.vends_only() {
            true => Err(Error::VendsOnly),
            false => Ok(()),
        }
    }
}

/// Again and again, at growing intervals, without end: for what exists nowhere else until it is stored.
pub(crate) fn until_stored() -> ExponentialBuilder {
    ExponentialBuilder::default()
        .with_min_delay(Duration::from_millis(50))
        .with_max_delay(Duration::from_secs(2))
        .without_max_times()
}

fn until_run_out(credential: &Credential, now: Timestamp) -> Error {
    let left = match credential.expiry {
        Expiry::At(expires) => (expires - now).to_std().unwrap_or_default(),
        Expiry::Unknown | Expiry::Never => Duration::from_secs(60),
    };
    Error::OutcomeUnknown { retry_after: left }
}

pub(crate) fn closed(closed: Closed) -> Error {
    let retry_after = closed.retry_after;
    match closed.because {
        ClosedBecause::AskedToWait => Error::ProviderRateLimited { retry_after },
        ClosedBecause::NotAnswering => Error::ProviderUnavailable { retry_after },
        ClosedBecause::Busy => Error::RefreshInProgress { retry_after },
    }
}
