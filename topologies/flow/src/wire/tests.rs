use super::*;
use crate::items::{Fence, Parent};
use crate::names::Names;
use crate::reader::Trigger;
use arrow::array::{ArrayRef, Float64Array, StructArray};
use arrow::datatypes::{DataType, Field};
use bytes::Bytes;
use schemas::log::log_schema;
use serde_json::json;
use std::sync::Arc;

const OWN: Place = Place { topic: 1, partition: 2 };
const SOURCES: [u16; 3] = [0, 2, 3];

fn writer() -> LogWriter {
    let event = json!({"type": "record", "name": "Event", "fields": [{"name": "amount", "type": "double"}]});
    let schema = log_schema("Next", "test", Some(&event), &["f0".to_owned()], true, false);
    let names = Names::new([("source", 1), ("own", 1), ("other", 1), ("third", 1)]);
    LogWriter::new(&schema.to_string(), 7, Arc::new(names)).unwrap()
}

/// Items numbered from `first` on; every third event comes from another source, labels have no event.
fn draft(first: i64, items: i64, with_event: bool) -> Draft {
    let mut rows = Rows::default();
    for number in first..first + items {
        let place = Place { topic: SOURCES[(number % 3) as usize], partition: number as u16 % 5 };
        let trigger = Trigger { offset: number * 2, item: number as i32 % 4, index: 0 };
        rows.push(0, trigger, Origin { place, offset: number * 10 }, number * 1_000, &format!("id{number}"), "key");
    }
    if with_event {
        let amounts: ArrayRef = Arc::new((first..first + items).map(|at| at as f64 / 3.0).collect::<Float64Array>());
        let fields = vec![Field::new("amount", DataType::Float64, false)].into();
        rows.parts.push(("event", Arc::new(StructArray::new(fields, vec![amounts], None))));
    }
    Draft { parents: vec![Parent { place: OWN, first }], rows, ..Draft::default() }
}

fn drafts() -> Vec<Draft> {
    let fence = Fence { number: 3, state: "{}".to_owned(), signature: vec![1, 2] };
    vec![
        draft(1, 5, true),
        Draft { marks: vec![(OWN, 77), (Place { topic: 0, partition: 1 }, 78)], ..draft(6, 1, true) },
        draft(7, 2, false),
        Draft { fence: Some(fence), ..Draft::default() },
        Draft { marks: vec![(OWN, 79)], ..Draft::default() },
        draft(9, 4, true),
        Draft::default(),
    ]
}

#[test]
fn records_encoded_together_are_those_encoded_alone() {
    let mut writer = writer();
    let alone: Vec<Bytes> = drafts().into_iter().map(|draft| writer.encode(draft).unwrap()).collect();
    assert_eq!(writer.encode_all(drafts()).unwrap(), alone);
    let without_event = vec![draft(1, 2, false), draft(3, 2, false)];
    let alone: Vec<Bytes> =
        vec![draft(1, 2, false), draft(3, 2, false)].into_iter().map(|draft| writer.encode(draft).unwrap()).collect();
    assert_eq!(writer.encode_all(without_event).unwrap(), alone);
}

#[test]
fn more_records_than_a_batch_takes_come_out_in_order() {
    let mut writer = writer();
    let many = || (0..2_500).map(|at| draft(at, at % 3, true)).collect::<Vec<_>>();
    let alone: Vec<Bytes> = many().into_iter().map(|draft| writer.encode(draft).unwrap()).collect();
    assert_eq!(writer.encode_all(many()).unwrap(), alone);
    assert_eq!(writer.encode_all(Vec::new()).unwrap(), Vec::<Bytes>::new());
}
