//! What values of a schema look like in JSON, compiled once.

use std::collections::BTreeMap;

use apache_avro::Schema;
use apache_avro::schema::{InnerDecimalSchema, Name, RecordField, UuidSchema};
use serde_json::Value;

/// One type of a schema.
#[derive(Debug)]
pub(super) enum Node {
    Null,
    Boolean,
    Int,
    Long,
    Float,
    Double,
    Text,
    Bytes,
    Fixed(usize),
    /// Sixteen bytes, as text with hyphens.
    Uuid,
    Enum(Vec<String>),
    /// Days since 1970, in 32 bits.
    Date,
    /// A time with so many ticks per second.
    Instant(i64),
    Decimal(Decimal),
    Record(Vec<Field>),
    Array(Box<Node>),
    Map(Box<Node>),
    Union(Union),
    /// A type that is defined elsewhere in the schema.
    Named(String),
    /// A type that JSON cannot hold.
    Other,
}

/// A number with a fixed count of decimals.
#[derive(Debug)]
pub(super) struct Decimal {
    pub precision: u32,
    pub scale: usize,
    /// Bytes of a fixed; otherwise there are as many as the number needs.
    pub fixed: Option<usize>,
}

/// A field of a record.
#[derive(Debug)]
pub(super) struct Field {
    pub name: String,
    pub node: Node,
    pub default: Option<Value>,
}

/// Branches with their positions in the schema.
#[derive(Debug)]
pub(super) struct Union {
    pub null: Option<i64>,
    pub others: Vec<(i64, Node)>,
}

/// Types that are named, by full name.
pub(super) type Named = BTreeMap<String, Node>;

/// Compiles a schema, and all types that it names.
pub(super) fn compile(schema: &Schema) -> (Node, Named) {
    let mut named = Named::new();
    collect_named(schema, &mut named);
    (node(schema), named)
}

fn collect_named(schema: &Schema, named: &mut Named) {
    if let Some(name) = schema.name().filter(|_| !matches!(schema, Schema::Ref { .. })) {
        named.insert(full_name(name), node(schema));
    }
    match schema {
        Schema::Record(record) => record.fields.iter().for_each(|field| collect_named(&field.schema, named)),
        Schema::Union(union) => union.variants().iter().for_each(|variant| collect_named(variant, named)),
        Schema::Array(array) => collect_named(&array.items, named),
        Schema::Map(map) => collect_named(&map.types, named),
        _ => {}
    }
}

fn full_name(name: &Name) -> String {
    name.fullname(None)
}

fn node(schema: &Schema) -> Node {
    match schema {
        Schema::Null => Node::Null,
        Schema::Boolean => Node::Boolean,
        Schema::Int | Schema::TimeMillis => Node::Int,
        Schema::Long | Schema::TimeMicros => Node::Long,
        Schema::Float => Node::Float,
        Schema::Double => Node::Double,
        Schema::String | Schema::Uuid(UuidSchema::String) => Node::Text,
        Schema::Bytes | Schema::Uuid(UuidSchema::Bytes) => Node::Bytes,
        Schema::Uuid(UuidSchema::Fixed(_)) => Node::Uuid,
        Schema::Fixed(fixed) => Node::Fixed(fixed.size),
        Schema::Enum(symbols) => Node::Enum(symbols.symbols.clone()),
        Schema::Date => Node::Date,
        Schema::TimestampMillis | Schema::LocalTimestampMillis => Node::Instant(1_000),
        Schema::TimestampMicros | Schema::LocalTimestampMicros => Node::Instant(1_000_000),
        Schema::TimestampNanos | Schema::LocalTimestampNanos => Node::Instant(1_000_000_000),
        Schema::Decimal(decimal) => Node::Decimal(Decimal {
            precision: decimal.precision as u32,
            scale: decimal.scale,
            fixed: match &decimal.inner {
                InnerDecimalSchema::Bytes => None,
                InnerDecimalSchema::Fixed(fixed) => Some(fixed.size),
            },
        }),
        Schema::Record(record) => Node::Record(record.fields.iter().map(field).collect()),
        Schema::Array(array) => Node::Array(Box::new(node(&array.items))),
        Schema::Map(map) => Node::Map(Box::new(node(&map.types))),
        Schema::Union(union) => {
            let branches = || union.variants().iter().zip(0_i64..);
            let is_null = |variant: &Schema| matches!(variant, Schema::Null);
            Node::Union(Union {
                null: branches().find(|(variant, _)| is_null(variant)).map(|(_, at)| at),
                others: branches().filter(|(v, _)| !is_null(v)).map(|(v, at)| (at, node(v))).collect(),
            })
        }
        Schema::Ref { name } => Node::Named(full_name(name)),
        _ => Node::Other,
    }
}

fn field(field: &RecordField) -> Field {
    Field { name: field.name.clone(), node: node(&field.schema), default: field.default.clone() }
}

impl Node {
    /// What a JSON value of this type is called.
    pub fn expected(&self) -> &'static str {
        match self {
            Node::Null => "null",
            Node::Boolean => "true or false",
            Node::Int | Node::Long => "an integer",
            Node::Float | Node::Double => "a number",
            Node::Text => "a string",
            Node::Bytes | Node::Fixed(_) => "a string of code points up to 255",
            Node::Uuid => "a UUID such as f47ac10b-58cc-4372-a567-0e02b2c3d479",
            Node::Enum(_) => "a symbol's name",
            Node::Date => "a date such as 2018-04-01, or days since 1970",
            Node::Instant(_) => "a time such as 2018-04-01T00:00:31Z, or an integer",
            Node::Decimal(_) => "a decimal number, or a string of one",
            Node::Record(_) | Node::Map(_) => "an object",
            Node::Array(_) => "an array",
            Node::Union(_) => "a value of one of the union's types",
            Node::Named(_) | Node::Other => "nothing, as JSON cannot hold the schema's type",
        }
    }
}
