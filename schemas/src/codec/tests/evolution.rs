//! Old and new compatible writer schemas decode to the reader's schema; incompatible ones are refused with a reason.

use super::*;

const READER: &str = r#"{"type":"record","name":"E","fields":[
    {"name":"id","type":"long"},
    {"name":"amount","type":"double"},
    {"name":"label","aliases":["tag"],"type":"string"},
    {"name":"kind","type":{"type":"enum","name":"K","symbols":["B","A","OTHER"],"default":"OTHER"}},
    {"name":"note","type":["null","string"],"default":null},
    {"name":"count","type":"int","default":4},
    {"name":"legs","type":{"type":"array","items":{"type":"record","name":"L","fields":[
        {"name":"x","type":["null","double"],"default":null},{"name":"y","type":"long","default":9}]}}},
    {"name":"inner","type":["null",{"type":"record","name":"I","fields":[
        {"name":"n","type":"long"},{"name":"s","type":"string","default":"d"}]}],"default":null}]}"#;

/// Promotions, an alias, other symbols, fields removed, added and reordered, a union where the reader has none.
const OLD: &str = r#"{"type":"record","name":"E","fields":[
    {"name":"gone","type":{"type":"map","values":"string"}},
    {"name":"tag","type":"string"},
    {"name":"amount","type":"int"},
    {"name":"id","type":"int"},
    {"name":"kind","type":{"type":"enum","name":"K","symbols":["A","NEW","B"]}},
    {"name":"legs","type":{"type":"array","items":{"type":"record","name":"L","fields":[
        {"name":"old","type":"bytes"},{"name":"x","type":["null","float"]}]}}},
    {"name":"note","type":"string"},
    {"name":"inner","type":["null",{"type":"record","name":"I","fields":[{"name":"n","type":"int"}]}],"default":null}]}"#;

const NEW: &str = r#"{"type":"record","name":"E","fields":[
    {"name":"id","type":"long"},
    {"name":"amount","type":["null","double"]},
    {"name":"label","type":"string"},
    {"name":"kind","type":{"type":"enum","name":"K","symbols":["B","A","OTHER"]}},
    {"name":"note","type":["string","null"]},
    {"name":"count","type":"int"},
    {"name":"legs","type":{"type":"array","items":{"type":"record","name":"L","fields":[
        {"name":"x","type":"double"},{"name":"y","type":"long"},{"name":"z","type":["null","string"]}]}}},
    {"name":"inner","type":{"type":"record","name":"I","fields":[{"name":"n","type":"long"},{"name":"s","type":"string"}]}},
    {"name":"extra","type":["null",{"type":"array","items":"K"}]}]}"#;

fn old(n: i64) -> Value {
    serde_json::json!({
        "gone": {"a": "b"}, "tag": format!("t{n}"), "amount": n, "id": -n, "kind": (["A", "NEW", "B"][n as usize % 3]),
        "legs": (0..n % 3).map(|k| serde_json::json!({"old": "o", "x": if k == 0 { Value::Null } else { 0.5.into() }}))
            .collect::<Vec<_>>(),
        "note": "n", "inner": if n % 2 == 0 { Value::Null } else { serde_json::json!({"n": n}) },
    })
}

fn new(n: i64) -> Value {
    serde_json::json!({
        "id": n << 40, "amount": 1.5, "label": "l", "kind": (["B", "A", "OTHER"][n as usize % 3]),
        "note": if n % 2 == 0 { Value::Null } else { "x".into() }, "count": n,
        "legs": [{"x": n, "y": 2, "z": null}, {"x": n, "y": 2, "z": "zz"}],
        "inner": {"n": 1, "s": "s"}, "extra": if n % 3 == 0 { Value::Null } else { serde_json::json!(["A", "B"]) },
    })
}

fn current(n: i64) -> Value {
    serde_json::json!({
        "id": n, "amount": n as f64, "label": "c", "kind": "A", "note": null, "count": 1, "legs": [{"x": 1, "y": 1}],
        "inner": {"n": n, "s": "e"},
    })
}

#[track_caller]
fn agrees_with_apache(writer: &str, rows: impl Iterator<Item = Value>) {
    let bodies = bodies(writer, rows);
    let mut decoder = Decoder::new(READER).unwrap();
    decoder.add_writer(5, writer).unwrap();
    let decoded = decoder.decode(&framed(5, &bodies));
    assert_eq!(decoded.rejected, []);
    let expected: Vec<Vec<u8>> = bodies.iter().map(|body| apache(writer, READER, body).unwrap()).collect();
    assert_eq!(encoded(&decoded.batch, decoder.schema()), expected);
}

#[test]
fn same_schema_decodes_with_and_without_resolution() {
    agrees_with_apache(READER, (0..20).map(current));
    agrees_with_apache(&READER.replace(r#""type":"long""#, r#""doc":"d", "type":"long""#), (0..20).map(current));
    agrees_with_apache(&READER.replace(r#""default":4"#, r#""default":5"#), (0..20).map(current));
}

#[test]
fn older_schema_decodes_to_the_readers() {
    agrees_with_apache(
        OLD.replace("tag", "label").as_str(),
        (0..20).map(|n| {
            let mut row = old(n);
            let tag = row.as_object_mut().unwrap().remove("tag").unwrap();
            row["label"] = tag;
            row
        }),
    );
}

#[test]
fn alias_reads_the_old_name() {
    let bodies = bodies(OLD, (0..20).map(old));
    let mut decoder = Decoder::new(READER).unwrap();
    decoder.add_writer(5, OLD).unwrap();
    let decoded = decoder.decode(&framed(5, &bodies));
    let column = arrow::array::AsArray::as_string::<i32>(decoded.batch.column_by_name("label").unwrap());
    assert_eq!((decoded.rejected.len(), column.value(3), column.value(19)), (0, "t3", "t19"));
}

#[test]
fn a_producers_own_namespace_is_no_difference() {
    let elsewhere = NEW.replace(r#""name":"E""#, r#""name":"E","namespace":"com.bank""#);
    let elsewhere = elsewhere.replace(r#""items":"K""#, r#""items":"com.bank.K""#);
    agrees_with_apache(&elsewhere, (0..20).map(new));
}

#[test]
fn schemas_that_refer_to_themselves_are_handled() {
    let list =
        r#"{"type":"record","name":"N","fields":[{"name":"v","type":"int"},{"name":"next","type":["null","N"]}]}"#;
    assert!(Decoder::new(list).is_err());
}

#[test]
fn newer_schema_decodes_to_the_readers() {
    agrees_with_apache(NEW, (0..20).map(new));
}

#[test]
fn schemas_mixed_in_one_batch_keep_input_order() {
    let (old, new, now) =
        (bodies(OLD, (0..30).map(old)), bodies(NEW, (0..30).map(new)), bodies(READER, (0..30).map(current)));
    let mut decoder = Decoder::new(READER).unwrap();
    for (id, schema) in [(1, OLD), (2, NEW), (3, READER)] {
        decoder.add_writer(id, schema).unwrap();
    }
    let all: Vec<Framed<'_>> = (0..30)
        .flat_map(|n| [(2, &new[n]), (1, &old[n]), (3, &now[n])])
        .map(|(id, body)| Framed { id, body })
        .collect();
    let together = decoder.decode(&all);
    assert_eq!(together.rejected, []);
    let mut apart = Vec::new();
    for record in &all {
        apart.extend(encoded(&decoder.decode(&[*record]).batch, decoder.schema()));
    }
    assert_eq!(encoded(&together.batch, decoder.schema()), apart);
}

#[test]
fn null_for_a_required_field_rejects_that_record() {
    let mut row = new(1);
    row["amount"] = Value::Null;
    let bodies = bodies(NEW, [new(0), row, new(2)]);
    let mut decoder = Decoder::new(READER).unwrap();
    decoder.add_writer(1, NEW).unwrap();
    let decoded = decoder.decode(&framed(1, &bodies));
    assert_eq!(decoded.accepted().collect::<Vec<_>>(), [0, 2]);
    assert_eq!(decoded.rejected[0].1.code, crate::reject::Code::AvroDecode);
}

#[test]
fn incompatible_writers_are_refused_with_the_field() {
    let cases = [
        (r#"{"type":"record","name":"E","fields":[{"name":"id","type":"string"},{"name":"b","type":"int"}]}"#, "id"),
        (r#"{"type":"record","name":"E","fields":[{"name":"id","type":"long"}]}"#, "b"),
        (r#"{"type":"record","name":"E","fields":[{"name":"id","type":"double"},{"name":"b","type":"int"}]}"#, "id"),
    ];
    let reader = r#"{"type":"record","name":"E","fields":[{"name":"id","type":"long"},{"name":"b","type":"int"}]}"#;
    for (writer, field) in cases {
        let mut decoder = Decoder::new(reader).unwrap();
        let error = decoder.add_writer(9, writer).unwrap_err().to_string();
        assert!(error.contains("schema id 9") && error.contains(&format!("'{field}'")), "{error}");
        assert!(!decoder.knows(9));
    }
}

#[test]
fn an_id_keeps_its_schema() {
    let mut decoder = Decoder::new(READER).unwrap();
    decoder.add_writer(1, OLD).unwrap();
    decoder.add_writer(1, OLD).unwrap();
    assert!(matches!(decoder.add_writer(1, NEW), Err(Error::IdReused { id: 1 })));
    assert!(decoder.knows(1) && !decoder.knows(2));
}

#[test]
fn schemas_that_invite_bombs_are_refused() {
    let cases = [
        (r#""string""#, "top level must be a record"),
        (r#"{"type":"record","name":"E","fields":[]}"#, "no field that takes a byte"),
        (r#"{"type":"record","name":"E","fields":[{"name":"a","type":{"type":"array","items":"null"}}]}"#, "field a"),
        (
            r#"{"type":"record","name":"E","fields":[{"name":"a","type":["null",{"type":"record","name":"F","fields":[
            {"name":"b","type":{"type":"array","items":{"type":"fixed","name":"Z","size":0}}}]}]}]}"#,
            "field a.b",
        ),
        (r#"{"type":"record","name":"E","fields":[{"name":"a","type":"lnog"}]}"#, "lnog"),
        ("{", "EOF"),
    ];
    for (schema, expected) in cases {
        let error = arrow_schema(schema).unwrap_err().to_string();
        assert!(error.contains(expected), "{error}");
        assert!(Decoder::new(READER).unwrap().add_writer(1, schema).is_err());
    }
}
