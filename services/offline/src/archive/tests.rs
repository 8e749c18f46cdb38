//! Tests of the archive: twins make the same bytes, files tile whatever writers do, each row is in it once.

#![allow(clippy::unwrap_used)]

mod compaction;

use std::collections::BTreeMap;
use std::sync::{Arc, Barrier};

use arrow::array::{ArrayRef, AsArray, Float64Array, Int32Array, Int64Array, RecordBatch, StringArray};
use arrow::datatypes::{Float64Type, Int32Type, Int64Type};
use registry::store::Store;

use super::{
    APPEND_TIME, Archive, BUCKET_OFFSETS, Error, FILE_ROWS_MAX, ITEM, OFFSET, Outcome, Record, Selection, Writer,
    file_key, positioned,
};
use crate::archive::SchemaNote;

const TOPIC: &str = "fraud.features.log.f1.g1";

fn note(digest: &str) -> SchemaNote {
    SchemaNote { id: Some(7), digest: digest.to_owned() }
}

/// The rows of the record at an offset: a function of the offset alone, like a log.
fn record_rows(offset: i64, rows: usize) -> RecordBatch {
    let n = i32::try_from(rows).unwrap();
    let amounts: ArrayRef =
        Arc::new(Float64Array::from_iter((0..n).map(|i| (i % 5 != 4).then_some(offset as f64 + f64::from(i) / 8.0))));
    let names: ArrayRef = Arc::new(StringArray::from_iter_values((0..n).map(|i| format!("customer {}", i % 50))));
    let columns = RecordBatch::try_from_iter_with_nullable([("amount", amounts, true), ("name", names, true)]).unwrap();
    let offsets = Int64Array::from_iter_values((0..n).map(|_| offset));
    positioned(&columns, offsets, Int32Array::from_iter_values(0..n), (0..n).map(|_| 1_000 + offset)).unwrap()
}

fn append_rows(writer: &mut Writer, offset: i64, rows: &RecordBatch, digest: &str) -> super::Result<Outcome> {
    writer.append(Record {
        rows,
        next_offset: offset + 1,
        input_bytes: 100,
        numbers: &format!("{{\"after\":{offset}}}"),
        schema: &note(digest),
    })
}

fn append(writer: &mut Writer, offset: i64, rows: usize) -> Outcome {
    append_rows(writer, offset, &record_rows(offset, rows), "s1").unwrap()
}

fn flush(writer: &mut Writer) {
    assert_eq!(writer.flush().unwrap(), Outcome::Kept);
}

/// All (partition, offset, item) of a topic.
fn positions(archive: &Archive, selection: &Selection) -> Vec<(i32, i64, i32)> {
    let mut positions = Vec::new();
    for part in archive.read(TOPIC, selection).unwrap() {
        let part = part.unwrap();
        let offsets = part.rows[OFFSET].as_primitive::<Int64Type>();
        let items = part.rows[ITEM].as_primitive::<Int32Type>();
        positions.extend((0..offsets.len()).map(|row| (part.partition, offsets.value(row), items.value(row))));
    }
    positions
}

#[test]
fn rows_come_back_in_order_and_files_say_what_they_are() {
    let archive = Archive::new(Store::memory());
    for partition in [1, 0] {
        let mut writer = archive.writer(TOPIC, partition, 10).unwrap();
        for offset in 10..14 {
            assert_eq!(append(&mut writer, offset, 3), Outcome::Kept);
        }
        assert_eq!((writer.archived(), writer.pending_rows()), (10, 12));
        flush(&mut writer);
        assert_eq!((writer.archived(), writer.pending_rows()), (14, 0));
    }
    assert_eq!(archive.topics().unwrap(), [TOPIC]);
    let files = archive.files(TOPIC).unwrap();
    assert_eq!(files.len(), 2);
    assert_eq!(files[0].key, "archive/topic=fraud.features.log.f1.g1/partition=0/00000000000000000010.parquet");
    assert_eq!((files[0].start, files[0].end, files[0].rows), (10, 14, 12));
    assert_eq!((files[0].numbers.as_str(), &files[0].schema), (r#"{"after":13}"#, &note("s1")));
    assert_eq!(archive.origins(&files[0]).unwrap()[0].sha256.len(), 64);

    let expected: Vec<_> = (0..2).flat_map(|p| (10..14).flat_map(move |o| (0..3).map(move |i| (p, o, i)))).collect();
    assert_eq!(positions(&archive, &Selection::default()), expected);
    let part = archive.read(TOPIC, &Selection::default()).unwrap().next().unwrap().unwrap();
    assert_eq!(part.rows["amount"].as_primitive::<Float64Type>().value(1), 10.125);
    assert_eq!(part.rows.schema().field(2).name(), APPEND_TIME);
}

#[test]
fn twin_writers_make_the_same_bytes() {
    let run = || {
        let store = Store::memory();
        let mut writer = Archive::new(store.clone()).writer(TOPIC, 0, 0).unwrap();
        for offset in 0..9 {
            assert_eq!(append(&mut writer, offset, 30_011), Outcome::Kept);
        }
        flush(&mut writer);
        let keys = store.list("archive").unwrap();
        keys.into_iter().map(|key| (store.get(&key).unwrap(), key)).collect::<Vec<_>>()
    };
    let (one, other) = (run(), run());
    // 9 records of 30,011 rows: a cut after the fifth, the rest by the flush, and the archive's start.
    assert_eq!(one.len(), 3);
    assert!(one == other, "twins differ");
}

#[test]
fn files_are_cut_by_records_only() {
    let archive = Archive::new(Store::memory());
    let mut writer = archive.writer(TOPIC, 0, BUCKET_OFFSETS - 2).unwrap();
    for offset in BUCKET_OFFSETS - 2..BUCKET_OFFSETS + 1 {
        assert_eq!(append(&mut writer, offset, 1), Outcome::Kept);
    }
    assert_eq!(writer.archived(), BUCKET_OFFSETS, "the end of a bucket");
    let half = usize::try_from(FILE_ROWS_MAX / 2).unwrap();
    for offset in 1..3 {
        assert_eq!(append(&mut writer, BUCKET_OFFSETS + offset, half), Outcome::Kept);
    }
    assert_eq!(writer.archived(), BUCKET_OFFSETS + 3, "enough rows");
    let next = BUCKET_OFFSETS + 3;
    let (rows, schema) = (record_rows(next, 1), note("s1"));
    let input_bytes = super::FILE_INPUT_BYTES_MAX;
    let record = Record { rows: &rows, next_offset: next + 1, input_bytes, numbers: "", schema: &schema };
    let outcome = writer.append(record).unwrap();
    assert_eq!((outcome, writer.archived()), (Outcome::Kept, next + 1), "enough bytes");
}

#[test]
fn records_of_another_schema_go_into_another_file() {
    let archive = Archive::new(Store::memory());
    let mut writer = archive.writer(TOPIC, 0, 0).unwrap();
    for (offset, digest) in [(0, "s1"), (1, "s1"), (2, "s2")] {
        assert_eq!(append_rows(&mut writer, offset, &record_rows(offset, 2), digest).unwrap(), Outcome::Kept);
    }
    let narrower = record_rows(3, 2).project(&[0, 1, 2, 3]).unwrap();
    assert_eq!(append_rows(&mut writer, 3, &narrower, "s2").unwrap(), Outcome::Kept);
    flush(&mut writer);
    let files = archive.files(TOPIC).unwrap();
    let seen: Vec<_> = files.iter().map(|f| (f.start, f.end, f.schema.digest.as_str(), f.numbers.as_str())).collect();
    assert_eq!(seen, [(0, 2, "s1", r#"{"after":1}"#), (2, 3, "s2", r#"{"after":2}"#), (3, 4, "s2", r#"{"after":3}"#)]);
}

#[test]
fn a_restarted_writer_goes_on_where_the_files_end() {
    let archive = Archive::new(Store::memory());
    let mut writer = archive.writer(TOPIC, 0, 5).unwrap();
    assert_eq!((writer.resume().offset, writer.resume().numbers), (5, None));
    assert_eq!(append(&mut writer, 5, 1), Outcome::Kept);
    flush(&mut writer);
    assert_eq!(append(&mut writer, 6, 1), Outcome::Kept);
    drop(writer);
    let resume = archive.writer(TOPIC, 0, 99).unwrap().resume();
    assert_eq!((resume.offset, resume.numbers.as_deref()), (6, Some(r#"{"after":5}"#)));
}

#[test]
fn an_empty_archive_begins_where_its_first_writer_found_the_log() {
    let archive = Archive::new(Store::memory());
    drop(archive.writer(TOPIC, 0, 5).unwrap());
    assert_eq!(archive.writer(TOPIC, 0, 8).unwrap().resume().offset, 5);
    assert!(archive.files(TOPIC).unwrap().is_empty());
}

#[test]
fn records_without_rows_extend_the_range() {
    let archive = Archive::new(Store::memory());
    let mut writer = archive.writer(TOPIC, 0, 0).unwrap();
    for (offset, rows) in [(0, 0), (1, 2), (2, 0), (BUCKET_OFFSETS, 0)] {
        assert_eq!(append(&mut writer, offset, rows), Outcome::Kept);
    }
    flush(&mut writer);
    assert_eq!(append(&mut writer, BUCKET_OFFSETS + 1, 0), Outcome::Kept);
    flush(&mut writer);
    let files = archive.files(TOPIC).unwrap();
    assert_eq!(files.iter().map(|f| (f.start, f.end, f.rows)).collect::<Vec<_>>(), [(0, BUCKET_OFFSETS + 1, 2)]);
}

#[test]
fn the_loser_takes_over_the_winners_end() {
    let archive = Archive::new(Store::memory());
    let mut live = archive.writer(TOPIC, 0, 0).unwrap();
    let mut zombie = archive.writer(TOPIC, 0, 0).unwrap();
    for offset in 0..3 {
        assert_eq!(append(&mut live, offset, 2), Outcome::Kept);
    }
    for offset in 0..5 {
        assert_eq!(append(&mut zombie, offset, 2), Outcome::Kept);
    }
    flush(&mut live);
    let Outcome::Lost(resume) = zombie.flush().unwrap() else { panic!("both won") };
    assert_eq!((resume.offset, resume.numbers.as_deref()), (3, Some(r#"{"after":2}"#)));
    assert_eq!((zombie.archived(), zombie.pending_rows()), (3, 0));
    // A twin that ends where the other ended has lost nothing.
    assert_eq!(append(&mut zombie, 3, 2), Outcome::Kept);
    assert_eq!(append(&mut live, 3, 2), Outcome::Kept);
    flush(&mut zombie);
    flush(&mut live);
    assert_eq!(positions(&archive, &Selection::default()).len(), 8);
}

#[test]
fn a_writer_that_made_something_else_of_a_range_stops() {
    let archive = Archive::new(Store::memory());
    let mut one = archive.writer(TOPIC, 0, 0).unwrap();
    let mut other = archive.writer(TOPIC, 0, 0).unwrap();
    assert_eq!(append(&mut one, 0, 2), Outcome::Kept);
    assert_eq!(append(&mut other, 0, 3), Outcome::Kept);
    flush(&mut one);
    let refused = other.flush().unwrap_err();
    assert!(matches!(refused, Error::Diverged { mine: 3, theirs: 2, .. }), "{refused}");
}

#[test]
fn racing_writers_tile_the_log_whatever_they_do() {
    const RACERS: u64 = 6;
    const RECORDS: i64 = 120;
    for seed in 0..4 {
        let dir = tempfile::tempdir().unwrap();
        let gate = Barrier::new(usize::try_from(RACERS).unwrap());
        std::thread::scope(|scope| {
            for racer in 0..RACERS {
                let (dir, gate) = (dir.path(), &gate);
                scope.spawn(move || {
                    let archive = Archive::new(Store::local(dir).unwrap());
                    // A linear congruential generator: each racer flushes and restarts at its own pace.
                    let mut state = seed * RACERS + racer;
                    let mut chance = |one_in: u64| {
                        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                        (state >> 33).is_multiple_of(one_in)
                    };
                    gate.wait();
                    let mut writer = archive.writer(TOPIC, 0, 0).unwrap();
                    let mut offset = writer.resume().offset;
                    while offset < RECORDS {
                        let mut outcome = append(&mut writer, offset, usize::try_from(offset % 4).unwrap());
                        offset += 1;
                        if chance(5) {
                            outcome = writer.flush().unwrap();
                        }
                        if chance(20) {
                            writer = archive.writer(TOPIC, 0, 0).unwrap();
                            outcome = Outcome::Lost(writer.resume());
                        }
                        if let Outcome::Lost(resume) = outcome {
                            offset = resume.offset;
                        }
                    }
                    let _: Outcome = writer.flush().unwrap();
                });
            }
        });
        let archive = Archive::new(Store::local(dir.path()).unwrap());
        let expected: Vec<_> =
            (0..RECORDS).flat_map(|o| (0..i32::try_from(o % 4).unwrap()).map(move |i| (0, o, i))).collect();
        assert_eq!(positions(&archive, &Selection::default()), expected, "seed {seed}");
        for file in archive.files(TOPIC).unwrap() {
            assert_eq!(file.numbers, format!("{{\"after\":{}}}", file.end - 1));
        }
    }
}

/// Three files of partition 0: offsets 0 to 4, 4 to 8, 8 to 12, two rows each offset.
fn three_files(store: &Store) -> Archive {
    let archive = Archive::new(store.clone());
    let mut writer = archive.writer(TOPIC, 0, 0).unwrap();
    for offset in 0..12 {
        assert_eq!(append(&mut writer, offset, 2), Outcome::Kept);
        if offset % 4 == 3 {
            flush(&mut writer);
        }
    }
    archive
}

#[test]
fn a_range_and_some_columns_are_read() {
    let archive = three_files(&Store::memory());
    let selection = Selection {
        ranges: Some(BTreeMap::from([(0, 3..9)])),
        columns: Some(vec!["name".to_owned(), ITEM.to_owned()]),
        since: None,
    };
    let parts: Vec<_> = archive.read(TOPIC, &selection).unwrap().map(Result::unwrap).collect();
    assert_eq!(parts.iter().map(|part| part.rows.num_rows()).collect::<Vec<_>>(), [2, 8, 2]);
    let schema = parts[0].rows.schema();
    assert_eq!(schema.fields().iter().map(|f| f.name().as_str()).collect::<Vec<_>>(), ["name", ITEM]);
    let all = Selection { columns: None, ..selection };
    assert_eq!(positions(&archive, &all).first(), Some(&(0, 3, 0)));
    assert_eq!(positions(&archive, &all).last(), Some(&(0, 8, 1)));
    let none = Selection { ranges: Some(BTreeMap::from([(0, 5..5)])), columns: None, since: None };
    assert!(positions(&archive, &none).is_empty());
}

#[track_caller]
fn check_refused<T>(result: super::Result<T>, expected: &[&str]) {
    let text = result.map(|_| ()).unwrap_err().to_string();
    for part in expected {
        assert!(text.contains(part), "`{part}` is missing in: {text}");
    }
}

#[test]
fn offsets_that_are_not_archived_are_named_with_what_is() {
    let archive = three_files(&Store::memory());
    let read = |partition, range| {
        let ranges = Some(BTreeMap::from([(partition, range)]));
        archive.read(TOPIC, &Selection { ranges, columns: None, since: None })
    };
    check_refused(read(0, 5..13), &["5 to 13", "not archived", "0 to 12"]);
    check_refused(read(3, 0..1), &["partition 3", "nothing"]);
    let columns = Some(vec!["colour".to_owned()]);
    let mut rows = archive.read(TOPIC, &Selection { columns, ..Selection::default() }).unwrap();
    check_refused(rows.next().unwrap(), &["`colour`", "amount, name"]);
}

#[test]
fn holes_overlaps_and_foreign_files_are_integrity_errors() {
    let store = Store::memory();
    let archive = three_files(&store);
    let (second, third) = (file_key(TOPIC, 0, 4), file_key(TOPIC, 0, 8));
    let bytes = store.get(&second).unwrap();

    store.delete(&second).unwrap();
    check_refused(archive.files(TOPIC), &["a hole at offset 4"]);
    store.put(&second, &store.get(&third).unwrap()).unwrap();
    check_refused(archive.files(TOPIC), &["00000000000000000004", "its footer says"]);
    store.put(&second, &bytes[..bytes.len() / 2]).unwrap();
    check_refused(archive.files(TOPIC), &["not a complete parquet file"]);
    store.put(&second, &bytes).unwrap();
    archive.files(TOPIC).unwrap();

    let elsewhere = Store::memory();
    let mut writer = Archive::new(elsewhere.clone()).writer(TOPIC, 0, 6).unwrap();
    for offset in 6..8 {
        assert_eq!(append(&mut writer, offset, 2), Outcome::Kept);
    }
    flush(&mut writer);
    let inside = file_key(TOPIC, 0, 6);
    store.put(&inside, &elsewhere.get(&inside).unwrap()).unwrap();
    check_refused(archive.files(TOPIC), &["an overlap at offset 6", "starting at 4 and 6"]);
    check_refused(archive.read(TOPIC, &Selection::default()).map(|_| ()), &["an overlap"]);
}

#[test]
fn records_out_of_order_or_shape_are_refused() {
    let archive = Archive::new(Store::memory());
    let mut writer = archive.writer(TOPIC, 0, 4).unwrap();
    assert_eq!(append(&mut writer, 4, 2), Outcome::Kept);
    check_refused(append_rows(&mut writer, 4, &record_rows(4, 2), "s1"), &["must end after 5"]);
    check_refused(append_rows(&mut writer, 5, &record_rows(6, 2), "s1"), &["a row has offset 6"]);
    check_refused(append_rows(&mut writer, 6, &record_rows(3, 2), "s1"), &["(3, 0) comes after"]);
    let shapeless = record_rows(5, 2).project(&[0, 1, 3]).unwrap();
    check_refused(append_rows(&mut writer, 5, &shapeless, "s1"), &["column 2", APPEND_TIME]);
    assert_eq!(append(&mut writer, 5, 2), Outcome::Kept);
}
