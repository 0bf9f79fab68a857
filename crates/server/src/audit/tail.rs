//! The end of a file of records: where its chain goes on.

use std::{
    fs::File,
    io::{self, Read, Seek, SeekFrom},
};

use tokend_model::ports::AuditPlace;

use super::record::Sealer;

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
    /// Something else, and why.
    Foreign(String),
}

/// Reads the end of a file.
pub(super) fn read(file: &mut File, sealer: &Sealer) -> io::Result<Tail> {
    let size = file.seek(SeekFrom::End(0))?;
    if size == 0 {
        return Ok(Tail::Empty);
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
    let torn = (end.len() - last - 1) as u64;
    let length = from + last as u64 + 1;
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
