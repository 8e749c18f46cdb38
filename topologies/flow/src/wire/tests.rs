use super::*;
use crate::emit::Fill;
use crate::items::{Fence, Parent};
use crate::names::Names;
use crate::reader::Trigger;
use arrow::array::{Array, ArrayRef, AsArray, Float64Array, StructArray};
use arrow::datatypes::{DataType, Field, Float64Type};
use bytes::Bytes;
use schemas::framing;
use schemas::log::log_schema;
use serde_json::{Value, json};
use std::sync::Arc;

const OWN: Place = Place { topic: 1, partition: 2 };
const SOURCES: [u16; 3] = [0, 2, 3];

fn event() -> Value {
    json!({"type": "record", "name": "Event", "fields": [{"name": "amount", "type": "double"}]})
}

fn schema() -> Value {
    log_schema("Next", "test", Some(&event()), &["f0".to_owned()], true, None)
}

fn names() -> Arc<Names> {
    Arc::new(Names::new([("source", 1), ("own", 1), ("other", 1), ("third", 1)]))
}

fn writer() -> LogWriter {
    LogWriter::new(&schema().to_string(), 7, names()).unwrap()
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

fn apart(drafts: Vec<Draft>) -> Vec<(Place, Draft)> {
    drafts.into_iter().zip(0..).map(|(draft, partition)| (Place { topic: 1, partition }, draft)).collect()
}

fn values(records: Vec<(Place, Bytes)>) -> Vec<Bytes> {
    records.into_iter().map(|(_, value)| value).collect()
}

#[test]
fn records_encoded_together_are_those_encoded_alone() {
    let mut writer = writer();
    let alone: Vec<Bytes> = drafts().into_iter().map(|draft| writer.encode(draft).unwrap()).collect();
    assert_eq!(values(writer.encode_together(apart(drafts())).unwrap()), alone);
    let without_event = || vec![draft(1, 2, false), draft(3, 2, false)];
    let alone: Vec<Bytes> = without_event().into_iter().map(|draft| writer.encode(draft).unwrap()).collect();
    assert_eq!(values(writer.encode_together(apart(without_event())).unwrap()), alone);
}

#[test]
fn more_records_than_a_batch_takes_come_out_in_order() {
    let mut writer = writer();
    let many = || (0..2_500).map(|at| draft(at, at % 3, true)).collect::<Vec<_>>();
    let alone: Vec<Bytes> = many().into_iter().map(|draft| writer.encode(draft).unwrap()).collect();
    assert_eq!(values(writer.encode_together(apart(many())).unwrap()), alone);
    assert_eq!(writer.encode_together(Vec::new()).unwrap(), []);
}

/// What readers see of an item: parent with number, trigger, origin, time, id and amount.
type Seen = (Place, i64, Trigger, Origin, i64, String, Option<f64>);

/// Everything that is in the records, in order, and the marks.
fn read(values: &[Bytes]) -> (Vec<Seen>, Vec<Mark>) {
    let framed: Vec<_> =
        values.iter().map(|value| framing::split(Some(&value[..]), std::iter::empty()).unwrap()).collect();
    let raw: Vec<_> = framed.iter().map(|framed| Raw { offset: 0, append_time_ms: 0, framed: *framed }).collect();
    let mut reader = LogReader::new(&schema().to_string(), names()).unwrap();
    reader.add_writer(7, &schema().to_string()).unwrap();
    let batch = reader.decode(&raw).unwrap();
    let (items, mut seen) = (&batch.items, Vec::new());
    for head in &batch.records {
        let mut numbers: Vec<i64> = head.parents.iter().map(|parent| parent.first).collect();
        for row in head.items.clone() {
            let parent = items.envelope().parent[row] as usize;
            let number = numbers[parent];
            numbers[parent] += 1;
            let amounts = items.event_column("amount").filter(|_| items.event().unwrap().is_valid(row));
            let amount = amounts.map(|amounts| amounts.as_primitive::<Float64Type>().value(row));
            let (trigger, time_us) = (items.envelope().trigger(row), items.envelope().time_us[row]);
            let id = items.ids().value(row).to_owned();
            seen.push((head.parents[parent].place, number, trigger, items.origin(row), time_us, id, amount));
        }
    }
    (seen, batch.records.iter().flat_map(|head| head.marks.clone()).collect())
}

/// The same drafts as those of several tasks, for one partition.
fn of_tasks() -> Vec<(Place, Draft)> {
    let task = |at: usize, mut draft: Draft| {
        draft.parents.iter_mut().for_each(|parent| parent.place.partition = at as u16 % 3);
        (Place { topic: 3, partition: 0 }, draft)
    };
    let drafts = drafts().into_iter().filter(|draft| draft.fence.is_none());
    drafts.enumerate().map(|(at, draft)| task(at, draft)).collect()
}

#[test]
fn drafts_for_one_partition_are_one_record_with_the_same_items() {
    let mut writer = writer();
    let alone: Vec<Bytes> = of_tasks().into_iter().map(|(_, draft)| writer.encode(draft).unwrap()).collect();
    let together = values(writer.encode_together(of_tasks()).unwrap());
    assert_eq!(together.len(), 1);
    assert_eq!(read(&together), read(&alone));
    assert_eq!(read(&together).1.len(), 3);
}

#[test]
fn a_fence_and_what_is_too_much_are_records_of_their_own() {
    let mut writer = writer();
    let mut sizes = |drafts: Vec<Draft>| {
        let place = Place { topic: 1, partition: 0 };
        let records = writer.encode_together(drafts.into_iter().map(|draft| (place, draft)).collect()).unwrap();
        records.iter().map(|(_, value)| read(std::slice::from_ref(value)).0.len()).collect::<Vec<_>>()
    };
    assert_eq!(sizes(drafts()), [8, 0, 4]);
    let full = |items| {
        let mut fill = Fill::default();
        (0..items).for_each(|_| assert!(fill.takes(1)));
        Draft { fill, ..draft(1, items, true) }
    };
    assert_eq!(sizes(vec![full(1_000), full(1_000), full(1_000)]), [2_000, 1_000]);
    assert_eq!(sizes((0..130).map(|_| full(1)).collect()), [64, 64, 2]);
}

#[test]
fn spliced_items_are_those_of_rows() {
    let mut writer = writer();
    let splicer = Splicer::new(&schema(), &event()).unwrap();
    let (body, place) = (7.5_f64.to_le_bytes(), Place { topic: 1, partition: 0 });
    let ids: Vec<String> = (0..5).map(|number| format!("id{number}")).collect();
    let own = |at: u16| Place { topic: 0, partition: at };
    let encoded = |at: u16| {
        let items = ids.iter().enumerate().map(|(row, id)| {
            let offset = row as i64 + 1;
            Sent { offset, time_us: offset * 7, id, key: "key", body: &body }
        });
        let parents = vec![Parent { place: own(at), first: 40 }];
        Draft { parents, encoded: Some(splicer.items(own(at), items)), marks: vec![(own(at), 9)], ..Draft::default() }
    };
    let rows = |at: u16| {
        let mut rows = Rows::default();
        for (id, offset) in ids.iter().zip(1_i64..) {
            let trigger = Trigger { offset, item: 0, index: 0 };
            rows.push(0, trigger, Origin { place: own(at), offset }, offset * 7, id, "key");
        }
        let amounts: ArrayRef = Arc::new(Float64Array::from(vec![7.5; ids.len()]));
        let fields = vec![Field::new("amount", DataType::Float64, false)].into();
        rows.parts = vec![("event", Arc::new(StructArray::new(fields, vec![amounts], None)))];
        Draft {
            parents: vec![Parent { place: own(at), first: 40 }],
            rows,
            marks: vec![(own(at), 9)],
            ..Draft::default()
        }
    };
    let mark = || Draft { marks: vec![(own(8), 3)], ..Draft::default() };
    let (spliced, laid) = (vec![encoded(0), mark(), encoded(5)], vec![rows(0), mark(), rows(5)]);
    let mut together = |drafts: Vec<Draft>| {
        values(writer.encode_together(drafts.into_iter().map(|draft| (place, draft)).collect()).unwrap())
    };
    let (spliced, laid) = (together(spliced), together(laid));
    assert_eq!((spliced.len(), laid.len()), (1, 1));
    assert_eq!(read(&spliced), read(&laid));
    assert_eq!(together(vec![encoded(0), rows(1), encoded(2)]).len(), 3);
}
