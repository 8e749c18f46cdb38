//! What kind of values the fields of JSON objects have: the kind that most of them are, and what is not.

use std::collections::{BTreeMap, HashMap};

use arrow::compute::kernels::cast_utils::string_to_timestamp_nanos;
use serde_json::{Map, Value, json};

use super::derive::field;
use super::infer::{Column, FEW_MAX, Kind, Table};

/// The shortest text that is a time: `2026-04-01T09:30:00`.
const TIME_BYTES_MIN: usize = 19;
/// Numbers since 1970 from which on they are of the finer unit: about the year 5000 in one, 1975 in the other.
const UNITS: [(f64, &str); 4] =
    [(1.0e11, "seconds"), (1.0e14, "milliseconds"), (1.0e17, "microseconds"), (f64::INFINITY, "nanoseconds")];
/// The first time that is taken for one, in seconds: the year 2000.
const SECONDS_MIN: f64 = 946_684_800.0;

/// The fields of objects, in the order in which they were seen.
#[derive(Debug, Default)]
pub struct Objects {
    rows: usize,
    order: Vec<String>,
    fields: HashMap<String, Seen>,
}

/// What is known of a field.
#[derive(Debug, Default)]
struct Seen {
    kinds: BTreeMap<&'static str, usize>,
    parts: Objects,
    values: HashMap<String, usize>,
    times_us: Option<(i64, i64)>,
    numbers: Option<(f64, f64)>,
}

const BOOLEAN: &str = "true or false";
const INTEGER: &str = "a whole number";
const FLOAT: &str = "a number";
const TIME: &str = "a time";
const TEXT: &str = "a text";
const RECORD: &str = "an object";
const LIST: &str = "a list";

impl Objects {
    /// Takes one more.
    pub fn look(&mut self, object: &Map<String, Value>) {
        self.rows += 1;
        for (name, value) in object {
            if !self.fields.contains_key(name) {
                self.order.push(name.clone());
            }
            self.fields.entry(name.clone()).or_default().look(value);
        }
    }

    /// How many there were.
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// The unit of a field whose values are times as numbers.
    pub fn unit(&self, name: &str) -> Option<&'static str> {
        let seen = self.fields.get(name).filter(|seen| matches!(seen.kind(), Some(INTEGER | FLOAT)))?;
        let (least, most) = seen.numbers?;
        let (_, unit) = UNITS.iter().find(|(end, _)| most < *end)?;
        (least >= SECONDS_MIN).then_some(*unit)
    }

    /// From now on this field's numbers are times.
    pub fn are_times(&mut self, name: &str) {
        if let Some(seen) = self.fields.get_mut(name) {
            seen.kinds = BTreeMap::from([(TIME, self.rows)]);
        }
    }

    /// The fields that are single values and have any.
    pub fn table(&self) -> Table {
        let column = |name: &String| {
            let seen = self.fields.get(name)?;
            let kind = plain(seen.kind()?)?;
            let mut few: Vec<_> = match seen.values.len() > FEW_MAX {
                true => Vec::new(),
                false => seen.values.iter().map(|(value, rows)| (value.clone(), *rows)).collect(),
            };
            few.sort();
            let (nulls, values) = (seen.present() < self.rows, seen.values.len());
            let span_us = seen.times_us.map(|(first, last)| last - first);
            Some(Column { name: name.clone(), kind, nulls, values, few, span_us })
        };
        Table { columns: self.order.iter().filter_map(column).collect(), rows: self.rows }
    }

    /// Fields of an Avro record that takes them. All but the needed ones may be missing.
    pub fn fields(&self, needed: &[&str]) -> Vec<Value> {
        let fields = self.order.iter().filter(|name| is_name(name)).filter_map(|name| {
            let seen = self.fields.get(name)?;
            match seen.kind()? {
                RECORD => {
                    let parts = seen.parts.fields(&[]);
                    let record = json!({ "type": "record", "name": format!("{name}_record"), "fields": parts });
                    (!parts.is_empty()).then(|| json!({ "name": name, "type": ["null", record], "default": null }))
                }
                kind => Some(field(name, plain(kind)?, !needed.contains(&name.as_str()))),
            }
        });
        fields.collect()
    }

    /// What a person should know of the lines of a file whose fields become columns.
    pub fn notes_of_lines(&self) -> Vec<String> {
        let mut notes = Vec::new();
        for (name, seen, kind) in self.known() {
            let others = seen.others(kind);
            if matches!(kind, RECORD | LIST) {
                notes.push(format!(
                    "`{name}` is {kind}, which is left out; what of it counts must be a column of its own"
                ));
            } else if !others.is_empty() && kind != TEXT {
                let rows = seen.present();
                notes.push(format!(
                    "`{name}` is {kind} mostly, and {others} of {rows} lines; all of them are texts here"
                ));
            }
        }
        notes
    }

    fn known(&self) -> impl Iterator<Item = (&String, &Seen, &'static str)> {
        self.order.iter().filter_map(|name| {
            let seen = self.fields.get(name)?;
            Some((name, seen, seen.kind()?))
        })
    }

    /// What a person should know of fields that are not what they seem, or that were left out.
    pub fn notes(&self, topic: &str) -> Vec<String> {
        let mut notes = Vec::new();
        for (name, seen, kind) in self.known() {
            let others = seen.others(kind);
            if !others.is_empty() {
                let rows = seen.present();
                notes.push(format!(
                    "{topic}: `{name}` is {kind} mostly, and {others} of {rows} records, which become dead letters"
                ));
            }
            match kind {
                RECORD if is_name(name) => notes.push(format!(
                    "{topic}: `{name}` is an object; SQL reads its parts, as in `{name}['part']`, and none of them can be an id, a time, a key or an input"
                )),
                LIST => notes.push(format!("{topic}: `{name}` is a list, which is left out")),
                _ if !is_name(name) => {
                    notes.push(format!("{topic}: `{name}` is left out, as it cannot be the name of a column"));
                }
                _ => {}
            }
        }
        notes
    }
}

impl Seen {
    fn look(&mut self, value: &Value) {
        let kind = match value {
            Value::Null => return,
            Value::Bool(_) => BOOLEAN,
            Value::Number(number) if number.is_f64() => FLOAT,
            Value::Number(_) => INTEGER,
            Value::String(text) => self.text(text),
            Value::Array(_) => LIST,
            Value::Object(parts) => {
                self.parts.look(parts);
                RECORD
            }
        };
        *self.kinds.entry(kind).or_default() += 1;
        if let Some(number) = value.as_f64() {
            let (least, most) = self.numbers.unwrap_or((number, number));
            self.numbers = Some((least.min(number), most.max(number)));
        }
        if !matches!(kind, LIST | RECORD) {
            let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
            *self.values.entry(text).or_default() += 1;
        }
    }

    fn text(&mut self, text: &str) -> &'static str {
        let read = (text.len() >= TIME_BYTES_MIN).then(|| string_to_timestamp_nanos(text).ok()).flatten();
        let Some(time_us) = read.map(|nanos| nanos / 1_000) else { return TEXT };
        let (first, last) = self.times_us.unwrap_or((time_us, time_us));
        self.times_us = Some((first.min(time_us), last.max(time_us)));
        TIME
    }

    /// What else its values are, and how often.
    fn others(&self, kind: &str) -> String {
        let is_other = |other: &str| other != kind && !(kind == FLOAT && other == INTEGER);
        let others = self.kinds.iter().filter(|(other, _)| is_other(other));
        others.map(|(other, rows)| format!("{other} in {rows}")).collect::<Vec<_>>().join(", ")
    }

    fn present(&self) -> usize {
        self.kinds.values().sum()
    }

    /// What most of its values are; whole numbers are numbers where others have decimals.
    fn kind(&self) -> Option<&'static str> {
        let (kind, _) = self.kinds.iter().max_by_key(|(_, rows)| **rows)?;
        let is_number = *kind == INTEGER && self.kinds.contains_key(FLOAT);
        Some(if is_number { FLOAT } else { *kind })
    }
}

fn plain(kind: &str) -> Option<Kind> {
    match kind {
        BOOLEAN => Some(Kind::Boolean),
        INTEGER => Some(Kind::Integer),
        FLOAT => Some(Kind::Float),
        TIME => Some(Kind::Time),
        TEXT => Some(Kind::Text),
        _ => None,
    }
}

/// Whether Avro takes it as a name.
fn is_name(name: &str) -> bool {
    let letter = |letter: char| letter.is_ascii_alphabetic() || letter == '_';
    name.starts_with(letter) && name.chars().all(|one| letter(one) || one.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use serde_json::json;

    use super::*;

    fn of(objects: &[Value]) -> Objects {
        let mut seen = Objects::default();
        objects.iter().for_each(|object| seen.look(object.as_object().unwrap()));
        seen
    }

    #[test]
    fn a_field_is_what_most_of_its_values_are_and_the_others_are_told() {
        let mut lines: Vec<Value> =
            (0..9).map(|at| json!({ "a": 1.5, "b": at, "c": "2026-04-01T09:30:00Z" })).collect();
        lines.push(json!({ "a": "hot", "b": 2.5, "c": null, "d": { "e": "x", "f": [1] }, "no name": 1 }));
        let seen = of(&lines);
        let kinds: Vec<(String, Kind, bool)> =
            seen.table().columns.into_iter().map(|column| (column.name, column.kind, column.nulls)).collect();
        let expected = [("a", Kind::Float, false), ("b", Kind::Float, false), ("c", Kind::Time, true)];
        assert_eq!(kinds[..3], expected.map(|(name, kind, nulls)| (name.to_owned(), kind, nulls)));
        let notes = seen.notes("t").join("\n");
        for told in ["`a` is a number mostly, and a text in 1 of 10", "`d` is an object", "`no name` is left out"] {
            assert!(notes.contains(told), "{notes}");
        }
        assert!(!notes.contains("`b`") && !notes.contains("`c`"), "{notes}");
        let parts = json!([{ "name": "e", "type": ["null", "string"], "default": null }]);
        let record = json!({ "type": "record", "name": "d_record", "fields": parts });
        let fields = seen.fields(&["a"]);
        assert_eq!(fields[0], json!({ "name": "a", "type": "double" }));
        assert_eq!(fields[3], json!({ "name": "d", "type": ["null", record], "default": null }));
        assert_eq!(fields.len(), 4);
        let of_lines = seen.notes_of_lines().join("\n");
        assert!(of_lines.contains("all of them are texts here") && of_lines.contains("`d` is an object, which"));
    }

    #[test]
    fn numbers_that_are_times_tell_their_unit() {
        for (number, unit) in [
            (json!(1_767_225_600), Some("seconds")),
            (json!(1_767_225_600.25), Some("seconds")),
            (json!(1_767_225_600_000_i64), Some("milliseconds")),
            (json!(1_767_225_600_000_000_i64), Some("microseconds")),
            (json!(1_767_225_600_000_000_000_i64), Some("nanoseconds")),
            (json!(5), None),
            (json!("2026-04-01T09:30:00Z"), None),
        ] {
            assert_eq!(of(&[json!({ "at": number })]).unit("at"), unit, "{number}");
        }
    }
}
