//! One Parquet file as Arrow batches: read it whole, by columns, or one row group at a time.

#[cfg(test)]
mod tests;

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use parquet::arrow::arrow_reader::{ArrowReaderMetadata, ArrowReaderOptions};
use parquet::errors::ParquetError;

use crate::decode::{self, NoColumn, Selected};
use crate::encode::Encoder;

/// Why a Parquet file could not be read or written.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The path names nothing.
    #[error("no such file: {}; check the path, or write the table first", .path.display())]
    Missing {
        /// The path as given.
        path: PathBuf,
    },
    /// The path names a directory.
    #[error("{} is a directory; name one Parquet file inside it", .path.display())]
    Directory {
        /// The path as given.
        path: PathBuf,
    },
    /// The bytes are not a Parquet file, or only a part of one.
    #[error(
        "{} is not a complete Parquet file ({detail}); convert it to Parquet, or copy it again if a transfer was cut short",
        .path.display()
    )]
    NotParquet {
        /// The path as given.
        path: PathBuf,
        /// What is wrong with the bytes.
        detail: String,
    },
    /// A column was asked for that the file does not have.
    #[error("{} has no column `{column}`; it has {available}", .path.display())]
    NoColumn {
        /// The path as given.
        path: PathBuf,
        /// The missing column.
        column: String,
        /// The columns there are, comma-separated.
        available: String,
    },
    /// The operating system refused.
    #[error("cannot {action} {}: {source}", .path.display())]
    Io {
        /// What was tried.
        action: &'static str,
        /// The path as given.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The file opened but its content is damaged.
    #[error("{} is damaged: {detail}; restore it from a good copy", .path.display())]
    Damaged {
        /// The path as given.
        path: PathBuf,
        /// What the decoder said.
        detail: String,
    },
    /// The batches cannot be written as one table.
    #[error("cannot write {}: {detail}", .path.display())]
    Unwritable {
        /// The path as given.
        path: PathBuf,
        /// Why not.
        detail: String,
    },
}

/// Result of this module.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Reads every row and column of a Parquet file.
///
/// Arrow types come back as they were written; text and binary columns of foreign files come as `Utf8` and `Binary`.
pub fn read(path: &Path) -> Result<Vec<RecordBatch>> {
    Table::open(path)?.batches()
}

/// Reads some columns of a Parquet file, in the order asked for.
pub fn read_columns(path: &Path, columns: &[&str]) -> Result<Vec<RecordBatch>> {
    Table::open(path)?.select(columns)?.batches()
}

/// Writes batches as one Parquet file, replacing what was there only once the new file is complete.
///
/// The same schema and rows give the same bytes, however the rows were cut into batches.
pub fn write(path: &Path, schema: SchemaRef, batches: &[RecordBatch]) -> Result<()> {
    let mut writer = TableWriter::create(path, schema)?;
    batches.iter().try_for_each(|batch| writer.write(batch))?;
    writer.finish()
}

/// Writes a file batch by batch, as [`write`] does. Until it is finished it is not there.
pub struct TableWriter {
    path: PathBuf,
    partial: PathBuf,
    encoder: Option<Encoder<File>>,
}

impl TableWriter {
    /// Begins a file.
    pub fn create(path: &Path, schema: SchemaRef) -> Result<Self> {
        let (path, partial) = (path.to_owned(), partial_name(path));
        let file = File::create(&partial);
        let file = file.map_err(|source| Error::Io { action: "create", path: path.clone(), source })?;
        let mut writer = Self { path, partial, encoder: None };
        writer.encoder = Some(Encoder::new(file, schema).map_err(|error| writer.unwritable(&error))?);
        Ok(writer)
    }

    /// Adds rows.
    pub fn write(&mut self, batch: &RecordBatch) -> Result<()> {
        let written = self.encoder.as_mut().map_or(Ok(()), |encoder| encoder.write(batch));
        written.map_err(|error| self.unwritable(&error))
    }

    /// Completes the file, and puts it in the place of what was there.
    pub fn finish(mut self) -> Result<()> {
        let Some(encoder) = self.encoder.take() else { return Ok(()) };
        let file = encoder.finish(Vec::new()).map_err(|error| self.unwritable(&error))?;
        let failed = |action| {
            let path = self.path.clone();
            move |source| Error::Io { action, path, source }
        };
        file.sync_all().map_err(failed("flush"))?;
        std::fs::rename(&self.partial, &self.path).map_err(failed("replace"))
    }

    fn unwritable(&self, error: &ParquetError) -> Error {
        Error::Unwritable { path: self.path.clone(), detail: error.to_string() }
    }
}

impl Drop for TableWriter {
    /// What was not finished goes; what was has another name by now.
    fn drop(&mut self) {
        // An error that ended the writing is told already, and a leftover is overwritten next time.
        let _ = std::fs::remove_file(&self.partial);
    }
}

fn partial_name(path: &Path) -> PathBuf {
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(format!(".{}.partial", std::process::id()));
    path.with_file_name(name)
}

/// An opened Parquet file: its schema and size are known, no row has been read.
#[derive(Debug, Clone)]
pub struct Table {
    path: PathBuf,
    file: Arc<File>,
    metadata: ArrowReaderMetadata,
    selected: Selected,
}

impl Table {
    /// Opens a file and reads its footer.
    pub fn open(path: &Path) -> Result<Self> {
        let mut file = File::open(path).map_err(|source| match source.kind() {
            io::ErrorKind::NotFound => Error::Missing { path: path.to_owned() },
            _ => Error::Io { action: "open", path: path.to_owned(), source },
        })?;
        check_magic(path, &mut file)?;
        let metadata = ArrowReaderMetadata::load(&file, ArrowReaderOptions::new())
            .map_err(|e| Error::NotParquet { path: path.to_owned(), detail: e.to_string() })?;
        Ok(Self { path: path.to_owned(), file: Arc::new(file), metadata, selected: None })
    }

    /// The same file with only these columns, in this order.
    pub fn select(mut self, columns: &[&str]) -> Result<Self> {
        let missing = |NoColumn { column, available }| Error::NoColumn { path: self.path.clone(), column, available };
        let selected = decode::select(self.metadata.schema(), columns).map_err(missing)?;
        self.selected = Some(selected);
        Ok(self)
    }

    /// The schema of the batches that will be read.
    pub fn schema(&self) -> SchemaRef {
        let schema = self.metadata.schema();
        match &self.selected {
            None => schema.clone(),
            Some(selected) => Arc::new(schema.project(selected).expect("indices were looked up in this schema")),
        }
    }

    /// The number of rows, from the footer.
    pub fn rows(&self) -> u64 {
        self.metadata.metadata().file_metadata().num_rows().try_into().unwrap_or(0)
    }

    /// The number of row groups.
    pub fn row_groups(&self) -> usize {
        self.metadata.metadata().num_row_groups()
    }

    /// Reads everything.
    pub fn batches(&self) -> Result<Vec<RecordBatch>> {
        self.scan().collect()
    }

    /// Reads one row group after another, so that no more than one is in memory.
    pub fn scan(&self) -> impl Iterator<Item = Result<RecordBatch>> + use<'_> {
        (0..self.row_groups()).flat_map(|group| -> Box<dyn Iterator<Item = Result<RecordBatch>>> {
            match self.row_group(group) {
                Ok(batches) => Box::new(batches),
                Err(e) => Box::new(std::iter::once(Err(e))),
            }
        })
    }

    /// Reads the rows of one row group.
    pub fn row_group(&self, group: usize) -> Result<impl Iterator<Item = Result<RecordBatch>> + use<>> {
        let damaged = damaged(&self.path);
        let file =
            self.file.try_clone().map_err(|source| Error::Io { action: "read", path: self.path.clone(), source })?;
        let batches = decode::batches(file, &self.metadata, vec![group], &self.selected);
        let batches = batches.map_err(|e| damaged(e.to_string()))?;
        Ok(batches.map(move |batch| batch.map_err(|e| damaged(e.to_string()))))
    }
}

fn damaged(path: &Path) -> impl Fn(String) -> Error + use<> {
    let path = path.to_owned();
    move |detail| Error::Damaged { path: path.clone(), detail }
}

/// Tells a foreign or cut-off file apart before the decoder does, in words a user can act on.
fn check_magic(path: &Path, file: &mut File) -> Result<()> {
    const MAGIC: &[u8; 4] = b"PAR1";
    const SMALLEST_BYTES: u64 = 12;
    let io_err = |source| Error::Io { action: "read", path: path.to_owned(), source };
    let metadata = file.metadata().map_err(io_err)?;
    if metadata.is_dir() {
        return Err(Error::Directory { path: path.to_owned() });
    }
    let not_parquet = |detail: &str| Error::NotParquet { path: path.to_owned(), detail: detail.to_owned() };
    if metadata.len() < SMALLEST_BYTES {
        return Err(not_parquet(&format!("only {} bytes", metadata.len())));
    }
    let mut head = [0; 4];
    let mut tail = [0; 4];
    file.seek(SeekFrom::Start(0)).map_err(io_err)?;
    file.read_exact(&mut head).map_err(io_err)?;
    file.seek(SeekFrom::End(-4)).map_err(io_err)?;
    file.read_exact(&mut tail).map_err(io_err)?;
    match (&head == MAGIC, &tail == MAGIC) {
        (true, true) => Ok(()),
        (true, false) => Err(not_parquet("it starts like one but its end is missing")),
        (false, _) => Err(not_parquet("its first bytes are not `PAR1`")),
    }
}
