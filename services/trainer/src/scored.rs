//! Scores of rows that lie in a table.

use crate::Error;
use arrow::array::{AsArray, Float64Array, ListArray, RecordBatch, StringArray, StructArray};
use arrow::array::{Float64Builder, ListBuilder, StringBuilder};
use arrow::datatypes::{DataType, Fields};
use model::{Head, Model};
use scoring::Inputs;
use scoring::score::{Score, scores};
use std::collections::BTreeMap;

/// Scores of rows, and how many of their categories the model does not know.
#[derive(Debug, Clone)]
pub struct Scored {
    /// A score per row: of classes the probability of the most probable one.
    pub scores: Float64Array,
    /// What a model of classes says beside that.
    pub classes: Option<Classes>,
    /// By input; nothing where all are known.
    pub unknown: BTreeMap<String, u64>,
}

/// What a model of classes says of rows.
#[derive(Debug, Clone)]
pub struct Classes {
    /// The most probable class of each row, the first of equals.
    pub class: StringArray,
    /// Per row a probability of each class, in the order of the model's classes.
    pub probabilities: ListArray,
}

impl Classes {
    fn of<'a>(names: &[String], scores: impl Iterator<Item = Score<'a>>) -> Self {
        let (mut class, mut probabilities) = (StringBuilder::new(), ListBuilder::new(Float64Builder::new()));
        for score in scores {
            class.append_option(score.class.map(|at| &names[at]));
            score.outputs.iter().for_each(|p| probabilities.values().append_value(f64::from(*p)));
            probabilities.append(true);
        }
        Self { class: class.finish(), probabilities: probabilities.finish() }
    }
}

/// Scores of rows with the bits that streaming gives. Rows have the parts `event` and `features`, as archived logs do,
/// or all columns beside each other.
pub fn score(model: &Model, rows: &RecordBatch) -> Result<Scored, Error> {
    let part = |name: &str| match rows.column_by_name(name).map(|column| (column, column.data_type())) {
        Some((column, DataType::Struct(_))) => Some(column.as_struct().clone()),
        _ => None,
    };
    let (event, features) = match (part("event"), part("features")) {
        (None, None) => (Some(StructArray::from(rows.clone())), None),
        parts => parts,
    };
    let fields = |part: &Option<StructArray>| part.as_ref().map_or_else(Fields::empty, |part| part.fields().clone());
    let inputs = Inputs::of(model, &fields(&event), &fields(&features))?;
    let all: Vec<usize> = (0..rows.num_rows()).collect();
    let matrix = inputs.rows(event.as_ref(), features.as_ref(), &all);
    let network = model.network();
    let mut outputs = vec![0.0_f32; rows.num_rows() * network.outputs()];
    network.score(&matrix, &mut outputs);
    let told = || scores(network, &outputs);
    Ok(Scored {
        scores: Float64Array::from_iter_values(told().map(|score| score.value)),
        classes: (network.head() == Head::Classes).then(|| Classes::of(model.classes(), told())),
        unknown: inputs.unknown(&matrix).map(|(input, count)| (input.to_owned(), count)).collect(),
    })
}
