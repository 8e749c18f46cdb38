//! Rows of the ledger topic: one side of one edge for one bucket, as one task counts it.
//!
//! Rows are cumulative and name the position in the task's log that they were counted up to. The row with the highest
//! position wins, so repeats, restarts and zombies change nothing. The topic is compacted: of each row it keeps the last
//! one that each process wrote, as a process never goes back, and a zombie cannot take the place of another's.

use super::{Counts, OriginHash};
use arrow::array::{ArrayRef, AsArray, RecordBatch};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Int64Type};
use arrow::error::ArrowError;
use schemas::framing;
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// Where records of source topics come from.
pub const OUTSIDE: &str = "outside";
/// What stands between the ends of an edge.
const ARROW: &str = " -> ";
/// Bucket of a row that says only how far its task is: the last of those written at once, so that whoever has read it
/// has read them all.
const POSITION_BUCKET: i64 = -1;

/// Which end of an edge counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Side {
    /// The writer.
    Written,
    /// A reader.
    Read,
}

/// Counts of one side of one edge for one bucket.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Row {
    /// Which end.
    pub side: Side,
    /// What the writer reads.
    pub from: Arc<str>,
    /// What it writes, and the reader reads.
    pub to: Arc<str>,
    /// Topic that the records first came from.
    pub source: Arc<str>,
    /// Its partition.
    pub source_partition: u16,
    /// Bucket of its offsets.
    pub bucket: i64,
    /// The counts.
    pub counts: Counts,
    /// Whether the task knows that nothing more will be added.
    pub closed: bool,
}

impl Row {
    /// The edge in words.
    pub fn edge(&self) -> String {
        format!("{}{ARROW}{}", self.from, self.to)
    }

    /// The hash of this row's origins.
    pub fn hash(&self) -> OriginHash {
        OriginHash::new(&self.source, self.source_partition)
    }
}

/// A row as the topic has it: who counted it, and how far.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Consumer group of the task.
    pub task: Arc<str>,
    /// The log or source topic that the task reads.
    pub log: Arc<str>,
    /// Its partition.
    pub partition: u16,
    /// The task had taken everything below this offset of its log.
    pub position: i64,
    /// The row; none in an entry that says only how far the task is.
    pub row: Option<Row>,
}

/// Writes entries as the Avro of `tidemill/LedgerRow.avsc`.
#[derive(Debug, Clone)]
pub struct Writer {
    prefix: [u8; framing::PREFIX_BYTES],
    process: String,
}

impl Writer {
    /// A writer under the schema's registry id.
    pub fn new(id: u32) -> Self {
        Writer { prefix: framing::prefix(id), process: String::new() }
    }

    /// The same in a process with this name, which no other has.
    pub fn process(self, process: String) -> Self {
        Writer { process, ..self }
    }

    /// What of an entry compaction keeps once: the row or the position, by task and process.
    fn key(&self, entry: &Entry) -> String {
        let Entry { task, log, partition, row, .. } = entry;
        let of = match row {
            Some(Row { from, to, side, source, source_partition, bucket, .. }) => {
                format!("{from}{ARROW}{to} {side:?} {source}/{source_partition}/{bucket}")
            }
            None => log.to_string(),
        };
        format!("{of} by {task}/{partition} {}", self.process)
    }

    /// A record's key and value.
    pub fn encode(&self, entry: &Entry) -> (String, Vec<u8>) {
        let mut out = self.prefix.to_vec();
        text(&mut out, &entry.row.as_ref().map_or_else(String::new, Row::edge));
        let side = entry.row.as_ref().map_or(Side::Read, |row| row.side);
        long(&mut out, side as i64);
        let none = Counts::default();
        let (source, partition, bucket, counts) = match &entry.row {
            Some(row) => (&*row.source, row.source_partition, row.bucket, &row.counts),
            None => (&*entry.log, entry.partition, POSITION_BUCKET, &none),
        };
        text(&mut out, source);
        long(&mut out, i64::from(partition));
        long(&mut out, bucket);
        let Counts { emitted, filtered, duplicate, late, dead, waiting, digest } = *counts;
        for count in [emitted, filtered, duplicate, late, dead, waiting] {
            long(&mut out, count.cast_signed());
        }
        out.extend_from_slice(&digest.to_le_bytes());
        out.push(u8::from(entry.row.as_ref().is_some_and(|row| row.closed)));
        text(&mut out, &entry.task);
        long(&mut out, i64::from(entry.partition));
        long(&mut out, entry.position);
        (self.key(entry), out)
    }
}

/// The entries of a decoded batch. What an older release wrote has no task; it is left out.
pub fn decode(batch: &RecordBatch) -> Result<Vec<Entry>, ArrowError> {
    let column = |name: &str, to: &DataType| -> Result<ArrayRef, ArrowError> {
        let found = batch.column_by_name(name);
        cast(found.ok_or_else(|| ArrowError::SchemaError(format!("ledger rows have no {name}")))?, to)
    };
    let texts = |name: &str| column(name, &DataType::Utf8);
    let numbers = |name: &str| column(name, &DataType::Int64);
    let (edge, side, source, task) = (texts("edge")?, texts("side")?, texts("source_topic")?, texts("task")?);
    let named = ["source_partition", "bucket", "task_partition", "position"];
    let [source_partition, bucket, task_partition, position] = columns(named.map(numbers))?;
    let counted = ["emitted", "filtered", "duplicate", "late", "dead_lettered", "waiting"];
    let counts = columns(counted.map(numbers))?;
    let digest = column("digest", &DataType::FixedSizeBinary(16))?;
    let closed = column("closed", &DataType::Boolean)?;
    let text = |column: &ArrayRef, row: usize| column.as_string::<i32>().value(row).to_owned();
    let number = |column: &ArrayRef, row: usize| column.as_primitive::<Int64Type>().value(row);
    let mut entries = Vec::with_capacity(batch.num_rows());
    for at in (0..batch.num_rows()).filter(|at| number(&position, *at) >= 0) {
        let counts: [u64; 6] = std::array::from_fn(|which| number(&counts[which], at).max(0).unsigned_abs());
        let [emitted, filtered, duplicate, late, dead, waiting] = counts;
        let mut bytes = [0; 16];
        bytes.copy_from_slice(digest.as_fixed_size_binary().value(at));
        let digest = u128::from_le_bytes(bytes);
        let edge = text(&edge, at);
        let row = edge.split_once(ARROW).map(|(from, to)| Row {
            side: if text(&side, at) == "WRITTEN" { Side::Written } else { Side::Read },
            from: from.into(),
            to: to.into(),
            source: text(&source, at).into(),
            source_partition: number(&source_partition, at) as u16,
            bucket: number(&bucket, at),
            counts: Counts { emitted, filtered, duplicate, late, dead, waiting, digest },
            closed: closed.as_boolean().value(at),
        });
        let log = match &row {
            None => text(&source, at).into(),
            Some(row) if row.side == Side::Read => row.to.clone(),
            Some(row) => row.from.clone(),
        };
        let (task, partition) = (text(&task, at).into(), number(&task_partition, at) as u16);
        entries.push(Entry { task, log, partition, position: number(&position, at), row });
    }
    Ok(entries)
}

fn columns<const N: usize>(found: [Result<ArrayRef, ArrowError>; N]) -> Result<[ArrayRef; N], ArrowError> {
    let found: Vec<ArrayRef> = found.into_iter().collect::<Result<_, _>>()?;
    found.try_into().map_err(|_| ArrowError::SchemaError("ledger rows lack columns".to_owned()))
}

/// Avro's variable-length zigzag form of a long.
fn long(out: &mut Vec<u8>, value: i64) {
    let mut rest = ((value << 1) ^ (value >> 63)).cast_unsigned();
    while rest >= 0x80 {
        out.push(rest as u8 | 0x80);
        rest >>= 7;
    }
    out.push(rest as u8);
}

fn text(out: &mut Vec<u8>, text: &str) {
    long(out, text.len() as i64);
    out.extend_from_slice(text.as_bytes());
}

#[cfg(test)]
mod tests {
    use super::*;
    use schemas::codec::Decoder;
    use schemas::contracts;

    #[test]
    fn compaction_keeps_a_row_of_each_task_and_process() {
        let row = |bucket: i64| Row {
            side: Side::Read,
            from: "a".into(),
            to: "b".into(),
            source: "s".into(),
            source_partition: 1,
            bucket,
            counts: Counts::default(),
            closed: false,
        };
        let key = |process: &str, partition: u16, position: i64, row: Option<Row>| {
            let entry = Entry { task: "t".into(), log: "b".into(), partition, position, row };
            Writer::new(1).process(process.to_owned()).encode(&entry).0
        };
        let first = key("p", 0, 10, Some(row(3)));
        assert_eq!(first, key("p", 0, 20, Some(row(3))), "a later row takes the place of an earlier one");
        let written = Row { side: Side::Written, ..row(3) };
        let others = [
            key("q", 0, 10, Some(row(3))),
            key("p", 1, 10, Some(row(3))),
            key("p", 0, 10, Some(row(4))),
            key("p", 0, 10, Some(written)),
            key("p", 0, 10, None),
        ];
        others.iter().for_each(|other| assert_ne!(*other, first));
    }

    /// Witness: the schema's own decoder.
    #[test]
    fn entries_come_back_through_the_schema() {
        let row = Row {
            side: Side::Written,
            from: "a.events.v1".into(),
            to: "a.log.g1".into(),
            source: "a.events.v1".into(),
            source_partition: 3,
            bucket: 17,
            counts: Counts {
                emitted: 65_000,
                filtered: 1,
                duplicate: 2,
                late: 3,
                dead: 4,
                waiting: 5,
                digest: u128::MAX - 7,
            },
            closed: true,
        };
        let read = Row { side: Side::Read, closed: false, ..row.clone() };
        let entry = |log: &str, row: Option<Row>| Entry {
            task: "a.stage".into(),
            log: log.into(),
            partition: 2,
            position: 1 << 40,
            row,
        };
        let entries = [entry("a.events.v1", Some(row)), entry("a.log.g1", Some(read)), entry("a.log.g1", None)];
        let schema = contracts::avro(contracts::LEDGER_ROW).unwrap();
        let mut decoder = Decoder::new(schema).unwrap();
        decoder.add_writer(9, schema).unwrap();
        let values: Vec<Vec<u8>> = entries.iter().map(|entry| Writer::new(9).encode(entry).1).collect();
        let framed: Vec<_> = values.iter().map(|value| framing::split(Some(value), []).unwrap()).collect();
        let decoded = decoder.decode(&framed);
        assert_eq!(decoded.rejected, []);
        assert_eq!(decode(&decoded.batch).unwrap(), entries);
    }
}
