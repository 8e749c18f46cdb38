//! Problems: what is wrong in a pipeline file, where, and what to do about it.

use std::fmt;

use super::node::Node;
use super::reading::is_sound;

/// A place in the pipeline file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Span {
    /// First byte.
    pub start: usize,
    /// One past the last byte; never before `start`.
    pub end: usize,
    /// Line, from 1.
    pub line: u32,
    /// Column in characters, from 1.
    pub column: u32,
}

impl Span {
    /// The beginning of the file.
    pub const FILE: Self = Self { start: 0, end: 0, line: 1, column: 1 };
}

/// One thing that is wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// Stable code: `TM0001` and so on.
    pub code: &'static str,
    /// What is wrong, with the value that is.
    pub message: String,
    /// Where.
    pub span: Span,
    /// What to do about it.
    pub help: Option<String>,
}

impl Problem {
    /// What all problems with this code have in common: `unknown column`.
    pub fn title(&self) -> &'static str {
        CODES.iter().find(|(code, _)| *code == self.code).map_or("problem", |(_, title)| *title)
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Span { line, column, .. } = self.span;
        write!(f, "{line}:{column}: {} [{}]", self.message, self.code)?;
        match &self.help {
            Some(help) => write!(f, "; {help}"),
            None => Ok(()),
        }
    }
}

pub(super) const SYNTAX: &str = "TM0001";
/// A key that nothing reads.
pub const UNKNOWN_KEY: &str = "TM0002";
pub(super) const MISSING_KEY: &str = "TM0003";
/// A value of another kind than the key holds.
pub const WRONG_TYPE: &str = "TM0004";
pub(super) const BAD_NAME: &str = "TM0005";
pub(super) const OUT_OF_RANGE: &str = "TM0006";
pub(super) const BAD_DURATION: &str = "TM0007";
/// A word that is none of those to choose from.
pub const UNKNOWN_CHOICE: &str = "TM0008";
pub(super) const UNKNOWN_REFERENCE: &str = "TM0009";
/// A schema that cannot be found, read or used.
pub const BAD_SCHEMA: &str = "TM0010";
pub(super) const UNKNOWN_COLUMN: &str = "TM0011";
pub(super) const WRONG_COLUMN_KIND: &str = "TM0012";
pub(super) const DUPLICATE: &str = "TM0013";
/// An SQL text that cannot be compiled, or does not belong where it stands.
pub const BAD_EXPRESSION: &str = "TM0014";
pub(super) const NO_MATCH: &str = "TM0015";
/// Settings that cannot both be meant.
pub const CONTRADICTION: &str = "TM0016";
pub(super) const LABEL_LEAK: &str = "TM0017";
pub(super) const UNSUPPORTED: &str = "TM0018";
pub(super) const BAD_SIZE: &str = "TM0019";
pub(super) const FEATURE_CYCLE: &str = "TM0020";

/// Every code with its title, in order; [`explain`](super::explain) says more. A code is never given a second meaning.
pub const CODES: &[(&str, &str)] = &[
    (SYNTAX, "not valid YAML"),
    (UNKNOWN_KEY, "unknown key"),
    (MISSING_KEY, "missing key"),
    (WRONG_TYPE, "wrong type"),
    (BAD_NAME, "unusable name"),
    (OUT_OF_RANGE, "value out of range"),
    (BAD_DURATION, "not a duration"),
    (UNKNOWN_CHOICE, "unknown choice"),
    (UNKNOWN_REFERENCE, "reference to something undeclared"),
    (BAD_SCHEMA, "unusable schema"),
    (UNKNOWN_COLUMN, "unknown column"),
    (WRONG_COLUMN_KIND, "column of the wrong kind"),
    (DUPLICATE, "declared twice"),
    (BAD_EXPRESSION, "unusable expression"),
    (NO_MATCH, "unknown model input"),
    (CONTRADICTION, "settings contradict each other"),
    (LABEL_LEAK, "label used before it is known"),
    (UNSUPPORTED, "not supported"),
    (BAD_SIZE, "not a size"),
    (FEATURE_CYCLE, "features in a circle"),
];

/// Problems as they are found in one text.
#[derive(Debug)]
pub(super) struct Problems {
    yaml: String,
    found: Vec<Problem>,
}

impl Problems {
    /// None yet.
    pub fn new(yaml: &str) -> Self {
        Self { yaml: yaml.to_owned(), found: Vec::new() }
    }

    /// The place of `word` at byte `at` of a text that begins at `whole`: exact where the text stands in the file as
    /// it is, the whole text where YAML folded or unescaped it.
    pub fn place(&self, whole: Span, at: usize, word: &str) -> Span {
        let quote = usize::from(self.yaml[whole.start..].starts_with(['"', '\'']));
        let start = whole.start + quote + at;
        let end = start + word.len();
        let found = self.yaml.get(start..end).is_some_and(|found| found.eq_ignore_ascii_case(word));
        if end > whole.end || !found {
            return whole;
        }
        let before = self.yaml[whole.start..start].chars().count();
        Span { start, end, line: whole.line, column: whole.column + u32::try_from(before).unwrap_or(0) }
    }

    /// What stands in the file at a place.
    pub fn source(&self, span: Span) -> &str {
        self.yaml.get(span.start..span.end).unwrap_or_default()
    }

    /// Whether none of them is at a path of keys.
    pub fn spare(&self, root: &Node, path: &[&str]) -> bool {
        is_sound(root, path, &[], &self.found)
    }

    /// How many there are so far.
    pub fn len(&self) -> usize {
        self.found.len()
    }

    /// Notes a problem.
    pub fn add(&mut self, code: &'static str, span: Span, message: String) {
        self.found.push(Problem { code, message, span, help: None });
    }

    /// Notes a problem with what to do about it.
    pub fn add_help(&mut self, code: &'static str, span: Span, message: String, help: impl Into<Option<String>>) {
        self.found.push(Problem { code, message, span, help: help.into() });
    }

    /// Notes a problem that is known in full.
    pub fn push(&mut self, problem: Problem) {
        self.found.push(problem);
    }

    /// All of them in the order of the file; those at one place stay in the order they were found.
    pub fn into_sorted(mut self) -> Vec<Problem> {
        self.found.sort_by_key(|problem| problem.span.start);
        self.found
    }
}

/// A help text for `wrong` among `known`: the nearest one if there is a near one, else all of them if they are few.
pub(super) fn suggest<'a>(wrong: &str, known: impl IntoIterator<Item = &'a str>) -> Option<String> {
    /// More than this is a wall of text, not help.
    const LISTED_MAX: usize = 16;
    let known: Vec<&str> = known.into_iter().collect();
    match nearest(wrong, known.iter().copied()) {
        Some(name) => Some(format!("did you mean `{name}`?")),
        None if (1..=LISTED_MAX).contains(&known.len()) => Some(format!("known: {}", listed(known))),
        None => None,
    }
}

/// The name that `wrong` is probably a slip for, if one is near enough.
pub fn nearest<'a>(wrong: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let allowed = (wrong.chars().count() / 3).max(1);
    let wrong = wrong.to_lowercase();
    let (found, name) = known.into_iter().map(|name| (distance(&wrong, &name.to_lowercase()), name)).min()?;
    (found <= allowed).then_some(name)
}

/// Names in backticks with commas.
pub fn listed<'a>(names: impl IntoIterator<Item = &'a str>) -> String {
    names.into_iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ")
}

/// Edit distance in which swapping two neighbours counts once, as it does for a typing hand.
fn distance(a: &str, b: &str) -> usize {
    let (a, b): (Vec<char>, Vec<char>) = (a.chars().collect(), b.chars().collect());
    let mut rows: Vec<Vec<usize>> = vec![(0..=b.len()).collect()];
    for i in 1..=a.len() {
        let mut row = vec![i];
        for j in 1..=b.len() {
            let substituted = rows[i - 1][j - 1] + usize::from(a[i - 1] != b[j - 1]);
            let mut best = substituted.min(rows[i - 1][j] + 1).min(row[j - 1] + 1);
            if i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] {
                best = best.min(rows[i - 2][j - 2] + 1);
            }
            row.push(best);
        }
        rows.push(row);
    }
    rows[a.len()][b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slips_are_recognised_and_strangers_are_not() {
        let names = ["amount", "customer_id", "terminal_id"];
        assert_eq!(nearest("amuont", names), Some("amount"));
        assert_eq!(nearest("CUSTOMERID", names), Some("customer_id"));
        assert_eq!(nearest("colour", names), None);
        assert_eq!(nearest("amount", []), None);
    }
}
