//! Retried dead letters: a task per partition of a source's topic of retries.
//!
//! A record there is a dead letter as somebody published it once more, with bytes, key and headers as its producer wrote
//! them. What is accepted goes to the same logs as anything else of the source, under emission numbers of the partition of
//! retries, with the time and the origin of the source record. It is never late: a stage that finds it behind its watermark
//! applies it at once, and counts that.
//!
//! Of the records that are the same attempt at the same dead letter one counts: which one, and by which rules it is judged,
//! is decided through [`Verdicts`](crate::Verdicts) by whoever comes to one first. Those rules are the newest and not those
//! of the source record's bucket, as who retries has mended rules or schemas. What is rejected again is a dead letter again,
//! of the next attempt; so a record is accepted once at most, whoever retries what, and how often.

pub mod letter;
mod tally;

use std::sync::Arc;

use flow::ledger::{Counts, OriginHash, Row, Side, Sums, bucket};
use flow::names::{Names, Place};
use flow::outputs::Outputs;
use flow::plan;
use flow::processor::{InRecord, OutRecord, Stop, Task};
use flow::state::{self, TaskState};
use flow::wire::Origin;
use schemas::reject::{Code, Reject};

use crate::dead::{self, Subject};
use crate::digest::digest;
use crate::emit;
use crate::intake::{Intake, Reader, size_bytes};
use crate::opened::Opened;
use crate::rules::Rulebook;
use crate::source::{Error, Source};
use crate::targets::{Accepted, Outgoing, Output};
use crate::validator::{RUN_BYTES_MAX, Wiring, merge};
use crate::verdict::{Retried, Verdicts};
use letter::{Letter, original};
use tally::{End, Tally};

/// Judges the records of one partition of retries. See the [module](self).
pub struct Retrier {
    source: Arc<Source>,
    names: Arc<Names>,
    /// The partition of retries.
    own: Place,
    /// The source's partition of the same number, from which these letters came.
    origin: Place,
    digest: String,
    reader: Reader,
    verdicts: Arc<dyn Verdicts>,
    outputs: Vec<Output>,
    opened: Opened,
    hash: OriginHash,
    tally: Tally,
}

impl Retrier {
    /// A task at the start of its partition, which `wiring.own` names. However much is rejected again, it goes on: who
    /// retries has seen these records rejected before.
    pub fn new(book: Arc<Rulebook>, wiring: Wiring) -> Result<Self, Error> {
        let source = book.source().clone();
        let Wiring { names, own, entity, journal, schemas, verdicts, breaker: _ } = wiring;
        let wrong = |detail: String| Error::Retries { topic: source.topic.to_string(), detail };
        let topic = names.topic(own.topic).clone();
        if *topic != plan::Names::retries(&source.topic) {
            return Err(wrong(format!("{topic} is not its topic of retries")));
        }
        let number = names.number(&source.topic).ok_or_else(|| wrong("it has no number".to_owned()))?;
        let reader = Reader::new(source.clone(), topic, own, schemas, verdicts.clone())
            .map_err(|error| Error::Schema { topic: source.topic.to_string(), source: error })?;
        let outputs = emit::outputs(&source, entity, journal);
        Ok(Retrier {
            digest: digest(&format!("retries of {}", source.signature()), &names, &outputs),
            hash: OriginHash::new(&source.topic, own.partition),
            origin: Place { topic: number, partition: own.partition },
            opened: Opened::new(book, own.partition),
            tally: Tally::default(),
            source,
            names,
            own,
            reader,
            verdicts,
            outputs,
        })
    }

    /// Goes on from the metadata of a commit; nothing is replayed.
    pub fn restore(&mut self, metadata: &str) -> Result<(), state::Error> {
        let state = TaskState::read(metadata, &self.digest)?;
        let unreadable = || state::Error::unreadable(metadata, "bucket sum");
        self.tally = Tally::restore(&state.sums).ok_or_else(unreadable)?;
        self.outputs.iter_mut().for_each(|output| output.restore(&state, &self.names));
        self.reader.restore(&state.schemas);
        Ok(())
    }

    /// The letter that a record retries; none where it names no letter of this partition.
    fn letter(&self, record: &InRecord) -> Option<Letter> {
        let letter = Letter::read(&record.headers)?;
        let is_ours = *letter.topic == *self.source.topic && letter.partition == self.own.partition;
        (is_ours && letter.attempt > 0).then_some(letter)
    }

    /// The rules that a record is judged by, or none where another one counts as this attempt.
    fn rules(&self, letter: &Letter, record: &InRecord) -> Result<Option<String>, Stop> {
        let proposal = Retried { offset: record.offset, rules: self.opened.current().to_owned() };
        let decided = self.verdicts.retry(letter, proposal)?;
        Ok((decided.offset == record.offset).then_some(decided.rules))
    }

    /// Handles records that are judged by the same rules.
    fn run(&mut self, run: &Run, suppressed: bool, out: &mut Outputs) -> Result<(), Stop> {
        let dead = match &run.rules {
            Some(rules) => self.judge(run, rules, (!suppressed).then_some(&mut *out))?,
            None => Vec::new(),
        };
        if !suppressed {
            self.write_dead(run, dead, &mut out.records);
        }
        Ok(())
    }

    /// Judges all that name a letter, and writes what is accepted. Gives the others with the reasons.
    fn judge(&mut self, run: &Run, rules: &str, out: Option<&mut Outputs>) -> Result<Vec<(usize, Reject)>, Stop> {
        let checks = self.opened.version(rules, "a retry was judged", &*self.verdicts)?;
        let chosen: Vec<usize> = (0..run.records.len()).filter(|index| run.letters[*index].is_some()).collect();
        let retried: Vec<InRecord> = chosen.iter().map(|index| run.records[*index].clone()).collect();
        let mut room = Vec::new();
        let Intake { batch, records: indices, rejected, .. } =
            self.reader.read(&retried, checks.unknown(), &mut room)?;
        let records: Vec<&InRecord> = indices.iter().map(|index| &retried[*index]).collect();
        let append_time_ms: Vec<i64> = records.iter().map(|record| record.append_time_ms).collect();
        let mut judged = checks.judge(&batch, &append_time_ms);
        let faults = std::mem::take(&mut judged.faults).into_rejects();
        let is_good = |row: &usize| faults.binary_search_by_key(row, |(row, _)| *row).is_err();
        let rows: Vec<u32> = (0..indices.len()).filter(is_good).map(|row| row as u32).collect();
        let of = |row: usize| chosen[indices[row]];
        let origins: Vec<Origin> = (0..indices.len()).map(|row| self.origin(run, of(row))).collect();
        rows.iter().for_each(|row| self.count(origins[*row as usize].offset, End::Accepted));
        if !rows.is_empty() {
            let offsets: Vec<i64> = records.iter().map(|record| record.offset).collect();
            let bytes: Vec<usize> = records.iter().map(|record| size_bytes(record)).collect();
            let accepted = Accepted {
                rows: &rows,
                offsets: &offsets,
                origins: Some(&origins),
                bytes: &bytes,
                times_us: &judged.times_us,
                ids: &judged.ids,
                bodies: None,
                part: emit::part(&self.source, &self.outputs, &judged)?,
                marks_us: None,
            };
            let mut out = out.map(|outputs| Outgoing { own: self.own, outputs });
            emit::write(&mut self.outputs, &judged, &accepted, out.as_mut())?;
        }
        let again = rejected.into_iter().map(|(index, reject)| (chosen[index], reject)).collect();
        let dead = merge(again, faults.into_iter().map(|(row, reject)| (of(row), reject)));
        for (index, _) in &dead {
            self.count(self.origin(run, *index).offset, End::Dead);
        }
        Ok(dead)
    }

    /// Writes dead letters in the order of their records: what was rejected again, and what is no retry.
    fn write_dead(&self, run: &Run, dead: Vec<(usize, Reject)>, out: &mut Vec<OutRecord>) {
        let stray = Reject::new(Code::RetryInvalid, "its headers name no dead letter of this partition");
        let dead = merge(dead, run.stray.iter().map(|index| (*index, stray.clone())));
        let partition = self.own.partition;
        for (index, reject) in &dead {
            let record = &run.records[*index];
            let subject = match &run.letters[*index] {
                Some(Letter { topic, offset, attempt, .. }) => {
                    Subject { topic, partition, offset: *offset, attempt: *attempt }
                }
                None => {
                    let topic = self.names.topic(self.own.topic);
                    Subject { topic, partition, offset: record.offset, attempt: 0 }
                }
            };
            dead::letters(&self.source, subject, record, reject, out);
        }
    }

    /// The source record that a record retries.
    fn origin(&self, run: &Run, index: usize) -> Origin {
        let offset = run.letters[index].as_ref().map_or(-1, |letter| letter.offset);
        Origin { place: self.origin, offset }
    }

    fn count(&mut self, offset: i64, end: End) {
        self.tally.add(bucket(offset), end, self.hash.of(offset));
    }
}

/// Records in a row that are judged together.
#[derive(Default)]
struct Run {
    rules: Option<String>,
    bytes: usize,
    /// Those that are judged as they were published first, and strays as they are.
    records: Vec<InRecord>,
    letters: Vec<Option<Letter>>,
    /// Indices of records that name no letter.
    stray: Vec<usize>,
}

impl Run {
    fn fits(&self, rules: &str, bytes: usize) -> bool {
        self.rules.as_deref().is_none_or(|known| known == rules) && self.bytes + bytes <= RUN_BYTES_MAX
    }

    fn push(&mut self, letter: Letter, rules: String, record: &InRecord) {
        let InRecord { offset, key, value, headers, .. } = record;
        let append_time_ms = letter.append_time_ms.unwrap_or(record.append_time_ms);
        let (key, value, headers) = (key.clone(), value.clone(), original(headers));
        let record = InRecord { offset: *offset, append_time_ms, key, value, headers };
        self.bytes += size_bytes(&record);
        self.rules = Some(rules);
        self.records.push(record);
        self.letters.push(Some(letter));
    }

    fn stray(&mut self, record: &InRecord) {
        self.stray.push(self.records.len());
        self.records.push(record.clone());
        self.letters.push(None);
    }
}

impl Task for Retrier {
    fn draft(&mut self, records: &[InRecord], suppressed: bool, out: &mut Outputs) -> Result<(), Stop> {
        let mut run = Run::default();
        for record in records {
            let Some(letter) = self.letter(record) else {
                run.stray(record);
                continue;
            };
            let Some(rules) = self.rules(&letter, record)? else {
                self.count(letter.offset, End::Repeated);
                continue;
            };
            if !run.fits(&rules, size_bytes(record)) {
                self.run(&std::mem::take(&mut run), suppressed, out)?;
            }
            run.push(letter, rules, record);
        }
        self.run(&run, suppressed, out)
    }

    fn seal(&mut self, out: &mut Outputs) -> Result<(), Stop> {
        self.outputs.iter_mut().try_for_each(|output| output.seal(&self.names, out))
    }

    fn metadata(&self) -> String {
        let mut state = TaskState::new(&self.digest);
        self.outputs.iter().for_each(|output| output.save(&mut state, &self.names));
        state.sums = self.tally.save();
        state.schemas = self.reader.accepted();
        state.text()
    }

    fn ledger(&mut self) -> Vec<Row> {
        let own = self.names.topic(self.own.topic).clone();
        let logs: Vec<_> = self.outputs.iter().map(|output| self.names.topic(output.topic()).clone()).collect();
        let (dead, source, source_partition) = (&self.source.dead, &self.source.topic, self.own.partition);
        let mut rows = Vec::new();
        for Sums { bucket, counts, digests } in self.tally.changed() {
            let mut row = |side: Side, (from, to): (&Arc<str>, &Arc<str>), counts: Counts| {
                if counts.total() > 0 {
                    let (from, to, source) = (from.clone(), to.clone(), source.clone());
                    rows.push(Row { side, from, to, source, source_partition, bucket, counts, closed: false });
                }
            };
            let of =
                |end: End| Counts { emitted: counts[end as usize], digest: digests[end as usize], ..Counts::default() };
            let (accepted, repeated, again) = (of(End::Accepted), of(End::Repeated), of(End::Dead));
            let digest = digests.iter().fold(0_u128, |all, one| all.wrapping_add(*one));
            let read = Counts { duplicate: repeated.emitted, dead: again.emitted, digest, ..accepted };
            row(Side::Read, (dead, &own), read);
            logs.iter().for_each(|log| row(Side::Written, (&own, log), accepted));
            row(Side::Written, (&own, dead), again);
        }
        rows
    }
}
