//! What is derived from files, and folders that are not empty.

#![allow(clippy::unwrap_used)]

use std::path::Path;

use flow::config::Objective;

use super::infer::{Kind, infer};
use super::{Files, Wanted, check_empty, derive, names, template};

const CSV: &str = "\
Order No,WHEN,who,Amount,vip,late,note
1,2026-04-01T09:30:00Z,ada,1.5,true,0,
2,2026-04-01T10:30:00Z,ben,2,false,1,a
3,2026-04-01T11:30:00Z,ada,3.25,true,0,b
4,2026-04-01T12:30:00Z,ben,4,true,0,c
";

fn file(dir: &Path, name: &str, text: &str) -> std::path::PathBuf {
    let path = dir.join(name);
    std::fs::write(&path, text).unwrap();
    path
}

fn wanted(file: &Path) -> Wanted<'_> {
    Wanted { file, id: "Order No", time: "WHEN", key: None, label: None, label_delay: "7d", name: None }
}

fn text<'f>(files: &'f Files, name: &str) -> &'f str {
    files.files.iter().find(|(file, _)| file == name).map(|(_, text)| text.as_str()).unwrap()
}

#[test]
fn kinds_are_what_all_values_can_be_read_as() {
    let dir = tempfile::tempdir().unwrap();
    let table = infer(&file(dir.path(), "orders.csv", CSV)).unwrap();
    let kinds: Vec<(&str, Kind, bool, usize)> =
        table.columns.iter().map(|column| (&*column.name, column.kind, column.nulls, column.values)).collect();
    let expected = [
        ("Order No", Kind::Integer, false, 4),
        ("WHEN", Kind::Time, false, 4),
        ("who", Kind::Text, false, 2),
        ("Amount", Kind::Float, false, 4),
        ("vip", Kind::Boolean, false, 2),
        ("late", Kind::Integer, false, 2),
        ("note", Kind::Text, true, 3),
    ];
    assert_eq!(kinds, expected);
    let json =
        "{\"a\": 1, \"b\": true, \"at\": \"2026-04-01T09:30:00\", \"c\": {\"d\": 1}}\n{\"a\": 2.5, \"b\": false}\n";
    let table = infer(&file(dir.path(), "some.jsonl", json)).unwrap();
    let kinds: Vec<(&str, Kind)> = table.columns.iter().map(|column| (&*column.name, column.kind)).collect();
    assert_eq!(kinds.iter().find(|(name, _)| *name == "a").unwrap().1, Kind::Float);
    assert_eq!(kinds.iter().find(|(name, _)| *name == "at").unwrap().1, Kind::Time);
    assert!(!kinds.iter().any(|(name, _)| *name == "c"), "what is no single value has no place");
    let empty = infer(&file(dir.path(), "empty.csv", "a,b\n")).unwrap_err().to_string();
    assert!(empty.contains("has no rows"), "{empty}");
}

#[test]
fn a_pipeline_is_derived_with_its_schemas() {
    let dir = tempfile::tempdir().unwrap();
    let path = file(dir.path(), "My Orders.2026.csv", CSV);
    let files = derive(&Wanted { label: Some("late"), ..wanted(&path) }).unwrap();
    let yaml = text(&files, "pipeline.yaml");
    let said =
        ["pipeline: my-orders\n", "id: order_no\n", "event_time: when\n", "key: who\n", "amount_avg: avg(amount)"];
    said.iter().for_each(|part| assert!(yaml.contains(part), "{part}: {yaml}"));
    assert!(
        yaml.contains("target: late\n    objective: binary\n") && yaml.contains("inputs: [amount, vip, of_key.*]"),
        "{yaml}"
    );
    let event: serde_json::Value = serde_json::from_str(text(&files, "Event.avsc")).unwrap();
    let fields: Vec<&str> =
        event["fields"].as_array().unwrap().iter().map(|field| field["name"].as_str().unwrap()).collect();
    assert_eq!(fields, ["order_no", "when", "who", "amount", "vip", "note"], "the label comes later");
    assert_eq!(event["fields"][0]["type"], "long");
    assert_eq!(event["fields"][3]["type"], serde_json::json!(["null", "double"]));
    let watched = "psi: { features: [amount, of_key_events_1d], warn: 0.1, alarm: 0.25 }";
    let said = [watched, "delay: 7d", "label_delay: 7d", "alerts: { topic: my-orders.alerts.v1 }"];
    said.iter().for_each(|part| assert!(yaml.contains(part), "{part}: {yaml}"));
    assert!(files.next[0].contains("--label-column 'late' --label-delay 7d"), "{:?}", files.next);
    assert_eq!(files.notes, [""; 0]);
}

#[test]
fn windows_are_as_long_as_the_file_allows() {
    let dir = tempfile::tempdir().unwrap();
    #[track_caller]
    fn check(dir: &Path, last: &str, period: &str) {
        let rows = format!(
            "id,at,who,bad\n1,2026-04-01T09:30:00Z,a,0\n2,2026-04-01T09:31:00Z,a,1\n3,{last},b,1\n4,{last},b,0\n"
        );
        let path = file(dir, "events.csv", &rows);
        let files = derive(&Wanted { id: "id", time: "at", label: Some("bad"), ..wanted(&path) }).unwrap();
        let yaml = text(&files, "pipeline.yaml");
        let said = [format!("    window: {period}\n    psi"), format!("  holdout: {period} ")];
        said.iter().for_each(|part| assert!(yaml.contains(part), "{part}: {yaml}"));
    }
    check(dir.path(), "2026-04-06T09:30:00Z", "1d");
    check(dir.path(), "2026-04-06T09:29:59Z", "6h");
    check(dir.path(), "2026-04-01T15:00:00Z", "1h");
    check(dir.path(), "2026-04-01T09:32:00Z", "10m");
}

#[test]
fn ids_that_come_again_are_told() {
    let dir = tempfile::tempdir().unwrap();
    let path = file(dir.path(), "orders.csv", &format!("{CSV}4,2026-04-01T13:30:00Z,ada,4,true,0,c\n"));
    let notes = derive(&wanted(&path)).unwrap().notes;
    assert!(notes[0].starts_with("5 rows have 4 values of `Order No`"), "{notes:?}");
}

/// Forty rows in which every column has its own number of values.
fn trips(dir: &Path) -> std::path::PathBuf {
    let mut text = "id,at,who,mode,stars,paid,level,weather,remark\n".to_owned();
    for row in 0..40 {
        let mode = ["tram", "bus", "train", "no"][row % 4];
        let (paid, weather) = (if row % 5 == 0 { "late" } else { "in time" }, ["dry", "rain"][row % 2]);
        let level = [7, 3][usize::from(row % 3 == 0)];
        text += &format!(
            "{row},2026-04-01T{:02}:30:00Z,p{},{mode},{},{paid},{level},{weather},remark {row}\n",
            row % 24,
            row % 7,
            [10, 2, 3][row % 3]
        );
    }
    file(dir, "trips.csv", &text)
}

#[test]
fn labels_of_few_values_are_classes() {
    let dir = tempfile::tempdir().unwrap();
    let path = trips(dir.path());
    let of = |label| {
        let wanted = Wanted { id: "id", time: "at", key: Some("who"), label: Some(label), ..wanted(&path) };
        let files = derive(&wanted).unwrap();
        let yaml = text(&files, "pipeline.yaml").to_owned();
        let resolve = |path: &str| Ok(text(&files, path).to_owned());
        let pipeline = flow::config::parse(&yaml, &resolve).unwrap_or_else(|problems| panic!("{problems:#?}\n{yaml}"));
        let model = &pipeline.models[0];
        (pipeline.classes().to_vec(), model.objective, model.alert.is_some())
    };
    let classes = |classes: &[&str]| classes.iter().map(|class| (*class).to_owned()).collect::<Vec<_>>();
    assert_eq!(of("mode"), (classes(&["bus", "no", "train", "tram"]), Objective::Multiclass, false));
    assert_eq!(of("stars"), (classes(&["2", "3", "10"]), Objective::Multiclass, false), "by size, not by the alphabet");
    assert_eq!(of("paid"), (classes(&["in time", "late"]), Objective::Binary, true), "the rarer one is looked for");
    assert_eq!(of("level"), (classes(&["7", "3"]), Objective::Binary, true));
    assert_eq!(of("weather").0, classes(&["dry", "rain"]));
    let single =
        file(dir.path(), "single.csv", "id,at,who,x\n1,2026-04-01T09:30:00Z,a,b\n2,2026-04-01T09:30:00Z,a,b\n");
    let single = Wanted { id: "id", time: "at", key: Some("who"), label: Some("x"), ..wanted(&single) };
    assert!(derive(&single).unwrap_err().to_string().contains("has one value, `b`"));
    let many: String = (0..300).map(|row| format!("{row},2026-04-01T09:30:00Z,a,x{row}\n")).collect();
    let many = file(dir.path(), "many.csv", &format!("id,at,who,x\n{many}"));
    let many = Wanted { id: "id", time: "at", key: Some("who"), label: Some("x"), ..wanted(&many) };
    assert!(derive(&many).unwrap_err().to_string().contains("more different texts than the 256 classes"));
}

#[test]
fn texts_that_come_again_are_inputs() {
    let dir = tempfile::tempdir().unwrap();
    let path = trips(dir.path());
    let wanted = Wanted { id: "id", time: "at", key: Some("who"), label: Some("paid"), ..wanted(&path) };
    let yaml = text(&derive(&wanted).unwrap(), "pipeline.yaml").to_owned();
    let inputs = "inputs: [stars, level, mode, weather, of_key.*]";
    assert!(yaml.contains(inputs), "neither id, key and label nor what is said once: {yaml}");
    assert!(yaml.contains("features: [stars, level, mode, weather, of_key_events_1d]"), "{yaml}");
}

#[test]
fn what_cannot_be_derived_is_said() {
    let dir = tempfile::tempdir().unwrap();
    let path = file(dir.path(), "orders.csv", CSV);
    #[track_caller]
    fn check(wanted: &Wanted<'_>, said: &str) {
        let error = derive(wanted).unwrap_err().to_string();
        assert!(error.contains(said), "{error}");
    }
    check(&Wanted { id: "Order No.", ..wanted(&path) }, "did you mean `Order No`?");
    check(&Wanted { time: "Amount", ..wanted(&path) }, "the values of column `Amount` are not times");
    check(&Wanted { id: "Amount", ..wanted(&path) }, "neither whole numbers nor texts");
    check(&Wanted { label: Some("WHEN"), ..wanted(&path) }, "has times, which no model predicts");
    let single = file(dir.path(), "single.csv", "id,at,x\n1,2026-04-01T09:30:00Z,a\n2,2026-04-01T09:30:00Z,b\n");
    check(&Wanted { id: "id", time: "at", ..wanted(&single) }, "--key COLUMN");
}

#[test]
fn templates_are_complete_and_their_schemas_are_the_users() {
    for name in names() {
        let files = template(name).unwrap();
        let yaml = text(&files, "pipeline.yaml").to_owned();
        let resolve = |path: &str| Ok(text(&files, path).to_owned());
        assert!(flow::config::parse(&yaml, &resolve).is_ok(), "{name}");
        assert!(!files.next.is_empty() && files.files.iter().any(|(file, _)| file.starts_with("events.")), "{name}");
    }
}

#[test]
fn only_an_empty_folder_is_written_to() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::create_dir(dir.path().join(".git")).unwrap();
    assert!(check_empty(dir.path()).is_ok(), "its history may be there");
    assert!(check_empty(&dir.path().join("new")).is_ok());
    file(dir.path(), "mine.txt", "");
    let refused = template(names()[0]).unwrap().write(dir.path()).unwrap_err().to_string();
    assert!(refused.contains("is not empty, it has `mine.txt`; nothing was written"), "{refused}");
    assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 2);
    let refused = check_empty(&dir.path().join("mine.txt")).unwrap_err().to_string();
    assert!(refused.contains("cannot be a new folder"), "{refused}");
}
