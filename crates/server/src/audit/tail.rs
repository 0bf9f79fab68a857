//! The end of a file of records: where its chain goes on.

use std::{
    fs::File,
    io::{self, Read, Seek, SeekFrom},
};

use tokend_model::ports::AuditPlace;

use super::record::Sealer;

/// What a record begins with.
const BEGINNING: &[u8] = b"{\"stream\":\"";
/// No record is longer.
const LONGEST_LINE: u64 = 1 << 20;

/// What a file ends with. A last line without an end is what a crash left of a write: nobody was told that it was done.
pub(super) enum Tail {
    /// Nothing.
    Empty,
    /// Nothing whole.
    Torn {
        /// Where what is whole ends.
        length: u64,
        /// How many bytes are behind that.
        torn: u64,
    },
    /// A record of ours.
    Chain {
        /// What comes next.
        next: AuditPlace,
        /// Where what is whole ends.
        length: u64,
        /// How many bytes are behind that.
        torn: u64,
    },
    /// Something else, and why; the file begins as one of ours.
    Foreign(String),
    /// The file is not one of ours.
    NotOurs,
}

/// Reads the end of a file.
pub(super) fn read(file: &mut File, sealer: &Sealer) -> io::Result<Tail> {
    let size = file.seek(SeekFrom::End(0))?;
    if size == 0 {
        return Ok(Tail::Empty);
    }
    file.seek(SeekFrom::Start(0))?;
    let mut beginning = Vec::new();
    io::Read::take(&mut *file, BEGINNING.len() as u64).read_to_end(&mut beginning)?;
    // Cutting or moving somebody else's file is not ours to do, whatever the configuration names.
    if !BEGINNING.starts_with(&beginning) {
        return Ok(Tail::NotOurs);
    }
    let from = size.saturating_sub(2 * LONGEST_LINE);
    file.seek(SeekFrom::Start(from))?;
    let mut end = Vec::new();
    file.take(2 * LONGEST_LINE).read_to_end(&mut end)?;
    let newline = |bytes: &[u8]| bytes.iter().rposition(|byte| *byte == b'\n');
    let Some(last) = newline(&end) else {
        return Ok(match from {
            0 => Tail::Torn {
                length: 0,
                torn: size,
            },
            _ => Tail::Foreign("its last line is longer than any record".to_owned()),
        });
    };
    let whole = &end[..last];
    let begin = newline(whole).map_or(0, |before| before + 1);
    let fragment = &end[last + 1..];
    let torn = fragment.len() as u64;
    let length = from + last as u64 + 1;
    if !is_torn_record(fragment) {
        return Ok(Tail::Foreign(
            "what follows its last record is no part of one".to_owned(),
        ));
    }
    Ok(match sealer.open(&whole[begin..]) {
        Ok(record) => Tail::Chain {
            next: AuditPlace {
                stream: record.stream.into_owned(),
                sequence: record.sequence + 1,
                previous_hash: record.hash.into_owned(),
            },
            length,
            torn,
        },
        Err(why) => Tail::Foreign(why.to_string()),
    })
}

/// Whether a crash can have left this of a record. After a power cut, zeros may stand for what did not reach the disk.
fn is_torn_record(fragment: &[u8]) -> bool {
    let written = fragment.len().min(BEGINNING.len());
    fragment.iter().all(|byte| *byte == 0) || fragment[..written] == BEGINNING[..written]
}
