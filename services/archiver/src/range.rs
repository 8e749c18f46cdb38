//! Records as the rows that the archive has of them, without an archive: for queries over a part of a topic.

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use runtime::context::Context;
use runtime::log::{Record, TopicPartition};

use crate::Error;
use crate::cuts::Cuts;
use crate::partition::Rows;

/// Makes rows of the records of one partition from an offset on.
///
/// Items of an internal log that were written twice are there once, unless only the second is in the part that is read.
pub struct RangeRows {
    rows: Rows,
    cuts: Cuts,
}

impl RangeRows {
    /// Rows of records from `offset` on, by the newest schema that the topic has now.
    pub fn open(context: &Context, tp: &TopicPartition, offset: i64) -> Result<Self, Error> {
        let mut rows = Rows::of(context, tp)?;
        rows.restore(offset, None)?;
        Ok(RangeRows { rows, cuts: Cuts::at(offset) })
    }

    /// The columns that rows have. A version of the schema that is registered later may bring others.
    pub fn schema(&mut self) -> Result<SchemaRef, Error> {
        match &mut self.rows {
            Rows::Items(rows, _) => Ok(rows.make(&[], &mut self.cuts)?.0.schema()),
            Rows::Values(rows) => rows.schema(),
        }
    }

    /// Takes records in offset order.
    pub fn take(&mut self, records: &[Record]) -> Result<Vec<RecordBatch>, Error> {
        match &mut self.rows {
            Rows::Items(rows, _) => Ok(vec![rows.make(records, &mut self.cuts)?.0]),
            Rows::Values(rows) => Ok(rows.make(records, &mut self.cuts)?.into_iter().map(|made| made.rows).collect()),
        }
    }
}
