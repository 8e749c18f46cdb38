//! Compaction: many small files of a partition become few larger ones, as its next generation.
//!
//! Merged files are written first, each under a name that nobody else uses, read back, and compared with what went in.
//! Then one creation commits them: the next generation's. A process that dies before has changed nothing for readers,
//! one that dies after has done all of it. Of several at once one commits, and the others take back what they wrote.
//!
//! Rows keep their order and bits, and a merged file names the files it stands for with their digests, so a dataset has
//! the same digest before and after.

use std::hash::{BuildHasher, Hasher, RandomState};
use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use bytes::Bytes;
use parquet::errors::ParquetError;
use registry::canonical::sha256_hex;
use tracing::info;

use super::content::{Content, Sum};
use super::footer::{self, Look, Origin};
use super::generation::{self, FORMAT, Generation, Held};
use super::reader::rows_of;
use super::runs::{CompactOptions, runs};
use super::{Archive, Error, FileInfo, Result, check_tiled};
use crate::encode::Encoder;

/// Digits of its digest in a merged file's name.
const NAME_DIGITS: usize = 32;

/// What has just been done, for progress, and for tests that let a process die there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// A merged file is written; nobody reads it.
    Written,
    /// It was read back and holds what went in.
    Checked,
    /// The new generation is in force.
    Committed,
    /// A file that no reader needs was deleted.
    Deleted,
}

/// Told of every step; an error ends the work there and then, as a death would.
pub type Watch<'w> = &'w mut dyn FnMut(Step) -> Result<()>;

/// What became of one partition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Compaction {
    /// There are too few small files next to each other.
    Unneeded,
    /// A new generation is in force.
    Done(Merged),
    /// Somebody else made the next generation meanwhile; what this one wrote is deleted.
    Lost,
}

/// What a compaction merged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Merged {
    /// The generation's number.
    pub generation: u64,
    /// Files that were merged.
    pub files: usize,
    /// Their bytes.
    pub bytes: u64,
    /// Their rows, all of which are in the merged files.
    pub rows: u64,
    /// Files that they were merged into.
    pub merged_files: usize,
    /// The bytes of these.
    pub merged_bytes: u64,
}

impl Archive {
    /// Merges small neighbouring files of a partition, and makes readers see the merged ones in their place. The old
    /// files stay until [`Archive::sweep`]. `now_ms` is noted as the time from which nobody begins to read them.
    pub fn compact(
        &self,
        topic: &str,
        partition: i32,
        options: &CompactOptions,
        now_ms: i64,
        watch: Watch<'_>,
    ) -> Result<Compaction> {
        let (newest, looks) = self.look(topic, partition)?;
        let runs = runs(&looks, options);
        let Some(merged_to) = runs.last().map(|run| run.end) else { return Ok(Compaction::Unneeded) };
        let number = newest.as_ref().map_or(0, |newest| newest.number) + 1;
        let attempt = attempt_name();
        let folder = generation::folder(topic, partition, number, &attempt);
        // What lies behind the last merge and belongs to no generation may stay as it is.
        let covered = newest.as_ref().map_or(0, |newest| newest.files.len()).max(merged_to);
        let mut files: Vec<Held> = Vec::new();
        let mut done = Merged { generation: number, files: 0, bytes: 0, rows: 0, merged_files: 0, merged_bytes: 0 };
        let mut at = 0;
        for run in runs {
            files.extend(looks[at..run.start].iter().map(held));
            let merged = self.merge(&looks[run.clone()], &folder, watch)?;
            done.files += run.len();
            done.bytes += looks[run.clone()].iter().map(|look| look.bytes).sum::<u64>();
            done.rows += merged.info.rows;
            done.merged_files += 1;
            done.merged_bytes += merged.bytes;
            files.push(held(&merged));
            at = run.end;
        }
        files.extend(looks[at..covered].iter().map(held));
        check_same(topic, partition, &looks[..covered], &files)?;
        let written: Vec<String> =
            files.iter().filter(|held| held.key.starts_with(&folder)).map(|held| held.key.clone()).collect();
        let next = Generation { format: FORMAT, number, made_ms: now_ms, attempt, files };
        if !next.commit(&self.store, topic, partition)? {
            info!(topic, partition, generation = number, "another compaction was first");
            // The number is decided and not ours, so nobody will ever read these.
            written.iter().try_for_each(|key| self.store.delete(key))?;
            return Ok(Compaction::Lost);
        }
        watch(Step::Committed)?;
        info!(
            topic,
            partition,
            generation = number,
            files = done.files,
            merged = done.merged_files,
            "archive compacted"
        );
        Ok(Compaction::Done(done))
    }

    /// The newest generation of a partition, and its files with those behind it.
    fn look(&self, topic: &str, partition: i32) -> Result<(Option<Generation>, Vec<Look>)> {
        let (newest, keys) = self.layout(topic, partition)?;
        let look = |(key, start): (String, i64)| footer::look(&self.store, &key, topic, partition, start);
        let looks: Vec<Look> = keys.into_iter().map(look).collect::<Result<_>>()?;
        check_tiled(looks.iter().map(|look| &look.info))?;
        Ok((newest, looks))
    }

    /// Writes neighbouring files as one, and makes sure that it holds the same.
    fn merge(&self, sources: &[Look], folder: &str, watch: Watch<'_>) -> Result<Look> {
        let (first, last) = (&sources[0], &sources[sources.len() - 1]);
        let refused = |detail: String| Error::Merge {
            topic: first.info.topic.clone(),
            partition: first.info.partition,
            start: first.info.start,
            end: last.info.end,
            detail,
        };
        let columns: SchemaRef = Arc::new(first.columns.clone());
        let unencoded = |e: ParquetError| refused(format!("their rows cannot be encoded: {e}"));
        let mut encoder = Encoder::new(Vec::new(), columns.clone()).map_err(unencoded)?;
        let (mut content, mut origins) = (Content::default(), Vec::new());
        for source in sources {
            let bytes = self.store.get(&source.info.key)?;
            origins.extend(origins_of(&source.info, &bytes)?);
            for rows in rows_of(&source.info.key, bytes)? {
                let rows = plain(&rows?, &columns).map_err(refused)?;
                content.take(&rows).map_err(refused)?;
                encoder.write(&rows).map_err(unencoded)?;
            }
        }
        let before = content.sum();
        let mut info = FileInfo {
            key: String::new(),
            end: last.info.end,
            rows: before.rows,
            numbers: last.info.numbers.clone(),
            origins,
            ..first.info.clone()
        };
        let bytes = encoder.finish(info.notes()).map_err(unencoded)?;
        info.key = format!("{folder}/{:020}-{}.parquet", info.start, &sha256_hex(&bytes)[..NAME_DIGITS]);
        self.store.put_create(&info.key, &bytes)?;
        drop(bytes);
        watch(Step::Written)?;
        let merged = self.read_back(&info, &columns, &before)?;
        watch(Step::Checked)?;
        Ok(merged)
    }

    /// A merged file as the store has it, if it holds what went in.
    fn read_back(&self, info: &FileInfo, columns: &SchemaRef, before: &Sum) -> Result<Look> {
        let refused = |detail: String| Error::Merge {
            topic: info.topic.clone(),
            partition: info.partition,
            start: info.start,
            end: info.end,
            detail,
        };
        let look = footer::look(&self.store, &info.key, &info.topic, info.partition, info.start)?;
        let bytes = self.store.get(&info.key)?;
        origins_of(info, &bytes)?;
        let mut content = Content::default();
        for rows in rows_of(&info.key, bytes)? {
            content.take(&plain(&rows?, columns).map_err(refused)?).map_err(refused)?;
        }
        let after = content.sum();
        match look.info == *info && look.columns == **columns && after == *before {
            true => Ok(look),
            false => Err(refused(format!(
                "{} rows went in and {} came out, or others; report this with the files",
                before.rows, after.rows
            ))),
        }
    }
}

/// The archiver's files that a file stands for, with their digests: itself, or those that it was merged from. The bytes of
/// a merged file are checked against its name, as those digests say nothing of them.
pub(super) fn origins_of(file: &FileInfo, bytes: &Bytes) -> Result<Vec<Origin>> {
    let sha256 = sha256_hex(bytes);
    if file.origins.is_empty() {
        return Ok(vec![Origin { start: file.start, end: file.end, sha256 }]);
    }
    let named = file.key.rsplit(['-', '/']).next().and_then(|name| name.strip_suffix(".parquet"));
    match named == Some(&sha256[..NAME_DIGITS]) {
        true => Ok(file.origins.clone()),
        false => {
            let detail = "its bytes are not those that its name promises".to_owned();
            Err(crate::table::Error::Damaged { path: file.key.clone().into(), detail }.into())
        }
    }
}

fn held(look: &Look) -> Held {
    Held { key: look.info.key.clone(), start: look.info.start, end: look.info.end, rows: look.info.rows }
}

/// Refuses a generation whose files do not cover what the files before it cover, row for row.
fn check_same(topic: &str, partition: i32, before: &[Look], after: &[Held]) -> Result<()> {
    let range = |start: Option<i64>, end: Option<i64>| start.unwrap_or(0)..end.unwrap_or(0);
    let had = range(before.first().map(|look| look.info.start), before.last().map(|look| look.info.end));
    let has = range(after.first().map(|held| held.start), after.last().map(|held| held.end));
    let tiled = after.windows(2).all(|pair| pair[0].end == pair[1].start);
    let rows_before: u64 = before.iter().map(|look| look.info.rows).sum();
    let rows_after: u64 = after.iter().map(|held| held.rows).sum();
    if had == has && tiled && rows_before == rows_after {
        return Ok(());
    }
    Err(Error::Merge {
        topic: topic.to_owned(),
        partition,
        start: had.start,
        end: had.end,
        detail: format!(
            "there were {rows_before} rows, and there would be {rows_after} from {} to {}",
            has.start, has.end
        ),
    })
}

/// The rows without the notes of the file that they came from.
fn plain(rows: &RecordBatch, columns: &SchemaRef) -> Result<RecordBatch, String> {
    RecordBatch::try_new(columns.clone(), rows.columns().to_vec()).map_err(|e| e.to_string())
}

/// Random in the process: the standard library seeds each hasher state anew from the system.
fn attempt_name() -> String {
    format!("{:016x}", RandomState::new().build_hasher().finish())
}
