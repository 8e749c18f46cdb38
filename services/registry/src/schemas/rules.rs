//! Which schemas may follow which under one subject: the seven modes of Confluent's registry.

use apache_avro::Schema;
use apache_avro::schema_compatibility::{Compatibility as Readable, SchemaCompatibility};

/// What a new schema owes to earlier ones of its subject: to the newest one, or, transitively, to all of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Compatibility {
    /// Nothing.
    None,
    /// It reads what they wrote.
    Backward,
    /// The same for all of them.
    BackwardTransitive,
    /// They read what it writes.
    Forward,
    /// The same for all of them.
    ForwardTransitive,
    /// Both.
    Full,
    /// Both, for all of them. The rule for public topics, whose history is replayed to old and new subscribers alike.
    FullTransitive,
}

impl Compatibility {
    /// All of them.
    pub const ALL: [Self; 7] = [
        Self::None,
        Self::Backward,
        Self::BackwardTransitive,
        Self::Forward,
        Self::ForwardTransitive,
        Self::Full,
        Self::FullTransitive,
    ];

    /// The name that registries use.
    pub fn name(self) -> &'static str {
        match self {
            Self::None => "NONE",
            Self::Backward => "BACKWARD",
            Self::BackwardTransitive => "BACKWARD_TRANSITIVE",
            Self::Forward => "FORWARD",
            Self::ForwardTransitive => "FORWARD_TRANSITIVE",
            Self::Full => "FULL",
            Self::FullTransitive => "FULL_TRANSITIVE",
        }
    }

    /// The mode with this name.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|mode| mode.name() == name)
    }

    /// Those of a subject's versions, oldest first, that a new one is compared with.
    pub fn compared<T>(self, versions: &[T]) -> &[T] {
        match self {
            Self::None => &[],
            Self::Backward | Self::Forward | Self::Full => &versions[versions.len().saturating_sub(1)..],
            Self::BackwardTransitive | Self::ForwardTransitive | Self::FullTransitive => versions,
        }
    }

    /// The first way in which `new` breaks the rule against an earlier schema that it is compared with; `None` if it does
    /// not.
    pub fn breach(self, earlier: &Schema, new: &Schema) -> Option<String> {
        let backward = || unreadable(earlier, new, "the new schema cannot read old records");
        let forward = || unreadable(new, earlier, "the old schema cannot read new records");
        match self {
            Self::None => None,
            Self::Backward | Self::BackwardTransitive => backward(),
            Self::Forward | Self::ForwardTransitive => forward(),
            Self::Full | Self::FullTransitive => backward().or_else(forward),
        }
    }
}

/// What keeps a reader from reading all that a writer may write.
fn unreadable(writer: &Schema, reader: &Schema, what: &str) -> Option<String> {
    match SchemaCompatibility::can_read(writer, reader) {
        Ok(Readable::Full) => None,
        Ok(Readable::Partial) => Some(format!("{what}: some values of a union or enum have no counterpart")),
        Err(error) => Some(format!("{what}: {error}")),
    }
}
