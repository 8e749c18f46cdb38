//! What can be wrong with a declared group, and how to say it so that the author can mend it.

/// One problem of a declaration.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// A name that cannot be part of a feature name.
    #[error("{field}: `{name}` is no name; use letters, digits and underscores, starting with a letter")]
    Name {
        /// Where it stands.
        field: String,
        /// The name.
        name: String,
    },
    /// Text that is no duration.
    #[error("{field}: `{text}` is no duration; write a whole number and one of us, ms, s, m, h, d, w, at most 36525d")]
    Duration {
        /// Where it stands.
        field: String,
        /// The text.
        text: String,
    },
    /// A window of length zero.
    #[error("{field}: window `{text}` has no length; use at least 1us")]
    EmptyWindow {
        /// Where it stands.
        field: String,
        /// The text.
        text: String,
    },
    /// A window that is there already, perhaps in other words.
    #[error("{field}: window `{text}` is as long as `{other}`; remove one")]
    SameWindow {
        /// Where it stands.
        field: String,
        /// The text.
        text: String,
        /// The window it repeats.
        other: String,
    },
    /// Aggregates without a window.
    #[error("{field}: the group has no windows; declare at least one, such as `windows: [1d]`")]
    NoWindow {
        /// Where it stands.
        field: String,
    },
    /// A name used twice.
    #[error("{field}: `{name}` is there already; choose another name")]
    Repeated {
        /// Where it stands.
        field: String,
        /// The name.
        name: String,
    },
    /// More than the limit.
    #[error("{field}: {count} are more than the {max} allowed; split the group")]
    TooMany {
        /// Where they stand.
        field: String,
        /// How many there are.
        count: usize,
        /// How many may be.
        max: usize,
    },
    /// An expression that does not follow the grammar.
    #[error("{field}: expected {expected} at character {at} of `{text}`, found {found}")]
    Syntax {
        /// Where it stands.
        field: String,
        /// The expression.
        text: String,
        /// Position in it, counted in characters from 1.
        at: usize,
        /// What should be there.
        expected: &'static str,
        /// What is there.
        found: String,
    },
    /// A function we do not have.
    #[error("{field}: unknown aggregate `{name}` at character {at} of `{text}`; {help}")]
    UnknownFunction {
        /// Where it stands.
        field: String,
        /// The expression.
        text: String,
        /// Position in it, counted in characters from 1.
        at: usize,
        /// The name.
        name: String,
        /// What was perhaps meant.
        help: String,
    },
    /// A column nobody has.
    #[error("{field}: unknown column `{name}` at character {at} of `{text}`; {help}")]
    UnknownColumn {
        /// Where it stands.
        field: String,
        /// The expression.
        text: String,
        /// Position in it, counted in characters from 1.
        at: usize,
        /// The name.
        name: String,
        /// What was perhaps meant.
        help: String,
    },
    /// A column without numbers.
    #[error("{field}: column `{name}` at character {at} of `{text}` is neither a number nor a boolean")]
    NotNumeric {
        /// Where it stands.
        field: String,
        /// The expression.
        text: String,
        /// Position in it, counted in characters from 1.
        at: usize,
        /// The name.
        name: String,
    },
}

impl Error {
    /// The part of the declaration it is about: `windows[1]`, `aggregates.tx_count`.
    pub fn field(&self) -> &str {
        match self {
            Error::Name { field, .. }
            | Error::Duration { field, .. }
            | Error::EmptyWindow { field, .. }
            | Error::SameWindow { field, .. }
            | Error::NoWindow { field }
            | Error::Repeated { field, .. }
            | Error::TooMany { field, .. }
            | Error::Syntax { field, .. }
            | Error::UnknownFunction { field, .. }
            | Error::UnknownColumn { field, .. }
            | Error::NotNumeric { field, .. } => field,
        }
    }

    /// Position inside the expression, in characters from 1, where the problem is in one.
    pub fn at(&self) -> Option<usize> {
        match self {
            Error::Syntax { at, .. }
            | Error::UnknownFunction { at, .. }
            | Error::UnknownColumn { at, .. }
            | Error::NotNumeric { at, .. } => Some(*at),
            _ => None,
        }
    }
}

/// The candidate that `name` is probably a slip for, if one is near enough.
pub(crate) fn nearest<'a>(name: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let near_max = (name.chars().count() / 3).max(1);
    let scored =
        candidates.into_iter().map(|candidate| (distance(&name.to_lowercase(), &candidate.to_lowercase()), candidate));
    scored.filter(|(edits, _)| *edits <= near_max).min_by_key(|(edits, _)| *edits).map(|(_, candidate)| candidate)
}

/// Edit distance in which swapping two neighbours costs one, as a slip of the fingers should.
fn distance(left: &str, right: &str) -> usize {
    let (left, right): (Vec<char>, Vec<char>) = (left.chars().collect(), right.chars().collect());
    let mut rows = vec![vec![0; right.len() + 1]; left.len() + 1];
    for i in 0..=left.len() {
        for j in 0..=right.len() {
            rows[i][j] = if i == 0 || j == 0 {
                i + j
            } else {
                let replaced = rows[i - 1][j - 1] + usize::from(left[i - 1] != right[j - 1]);
                let mut best = replaced.min(rows[i - 1][j] + 1).min(rows[i][j - 1] + 1);
                if i > 1 && j > 1 && left[i - 1] == right[j - 2] && left[i - 2] == right[j - 1] {
                    best = best.min(rows[i - 2][j - 2] + 1);
                }
                best
            };
        }
    }
    rows[left.len()][right.len()]
}
