//! Outcomes of one batch as rows of the public topic.

use crate::pairing::{Event, Label, Prediction};
use crate::predictions::{Route, Routes, TEXTS};
use crate::settings::Settings;
use arrow::array::{
    ArrayRef, BooleanArray, Float64Array, Int32Array, RecordBatch, StringArray, StringBuilder, StructArray,
    TimestampMicrosecondArray, new_null_array,
};
use arrow::buffer::NullBuffer;
use arrow::datatypes::{DataType, Field};
use flow::processor::{PublicRows, Stop};
use flow::reader::Trigger;
use flow::wire::Origin;
use std::sync::Arc;

/// What the numbers of rows stand for.
#[derive(Clone, Copy)]
struct Words<'a> {
    routes: &'a Routes,
    classes: &'a [String],
}

/// Rows in the making.
#[derive(Debug, Default)]
pub(crate) struct Outcomes {
    ids: Vec<String>,
    triggers: Vec<Trigger>,
    origins: Vec<Option<Origin>>,
    keys: StringBuilder,
    event_time_us: Vec<i64>,
    known_us: Vec<i64>,
    values: Vec<f64>,
    predictions: Vec<Option<Prediction>>,
    revisions: Vec<i32>,
}

impl Outcomes {
    /// Appends an outcome, of which there were so many before.
    pub(crate) fn push(
        &mut self,
        (trigger, id): (Trigger, &str),
        (event, label, prediction): (&Event, &Label, Option<Prediction>),
        revision: i32,
    ) {
        self.ids.push(id.to_owned());
        self.triggers.push(trigger);
        self.origins.push(Some(label.origin));
        self.keys.append_value(event.keys.iter().next().flatten().unwrap_or_default());
        self.event_time_us.push(event.time_us);
        self.known_us.push(label.known_us);
        self.values.push(label.value);
        self.predictions.push(prediction);
        self.revisions.push(revision);
    }

    /// Whether there is none.
    pub(crate) fn is_empty(&self) -> bool {
        self.ids.is_empty()
    }

    /// The rows with the topic's columns, keyed by event id.
    pub(crate) fn rows(self, settings: &Settings, routes: &Routes) -> Result<PublicRows, Stop> {
        let (schema, words) = (&settings.outcome_schema, Words { routes, classes: &settings.classes });
        let columns = schema.fields().iter().map(|field| self.column(field, words)).collect::<Result<_, _>>()?;
        let rows = RecordBatch::try_new(schema.clone(), columns).map_err(flow::wire::Error::from)?;
        let Outcomes { ids, triggers, origins, .. } = self;
        Ok(PublicRows { topic: settings.outcomes, keys: ids.clone(), ids, triggers, origins, rows })
    }

    fn column(&self, field: &Field, words: Words<'_>) -> Result<ArrayRef, Stop> {
        let times = |values: &[i64]| -> ArrayRef {
            Arc::new(TimestampMicrosecondArray::from(values.to_vec()).with_data_type(field.data_type().clone()))
        };
        Ok(match field.name().as_str() {
            "event_id" => Arc::new(StringArray::from_iter_values(&self.ids)),
            "event_time" => times(&self.event_time_us),
            "known_time" => times(&self.known_us),
            "key" => Arc::new(self.keys.finish_cloned()),
            "label" => Arc::new(Float64Array::from(self.values.clone())),
            "label_class" => {
                let classes = self.values.iter().map(|value| words.classes.get(*value as usize));
                Arc::new(classes.collect::<StringArray>())
            }
            "repeated" => Arc::new(BooleanArray::from_iter(self.revisions.iter().map(|revision| Some(*revision > 0)))),
            "revision" => Arc::new(Int32Array::from(self.revisions.clone())),
            "prediction" => self.prediction(field, words)?,
            _ => new_null_array(field.data_type(), self.ids.len()),
        })
    }

    fn prediction(&self, field: &Field, Words { routes, classes }: Words<'_>) -> Result<ArrayRef, Stop> {
        let DataType::Struct(fields) = field.data_type() else {
            return Err(Stop::Other(format!("outcomes have {} where a record belongs", field.data_type())));
        };
        let numbers = |number: fn(&Prediction) -> f64| -> ArrayRef {
            Arc::new(Float64Array::from_iter_values(
                self.predictions.iter().map(|row| row.as_ref().map_or(0.0, number)),
            ))
        };
        let nothing = Route::default();
        let chosen: Vec<&Route> =
            self.predictions.iter().map(|row| row.map_or(&nothing, |row| routes.get(row.route))).collect();
        let column = |field: &Arc<Field>| -> ArrayRef {
            let name = field.name().as_str();
            if let Some(at) = TEXTS.iter().position(|text| *text == name) {
                return Arc::new(StringArray::from_iter_values(chosen.iter().map(|route| &*route.texts[at])));
            }
            match name {
                "score" => numbers(|row| row.score),
                "class" => {
                    let named = self.predictions.iter().map(|row| classes.get(usize::from(row.as_ref()?.class?)));
                    Arc::new(named.collect::<StringArray>())
                }
                // What nobody decided is null, and a value where the schema wants one, as below an absent prediction.
                "threshold" if field.is_nullable() => Arc::new(
                    self.predictions.iter().map(|row| decided(row).map(|row| row.threshold)).collect::<Float64Array>(),
                ),
                "decision" if field.is_nullable() => Arc::new(
                    self.predictions.iter().map(|row| decided(row).map(|row| row.decision)).collect::<BooleanArray>(),
                ),
                "threshold" => numbers(|row| row.threshold),
                "decision" => {
                    let decided = self.predictions.iter().map(|row| row.is_some_and(|row| row.decision));
                    Arc::new(BooleanArray::from_iter(decided.map(Some)))
                }
                "schema_id" => Arc::new(Int32Array::from_iter_values(chosen.iter().map(|route| route.schema_id))),
                _ => new_null_array(field.data_type(), chosen.len()),
            }
        };
        let columns = fields.iter().map(column).collect();
        let nulls = NullBuffer::from_iter(self.predictions.iter().map(Option::is_some));
        Ok(Arc::new(StructArray::try_new(fields.clone(), columns, Some(nulls)).map_err(flow::wire::Error::from)?))
    }
}

/// A prediction that decided something.
fn decided(prediction: &Option<Prediction>) -> Option<&Prediction> {
    prediction.as_ref().filter(|prediction| !prediction.threshold.is_nan())
}
