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
        expected: String,
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
    /// A column of a kind that the aggregate does not take.
    #[error("{field}: column `{name}` at character {at} of `{text}` is {kind}")]
    Kind {
        /// Where it stands.
        field: String,
        /// The expression.
        text: String,
        /// Position in it, counted in characters from 1.
        at: usize,
        /// The name.
        name: String,
        /// What it is not.
        kind: &'static str,
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
            | Error::Kind { field, .. } => field,
        }
    }

    /// What is wrong for those who see the place, and what to do about it.
    pub fn brief(&self) -> (String, Option<String>) {
        match self {
            Error::Syntax { expected, found, .. } => (format!("expected {expected}, found {found}"), None),
            Error::UnknownFunction { name, help, .. } => {
                (format!("`{name}` is no aggregate that can stand here"), Some(help.clone()))
            }
            Error::UnknownColumn { name, help, .. } => (format!("`{name}` is no column"), Some(help.clone())),
            Error::Kind { name, kind, .. } => (format!("`{name}` is {kind}"), None),
            other => (other.to_string(), None),
        }
    }

    /// How many characters it is about, from [`at`](Error::at) on.
    pub fn characters(&self) -> usize {
        match self {
            Error::Syntax { found, .. } => found.strip_prefix('`').map_or(0, |found| found.chars().count() - 1),
            Error::UnknownFunction { name, .. } | Error::UnknownColumn { name, .. } | Error::Kind { name, .. } => {
                name.chars().count()
            }
            _ => 0,
        }
    }

    /// Position inside the expression, in characters from 1, where the problem is in one.
    pub fn at(&self) -> Option<usize> {
        match self {
            Error::Syntax { at, .. }
            | Error::UnknownFunction { at, .. }
            | Error::UnknownColumn { at, .. }
            | Error::Kind { at, .. } => Some(*at),
            _ => None,
        }
    }
}
