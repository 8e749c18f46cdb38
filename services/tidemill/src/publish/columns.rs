//! Which column of a table is which of a schema, and turning the one into the other.

use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, AsArray, DictionaryArray, Int32Array, RecordBatch, RecordBatchOptions, new_null_array,
};
use arrow::compute::{CastOptions, can_cast_types, cast, cast_with_options};
use arrow::datatypes::{DataType, Field, Float64Type, Schema, SchemaRef};
use arrow::util::display::{ArrayFormatter, FormatOptions};

use super::{Error, nested};
use flow::config::{listed, nearest};
use schemas::json::enum_symbols;

/// Names of the schema with names of the table, as a user wrote them.
pub type Mapping = Vec<(String, String)>;

/// For each field of a schema the table's column, by position; none where a nullable field stays null.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Columns {
    found: Vec<Option<usize>>,
}

impl Columns {
    /// Finds a column for each field: the mapped one; else one of the same name, letter case and `_` aside; else the only
    /// one that ends in the field's words (`TX_AMOUNT` for `amount`); else, for `time`, the only column of times or with
    /// a name that sounds like it.
    pub fn find(fields: &Schema, table: &Schema, map: &Mapping, time: Option<&str>) -> Result<Self, Error> {
        let mut found = Vec::new();
        for field in fields.fields() {
            let is_time = time == Some(field.name().as_str());
            let at = find(field.name(), is_time, table, map)?;
            if at.is_none() && !field.is_nullable() {
                return Err(missing(field.name(), table));
            }
            found.push(at);
        }
        Ok(Columns { found })
    }

    /// The same for one column that must be there.
    pub fn one(name: &str, table: &Schema, map: &Mapping) -> Result<usize, Error> {
        find(name, false, table, map)?.ok_or_else(|| missing(name, table))
    }

    /// The table's column of a field, by position.
    #[cfg(test)]
    pub fn get(&self, field: usize) -> Option<usize> {
        self.found.get(field).copied().flatten()
    }

    /// The table's rows as a batch of the schema. `before` rows came earlier, for messages.
    pub fn convert(&self, table: &RecordBatch, schema: &SchemaRef, before: u64) -> Result<RecordBatch, Error> {
        let rows = table.num_rows();
        let columns = schema.fields().iter().zip(&self.found).map(|(field, at)| match at {
            None => Ok(new_null_array(field.data_type(), rows)),
            Some(at) => convert_in(schema, (table.column(*at), table.schema_ref().field(*at).name()), field, before),
        });
        let columns = columns.collect::<Result<Vec<_>, _>>()?;
        let options = RecordBatchOptions::new().with_row_count(Some(rows));
        let batch = RecordBatch::try_new_with_options(schema.clone(), columns, &options);
        batch.map_err(|error| schemas::codec::Error::Encode { detail: error.to_string() }.into())
    }
}

/// Refuses a mapping for names that the schemas do not have.
pub fn check_map(map: &Mapping, known: &[&str]) -> Result<(), Error> {
    let Some((name, column)) = map.iter().find(|(name, _)| !known.contains(&name.as_str())) else { return Ok(()) };
    let detail = match nearest(name, known.iter().copied()) {
        Some(near) => format!("the schema has no `{name}`; did you mean `{near}`?"),
        None => format!("the schema has no `{name}`, it has {}", listed(known.iter().copied())),
    };
    Err(Error::Map { name: name.clone(), column: column.clone(), detail })
}

/// One column as a field of a schema wants it, which may be an enum.
pub fn convert_in(
    schema: &Schema,
    (array, column): (&ArrayRef, &str),
    field: &Field,
    before: u64,
) -> Result<ArrayRef, Error> {
    if !matches!(field.data_type(), DataType::Dictionary(..)) || array.data_type() == field.data_type() {
        return convert(array, column, field, before);
    }
    let Some(symbols) = enum_symbols(schema, field.name()) else { return convert(array, column, field, before) };
    let texts = convert(array, column, &Field::new(field.name(), DataType::Utf8, field.is_nullable()), before)?;
    let (texts, known) = (texts.as_string::<i32>(), symbols.as_string::<i32>());
    let place = |text: &str| known.iter().position(|symbol| symbol == Some(text)).map(|place| place as i32);
    let keys: Int32Array = texts.iter().map(|text| text.and_then(place)).collect();
    if let Some(row) = (0..texts.len()).find(|row| texts.is_valid(*row) && keys.is_null(*row)) {
        return Err(Error::Value {
            row: before + row as u64 + 1,
            column: column.to_owned(),
            value: shown(array, row),
            field: field.name().clone(),
            wanted: format!("one of {}", listed(known.iter().flatten())),
        });
    }
    let dictionary = DictionaryArray::try_new(keys, symbols.clone());
    Ok(Arc::new(dictionary.map_err(|error| schemas::codec::Error::Encode { detail: error.to_string() })?))
}

/// One column as the field wants it. A value that does not survive is named with its row.
pub fn convert(array: &ArrayRef, column: &str, field: &Field, before: u64) -> Result<ArrayRef, Error> {
    let wanted = field.data_type();
    let unfit = || Error::Type {
        column: column.to_owned(),
        found: array.data_type().to_string(),
        field: field.name().clone(),
        wanted: wanted.to_string(),
    };
    let converted = if array.data_type() == wanted {
        array.clone()
    } else if nested::is_wanted(array.data_type(), wanted) {
        nested::read(array.as_string::<i32>(), wanted).map_err(|(row, why)| Error::Value {
            row: before + row as u64 + 1,
            column: column.to_owned(),
            value: shown(array, row),
            field: field.name().clone(),
            wanted: format!("an object or a list as the schema has it ({why})"),
        })?
    } else if can_cast_types(array.data_type(), wanted) && !matches!(wanted, DataType::Dictionary(..)) {
        let options = CastOptions { safe: true, ..CastOptions::default() };
        cast_with_options(array, wanted, &options).map_err(|_| unfit())?
    } else {
        return Err(unfit());
    };
    let refused = |row: usize| {
        let lost = array.is_valid(row) && (converted.is_null(row) || rounded(array, &converted, row));
        lost || (!field.is_nullable() && array.is_null(row))
    };
    let checked = converted.null_count() > 0 || (array.data_type().is_floating() && wanted.is_integer());
    match checked.then(|| (0..array.len()).find(|row| refused(*row))).flatten() {
        None => Ok(converted),
        Some(row) => Err(Error::Value {
            row: before + row as u64 + 1,
            column: column.to_owned(),
            value: shown(array, row),
            field: field.name().clone(),
            wanted: if array.is_null(row) { "given".to_owned() } else { words(wanted) },
        }),
    }
}

/// Whether a number with decimals lost them.
fn rounded(array: &ArrayRef, converted: &ArrayRef, row: usize) -> bool {
    if !array.data_type().is_floating() || !converted.data_type().is_integer() {
        return false;
    }
    let double = |array: &ArrayRef| cast(&array.slice(row, 1), &DataType::Float64).ok();
    match (double(array), double(converted)) {
        (Some(from), Some(to)) => {
            from.as_primitive::<Float64Type>().value(0) != to.as_primitive::<Float64Type>().value(0)
        }
        _ => true,
    }
}

fn shown(array: &ArrayRef, row: usize) -> String {
    if array.is_null(row) {
        return "no value".to_owned();
    }
    let formatter = ArrayFormatter::try_new(array, &FormatOptions::default());
    formatter.map_or_else(|_| "a value".to_owned(), |formatter| format!("`{}`", formatter.value(row)))
}

fn words(data_type: &DataType) -> String {
    match data_type {
        DataType::Boolean => "true or false".to_owned(),
        DataType::Timestamp(..) => "a time such as 2018-04-01T09:30:00Z".to_owned(),
        DataType::Float32 | DataType::Float64 => "a number".to_owned(),
        other if other.is_integer() => format!("a whole number that fits {other}"),
        other => other.to_string(),
    }
}

fn find(name: &str, is_time: bool, table: &Schema, map: &Mapping) -> Result<Option<usize>, Error> {
    if let Some((_, column)) = map.iter().find(|(mapped, _)| mapped == name) {
        let at =
            position(table, |found| found == column).or_else(|| position(table, |found| plain(found) == plain(column)));
        return at.map(Some).ok_or_else(|| Error::Map {
            name: name.to_owned(),
            column: column.clone(),
            detail: absent(column, table),
        });
    }
    let exact = position(table, |found| found == name).or_else(|| position(table, |found| plain(found) == plain(name)));
    if exact.is_some() {
        return Ok(exact);
    }
    let wanted = words_of(name);
    let ends = |found: &str| wanted.len() < words_of(found).len() && words_of(found).ends_with(&wanted);
    let similar = only(table, |field| ends(field.name()));
    let times = || only(table, |field| matches!(field.data_type(), DataType::Timestamp(..)));
    let named = || only(table, |field| ["time", "date"].iter().any(|word| plain(field.name()).contains(word)));
    Ok(similar.or_else(|| if is_time { times().or_else(named) } else { None }))
}

fn position(table: &Schema, is: impl Fn(&str) -> bool) -> Option<usize> {
    table.fields().iter().position(|field| is(field.name()))
}

/// The only column that fits.
fn only(table: &Schema, fits: impl Fn(&Arc<Field>) -> bool) -> Option<usize> {
    let mut fitting = table.fields().iter().enumerate().filter(|(_, field)| fits(field)).map(|(at, _)| at);
    fitting.next().filter(|_| fitting.next().is_none())
}

fn plain(name: &str) -> String {
    name.chars().filter(|letter| letter.is_alphanumeric()).flat_map(char::to_lowercase).collect()
}

/// The words of a name; a leading `is` says nothing.
fn words_of(name: &str) -> Vec<String> {
    let words = name.split(|letter: char| !letter.is_alphanumeric()).filter(|word| !word.is_empty());
    let words: Vec<String> = words.map(str::to_lowercase).collect();
    if words.len() > 1 && words[0] == "is" { words[1..].to_vec() } else { words }
}

fn missing(name: &str, table: &Schema) -> Error {
    let near = nearest(name, names(table));
    let help = match near {
        Some(near) => format!("did you mean `{near}`? Say so with --map {name}={near}; "),
        None => format!("name one with --map {name}=COLUMN; "),
    };
    Error::NoColumn { column: name.to_owned(), help, available: listed(names(table)) }
}

fn absent(column: &str, table: &Schema) -> String {
    match nearest(column, names(table)) {
        Some(near) => format!("the file has no column `{column}`; did you mean `{near}`?"),
        None => format!("the file has no column `{column}`, it has {}", listed(names(table))),
    }
}

fn names(table: &Schema) -> impl Iterator<Item = &str> {
    table.fields().iter().map(|field| field.name().as_str())
}
