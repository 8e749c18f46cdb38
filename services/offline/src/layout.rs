//! How every Parquet file of ours is laid out, pinned so that the same rows give the same bytes.

use parquet::basic::{Compression, ZstdLevel};
use parquet::file::properties::{EnabledStatistics, WriterProperties, WriterPropertiesBuilder, WriterVersion};

/// Rows per row group. The reader keeps one row group in memory.
pub(crate) const ROW_GROUP_ROWS_MAX: usize = 131_072;
/// Rows the encoder takes at once. Page cuts depend on it, and so do the file's bytes.
pub(crate) const ENCODE_ROWS: usize = 1_024;
/// Target size of a data page.
const PAGE_BYTES_MAX: usize = 1 << 20;
/// Rows per data page, at most.
const PAGE_ROWS_MAX: usize = 20_000;
/// Size of a dictionary page after which plain encoding takes over.
const DICTIONARY_BYTES_MAX: usize = 1 << 20;
/// The name in the file's footer. Fixed: a library version here would make twin writers of two builds differ in vain.
const CREATED_BY: &str = "tidemill offline 1";

/// The one set of writer properties. Every default that shapes bytes is spelled out.
pub(crate) fn properties() -> WriterPropertiesBuilder {
    WriterProperties::builder()
        .set_writer_version(WriterVersion::PARQUET_1_0)
        .set_created_by(CREATED_BY.to_owned())
        .set_compression(Compression::ZSTD(ZstdLevel::try_new(1).unwrap_or_default()))
        .set_max_row_group_row_count(Some(ROW_GROUP_ROWS_MAX))
        .set_write_batch_size(ENCODE_ROWS)
        .set_data_page_size_limit(PAGE_BYTES_MAX)
        .set_data_page_row_count_limit(PAGE_ROWS_MAX)
        .set_dictionary_page_size_limit(DICTIONARY_BYTES_MAX)
        .set_dictionary_enabled(true)
        .set_statistics_enabled(EnabledStatistics::Chunk)
}
