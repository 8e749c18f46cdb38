//! Batches in, one Parquet file out: the same rows give the same bytes however they were batched.

use std::io::Write;

use arrow::array::RecordBatch;
use arrow::compute::concat_batches;
use arrow::datatypes::SchemaRef;
use parquet::arrow::ArrowWriter;
use parquet::errors::Result;
use parquet::file::metadata::KeyValue;

use crate::layout::{self, ENCODE_ROWS};

/// A Parquet writer that hides batch boundaries.
///
/// The encoder looks for page and dictionary limits at the end of each batch it is given, so batches of another size
/// would cut pages elsewhere. Rows are therefore gathered and handed on in steps of [`ENCODE_ROWS`].
pub(crate) struct Encoder<W: Write + Send> {
    writer: ArrowWriter<W>,
    schema: SchemaRef,
    gathered: Vec<RecordBatch>,
    gathered_rows: usize,
}

impl<W: Write + Send> Encoder<W> {
    pub(crate) fn new(sink: W, schema: SchemaRef) -> Result<Self> {
        let properties = layout::properties(&schema)?;
        Ok(Self {
            writer: ArrowWriter::try_new(sink, schema.clone(), Some(properties))?,
            schema,
            gathered: Vec::new(),
            gathered_rows: 0,
        })
    }

    pub(crate) fn write(&mut self, batch: &RecordBatch) -> Result<()> {
        let mut at = 0;
        while at < batch.num_rows() {
            let rows = (ENCODE_ROWS - self.gathered_rows).min(batch.num_rows() - at);
            self.gathered.push(batch.slice(at, rows));
            self.gathered_rows += rows;
            at += rows;
            if self.gathered_rows == ENCODE_ROWS {
                self.hand_on()?;
            }
        }
        Ok(())
    }

    /// Completes the file. `notes` go into its footer, in this order.
    pub(crate) fn finish(mut self, notes: Vec<(String, String)>) -> Result<W> {
        self.hand_on()?;
        for (key, value) in notes {
            self.writer.append_key_value_metadata(KeyValue::new(key, value));
        }
        self.writer.into_inner()
    }

    fn hand_on(&mut self) -> Result<()> {
        let step = match self.gathered.as_slice() {
            [] => return Ok(()),
            [single] => single.clone(),
            several => concat_batches(&self.schema, several)?,
        };
        self.gathered.clear();
        self.gathered_rows = 0;
        self.writer.write(&step)
    }
}
