//! Everything that is wrong with one object, in the order of the schema.

use std::fmt;

use crate::reject::{Code, Reject};

/// Most faults that are reported for one object.
const FAULTS_MAX: usize = 32;

/// One step of the way to a value.
#[derive(Debug, Clone)]
pub(super) enum Step<'w> {
    /// A field of a record with its place there.
    Field(usize, &'w str),
    /// An element of an array.
    Index(usize),
    /// An entry of a map with its place there.
    Key(usize, String),
    /// A field that the schema does not have.
    Unknown(String),
}

impl Step<'_> {
    /// Where faults behind it stand: unknown fields come first.
    fn order(&self) -> usize {
        match self {
            Step::Unknown(_) => 0,
            Step::Field(at, _) | Step::Index(at) | Step::Key(at, _) => at + 1,
        }
    }
}

impl fmt::Display for Step<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Step::Field(_, name) => f.write_str(name),
            Step::Index(at) => write!(f, "{at}"),
            Step::Key(_, name) | Step::Unknown(name) => f.write_str(name),
        }
    }
}

/// The way to the value in hand, and the faults found so far.
#[derive(Debug, Default)]
pub(super) struct Faults<'w> {
    pub path: Vec<Step<'w>>,
    found: Vec<(Vec<usize>, Reject)>,
}

impl Faults<'_> {
    /// Notes a fault of the value in hand.
    pub fn add(&mut self, code: Code, what: impl fmt::Display) {
        if self.found.len() < FAULTS_MAX {
            let reject = Reject::new(code, format!("{}: {what}", self.place()));
            self.found.push((self.path.iter().map(Step::order).collect(), reject));
        }
    }

    /// The way to the value in hand, in words.
    pub fn place(&self) -> String {
        match &self.path[..] {
            [] => "record".to_owned(),
            path => path.iter().map(Step::to_string).collect::<Vec<_>>().join("."),
        }
    }

    /// How many were found.
    pub fn len(&self) -> usize {
        self.found.len()
    }

    /// Forgets all but the first so many.
    pub fn truncate(&mut self, len: usize) {
        self.found.truncate(len);
    }

    /// What was found of one object, if anything, and a fresh start.
    pub fn finish(&mut self) -> Result<(), Vec<Reject>> {
        self.path.clear();
        if self.found.is_empty() {
            return Ok(());
        }
        let mut found = std::mem::take(&mut self.found);
        found.sort_by(|(one, _), (other, _)| one.cmp(other));
        Err(found.into_iter().map(|(_, reject)| reject).collect())
    }
}
