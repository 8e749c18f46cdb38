//! Tables in files: Parquet, CSV, JSON lines; text also compressed by Zstandard.

use std::fs::File;
use std::io::{BufRead, BufReader, Read};
use std::path::Path;
use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use offline::table::Table;

use super::Error;
use super::nested::{self, Added};

/// Rows per batch of text files.
const BATCH_ROWS: usize = 4_096;
/// Endings of files with a JSON object per line.
const LINES: [&str; 3] = ["json", "jsonl", "ndjson"];

type Batches = Box<dyn Iterator<Item = Result<RecordBatch, Error>> + Send>;

/// A file of rows.
pub struct Source {
    /// Its columns. Those of text files are texts, turned into what a schema wants later.
    pub schema: SchemaRef,
    /// How many rows there are, where the file says so.
    pub rows: Option<u64>,
    /// The rows, in the order of the file.
    pub batches: Batches,
}

impl Source {
    /// Opens a file; its kind goes by the ending of its name.
    pub fn open(path: &Path) -> Result<Self, Error> {
        match ending(path).as_str() {
            "csv" => csv(path, b','),
            "tsv" => csv(path, b'\t'),
            ending if LINES.contains(&ending) => json(path),
            "parquet" | "pq" => parquet(path),
            _ if path.is_file() && !is_parquet(path) => Err(failed(
                path,
                "its kind is unknown; end its name in .parquet, .csv, .tsv, .jsonl or .ndjson, the latter four also with .zst behind",
            )),
            _ => parquet(path),
        }
    }
}

/// The text of a file with a JSON object per line; nothing if it is another kind of file.
pub fn lines(path: &Path) -> Result<Option<Text>, Error> {
    LINES.contains(&ending(path).as_str()).then(|| open(path)).transpose()
}

/// The ending of a file's name that says its kind.
fn ending(path: &Path) -> String {
    let plain = if is_compressed(path) { path.with_extension("") } else { path.to_owned() };
    plain.extension().map(|ending| ending.to_string_lossy().to_lowercase()).unwrap_or_default()
}

/// Whether the file's name says that its text is compressed.
fn is_compressed(path: &Path) -> bool {
    path.extension().is_some_and(|ending| ending.eq_ignore_ascii_case("zst"))
}

fn is_parquet(path: &Path) -> bool {
    let mut head = [0; 4];
    File::open(path).and_then(|mut file| file.read_exact(&mut head)).is_ok() && &head == b"PAR1"
}

fn failed(path: &Path, detail: impl ToString) -> Error {
    Error::File { path: path.display().to_string(), detail: detail.to_string() }
}

/// A file's text, decompressed as it is read.
pub type Text = BufReader<Box<dyn Read + Send>>;

fn open(path: &Path) -> Result<Text, Error> {
    match File::open(path) {
        Ok(_) if path.is_dir() => Err(failed(path, "it is a directory; name one file inside it")),
        Ok(file) if is_compressed(path) => {
            let text = zstd::Decoder::new(file).map_err(|error| failed(path, error))?;
            Ok(BufReader::new(Box::new(text)))
        }
        Ok(file) => Ok(BufReader::new(Box::new(file))),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Err(failed(path, "there is no such file")),
        Err(error) => Err(failed(path, error)),
    }
}

fn parquet(path: &Path) -> Result<Source, Error> {
    let table = Table::open(path)?;
    let (schema, rows) = (table.schema(), Some(table.rows()));
    let groups = 0..table.row_groups();
    let batches = groups.flat_map(move |group| -> Batches {
        match table.row_group(group) {
            Ok(batches) => Box::new(batches.map(|batch| batch.map_err(Error::from))),
            Err(error) => Box::new(std::iter::once(Err(error.into()))),
        }
    });
    Ok(Source { schema, rows, batches: Box::new(batches) })
}

fn csv(path: &Path, delimiter: u8) -> Result<Source, Error> {
    let format = arrow::csv::reader::Format::default().with_header(true).with_delimiter(delimiter);
    let (found, _) = format.infer_schema(open(path)?, Some(1)).map_err(|error| failed(path, error))?;
    if found.fields().is_empty() {
        return Err(failed(path, "it has no line with the names of its columns"));
    }
    let schema = texts(found.fields().iter().map(|field| field.name().trim_start_matches('\u{feff}')));
    let reader = arrow::csv::ReaderBuilder::new(schema.clone()).with_format(format).with_batch_size(BATCH_ROWS);
    let reader = reader.build(open(path)?).map_err(|error| failed(path, error))?;
    let path = path.to_owned();
    let batches = reader.map(move |batch| batch.map_err(|error| failed(&path, error)));
    Ok(Source { schema, rows: None, batches: Box::new(batches) })
}

/// Every line is looked at before the first row is taken: a column may come first in the last one.
fn json(path: &Path) -> Result<Source, Error> {
    let (mut names, mut nested): (Vec<String>, Vec<String>) = Default::default();
    for (at, line) in open(path)?.lines().enumerate() {
        let line = line.map_err(|error| failed(path, error))?;
        if line.trim().is_empty() {
            continue;
        }
        let object = serde_json::from_str::<serde_json::Map<String, serde_json::Value>>(&line);
        let object = object.map_err(|error| failed(path, format!("line {}: {error}", at + 1)))?;
        for (name, value) in object {
            let known = if value.is_object() || value.is_array() { &mut nested } else { &mut names };
            if !known.contains(&name) {
                known.push(name);
            }
        }
    }
    // What is null in one line and an object in another is nested.
    names.retain(|name| !nested.contains(name));
    let plain = texts(names.iter().map(String::as_str));
    let reader = arrow::json::ReaderBuilder::new(plain.clone()).with_coerce_primitive(true).with_batch_size(BATCH_ROWS);
    let reader = reader.build(open(path)?).map_err(|error| failed(path, error))?;
    let fields = plain.fields().iter().cloned().chain(nested.iter().map(|name| Arc::new(nested::field(name))));
    let schema = Arc::new(Schema::new(fields.collect::<Vec<_>>()));
    let (mut added, file) = (Added::new(open(path)?, nested), path.to_owned());
    let batches =
        reader.map(move |batch| batch.and_then(|batch| added.to(&batch)).map_err(|error| failed(&file, error)));
    Ok(Source { schema, rows: None, batches: Box::new(batches) })
}

/// Columns of texts.
fn texts<'a>(names: impl Iterator<Item = &'a str>) -> SchemaRef {
    Arc::new(Schema::new(names.map(|name| Field::new(name, DataType::Utf8, true)).collect::<Vec<_>>()))
}
