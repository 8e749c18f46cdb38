//! The scorer from bytes to bytes.
#![allow(clippy::unwrap_used)]

mod classes;
mod fences;
mod harness;

use crate::inputs::{Error, Inputs};
use arrow::array::{ArrayRef, BooleanArray, DictionaryArray, Float64Array, Int64Array, StringArray, StructArray};
use arrow::buffer::NullBuffer;
use arrow::datatypes::{DataType, Field, Fields, Int32Type};
use expect_test::{Expect, expect};
use flow::snapshot::Merged;
use harness::{FEATURE_SET, Harness, Shelf};
use model::Vocabulary;
use std::sync::Arc;

/// Runs the script in batches of 1, 7 and 4096 records, and again with a restart before every record.
#[track_caller]
fn check(script: &str, expected: &Expect) {
    let shelf = Arc::new(Shelf::new());
    check_like(|| Harness::new(shelf.clone()), script, expected);
}

#[track_caller]
fn check_like(new: impl Fn() -> Harness, script: &str, expected: &Expect) {
    let run = |size| {
        let mut harness = new();
        let records = harness.records(script);
        let lines = harness.feed(&records, size, false).unwrap();
        (lines, harness.state(), harness.ended(), records)
    };
    let (lines, state, ended, records) = run(1);
    for size in [7, 4096] {
        let (again, saved, counted, _) = run(size);
        assert_eq!((&again, &saved, counted), (&lines, &state, ended), "in batches of {size}");
    }
    for at in 0..=records.len() {
        let mut harness = new();
        harness.records(script);
        assert_eq!(harness.feed(&records[..at], 3, true).unwrap(), [""; 0], "a replay writes nothing");
        let rest = harness.feed(&records[at..], 3, false).unwrap();
        let items =
            |lines: &[String]| lines.iter().filter(|line| !line.contains(" mark ")).cloned().collect::<Vec<_>>();
        assert!(items(&lines).ends_with(&items(&rest)), "restarted at record {at}: {rest:?}");
        assert_eq!((harness.state(), harness.ended()), (state.clone(), ended), "restarted at record {at}");
        let mut cut = new();
        cut.records(script);
        cut.feed(&records[..at], 3, true).unwrap();
        let mut restored = new();
        restored.records(script);
        let (blob, changes) = (cut.saved().cut(), cut.saved().collect(1).unwrap());
        let mut merged = Merged::default();
        merged.add(&changes.bytes).unwrap();
        merged.restore(&blob, restored.saved()).unwrap();
        assert_eq!(restored.feed(&records[at..], 3, false).unwrap(), rest, "restored at record {at}");
        assert_eq!((restored.state(), restored.ended()), (state.clone(), ended), "restored at record {at}");
    }
    expected.assert_eq(&format!("{}\nemitted {} filtered {}\n", lines.join("\n"), ended.emitted, ended.filtered));
}

#[test]
fn nothing_is_scored_before_the_first_champion() {
    check(
        "event a t=10 c=7 amount=3 risk=0.5",
        &expect![[r#"

        emitted 0 filtered 1
    "#]],
    );
}

#[test]
fn models_switch_exactly_at_their_fence_and_lower_fences_are_ignored() {
    check(
        "event a t=10 c=7 amount=3 risk=0.5
         fence 1 m@1
         event b t=11 c=7 amount=3 risk=0.5 + event c t=12 c=8 amount=2 risk=- + mark 5
         fence 2 m@2
         event d t=13 c=7 amount=3 risk=0.5
         fence 1 m@1
         fence 3 m@2 0.9
         event e t=14 c=- amount=- risk=0.5 + mark 12
         fence 4
         event f t=15 c=7 amount=3 risk=0.5",
        &expect![[r#"
            journal/0 #1 b 0.622459352016449 true m@1 3.0.0
            prediction[7] b 1970-01-01T00:00:11Z key=7 score=0.622459352016449 threshold=0.5 true m@1 digest=64 features=features-digest schema=3 champion dense-fma-f32-v1 3.0.1
            journal/1 #1 c 0.3208213150501251 false m@1 3.1.0
            prediction[8] c 1970-01-01T00:00:12Z key=8 score=0.3208213150501251 threshold=0.5 false m@1 digest=64 features=features-digest schema=3 champion dense-fma-f32-v1 3.1.1
            journal/0 #2 d 0.8175744414329529 true m@2 5.0.0
            prediction[7] d 1970-01-01T00:00:13Z key=7 score=0.8175744414329529 threshold=0.5 true m@2 digest=64 features=features-digest schema=3 champion dense-fma-f32-v1 5.0.1
            journal/1 #2 e 0.22270014882087708 false m@2 8.0.0
            prediction[e] e 1970-01-01T00:00:14Z key= score=0.22270014882087708 threshold=0.9 false m@2 digest=64 features=features-digest schema=3 champion dense-fma-f32-v1 8.0.1
            journal/0 mark 1970-01-01T00:00:12Z
            journal/1 mark 1970-01-01T00:00:12Z
            emitted 4 filtered 2
        "#]],
    );
}

#[track_caller]
fn check_stop(shelf: Shelf, script: &str, expected: &Expect) {
    check_stop_of(Harness::new(Arc::new(shelf)), script, expected);
}

#[track_caller]
fn check_stop_of(mut harness: Harness, script: &str, expected: &Expect) {
    let records = harness.records(script);
    let stop = harness.feed(&records, 1, false).unwrap_err().to_string();
    let (stop, advice) = stop.rsplit_once("; mend that").unwrap();
    assert!(advice.ends_with("declared void for this partition"), "{advice}");
    let digests = stop.split(' ').map(|word| if word.len() > 60 { "DIGEST" } else { word });
    expected.assert_eq(&digests.collect::<Vec<_>>().join(" "));
}

#[test]
fn a_fence_that_cannot_be_honoured_stops_the_task() {
    check_stop(
        Shelf::new(),
        "fence 1 m@9",
        &expect!["features/0: fence 1 cannot be honoured: model m@9: not in the registry"],
    );
    let foreign = |model| Shelf([(1, Arc::new(model))].into());
    check_stop(
        foreign(harness::model(1, &["amount", "risk"], "other")),
        "fence 1 m@1",
        &expect![
            "features/0: fence 1 cannot be honoured: model m@1 was trained on feature set other, this log has features-digest"
        ],
    );
    check_stop(
        foreign(harness::model(1, &["amount", "age"], FEATURE_SET)),
        "fence 1 m@1",
        &expect![
            "features/0: fence 1 cannot be honoured: model m@1: input age is neither a column of the event nor a feature; train the model on this feature set"
        ],
    );
    check_stop(
        foreign(harness::model(1, &["event_id"], FEATURE_SET)),
        "fence 1 m@1",
        &expect![
            "features/0: fence 1 cannot be honoured: model m@1: input event_id is Utf8, not a number; make a number of it in a row feature"
        ],
    );
}

#[test]
fn inputs_read_columns_before_features_and_nulls_as_nan() {
    let field = |name: &str, data_type| Field::new(name, data_type, true);
    let event_fields = Fields::from(vec![field("a", DataType::Int64), field("b", DataType::Boolean)]);
    let event_columns: Vec<ArrayRef> = vec![
        Arc::new(Int64Array::from(vec![Some(16_777_217), None, Some(3)])),
        Arc::new(BooleanArray::from(vec![true, false, true])),
    ];
    let event = StructArray::new(event_fields.clone(), event_columns, None);
    let feature_fields = Fields::from(vec![field("a", DataType::Float64), field("c", DataType::Float64)]);
    let feature_columns: Vec<ArrayRef> =
        vec![Arc::new(Float64Array::from(vec![9.0; 3])), Arc::new(Float64Array::from(vec![0.1, 0.2, 0.3]))];
    let present = NullBuffer::from(vec![true, true, false]);
    let features = StructArray::new(feature_fields.clone(), feature_columns, Some(present));
    let names = ["c", "a", "b"].map(str::to_owned);
    let inputs = Inputs::find(&names, &[], &event_fields, &feature_fields).unwrap();
    let bits = |rows: &[f32]| rows.iter().map(|value| value.to_bits()).collect::<Vec<_>>();
    // 2^24 + 1 is not an f32 and rounds to even.
    let expected = [0.1, 16_777_216.0, 1.0, f32::NAN, 3.0, 1.0, 0.2, f32::NAN, 0.0];
    assert_eq!(bits(&inputs.rows(Some(&event), Some(&features), &[0, 2, 1])), bits(&expected));
    let unknown = Inputs::find(&["d".to_owned()], &[], &event_fields, &feature_fields);
    assert_eq!(unknown, Err(Error::Unknown("d".into())));
}

/// A text, a whole number, a double and an enum symbol; null, and what is no word.
#[test]
fn categories_become_slots_whatever_type_holds_them() {
    let field = |name: &str, data_type: &DataType| Field::new(name, data_type.clone(), true);
    let symbols: DictionaryArray<Int32Type> = [Some("3"), Some("7"), None].into_iter().collect();
    let columns: Vec<ArrayRef> = vec![
        Arc::new(StringArray::from(vec![Some("3"), Some("7"), None])),
        Arc::new(Int64Array::from(vec![Some(3), Some(7), None])),
        Arc::new(Float64Array::from(vec![Some(3.0), Some(7.0), Some(f64::NAN)])),
        Arc::new(symbols),
        Arc::new(BooleanArray::from(vec![Some(true), Some(false), None])),
    ];
    let names = ["text", "whole", "double", "symbol", "flag"].map(str::to_owned);
    let fields: Fields = names.iter().zip(&columns).map(|(name, column)| field(name, column.data_type())).collect();
    let event = StructArray::new(fields.clone(), columns, None);
    let words = |name: &String| Arc::new(Vocabulary::new(name, vec!["7".to_owned(), "true".to_owned()]).unwrap());
    let vocabularies: Vec<_> = names.iter().map(words).collect();
    let inputs = Inputs::find(&names, &vocabularies, &fields, &Fields::empty()).unwrap();
    let matrix = inputs.rows(Some(&event), None, &[2, 0, 1]);
    assert!(matrix[..5].iter().all(|cell| cell.is_nan()), "{matrix:?}");
    assert_eq!(matrix[5..], [1.0, 1.0, 1.0, 1.0, 3.0, 2.0, 2.0, 2.0, 2.0, 1.0]);
    let unknown: Vec<_> = inputs.unknown(&matrix).collect();
    assert_eq!(unknown, [("text", 1), ("whole", 1), ("double", 1), ("symbol", 1), ("flag", 1)]);
    assert_eq!(inputs.unknown(&matrix[10..]).collect::<Vec<_>>(), [("flag", 1)]);
    let of_time: Fields = vec![field("text", &DataType::Date32)].into();
    let refused = Inputs::find(&names[..1], &vocabularies, &of_time, &Fields::empty()).unwrap_err();
    assert!(refused.to_string().starts_with("input text is Date32, which cannot be a category"), "{refused}");
}
