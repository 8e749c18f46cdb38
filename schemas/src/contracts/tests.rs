#![allow(clippy::unwrap_used)]

use std::path::{Path, PathBuf};

use apache_avro::reader::datum::GenericDatumReader;
use apache_avro::writer::datum::GenericDatumWriter;
use serde_json::Value;

use super::*;
use crate::codec::{Decoder, Encoder, arrow_schema, parse_schema};
use crate::framing::{Framed, split};
use crate::json::JsonWriter;
use crate::reject::Code;

/// Paths of records, enums, fixeds and fields without a `doc`.
pub(crate) fn undocumented(schema: &Value) -> Vec<String> {
    fn walk(schema: &Value, path: &str, found: &mut Vec<String>) {
        match schema {
            Value::Array(variants) => variants.iter().for_each(|variant| walk(variant, path, found)),
            Value::Object(object) => {
                let named = object.contains_key("name");
                let path = if named { format!("{path}/{}", object["name"].as_str().unwrap()) } else { path.to_owned() };
                if named && object.get("doc").and_then(Value::as_str).is_none_or(|doc| doc.len() < 10) {
                    found.push(path.clone());
                }
                for part in ["type", "items", "values", "fields"] {
                    object.get(part).into_iter().for_each(|part| walk(part, &path, found));
                }
            }
            _ => {}
        }
    }
    let mut found = Vec::new();
    walk(schema, "", &mut found);
    found
}

#[test]
fn every_schema_is_usable_and_documented() {
    assert!(all_avro().len() >= 9);
    for (path, text) in all_avro() {
        arrow_schema(text).unwrap_or_else(|error| panic!("{path}: {error}"));
        let json: Value = serde_json::from_str(text).unwrap();
        assert_eq!(undocumented(&json), Vec::<String>::new(), "{path}");
        let (folder, file) = path.split_once('/').unwrap();
        assert_eq!((json["namespace"].as_str(), json["name"].as_str()), (Some(folder), file.strip_suffix(".avsc")));
    }
}

#[test]
fn named_schemas_are_embedded() {
    let results = [DRIFT_REPORT, ALERT, RETRAINING_REQUEST, MODEL_ANNOUNCEMENT];
    for path in results.into_iter().chain([SKETCHES, CONTROL_REPORT, PROGRESS, LEDGER_ROW, LABEL_REFUSAL]) {
        assert!(avro(path).is_some(), "{path}");
    }
    assert_eq!(avro("tidemill/Nothing.avsc"), None);
}

/// A symbol added later must not break those who do not know it yet.
#[test]
fn every_enum_has_a_default() {
    fn walk(value: &Value, path: &str) {
        match value {
            Value::Object(object) => {
                if object.get("type").is_some_and(|kind| kind == "enum") {
                    assert!(object.contains_key("default"), "{path}: enum {} has no default", object["name"]);
                }
                object.values().for_each(|value| walk(value, path));
            }
            Value::Array(values) => values.iter().for_each(|value| walk(value, path)),
            _ => {}
        }
    }
    all_avro().iter().for_each(|(path, text)| walk(&serde_json::from_str(text).unwrap(), path));
}

fn fields(text: &str) -> Vec<String> {
    arrow_schema(text).unwrap().fields().iter().map(|field| field.name().clone()).collect()
}

#[test]
fn events_carry_nothing_of_their_labels() {
    let pairs = [
        ("fraud/Transaction.avsc", "fraud/Label.avsc", "transaction_id"),
        ("electricity/Reading.avsc", "electricity/Direction.avsc", "reading_id"),
        ("bikes/Hour.avsc", "bikes/Count.avsc", "hour_id"),
    ];
    for (event, label, id) in pairs {
        let (event, label) = (fields(avro(event).unwrap()), fields(avro(label).unwrap()));
        let shared: Vec<&String> = event.iter().filter(|field| label.contains(field)).collect();
        assert_eq!(shared, [id]);
    }
}

#[test]
fn every_topic_file_says_what_the_topic_is() {
    let services = ["validator", "featurizer", "scorer", "monitor", "trainer", "archiver", "gateway", "outside"];
    for (path, file) in topic_files().unwrap() {
        let derived = ["derived", "as-source"].contains(&file.schema.as_str());
        if !derived {
            let text = avro(&file.schema).unwrap_or_else(|| panic!("{path}: no schema {}", file.schema));
            for key in file.key.split(['@', '/']) {
                assert!(fields(text).contains(&key.to_owned()), "{path}: {} has no field {key}", file.schema);
            }
        }
        for service in file.producers.iter().chain(&file.consumers) {
            assert!(services.contains(&service.as_str()), "{path}: no service {service}");
        }
        assert!(!file.producers.is_empty() && !file.consumers.is_empty(), "{path}");
        assert!(file.consumers.contains(&"archiver".to_owned()) || file.kind == "progress", "{path}: not archived");
        let passed_on = ["dlq", "retry", "late", "log", "sketches"].contains(&file.kind.as_str());
        assert_eq!(file.compatibility == Compatibility::None, passed_on, "{path}");
        assert!(file.topic.contains(&file.kind), "{path}: kind {} is not in the name", file.kind);
        assert!(file.what.len() > 30 && (1..=256).contains(&file.partitions), "{path}");
    }
}

#[test]
fn every_schema_has_a_topic() {
    let topics = topic_files().unwrap();
    for (path, _) in all_avro() {
        assert!(topics.values().any(|topic| topic.schema == *path), "{path} is on no topic");
    }
}

const EXAMPLES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/examples");
const ID: u32 = 21;

/// The example files of one kind for one schema: path and content.
fn examples(kind: &str, schema: &str) -> Vec<(PathBuf, Value)> {
    let folder = Path::new(EXAMPLES).join(kind).join(schema.strip_suffix(".avsc").unwrap());
    let entries = std::fs::read_dir(&folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    let mut files: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
    files.sort();
    assert!(!files.is_empty(), "no {kind} example for {schema}");
    let read = |file: PathBuf| {
        let text = std::fs::read_to_string(&file).unwrap();
        let json = serde_json::from_str(&text).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
        (file, json)
    };
    files.into_iter().map(read).collect()
}

#[test]
fn valid_examples_go_through_both_codecs_unchanged() {
    for (path, text) in all_avro() {
        let (avro, writer) = (parse_schema(text).unwrap(), JsonWriter::new(text).unwrap());
        let mut decoder = Decoder::new(text).unwrap();
        decoder.add_writer(ID, text).unwrap();
        for (file, json) in examples("valid", path) {
            let value = writer.framed(ID, &json).unwrap_or_else(|faults| panic!("{}: {faults:?}", file.display()));
            let framed = split(Some(&value), []).unwrap();
            let decoded = decoder.decode(&[framed]);
            assert_eq!(decoded.rejected, [], "{}", file.display());
            let rows = Encoder::new(decoder.schema(), ID).unwrap().encode(&decoded.batch).unwrap();
            assert_eq!(rows.row(0).unwrap(), value, "{}", file.display());
            let read = GenericDatumReader::builder(&avro.avro).build().unwrap().read_value(&mut &*framed.body).unwrap();
            let again = GenericDatumWriter::builder(&avro.avro).build().unwrap().write_value_to_vec(read).unwrap();
            assert_eq!(again, framed.body, "{}", file.display());
        }
    }
}

#[test]
fn invalid_examples_are_refused_with_their_code() {
    for (path, text) in all_avro() {
        for (file, example) in examples("invalid", path) {
            let refused = example["refused"].as_str().unwrap();
            let expected = Code::parse(refused).unwrap_or_else(|| panic!("{}: no code {refused}", file.display()));
            assert!(example["because"].is_string(), "{}: say why", file.display());
            assert_eq!(refusal(text, &example), Some(expected), "{}", file.display());
        }
    }
}

/// The code with which an example is refused: as JSON, as a body, or as a record's value in hexadecimal.
fn refusal(schema: &str, example: &Value) -> Option<Code> {
    if let Some(json) = example.get("json") {
        return JsonWriter::new(schema).unwrap().body(json).err().map(|faults| faults[0].code);
    }
    let mut decoder = Decoder::new(schema).unwrap();
    decoder.add_writer(ID, schema).unwrap();
    let mut decode = |framed: Framed<'_>| decoder.decode(&[framed]).rejected.first().map(|(_, reject)| reject.code);
    if let Some(body) = example.get("body") {
        return decode(Framed { id: ID, body: &bytes(body) });
    }
    match split(Some(&bytes(&example["value"])), []) {
        Err(reject) => Some(reject.code),
        Ok(framed) => decode(framed),
    }
}

fn bytes(hexadecimal: &Value) -> Vec<u8> {
    let digits: String = hexadecimal.as_str().unwrap().split_whitespace().collect();
    assert!(digits.len().is_multiple_of(2), "{digits}");
    (0..digits.len()).step_by(2).map(|at| u8::from_str_radix(&digits[at..at + 2], 16).unwrap()).collect()
}
