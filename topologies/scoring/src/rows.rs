//! Predictions as columns: of the journal's items and of the public topic.

use crate::champion::Champion;
use crate::score::Score;
use crate::settings::Settings;
use arrow::array::{
    ArrayRef, BooleanArray, Float64Array, Float64Builder, Int32Array, ListArray, ListBuilder, RecordBatch, StringArray,
    StringBuilder, StructArray, TimestampMicrosecondArray, new_empty_array, new_null_array,
};
use arrow::buffer::OffsetBuffer;
use arrow::datatypes::{DataType, Field, Fields};
use arrow::error::ArrowError;
use flow::processor::PublicRows;
use flow::reader::Trigger;
use flow::wire::Origin;
use std::sync::Arc;

/// Why the champion's score is the effective one.
const ROUTE: &str = "champion";

/// Scores of one target, each with the champion that gave it.
#[derive(Debug, Default)]
pub(crate) struct Scored {
    scores: Vec<f64>,
    /// The places of the classes that are named.
    classes: Vec<Option<usize>>,
    champions: Vec<Arc<Champion>>,
}

impl Scored {
    pub(crate) fn push(&mut self, score: &Score<'_>, champion: &Arc<Champion>) {
        self.scores.push(score.value);
        self.classes.push(score.class);
        self.champions.push(champion.clone());
    }

    fn len(&self) -> usize {
        self.scores.len()
    }

    /// The prediction part of the journal's items.
    pub(crate) fn part(&self, fields: &Fields, settings: &Settings) -> Result<ArrayRef, ArrowError> {
        let columns = fields.iter().map(|field| self.column(field, settings)).collect();
        Ok(Arc::new(StructArray::try_new(fields.clone(), columns, None)?))
    }

    /// A column by its name; one that a later schema has and this code does not know is null.
    fn column<'a>(&'a self, field: &Field, settings: &Settings) -> ArrayRef {
        let texts = |text: fn(&Champion) -> &str| -> ArrayRef {
            Arc::new(StringArray::from_iter_values(self.champions.iter().map(|champion| text(champion))))
        };
        let rows = self.len();
        match field.name().as_str() {
            "score" => Arc::new(Float64Array::from(self.scores.clone())),
            "threshold" => Arc::new(self.champions.iter().map(|champion| champion.threshold).collect::<Float64Array>()),
            "decision" => {
                let pairs = self.scores.iter().zip(&self.champions);
                let decided = |(score, champion): (&f64, &Arc<Champion>)| Some(*score >= champion.threshold?);
                Arc::new(pairs.map(decided).collect::<BooleanArray>())
            }
            "class" => {
                let pairs = self.classes.iter().zip(&self.champions);
                let named =
                    |(class, champion): (&Option<usize>, &'a Arc<Champion>)| champion.model.classes().get((*class)?);
                Arc::new(pairs.map(named).collect::<StringArray>())
            }
            "model" => texts(|champion| &champion.name),
            "model_digest" => texts(|champion| &champion.reference.digest),
            "feature_set" => texts(|champion| &champion.model.manifest().feature_set),
            "profile" => texts(|champion| &champion.model.manifest().network.numerics),
            "route" => Arc::new(StringArray::from_iter_values(std::iter::repeat_n(ROUTE, rows))),
            "schema_id" => Arc::new(Int32Array::from(vec![settings.schema_id as i32; rows])),
            _ => match field.data_type() {
                DataType::List(item) if !field.is_nullable() => {
                    let (none, offsets) = (new_empty_array(item.data_type()), OffsetBuffer::new_zeroed(rows));
                    Arc::new(ListArray::new(item.clone(), offsets, none, None))
                }
                other => new_null_array(other, rows),
            },
        }
    }
}

/// Rows of the public topic in the making.
#[derive(Debug, Default)]
pub(crate) struct Predictions {
    keys: Vec<String>,
    ids: Vec<String>,
    triggers: Vec<Trigger>,
    origins: Vec<Option<Origin>>,
    entity: StringBuilder,
    time_us: Vec<i64>,
    scored: Scored,
    /// Where a row so far has any.
    probabilities: Option<ListBuilder<Float64Builder>>,
}

impl Predictions {
    /// Appends a prediction; `entity` is the first entity's key, empty where it is null.
    pub(crate) fn push(
        &mut self,
        (trigger, origin): (Trigger, Origin),
        (time_us, id, entity): (i64, &str, &str),
        (score, champion): (&Score<'_>, &Arc<Champion>),
    ) {
        // An event without that key has no place of its own; its id spreads such events over the partitions.
        self.keys.push(if entity.is_empty() { id } else { entity }.to_owned());
        self.ids.push(id.to_owned());
        self.triggers.push(trigger);
        self.origins.push(Some(origin));
        self.entity.append_value(entity);
        self.time_us.push(time_us);
        self.scored.push(score, champion);
        let of_classes = score.class.map(|_| score.outputs.iter().map(|one| Some(f64::from(*one))));
        if of_classes.is_some() || self.probabilities.is_some() {
            let before = self.ids.len() - 1;
            self.probabilities.get_or_insert_with(|| nulls(before)).append_option(of_classes);
        }
    }

    /// The rows, if there are any.
    pub(crate) fn rows(mut self, settings: &Settings) -> Result<Option<PublicRows>, ArrowError> {
        if self.ids.is_empty() {
            return Ok(None);
        }
        let schema = &settings.prediction_schema;
        let columns = schema.fields().iter().map(|field| match field.name().as_str() {
            "event_id" => Arc::new(StringArray::from_iter_values(&self.ids)) as ArrayRef,
            "event_time" => {
                let times = TimestampMicrosecondArray::from(std::mem::take(&mut self.time_us));
                Arc::new(times.with_data_type(field.data_type().clone()))
            }
            "key" => Arc::new(self.entity.finish()),
            "probabilities" => match &mut self.probabilities {
                Some(probabilities) => listed(probabilities.finish(), field),
                None => new_null_array(field.data_type(), self.ids.len()),
            },
            _ => self.scored.column(field, settings),
        });
        let rows = RecordBatch::try_new(schema.clone(), columns.collect())?;
        let Predictions { keys, ids, triggers, origins, .. } = self;
        Ok(Some(PublicRows { topic: settings.predictions, keys, ids, triggers, origins, rows }))
    }
}

/// So many rows without a list.
fn nulls(rows: usize) -> ListBuilder<Float64Builder> {
    let mut builder = ListBuilder::new(Float64Builder::new());
    (0..rows).for_each(|_| builder.append_null());
    builder
}

/// A list as its field has it: the name of its items and whether they may be null are the schema's.
fn listed(list: ListArray, field: &Field) -> ArrayRef {
    let (_, offsets, values, nulls) = list.into_parts();
    match field.data_type() {
        DataType::List(item) => Arc::new(ListArray::new(item.clone(), offsets, values, nulls)),
        other => new_null_array(other, offsets.len() - 1),
    }
}
