//! The offline store between processes, and read by tools that know nothing of us.

use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use arrow::array::{ArrayRef, AsArray, Float64Array, Int32Array, Int64Array, RecordBatch, StringArray, StructArray};
use arrow::datatypes::{DataType, Field, Fields, Float64Type, Int64Type};
use offline::archive::{
    Archive, CompactOptions, Compaction, ITEM, OFFSET, Outcome, Record, SchemaNote, Selection, Writer, positioned,
};
use registry::store::Store;

pub(crate) const TOPIC: &str = "fraud.features.log.f1.g1";
/// Records that the writer processes archive.
const RECORDS: i64 = 400;
/// Tells a child process where to write.
const CHILD_DIR: &str = "TIDEMILL_TEST_ARCHIVE_DIR";
/// Tells a child process how often to flush.
const CHILD_PACE: &str = "TIDEMILL_TEST_ARCHIVE_PACE";

/// The rows of the record at an offset: a function of the offset alone, like a log.
fn rows(offset: i64) -> RecordBatch {
    let items = i32::try_from(offset % 3 + 1).expect("small");
    let amount = |item: i32| (item != 1).then_some(offset as f64 / 4.0 + f64::from(item));
    let amounts: ArrayRef = Arc::new(Float64Array::from_iter((0..items).map(amount)));
    let counts: ArrayRef = Arc::new(Float64Array::from_iter_values((0..items).map(f64::from)));
    let fields: Fields = vec![Field::new("customer_tx_count_7d", DataType::Float64, true)].into();
    let features: ArrayRef = Arc::new(StructArray::new(fields, vec![counts], None));
    let ids: ArrayRef = Arc::new(StringArray::from_iter_values((0..items).map(|item| format!("t{offset}-{item}"))));
    let columns = [("id", ids, false), ("amount", amounts, true), ("features", features, true)];
    let columns = RecordBatch::try_from_iter_with_nullable(columns).expect("columns of one length");
    let offsets = Int64Array::from_iter_values((0..items).map(|_| offset));
    let times = (0..items).map(|_| 1_530_000_000_000 + offset);
    positioned(&columns, offsets, Int32Array::from_iter_values(0..items), times).expect("a positioned batch")
}

fn append(writer: &mut Writer, offset: i64) -> Outcome {
    let schema = SchemaNote { id: Some(1), digest: "d".to_owned() };
    let numbers = format!("{{\"after\":{offset}}}");
    let rows = rows(offset);
    let record = Record { rows: &rows, next_offset: offset + 1, input_bytes: 100, numbers: &numbers, schema: &schema };
    writer.append(record).expect("a record in order")
}

/// Not a test of its own: the body of a writer process, started by the test below.
#[test]
fn an_archive_writer_process() {
    let (Some(dir), Ok(pace)) = (std::env::var_os(CHILD_DIR), std::env::var(CHILD_PACE)) else { return };
    let pace: i64 = pace.parse().expect("a number");
    let archive = Archive::new(Store::local(Path::new(&dir)).expect("a store"));
    let mut writer = archive.writer(TOPIC, 0, 0).expect("a writer");
    let mut offset = writer.resume().offset;
    while offset < RECORDS {
        let mut outcome = append(&mut writer, offset);
        offset += 1;
        if offset % pace == 0 || offset == RECORDS {
            outcome = writer.flush().expect("a flush");
            writeln!(std::io::stdout(), "flushed {}", writer.archived()).expect("a listening parent");
        }
        if let Outcome::Lost(resume) = outcome {
            offset = resume.offset;
        }
    }
}

fn spawn_writer(dir: &Path, pace: i64) -> Child {
    let binary = std::env::current_exe().expect("this binary");
    Command::new(binary)
        .args(["--exact", "offline::an_archive_writer_process", "--nocapture"])
        .env(CHILD_DIR, dir)
        .env(CHILD_PACE, pace.to_string())
        .stdout(Stdio::piped())
        .stderr(Stdio::inherit())
        .spawn()
        .expect("a child process")
}

#[test]
fn writer_processes_tile_one_archive_even_when_killed() {
    let dir = tempfile::tempdir().expect("a folder");
    let mut children: Vec<Child> = [3, 7, 5].into_iter().map(|pace| spawn_writer(dir.path(), pace)).collect();
    // The first dies in the middle of its work, once it has written something.
    let victim = children[0].stdout.take().expect("its output");
    let mut lines = BufReader::new(victim).lines().map_while(Result::ok);
    let progress = lines.by_ref().filter(|line| line.starts_with("flushed")).take(3).count();
    assert!(progress > 0, "the first writer wrote nothing");
    children[0].kill().expect("a running or ended child");
    children[0].wait().expect("an ended child");
    for child in children.split_off(1) {
        let output = child.wait_with_output().expect("an ended child");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
    }
    let archive = Archive::new(Store::local(dir.path()).expect("a store"));
    let files = archive.files(TOPIC).expect("files that tile");
    assert_eq!((files[0].start, files.last().map(|file| file.end)), (0, Some(RECORDS)));
    let mut next = Vec::new();
    for part in archive.read(TOPIC, &Selection::default()).expect("a plan") {
        let part = part.expect("rows");
        let offsets = part.rows[OFFSET].as_primitive::<Int64Type>();
        next.extend((0..offsets.len()).map(|row| offsets.value(row)));
    }
    let expected: Vec<i64> = (0..RECORDS).flat_map(|offset| (0..=offset % 3).map(move |_| offset)).collect();
    assert_eq!(next, expected);
}

/// Two partitions with a few files each, a column of structs and some nulls.
pub(crate) fn fill(archive: &Archive) -> (u64, f64, i64) {
    let (mut count, mut amount, mut offsets) = (0, 0.0, 0);
    for partition in 0..2 {
        let mut writer = archive.writer(TOPIC, partition, 0).expect("a writer");
        for offset in 0..60 {
            assert_eq!(append(&mut writer, offset), Outcome::Kept);
            let rows = rows(offset);
            count += rows.num_rows() as u64;
            amount += rows["amount"].as_primitive::<Float64Type>().iter().flatten().sum::<f64>();
            offsets += offset * i64::try_from(rows.num_rows()).expect("small");
            if offset % 25 == 24 {
                assert_eq!(writer.flush().expect("a flush"), Outcome::Kept);
            }
        }
        assert_eq!(writer.flush().expect("a flush"), Outcome::Kept);
    }
    (count, amount, offsets)
}

#[test]
fn duckdb_and_pandas_read_an_archive_with_no_help() {
    let Some(python) = tests::python::Python::find() else { return };
    let dir = tempfile::tempdir().expect("a folder");
    let archive = Archive::new(Store::local(dir.path()).expect("a store"));
    let (count, amount, offsets) = fill(&archive);
    let table = dir.path().join("archive");
    let table = table.to_str().expect("a path of text");

    // All sums are of multiples of 1/4 below 2^53, so they are exact in any order.
    let expected = format!("{count} {amount:?} {offsets} 2 {TOPIC}");
    let duckdb = python.run(
        "import duckdb, sys
row = duckdb.sql(f\"\"\"
    select count(*), sum(amount), sum(_offset), count(distinct \"partition\"), min(topic)
    from read_parquet('{sys.argv[1]}/*/*/*.parquet', hive_partitioning = true)
    where features.customer_tx_count_7d >= 0 and _append_time >= '2018-06-26'
\"\"\").fetchall()[0]
print(*row[:2], int(row[2]), *row[3:])",
        &[table],
    );
    assert_eq!(duckdb, expected);
    let pandas = python.run(
        "import pandas, sys
frame = pandas.read_parquet(sys.argv[1])
counts = frame['features'].map(lambda group: group['customer_tx_count_7d'])
assert (counts == frame['_item']).all()
print(len(frame), frame['amount'].sum(), frame['_offset'].sum(), frame['partition'].nunique(), frame['topic'].iloc[0])",
        &[table],
    );
    assert_eq!(pandas, expected);
    assert_eq!(ITEM, "_item");

    // A compaction changes nothing for them: merged files lie elsewhere.
    for partition in 0..2 {
        let done = archive.compact(TOPIC, partition, &CompactOptions::default(), 0, &mut |_| Ok(()));
        assert!(matches!(done, Ok(Compaction::Done(_))), "{done:?}");
    }
    let again = "import pandas, sys; print(len(pandas.read_parquet(sys.argv[1])))";
    assert_eq!(python.run(again, &[table]), count.to_string());
    // Once the old files are deleted, they read those that are named.
    for partition in 0..2 {
        let swept = archive.sweep(TOPIC, partition, Some(Duration::ZERO), 0, &mut |_| Ok(()));
        assert_eq!(swept.expect("a sweep").merged, 3);
    }
    let files = archive.files(TOPIC).expect("files");
    let files: Vec<String> = files.iter().map(|file| dir.path().join(&file.key).display().to_string()).collect();
    let files: Vec<&str> = files.iter().map(String::as_str).collect();
    assert_eq!(files.len(), 2);
    let duckdb = python.run(
        "import duckdb, sys
row = duckdb.sql(f\"\"\"
    select count(*), sum(amount), sum(_offset), count(distinct \"partition\"), min(topic)
    from read_parquet({sys.argv[1:]}, hive_partitioning = true)
\"\"\").fetchall()[0]
print(*row[:2], int(row[2]), *row[3:])",
        &files,
    );
    assert_eq!(duckdb, expected);
    let pandas = python.run(
        "import pandas, sys
frame = pandas.concat(pandas.read_parquet(file) for file in sys.argv[1:])
print(len(frame), frame['amount'].sum(), frame['_offset'].sum())",
        &files,
    );
    assert_eq!(pandas, format!("{count} {amount:?} {offsets}"));
}
