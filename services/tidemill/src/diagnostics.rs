//! Problems of a pipeline file as a user sees them: all at once, each with file, line, caret, code, cause and help; or
//! as JSON for programs.

use std::fmt;

use flow::config::Problem;
use miette::{Diagnostic, GraphicalReportHandler, GraphicalTheme, LabeledSpan, NamedSource, Severity, SourceCode};
use serde_json::{Value, json};

use crate::error::Error;
use crate::output::{Format, is_watched};

/// Text is wrapped here, as terminals are rarely narrower.
const WIDTH_CHARS: usize = 100;

/// Lines shown before and after the one with the mistake.
const CONTEXT_LINES: usize = 1;

/// How problems are drawn.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Style {
    /// With colours, for a terminal.
    Colour,
    /// Plain text, for files and pipes.
    Plain,
}

/// All problems of the file at `path` as text, in the order of the file, and their number.
pub fn render(path: &str, yaml: &str, problems: &[Problem], style: Style) -> String {
    let theme = match style {
        Style::Colour => GraphicalTheme::unicode(),
        Style::Plain => GraphicalTheme::unicode_nocolor(),
    };
    let handler = GraphicalReportHandler::new_themed(theme)
        .with_width(WIDTH_CHARS)
        .with_context_lines(CONTEXT_LINES)
        .with_links(false);
    let source = NamedSource::new(path, yaml.to_owned());
    let mut text = String::new();
    for problem in problems {
        // Writing to a string cannot fail, and a problem's span lies within its file.
        let _ = handler.render_report(&mut text, &Shown { problem, source: &source });
        text.push('\n');
    }
    text + &format!("{} in {path}; `tidemill explain CODE` says more of a code\n", counted(problems.len()))
}

/// All problems of a file as what a command ends with.
pub fn error(path: &str, yaml: &str, problems: &[Problem], format: Format) -> Error {
    let style = if is_watched() { Style::Colour } else { Style::Plain };
    let text = match format {
        Format::Text => render(path, yaml, problems, style),
        Format::Json => format!("{} in {path}", counted(problems.len())),
    };
    Error::Pipeline { text, json: json(path, problems) }
}

/// How many problems there are.
pub fn counted(problems: usize) -> String {
    match problems {
        1 => "1 problem".to_owned(),
        several => format!("{several} problems"),
    }
}

/// All problems of the file at `path` for `--output json`.
pub fn json(path: &str, problems: &[Problem]) -> Value {
    let problems: Vec<Value> = problems.iter().map(problem_json).collect();
    json!({ "file": path, "valid": problems.is_empty(), "problems": problems })
}

fn problem_json(problem: &Problem) -> Value {
    json!({
        "code": problem.code,
        "title": problem.title(),
        "message": problem.message,
        "line": problem.span.line,
        "column": problem.span.column,
        "start": problem.span.start,
        "end": problem.span.end,
        "help": problem.help,
    })
}

/// A problem together with its file: what miette wants to see in one place.
#[derive(Debug)]
struct Shown<'p> {
    problem: &'p Problem,
    source: &'p NamedSource<String>,
}

impl fmt::Display for Shown<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Problem { message, .. } = self.problem;
        match self.source.inner().is_empty() {
            // An empty file has no line for the message to stand under.
            true => write!(f, "{}: {message}", self.problem.title()),
            false => f.write_str(self.problem.title()),
        }
    }
}

impl std::error::Error for Shown<'_> {}

impl Diagnostic for Shown<'_> {
    fn code<'a>(&'a self) -> Option<Box<dyn fmt::Display + 'a>> {
        Some(Box::new(self.problem.code))
    }

    fn severity(&self) -> Option<Severity> {
        Some(Severity::Error)
    }

    fn help<'a>(&'a self) -> Option<Box<dyn fmt::Display + 'a>> {
        self.problem.help.as_ref().map(|help| Box::new(help) as Box<dyn fmt::Display>)
    }

    fn source_code(&self) -> Option<&dyn SourceCode> {
        Some(self.source)
    }

    fn labels(&self) -> Option<Box<dyn Iterator<Item = LabeledSpan> + '_>> {
        let span = self.problem.span;
        let label = LabeledSpan::new(Some(self.problem.message.clone()), span.start, span.end - span.start);
        Some(Box::new(std::iter::once(label)))
    }
}

#[cfg(test)]
mod tests;
