//! The datasets of a store as a table, a row each.

use std::sync::Arc;

use arrow::array::{ArrayRef, Int64Array, RecordBatch, StringArray, TimestampMicrosecondArray};
use datafusion::catalog::{MemTable, TableProvider};
use offline::dataset::{self, Manifest};
use registry::store::Store;

use crate::error::Error;

/// The table of the datasets that were built and kept.
pub fn table(store: &Store) -> Result<Arc<dyn TableProvider>, Error> {
    let failed = |error: offline::dataset::Error| Error::from(trainer::Error::Dataset(error));
    let mut found: Vec<(String, Manifest)> = Vec::new();
    for digest in dataset::saved(store).map_err(failed)? {
        if let Some(manifest) = dataset::find(store, &digest).map_err(failed)? {
            found.push((digest, manifest));
        }
    }
    let rows = rows(&found).map_err(|error| Error::Failed(format!("datasets cannot be shown: {error}")))?;
    let table = MemTable::try_new(rows.schema(), vec![vec![rows]]);
    Ok(Arc::new(table.map_err(|error| Error::Failed(error.to_string()))?))
}

fn rows(found: &[(String, Manifest)]) -> Result<RecordBatch, arrow::error::ArrowError> {
    let texts = |of: fn(&(String, Manifest)) -> &str| -> ArrayRef {
        Arc::new(StringArray::from_iter_values(found.iter().map(of)))
    };
    let counts = |of: fn(&Manifest) -> u64| -> ArrayRef {
        Arc::new(Int64Array::from_iter_values(found.iter().map(|(_, one)| of(one).cast_signed())))
    };
    let times = |of: fn(&Manifest) -> Option<i64>| -> ArrayRef {
        let times = TimestampMicrosecondArray::from_iter(found.iter().map(|(_, one)| of(one)));
        Arc::new(times.with_timezone("UTC"))
    };
    RecordBatch::try_from_iter_with_nullable([
        ("digest", texts(|(digest, _)| digest), false),
        ("feature_set", texts(|(_, one)| &one.recipe.feature_set), false),
        ("rows", counts(|one| one.rows), false),
        ("positives", counts(|one| one.positives), false),
        ("unlabelled", counts(|one| one.unlabelled), false),
        ("repeated", counts(|one| one.repeated), false),
        ("first_event", times(|one| one.first_us), true),
        ("last_event", times(|one| one.last_us), true),
        ("cutoff", times(|one| Some(one.recipe.cutoff_us)), true),
    ])
}
