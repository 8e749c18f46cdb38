//! Writing results: lines to standard output, as text or JSON.

use std::io::{self, IsTerminal, Write};

use serde_json::Value;

use crate::error::Error;

/// What results are written as.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Format {
    /// For people.
    Text,
    /// For programs.
    Json,
}

/// Standard output.
#[derive(Debug, Clone, Copy)]
pub struct Output {
    format: Format,
}

impl Output {
    /// Output in this format.
    pub fn new(format: Format) -> Self {
        Self { format }
    }

    /// Whether programs read it.
    pub fn is_json(self) -> bool {
        self.format == Format::Json
    }

    /// Writes the text or the value, whichever is wanted.
    pub fn show(self, text: impl FnOnce() -> String, value: impl FnOnce() -> Value) -> Result<(), Error> {
        match self.format {
            Format::Text => self.line(text().trim_end_matches('\n')),
            Format::Json => self.line(&value().to_string()),
        }
    }

    /// Writes a line in either format.
    pub fn line(self, line: &str) -> Result<(), Error> {
        let mut out = io::stdout().lock();
        out.write_all(line.as_bytes()).and_then(|()| out.write_all(b"\n")).and_then(|()| out.flush()).map_err(closed)
    }

    /// Writes many lines at once.
    pub fn lines(self, lines: &[String]) -> Result<(), Error> {
        let mut out = io::BufWriter::new(io::stdout().lock());
        lines.iter().try_for_each(|line| writeln!(out, "{line}")).and_then(|()| out.flush()).map_err(closed)
    }
}

/// Writes a line for people to standard error; that it is closed is no reason to fail.
pub fn note(line: &str) {
    let _ = writeln!(io::stderr().lock(), "{line}");
}

/// Whether a person watches standard error.
pub fn is_watched() -> bool {
    io::stderr().is_terminal()
}

fn closed(error: io::Error) -> Error {
    match error.kind() {
        io::ErrorKind::BrokenPipe => Error::Closed,
        _ => Error::Failed(format!("cannot write to standard output: {error}")),
    }
}

/// A table for people: columns as wide as their widest cell, headings first.
pub fn table(headings: &[&str], rows: &[Vec<String>]) -> String {
    let heading = headings.iter().map(|heading| (*heading).to_owned()).collect();
    let all: Vec<&Vec<String>> = std::iter::once(&heading).chain(rows).collect();
    let width = |at: usize| all.iter().map(|row| row[at].chars().count()).max().unwrap_or(0);
    let widths: Vec<usize> = (0..headings.len()).map(width).collect();
    let mut text = String::new();
    for row in all {
        let cells: Vec<String> = row.iter().zip(&widths).map(|(cell, width)| format!("{cell:<width$}")).collect();
        text.push_str(cells.join("  ").trim_end());
        text.push('\n');
    }
    text
}
