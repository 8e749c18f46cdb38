//! The bytes of archived files for the query engine, out of the store.

use std::ops::Range;
use std::sync::Arc;

use bytes::Bytes;
use datafusion::common::exec_datafusion_err;
use datafusion::common::runtime::SpawnedTask;
use datafusion::datasource::listing::PartitionedFile;
use datafusion::datasource::physical_plan::{ParquetFileMetrics, ParquetFileReaderFactory};
use datafusion::error::Result;
use datafusion::parquet::arrow::async_reader::AsyncFileReader;
use datafusion::physical_plan::metrics::ExecutionPlanMetricsSet;
use futures::FutureExt;
use futures::future::{BoxFuture, ready};
use parquet::arrow::arrow_reader::ArrowReaderOptions;
use parquet::errors::{ParquetError, Result as ParquetResult};
use parquet::file::metadata::ParquetMetaData;
use registry::store::Store;

use crate::archive::Opened;

/// Makes readers of files whose footers are known already.
#[derive(Debug)]
pub(super) struct StoreFiles {
    pub(super) store: Store,
}

impl ParquetFileReaderFactory for StoreFiles {
    fn create_reader(
        &self,
        partition_index: usize,
        file: PartitionedFile,
        _metadata_size_hint: Option<usize>,
        metrics: &ExecutionPlanMetricsSet,
    ) -> Result<Box<dyn AsyncFileReader + Send>> {
        let opened = file.extension::<Arc<Opened>>().cloned();
        let opened = opened.ok_or_else(|| exec_datafusion_err!("{} is no file of the archive", file.path()))?;
        let metrics = ParquetFileMetrics::new(partition_index, file.path().as_ref(), metrics);
        Ok(Box::new(StoreFile { store: self.store.clone(), opened, metrics }))
    }
}

/// One file.
struct StoreFile {
    store: Store,
    opened: Arc<Opened>,
    metrics: ParquetFileMetrics,
}

impl AsyncFileReader for StoreFile {
    fn get_bytes(&mut self, range: Range<u64>) -> BoxFuture<'_, ParquetResult<Bytes>> {
        self.metrics.bytes_scanned.add(usize::try_from(range.end - range.start).unwrap_or(usize::MAX));
        let (store, key) = (self.store.clone(), self.opened.info.key.clone());
        // The store blocks.
        let reading = SpawnedTask::spawn_blocking(move || store.get_range(&key, range));
        let failed = |error: Box<dyn std::error::Error + Send + Sync>| ParquetError::External(error);
        reading
            .map(move |read| match read {
                Ok(Ok(bytes)) => Ok(bytes),
                Ok(Err(error)) => Err(failed(error.into())),
                Err(error) => Err(failed(error.into())),
            })
            .boxed()
    }

    fn get_metadata<'a>(
        &'a mut self,
        _options: Option<&'a ArrowReaderOptions>,
    ) -> BoxFuture<'a, ParquetResult<Arc<ParquetMetaData>>> {
        ready(Ok(self.opened.metadata.clone())).boxed()
    }
}
