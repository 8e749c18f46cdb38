//! A part of a topic as a table, and the function `topic` that makes it.

use std::collections::HashMap;
use std::fmt;
use std::ops::Range;
use std::sync::Arc;
use std::thread;

use archiver::RangeRows;
use arrow::array::{ArrayRef, Int32Array, RecordBatch, new_null_array};
use arrow::compute::cast;
use arrow::datatypes::SchemaRef;
use arrow::error::ArrowError;
use datafusion::catalog::streaming::StreamingTable;
use datafusion::catalog::{TableFunctionArgs, TableFunctionImpl, TableProvider};
use datafusion::common::{ScalarValue, plan_err};
use datafusion::error::{DataFusionError, Result as EngineResult};
use datafusion::execution::TaskContext;
use datafusion::logical_expr::Expr;
use datafusion::physical_plan::SendableRecordBatchStream;
use datafusion::physical_plan::stream::RecordBatchReceiverStreamBuilder;
use datafusion::physical_plan::streaming::PartitionStream;
use offline::query::PARTITION;
use runtime::log::{Record, TopicPartition};

use super::bounds::{Bound, Part};
use super::reading;
use super::tables::{Place, columns};
use crate::environment::Environment;
use crate::error::Error;

/// The function's name.
pub const FUNCTION: &str = "topic";
/// Readers of one topic at a time.
const READERS_MAX: usize = 4;
/// Batches of one reader that wait for the query.
const BATCHES_WAITING_MAX: usize = 2;

/// `topic('name', from, to)`.
#[derive(Debug)]
pub struct TopicFunction {
    /// Where topics are.
    pub place: Arc<Place>,
    /// Where parts begin that say nothing of it.
    pub from: Bound,
    /// Before what they end.
    pub to: Bound,
}

impl TableFunctionImpl for TopicFunction {
    fn call_with_args(&self, args: TableFunctionArgs) -> EngineResult<Arc<dyn TableProvider>> {
        let texts = args.exprs().iter().map(text).collect::<Option<Vec<String>>>().unwrap_or_default();
        let bound = |text: &String| text.parse::<Bound>().map_err(DataFusionError::Plan);
        let (name, from, to) = match &texts[..] {
            [name] => (name, self.from, self.to),
            [name, from] => (name, bound(from)?, self.to),
            [name, from, to] => (name, bound(from)?, bound(to)?),
            _ => {
                return plan_err!("{FUNCTION} takes a topic and where to begin and end: {FUNCTION}('NAME', FROM, TO)");
            }
        };
        // Logs and registries block, and the engine is asynchronous.
        let opened = thread::scope(|scope| scope.spawn(|| self.place.topic(name, from, to)).join());
        let opened = opened.unwrap_or_else(|panic| std::panic::resume_unwind(panic));
        opened.map_err(|error| DataFusionError::External(error.into()))
    }
}

/// An argument as text; a number is one, too.
fn text(argument: &Expr) -> Option<String> {
    match argument {
        Expr::Literal(value, _) => match value {
            ScalarValue::Utf8(text) | ScalarValue::LargeUtf8(text) | ScalarValue::Utf8View(text) => text.clone(),
            ScalarValue::Int64(number) => number.map(|number| number.to_string()),
            _ => None,
        },
        _ => None,
    }
}

/// The table of a part of a topic. Its columns are those of the archive.
pub fn table(environment: Environment, part: Part) -> Result<Arc<dyn TableProvider>, Error> {
    let schema = columns(&environment.context, &part.topic)?;
    // A gateway shows all partitions in one stream.
    let readers = if environment.remote.is_some() { 1 } else { READERS_MAX };
    let each = part.offsets.len().div_ceil(readers).max(1);
    let streams = part.offsets.chunks(each).map(|offsets| -> Arc<dyn PartitionStream> {
        let part = Part { offsets: offsets.to_vec(), ..part.clone() };
        Arc::new(Records { environment: environment.clone(), part, schema: schema.clone() })
    });
    let table = StreamingTable::try_new(schema.clone(), streams.collect());
    Ok(Arc::new(table.map_err(|error| Error::Failed(error.to_string()))?))
}

/// Records of some partitions, read each time that the query asks for them.
struct Records {
    environment: Environment,
    part: Part,
    schema: SchemaRef,
}

impl fmt::Debug for Records {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Records").field(&self.part).finish()
    }
}

impl PartitionStream for Records {
    fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    fn execute(&self, _: Arc<TaskContext>) -> SendableRecordBatchStream {
        let mut stream = RecordBatchReceiverStreamBuilder::new(self.schema.clone(), BATCHES_WAITING_MAX);
        let batches = stream.tx();
        let (environment, part, schema) = (self.environment.clone(), self.part.clone(), self.schema.clone());
        stream.spawn_blocking(move || {
            let mut rows: HashMap<TopicPartition, RangeRows> = HashMap::new();
            let first =
                |tp: &TopicPartition| part.offsets.iter().find(|(of, _)| of == tp).map_or(0, |(_, at)| at.start);
            let mut take = |tp: &TopicPartition, records: &[Record]| -> Result<(), Error> {
                if !rows.contains_key(tp) {
                    rows.insert(tp.clone(), RangeRows::open(&environment.context, tp, first(tp))?);
                }
                let made = rows.get_mut(tp).map(|rows| rows.take(records)).transpose()?;
                for batch in made.into_iter().flatten() {
                    let batch = conformed(&batch, tp.partition, &schema)?;
                    // Whoever asked has enough.
                    batches.blocking_send(Ok(batch)).map_err(|_| Error::Closed)?;
                }
                Ok(())
            };
            match read(&environment, &part, &mut take) {
                Ok(()) | Err(Error::Closed) => Ok(()),
                Err(error) => Err(DataFusionError::External(error.into())),
            }
        });
        stream.build()
    }
}

fn read(environment: &Environment, part: &Part, take: &mut reading::Take) -> Result<(), Error> {
    if let Some(remote) = &environment.remote {
        return reading::read_beside(remote, part, take);
    }
    let mut each = part.offsets.iter();
    each.try_for_each(|(tp, offsets): &(TopicPartition, Range<i64>)| reading::read(environment, tp, offsets, take))
}

/// Rows under the columns that the query knows: a schema may have got a version meanwhile.
fn conformed(rows: &RecordBatch, partition: i32, schema: &SchemaRef) -> Result<RecordBatch, Error> {
    let count = rows.num_rows();
    let columns = schema.fields().iter().map(|field| -> Result<ArrayRef, ArrowError> {
        match rows.column_by_name(field.name()) {
            _ if field.name() == PARTITION => Ok(Arc::new(Int32Array::from_value(partition, count))),
            Some(column) if column.data_type() == field.data_type() => Ok(column.clone()),
            Some(column) => cast(column, field.data_type()),
            None => Ok(new_null_array(field.data_type(), count)),
        }
    });
    let columns = columns.collect::<Result<Vec<_>, _>>();
    let conformed = columns.and_then(|columns| RecordBatch::try_new(schema.clone(), columns));
    conformed.map_err(|error| Error::Failed(format!("the topic's schema changed while it was read: {error}")))
}
