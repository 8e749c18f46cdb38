//! One partition being archived.

use crate::Error;
use crate::cuts::{Cuts, Group};
use crate::items::ItemRows;
use crate::text::Numbers;
use crate::values::ValueRows;
use arrow::array::RecordBatch;
use flow::plan::Kind;
use offline::archive::{self, Archive, Outcome, Resume, SchemaNote, Writer};
use registry::canonical::sha256_hex;
use runtime::context::Context;
use runtime::log::{Record, TopicPartition};

/// What a record counts for against a file's size.
pub fn input_bytes(record: &Record) -> u64 {
    let parts = [record.key.as_ref(), record.value.as_ref()];
    parts.iter().flatten().map(|bytes| bytes.len() as u64).sum()
}

/// A partition with its writer.
pub struct Partition {
    topic: String,
    writer: Writer,
    cuts: Cuts,
    rows: Rows,
}

/// What becomes of a topic's records.
pub(crate) enum Rows {
    /// Those of an internal log.
    Items(Box<ItemRows>, SchemaNote),
    /// Those of any other topic.
    Values(Box<ValueRows>),
}

impl Rows {
    /// Rows of a topic's partition.
    pub(crate) fn of(context: &Context, tp: &TopicPartition) -> Result<Self, Error> {
        Ok(match context.topic(&tp.topic)?.kind {
            Kind::Log => {
                let digest = sha256_hex(context.schema(&tp.topic)?.as_bytes());
                let note = SchemaNote { id: Some(context.schema_id(&tp.topic)?), digest };
                Rows::Items(Box::new(ItemRows::new(context, tp)?), note)
            }
            _ => Rows::Values(Box::new(ValueRows::new(context, tp)?)),
        })
    }

    /// Goes on at an offset with the numbers that stand there.
    pub(crate) fn restore(&mut self, offset: i64, numbers: Option<&Numbers>) -> Result<(), Error> {
        match self {
            Rows::Items(rows, _) => rows.restore(offset, numbers),
            Rows::Values(rows) => rows.restore(numbers),
        }
    }
}

impl Partition {
    /// Opens a partition behind what is archived of it. `log_start` is where the partition begins now.
    pub fn open(context: &Context, archive: &Archive, tp: &TopicPartition, log_start: i64) -> Result<Self, Error> {
        let writer = archive.writer(&tp.topic, tp.partition, log_start)?;
        let rows = Rows::of(context, tp)?;
        let topic = tp.topic.to_string();
        let mut partition = Partition { topic, cuts: Cuts::at(writer.resume().offset), writer, rows };
        partition.restore(&partition.writer.resume())?;
        Ok(partition)
    }

    /// The next offset to be read.
    pub fn position(&self) -> i64 {
        self.cuts.position()
    }

    /// Below this everything with rows is in files. Records without any (repeats) wait for no file.
    pub fn archived(&self) -> i64 {
        if self.cuts.open() { self.writer.archived() } else { self.cuts.position() }
    }

    /// Takes records in offset order. Returns where to go on reading when another writer decided otherwise.
    pub fn take(&mut self, records: &[Record]) -> Result<Option<i64>, Error> {
        match &mut self.rows {
            Rows::Items(rows, note) => {
                let (rows, groups) = rows.make(records, &mut self.cuts)?;
                let outcome = append(&mut self.writer, &rows, &groups, note)?;
                self.settle(outcome)
            }
            Rows::Values(rows) => {
                for made in rows.make(records, &mut self.cuts)? {
                    let outcome = append(&mut self.writer, &made.rows, &made.groups, &made.note)?;
                    if let Some(seek) = self.settle(outcome)? {
                        return Ok(Some(seek));
                    }
                }
                Ok(None)
            }
        }
    }

    /// Writes what was taken, however little.
    pub fn flush(&mut self) -> Result<Option<i64>, Error> {
        let outcome = self.writer.flush()?;
        self.cuts.close();
        self.settle(outcome)
    }

    fn settle(&mut self, outcome: Outcome) -> Result<Option<i64>, Error> {
        let Outcome::Lost(resume) = outcome else { return Ok(None) };
        self.cuts = Cuts::at(resume.offset);
        self.restore(&resume)?;
        Ok(Some(resume.offset))
    }

    fn restore(&mut self, resume: &Resume) -> Result<(), Error> {
        let text = resume.numbers.as_deref().filter(|text| !text.is_empty());
        let numbers = text.map(|text| Numbers::read(&self.topic, text)).transpose()?;
        self.rows.restore(resume.offset, numbers.as_ref())
    }
}

/// Hands groups to the writer until one is lost.
fn append(writer: &mut Writer, rows: &RecordBatch, groups: &[Group], schema: &SchemaNote) -> Result<Outcome, Error> {
    for group in groups {
        let outcome = writer.append(archive::Record {
            rows: &rows.slice(group.rows.start, group.rows.len()),
            next_offset: group.next_offset,
            input_bytes: group.input_bytes,
            numbers: &group.numbers,
            schema,
        })?;
        if outcome != Outcome::Kept {
            return Ok(outcome);
        }
    }
    Ok(Outcome::Kept)
}
