//! Schemas that change: what breaks the mode of a topic is refused before anything is made, with the field and what to do.

use std::path::Path;

use super::{check, folder, shipped, text, tidemill};

const EVENTS: &str = "fraud.transactions.events.v1";
const FILE: [&str; 2] = ["--pipeline", "own.yaml"];

/// The shipped pipeline with an event schema of its own, which has one more field, and with these modes.
fn write(dir: &Path, field: Option<&str>, modes: &str) {
    let pipeline = shipped().replace("fraud/Transaction.avsc", "Own.avsc") + modes;
    std::fs::write(dir.join("own.yaml"), pipeline).expect("a file");
    let schema = schemas::contracts::avro("fraud/Transaction.avsc").expect("a schema");
    let more = field.map(|field| format!(r#", {{"name": "{field}", "type": "string"}}"#)).unwrap_or_default();
    let end = schema.rfind(']').expect("fields");
    std::fs::write(dir.join("Own.avsc"), [&schema[..end], &more, &schema[end..]].concat()).expect("a file");
}

#[test]
fn a_change_of_a_schema_is_held_to_the_mode_that_the_pipeline_chooses() {
    let dir = folder();
    let path = dir.path();
    let apply =
        |more: &[&str], exit: i32, said: &[&str]| check(path, &[&["apply"], &FILE[..], more].concat(), exit, said);
    write(path, None, "");
    apply(&[], 0, &["23 of them new"]);
    // Nothing is chosen: the registry's own rule holds.
    write(path, Some("channel"), "");
    let of_events = format!("topic {EVENTS}: field `channel`: the new schema cannot read old records");
    apply(&[], 2, &[&of_events, "(against version 1, FULL_TRANSITIVE)", "`compatibility` in the pipeline file"]);
    apply(&["--rebuild"], 2, &[&of_events]);
    write(path, None, "");
    apply(&[], 0, &["in generation 1", "0 of them new"]);

    // For all topics: old readers know nothing of the new field, and need not. The logs are begun anew.
    write(path, Some("channel"), "compatibility: FORWARD\n");
    let refused = "topic fraud.customer.log.f1.g1: field `items.event.channel`";
    apply(&[], 2, &[refused, "tidemill apply --rebuild"]);
    let said = text(&tidemill(path, &[&["apply"], &FILE[..]].concat()).stderr);
    assert!(!said.contains(EVENTS), "{said}");
    apply(&["--rebuild"], 0, &["in generation 2", &format!("schemas of {EVENTS} are kept to FORWARD from now on")]);

    // For one: any change.
    write(path, Some("medium"), "compatibility: FORWARD\n");
    let gone = format!("topic {EVENTS}: field `channel`: the old schema cannot read new records");
    apply(&["--rebuild"], 2, &[&gone, "(against version 2, FORWARD)"]);
    write(path, Some("medium"), &format!("compatibility: {{ all: FORWARD, {EVENTS}: NONE }}\n"));
    apply(&["--rebuild"], 0, &[&format!("schemas of {EVENTS} are kept to NONE from now on")]);
    apply(&[], 0, &["0 of them new"]);
}
