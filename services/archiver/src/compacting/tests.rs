//! What is wrong with one partition is its own matter, and who is to stop begins nothing.
#![allow(clippy::unwrap_used)]

use std::sync::Arc;

use arrow::array::{ArrayRef, Float64Array, Int32Array, Int64Array, RecordBatch};
use offline::archive::{Outcome, Record, SchemaNote, positioned};

use super::*;

const TOPIC: &str = "t.events.v1";

/// As many files of a row each as are merged.
fn fill(archive: &Archive, partition: i32) {
    let schema = SchemaNote { id: Some(7), digest: "s7".to_owned() };
    let mut writer = archive.writer(TOPIC, partition, 0).unwrap();
    for offset in 0..FILES_MIN as i64 {
        let amount: ArrayRef = Arc::new(Float64Array::from(vec![offset as f64]));
        let rows = RecordBatch::try_from_iter([("amount", amount)]).unwrap();
        let rows = positioned(&rows, Int64Array::from(vec![offset]), Int32Array::new_null(1), [1_000]).unwrap();
        let record = Record { rows: &rows, next_offset: offset + 1, input_bytes: 9, numbers: "", schema: &schema };
        assert_eq!(writer.append(record).unwrap(), Outcome::Kept);
        assert_eq!(writer.flush().unwrap(), Outcome::Kept);
    }
}

#[test]
fn a_damaged_partition_does_not_keep_others_from_being_merged() {
    let store = Store::memory();
    let archive = Archive::new(store.clone());
    (0..2).for_each(|partition| fill(&archive, partition));
    store.put(&format!("archive/topic={TOPIC}/partition=0/{:020}.parquet", 3), b"no parquet").unwrap();

    compact(&archive, TOPIC, &AtomicBool::new(true));
    assert_eq!(archive.partition_files(TOPIC, 1).unwrap().len(), FILES_MIN, "it is to stop");
    compact(&archive, TOPIC, &AtomicBool::new(false));
    assert_eq!(archive.partition_files(TOPIC, 1).unwrap().len(), 1);
    assert!(archive.partition_files(TOPIC, 0).is_err(), "nobody reads past the damaged file");
}
