//! Rows of an answer: as a table for people, as lines of JSON for programs, or into a file.

use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};

use arrow::array::RecordBatch;
use arrow::csv::Writer as CsvWriter;
use arrow::datatypes::SchemaRef;
use arrow::error::ArrowError;
use arrow::json::writer::LineDelimited;
use arrow::json::{Writer as JsonWriter, WriterBuilder};
use arrow::util::display::{ArrayFormatter, FormatOptions};
use offline::table::TableWriter;

use crate::error::Error;
use crate::output::{Output, table};

/// Rows that people are shown unless they ask for more.
pub const ROWS_SHOWN_MAX: usize = 1_000;
/// Columns of what EXPLAIN says; its lines stay lines.
const PLAN: [&str; 2] = ["plan_type", "plan"];
/// What people are shown where there is no value.
const NULL: &str = "null";

/// Takes the rows of an answer.
pub enum Sink {
    /// For people: nothing is shown before all is known, as columns are as wide as their widest value.
    Shown { output: Output, headings: Vec<String>, rows: Vec<Vec<String>> },
    /// For programs.
    Lines(Output),
    /// Into a file.
    Csv(Draft<CsvWriter<BufWriter<File>>>),
    /// Into a file.
    Json(Draft<JsonWriter<BufWriter<File>, LineDelimited>>),
    /// Into a file.
    Parquet(TableWriter),
}

/// A file that has its name only once it is whole.
pub struct Draft<W> {
    writer: Option<W>,
    partial: PathBuf,
    path: PathBuf,
}

impl Sink {
    /// What the rows of these columns go to.
    pub fn open(output: Output, out: Option<&Path>, schema: &SchemaRef) -> Result<Self, Error> {
        let Some(path) = out else {
            let headings = schema.fields().iter().map(|field| field.name().clone()).collect();
            return match output.is_json() {
                true => unique(schema).map(|()| Self::Lines(output)),
                false => Ok(Self::Shown { output, headings, rows: Vec::new() }),
            };
        };
        unique(schema)?;
        match path.extension().and_then(|ending| ending.to_str()) {
            Some("parquet") => Ok(Self::Parquet(TableWriter::create(path, schema.clone())?)),
            Some("csv") => {
                flat(schema)?;
                Draft::begin(path, CsvWriter::new).map(Self::Csv)
            }
            Some("jsonl" | "ndjson") => Draft::begin(path, json).map(Self::Json),
            _ => Err(Error::Input(format!(
                "{} does not say what to write; end it in .parquet, .csv or .jsonl",
                path.display()
            ))),
        }
    }

    /// Takes some rows.
    pub fn take(&mut self, batch: &RecordBatch) -> Result<(), Error> {
        let failed = |error: ArrowError| Error::Failed(format!("the rows cannot be written: {error}"));
        match self {
            Self::Shown { rows, .. } => {
                rows.extend(cells(batch).map_err(failed)?);
                Ok(())
            }
            Self::Lines(output) => {
                let mut text = Vec::new();
                let mut writer = json(&mut text);
                writer.write(batch).and_then(|()| writer.finish()).map_err(failed)?;
                let text = String::from_utf8_lossy(&text);
                output.lines(&text.lines().map(str::to_owned).collect::<Vec<_>>())
            }
            Self::Csv(draft) => draft.writer.as_mut().map_or(Ok(()), |writer| writer.write(batch)).map_err(failed),
            Self::Json(draft) => draft.writer.as_mut().map_or(Ok(()), |writer| writer.write(batch)).map_err(failed),
            Self::Parquet(writer) => Ok(writer.write(batch)?),
        }
    }

    /// All rows were taken.
    pub fn finish(self) -> Result<(), Error> {
        match self {
            Self::Shown { output, headings, rows } => {
                let headings: Vec<&str> = headings.iter().map(String::as_str).collect();
                if headings == PLAN {
                    let plans = rows.iter().map(|row| row.join("\n").replace("\\n", "\n"));
                    return output.lines(&plans.collect::<Vec<_>>());
                }
                if headings.is_empty() { Ok(()) } else { output.line(table(&headings, &rows).trim_end_matches('\n')) }
            }
            Self::Lines(_) => Ok(()),
            Self::Csv(draft) => draft.end(|writer| Ok(writer.into_inner())),
            Self::Json(draft) => draft.end(|mut writer| writer.finish().map(|()| writer.into_inner())),
            Self::Parquet(writer) => Ok(writer.finish()?),
        }
    }
}

impl<W> Draft<W> {
    fn begin(path: &Path, writer: impl FnOnce(BufWriter<File>) -> W) -> Result<Self, Error> {
        let mut name = path.file_name().unwrap_or_default().to_owned();
        name.push(format!(".{}.partial", std::process::id()));
        let partial = path.with_file_name(name);
        let file = File::create(&partial).map_err(|error| unwritable(path, &error))?;
        Ok(Self { writer: Some(writer(BufWriter::new(file))), partial, path: path.to_owned() })
    }

    fn end(mut self, inner: impl FnOnce(W) -> Result<BufWriter<File>, ArrowError>) -> Result<(), Error> {
        let Some(writer) = self.writer.take() else { return Ok(()) };
        let written = inner(writer).map_err(std::io::Error::other);
        let written = written.and_then(|mut file| file.flush().and_then(|()| file.get_ref().sync_all()));
        let written = written.and_then(|()| std::fs::rename(&self.partial, &self.path));
        written.map_err(|error| unwritable(&self.path, &error))
    }
}

impl<W> Drop for Draft<W> {
    /// What was not finished goes; what was has another name by now.
    fn drop(&mut self) {
        // An error that ended the writing is told already.
        let _ = std::fs::remove_file(&self.partial);
    }
}

fn unwritable(path: &Path, error: &std::io::Error) -> Error {
    Error::Failed(format!("cannot write {}: {error}", path.display()))
}

fn json<W: Write>(to: W) -> JsonWriter<W, LineDelimited> {
    WriterBuilder::new().with_explicit_nulls(true).build(to)
}

/// Values as text, row by row.
fn cells(batch: &RecordBatch) -> Result<Vec<Vec<String>>, ArrowError> {
    let options = FormatOptions::default().with_null(NULL);
    let columns = batch.columns().iter().map(|column| ArrayFormatter::try_new(column, &options));
    let columns = columns.collect::<Result<Vec<_>, _>>()?;
    let row = |row: usize| -> Result<Vec<String>, ArrowError> {
        columns.iter().map(|column| Ok(one_line(column.value(row).try_to_string()?))).collect()
    };
    (0..batch.num_rows()).map(row).collect()
}

/// Keeps a cell on its line.
fn one_line(text: String) -> String {
    match text.contains(char::is_control) {
        false => text,
        true => text
            .chars()
            .map(|letter| if letter.is_control() { letter.escape_default().to_string() } else { letter.to_string() })
            .collect(),
    }
}

/// In a file or an object of JSON columns go by their names.
fn unique(schema: &SchemaRef) -> Result<(), Error> {
    let names: Vec<&String> = schema.fields().iter().map(|field| field.name()).collect();
    match names.iter().enumerate().find(|(at, name)| names[..*at].contains(name)) {
        None => Ok(()),
        Some((_, name)) => {
            Err(Error::Input(format!("two columns are called `{name}`; give one of them another name with AS")))
        }
    }
}

fn flat(schema: &SchemaRef) -> Result<(), Error> {
    match schema.fields().iter().find(|field| field.data_type().is_nested()) {
        None => Ok(()),
        Some(nested) => Err(Error::Input(format!(
            "CSV has no place for `{}`, which is {}; choose parts of it, such as {}['NAME'], or write .parquet or .jsonl",
            nested.name(),
            nested.data_type(),
            nested.name()
        ))),
    }
}
