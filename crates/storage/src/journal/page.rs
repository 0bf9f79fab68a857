//! What a page looks like: five lines that name the attempt, then the length of the sealed answer and the answer.
//! Bytes that a crash left are told from a whole answer by their not opening.

use tokend_keyring::{Keyring, SealContext, SealError};
use tokend_model::{
    ConnectionId, Generation, RawTokenAnswer, Timestamp, WorkspaceName, ports::Claim,
};
use zeroize::Zeroizing;

/// The first line of each page.
const FORMAT: &str = "tokend journal 1";

/// The lines that name the attempt, and their number with the first.
const LINES: usize = 5;

/// The column of the seal's context.
const ANSWER: &str = "journal.answer";

/// What a page file holds.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum PageContent<'a> {
    /// Nothing was ever recorded.
    Blank,
    /// Something was.
    Recorded {
        /// The attempt it answers.
        claim: Claim,
        /// The answer, if it is whole.
        sealed: &'a [u8],
    },
    /// It is no page.
    Foreign,
}

/// Why an answer cannot be had from its page.
#[derive(Debug, thiserror::Error)]
pub(super) enum Unreadable {
    /// It was torn by a crash, was changed, or its key is not here.
    #[error("the answer does not open: {0}")]
    Sealed(#[from] tokend_keyring::OpenError),
    /// It opens, and is not what is sealed here.
    #[error("the sealed answer is not one of this attempt")]
    Malformed,
}

/// The lines that name the attempt.
pub(super) fn header(claim: &Claim) -> Vec<u8> {
    format!(
        "{FORMAT}\n{}\n{}\n{}\n{}\n",
        claim.workspace, claim.connection_id, claim.epoch, claim.base.0
    )
    .into_bytes()
}

/// Whether sealing works: keys and randomness are there.
pub(super) fn trial(keyring: &Keyring, claim: &Claim) -> Result<(), SealError> {
    keyring.seal(&context(claim), &[]).map(drop)
}

/// What comes after the header: the sealed answer with its length before it.
pub(super) fn record(
    keyring: &Keyring,
    claim: &Claim,
    answer: &RawTokenAnswer,
) -> Result<Vec<u8>, SealError> {
    let sealed = keyring.seal(&context(claim), &plain(claim, answer))?;
    let length = u32::try_from(sealed.len()).map_err(|_| SealError::TooLong)?;
    Ok([&length.to_le_bytes(), sealed.as_slice()].concat())
}

/// Reads whatever is in a page file.
pub(super) fn read(bytes: &[u8]) -> PageContent<'_> {
    let is_blank = |bytes: &[u8]| bytes.iter().all(|&byte| byte == 0);
    if is_blank(bytes) {
        return PageContent::Blank;
    }
    let Some((claim, rest)) = read_header(bytes) else {
        return PageContent::Foreign;
    };
    if is_blank(rest) {
        return PageContent::Blank;
    }
    let sealed = rest.split_first_chunk().and_then(|(length, rest)| {
        let length = usize::try_from(u32::from_le_bytes(*length)).ok()?;
        rest.get(..length)
    });
    PageContent::Recorded {
        claim,
        sealed: sealed.unwrap_or_default(),
    }
}

/// Opens a sealed answer to the attempt.
pub(super) fn open(
    keyring: &Keyring,
    claim: &Claim,
    sealed: &[u8],
) -> Result<RawTokenAnswer, Unreadable> {
    let plain = keyring.open(&context(claim), sealed)?;
    read_plain(claim, &plain).ok_or(Unreadable::Malformed)
}

/// The answer opens on a page of this connection and generation only; the epoch is sealed with it.
fn context(claim: &Claim) -> SealContext<'_> {
    SealContext {
        column: ANSWER,
        workspace: claim.workspace.as_str(),
        row_id: claim.connection_id.as_str(),
        generation: claim.base.next().0,
    }
}

fn read_header(bytes: &[u8]) -> Option<(Claim, &[u8])> {
    let mut parts = bytes.splitn(LINES + 1, |&byte| byte == b'\n');
    let mut line = || std::str::from_utf8(parts.next()?).ok();
    if line()? != FORMAT {
        return None;
    }
    let claim = Claim {
        workspace: WorkspaceName::new(line()?).ok()?,
        connection_id: ConnectionId::new(line()?).ok()?,
        epoch: line()?.parse().ok()?,
        base: Generation(line()?.parse().ok()?),
    };
    Some((claim, parts.next()?))
}

/// Epoch, status, receive time in unix microseconds, content type with its length, body.
fn plain(claim: &Claim, answer: &RawTokenAnswer) -> Zeroizing<Vec<u8>> {
    let content_type = answer.content_type.as_deref();
    let length = content_type.map_or(u32::MAX, |text| {
        u32::try_from(text.len()).unwrap_or(u32::MAX)
    });
    let content_type = content_type.filter(|_| length != u32::MAX);
    let content_type = content_type.unwrap_or_default().as_bytes();
    // Of its full size from the start, so that it never moves and leaves a copy behind.
    let mut plain = Zeroizing::new(Vec::with_capacity(
        8 + 2 + 8 + 4 + content_type.len() + answer.body.len(),
    ));
    plain.extend_from_slice(&claim.epoch.to_le_bytes());
    plain.extend_from_slice(&answer.status.to_le_bytes());
    plain.extend_from_slice(&answer.receive_time.timestamp_micros().to_le_bytes());
    plain.extend_from_slice(&length.to_le_bytes());
    plain.extend_from_slice(content_type);
    plain.extend_from_slice(&answer.body);
    plain
}

/// What was sealed, once it is open.
pub(super) fn read_plain(claim: &Claim, plain: &[u8]) -> Option<RawTokenAnswer> {
    let (epoch, rest) = plain.split_first_chunk()?;
    let (status, rest) = rest.split_first_chunk()?;
    let (receive_time, rest) = rest.split_first_chunk()?;
    let (length, rest) = rest.split_first_chunk()?;
    if i64::from_le_bytes(*epoch) != claim.epoch {
        return None;
    }
    let (content_type, body) = match u32::from_le_bytes(*length) {
        u32::MAX => (None, rest),
        length => {
            let (text, body) = rest.split_at_checked(usize::try_from(length).ok()?)?;
            (Some(std::str::from_utf8(text).ok()?.to_owned()), body)
        }
    };
    Some(RawTokenAnswer {
        status: u16::from_le_bytes(*status),
        content_type,
        body: Zeroizing::new(body.to_vec()),
        receive_time: Timestamp::from_timestamp_micros(i64::from_le_bytes(*receive_time))?,
    })
}

#[cfg(test)]
mod tests;
