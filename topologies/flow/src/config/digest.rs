//! The digest of a feature set: equal digests mean equal features of equal events.

use std::fmt::Write as _;

use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::types::{EventSource, Features, LabelSource, Late, Limits};

/// SHA-256, in lower-case hex, of the canonical JSON of what decides a feature's value: expressions, keys, windows,
/// the source's schema, the columns with a role, and the classes of the label. The version number is a name and does not enter.
pub(super) fn features(features: &Features, events: &EventSource, labels: Option<&LabelSource>) -> String {
    let row = features.row.iter().map(|row| json!([row.output, row.expression.text]));
    let entities = features.entities.iter().map(|entity| {
        let windows: Vec<_> = entity.windows.iter().map(|window| json!([window.label, window.length_us])).collect();
        // What was not to be chosen once does not stand here unless it is chosen, so that older sets keep their digests.
        let common_late = entity.common_late();
        let aggregates = entity.aggregates.iter().map(|aggregate| {
            let (name, text) = (&aggregate.name, &aggregate.expression.text);
            let is_apart = common_late.is_none() && !aggregate.label_derived && aggregate.late == Late::Skip;
            match (aggregate.if_null, is_apart) {
                (None, false) => json!([name, text]),
                (Some(value), false) => json!([name, text, value]),
                (value, true) => json!([name, text, value, "skip"]),
            }
        });
        let mut all = json!({
            "name": entity.name,
            "key": entity.key,
            "delay_us": entity.delay_us,
            "windows": windows,
            "aggregates": aggregates.collect::<Vec<_>>(),
        });
        // What a limit pushes out changes features; without one the digest is what it was before there were any.
        if entity.limits != Limits::default() {
            all["limits"] = json!([entity.limits.keys, entity.limits.bytes]);
        }
        if common_late == Some(Late::Skip) {
            all["late"] = json!("skip");
        }
        all
    });
    let mut all = json!({
        "row": row.collect::<Vec<_>>(),
        "entities": entities.collect::<Vec<_>>(),
        "id": events.id,
        "event_time": events.event_time,
        "target": labels.map(|labels| &labels.target),
        "schema": events.schema.json,
    });
    if !features.derived.is_empty() {
        let derived = features.derived.iter().map(|one| json!([one.output, one.expression.text]));
        all["derived"] = derived.collect();
    }
    // Labels are in logs and state as numbers, which these words give a meaning.
    if let Some(labels) = labels.filter(|labels| !labels.classes.is_empty()) {
        all["classes"] = json!(labels.classes);
    }
    hex(&Sha256::digest(canonical_json(&all)))
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        // Writing to a string cannot fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// JSON with sorted keys and no spaces; texts called `doc` are left out, because words about a field change no value.
fn canonical_json(value: &Value) -> String {
    match value {
        Value::Object(map) => {
            let mut entries: Vec<(&String, &Value)> = map.iter().filter(|(key, _)| *key != "doc").collect();
            entries.sort_by_key(|(key, _)| *key);
            let entry = |(key, value): (&String, &Value)| format!("{}:{}", Value::from(&**key), canonical_json(value));
            format!("{{{}}}", entries.into_iter().map(entry).collect::<Vec<_>>().join(","))
        }
        Value::Array(items) => format!("[{}]", items.iter().map(canonical_json).collect::<Vec<_>>().join(",")),
        scalar => scalar.to_string(),
    }
}
