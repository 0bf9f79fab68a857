//! What is fuzzed: everything that reads bytes of strangers. Each function takes any bytes; it must not panic, and what
//! it accepts must be what it says. The fuzzer calls them, and a plain test calls them with every file of the corpus.

use std::{
    array,
    sync::{Arc, LazyLock},
};

use async_trait::async_trait;
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use futures::executor::block_on;
use rustls::pki_types::CertificateDer;
use tokend_access::{
    ApiKeyAuthenticator, AppUserVerifier, CallerAuthentication, KeySetOptions, PolicyFile,
    Presented, SpiffeId, Svid, check_policy_files,
};
use tokend_catalog::{Catalogue, Definition};
use tokend_keyring::{Keyring, SealContext, generate_key_line};
use tokend_model::{
    Connector, RawTokenAnswer, Timestamp, WorkspaceName,
    ports::{ApiKeyRecord, ApiKeys, Catalogue as _, Clock, StorageError},
};

/// The name of its folder in the corpus, and what reads a file of it.
pub type Target = (&'static str, fn(&[u8]));

/// All of them.
pub const TARGETS: [Target; 11] = [
    ("metadata", metadata),
    ("jwt", jwt),
    ("key_set", key_set),
    ("spiffe", spiffe),
    ("certificate", certificate),
    ("policy", policy),
    ("token_answer", token_answer),
    ("callback", callback),
    ("sealed", sealed),
    ("journal_page", journal_page),
    ("audit_line", audit_line),
];

const STATUSES: [u16; 8] = [200, 201, 204, 302, 400, 401, 429, 503];
const CONTENT_TYPES: [Option<&str>; 4] = [
    None,
    Some("application/json"),
    Some("application/x-www-form-urlencoded; charset=utf-8"),
    Some("text/html"),
];

static CALLERS: LazyLock<CallerAuthentication> = LazyLock::new(|| CallerAuthentication {
    api_keys: Some(Arc::new(ApiKeyAuthenticator::new(
        Arc::new(NoKeys),
        Arc::new(Noon),
    ))),
    ..CallerAuthentication::default()
});
static APP_USERS: LazyLock<Option<AppUserVerifier>> = LazyLock::new(|| {
    AppUserVerifier::new(Vec::new(), Arc::new(Noon), KeySetOptions::default()).ok()
});
static DEFINITIONS: LazyLock<Vec<Arc<Definition>>> = LazyLock::new(|| {
    let workspace = WorkspaceName::default_workspace();
    let Ok(catalogue) = Catalogue::embedded() else {
        return Vec::new();
    };
    let types = catalogue.list(&workspace);
    let mut names: Vec<_> = types.iter().map(|known| &known.name).collect();
    names.sort();
    names
        .into_iter()
        .filter_map(|name| catalogue.definition(&workspace, name))
        .collect()
});
/// Made anew by each run: no key is kept.
static KEYRING: LazyLock<Option<Arc<Keyring>>> = LazyLock::new(|| {
    let (_, line) = generate_key_line().ok()?;
    Keyring::parse(line.expose()).ok().map(Arc::new)
});

/// Metadata to identity; lines are `authorization`, the user's token, the workspace, `traceparent`.
pub fn metadata(data: &[u8]) {
    let mut lines = data.splitn(4, |byte| *byte == b'\n');
    let said = tokend_server::fuzzing::read_metadata(array::from_fn(|_| lines.next()));
    let trace = said.trace_id.as_str();
    assert!(
        trace.is_empty() || trace.len() == 32,
        "a trace id has 32 digits"
    );
    let presented = Presented {
        authorization: said.authorization.as_deref(),
        certificate: None,
    };
    let caller = block_on(CALLERS.authenticate(presented, Noon.now()));
    assert!(caller.is_err(), "there are no keys, and nobody has one");
    let workspace = said
        .workspace
        .unwrap_or_else(WorkspaceName::default_workspace);
    if let (Some(app_users), Some(token)) = (&*APP_USERS, said.user_token) {
        let user = block_on(app_users.verify(&workspace, "caller", &token));
        assert!(user.is_err(), "nobody vouches for users");
    }
}

/// A JWT as it is, or as lines: header, claims, signature.
pub fn jwt(data: &[u8]) {
    let read =
        |token: &str| tokend_access::fuzzing::read_token(token, &["tokend".to_owned()], Noon.now());
    if let Ok(token) = std::str::from_utf8(data) {
        read(token);
    }
    read(&token_of(data));
}

/// A key set, and behind an empty line the parts of a token that it may verify.
pub fn key_set(data: &[u8]) {
    let end = data.windows(2).position(|two| two == b"\n\n");
    let (json, token) = data.split_at(end.unwrap_or(data.len()));
    tokend_access::fuzzing::read_key_set(json, &token_of(token.get(2..).unwrap_or_default()));
}

/// A SPIFFE id: what is accepted is in its one and only spelling.
pub fn spiffe(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else {
        return;
    };
    let Ok(id) = text.parse::<SpiffeId>() else {
        return;
    };
    assert_eq!(id.as_str(), text);
    assert_eq!(format!("spiffe://{}{}", id.trust_domain(), id.path()), text);
    assert!(
        text.is_ascii() && text.len() <= 2048,
        "longer than SPIFFE allows"
    );
    assert!(!text.contains(['%', '?', '#', '@', '\\', ' ']), "{text:?}");
    assert!(
        !id.path().split('/').any(|part| matches!(part, "." | "..")),
        "{text:?}"
    );
}

/// A client's certificate.
pub fn certificate(data: &[u8]) {
    if let Ok(svid) = Svid::read(&CertificateDer::from(data)) {
        spiffe(svid.id.as_str().as_bytes());
    }
}

/// A file of policies.
pub fn policy(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else {
        return;
    };
    let file = PolicyFile {
        name: "fuzzed.cedar".to_owned(),
        text: text.to_owned(),
    };
    if let Err(invalid) = check_policy_files(&[file]) {
        assert!(!invalid.problems.is_empty(), "it says what is wrong");
    }
}

/// A token endpoint's answer: a byte each for integration type, status and content type, then the body.
pub fn token_answer(data: &[u8]) {
    let Some(([definition, status, content_type], body)) = data.split_first_chunk() else {
        return;
    };
    let pick = |byte: &u8, count: usize| usize::from(*byte) % count.max(1);
    let Some(definition) = DEFINITIONS.get(pick(definition, DEFINITIONS.len())) else {
        return;
    };
    let raw = RawTokenAnswer {
        status: STATUSES[pick(status, STATUSES.len())],
        content_type: CONTENT_TYPES[pick(content_type, CONTENT_TYPES.len())].map(str::to_owned),
        body: body.to_vec().into(),
        receive_time: Noon.now(),
    };
    let answers = tokend_oauth::fuzzing::read_answers(definition, &raw);
    for answer in answers.into_iter().flatten() {
        assert!(raw.may_hold_tokens(), "a token out of a failure");
        assert!(!answer.access_token.expose().is_empty(), "an empty token");
        // Not the whole answer's: a provider may repeat the token among the scopes.
        let text = format!("{:?} {:?}", answer.access_token, answer.refresh_token);
        let token = answer.access_token.expose();
        assert!(
            token.len() < 16 || !text.contains(token),
            "a token in debug output"
        );
    }
}

/// What a provider sends back: a line with the context, then the query.
pub fn callback(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else {
        return;
    };
    let (context, query) = text.split_once('\n').unwrap_or(("", text));
    if let Some((workspace, connector)) = Connector::parse_callback_context(context) {
        assert!(context.contains(workspace.as_str()) && context.contains(connector.as_str()));
    }
    let _ = tokend_server::fuzzing::read_callback(query);
}

/// A sealed record: none but the one that was sealed opens. Two bytes say which byte is changed, one how; the rest is
/// sealed.
pub fn sealed(data: &[u8]) {
    let Some(keyring) = &*KEYRING else {
        return;
    };
    let context = SealContext {
        column: "fuzz.column",
        workspace: "default",
        row_id: "row",
        generation: 1,
    };
    assert!(keyring.open(&context, data).is_err(), "nobody sealed it");
    let Some(([low, high, change], plain)) = data.split_first_chunk() else {
        return;
    };
    let Ok(mut record) = keyring.seal(&context, plain) else {
        return;
    };
    let place = usize::from(u16::from_le_bytes([*low, *high])) % record.len();
    if *change == 0 {
        record.truncate(place);
    } else {
        record[place] ^= change;
    }
    assert!(
        keyring.open(&context, &record).is_err(),
        "changed at {place}"
    );
}

/// A page of the journal.
pub fn journal_page(data: &[u8]) {
    if let Some(keyring) = &*KEYRING {
        tokend_storage::fuzzing::read_page(keyring, data);
    }
}

/// A line of the audit trail.
pub fn audit_line(data: &[u8]) {
    if let Some(keyring) = &*KEYRING {
        let is_ours = tokend_server::fuzzing::read_audit_line(keyring.clone(), data);
        assert!(!is_ours, "nobody wrote it");
    }
}

/// Lines as a token of the compact form.
fn token_of(lines: &[u8]) -> String {
    let parts = lines.splitn(3, |byte| *byte == b'\n');
    let parts: Vec<_> = parts.map(|part| URL_SAFE_NO_PAD.encode(part)).collect();
    parts.join(".")
}

/// A store without any key.
struct NoKeys;

/// A clock that stands still.
struct Noon;

#[async_trait]
impl ApiKeys for NoKeys {
    async fn list(&self) -> Result<Vec<ApiKeyRecord>, StorageError> {
        Ok(Vec::new())
    }

    async fn insert(&self, _key: &ApiKeyRecord) -> Result<(), StorageError> {
        Err(StorageError::Exists)
    }

    async fn replace(
        &self,
        _key: &ApiKeyRecord,
        _replaced: &[String],
        _end: Timestamp,
    ) -> Result<(), StorageError> {
        Err(StorageError::Exists)
    }

    async fn delete(&self, _key_ids: &[String]) -> Result<u64, StorageError> {
        Ok(0)
    }

    async fn note_uses(&self, _uses: &[(String, Timestamp)]) -> Result<(), StorageError> {
        Ok(())
    }
}

impl Clock for Noon {
    fn now(&self) -> Timestamp {
        Timestamp::UNIX_EPOCH + chrono::TimeDelta::days(20_000)
    }
}
