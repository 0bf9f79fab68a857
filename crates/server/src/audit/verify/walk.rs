//! Going through records one after the other, knowing what each has to follow.

use std::mem;

use chrono::SecondsFormat;
use tokend_model::ports::{AuditAnchor, AuditPlace};

use super::{AuditFinding, AuditVerification};
use crate::audit::record::{Record, Sealer};

/// A walk through the files of a chain, or through a chain in the database.
pub(super) struct Walk<'s> {
    sealer: &'s Sealer,
    verification: AuditVerification,
    /// The file, or the workspace's chain.
    place: String,
    is_database: bool,
    /// What comes next; absent where a chain begins.
    expected: Option<AuditPlace>,
    /// Whether a record of this file was seen.
    in_file: bool,
    /// How many lines in a row could not be read: what they are is said already, and what follows them is not to blame.
    unread: i64,
    /// What stands before the first record of a database's chain, which a later one has to account for.
    unaccounted: Option<(i64, String)>,
    anchors: Vec<(AuditAnchor, Anchored)>,
}

/// What was seen of an anchor.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Anchored {
    Missing,
    Other,
    There,
}

impl<'s> Walk<'s> {
    pub(super) fn new(sealer: &'s Sealer, anchors: Vec<AuditAnchor>) -> Self {
        let mut known: Vec<(AuditAnchor, Anchored)> = Vec::new();
        for anchor in anchors {
            if known.iter().all(|(other, _)| *other != anchor) {
                known.push((anchor, Anchored::Missing));
            }
        }
        Self {
            sealer,
            verification: AuditVerification::default(),
            place: String::new(),
            is_database: false,
            expected: None,
            in_file: false,
            unread: 0,
            unaccounted: None,
            anchors: known,
        }
    }

    pub(super) fn begin_file(&mut self, name: &str) {
        name.clone_into(&mut self.place);
        self.in_file = false;
    }

    pub(super) fn begin_database(&mut self, stream: &str) {
        stream.clone_into(&mut self.place);
        self.is_database = true;
    }

    /// A whole line; in a database `line` is the sequence it is stored under.
    pub(super) fn record(&mut self, line: i64, bytes: &[u8]) {
        let record = match self.sealer.open(bytes) {
            Ok(record) => record,
            Err(why) => {
                self.find(Some(line), why.to_string());
                self.unread += 1;
                return;
            }
        };
        if self.is_database && (record.sequence != line || record.stream != self.place) {
            let what = format!(
                "it was written as record {} of {}",
                record.sequence, record.stream
            );
            self.find(Some(line), what);
        }
        let unread = mem::take(&mut self.unread);
        match self.expected.take() {
            Some(expected) if expected.stream == record.stream => {
                self.follow(line, &expected, unread, &record);
            }
            expected => self.start(line, expected, unread, &record),
        }
        self.look_into(line, &record);
        self.take(&record);
    }

    /// A last line without its end.
    pub(super) fn torn(&mut self, line: i64) {
        self.find(Some(line), "it is not whole".to_owned());
    }

    pub(super) fn end_file(&mut self) {
        if !self.in_file {
            self.note(None, "it holds no record".to_owned());
        }
    }

    pub(super) fn end_database(&mut self, head: &AuditPlace) {
        let reached = self.expected.as_ref().map_or(0, |next| next.sequence - 1);
        let known = head.sequence - 1;
        let last = self.expected.as_ref();
        let cut = reached < known
            || last.is_some_and(|last| {
                last.sequence == head.sequence && last.previous_hash != head.previous_hash
            });
        if cut {
            let what = format!("it ends at record {reached}, and had come to {known}");
            self.find(None, what);
        }
        if let Some((sequence, _)) = self.unaccounted.take() {
            let what = format!("the records up to {sequence} are gone, and no record says why");
            self.find(None, what);
        }
    }

    pub(super) fn end(mut self) -> AuditVerification {
        for (anchor, anchored) in mem::take(&mut self.anchors) {
            let what = match anchored {
                Anchored::There => continue,
                Anchored::Other => "another record is in its place",
                Anchored::Missing => {
                    "it is missing: the end was cut off, unless later files exist that were not given"
                }
            };
            self.place = anchor.place;
            let time = anchor.time.to_rfc3339_opts(SecondsFormat::Millis, true);
            let what = format!(
                "the database knows of record {} from {time}, and {what}",
                anchor.sequence
            );
            self.find(None, what);
        }
        self.verification
    }

    /// The record has to follow what came before.
    fn follow(&mut self, line: i64, expected: &AuditPlace, unread: i64, record: &Record<'_>) {
        let missing = record.sequence - expected.sequence - unread;
        if missing > 0 {
            let what = format!(
                "record {} follows {}: {missing} missing between them",
                record.sequence,
                expected.sequence - 1
            );
            self.find(Some(line), what);
        } else if missing < 0 {
            let what = format!(
                "record {} follows {}: it was moved or added",
                record.sequence,
                expected.sequence - 1
            );
            self.find(Some(line), what);
        } else if unread == 0 && record.previous_hash != expected.previous_hash {
            let what = format!(
                "record {} was written behind another record than the one before it",
                record.sequence
            );
            self.find(Some(line), what);
        }
    }

    /// The record begins a chain, or the part of it that there is.
    fn start(&mut self, line: i64, expected: Option<AuditPlace>, unread: i64, record: &Record<'_>) {
        if self.in_file {
            let what = format!("it belongs to another trail, {}", record.stream);
            self.find(Some(line), what);
            return;
        }
        if expected.is_some() {
            let what = format!("another trail begins here, {}", record.stream);
            self.note(Some(line), what);
        }
        let before = record.sequence - 1;
        if before == unread {
            return;
        }
        if self.is_database {
            self.unaccounted = Some((before, record.previous_hash.to_string()));
            return;
        }
        let previous = record.details.get("previousFileSequence");
        let goes_on = record.action == "AUDIT_TRAIL"
            && previous.is_some_and(|previous| *previous == before.to_string());
        match goes_on {
            true => self.note(
                Some(line),
                format!("goes on from record {before} in a file that was not given"),
            ),
            false => self.find(
                Some(line),
                format!(
                    "begins with record {}: what was before it is missing",
                    record.sequence
                ),
            ),
        }
    }

    /// What the trail says about itself.
    fn look_into(&mut self, line: i64, record: &Record<'_>) {
        if record.action != "AUDIT_TRAIL" {
            return;
        }
        let detail = |name: &str| record.details.get(name).map(String::as_str);
        if let Some(torn) = detail("cutBytes") {
            let what = format!("{torn} bytes of a line that a crash had torn were cut off here");
            self.note(Some(line), what);
        }
        if let (Some(aside), Some(why)) = (detail("setAside"), detail("setAsideBecause")) {
            self.find(Some(line), format!("{aside} was set aside: {why}"));
        }
        match detail("event") {
            Some("shortened") => {
                let what = "a replica found records missing at the end of its file";
                self.find(Some(line), format!("{what}: {:?}", record.details));
            }
            Some("purged") => {
                let through = detail("throughSequence").and_then(|text| text.parse().ok());
                let told = through.zip(detail("throughHash").map(str::to_owned));
                if told.is_some() && told == self.unaccounted {
                    self.unaccounted = None;
                }
            }
            _ => {}
        }
    }

    fn take(&mut self, record: &Record<'_>) {
        let mark = Some((record.sequence, record.time));
        self.verification.records += 1;
        self.verification.first = self.verification.first.or(mark);
        self.verification.last = mark;
        self.in_file = true;
        for (anchor, anchored) in &mut self.anchors {
            if anchor.stream == record.stream && anchor.sequence == record.sequence {
                *anchored = match anchor.hash == record.hash {
                    true => Anchored::There,
                    false => Anchored::Other,
                };
            }
        }
        self.expected = Some(AuditPlace {
            stream: record.stream.to_string(),
            sequence: record.sequence + 1,
            previous_hash: record.hash.to_string(),
        });
    }

    fn find(&mut self, line: Option<i64>, what: String) {
        let place = self.place.clone();
        let finding = AuditFinding { place, line, what };
        self.verification.findings.push(finding);
    }

    fn note(&mut self, line: Option<i64>, what: String) {
        let place = self.place.clone();
        let note = AuditFinding { place, line, what };
        self.verification.notes.push(note);
    }
}
