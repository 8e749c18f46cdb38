//! What rows say, whatever files they are in: counted and digested on both sides of a merge.

use arrow::array::RecordBatch;
use arrow::error::ArrowError;
use arrow::row::{RowConverter, SortField};
use sha2::{Digest, Sha256};

use super::rows::{Position, check_order};

/// Rows in their order: how many, their digest to the bit, and the position of the last one.
#[derive(Default)]
pub(super) struct Content {
    hash: Sha256,
    rows: u64,
    last: Option<Position>,
    converter: Option<RowConverter>,
}

/// The sum of a content.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Sum {
    pub(super) rows: u64,
    last: Option<Position>,
    digest: [u8; 32],
}

impl Content {
    /// Adds rows, which must come after those before; all of one content have the same columns.
    pub(super) fn take(&mut self, rows: &RecordBatch) -> Result<(), String> {
        self.last = check_order(rows, self.last)?;
        self.rows += rows.num_rows() as u64;
        self.digest(rows).map_err(|e| e.to_string())
    }

    fn digest(&mut self, rows: &RecordBatch) -> Result<(), ArrowError> {
        let converter = match &mut self.converter {
            Some(converter) => converter,
            None => {
                let schema = rows.schema();
                let fields = schema.fields().iter().map(|field| SortField::new(field.data_type().clone()));
                self.converter.insert(RowConverter::new(fields.collect())?)
            }
        };
        for row in &converter.convert_columns(rows.columns())? {
            let bytes: &[u8] = row.as_ref();
            self.hash.update((bytes.len() as u64).to_le_bytes());
            self.hash.update(bytes);
        }
        Ok(())
    }

    /// The sum of all rows.
    pub(super) fn sum(self) -> Sum {
        Sum { rows: self.rows, last: self.last, digest: self.hash.finalize().into() }
    }
}
