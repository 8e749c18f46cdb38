//! The logs that a validator writes: numbers per target partition, items gathered column by column, marks.

use arrow::array::{Array, ArrayRef, StringArray, UInt32Array};
use arrow::compute::take;
use arrow::datatypes::DataType;
use flow::emit::{ENVELOPE_BYTES, Fill};
use flow::flaw::{Flaw, made};
use flow::items::Parent;
use flow::names::{Names, Place};
use flow::outputs::Outputs;
use flow::processor::Stop;
use flow::reader::Trigger;
use flow::state::TaskState;
use flow::wire::{self, Draft, Encoded, LogWriter, Origin, Rows, Sent, Splicer};
use schemas::key::log_partition;
use serde_json::Value;

/// A log to write.
pub struct Target {
    topic: u16,
    partitions: u16,
    writer: LogWriter,
    splicer: Option<Splicer>,
}

impl Target {
    /// The log with this number in [`Names`], its partition count, and its writer.
    pub fn new(topic: u16, partitions: u16, writer: LogWriter) -> Self {
        Target { topic, partitions, writer, splicer: None }
    }

    /// The same log, with events copied into it as their producers encoded them where that is possible. `schema` is the
    /// log's own; `event` is the source's.
    pub fn splicing(mut self, schema: &Value, event: &Value) -> Self {
        self.splicer = Splicer::new(schema, event);
        self
    }
}

/// The accepted rows of a batch, as items need them. All columns have a row per row of the batch.
pub struct Accepted<'a> {
    /// The accepted rows, rising.
    pub rows: &'a [u32],
    /// Offset of each row in the partition that is read.
    pub offsets: &'a [i64],
    /// Source record of each row, where that is another one.
    pub origins: Option<&'a [Origin]>,
    /// Bytes of each row's source record.
    pub bytes: &'a [usize],
    /// Item times.
    pub times_us: &'a [i64],
    /// Event ids.
    pub ids: &'a StringArray,
    /// Avro bodies of the rows, if they may be copied.
    pub bodies: Option<&'a [&'a [u8]]>,
    /// The part that all targets get: its name and its column.
    pub part: (&'static str, ArrayRef),
    /// The mark that holds after each accepted row, and the one after all; a partition of retries has none.
    pub marks_us: Option<(&'a [i64], i64)>,
}

/// Where items go.
pub struct Outgoing<'a> {
    /// The source partition.
    pub own: Place,
    /// What is to be published.
    pub outputs: &'a mut Outputs,
}

/// A target with the numbers of one source partition in it.
pub struct Output {
    target: Target,
    numbers: Vec<i64>,
    marked: Vec<Option<i64>>,
    rows: Vec<Vec<u32>>,
}

impl Output {
    /// A target that nothing was written to yet.
    pub fn new(target: Target) -> Self {
        let partitions = usize::from(target.partitions);
        Output {
            numbers: vec![0; partitions],
            marked: vec![None; partitions],
            rows: vec![Vec::new(); partitions],
            target,
        }
    }

    /// The topic's number in [`Names`].
    pub fn topic(&self) -> u16 {
        self.target.topic
    }

    /// The Arrow type of a part of this log's items.
    pub fn part_type(&self, part: &str) -> Option<&DataType> {
        self.target.writer.part_type(part)
    }

    /// Takes up numbering where saved state left it.
    pub fn restore(&mut self, state: &TaskState, names: &Names) {
        let saved = state.out.get(&**names.topic(self.target.topic));
        for (number, saved) in self.numbers.iter_mut().zip(saved.into_iter().flatten()) {
            *number = *saved;
        }
        if made(Flaw::MarkNotResent) {
            self.marked.fill(state.mark);
        }
    }

    /// Notes the numbers.
    pub fn save(&self, state: &mut TaskState, names: &Names) {
        state.out.insert(names.topic(self.target.topic).to_string(), self.numbers.clone());
    }

    /// Writes the rows, each to the partition of its key; a null or empty key goes by the event id, and shows as empty.
    /// Without a way out the items are only numbered.
    pub fn write(
        &mut self,
        keys: &StringArray,
        rows: &Accepted<'_>,
        out: Option<&mut Outgoing<'_>>,
    ) -> Result<(), Stop> {
        self.rows.iter_mut().for_each(Vec::clear);
        let partitions = u32::from(self.target.partitions);
        for row in rows.rows {
            let key = text(keys, *row);
            let placed = if key.is_empty() { text(rows.ids, *row) } else { key };
            self.rows[log_partition(placed, partitions) as usize].push(*row);
        }
        let Some(out) = out else {
            self.numbers.iter_mut().zip(&self.rows).for_each(|(number, rows)| *number += rows.len() as i64);
            return Ok(());
        };
        for partition in 0..self.rows.len() {
            let chosen = std::mem::take(&mut self.rows[partition]);
            let bytes = |row: u32| {
                ENVELOPE_BYTES + text(keys, row).len() + text(rows.ids, row).len() + rows.bytes[row as usize]
            };
            let mut chunks = Chunks { rest: &chosen, bytes };
            while let Some((chunk, fill)) = chunks.next() {
                // Before the last record of a partition only what held at the cut is true for what comes after it.
                let mark_us = rows.marks_us.map(|(after, last)| match chunks.rest.is_empty() {
                    true => last,
                    false => after[chunk[chunk.len() - 1] as usize],
                });
                let first = self.numbers[partition] + 1;
                self.numbers[partition] += chunk.len() as i64;
                let parents = vec![Parent { place: out.own, first }];
                let draft = match (&self.target.splicer, rows.bodies) {
                    (Some(splicer), Some(bodies)) => {
                        let encoded = Some(encoded(splicer, keys, rows, bodies, chunk, out.own));
                        Draft { parents, encoded, fill, ..Draft::default() }
                    }
                    _ => Draft { parents, rows: laid(keys, rows, chunk, out.own)?, fill, ..Draft::default() },
                };
                self.push(partition, mark_us, draft, out);
            }
            self.rows[partition] = chosen;
        }
        Ok(())
    }

    /// Writes the mark to every partition that has not had it yet.
    pub fn mark(&mut self, mark_us: i64, out: &mut Outgoing<'_>) {
        for partition in 0..self.marked.len() {
            if self.marked[partition].is_none_or(|marked| marked < mark_us) {
                self.push(partition, Some(mark_us), Draft::default(), out);
            }
        }
    }

    fn push(&mut self, partition: usize, mark_us: Option<i64>, mut draft: Draft, out: &mut Outgoing<'_>) {
        if let Some(mark_us) = mark_us {
            draft.marks.push((out.own, mark_us));
            self.marked[partition] = Some(mark_us);
        }
        out.outputs.push(Place { topic: self.target.topic, partition: partition as u16 }, draft);
    }

    /// Makes records of what is written to this log.
    pub fn seal(&mut self, names: &Names, out: &mut Outputs) -> Result<(), Stop> {
        Ok(out.seal(self.target.topic, names, &mut self.target.writer)?)
    }
}

/// Items around the bodies that their producers sent.
fn encoded(
    splicer: &Splicer,
    keys: &StringArray,
    rows: &Accepted<'_>,
    bodies: &[&[u8]],
    chunk: &[u32],
    own: Place,
) -> Encoded {
    let items = chunk.iter().map(|row| Sent {
        offset: rows.offsets[*row as usize],
        time_us: rows.times_us[*row as usize],
        id: text(rows.ids, *row),
        key: text(keys, *row),
        body: bodies[*row as usize],
    });
    splicer.items(own, items)
}

/// Items by column.
fn laid(keys: &StringArray, rows: &Accepted<'_>, chunk: &[u32], own: Place) -> Result<Rows, Stop> {
    let mut laid = Rows::default();
    for row in chunk {
        let offset = rows.offsets[*row as usize];
        let trigger = Trigger { offset, item: 0, index: 0 };
        let origin = rows.origins.map_or(Origin { place: own, offset }, |origins| origins[*row as usize]);
        laid.push(0, trigger, origin, rows.times_us[*row as usize], text(rows.ids, *row), text(keys, *row));
    }
    let (name, column) = &rows.part;
    let part = match chunk.len() == column.len() {
        true => column.clone(),
        false => take(column, &UInt32Array::from(chunk.to_vec()), None).map_err(wire::Error::from)?,
    };
    laid.parts.push((*name, part));
    Ok(laid)
}

/// The text at a row; null reads as empty.
fn text(texts: &StringArray, row: u32) -> &str {
    if texts.is_null(row as usize) { "" } else { texts.value(row as usize) }
}

/// Cuts a partition's rows into records.
struct Chunks<'a, F> {
    rest: &'a [u32],
    bytes: F,
}

impl<'a, F: Fn(u32) -> usize> Iterator for Chunks<'a, F> {
    type Item = (&'a [u32], Fill);

    fn next(&mut self) -> Option<Self::Item> {
        let mut fill = Fill::default();
        let len = self.rest.iter().take_while(|row| fill.takes((self.bytes)(**row))).count();
        let (chunk, rest) = self.rest.split_at(len);
        self.rest = rest;
        (!chunk.is_empty()).then_some((chunk, fill))
    }
}
