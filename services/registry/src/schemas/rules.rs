//! Which schemas may follow which under one subject.

use apache_avro::Schema;
use apache_avro::schema_compatibility::{Compatibility as Readable, SchemaCompatibility};

/// What a new schema owes to all earlier ones of its subject.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Compatibility {
    /// Nothing.
    None,
    /// It reads what they wrote.
    BackwardTransitive,
    /// It reads what they wrote, and they read what it writes. The rule for public topics, whose history is replayed
    /// to old and new subscribers alike.
    FullTransitive,
}

impl Compatibility {
    /// The name that registries use.
    pub fn name(self) -> &'static str {
        match self {
            Self::None => "NONE",
            Self::BackwardTransitive => "BACKWARD_TRANSITIVE",
            Self::FullTransitive => "FULL_TRANSITIVE",
        }
    }

    /// The first way in which `new` breaks the rule against an earlier schema; `None` if it does not.
    pub(super) fn breach(self, earlier: &Schema, new: &Schema) -> Option<String> {
        let reads = |writer, reader, what: &str| match SchemaCompatibility::can_read(writer, reader) {
            Ok(Readable::Full) => None,
            Ok(Readable::Partial) => Some(format!("{what}: some values of a union or enum have no counterpart")),
            Err(e) => Some(format!("{what}: {e}")),
        };
        match self {
            Self::None => None,
            Self::BackwardTransitive => reads(earlier, new, "the new schema cannot read old records"),
            Self::FullTransitive => reads(earlier, new, "the new schema cannot read old records")
                .or_else(|| reads(new, earlier, "the old schema cannot read new records")),
        }
    }
}
