//! Labels as the numbers that travel: a number as it is, a class as its place in their order.

use arrow::array::{Array, RecordBatch};
use schemas::key::key_text;
use schemas::reject::Code;

use crate::columns::doubles;
use crate::faults::Faults;
use crate::source::{Classes, Values};

/// Checks the labels in a column and gives their numbers; whatever stands for a label with a fault is never used.
pub fn check(batch: &RecordBatch, (column, values): (usize, &Values), faults: &mut Faults) -> Vec<f64> {
    let array = batch.column(column);
    let name = batch.schema_ref().field(column).name();
    match values {
        Values::Number => numbers(array, name, faults),
        Values::Classes(classes) => places(array, (name, classes), faults),
    }
}

fn numbers(array: &dyn Array, name: &str, faults: &mut Faults) -> Vec<f64> {
    let values = doubles(array).map(std::borrow::Cow::into_owned).unwrap_or_default();
    for (row, value) in values.iter().enumerate() {
        if array.is_null(row) {
            faults.push(row, Code::LabelInvalid, format!("{name} is null"));
        } else if !value.is_finite() {
            faults.push(row, Code::LabelInvalid, format!("{name} is {value}"));
        }
    }
    values
}

fn places(array: &dyn Array, (name, classes): (&str, &Classes), faults: &mut Faults) -> Vec<f64> {
    let mut text = String::new();
    let place = |row: usize| {
        text.clear();
        if key_text(array, row, &mut text).is_none() {
            faults.push(row, Code::LabelInvalid, format!("{name} is null"));
            return f64::NAN;
        }
        match classes.places.get(&text) {
            Some(place) => *place as f64,
            None => {
                faults.push(row, Code::LabelUnknownClass, classes.stranger(name, &text));
                f64::NAN
            }
        }
    };
    (0..array.len()).map(place).collect()
}

impl Classes {
    /// What is said of a label that is none of these.
    fn stranger(&self, name: &str, found: &str) -> String {
        let known = self.words.iter().map(String::as_str);
        let help = match flow::config::nearest(found, known.clone()) {
            Some(near) => format!("did you mean {near:?}?"),
            None => {
                let first: Vec<String> = known.take(LISTED_MAX).map(|word| format!("{word:?}")).collect();
                let more = self.words.len().saturating_sub(LISTED_MAX);
                let rest = if more == 0 { String::new() } else { format!(" and {more} more") };
                format!("they are {}{rest}", first.join(", "))
            }
        };
        format!("{name} is {:?}, which is none of the {} classes; {help}", shortened(found), self.words.len())
    }
}

/// Classes that a message lists.
const LISTED_MAX: usize = 8;
/// Characters of a strange label that a message repeats.
const CHARS_MAX: usize = 64;

fn shortened(text: &str) -> String {
    match text.char_indices().nth(CHARS_MAX) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}
