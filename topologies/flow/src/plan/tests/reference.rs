//! `docs/reference/topics.md`, made of the plan of a shipped pipeline and of the schemas of its records.

use std::fmt::Write as _;

use expect_test::expect_file;
use serde_json::Value;

use super::{Key, Topic, fraud};

const HEAD: &str = "\
# Topics

Made of the plan and the schemas of the shipped pipeline `fraud`: `UPDATE_EXPECT=1 cargo test --workspace
topics_and_records_are_described` writes this page. `tidemill asyncapi` says the same of any pipeline, for programs.

Names begin with that of the pipeline; those of sources are what the pipeline file says. The names of internal logs end with
the feature set (`f1`) and the generation of the logs (`g1`), which `apply --rebuild` and `repartition` count up. Values are
Avro in Confluent's framing. Only Tidemill's own services read and write internal topics; the records of logs are batches,
and may change with any release.

| topic | partitions | key | kept | internal | records |
| --- | --- | --- | --- | --- | --- |
";

/// The type of a field, as one reads it.
fn kind(schema: &Value) -> String {
    match schema {
        Value::String(name) => format!("`{name}`"),
        Value::Array(branches) => branches.iter().map(kind).collect::<Vec<_>>().join(" or "),
        other => match (other["logicalType"].as_str(), other["type"].as_str()) {
            (Some(logical), _) => format!("`{logical}`"),
            (_, Some("array")) => format!("list of {}", kind(&other["items"])),
            (_, Some("map")) => format!("map to {}", kind(&other["values"])),
            (_, Some("enum")) => {
                let symbols = other["symbols"].as_array().into_iter().flatten().filter_map(Value::as_str);
                format!("one of {}", symbols.map(|symbol| format!("`{symbol}`")).collect::<Vec<_>>().join(", "))
            }
            (_, Some("record")) => format!("`{}`", other["name"].as_str().unwrap_or_default()),
            _ => kind(&other["type"]),
        },
    }
}

/// The records that stand within a schema's fields.
fn inner<'s>(schema: &'s Value, found: &mut Vec<&'s Value>) {
    match schema {
        Value::Array(branches) => branches.iter().for_each(|branch| inner(branch, found)),
        Value::Object(_) if schema["type"] == "record" => found.push(schema),
        Value::Object(_) => ["type", "items", "values"].iter().for_each(|at| inner(&schema[*at], found)),
        _ => {}
    }
}

fn record(text: &mut String, schema: &Value, head: &str) {
    write!(text, "\n{head}\n\n{}\n\n| field | type | what |\n| --- | --- | --- |\n", schema["doc"].as_str().unwrap())
        .unwrap();
    let fields = schema["fields"].as_array().unwrap();
    for field in fields {
        let (name, doc) = (field["name"].as_str().unwrap(), field["doc"].as_str().unwrap_or_default());
        writeln!(text, "| `{name}` | {} | {} |", kind(&field["type"]), doc.replace('|', "\\|")).unwrap();
    }
    let mut within = Vec::new();
    fields.iter().for_each(|field| inner(&field["type"], &mut within));
    for schema in within {
        record(text, schema, &format!("`{}`:", schema["name"].as_str().unwrap()));
    }
}

fn row(topic: &Topic) -> String {
    let key = match &topic.key {
        Key::Column(name) => format!("`{name}`"),
        Key::Field(name) => format!("`{name}`"),
        Key::AsSource => "as in the source".to_owned(),
        Key::KeyGroup => "none".to_owned(),
    };
    let kept = if topic.compacted { "the last of each key" } else { "all" };
    let internal = if topic.internal { "yes" } else { "" };
    let Topic { name, partitions, kind, .. } = topic;
    format!("| `{name}` | {partitions} | {key} | {kept} | {internal} | {} |", kind.purpose())
}

#[test]
fn topics_and_records_are_described() {
    let plan = fraud();
    let mut text = HEAD.to_owned();
    plan.topics.iter().for_each(|topic| writeln!(text, "{}", row(topic)).unwrap());
    for topic in plan.topics.iter().filter(|topic| !topic.internal) {
        record(&mut text, topic.schema.as_ref().unwrap(), &format!("## {}", topic.name));
    }
    expect_file!["../../../../../docs/reference/topics.md"].assert_eq(&text);
}
