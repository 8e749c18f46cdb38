//! Publishing tables: rows become events, one column may become late labels, both Avro-encoded with the registered
//! schemas, keyed and partitioned as any producer would do it.
//!
//! [`Publisher`] takes batches from wherever they come: a file ([`file::Source`]), a simulator, a benchmark. Labels are
//! held back until they are known and go out between the events, in order of that time.

mod account;
mod columns;
mod computed;
pub mod file;
mod labels;
pub mod nested;
mod pace;
#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::time::Instant;

use arrow::array::{Array, ArrayRef, AsArray, RecordBatch};
use arrow::compute::cast;
use arrow::datatypes::{DataType, SchemaRef, TimeUnit, TimestampMicrosecondType};
use bytes::Bytes;
use runtime::context::{self, Context};
use runtime::log::{self, Session, SessionOptions};
use schemas::codec::{EncodedRows, Encoder};
use schemas::key::key_text;

use account::Account;
pub use columns::{Columns, Mapping, check_map, convert};
use labels::{Labels, Pending};
pub use pace::Pace;

/// Why a table cannot be published.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A file cannot be read.
    #[error(transparent)]
    Table(#[from] offline::table::Error),
    /// A file that is not what its name says.
    #[error("cannot read {path}: {detail}")]
    File {
        /// The file.
        path: String,
        /// What is wrong.
        detail: String,
    },
    /// A column that the schema needs and the table lacks.
    #[error("no column for `{column}`; {help}the file has {available}")]
    NoColumn {
        /// The wanted column.
        column: String,
        /// What to do about it, ending in a space; or nothing.
        help: String,
        /// The columns there are.
        available: String,
    },
    /// A mapping that names something unknown.
    #[error("--map {name}={column}: {detail}")]
    Map {
        /// The schema's side.
        name: String,
        /// The file's side.
        column: String,
        /// What is wrong.
        detail: String,
    },
    /// A row of which SQL makes nothing.
    #[error("row {row}: {detail}")]
    Computed {
        /// The row, from 1.
        row: i64,
        /// What is wrong, and where.
        detail: String,
    },
    /// A value that the schema does not allow.
    #[error("row {row}: column `{column}` has {value}, and `{field}` must be {wanted}")]
    Value {
        /// The row, from 1.
        row: u64,
        /// The table's column.
        column: String,
        /// The value.
        value: String,
        /// The schema's column.
        field: String,
        /// What it must be.
        wanted: String,
    },
    /// Columns whose types have nothing to do with each other.
    #[error("column `{column}` is {found}, which cannot become `{field}`, {wanted}")]
    Type {
        /// The table's column.
        column: String,
        /// Its type.
        found: String,
        /// The schema's column.
        field: String,
        /// Its type.
        wanted: String,
    },
    /// Labels were asked for, and the pipeline takes none.
    #[error("--label-column {0}: the pipeline declares no source of labels")]
    NoLabels(String),
    /// The pipeline's topics or schemas.
    #[error(transparent)]
    Context(#[from] context::Error),
    /// The codec.
    #[error(transparent)]
    Codec(#[from] schemas::codec::Error),
    /// The log.
    #[error(transparent)]
    Log(#[from] log::Error),
}

/// How a table becomes records.
#[derive(Debug, Clone)]
pub struct Options {
    /// Which column of the table, or which SQL over them, is which column of the schema, where names do not say it.
    pub map: Mapping,
    /// Column with the label.
    pub label_column: Option<String>,
    /// How long after its event a label becomes known.
    pub label_delay_us: i64,
    /// How fast.
    pub pace: Pace,
}

/// What was published.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Summary {
    /// Events.
    pub events: u64,
    /// Labels.
    pub labels: u64,
    /// The first event's time.
    pub first_us: Option<i64>,
    /// The greatest event time.
    pub last_us: Option<i64>,
    /// Bytes of keys and values.
    pub bytes: u64,
}

/// Numbers of the sources in the plan.
const EVENTS: usize = 0;
const LABELS: usize = 1;

/// Publishes tables of one schema.
pub struct Publisher {
    session: Box<dyn Session>,
    account: Account,
    events: Stream,
    labels: Option<Labels>,
    time: usize,
    pace: pace::Clock,
    /// When the events of each partition were due, since the last change of pace.
    due: Vec<Vec<Instant>>,
    summary: Summary,
    stop: Arc<dyn Fn() -> bool + Send + Sync>,
}

/// How rows become records.
struct Stream {
    key: usize,
    encoder: Encoder,
    columns: Columns,
}

impl Publisher {
    /// Finds the table's columns, and opens a session that waits until records are on disk. Publishing ends early
    /// once `stop` says so.
    pub fn open(
        context: &Context,
        table: &SchemaRef,
        options: &Options,
        stop: Arc<dyn Fn() -> bool + Send + Sync>,
    ) -> Result<Self, Error> {
        let source = &context.pipeline.events;
        let known = source.schema.columns.iter().map(|column| column.name.as_str());
        columns::check_map(&options.map, &known.collect::<Vec<_>>())?;
        let encoder = context.encoder(&source.topic)?;
        let columns = Columns::find(encoder.schema(), table, &options.map, Some(&source.event_time))?;
        let labels = match &options.label_column {
            None => None,
            Some(column) => Some(Labels::open(context, table, options, column)?),
        };
        let at = |name: &str| encoder.schema().index_of(name).unwrap_or_default();
        let (key, time) = (at(&source.id), at(&source.event_time));
        let session = context.log.session(SessionOptions {
            durable: true,
            ..SessionOptions::publisher(format!("{}.publish", context.pipeline.name))
        })?;
        Ok(Publisher {
            session,
            account: Account::open(context)?,
            events: Stream { key, encoder, columns },
            labels,
            time,
            pace: pace::Clock::new(options.pace),
            due: Vec::new(),
            summary: Summary::default(),
            stop,
        })
    }

    /// Publishes a batch's events, and the labels that became known before each. Returns false once told to stop.
    pub fn push(&mut self, table: &RecordBatch) -> Result<bool, Error> {
        let before = self.summary.events;
        let batch = self.events.columns.convert(table, self.events.encoder.schema(), before)?;
        let rows = self.events.encoder.encode(&batch)?;
        let times = times(batch.column(self.time));
        if let Some(labels) = &mut self.labels {
            labels.hold(table, &batch, &times, before)?;
        }
        let mut key = String::new();
        for (row, time_us) in times.into_iter().enumerate() {
            while let Some(label) = self.labels.as_mut().and_then(|labels| labels.known(time_us)) {
                self.label(label)?;
            }
            if !self.wait(time_us)? {
                return Ok(false);
            }
            key.clear();
            let keyed = key_text(batch.column(self.events.key), row, &mut key);
            let key = keyed.map(|()| Bytes::copy_from_slice(key.as_bytes()));
            self.event(key, row_of(&rows, row), time_us)?;
        }
        Ok(!(self.stop)())
    }

    /// Publishes the labels that are left, waits until everything is acknowledged, and says that nothing more is coming.
    pub fn finish(mut self) -> Result<Summary, Error> {
        while let Some(label) = self.labels.as_mut().and_then(|labels| labels.known(i64::MAX)) {
            self.label(label)?;
        }
        self.session.flush()?;
        self.account.close(&mut *self.session)?;
        self.session.close()?;
        Ok(self.summary)
    }

    /// Leaves the labels that are left unpublished and says nothing, as at an interruption.
    pub fn end(mut self) -> Result<Summary, Error> {
        self.session.flush()?;
        self.session.close()?;
        Ok(self.summary)
    }

    /// Waits until everything is acknowledged, and goes on at another pace, counted from the next event.
    pub fn go_on(&mut self, pace: Pace) -> Result<(), Error> {
        self.session.flush()?;
        self.pace = pace::Clock::new(pace);
        self.due.clear();
        Ok(())
    }

    /// When the events were due that have gone out since the last change of pace, by partition, in the order of their
    /// offsets. There are none at full speed, and of events without a key.
    pub fn take_due(&mut self) -> Vec<Vec<Instant>> {
        std::mem::take(&mut self.due)
    }

    /// What was published so far.
    pub fn summary(&self) -> Summary {
        self.summary
    }

    fn event(&mut self, key: Option<Bytes>, value: Bytes, time_us: i64) -> Result<(), Error> {
        let due = self.pace.due(self.summary.events, time_us);
        self.summary.events += 1;
        self.summary.first_us.get_or_insert(time_us);
        self.summary.last_us = self.summary.last_us.max(Some(time_us));
        let partition = self.send(EVENTS, key, value)?;
        if let Some((partition, due)) = partition.and_then(|partition| usize::try_from(partition).ok()).zip(due) {
            if self.due.len() <= partition {
                self.due.resize_with(partition + 1, Vec::new);
            }
            self.due[partition].push(due);
        }
        Ok(())
    }

    fn label(&mut self, label: Pending) -> Result<(), Error> {
        self.summary.labels += 1;
        self.send(LABELS, label.key, label.value).map(drop)
    }

    /// Publishes a record; says to which partition if its key decides that.
    fn send(&mut self, source: usize, key: Option<Bytes>, value: Bytes) -> Result<Option<i32>, Error> {
        self.summary.bytes += (value.len() + key.as_ref().map_or(0, Bytes::len)) as u64;
        let record = self.account.record(source, key, value);
        let partition = record.partition;
        self.session.publish(record)?;
        Ok(partition)
    }

    /// Waits until an event may go out; false once told to stop.
    fn wait(&mut self, time_us: i64) -> Result<bool, Error> {
        while let Some(wait) = self.pace.wait(self.summary.events, time_us) {
            // Others see what went before while we wait.
            self.session.flush()?;
            if (self.stop)() {
                return Ok(false);
            }
            std::thread::sleep(wait);
        }
        Ok(true)
    }
}

/// One encoded row; a view of the buffer that all share.
fn row_of(rows: &EncodedRows, row: usize) -> Bytes {
    rows.bytes().slice(rows.offsets()[row]..rows.offsets()[row + 1])
}

/// Times in microseconds; whoever converts has made sure that there are no nulls among those that matter.
fn times(column: &ArrayRef) -> Vec<i64> {
    let zone = match column.data_type() {
        DataType::Timestamp(_, zone) => zone.clone(),
        _ => None,
    };
    match cast(column, &DataType::Timestamp(TimeUnit::Microsecond, zone)) {
        Ok(times) => times.as_primitive::<TimestampMicrosecondType>().values().to_vec(),
        Err(_) => vec![0; column.len()],
    }
}
