//! The keys of the pipeline file, each declared once: its name, what it holds, what stands for it when it is absent, and
//! a sentence about it. [`Section`](super::section::Section) reads by these declarations and by nothing else; the JSON
//! Schema and the reference are made of the same ones.

mod features;
mod json_schema;
mod models;
mod monitors;
mod pipeline;
mod reference;
mod retention;
mod rules;
mod sources;
#[cfg(test)]
mod tests;
mod training;
mod words;

pub use features::WINDOWS_MAX;
pub use json_schema::json_schema;
pub use reference::reference;

pub(super) use features::*;
pub(super) use models::*;
pub(super) use monitors::*;
pub(super) use pipeline::*;
pub(super) use retention::*;
pub(super) use rules::*;
pub(super) use sources::*;
pub(super) use training::*;
pub(super) use words::*;

/// One key of a section.
#[derive(Debug)]
pub(super) struct Key {
    pub name: &'static str,
    pub kind: Kind,
    pub absent: Absent,
    /// What it says, in a sentence or two.
    pub doc: &'static str,
}

/// What a key holds.
#[derive(Debug)]
pub(super) enum Kind {
    /// A text; the words say of what, such as `a column of the schema`.
    Text(&'static str),
    /// A text that begins with a-z and goes on with a-z, 0-9, `_` and `-`.
    Name,
    /// A text that Kafka takes as a topic.
    Topic,
    /// A whole number and a unit of time.
    Duration {
        is_longer_than_nothing: bool,
    },
    /// A whole number and a unit of bytes.
    Size {
        least: u64,
    },
    /// A whole number; `most` is `u64::MAX` where nothing but the machine limits it.
    Integer {
        least: u64,
        most: u64,
    },
    Number(Range),
    Boolean,
    /// This word.
    Word(&'static str),
    /// One of these words.
    Choice(fn() -> Vec<&'static str>),
    /// This boolean and not the other.
    Only(bool),
    /// Nothing behind the key.
    Nothing,
    /// A text, a number, or true or false.
    Value,
    /// A map with these keys.
    Section(&'static Shape),
    /// A map with the keys of one shape where it has a certain key, and with those of another where it has not.
    Either {
        key: &'static str,
        with: &'static Shape,
        without: &'static Shape,
    },
    /// A map whose keys are the user's own names.
    Named(&'static Kind),
    /// A map whose keys are names of something else, such as columns; the words say of what.
    Of(&'static str, &'static Kind),
    /// A list with so many items.
    List {
        of: &'static Kind,
        least: usize,
        most: usize,
    },
    /// Any of several.
    Any(&'static [Kind]),
}

/// What stands for a key that is absent.
#[derive(Debug, Clone, Copy)]
pub(super) enum Absent {
    /// Nothing does: the key must be there.
    Refused,
    /// Nothing does, and nothing needs to.
    Nothing,
    Integer(u64),
    Number(f64),
    /// A length of time in microseconds.
    Time(i64),
    Word(&'static str),
    Boolean(bool),
    /// Something that depends on other keys, in words.
    Told(&'static str),
}

/// Which numbers are allowed.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Range {
    /// All that are finite.
    Finite,
    Above(f64),
    AtLeast(f64),
    /// Both ends included.
    Within(f64, f64),
    /// The upper end excluded.
    Below(f64, f64),
    /// Those that single precision holds.
    Single,
}

/// The keys of a section.
#[derive(Debug)]
pub(super) struct Shape {
    /// Where it stands: `models.NAME.training`.
    pub path: &'static str,
    /// What it is about, in a sentence or two.
    pub doc: &'static str,
    pub keys: &'static [Key],
    pub needs: Needs,
}

/// Which of keys that may be absent must be there all the same.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Needs {
    Nothing,
    AnyOf(&'static [&'static str]),
    OneOf(&'static [&'static str]),
}

impl Shape {
    pub fn has(&self, name: &str) -> bool {
        self.keys.iter().any(|key| key.name == name)
    }
}

impl Key {
    pub const fn new(name: &'static str, kind: Kind, absent: Absent, doc: &'static str) -> Self {
        Self { name, kind, absent, doc }
    }

    // What stands for the key if it is absent. A test sees to it that what a key holds and what stands for it agree.

    pub fn integer(&self) -> u64 {
        let Absent::Integer(number) = self.absent else { unreachable!("no integer stands for `{}`", self.name) };
        number
    }

    pub fn number(&self) -> f64 {
        let Absent::Number(number) = self.absent else { unreachable!("no number stands for `{}`", self.name) };
        number
    }

    /// In microseconds.
    pub fn time(&self) -> i64 {
        let Absent::Time(us) = self.absent else { unreachable!("no time stands for `{}`", self.name) };
        us
    }

    pub fn word<T: Word>(&self) -> T {
        let found =
            T::all().into_iter().find(|(word, _)| matches!(self.absent, Absent::Word(absent) if absent == *word));
        let Some((_, value)) = found else { unreachable!("no such word stands for `{}`", self.name) };
        value
    }
}

impl Kind {
    pub const TIME: Self = Self::Duration { is_longer_than_nothing: false };
    pub const SPAN: Self = Self::Duration { is_longer_than_nothing: true };
    pub const COLUMN: Self = Self::Text("a column of the schema");
    pub const SQL: Self = Self::Text("SQL");
    pub const AGGREGATE: Self = Self::Text("an aggregate such as `avg(amount)`");
    /// What stands for null.
    pub const IF_NULL: Self = Self::Any(&[Self::Number(Range::Finite), Self::Word("keep")]);

    /// One of the words of `T`.
    pub const fn choice<T: Word>() -> Self {
        Self::Choice(spelled::<T>)
    }

    /// A whole number that fits `u32`.
    pub const fn count(least: u32, most: u32) -> Self {
        Self::Integer { least: least as u64, most: most as u64 }
    }

    /// A whole number that nothing but the machine limits.
    pub const fn at_least(least: u64) -> Self {
        Self::Integer { least, most: u64::MAX }
    }

    pub const fn list(of: &'static Self) -> Self {
        Self::List { of, least: 0, most: usize::MAX }
    }

    /// A list with at least one item.
    pub const fn some(of: &'static Self) -> Self {
        Self::List { of, least: 1, most: usize::MAX }
    }
}

impl Range {
    /// A part of a whole that leaves something of it.
    pub const SHARE: Self = Self::Below(0.0, 1.0);

    pub fn holds(self, number: f64) -> bool {
        match self {
            Self::Finite => number.is_finite(),
            Self::Above(least) => number > least,
            Self::AtLeast(least) => number >= least,
            Self::Within(least, most) => (least..=most).contains(&number),
            Self::Below(least, end) => (least..end).contains(&number),
            Self::Single => number.abs() <= f64::from(f32::MAX),
        }
    }

    /// As in "must be above 0".
    pub fn words(self) -> String {
        match self {
            Self::Finite => "finite".to_owned(),
            Self::Above(least) => format!("above {least}"),
            Self::AtLeast(least) => format!("at least {least}"),
            Self::Within(least, most) => format!("from {least} to {most}"),
            Self::Below(least, end) => format!("at least {least} and below {end}"),
            Self::Single => "a number that fits single precision".to_owned(),
        }
    }
}
