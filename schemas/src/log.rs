//! Avro schemas that follow from a pipeline: batches of internal logs, and public predictions and outcomes.
//!
//! An internal log's record is a batch: a header of parents and marks, and an array of items. Decoded, the items are
//! one `List<Struct>` column whose child is the Arrow batch that processors work on; [`items`] takes it out.

mod public;

use std::sync::Arc;

use arrow::array::{Array, AsArray, RecordBatch};
use arrow::buffer::OffsetBuffer;
use arrow::datatypes::{DataType, Schema};
use serde_json::{Map, Value, json};

pub use public::{Decision, outcome_schema, prediction_schema, refusal_schema};

/// Name of the items column of a decoded log batch.
pub const ITEMS: &str = "items";

/// The schema of an internal log's records: record `<name>Batch`.
///
/// `event` is the record schema of the carried event; `features` are names of nullable doubles; `label` and
/// `prediction` add those parts to an item, the latter with a decision as it says. Parts left out have no field at all.
pub fn log_schema(
    name: &str,
    namespace: &str,
    event: Option<&Value>,
    features: &[String],
    label: bool,
    prediction: Option<Decision>,
) -> Value {
    let mut item = item_position();
    if let Some(event) = event {
        item.push(optional(
            "event",
            event.clone(),
            "The event as its producer sent it; null on a label or prediction.",
        ));
    }
    if !features.is_empty() {
        item.push(optional("features", features_schema(features), "Features computed so far; null before any stage."));
    }
    if label {
        item.push(optional("label", label_schema(), "The label that this item brings; null on others."));
    }
    if let Some(decision) = prediction {
        let prediction = item_prediction_schema(decision);
        item.push(optional("prediction", prediction, "The score that this item brings; null on others."));
    }
    let item = record("Item", "One emission of one task to this log.", item);
    let mut batch = record(
        &format!("{name}Batch"),
        "What one task wrote to one partition of this log at once. Positions in the log are (offset, item).",
        vec![
            field("sources", array(json!("string")), "Origin topics, referred to by index from the items."),
            field(
                "parents",
                array(parent_schema()),
                "Log partitions that the items derive from, referred to by index.",
            ),
            field(ITEMS, array(item), "The items, in order."),
            field("marks", array(mark_schema()), "Progress of parents; it holds after the record's last item."),
            optional("fence", fence_schema(), "A control item; it takes effect after the record's items and marks."),
        ],
    );
    batch["namespace"] = json!(namespace);
    batch
}

/// The items of a decoded log batch: where each record's items begin, and all of them as one batch.
///
/// `None` when the batch has no items column of that shape. No values are copied.
pub fn items(batch: &RecordBatch) -> Option<(OffsetBuffer<i32>, RecordBatch)> {
    let column = batch.column_by_name(ITEMS)?;
    let DataType::List(item) = column.data_type() else { return None };
    let DataType::Struct(fields) = item.data_type() else { return None };
    let list = column.as_list::<i32>();
    let (first, last) = (list.offsets()[0] as usize, list.offsets()[list.len()] as usize);
    let rows = list.values().as_struct().slice(first, last - first);
    let offsets = OffsetBuffer::from_lengths(list.offsets().windows(2).map(|pair| (pair[1] - pair[0]) as usize));
    let schema = Arc::new(Schema::new(fields.clone()));
    let options = arrow::array::RecordBatchOptions::new().with_row_count(Some(rows.len()));
    let batch = RecordBatch::try_new_with_options(schema, rows.columns().to_vec(), &options).ok()?;
    Some((offsets, batch))
}

fn item_position() -> Vec<Value> {
    vec![
        field("parent", json!("int"), "Index of the parent this item derives from."),
        field("trigger_offset", json!("long"), "Offset of the parent record that released this item."),
        field("trigger_item", json!("int"), "Item within that record; its item count stands for its marks."),
        field("index", json!("int"), "Output index among the items with the same trigger and target."),
        field("origin_source", json!("int"), "Index of the topic that the event first came from."),
        field("origin_partition", json!("int"), "Partition of the origin."),
        field("origin_offset", json!("long"), "Offset of the origin."),
        field("time", micros(), "Event time; of a labelled event, when it came to be both."),
        field("id", json!("string"), "Event id, as canonical text."),
        field("key", json!("string"), "Canonical text of this log's entity key; empty when that key is null."),
    ]
}

fn features_schema(features: &[String]) -> Value {
    let fields = features.iter().map(|name| optional(name, json!("double"), "Feature of the pipeline.")).collect();
    record("Features", "Feature values; null where the feature is undefined.", fields)
}

fn label_schema() -> Value {
    let fields = vec![
        field("value", json!("double"), "The target's value."),
        field("event_time", micros(), "Event time of the labelled event."),
    ];
    record("Label", "A label of an earlier event.", fields)
}

/// All that an outcome says of its prediction, which the journal copies from here.
fn item_prediction_schema(decision: Decision) -> Value {
    record("Prediction", "A prediction for an earlier event.", public::score_fields(decision))
}

fn parent_schema() -> Value {
    let fields = vec![
        field("log", json!("string"), "Name of the parent log or source topic."),
        field("generation", json!("int"), "Generation of the parent log; 0 for a source topic."),
        field("partition", json!("int"), "Partition of the parent."),
        field("first", json!("long"), "Emission number of this parent's first item here; the others count on from it."),
    ];
    record("Parent", "A parent partition and where its numbers start in this record.", fields)
}

fn mark_schema() -> Value {
    let fields = vec![
        field("log", json!("string"), "Log or source topic that the mark speaks for."),
        field("partition", json!("int"), "Its partition."),
        field("time", micros(), "Nothing below this time is promised to be still on its way."),
    ];
    record("Mark", "Progress of event time in one parent partition.", fields)
}

fn fence_schema() -> Value {
    let fields = vec![
        field("number", json!("long"), "Control number; lower ones than that in force are ignored."),
        field("state", json!("string"), "The complete control state, as JSON."),
        field("signature", json!("bytes"), "Signature over number and state; empty when unsigned."),
    ];
    record("Fence", "A change of control that takes effect at this position.", fields)
}

fn record(name: &str, doc: &str, fields: Vec<Value>) -> Value {
    json!({ "type": "record", "name": name, "doc": doc, "fields": fields })
}

fn field(name: &str, schema: Value, doc: &str) -> Value {
    json!({ "name": name, "doc": doc, "type": schema })
}

/// A field that may be null and is when the writer does not know it.
fn optional(name: &str, schema: Value, doc: &str) -> Value {
    let mut field = Map::new();
    field.insert("name".into(), json!(name));
    field.insert("doc".into(), json!(doc));
    field.insert("type".into(), json!(["null", schema]));
    field.insert("default".into(), Value::Null);
    Value::Object(field)
}

fn array(items: Value) -> Value {
    json!({ "type": "array", "items": items })
}

fn micros() -> Value {
    json!({ "type": "long", "logicalType": "timestamp-micros" })
}

#[cfg(test)]
mod tests;
