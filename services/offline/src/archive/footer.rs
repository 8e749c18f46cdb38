//! What a file says of itself: the range it covers, the reader's numbers at its end, the schema of its records, and, if
//! it was merged, which files it stands for.

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow::datatypes::Schema;
use bytes::Bytes;
use parquet::arrow::parquet_to_arrow_schema;
use parquet::errors::ParquetError;
use parquet::file::metadata::{ParquetMetaData, ParquetMetaDataReader};
use registry::store::Store;
use serde::{Deserialize, Serialize};

use super::{Error, Result, SchemaNote};

/// Version of the footer's notes.
const FORMAT: &str = "1";
/// Bytes fetched first; a footer is almost never larger.
const TAIL_BYTES: u64 = 32 << 10;

/// A file of the archive.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileInfo {
    /// Its key in the store.
    pub key: String,
    /// The topic.
    pub topic: String,
    /// The partition.
    pub partition: i32,
    /// First offset covered.
    pub start: i64,
    /// First offset not covered any more.
    pub end: i64,
    /// Rows. Fewer than offsets where the log has holes or repeats, more where records carry several items.
    pub rows: u64,
    /// The reader's numbers after the last record, as its writer gave them.
    pub numbers: String,
    /// The schema of the records.
    pub schema: SchemaNote,
    /// The archiver's files that this one stands for, by offset; none if the archiver wrote it.
    pub origins: Vec<Origin>,
}

/// A file as the archiver wrote it, whose rows are in a merged one now.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Origin {
    /// First offset covered.
    pub start: i64,
    /// First offset not covered any more.
    pub end: i64,
    /// Digest of its bytes.
    pub sha256: String,
}

/// A file, with what merging needs to know besides.
pub(super) struct Look {
    pub(super) info: FileInfo,
    /// Its columns, without the notes of the file.
    pub(super) columns: Schema,
    pub(super) bytes: u64,
}

impl FileInfo {
    /// The notes for the footer, in a fixed order.
    pub(super) fn notes(&self) -> Vec<(String, String)> {
        let mut notes = vec![
            ("format", FORMAT.to_owned()),
            ("topic", self.topic.clone()),
            ("partition", self.partition.to_string()),
            ("start", self.start.to_string()),
            ("end", self.end.to_string()),
            ("rows", self.rows.to_string()),
            ("numbers", self.numbers.clone()),
            ("schema_digest", self.schema.digest.clone()),
        ];
        if let Some(id) = self.schema.id {
            notes.push(("schema_id", id.to_string()));
        }
        if !self.origins.is_empty() {
            // Numbers and texts, which always have a text.
            notes.push(("origins", serde_json::to_string(&self.origins).unwrap_or_default()));
        }
        notes.into_iter().map(|(name, value)| (format!("tidemill.{name}"), value)).collect()
    }

    fn from_metadata(key: &str, metadata: &ParquetMetaData) -> Result<Self, String> {
        let file = metadata.file_metadata();
        let notes: BTreeMap<&str, &str> = file
            .key_value_metadata()
            .into_iter()
            .flatten()
            .filter_map(|note| Some((note.key.strip_prefix("tidemill.")?, note.value.as_deref()?)))
            .collect();
        let text = |name: &str| notes.get(name).copied().ok_or_else(|| format!("its footer has no {name}"));
        match text("format")? {
            FORMAT => {}
            other => return Err(format!("its footer has format {other}, this version reads {FORMAT}")),
        }
        let info = Self {
            key: key.to_owned(),
            topic: text("topic")?.to_owned(),
            partition: number(text("partition")?)?,
            start: number(text("start")?)?,
            end: number(text("end")?)?,
            rows: number(text("rows")?)?,
            numbers: text("numbers")?.to_owned(),
            schema: SchemaNote {
                id: notes.get("schema_id").map(|id| number(id)).transpose()?,
                digest: text("schema_digest")?.to_owned(),
            },
            origins: match notes.get("origins") {
                Some(text) => serde_json::from_str(text).map_err(|e| format!("its origins are not readable: {e}"))?,
                None => Vec::new(),
            },
        };
        if u64::try_from(file.num_rows()) != Ok(info.rows) {
            return Err(format!("its footer promises {} rows, it has {}", info.rows, file.num_rows()));
        }
        Ok(info)
    }
}

fn number<T: std::str::FromStr>(text: &str) -> Result<T, String> {
    text.parse().map_err(|_| format!("its footer has `{text}` where a number belongs"))
}

/// A file whose footer was read.
#[derive(Debug)]
pub(crate) struct Opened {
    pub(crate) info: FileInfo,
    /// Its size.
    pub(crate) bytes: u64,
    /// Where its columns lie, and what values they have.
    pub(crate) metadata: Arc<ParquetMetaData>,
}

/// Reads the footer of the file that starts at an offset, and checks that it is the file it is named as.
pub(super) fn read(store: &Store, key: &str, topic: &str, partition: i32, start: i64) -> Result<FileInfo> {
    Ok(open(store, key, topic, partition, start)?.info)
}

/// As [`read`], with all that the footer says.
pub(super) fn open(store: &Store, key: &str, topic: &str, partition: i32, start: i64) -> Result<Opened> {
    let (metadata, bytes) = metadata(store, key)?;
    let info = parse(store, key, topic, partition, start, &metadata)?;
    Ok(Opened { info, bytes, metadata: Arc::new(metadata) })
}

/// As [`read`], with columns and size.
pub(super) fn look(store: &Store, key: &str, topic: &str, partition: i32, start: i64) -> Result<Look> {
    let (metadata, bytes) = metadata(store, key)?;
    let info = parse(store, key, topic, partition, start, &metadata)?;
    let file = metadata.file_metadata();
    let schema = parquet_to_arrow_schema(file.schema_descr(), file.key_value_metadata());
    let schema = schema.map_err(|e| Error::Foreign {
        key: key.to_owned(),
        place: store.place(),
        detail: format!("its columns are not readable ({e})"),
    })?;
    Ok(Look { info, columns: Schema::new(schema.fields().clone()), bytes })
}

/// As [`read`], of metadata at hand.
pub(super) fn parse(
    store: &Store,
    key: &str,
    topic: &str,
    partition: i32,
    start: i64,
    metadata: &ParquetMetaData,
) -> Result<FileInfo> {
    let foreign = |detail| Error::Foreign { key: key.to_owned(), place: store.place(), detail };
    let info = FileInfo::from_metadata(key, metadata).map_err(foreign)?;
    if (info.topic.as_str(), info.partition, info.start) != (topic, partition, start) {
        let detail = format!("its footer says {} {} {}", info.topic, info.partition, info.start);
        return Err(foreign(detail));
    }
    if info.end <= info.start {
        return Err(foreign(format!("it ends at {}, not after its start", info.end)));
    }
    let tiled = info.origins.windows(2).all(|pair| pair[0].end == pair[1].start);
    let (first, last) = (info.origins.first(), info.origins.last());
    if !tiled || first.is_some_and(|f| f.start != info.start) || last.is_some_and(|l| l.end != info.end) {
        return Err(foreign("the files it stands for do not tile its range".to_owned()));
    }
    Ok(info)
}

/// Fetches only as much of a file as its metadata needs; gives its size, too.
fn metadata(store: &Store, key: &str) -> Result<(ParquetMetaData, u64)> {
    let damaged = |e: ParquetError| Error::Foreign {
        key: key.to_owned(),
        place: store.place(),
        detail: format!("not a complete parquet file ({e})"),
    };
    let size = store.size(key)?;
    let mut wanted = TAIL_BYTES.min(size);
    loop {
        let tail: Bytes = store.get_range(key, size - wanted..size)?;
        let mut reader = ParquetMetaDataReader::new();
        match reader.try_parse_sized(&tail, size) {
            Ok(()) => return Ok((reader.finish().map_err(damaged)?, size)),
            Err(ParquetError::NeedMoreData(more)) if (wanted..size).contains(&(more as u64 - 1)) => {
                wanted = more as u64;
            }
            Err(e) => return Err(damaged(e)),
        }
    }
}
