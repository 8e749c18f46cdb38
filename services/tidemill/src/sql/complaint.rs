//! What is wrong with a query, in the words of whoever wrote it: what, where in the text, and what may be meant.

use std::fmt::Write as _;

use datafusion::common::{DataFusionError, SchemaError};
use datafusion::sql::sqlparser::parser::ParserError;
use flow::config::nearest;

use super::tables::Place;
use super::topic::FUNCTION;
use crate::error::Error;
use crate::exit::Exit;

/// Columns of a table that are named where none comes near.
const COLUMNS_NAMED_MAX: usize = 12;

/// Characters of the query, lines and columns counted from 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Spot {
    line: usize,
    column: usize,
    chars: usize,
}

/// The error of a command for an error of the engine.
pub fn complaint(error: &DataFusionError, sql: &str, place: &Place) -> Error {
    if let Some(own) = own(error) {
        let text = own.to_string();
        return match own.exit() {
            Exit::Input => Error::Input(text),
            Exit::Unavailable => Error::Outside(text),
            Exit::Interrupted => Error::Interrupted,
            _ => Error::Failed(text),
        };
    }
    let at = located(error, sql);
    let word = at.map(|at| word(sql, at)).unwrap_or_default();
    let text = match error.find_root() {
        DataFusionError::SchemaError(schema, _) => of_schema(schema),
        DataFusionError::SQL(parser, _) => of_parser(parser),
        DataFusionError::ResourcesExhausted(detail) => {
            let detail = first_line(detail);
            return Error::Failed(format!(
                "the query needs more memory than it may have ({detail}); give it more with --memory"
            ));
        }
        DataFusionError::Plan(detail) if detail.contains("not found") && detail.starts_with("table '") => {
            no_table(&word, place)
        }
        DataFusionError::Plan(detail) if detail.starts_with("table function '") => {
            format!("there is no table function `{}`; the only one is {FUNCTION}('NAME', FROM, TO)", quoted(detail))
        }
        root => first_line(&root.message()),
    };
    let text = match at {
        Some(at) => text + &pointed(sql, at),
        None => text,
    };
    match error.find_root() {
        DataFusionError::Internal(_) | DataFusionError::IoError(_) | DataFusionError::ParquetError(_) => {
            Error::Failed(text)
        }
        DataFusionError::ObjectStore(_) | DataFusionError::ExecutionJoin(_) => Error::Failed(text),
        _ => Error::Input(text),
    }
}

/// An error of ours that the engine handed on.
fn own(error: &DataFusionError) -> Option<&Error> {
    let mut next: Option<&(dyn std::error::Error + 'static)> = Some(error);
    while let Some(error) = next {
        if let Some(DataFusionError::External(inner)) = error.downcast_ref::<DataFusionError>()
            && let Some(own) = inner.downcast_ref::<Error>()
        {
            return Some(own);
        }
        next = error.source();
    }
    None
}

fn of_schema(error: &SchemaError) -> String {
    let SchemaError::FieldNotFound { field, valid_fields } = error else { return first_line(&error.to_string()) };
    let mut known: Vec<&str> = Vec::new();
    for name in valid_fields.iter().map(|field| field.name.as_str()) {
        // Tables that are joined may have columns of one name.
        if !known.contains(&name) {
            known.push(name);
        }
    }
    let help = match nearest(&field.name, known.iter().copied()) {
        Some(near) if near.to_lowercase() == near => format!("did you mean `{near}`?"),
        Some(near) => format!("did you mean \"{near}\"? Names with capitals stand in double quotes"),
        None if known.is_empty() => "there are none here".to_owned(),
        None => {
            let more = known.len().saturating_sub(COLUMNS_NAMED_MAX);
            known.truncate(COLUMNS_NAMED_MAX);
            let more = if more > 0 { format!(" and {more} more") } else { String::new() };
            format!("there are {}{more}", known.join(", "))
        }
    };
    format!("there is no column `{}`; {help}", field.name)
}

/// What the parser says; where, is shown.
fn of_parser(error: &ParserError) -> String {
    let text = match error {
        ParserError::TokenizerError(text) | ParserError::ParserError(text) => text.clone(),
        ParserError::RecursionLimitExceeded => "it is nested too deeply".to_owned(),
    };
    let text = text.split(" at Line: ").next().unwrap_or(&text);
    format!("this is no SQL: {}", first_line(text))
}

fn no_table(name: &str, place: &Place) -> String {
    let help = match place.nearest_table(name) {
        Some(near) if near.contains(['.', '-']) => format!("did you mean \"{near}\", in double quotes?"),
        Some(near) => format!("did you mean `{near}`?"),
        None => {
            format!(
                "`tidemill sql --tables` lists them, and {FUNCTION}('{name}') is what a topic has now, if it is one"
            )
        }
    };
    format!("there is no table `{name}`; {help}")
}

/// The text between the first two single quotes.
fn quoted(detail: &str) -> &str {
    detail.split('\'').nth(1).unwrap_or_default()
}

fn first_line(text: &str) -> String {
    text.lines().next().unwrap_or_default().to_owned()
}

/// Where in the query an error is, if it says so.
fn located(error: &DataFusionError, sql: &str) -> Option<Spot> {
    if let Some(span) = error.diagnostic().and_then(|diagnostic| diagnostic.span) {
        let number = |number: u64| usize::try_from(number).unwrap_or(usize::MAX);
        let (start, end) = (span.start, span.end);
        let chars = if start.line == end.line { number(end.column).saturating_sub(number(start.column)) } else { 1 };
        return Some(Spot { line: number(start.line), column: number(start.column), chars: chars.max(1) });
    }
    let DataFusionError::SQL(parser, _) = error.find_root() else { return None };
    let text = parser.to_string();
    let (_, after) = text.rsplit_once(" at Line: ")?;
    let (line, column) = after.split_once(", Column: ")?;
    let at = Spot { line: line.trim().parse().ok()?, column: column.trim().parse().ok()?, chars: 1 };
    let rest = sql.lines().nth(at.line.checked_sub(1)?)?.chars().skip(at.column.checked_sub(1)?);
    let chars = rest.take_while(|letter| letter.is_alphanumeric() || *letter == '_').count();
    Some(Spot { chars: chars.max(1), ..at })
}

/// The text there, without quotes around it.
fn word(sql: &str, at: Spot) -> String {
    let line = sql.lines().nth(at.line.saturating_sub(1)).unwrap_or_default();
    let text: String = line.chars().skip(at.column.saturating_sub(1)).take(at.chars).collect();
    text.trim_matches('"').to_owned()
}

/// The line with carets under the place.
fn pointed(sql: &str, at: Spot) -> String {
    let Some(line) = at.line.checked_sub(1).and_then(|line| sql.lines().nth(line)) else { return String::new() };
    let (line, number) = (line.replace('\t', " "), at.line.to_string());
    let (margin, before) = (" ".repeat(number.len()), " ".repeat(at.column.saturating_sub(1)));
    let mut text = String::new();
    // Writing to a string cannot fail.
    let _ = write!(text, "\n  {number} | {line}\n  {margin} | {before}{}", "^".repeat(at.chars));
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_shown_under_its_line() {
        let sql = "SELECT a\nFROM\t\"b.c\"";
        let at = Spot { line: 2, column: 6, chars: 5 };
        assert_eq!(word(sql, at), "b.c");
        assert_eq!(pointed(sql, at), "\n  2 | FROM \"b.c\"\n    |      ^^^^^");
        assert_eq!(pointed(sql, Spot { line: 9, column: 1, chars: 1 }), "");
    }

    #[test]
    fn the_parsers_places_are_read() {
        let text = "Expected: an expression, found: FROM at Line: 1, Column: 8";
        let error = DataFusionError::SQL(Box::new(ParserError::ParserError(text.to_owned())), None);
        let at = located(&error, "SELECT FROM t");
        assert_eq!(at, Some(Spot { line: 1, column: 8, chars: 4 }));
        assert_eq!(
            of_parser(&ParserError::ParserError(text.to_owned())),
            "this is no SQL: Expected: an expression, found: FROM"
        );
    }
}
