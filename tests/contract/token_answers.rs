//! P-13: whatever a token endpoint answers, a stored refresh token is replaced by nothing but a valid successor, no
//! such body reaches a caller or the log, and the connection goes on where the provider lets it.

use aho_corasick::AhoCorasick;
use futures::{StreamExt, stream};
use sqlx::{Connection, Row, SqliteConnection, sqlite::SqliteRow};
use tokend_api::v1;
use tokend_simulator::{Endpoint, Misanswer, Outcome};
use tokend_tests::{Options, Tokend, captured_logs};
use tonic::{Code, Status};

use crate::{
    answers::{eventually, refused},
    many::{Account, Class, add_connectors, client_of, import},
};

/// Cases under way at a time.
const AT_ONCE: usize = 16;

/// Pieces of the odd bodies that no text of ours has.
const PIECES: [&str; 7] = [
    "Back soon",
    "tökén",
    "not a JWT",
    "an hour",
    "x_internal",
    "eyJzdWIiOiJzb21lYm9keS1lbHNlIn0",
    "server_error\",",
];

/// An odd answer, and a connection that gets it, at a provider of some class.
struct Case {
    class: Class,
    misanswer: &'static Misanswer,
    account: Account,
}

/// What the database has of a connection.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Kept {
    uncertain: bool,
    accused: bool,
    /// Generations with their sealed refresh tokens.
    refresh_tokens: Vec<(i64, Option<Vec<u8>>)>,
}

/// How a connection stands after the odd answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Standing {
    Renewed,
    /// Renewed, and the provider has forgotten the refresh token it had given before without telling the next one.
    RenewedForTheLastTime,
    Failed,
    /// Nobody knows what became of it.
    Uncertain,
}

#[tokio::test(flavor = "multi_thread")]
async fn p13_odd_answers_replace_nothing_reach_nobody_and_end_no_living_connection() {
    let tokend = Tokend::start(Options {
        configure: |config| {
            config.vending.first_pause_seconds = 0;
            config.vending.confirm_after_seconds = 1;
        },
        ..Options::default()
    })
    .await;
    let cases = connected(&tokend).await;

    each(&cases, async |case| case.meets_it(&tokend).await).await;
    each(&cases, async |case| case.goes_on(&tokend).await).await;
    // What is in doubt is not tried again at once, and at a strict provider not before the access token has run out.
    let tokend = a_day_later(tokend).await;
    each(&cases, async |case| case.comes_to_its_end(&tokend).await).await;

    let mut unspeakable = tokend.simulator.ledger().secrets_issued();
    unspeakable.extend(PIECES.map(str::to_owned));
    let found = AhoCorasick::new(&unspeakable).unwrap();
    let found = found.find(&captured_logs());
    assert!(found.is_none(), "the log holds a secret or a body");
    println!("token answers: {} cases", cases.len());
    tokend.stop().await;
}

async fn each(cases: &[Case], check: impl AsyncFn(&Case)) {
    stream::iter(cases)
        .for_each_concurrent(AT_ONCE, |case| check(case))
        .await;
}

/// Each case has a client of its own at the provider: five failures in a row would close the way for the others.
async fn connected(tokend: &Tokend) -> Vec<Case> {
    let mut cases = Vec::new();
    for class in Class::ALL {
        let all = Misanswer::all();
        let id = |number| format!("{class:?}-{number}").to_lowercase();
        let ids: Vec<_> = (0..all.len()).map(id).collect();
        add_connectors(tokend, class, &ids).await;
        let places = ids.into_iter().map(|id| (id, "ada".to_owned()));
        let accounts = import(tokend, places).await;
        cases.extend(all.iter().zip(accounts).map(|(misanswer, account)| Case {
            class,
            misanswer,
            account,
        }));
    }
    cases
}

impl Case {
    fn name(&self) -> String {
        format!("{:?}, {:?}", self.class, self.misanswer.name)
    }

    fn standing(&self) -> Standing {
        match self.misanswer.outcome {
            Outcome::Success | Outcome::SuccessWithoutIdentity => Standing::Renewed,
            Outcome::SuccessKeepingRefreshToken if self.class == Class::Strict => {
                Standing::RenewedForTheLastTime
            }
            Outcome::SuccessKeepingRefreshToken => Standing::Renewed,
            Outcome::Ambiguous | Outcome::Garbage => Standing::Uncertain,
            _ => Standing::Failed,
        }
    }

    /// Gets the odd answer, and makes of it what the table says.
    async fn meets_it(&self, tokend: &Tokend) {
        let name = self.name();
        let before = self.kept(tokend).await;
        let faults = tokend
            .simulator
            .faults_of(&client_of(&self.account.connector));
        faults.push(Endpoint::Token, self.misanswer.fault());
        let answer = self.account.get_instead_of(&tokend.backend, Some(1)).await;
        assert_eq!(faults.pending(Endpoint::Token), 0, "{name}: {answer:?}");
        assert_eq!(self.presentations(tokend), 1, "{name}");
        let after = self.kept(tokend).await;
        match expected(self.misanswer.outcome) {
            None => {
                let vended = answer.unwrap_or_else(|status| panic!("{name}: {status:?}"));
                assert_eq!(vended.generation, 2, "{name}");
                let ledger = tokend.simulator.ledger();
                assert!(ledger.is_access_token_live(&vended.access_token), "{name}");
                assert_eq!(after.refresh_tokens.len(), 2, "{name}");
                assert_eq!(after.refresh_tokens[0], before.refresh_tokens[0], "{name}");
                assert!(!after.uncertain && !after.accused, "{name}");
            }
            Some((code, because)) => {
                let status = answer.map(|_| name.clone()).expect_err(&name);
                assert!(status.code() == code, "{name}: {status:?}");
                let status = refused(Err::<(), _>(status), code, because);
                says_nothing_of_it(&name, &status);
                assert_eq!(after.refresh_tokens, before.refresh_tokens, "{name}");
                let uncertain = self.standing() == Standing::Uncertain;
                assert_eq!(after.uncertain, uncertain, "{name}");
                let accused = self.misanswer.outcome == Outcome::GrantRejected;
                assert_eq!(after.accused, accused, "{name}");
            }
        }
    }

    /// Asked again, the connection works, unless it is lost or in doubt where asking again would do harm.
    async fn goes_on(&self, tokend: &Tokend) {
        let name = self.name();
        match self.standing() {
            // To be tried again a little later.
            Standing::Uncertain if self.class == Class::Overlap => {}
            Standing::Uncertain if self.class == Class::Strict => {
                let again = self.account.get_instead_of(&tokend.backend, Some(1)).await;
                let status = refused(again, Code::Unavailable, "PROVIDER_UNAVAILABLE");
                says_nothing_of_it(&name, &status);
                assert_eq!(self.presentations(tokend), 1, "{name}: presented in doubt");
            }
            Standing::Uncertain | Standing::Failed => self.renews(tokend, 1).await,
            Standing::Renewed => self.renews(tokend, 2).await,
            Standing::RenewedForTheLastTime => self.needs_its_user(tokend, 2).await,
        }
    }

    /// The doubtful ones work again or are reported lost, as the provider sees it.
    async fn comes_to_its_end(&self, tokend: &Tokend) {
        if self.class == Class::StaysValid || self.standing() != Standing::Uncertain {
            return;
        }
        let ledger = tokend.simulator.ledger();
        let theirs = self.account.tokens.refresh_token.as_deref();
        if theirs.is_some_and(|token| ledger.is_redeemable(token)) {
            self.renews(tokend, 1).await;
            return;
        }
        assert!(self.class == Class::Strict && self.misanswer.processed);
        self.needs_its_user(tokend, 1).await;
        let connection = self.account.connection(&tokend.operator).await;
        assert_eq!(connection.status_reason, "ROTATION_LOST", "{}", self.name());
    }

    async fn renews(&self, tokend: &Tokend, past: u32) {
        let name = self.name();
        let renewed = eventually(&name, async || {
            self.account
                .get_instead_of(&tokend.backend, Some(past))
                .await
                .ok()
        })
        .await;
        assert_eq!(renewed.generation, past + 1, "{name}");
        let ledger = tokend.simulator.ledger();
        assert!(ledger.is_access_token_live(&renewed.access_token), "{name}");
        let connection = self.account.connection(&tokend.operator).await;
        assert_eq!(
            connection.status(),
            v1::ConnectionStatus::Authorized,
            "{name}"
        );
        assert!(!self.kept(tokend).await.uncertain, "{name}");
    }

    async fn needs_its_user(&self, tokend: &Tokend, past: u32) {
        let name = self.name();
        eventually(&name, async || {
            let status = self
                .account
                .get_instead_of(&tokend.backend, Some(past))
                .await;
            says_nothing_of_it(&name, &status.expect_err(&name));
            let connection = self.account.connection(&tokend.operator).await;
            (connection.status() == v1::ConnectionStatus::Error).then_some(())
        })
        .await;
    }

    fn presentations(&self, tokend: &Tokend) -> usize {
        let ledger = tokend.simulator.ledger();
        let state = ledger.family_state(self.account.tokens.family);
        state.unwrap().presentations
    }

    async fn kept(&self, tokend: &Tokend) -> Kept {
        let mut database = open(tokend).await;
        let id = &self.account.connection_id;
        let health = "SELECT uncertain_since IS NOT NULL, accused_time IS NOT NULL FROM connections WHERE id = $1";
        let health = sqlx::query(health).bind(id);
        let health = health.fetch_one(&mut database).await.unwrap();
        let tokens = "SELECT generation, refresh_token FROM credentials WHERE connection_id = $1 ORDER BY generation";
        let tokens = sqlx::query(tokens).bind(id);
        let tokens = tokens.fetch_all(&mut database).await.unwrap();
        let kept = Kept {
            uncertain: health.get(0),
            accused: health.get(1),
            refresh_tokens: tokens
                .iter()
                .map(|row: &SqliteRow| (row.get(0), row.get(1)))
                .collect(),
        };
        database.close().await.unwrap();
        kept
    }
}

/// The error a caller gets; `None`: a token.
fn expected(outcome: Outcome) -> Option<(Code, &'static str)> {
    Some(match outcome {
        Outcome::RateLimited => (Code::Unavailable, "PROVIDER_RATE_LIMITED"),
        // An accusation, to be confirmed.
        Outcome::GrantRejected => (Code::Unavailable, "REFRESH_IN_PROGRESS"),
        Outcome::ClientRejected => (Code::FailedPrecondition, "CLIENT_REJECTED"),
        Outcome::RequestRejected | Outcome::Garbage => (Code::Unavailable, "PROVIDER_MISBEHAVED"),
        Outcome::Ambiguous => (Code::Unavailable, "PROVIDER_UNAVAILABLE"),
        Outcome::Success
        | Outcome::SuccessKeepingRefreshToken
        | Outcome::SuccessWithoutIdentity => return None,
    })
}

fn says_nothing_of_it(name: &str, status: &Status) {
    let said = format!("{status:?} {}", String::from_utf8_lossy(status.details()));
    for piece in PIECES {
        assert!(!said.contains(piece), "{name}: {said}");
    }
}

/// The same tokend when all access tokens have run out and all pauses are over, started anew: its memory is empty.
async fn a_day_later(tokend: Tokend) -> Tokend {
    let mut database = open(&tokend).await;
    for sql in [
        "UPDATE connections SET expire_time = 1, retry_time = NULL",
        "UPDATE credentials SET expire_time = 1",
    ] {
        sqlx::raw_sql(sql).execute(&mut database).await.unwrap();
    }
    database.close().await.unwrap();
    tokend.restart().await
}

async fn open(tokend: &Tokend) -> SqliteConnection {
    SqliteConnection::connect(&tokend.config.database.url)
        .await
        .unwrap()
}
