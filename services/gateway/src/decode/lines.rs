//! One record, or one item of a batch, as a JSON object.

use serde_json::{Map, Value, json};

use super::Position;

/// The lines of a record: itself, or each item of a batch; with `marks` also marks and fences.
pub fn lines(at: &Position<'_>, value: Value, marks: bool) -> Vec<Value> {
    match value {
        Value::Object(batch) if is_batch(&batch) => of_batch(at, batch, marks),
        value => {
            let mut line = head(at);
            line.insert("value".into(), value);
            vec![Value::Object(line)]
        }
    }
}

/// Bytes that are no record of ours: an object if they are one in JSON, as text if they are text, else in hexadecimal
/// digits.
pub fn raw(value: Option<&[u8]>) -> Value {
    let Some(bytes) = value else { return Value::Null };
    if bytes.trim_ascii_start().first() == Some(&b'{')
        && let Ok(object) = serde_json::from_slice(bytes)
    {
        return object;
    }
    match std::str::from_utf8(bytes) {
        Ok(text) if !text.contains(|letter: char| letter.is_control() && !letter.is_whitespace()) => {
            json!({ "text": text })
        }
        _ => json!({ "bytes": bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>() }),
    }
}

/// Whether a value is what tasks write to an internal log.
fn is_batch(value: &Map<String, Value>) -> bool {
    ["sources", "parents", "items", "marks", "fence"].iter().all(|name| value.contains_key(*name))
}

fn head(at: &Position<'_>) -> Map<String, Value> {
    let mut line = Map::new();
    line.insert("partition".into(), json!(at.tp.partition));
    line.insert("offset".into(), json!(at.record.offset));
    line.insert("append_time".into(), json!(time(at.record.append_time_ms)));
    if let Some(key) = &at.record.key {
        line.insert("key".into(), json!(String::from_utf8_lossy(key)));
    }
    if !at.record.headers.is_empty() {
        let text = |header: &runtime::log::Header| match header.text() {
            Some(text) => json!(text),
            None => raw(header.value.as_deref()),
        };
        let headers = at.record.headers.iter().map(|header| (header.name.to_string(), text(header)));
        line.insert("headers".into(), Value::Object(headers.collect()));
    }
    line
}

fn time(append_time_ms: i64) -> String {
    let time = chrono::DateTime::from_timestamp_millis(append_time_ms);
    time.map_or_else(String::new, |time| time.to_rfc3339_opts(chrono::SecondsFormat::Millis, true))
}

fn of_batch(at: &Position<'_>, mut batch: Map<String, Value>, marks: bool) -> Vec<Value> {
    let mut taken = |name: &str| match batch.remove(name) {
        Some(Value::Array(values)) => values,
        _ => Vec::new(),
    };
    let (sources, parents, items) = (taken("sources"), taken("parents"), taken("items"));
    let written = taken("marks");
    let first = |parent: &Value| parent.get("first").and_then(Value::as_i64).unwrap_or_default();
    let mut numbers: Vec<i64> = parents.iter().map(first).collect();
    let mut lines: Vec<Value> = items
        .into_iter()
        .enumerate()
        .map(|(number, item)| {
            let mut line = head(at);
            line.insert("item".into(), json!(number));
            if let Value::Object(item) = item {
                let parent = item.get("parent").and_then(Value::as_u64).and_then(|at| usize::try_from(at).ok());
                if let Some(next) = parent.and_then(|at| numbers.get_mut(at)) {
                    line.insert("number".into(), json!(*next));
                    *next += 1;
                }
                line.extend(named(item, &sources, &parents));
            }
            Value::Object(line)
        })
        .collect();
    if marks {
        lines.extend(written.into_iter().map(|mark| with(at, "mark", mark)));
        let fence = batch.remove("fence").filter(|fence| !fence.is_null());
        lines.extend(fence.map(|fence| with(at, "fence", readable(fence))));
    }
    lines
}

fn with(at: &Position<'_>, name: &str, value: Value) -> Value {
    let mut line = head(at);
    line.insert(name.into(), value);
    Value::Object(line)
}

/// An item with the names that its indexes stand for, and without parts that it does not have.
fn named(mut item: Map<String, Value>, sources: &[Value], parents: &[Value]) -> Map<String, Value> {
    let mut number = |name: &str| item.remove(name).unwrap_or(Value::Null);
    let index = |value: &Value| value.as_u64().and_then(|at| usize::try_from(at).ok());
    let (source, parent) = (number("origin_source"), number("parent"));
    let text = |value: Option<&Value>| value.and_then(Value::as_str).unwrap_or("?").to_owned();
    let source = text(index(&source).and_then(|at| sources.get(at)));
    let origin = format!("{source}/{}@{}", number("origin_partition"), number("origin_offset"));
    let parent = index(&parent).and_then(|at| parents.get(at));
    let log = text(parent.and_then(|parent| parent.get("log")));
    let partition = parent.and_then(|parent| parent.get("partition")).unwrap_or(&Value::Null);
    let trigger = format!("{}.{}.{}", number("trigger_offset"), number("trigger_item"), number("index"));
    item.retain(|_, value| !value.is_null());
    item.insert("origin".into(), json!(origin));
    item.insert("trigger".into(), json!(format!("{log}/{partition}@{trigger}")));
    item
}

/// A fence whose state is an object and not a text.
fn readable(mut fence: Value) -> Value {
    let state = fence.get("state").and_then(Value::as_str).and_then(|text| serde_json::from_str::<Value>(text).ok());
    if let (Some(state), Some(fence)) = (state, fence.as_object_mut()) {
        fence.insert("state".into(), state);
    }
    fence
}
