//! Reading single values of the file: each is read, or noted as a problem with its place.

use super::bytes::{self, parse_bytes};
use super::duration::{self, parse_duration};
use super::keys::{Range, Word};
use super::node::{Entry, Node, Value};
use super::problem::{
    BAD_DURATION, BAD_NAME, BAD_SIZE, OUT_OF_RANGE, Problems, Span, UNKNOWN_CHOICE, WRONG_TYPE, suggest,
};

/// A text with its place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Text {
    pub text: String,
    pub span: Span,
}

/// The entries of a map whose keys are the user's own names. Bad names are problems, and kept.
pub(super) fn named<'n>(node: &'n Node, what: &str, problems: &mut Problems) -> Vec<&'n Entry> {
    let entries = entries(node, what, problems);
    for entry in entries.iter().filter(|entry| !is_name(&entry.key, '_')) {
        bad_name(&entry.key, entry.key_span, problems);
    }
    entries
}

/// The entries of a map.
pub(super) fn entries<'n>(node: &'n Node, what: &str, problems: &mut Problems) -> Vec<&'n Entry> {
    let Value::Map(entries) = &node.value else {
        problems.add(WRONG_TYPE, node.span, format!("`{what}` must be a map of names, not {}", node.value.kind()));
        return Vec::new();
    };
    entries.iter().collect()
}

/// Whether `name` is a lower-case letter followed by lower-case letters, digits, `_` and `also`.
pub(super) fn is_name(name: &str, also: char) -> bool {
    let rest = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_' || c == also;
    name.starts_with(|c: char| c.is_ascii_lowercase()) && name.chars().all(rest) && name.len() <= NAME_BYTES_MAX
}

/// Names become parts of topic names, which Kafka limits to 249 bytes.
pub(super) const NAME_BYTES_MAX: usize = 64;

/// Notes a name that is none.
pub(super) fn bad_name(name: &str, span: Span, problems: &mut Problems) {
    let message = format!("`{name}` cannot be a name");
    let help = format!("names begin with a-z, go on with a-z, 0-9, _ and have at most {NAME_BYTES_MAX} characters");
    problems.add_help(BAD_NAME, span, message, help);
}

/// A text; numbers and booleans are none, because `1e3` or `no` would silently change.
pub(super) fn text(node: &Node, key: &str, problems: &mut Problems) -> Option<Text> {
    match &node.value {
        Value::Text(text) => Some(Text { text: text.trim().to_owned(), span: node.span }),
        other => {
            let message = format!("`{key}` must be a text, not {}", other.kind());
            let is_word = matches!(other, Value::Bool(_) | Value::Integer(_) | Value::Float(_));
            let help =
                is_word.then(|| format!("write `\"{}\"`, in quotes, if you mean the text", problems.source(node.span)));
            problems.add_help(WRONG_TYPE, node.span, message, help);
            None
        }
    }
}

/// A duration in microseconds.
pub(super) fn duration(node: &Node, key: &str, problems: &mut Problems) -> Option<i64> {
    let found = match &node.value {
        Value::Text(text) => parse_duration(text).ok_or_else(|| format!("`{text}`")),
        Value::Integer(number) => Err(format!("`{number}` without a unit")),
        other => Err(other.kind().to_owned()),
    };
    found
        .map_err(|wrong| {
            let message = format!("`{key}` must be a duration, not {wrong}");
            problems.add_help(BAD_DURATION, node.span, message, duration::HELP.to_owned());
        })
        .ok()
}

/// A size of at least so many bytes.
pub(super) fn size(node: &Node, key: &str, least: u64, problems: &mut Problems) -> Option<u64> {
    let found = match &node.value {
        Value::Text(text) => parse_bytes(text).ok_or_else(|| format!("`{text}`")),
        Value::Integer(number) => Err(format!("`{number}` without a unit")),
        other => Err(other.kind().to_owned()),
    };
    match found {
        Ok(bytes) if bytes < least => {
            let given = problems.source(node.span);
            let message = format!("`{key}` must be at least {} KiB, not {given}", least / 1_024);
            problems.add(OUT_OF_RANGE, node.span, message);
            None
        }
        Ok(bytes) => Some(bytes),
        Err(wrong) => {
            let message = format!("`{key}` must be a size, not {wrong}");
            problems.add_help(BAD_SIZE, node.span, message, bytes::HELP.to_owned());
            None
        }
    }
}

/// A whole number from `least` to `most`.
pub(super) fn integer(node: &Node, key: &str, least: u64, most: u64, problems: &mut Problems) -> Option<u64> {
    let range = if most == u64::MAX { format!("at least {least}") } else { format!("from {least} to {most}") };
    match node.value {
        Value::Integer(number) => {
            let fitting = u64::try_from(number).ok().filter(|number| (least..=most).contains(number));
            if fitting.is_none() {
                problems.add(OUT_OF_RANGE, node.span, format!("`{key}` must be {range}, not {number}"));
            }
            fitting
        }
        ref other => {
            let message = format!("`{key}` must be a whole number {range}, not {}", other.kind());
            problems.add(WRONG_TYPE, node.span, message);
            None
        }
    }
}

/// A finite number.
pub(super) fn number(node: &Node, key: &str, problems: &mut Problems) -> Option<f64> {
    match node.value {
        Value::Integer(number) => Some(number as f64),
        Value::Float(number) if number.is_finite() => Some(number),
        ref other => {
            problems.add(WRONG_TYPE, node.span, format!("`{key}` must be a number, not {}", other.kind()));
            None
        }
    }
}

/// A number in a range.
pub(super) fn number_in(node: &Node, key: &str, range: Range, problems: &mut Problems) -> Option<f64> {
    let found = number(node, key, problems)?;
    if !range.holds(found) {
        problems.add(OUT_OF_RANGE, node.span, format!("`{key}` must be {}, not {found}", range.words()));
        return None;
    }
    Some(found)
}

/// One of several words.
pub(super) fn choice<T: Word>(text: &Text, key: &str, problems: &mut Problems) -> Option<T> {
    let choices = T::all();
    let found = choices.iter().find(|(word, _)| *word == text.text).map(|(_, value)| *value);
    if found.is_none() {
        let message = format!("`{}` is no choice for `{key}`", text.text);
        let help = suggest(&text.text, choices.iter().map(|(word, _)| *word));
        problems.add_help(UNKNOWN_CHOICE, text.span, message, help);
    }
    found
}
