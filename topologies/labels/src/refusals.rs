//! Labels of one batch that came to nothing, as rows of the public topic.

use crate::pairing::Refused;
use arrow::array::{ArrayRef, Float64Array, RecordBatch, StringArray, TimestampMicrosecondArray, new_null_array};
use arrow::datatypes::{Field, SchemaRef};
use flow::processor::{PublicRows, Stop};
use flow::reader::Trigger;
use std::sync::Arc;

/// Rows in the making.
#[derive(Debug, Default)]
pub(crate) struct Refusals {
    ids: Vec<String>,
    triggers: Vec<Trigger>,
    refused: Vec<Refused>,
}

impl Refusals {
    /// Appends a label.
    pub(crate) fn push(&mut self, trigger: Trigger, id: &str, refused: Refused) {
        self.ids.push(id.to_owned());
        self.triggers.push(trigger);
        self.refused.push(refused);
    }

    /// Whether there is none.
    pub(crate) fn is_empty(&self) -> bool {
        self.ids.is_empty()
    }

    /// The rows with the topic's columns, keyed by event id.
    pub(crate) fn rows(self, topic: u16, schema: &SchemaRef, classes: &[String]) -> Result<PublicRows, Stop> {
        let columns = schema.fields().iter().map(|field| self.column(field, classes)).collect();
        let rows = RecordBatch::try_new(schema.clone(), columns).map_err(flow::wire::Error::from)?;
        let origins = self.refused.iter().map(|one| Some(one.label.origin)).collect();
        let Refusals { ids, triggers, .. } = self;
        Ok(PublicRows { topic, keys: ids.clone(), ids, triggers, origins, rows })
    }

    fn column(&self, field: &Field, classes: &[String]) -> ArrayRef {
        let refused = self.refused.iter();
        let class = |value: f64| classes.get(value as usize);
        match field.name().as_str() {
            "event_id" => Arc::new(StringArray::from_iter_values(&self.ids)),
            "label" => Arc::new(Float64Array::from_iter_values(refused.map(|one| one.label.value))),
            "known_time" => {
                let times = TimestampMicrosecondArray::from_iter_values(refused.map(|one| one.label.known_us));
                Arc::new(times.with_data_type(field.data_type().clone()))
            }
            "reason" => Arc::new(StringArray::from_iter_values(refused.map(|one| one.reason.code().as_str()))),
            "standing" => Arc::new(refused.map(|one| one.standing).collect::<Float64Array>()),
            "label_class" => Arc::new(refused.map(|one| class(one.label.value)).collect::<StringArray>()),
            "standing_class" => Arc::new(refused.map(|one| one.standing.and_then(class)).collect::<StringArray>()),
            _ => new_null_array(field.data_type(), self.ids.len()),
        }
    }
}
