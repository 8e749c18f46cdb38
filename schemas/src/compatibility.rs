//! Which schemas may follow which under one subject: the seven modes of Confluent's registry.

use apache_avro::Schema;
use apache_avro::error::CompatibilityError;
use apache_avro::schema::RecordField;
use apache_avro::schema_compatibility::{Compatibility as Readable, SchemaCompatibility};
use serde::Deserialize;
use std::fmt;

/// What a new schema owes to earlier ones of its subject: to the newest one, or, transitively, to all of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
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

/// How a new schema breaks the rule against an earlier one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Breach {
    /// The field, with those around it, as far as the difference lies in one.
    pub field: Option<String>,
    /// Who cannot read what, and why.
    pub detail: String,
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
    pub fn breach(self, earlier: &Schema, new: &Schema) -> Option<Breach> {
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

impl fmt::Display for Compatibility {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl fmt::Display for Breach {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.field {
            Some(field) => write!(f, "field `{field}`: {}", self.detail),
            None => f.write_str(&self.detail),
        }
    }
}

/// What keeps a reader from reading all that a writer may write.
fn unreadable(writer: &Schema, reader: &Schema, what: &str) -> Option<Breach> {
    let why = match SchemaCompatibility::can_read(writer, reader) {
        Ok(Readable::Full) => return None,
        Ok(Readable::Partial) => "some values of a union or enum have no counterpart".to_owned(),
        Err(error) => cause(&error),
    };
    let mut path = Vec::new();
    locate(writer, reader, &mut path);
    let field = (!path.is_empty()).then(|| path.join("."));
    Some(Breach { field, detail: format!("{what}: {why}") })
}

/// The innermost reason, as the fields around it are said apart.
fn cause(error: &CompatibilityError) -> String {
    match error {
        CompatibilityError::FieldTypeMismatch(_, inner) => cause(inner),
        CompatibilityError::MissingDefaultValue(_) => "only the reader has it, and without a default".to_owned(),
        other => other.to_string(),
    }
}

/// The fields on the way to the first one that keeps the reader from reading.
fn locate<'s>(writer: &'s Schema, reader: &'s Schema, path: &mut Vec<&'s str>) {
    let (Some(writer), Some(reader)) = (record(writer), record(reader)) else { return };
    for field in reader {
        let is_same = |other: &&RecordField| other.name == field.name || field.aliases.contains(&other.name);
        match writer.iter().find(is_same) {
            None if field.default.is_some() => {}
            None => return path.push(&field.name),
            Some(other) if can_read(&other.schema, &field.schema) => {}
            Some(other) => {
                path.push(&field.name);
                return locate(&other.schema, &field.schema, path);
            }
        }
    }
}

fn can_read(writer: &Schema, reader: &Schema) -> bool {
    matches!(SchemaCompatibility::can_read(writer, reader), Ok(Readable::Full))
}

/// The fields of a record, of one that may be null, or of the items of an array.
fn record(schema: &Schema) -> Option<&[RecordField]> {
    match schema {
        Schema::Record(record) => Some(&record.fields),
        Schema::Array(array) => record(&array.items),
        Schema::Union(union) => union.variants().iter().find_map(record),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    const ID: &str = r#"{"name":"id","type":"long"}"#;

    fn schema(fields: &[&str]) -> Schema {
        Schema::parse_str(&format!(r#"{{"type":"record","name":"R","fields":[{}]}}"#, fields.join(","))).unwrap()
    }

    /// What is said of a new schema.
    #[track_caller]
    fn check(mode: Compatibility, earlier: &[&str], new: &[&str], expected: &str) {
        let breach = mode.breach(&schema(earlier), &schema(new));
        assert_eq!(breach.map(|breach| breach.to_string()).unwrap_or_default(), expected);
    }

    #[test]
    fn a_breach_names_the_field() {
        let amount = r#"{"name":"amount","type":"double"}"#;
        let new =
            "field `amount`: the new schema cannot read old records: only the reader has it, and without a default";
        check(Compatibility::Backward, &[ID], &[ID, amount], new);
        check(Compatibility::Forward, &[ID], &[ID, amount], "");
        let gone =
            "field `amount`: the old schema cannot read new records: only the reader has it, and without a default";
        check(Compatibility::Full, &[ID, amount], &[ID], gone);
        check(Compatibility::Backward, &[ID, amount], &[ID], "");
    }

    #[test]
    fn a_breach_deep_inside_names_the_way_to_it() {
        let nested = |kind: &str| {
            format!(
                r#"{{"name":"place","type":["null",{{"type":"record","name":"P","fields":[{{"name":"town","type":"{kind}"}}]}}],
                    "default":null}}"#
            )
        };
        let breach = Compatibility::Full.breach(&schema(&[ID, &nested("long")]), &schema(&[ID, &nested("string")]));
        assert_eq!(breach.unwrap().field.as_deref(), Some("place.town"));
        let symbols = |list: &str| format!(r#"{{"name":"k","type":{{"type":"enum","name":"K","symbols":[{list}]}}}}"#);
        let (two, three) = (symbols(r#""A","B""#), symbols(r#""A","B","C""#));
        let lost =
            "field `k`: the new schema cannot read old records: some values of a union or enum have no counterpart";
        check(Compatibility::Backward, &[&three], &[&two], lost);
        check(Compatibility::Backward, &[&two], &[&three], "");
    }
}
