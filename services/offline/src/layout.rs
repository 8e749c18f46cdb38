//! How every Parquet file of ours is laid out, pinned so that the same rows give the same bytes.

use arrow::datatypes::Schema;
use parquet::arrow::ArrowSchemaConverter;
use parquet::basic::{Compression, Encoding, Type, ZstdLevel};
use parquet::errors::Result;
use parquet::file::properties::{EnabledStatistics, WriterProperties, WriterVersion};

/// Rows per row group. The reader keeps one row group in memory.
pub(crate) const ROW_GROUP_ROWS_MAX: usize = 131_072;
/// Rows the encoder takes at once. Page cuts depend on it, and so do the file's bytes.
pub(crate) const ENCODE_ROWS: usize = 1_024;
/// Target size of a data page.
const PAGE_BYTES_MAX: usize = 1 << 20;
/// Rows per data page, at most.
const PAGE_ROWS_MAX: usize = 20_000;
/// Size of a column's dictionary after which its values are written as they are. Names and categories stay below it;
/// looking up more distinct values costs more than it saves once they are compressed.
const DICTIONARY_BYTES_MAX: usize = 64 << 10;
/// The name in the file's footer. Fixed: a library version here would make twin writers of two builds differ in vain.
const CREATED_BY: &str = "tidemill offline 1";

/// The one set of writer properties. Every default that shapes bytes is spelled out.
///
/// Only texts and bytes have dictionaries. Whole numbers (offsets, times, counts) are written as differences, which are
/// small where they rise; numbers with fractions as they are.
pub(crate) fn properties(schema: &Schema) -> Result<WriterProperties> {
    let mut properties = WriterProperties::builder()
        .set_writer_version(WriterVersion::PARQUET_1_0)
        .set_created_by(CREATED_BY.to_owned())
        .set_compression(Compression::ZSTD(ZstdLevel::try_new(1)?))
        .set_max_row_group_row_count(Some(ROW_GROUP_ROWS_MAX))
        .set_write_batch_size(ENCODE_ROWS)
        .set_data_page_size_limit(PAGE_BYTES_MAX)
        .set_data_page_row_count_limit(PAGE_ROWS_MAX)
        .set_dictionary_page_size_limit(DICTIONARY_BYTES_MAX)
        .set_dictionary_enabled(true)
        .set_statistics_enabled(EnabledStatistics::Chunk);
    for column in ArrowSchemaConverter::new().convert(schema)?.columns() {
        let path = column.path();
        properties = match column.physical_type() {
            Type::INT32 | Type::INT64 => properties
                .set_column_dictionary_enabled(path.clone(), false)
                .set_column_encoding(path.clone(), Encoding::DELTA_BINARY_PACKED),
            Type::FLOAT | Type::DOUBLE => properties.set_column_dictionary_enabled(path.clone(), false),
            _ => properties,
        };
    }
    Ok(properties.build())
}
