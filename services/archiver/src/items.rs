//! Records of an internal log as rows: items each once, and what else a record carries.

use crate::Error;
use crate::control::{CONTROL, Control};
use crate::cuts::{Cuts, Group, Groups};
use crate::partition::input_bytes;
use crate::text::Numbers;
use arrow::array::{ArrayRef, Int32Builder, Int64Builder, RecordBatch, StringBuilder, UInt32Builder};
use arrow::compute::take;
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use arrow::error::ArrowError;
use flow::items::{Head, LogBatch};
use flow::names::{Names, Place};
use flow::processor::Stop;
use flow::reader::{Reader, Refusal, Trigger};
use flow::task::SchemaSource;
use flow::wire::{self, LogReader, Raw};
use offline::archive::positioned;
use runtime::context::Context;
use runtime::log::{Record, TopicPartition};
use schemas::framing;
use std::sync::Arc;

/// Column: name of the log or source topic whose task emitted the item.
pub const PARENT_TOPIC: &str = "parent_topic";
/// Column: partition of that task.
pub const PARENT_PARTITION: &str = "parent_partition";
/// Column: the item's emission number between that partition and this one.
pub const NUMBER: &str = "number";
/// Column: source topic that the event came from.
pub const ORIGIN_TOPIC: &str = "origin_topic";

/// The item that stands for what a record carries besides items; it sorts before them.
const CONTROL_ITEM: i32 = -1;
/// Columns of an item that hold indexes into lists of their record. Names replace them.
const INDEXES: [&str; 2] = ["parent", "origin_source"];

/// Makes rows of the items of one partition.
pub struct ItemRows {
    own: Place,
    reader: LogReader,
    source: Arc<dyn SchemaSource>,
    taken: Reader,
    /// Whether the archive begins where the log does, so that every number is known.
    complete: bool,
    schema: Option<SchemaRef>,
}

impl ItemRows {
    /// Rows of an internal log's partition.
    pub fn new(context: &Context, tp: &TopicPartition) -> Result<Self, Error> {
        Ok(ItemRows {
            own: Place { topic: context.number(&tp.topic)?, partition: tp.partition as u16 },
            reader: context.reader(&tp.topic)?,
            source: context.schema_source(),
            taken: Reader::default(),
            complete: true,
            schema: None,
        })
    }

    /// Goes on at an offset with the numbers that stand there; without numbers nothing was archived before it.
    pub fn restore(&mut self, offset: i64, numbers: Option<&Numbers>) -> Result<(), Error> {
        let names = self.reader.names().clone();
        let place = |log: &str, partition| {
            let unknown = || wire::Error::UnknownLog { offset, log: log.to_owned() };
            Ok::<_, Stop>(Place { topic: names.number(log).ok_or_else(unknown)?, partition })
        };
        let rows = numbers.into_iter().flat_map(|numbers| &numbers.taken);
        let rows = rows.map(|(log, partition, number, trigger)| Ok((place(log, *partition)?, *number, *trigger)));
        self.taken = Reader::restore(&rows.collect::<Result<Vec<_>, Stop>>()?);
        self.complete = offset == 0 || numbers.is_some_and(|numbers| !numbers.taken.is_empty());
        Ok(())
    }

    fn numbers(taken: &Reader, names: &Names) -> String {
        let row = |(place, number, trigger): (Place, i64, Trigger)| {
            (names.topic(place.topic).to_string(), place.partition, number, trigger)
        };
        Numbers { taken: taken.save().into_iter().map(row).collect(), schema: None }.text()
    }

    /// The rows of a poll, and how they group.
    pub fn make(&mut self, records: &[Record], cuts: &mut Cuts) -> Result<(RecordBatch, Vec<Group>), Error> {
        let batch = self.decode(records)?;
        let names = self.reader.names().clone();
        let mut rows = Picked::default();
        let mut groups = Groups::default();
        for (record, head) in records.iter().zip(&batch.records) {
            let before = rows.len();
            if let Some(control) = Control::of(head, &names) {
                rows.control(head, &control.text());
            }
            self.items(head, &batch, &names, &mut rows)?;
            let taken = &self.taken;
            groups.take(cuts, (record.offset + 1, rows.len() - before, input_bytes(record)), || {
                Self::numbers(taken, &names)
            });
        }
        groups.end(|| Self::numbers(&self.taken, &names));
        let rows = self
            .lay_out(&batch, rows)
            .map_err(|error| Error::Layout { topic: names.show(self.own), detail: error.to_string() })?;
        Ok((rows, groups.finish()))
    }

    fn decode(&mut self, records: &[Record]) -> Result<LogBatch, Stop> {
        let mut raw = Vec::with_capacity(records.len());
        for record in records {
            let damaged = |detail: String| wire::Error::Damaged { offset: record.offset, detail };
            let headers = record.headers.iter().map(|header| (&*header.name, header.value.as_deref()));
            let framed =
                framing::split(record.value.as_deref(), headers).map_err(|reject| damaged(reject.to_string()))?;
            if !self.reader.knows(framed.id) {
                let unknown = || damaged(format!("schema id {} is not in the registry", framed.id));
                let schema = self.source.schema(framed.id).ok_or_else(unknown)?;
                self.reader.add_writer(framed.id, &schema)?;
            }
            raw.push(Raw { offset: record.offset, append_time_ms: record.append_time_ms, framed });
        }
        Ok(self.reader.decode(&raw)?)
    }

    fn items(&mut self, head: &Head, batch: &LogBatch, names: &Names, rows: &mut Picked) -> Result<(), Stop> {
        let envelope = batch.items.envelope();
        let mut numbers: Vec<i64> = head.parents.iter().map(|parent| parent.first).collect();
        for (item, row) in head.items.clone().enumerate() {
            let index = envelope.parent[row];
            let at = index as usize;
            let Some(parent) = head.parents.get(at) else {
                let len = head.parents.len();
                return Err(wire::Error::Dangling { offset: head.offset, item, index, len }.into());
            };
            let (place, number, trigger) = (parent.place, numbers[at], envelope.trigger(row));
            numbers[at] += 1;
            let mut taken = self.taken.take(place, number, trigger);
            if taken == Err(Refusal::Gap { expected: 1 }) && !self.complete {
                // Retention deleted the log's start before it was archived: this is the first number to be had.
                let mut known = self.taken.save();
                known.push((place, number, trigger));
                self.taken = Reader::restore(&known);
                taken = Ok(true);
            }
            let own = (self.own, head.offset);
            if taken.map_err(|refusal| Stop::refused(names, own, place, (number, trigger), refusal))? {
                let origin = names.topic(batch.items.origin_topic(row));
                rows.item(head, (item, row), (names, place, number), origin);
            }
        }
        Ok(())
    }

    fn lay_out(&mut self, batch: &LogBatch, mut rows: Picked) -> Result<RecordBatch, ArrowError> {
        let items = batch.items.columns();
        let indexes = rows.row.finish();
        let mut fields: Vec<Field> = vec![
            Field::new(PARENT_TOPIC, DataType::Utf8, true),
            Field::new(PARENT_PARTITION, DataType::Int32, true),
            Field::new(NUMBER, DataType::Int64, true),
            Field::new(ORIGIN_TOPIC, DataType::Utf8, true),
        ];
        let mut columns: Vec<ArrayRef> = vec![
            Arc::new(rows.parent.finish()),
            Arc::new(rows.partition.finish()),
            Arc::new(rows.number.finish()),
            Arc::new(rows.origin.finish()),
        ];
        for (field, column) in items.fields().iter().zip(items.columns()) {
            if INDEXES.contains(&field.name().as_str()) {
                continue;
            }
            // A control row has no item, so every column may be null.
            fields.push(field.as_ref().clone().with_nullable(true));
            columns.push(take(column, &indexes, None)?);
        }
        fields.push(Field::new(CONTROL, DataType::Utf8, true));
        columns.push(Arc::new(rows.control.finish()));
        let schema = self.schema.get_or_insert_with(|| Arc::new(Schema::new(fields))).clone();
        let batch = RecordBatch::try_new(schema, columns)?;
        positioned(&batch, rows.offset.finish(), rows.item.finish(), rows.append_ms)
    }
}

/// Rows being gathered: positions, names, and which item each is.
#[derive(Default)]
struct Picked {
    offset: Int64Builder,
    item: Int32Builder,
    append_ms: Vec<i64>,
    row: UInt32Builder,
    parent: StringBuilder,
    partition: Int32Builder,
    number: Int64Builder,
    origin: StringBuilder,
    control: StringBuilder,
}

impl Picked {
    fn len(&self) -> usize {
        self.append_ms.len()
    }

    fn control(&mut self, head: &Head, text: &str) {
        self.offset.append_value(head.offset);
        self.item.append_value(CONTROL_ITEM);
        self.append_ms.push(head.append_time_ms);
        self.row.append_null();
        self.parent.append_null();
        self.partition.append_null();
        self.number.append_null();
        self.origin.append_null();
        self.control.append_value(text);
    }

    fn item(
        &mut self,
        head: &Head,
        (item, row): (usize, usize),
        (names, place, number): (&Names, Place, i64),
        origin: &str,
    ) {
        self.offset.append_value(head.offset);
        self.item.append_value(item as i32);
        self.append_ms.push(head.append_time_ms);
        self.row.append_value(row as u32);
        self.parent.append_value(names.topic(place.topic));
        self.partition.append_value(i32::from(place.partition));
        self.number.append_value(number);
        self.origin.append_value(origin);
        self.control.append_null();
    }
}
