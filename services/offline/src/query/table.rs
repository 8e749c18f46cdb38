//! An archived topic as a table: its files in all versions of their schema, under the newest one.

use std::sync::Arc;

use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use async_trait::async_trait;
use datafusion::catalog::{Session, TableProvider};
use datafusion::common::stats::Precision;
use datafusion::common::{ScalarValue, Statistics};
use datafusion::datasource::listing::PartitionedFile;
use datafusion::datasource::physical_plan::{FileGroup, FileScanConfigBuilder, ParquetSource};
use datafusion::datasource::source::DataSourceExec;
use datafusion::datasource::table_schema::TableSchema;
use datafusion::error::Result as EngineResult;
use datafusion::execution::object_store::ObjectStoreUrl;
use datafusion::logical_expr::{Expr, TableProviderFilterPushDown, TableType};
use datafusion::object_store::{ObjectMeta, path::Path};
use datafusion::physical_plan::ExecutionPlan;
use parquet::arrow::parquet_to_arrow_schema;

use super::PARTITION;
use super::files::StoreFiles;
use crate::archive::{Archive, Error, Opened, Result};

/// The rows of an archived topic.
///
/// Its columns are those of the newest schema that a file has, with what only older ones had behind them; a file without
/// a column has nulls there. The last column is [`PARTITION`].
#[derive(Debug)]
pub struct Archived {
    schema: TableSchema,
    files: Vec<Arc<Opened>>,
    reader: Arc<StoreFiles>,
}

impl Archived {
    /// The table of what is archived of a topic now, if anything is.
    pub fn open(archive: &Archive, topic: &str) -> Result<Option<Self>> {
        let mut files = Vec::new();
        for partition in archive.partitions(topic)? {
            files.extend(archive.opened(topic, partition)?.into_iter().map(Arc::new));
        }
        if files.is_empty() {
            return Ok(None);
        }
        let partition = Arc::new(Field::new(PARTITION, DataType::Int32, false));
        let schema = TableSchema::builder(merged(&files, archive)?).with_table_partition_cols(vec![partition]).build();
        Ok(Some(Self { schema, files, reader: Arc::new(StoreFiles { store: archive.store().clone() }) }))
    }

    /// Its rows.
    pub fn rows(&self) -> u64 {
        self.files.iter().map(|file| file.info.rows).sum()
    }

    /// Its files.
    pub fn files(&self) -> usize {
        self.files.len()
    }

    /// A file as the engine sees it. What its footer says of its values is not repeated here.
    fn file(&self, opened: &Arc<Opened>) -> EngineResult<PartitionedFile> {
        let info = &opened.info;
        let location = Path::parse(&info.key)?;
        // The store says no more of a file, and nothing here asks.
        let last_modified = Default::default();
        let meta = ObjectMeta { location, last_modified, size: opened.bytes, e_tag: None, version: None };
        let statistics = Statistics { num_rows: rows(info.rows), ..Statistics::new_unknown(self.schema.file_schema()) };
        Ok(PartitionedFile::new_from_meta(meta)
            .with_partition_values(vec![ScalarValue::Int32(Some(info.partition))])
            .with_statistics(Arc::new(statistics))
            .with_extension(opened.clone()))
    }
}

fn rows(count: u64) -> Precision<usize> {
    usize::try_from(count).map_or(Precision::Absent, Precision::Exact)
}

/// One schema for files of several.
fn merged(files: &[Arc<Opened>], archive: &Archive) -> Result<SchemaRef> {
    let mut newest_first: Vec<&Arc<Opened>> = files.iter().collect();
    newest_first.sort_by_key(|file| std::cmp::Reverse(file.info.schema.id));
    let mut fields: Vec<Field> = Vec::new();
    for (at, file) in newest_first.iter().enumerate() {
        let same = |other: &&Arc<Opened>| other.info.schema == file.info.schema;
        if newest_first[..at].last().is_some_and(same) {
            continue;
        }
        let schema = columns(file, archive)?;
        let absent = |field: &Field| schema.field_with_name(field.name()).map_or(true, Field::is_nullable);
        fields.iter_mut().filter(|field| absent(field)).for_each(|field| field.set_nullable(true));
        for field in schema.fields() {
            if fields.iter().all(|known| known.name() != field.name()) {
                fields.push(field.as_ref().clone().with_nullable(at > 0 || field.is_nullable()));
            }
        }
    }
    Ok(Arc::new(Schema::new(fields)))
}

fn columns(file: &Opened, archive: &Archive) -> Result<Schema> {
    let metadata = file.metadata.file_metadata();
    parquet_to_arrow_schema(metadata.schema_descr(), metadata.key_value_metadata()).map_err(|error| Error::Foreign {
        key: file.info.key.clone(),
        place: archive.store().place(),
        detail: error.to_string(),
    })
}

#[async_trait]
impl TableProvider for Archived {
    fn schema(&self) -> SchemaRef {
        self.schema.table_schema().clone()
    }

    fn table_type(&self) -> TableType {
        TableType::Base
    }

    fn supports_filters_pushdown(&self, filters: &[&Expr]) -> EngineResult<Vec<TableProviderFilterPushDown>> {
        // Row groups are left out by what footers say of them; what is read is filtered again.
        Ok(vec![TableProviderFilterPushDown::Inexact; filters.len()])
    }

    async fn scan(
        &self,
        state: &dyn Session,
        projection: Option<&Vec<usize>>,
        _filters: &[Expr],
        limit: Option<usize>,
    ) -> EngineResult<Arc<dyn ExecutionPlan>> {
        let files = self.files.iter().map(|file| self.file(file)).collect::<EngineResult<Vec<_>>>()?;
        let groups = FileGroup::new(files).split_files(state.config().target_partitions());
        let source = ParquetSource::new(self.schema.clone()).with_parquet_file_reader_factory(self.reader.clone());
        let statistics = Statistics { num_rows: rows(self.rows()), ..Statistics::new_unknown(&self.schema()) };
        // The engine looks a store up by this address and then asks our reader for everything.
        let config = FileScanConfigBuilder::new(ObjectStoreUrl::local_filesystem(), Arc::new(source))
            .with_file_groups(groups)
            .with_statistics(statistics)
            .with_projection_indices(projection.cloned())?
            .with_limit(limit)
            .build();
        Ok(DataSourceExec::from_data_source(config))
    }
}
