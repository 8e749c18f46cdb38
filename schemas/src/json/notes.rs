//! What the types of fields do not say: that sixteen bytes are a UUID, and which symbols an enum has.
//!
//! Schemas here have no metadata at their fields, so that two of the same columns are equal whoever wrote them. Writers
//! need it back: a UUID is text in JSON, and in Avro where its type is a string.

use std::collections::HashMap;
use std::sync::Arc;

use arrow::array::{ArrayRef, StringArray};
use arrow::datatypes::{DataType, Field, FieldRef, Schema, SchemaRef};

use super::plan::{self, Named, Node};
use crate::codec::{AVRO_SCHEMA_KEY, parse_schema};

/// Key of a note; arrow-avro's own.
const NOTE: &str = "logicalType";
/// The note of a UUID.
const UUID: &str = "uuid";

/// Which UUIDs are written as text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Uuids {
    /// All, as JSON has them.
    All,
    /// Those whose Avro type is a string; a fixed is written as its bytes.
    Strings,
}

/// The fields of the Avro schema that a schema was made from, and the types that they name.
fn compiled(schema: &Schema) -> Option<(Vec<plan::Field>, Named)> {
    let parsed = parse_schema(schema.metadata().get(AVRO_SCHEMA_KEY)?).ok()?;
    match plan::compile(&parsed.avro) {
        (Node::Record(fields), named) => Some((fields, named)),
        _ => None,
    }
}

/// The schema with notes at the fields whose sixteen bytes are a UUID.
pub(crate) fn noted_uuids(schema: &SchemaRef, uuids: Uuids) -> SchemaRef {
    let Some((fields, named)) = compiled(schema) else { return schema.clone() };
    let noted = fields.iter().zip(schema.fields()).map(|(of, field)| noted(&of.node, (&named, uuids), field));
    Arc::new(Schema::new_with_metadata(noted.collect::<Vec<_>>(), schema.metadata().clone()))
}

/// The symbols of a field that is an enum, in the order of the Avro schema: the keys of its dictionaries count them.
pub fn enum_symbols(schema: &Schema, field: &str) -> Option<ArrayRef> {
    let (at, found) = schema.column_with_name(field)?;
    let is_enum = matches!(found.data_type(), DataType::Dictionary(..));
    symbols(schema).into_iter().nth(at).filter(|_| is_enum)?.into_iter().next()
}

/// The symbols of each enum in each field, in the order in which they stand in the field's type.
pub(crate) fn symbols(schema: &Schema) -> Vec<Vec<ArrayRef>> {
    let Some((fields, named)) = compiled(schema) else { return Vec::new() };
    let of = |(of, field): (&plan::Field, &FieldRef)| {
        let mut found = Vec::new();
        collect(&of.node, &named, field.data_type(), &mut found);
        found
    };
    fields.iter().zip(schema.fields()).map(of).collect()
}

fn collect(node: &Node, named: &Named, data_type: &DataType, to: &mut Vec<ArrayRef>) {
    match (node, data_type) {
        (Node::Named(name), _) => named.get(name).into_iter().for_each(|node| collect(node, named, data_type, to)),
        (Node::Union(union), _) => {
            if let [(_, only)] = &union.others[..] {
                collect(only, named, data_type, to);
            }
        }
        (Node::Enum(symbols), DataType::Dictionary(..)) => to.push(Arc::new(StringArray::from_iter_values(symbols))),
        (Node::Record(of), DataType::Struct(fields)) => {
            of.iter().zip(fields).for_each(|(of, field)| collect(&of.node, named, field.data_type(), to));
        }
        (Node::Array(of), DataType::List(item)) => collect(of, named, item.data_type(), to),
        (Node::Map(of), DataType::Map(entries, _)) => {
            if let DataType::Struct(pair) = entries.data_type() {
                pair.iter().skip(1).for_each(|value| collect(of, named, value.data_type(), to));
            }
        }
        _ => {}
    }
}

fn noted(node: &Node, known: (&Named, Uuids), field: &FieldRef) -> FieldRef {
    let plain = field.as_ref().clone();
    Arc::new(match (node, field.data_type()) {
        (Node::Named(name), _) => {
            return known.0.get(name).map_or_else(|| field.clone(), |node| noted(node, known, field));
        }
        (Node::Union(union), _) => match &union.others[..] {
            [(_, only)] => return noted(only, known, field),
            _ => plain,
        },
        (Node::Text, DataType::FixedSizeBinary(_)) => uuid(plain),
        (Node::Uuid, DataType::FixedSizeBinary(_)) if known.1 == Uuids::All => uuid(plain),
        (Node::Record(of), DataType::Struct(fields)) => {
            let fields = of.iter().zip(fields).map(|(of, field)| noted(&of.node, known, field));
            plain.with_data_type(DataType::Struct(fields.collect()))
        }
        // Arrow asks for the form of a list's or map's values with the field of the list or map.
        (Node::Array(of), DataType::List(item)) => {
            let item = noted(of, known, item);
            plain.with_metadata(item.metadata().clone()).with_data_type(DataType::List(item))
        }
        (Node::Map(of), DataType::Map(entries, sorted)) => {
            let DataType::Struct(pair) = entries.data_type() else { return field.clone() };
            let [key, value] = &pair[..] else { return field.clone() };
            let value = noted(of, known, value);
            let notes = value.metadata().clone();
            let pair = DataType::Struct([key.clone(), value].into_iter().collect());
            let entries = entries.as_ref().clone().with_data_type(pair);
            plain.with_metadata(notes).with_data_type(DataType::Map(Arc::new(entries), *sorted))
        }
        _ => plain,
    })
}

fn uuid(field: Field) -> Field {
    field.with_metadata(HashMap::from([(NOTE.to_owned(), UUID.to_owned())]))
}

/// Whether there is such a note.
pub(super) fn is_uuid(field: &FieldRef) -> bool {
    field.metadata().get(NOTE).is_some_and(|noted| noted == UUID)
}
