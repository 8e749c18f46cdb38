//! What a derived model predicts: which objective the values of a label suggest, and the classes among them.

use std::path::Path;

use super::infer::{Column, Kind};
use crate::error::Error;

/// Whole numbers with more different values than this are counts or amounts.
const CLASSES_OF_NUMBERS_MAX: usize = 20;
/// Rows that a class of whole numbers has on average; of fewer they are amounts.
const ROWS_PER_CLASS: usize = 2;

/// What is predicted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Target {
    /// As the pipeline file has it.
    pub objective: &'static str,
    /// The classes in order as the pipeline file has them; none where the label is a number or true and false.
    pub classes: Vec<String>,
}

impl Target {
    /// What the values of a column suggest.
    pub fn of(label: &Column, rows: usize, file: &Path) -> Result<Self, Error> {
        let wrong =
            |what: String| Err(Error::Input(format!("--label: column `{}` of {} {what}", label.name, file.display())));
        let target = |objective, classes| Ok(Self { objective, classes });
        let is_truth = label.few.iter().all(|(value, _)| value == "0" || value == "1");
        match (label.kind, label.values) {
            (Kind::Time, _) => wrong("has times, which no model predicts".to_owned()),
            (Kind::Text, 1) => wrong(format!("has one value, `{}`; nothing can be learnt from it", label.few[0].0)),
            (Kind::Text, _) if label.few.is_empty() => {
                wrong("has more different texts than the 256 classes that a model tells apart at most".to_owned())
            }
            (Kind::Text, 2) => target("binary", rarer_last(label)),
            (Kind::Text, _) => target("multiclass", in_order(label)),
            (Kind::Integer, 2) if !is_truth => target("binary", rarer_last(label)),
            (Kind::Integer, 3..=CLASSES_OF_NUMBERS_MAX) if label.values * ROWS_PER_CLASS <= rows => {
                target("multiclass", in_order(label))
            }
            (_, 0..=2) => target("binary", Vec::new()),
            _ => target("regression", Vec::new()),
        }
    }

    /// The lines of a label source that say it.
    pub fn lines(&self) -> String {
        let note = match self.classes.len() {
            0 => return String::new(),
            2 => "the second is the positive one",
            _ => "in this order they are part of every model",
        };
        format!("    classes: [{}]    # other labels become dead letters; {note}\n", self.classes.join(", "))
    }
}

/// Of two classes the one that is looked for is mostly the rarer one.
fn rarer_last(label: &Column) -> Vec<String> {
    let mut few = label.few.clone();
    few.sort_by_key(|(_, rows)| std::cmp::Reverse(*rows));
    few.iter().map(|(value, _)| written(label.kind, value)).collect()
}

/// Texts by the alphabet, numbers by their size.
fn in_order(label: &Column) -> Vec<String> {
    let mut values: Vec<&str> = label.few.iter().map(|(value, _)| value.as_str()).collect();
    values.sort_by_key(|value| value.parse::<i64>().unwrap_or_default());
    values.into_iter().map(|value| written(label.kind, value)).collect()
}

/// A class as YAML takes it for what it is: quoted unless it is plainly a word.
fn written(kind: Kind, value: &str) -> String {
    let is_word = value.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
        && value.starts_with(|first: char| first.is_ascii_alphabetic())
        && !NO_TEXTS.contains(&value.to_lowercase().as_str());
    if kind == Kind::Integer || is_word { value.to_owned() } else { serde_json::Value::from(value).to_string() }
}

/// Words that some reader of YAML takes for something else.
const NO_TEXTS: [&str; 9] = ["true", "false", "yes", "no", "on", "off", "y", "n", "null"];
