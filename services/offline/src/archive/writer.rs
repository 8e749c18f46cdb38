//! Writes one partition's archive.

use arrow::array::RecordBatch;
use parquet::errors::ParquetError;
use registry::store::{self, Store};
use tracing::{debug, info};

use super::bounds::{first_start, last_file};
use super::generation::{self, Generation};
use super::rows::{check_order, check_shape};
use super::{Error, FileInfo, Result, file_key, footer};
use crate::encode::Encoder;

/// Rows after which a file ends.
pub const FILE_ROWS_MAX: u64 = 131_072;
/// Bytes of Kafka records after which a file ends.
pub const FILE_INPUT_BYTES_MAX: u64 = 64 << 20;
/// A file ends where a bucket of this many offsets ends, so files and the ledger's buckets fall together.
pub const BUCKET_OFFSETS: i64 = registry::decisions::BUCKET_OFFSETS;
/// Times a refused creation that left nothing to read is tried again. Some stores answer a race like that.
const RACE_ATTEMPTS_MAX: usize = 8;

/// Which schema records were written with. Records of another one go into another file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SchemaNote {
    /// Id in the registry, where there is one.
    pub id: Option<u32>,
    /// Digest of the schema's text.
    pub digest: String,
}

/// One Kafka record's rows.
///
/// Files are cut only between appends. So that twin writers cut alike, append one record at a time.
#[derive(Debug, Clone, Copy)]
pub struct Record<'a> {
    /// The rows, made by [`super::positioned`]; none if nothing of the record is to be kept.
    pub rows: &'a RecordBatch,
    /// The offset after the record.
    pub next_offset: i64,
    /// The record's size in the log.
    pub input_bytes: u64,
    /// The reader's numbers after the record, as text that only the caller understands.
    pub numbers: &'a str,
    /// The record's schema.
    pub schema: &'a SchemaNote,
}

/// Where to go on reading.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Resume {
    /// The first offset that is not archived.
    pub offset: i64,
    /// The reader's numbers there; `None` if nothing was archived yet.
    pub numbers: Option<String>,
}

/// What became of a call that may have written a file.
#[derive(Debug, Clone, PartialEq, Eq)]
#[must_use]
pub enum Outcome {
    /// All is well; go on with the next record.
    Kept,
    /// Another writer decided otherwise, and everything not archived was dropped. Seek, restore the numbers, go on.
    Lost(Resume),
}

/// The writer of one partition. Dropping it drops what is not archived yet.
pub struct Writer {
    store: Store,
    topic: String,
    partition: i32,
    /// Everything below is in files.
    archived: i64,
    /// The next record must not lie below this.
    position: i64,
    /// The reader's numbers at `position`.
    numbers: Option<String>,
    open: Option<OpenFile>,
}

/// The file being filled.
struct OpenFile {
    encoder: Encoder<Vec<u8>>,
    schema: SchemaNote,
    arrow: arrow::datatypes::SchemaRef,
    rows: u64,
    input_bytes: u64,
}

impl Writer {
    pub(super) fn open(store: Store, topic: &str, partition: i32, log_start: i64) -> Result<Self> {
        let resume = match last_file(&store, topic, partition)? {
            Some(last) => Resume { offset: last.end, numbers: Some(last.numbers) },
            None => Resume { offset: first_start(&store, topic, partition, log_start)?, numbers: None },
        };
        debug!(topic, partition, offset = resume.offset, "archive opened");
        Ok(Self {
            store,
            topic: topic.to_owned(),
            partition,
            archived: resume.offset,
            position: resume.offset,
            numbers: resume.numbers,
            open: None,
        })
    }

    /// Where reading must go on: after what is archived, and what was appended since.
    pub fn resume(&self) -> Resume {
        Resume { offset: self.position, numbers: self.numbers.clone() }
    }

    /// The first offset that is not in a file. Below it, nothing can change any more: commit this.
    pub fn archived(&self) -> i64 {
        self.archived
    }

    /// Rows that are not in a file yet.
    pub fn pending_rows(&self) -> u64 {
        self.open.as_ref().map_or(0, |open| open.rows)
    }

    /// Takes one record, and writes a file if one is full now.
    pub fn append(&mut self, record: Record<'_>) -> Result<Outcome> {
        let arrow = record.rows.schema();
        let same = |open: &OpenFile| open.schema == *record.schema && open.arrow == arrow;
        if !self.open.as_ref().is_some_and(same) {
            check_shape(&arrow).map_err(|detail| self.disorder(detail))?;
            if let Outcome::Lost(resume) = self.flush()? {
                return Ok(Outcome::Lost(resume));
            }
        }
        self.check(&record)?;
        if record.rows.num_rows() > 0 {
            self.fill(&record)?;
        }
        let crossed = self.position.div_euclid(BUCKET_OFFSETS) < record.next_offset.div_euclid(BUCKET_OFFSETS);
        self.position = record.next_offset;
        self.numbers = Some(record.numbers.to_owned());
        let full = |open: &OpenFile| open.rows >= FILE_ROWS_MAX || open.input_bytes >= FILE_INPUT_BYTES_MAX;
        match self.open.as_ref().is_some_and(|open| crossed || full(open)) {
            true => self.flush(),
            false => Ok(Outcome::Kept),
        }
    }

    /// Writes what was appended, however little it is. Does nothing if there are no rows.
    pub fn flush(&mut self) -> Result<Outcome> {
        let Some(open) = self.open.take() else {
            return Ok(Outcome::Kept);
        };
        let info = FileInfo {
            key: file_key(&self.topic, self.partition, self.archived),
            topic: self.topic.clone(),
            partition: self.partition,
            start: self.archived,
            end: self.position,
            rows: open.rows,
            numbers: self.numbers.clone().unwrap_or_default(),
            schema: open.schema,
            origins: Vec::new(),
        };
        let encoded = open.encoder.finish(info.notes());
        let bytes = encoded.map_err(|e| self.disorder(format!("their rows cannot be encoded: {e}")))?;
        self.commit(&info, &bytes)
    }

    /// Creates the file, or accepts the one that is there.
    fn commit(&mut self, mine: &FileInfo, bytes: &[u8]) -> Result<Outcome> {
        for _ in 0..RACE_ATTEMPTS_MAX {
            match self.store.put_create(&mine.key, bytes) {
                Ok(()) => {
                    if let Some(generation) = self.merged_beyond(mine.start)? {
                        return self.withdraw(mine, &generation);
                    }
                    self.archived = mine.end;
                    debug!(key = mine.key, rows = mine.rows, end = mine.end, "archive file written");
                    return Ok(Outcome::Kept);
                }
                Err(store::Error::AlreadyExists { .. }) => {}
                Err(e) => return Err(e.into()),
            }
            match footer::read(&self.store, &mine.key, &self.topic, self.partition, mine.start) {
                Ok(theirs) => return self.yield_to(mine, theirs),
                Err(Error::Store(store::Error::NotFound { .. })) => {}
                Err(e) => return Err(e),
            }
        }
        Err(Error::Foreign {
            key: mine.key.clone(),
            place: self.store.place(),
            detail: "the store says both that it exists and that it does not".to_owned(),
        })
    }

    /// The newest generation, if it covers an offset. Then the file that began there was merged, and deleted after its
    /// grace period: its name is free again, and only a writer that slept all the while finds it so.
    fn merged_beyond(&self, start: i64) -> Result<Option<Generation>> {
        let newest = generation::newest(&self.store, &self.topic, self.partition)?;
        Ok(newest.filter(|generation| generation.end() > start))
    }

    /// Takes back a file that nobody reads, as it begins below the end of a generation, and goes on behind the archive.
    fn withdraw(&mut self, mine: &FileInfo, generation: &Generation) -> Result<Outcome> {
        self.store.delete(&mine.key)?;
        info!(topic = self.topic, partition = self.partition, generation = generation.number, "this range was merged");
        let last = last_file(&self.store, &self.topic, self.partition)?;
        let last = last.ok_or_else(|| self.disorder("its files vanished while it was written".to_owned()))?;
        (self.archived, self.position, self.numbers) = (last.end, last.end, Some(last.numbers));
        Ok(Outcome::Lost(self.resume()))
    }

    /// Takes over what an earlier writer of the same file decided.
    fn yield_to(&mut self, mine: &FileInfo, theirs: FileInfo) -> Result<Outcome> {
        self.archived = theirs.end;
        if theirs.end == mine.end {
            if theirs.rows != mine.rows {
                return Err(Error::Diverged {
                    topic: self.topic.clone(),
                    partition: self.partition,
                    start: mine.start,
                    end: mine.end,
                    mine: mine.rows,
                    theirs: theirs.rows,
                });
            }
            return Ok(Outcome::Kept);
        }
        info!(topic = self.topic, partition = self.partition, end = theirs.end, "another writer archived this range");
        self.position = theirs.end;
        self.numbers = Some(theirs.numbers);
        Ok(Outcome::Lost(self.resume()))
    }

    fn check(&self, record: &Record<'_>) -> Result<()> {
        if record.next_offset <= self.position {
            let detail =
                format!("the record ends at {}, the next one must end after {}", record.next_offset, self.position);
            return Err(self.disorder(detail));
        }
        let before = Some((self.position - 1, i32::MAX));
        let last = check_order(record.rows, before).map_err(|detail| self.disorder(detail))?;
        match last {
            Some((offset, _)) if offset >= record.next_offset => {
                Err(self.disorder(format!("a row has offset {offset}, the record ends at {}", record.next_offset)))
            }
            _ => Ok(()),
        }
    }

    fn fill(&mut self, record: &Record<'_>) -> Result<()> {
        let refused = |e: ParquetError| format!("their rows cannot be encoded: {e}");
        let mut open = match self.open.take() {
            Some(open) => open,
            None => OpenFile::new(record).map_err(|e| self.disorder(refused(e)))?,
        };
        open.encoder.write(record.rows).map_err(|e| self.disorder(refused(e)))?;
        open.rows += record.rows.num_rows() as u64;
        open.input_bytes += record.input_bytes;
        self.open = Some(open);
        Ok(())
    }

    fn disorder(&self, detail: String) -> Error {
        Error::Disorder { topic: self.topic.clone(), partition: self.partition, detail }
    }
}

impl OpenFile {
    fn new(record: &Record<'_>) -> Result<Self, ParquetError> {
        let arrow = record.rows.schema();
        Ok(Self {
            encoder: Encoder::new(Vec::new(), arrow.clone())?,
            schema: record.schema.clone(),
            arrow,
            rows: 0,
            input_bytes: 0,
        })
    }
}
