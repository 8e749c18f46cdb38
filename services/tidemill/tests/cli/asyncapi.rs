//! The AsyncAPI document of each shipped pipeline, against the schema that AsyncAPI publishes.

use std::path::Path;

use serde_json::Value;

use super::{check, folder};

/// Prints nothing where the document is valid, else every error with its place.
const VALIDATE: &str = "
import json, sys
from jsonschema import Draft7Validator
schema, document = (json.load(open(path)) for path in sys.argv[1:3])
for error in Draft7Validator(schema).iter_errors(document):
    print('/'.join(map(str, error.absolute_path)), error.message[:300])
";

fn document(dir: &Path, args: &[&str]) -> Value {
    let said = check(dir, &[&["asyncapi", "--output", "json"], args].concat(), 0, &[]);
    serde_json::from_str(&said).expect("a document")
}

#[test]
fn documents_are_valid_by_the_official_schema() {
    let (Some(schema), Some(python)) = (tests::asyncapi::schema("3.0.0"), tests::python::Python::find()) else {
        return;
    };
    let dir = folder();
    let file = dir.path().join("document.json");
    let errors = |document: &Value| {
        std::fs::write(&file, document.to_string()).expect("a file");
        python.run(VALIDATE, &[&schema.display().to_string(), &file.display().to_string()])
    };
    let own = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../topologies/pipelines");
    let shipped = std::fs::read_dir(own).expect("pipelines").filter_map(|entry| Some(entry.ok()?.path()));
    let names = shipped.map(|path| path.display().to_string());
    for name in names.filter(|name| name.ends_with(".yaml") && !name.ends_with(".test.yaml")) {
        let place = ["--pipeline", &name, "--brokers", "a:9092,b:9092", "--schema-registry", "http://registry:8081"];
        assert_eq!(errors(&document(dir.path(), &place)), "", "{name}");
    }
    let mut wrong = document(dir.path(), &[]);
    wrong["channels"]["fraud.predictions.v1"]["bindings"]["kafka"]["partitions"] = "four".into();
    assert!(errors(&wrong).contains("fraud.predictions.v1"), "the schema finds mistakes");
}

#[test]
fn a_document_has_topics_schemas_and_who_reads_and_writes() {
    let dir = folder();
    let document = document(dir.path(), &["--brokers", "a:9092"]);
    assert_eq!(document["servers"]["broker0"]["host"], "a:9092");
    let channel = &document["channels"]["fraud.transactions.events.v1"];
    assert_eq!(channel["bindings"]["kafka"]["partitions"], 4);
    let message = &channel["messages"]["Transaction"];
    assert_eq!(message["payload"]["schema"]["fields"][0]["name"], "transaction_id");
    assert_eq!(message["bindings"]["kafka"]["key"]["description"], "The column transaction_id, as text.");
    let letters = &document["channels"]["fraud.labels.events.v1.validator.dlq"]["messages"]["dlq"];
    assert_eq!(letters["headers"]["properties"]["tidemill.dlq.reason"]["type"], "string");
    let read = &document["operations"]["validator/reads/fraud.transactions.events.v1"];
    assert_eq!(
        (&read["action"], &read["bindings"]["kafka"]["groupId"]["enum"][0]),
        (&"receive".into(), &"fraud.validator".into())
    );
    assert_eq!(read["messages"][0]["$ref"], "#/channels/fraud.transactions.events.v1/messages/Transaction");
    assert_eq!(document["operations"]["scorer/writes/fraud.predictions.v1"]["action"], "send");
    let json = super::shipped().replace("schema: fraud/Label.avsc", "schema: fraud/Label.avsc\n    format: json");
    std::fs::write(dir.path().join("json.yaml"), json).expect("a file");
    let document = self::document(dir.path(), &["--pipeline", "json.yaml"]);
    let label = &document["channels"]["fraud.labels.events.v1"]["messages"]["Label"];
    assert_eq!(
        (&label["contentType"], &label["bindings"]["kafka"]["schemaIdLocation"]),
        (&"application/json".into(), &Value::Null)
    );
    check(dir.path(), &["asyncapi"], 0, &["\n  \"asyncapi\": \"3.0.0\""]);
}
