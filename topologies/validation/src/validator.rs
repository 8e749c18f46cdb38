//! The task of one source partition.

use std::ops::Range;
use std::sync::Arc;

use flow::flaw::{Flaw, made};
use flow::ledger::{Buckets, Fate, OriginHash, Row, bucket};
use flow::names::{Names, Place};
use flow::outputs::Outputs;
use flow::processor::{InRecord, Stop, Task};
use flow::state::{self, TaskState};
use flow::task::SchemaSource;
use schemas::reject::Reject;

use crate::breaker::Breaker;
use crate::checks::Judged;
use crate::clock::Clock;
use crate::dead::{self, Subject};
use crate::digest::digest;
use crate::emit;
use crate::intake::{Intake, Reader, size_bytes};
use crate::ledger;
use crate::opened::Opened;
use crate::rules::Rulebook;
use crate::source::{Error, Source};
use crate::tallies::{self, Tallies};
use crate::targets::{Accepted, Outgoing, Output, Target};
use crate::verdict::Verdicts;

/// Most bytes of records that are decoded together.
pub(crate) const RUN_BYTES_MAX: usize = 64 * 1024 * 1024;

/// What connects a validator with the rest.
pub struct Wiring {
    /// Topics of the pipeline; source topic and logs must be among them.
    pub names: Arc<Names>,
    /// The source partition, its topic by number.
    pub own: Place,
    /// The first entity's log; label sources do not use it.
    pub entity: Option<Target>,
    /// The journal's log.
    pub journal: Target,
    /// Where writers' schemas come from.
    pub schemas: Arc<dyn SchemaSource>,
    /// Where decisions are made.
    pub verdicts: Arc<dyn Verdicts>,
    /// Stops the task when nearly everything is rejected.
    pub breaker: Breaker,
}

/// How far a partition has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Progress {
    /// Greatest item time so far.
    pub max_us: Option<i64>,
    /// Its mark.
    pub mark_us: Option<i64>,
}

/// Judges the records of one source partition. See [`crate`].
pub struct Validator {
    source: Arc<Source>,
    names: Arc<Names>,
    own: Place,
    digest: String,
    reader: Reader,
    verdicts: Arc<dyn Verdicts>,
    outputs: Vec<Output>,
    opened: Opened,
    clock: Clock,
    hash: OriginHash,
    buckets: Buckets,
    breaker: Breaker,
    /// Room for bodies that are made from JSON.
    room: Vec<u8>,
    tallies: Tallies,
}

impl Validator {
    /// A validator at its partition's start.
    pub fn new(book: Arc<Rulebook>, wiring: Wiring) -> Result<Self, Error> {
        let source = book.source().clone();
        let Wiring { names, own, entity, journal, schemas, verdicts, breaker } = wiring;
        let reader = Reader::new(source.clone(), source.topic.clone(), own, schemas, verdicts.clone())
            .map_err(|error| Error::Schema { topic: source.topic.to_string(), source: error })?;
        let outputs = emit::outputs(&source, entity, journal);
        Ok(Validator {
            digest: digest(&source.signature(), &names, &outputs),
            hash: OriginHash::new(&source.topic, own.partition),
            source,
            names,
            own,
            reader,
            verdicts,
            outputs,
            opened: Opened::new(book, own.partition),
            clock: Clock::default(),
            buckets: Buckets::default(),
            breaker,
            room: Vec::new(),
            tallies: Tallies::default(),
        })
    }

    /// Goes on from the metadata of a commit; nothing is replayed.
    pub fn restore(&mut self, metadata: &str) -> Result<(), state::Error> {
        let state = TaskState::read(metadata, &self.digest)?;
        let unreadable = || state::Error::unreadable(metadata, "bucket sum");
        self.buckets = Buckets::restore(&state.sums).ok_or_else(unreadable)?;
        self.outputs.iter_mut().for_each(|output| output.restore(&state, &self.names));
        self.reader.restore(&state.schemas);
        self.clock = Clock::restore(state.max, state.mark);
        Ok(())
    }

    /// How far the partition has come.
    pub fn progress(&self) -> Progress {
        self.clock.progress()
    }

    /// What failed since the last call, for metrics.
    pub fn take_tallies(&mut self) -> tallies::Counts {
        self.tallies.take()
    }

    /// Raises the mark of a quiet partition. From now on the metadata carries it; it is written only after
    /// [`Validator::release_mark`], once a commit made under the group's generation holds it. Answers whether it rose.
    pub fn raise_mark(&mut self, mark_us: i64) -> bool {
        self.clock.raise(mark_us)
    }

    /// Lets a raised mark be written; call it when a commit has carried it.
    pub fn release_mark(&mut self) {
        self.clock.release();
    }

    /// Handles records of one bucket.
    fn run(&mut self, records: &[InRecord], suppressed: bool, out: &mut Outputs) -> Result<(), Stop> {
        let checks = self.opened.rules(bucket(records[0].offset), &*self.verdicts)?;
        let mut room = std::mem::take(&mut self.room);
        let intake = self.reader.read(records, checks.unknown(), &mut room)?;
        let Intake { batch, records: indices, bodies, rejected } = intake;
        let append_time_ms: Vec<i64> = indices.iter().map(|index| records[*index].append_time_ms).collect();
        let mut judged = checks.judge(&batch, &append_time_ms);
        let faults = std::mem::take(&mut judged.faults).into_rejects();
        let sorted = self.sort(&indices, records, &judged.times_us, &faults, checks.lateness_us());
        let dead = merge(rejected, faults.into_iter().map(|(row, reject)| (indices[row], reject)));
        dead.iter().for_each(|(index, _)| self.note(records[*index].offset, Fate::Dead));
        self.count(records.len(), &sorted, &dead)?;
        self.tallies.add(&sorted.rows, &judged.findings, &dead);
        let log_out = (!suppressed).then_some(&mut *out);
        // What was found must be written beside the event, which its body has no place for.
        let bodies = bodies.as_deref().filter(|_| judged.findings.is_empty());
        let rows = Rows { bodies, indices: &indices, records };
        self.emit(&rows, &judged, &sorted, log_out)?;
        if !suppressed {
            for (index, reject) in dead.iter().filter(|_| !made(Flaw::DeadLetterDropped)) {
                let (topic, partition, record) = (&*self.source.topic, self.own.partition, &records[*index]);
                let subject = Subject { topic, partition, offset: record.offset, attempt: 0 };
                dead::letters(&self.source, subject, record, reject, &mut out.records);
            }
            let late = sorted.late.iter().map(|index| &records[*index]);
            out.records.extend(late.map(|record| dead::late(&self.source, self.own.partition, record)));
        }
        self.room = room;
        Ok(())
    }

    /// Tells accepted rows from late ones, in offset order, and moves greatest time and marks on.
    fn sort(
        &mut self,
        indices: &[usize],
        records: &[InRecord],
        times_us: &[i64],
        faults: &[(usize, Reject)],
        lateness_us: i64,
    ) -> Sorted {
        let mut sorted = Sorted::with_rows(indices.len());
        let mut faulty = faults.iter().map(|(row, _)| *row).peekable();
        let never_late = self.source.is_labels();
        for (row, (index, time_us)) in indices.iter().zip(times_us).enumerate() {
            let good = faulty.next_if_eq(&row).is_none();
            if good && !never_late && self.clock.is_late(*time_us, lateness_us) {
                sorted.late.push(*index);
                self.note(records[*index].offset, Fate::Late);
            } else if good {
                self.clock.accept(*time_us, lateness_us);
                let offset = records[*index].offset;
                self.note(offset, Fate::Accepted);
                sorted.rows.push(row as u32);
            }
            sorted.marks_us.push(self.clock.shown_us().unwrap_or(i64::MIN));
        }
        sorted
    }

    fn note(&mut self, offset: i64, fate: Fate) {
        self.buckets.add(bucket(offset), fate, self.hash.of(offset));
    }

    /// Counts every record once, and stops when too many are rejected.
    fn count(&mut self, records: usize, sorted: &Sorted, dead: &[(usize, Reject)]) -> Result<(), Stop> {
        let (emitted, late) = (sorted.rows.len(), sorted.late.len());
        assert_eq!(emitted + late + dead.len(), records, "every record ends in exactly one outcome");
        let mut rejected = dead.iter().peekable();
        for index in 0..records {
            let reject = rejected.next_if(|(at, _)| *at == index);
            self.breaker.count(reject.is_some()).map_err(|limit| {
                let last = reject.map(|(_, reject)| reject.to_string()).unwrap_or_default();
                Stop::Other(format!(
                    "{}: {limit}, the last one for {last}; nothing was committed, correct the schema, the rules or the producer",
                    self.names.show(self.own)
                ))
            })?;
        }
        Ok(())
    }

    fn emit(
        &mut self,
        rows: &Rows<'_>,
        judged: &Judged,
        sorted: &Sorted,
        out: Option<&mut Outputs>,
    ) -> Result<(), Stop> {
        if sorted.rows.is_empty() {
            return Ok(());
        }
        let part = emit::part(&self.source, &self.outputs, judged)?;
        let records = || rows.indices.iter().map(|index| &rows.records[*index]);
        let offsets: Vec<i64> = records().map(|record| record.offset).collect();
        let of_body = |row: usize| rows.bodies.map_or(0, |bodies| bodies[row].len());
        let bytes = records().enumerate().map(|(row, record)| size_bytes(record).max(of_body(row)));
        let bytes: Vec<usize> = bytes.collect();
        let accepted = Accepted {
            rows: &sorted.rows,
            offsets: &offsets,
            origins: None,
            bytes: &bytes,
            times_us: &judged.times_us,
            ids: &judged.ids,
            bodies: rows.bodies.filter(|_| judged.labels.is_none()),
            part,
            marks_us: Some((sorted.marks_us.as_slice(), self.clock.shown_us().unwrap_or(i64::MIN))),
        };
        let mut out = out.map(|outputs| Outgoing { own: self.own, outputs });
        emit::write(&mut self.outputs, judged, &accepted, out.as_mut())
    }
}

impl Task for Validator {
    fn draft(&mut self, records: &[InRecord], suppressed: bool, out: &mut Outputs) -> Result<(), Stop> {
        for run in runs(records) {
            self.run(&records[run], suppressed, out)?;
        }
        Ok(())
    }

    fn seal(&mut self, out: &mut Outputs) -> Result<(), Stop> {
        self.outputs.iter_mut().try_for_each(|output| output.seal(&self.names, out))
    }

    fn metadata(&self) -> String {
        let mut state = TaskState::new(&self.digest);
        self.outputs.iter().for_each(|output| output.save(&mut state, &self.names));
        let Progress { max_us, mark_us } = self.clock.progress();
        (state.max, state.mark) = (max_us, mark_us);
        state.sums = self.buckets.save();
        state.schemas = self.reader.accepted();
        state.text()
    }

    fn ledger(&mut self) -> Vec<Row> {
        let targets = self.outputs.iter().map(|output| self.names.topic(output.topic()));
        ledger::rows(&self.source, self.own.partition, &targets.collect::<Vec<_>>(), self.buckets.changed())
    }

    /// Writes the mark to every target partition that has not had it yet.
    fn resume(&mut self, out: &mut Outputs) -> Result<(), Stop> {
        let Some(mark_us) = self.clock.shown_us() else { return Ok(()) };
        let mut out = Outgoing { own: self.own, outputs: out };
        self.outputs.iter_mut().for_each(|output| output.mark(mark_us, &mut out));
        Ok(())
    }
}

/// The readable rows of a run and where they came from.
struct Rows<'a> {
    bodies: Option<&'a [&'a [u8]]>,
    indices: &'a [usize],
    records: &'a [InRecord],
}

/// The readable rows of a run by what becomes of them.
struct Sorted {
    /// Accepted rows of the batch.
    rows: Vec<u32>,
    /// Indices of late records.
    late: Vec<usize>,
    /// The mark after each row.
    marks_us: Vec<i64>,
}

impl Sorted {
    fn with_rows(rows: usize) -> Self {
        Sorted { rows: Vec::with_capacity(rows), late: Vec::new(), marks_us: Vec::with_capacity(rows) }
    }
}

/// Cuts records so that a run lies in one bucket and can be decoded at once.
fn runs(records: &[InRecord]) -> Vec<Range<usize>> {
    let mut runs: Vec<Range<usize>> = Vec::new();
    let mut bytes = 0;
    for (index, record) in records.iter().enumerate() {
        bytes += size_bytes(record);
        match runs.last_mut() {
            Some(run) if bucket(records[run.start].offset) == bucket(record.offset) && bytes <= RUN_BYTES_MAX => {
                run.end = index + 1;
            }
            _ => {
                bytes = size_bytes(record);
                runs.push(index..index + 1);
            }
        }
    }
    runs
}

/// Rejects of both kinds in the order of their records.
pub(crate) fn merge(
    mut rejected: Vec<(usize, Reject)>,
    faults: impl Iterator<Item = (usize, Reject)>,
) -> Vec<(usize, Reject)> {
    rejected.extend(faults);
    rejected.sort_by_key(|(index, _)| *index);
    rejected
}
