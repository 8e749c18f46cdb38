//! Labels out of a column: encoded with their events, held until they are known.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, BooleanArray, RecordBatch, TimestampMicrosecondArray, new_null_array};
use arrow::compute::{cast, filter, filter_record_batch};
use arrow::datatypes::SchemaRef;
use bytes::Bytes;
use runtime::context::Context;
use schemas::codec::Encoder;
use schemas::key::key_text;

use super::columns::{convert, convert_in};
use super::{Columns, Error, Options, row_of};

/// A label that waits.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Pending {
    known_us: i64,
    turn: u64,
    pub key: Option<Bytes>,
    pub value: Bytes,
}

/// The labels of the events that were pushed.
pub(super) struct Labels {
    encoder: Encoder,
    /// The table's column with the label.
    column: usize,
    /// Fields of the label's schema.
    id: usize,
    target: usize,
    known: Option<usize>,
    /// Name of the id in the event's schema.
    event_id: String,
    delay_us: i64,
    held: BinaryHeap<Reverse<Pending>>,
    turn: u64,
}

impl Labels {
    pub fn open(context: &Context, table: &SchemaRef, options: &Options, column: &str) -> Result<Self, Error> {
        let source = context.pipeline.labels.as_ref().ok_or_else(|| Error::NoLabels(column.to_owned()))?;
        let encoder = context.encoder(&source.topic)?;
        let at = |name: &str| encoder.schema().index_of(name).unwrap_or_default();
        let as_asked = vec![(source.target.clone(), column.to_owned())];
        let events = &context.pipeline.events;
        Ok(Labels {
            column: Columns::one(&source.target, table, &as_asked)?,
            id: at(&source.id),
            target: at(&source.target),
            known: source.known_time.as_deref().map(at),
            event_id: events.id.clone(),
            delay_us: options.label_delay_us,
            held: BinaryHeap::new(),
            turn: 0,
            encoder,
        })
    }

    /// Takes the labels of a batch of events; rows without one have none.
    pub fn hold(
        &mut self,
        table: &RecordBatch,
        events: &RecordBatch,
        times_us: &[i64],
        before: u64,
    ) -> Result<(), Error> {
        let column = table.column(self.column);
        let given = BooleanArray::from((0..column.len()).map(|row| column.is_valid(row)).collect::<Vec<_>>());
        let detail = |error: arrow::error::ArrowError| schemas::codec::Error::Encode { detail: error.to_string() };
        let known: Vec<i64> = times_us.iter().map(|time_us| time_us.saturating_add(self.delay_us)).collect();
        let batch = self.batch(table, events, &known, &given, before)?;
        let batch = filter_record_batch(&batch, &given).map_err(detail)?;
        let known: ArrayRef = Arc::new(TimestampMicrosecondArray::from(known));
        let known = super::times(&filter(&known, &given).map_err(detail)?);
        let rows = self.encoder.encode(&batch)?;
        let mut key = String::new();
        for (row, known_us) in known.into_iter().enumerate() {
            key.clear();
            let keyed = key_text(batch.column(self.id), row, &mut key);
            let key = keyed.map(|()| Bytes::copy_from_slice(key.as_bytes()));
            self.turn += 1;
            self.held.push(Reverse(Pending { known_us, turn: self.turn, key, value: row_of(&rows, row) }));
        }
        Ok(())
    }

    /// The next label that is known by then.
    pub fn known(&mut self, time_us: i64) -> Option<Pending> {
        let due = self.held.peek().is_some_and(|Reverse(first)| first.known_us <= time_us);
        due.then(|| self.held.pop()).flatten().map(|Reverse(label)| label)
    }

    fn batch(
        &self,
        table: &RecordBatch,
        events: &RecordBatch,
        known_us: &[i64],
        given: &BooleanArray,
        before: u64,
    ) -> Result<RecordBatch, Error> {
        let schema = self.encoder.schema();
        let detail = |detail: String| schemas::codec::Error::Encode { detail };
        let mut columns = Vec::new();
        for (at, field) in schema.fields().iter().enumerate() {
            let optional = field.as_ref().clone().with_nullable(true);
            columns.push(if at == self.id {
                let ids = events.column_by_name(&self.event_id);
                convert(ids.ok_or_else(|| detail("the event has no id".into()))?, &self.event_id, field, before)?
            } else if at == self.target {
                let column = (table.column(self.column), table.schema_ref().field(self.column).name().as_str());
                convert_in(schema, column, &optional, before)?
            } else if Some(at) == self.known {
                let known: ArrayRef = Arc::new(TimestampMicrosecondArray::from(known_us.to_vec()));
                cast(&known, field.data_type()).map_err(|error| detail(error.to_string()))?
            } else {
                new_null_array(field.data_type(), given.len())
            });
        }
        // Rows without a label are taken out next; until then their target may be null.
        let fields: Vec<_> = schema.fields().iter().map(|field| field.as_ref().clone().with_nullable(true)).collect();
        let loose = Arc::new(arrow::datatypes::Schema::new(fields));
        Ok(RecordBatch::try_new(loose, columns).map_err(|error| detail(error.to_string()))?)
    }
}
