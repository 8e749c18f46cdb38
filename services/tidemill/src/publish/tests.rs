#![allow(clippy::unwrap_used)]

//! Finding columns, turning values, and what arrives on the topics of a shipped pipeline.

use std::io::Write;
use std::sync::Arc;
use std::time::Duration;

use arrow::array::{
    ArrayRef, AsArray, Float64Array, Int8Array, Int32Array, Int64Array, RecordBatch, StringArray,
    TimestampMillisecondArray,
};
use arrow::datatypes::{DataType, Field, Schema, TimeUnit};
use flow::plan::plan;
use registry::schemas::FileRegistry;
use registry::store::Store;
use runtime::apply::apply;
use runtime::context::Context;
use runtime::embedded::Embedded;
use runtime::log::{SessionOptions, TopicPartition};
use serde_json::Value;

use super::file::Source;
use super::{Columns, Options, Pace, Publisher, check_map, convert};
use gateway::decode::Values;

mod done;

fn schema(fields: &[(&str, DataType)]) -> Schema {
    Schema::new(fields.iter().map(|(name, kind)| Field::new(*name, kind.clone(), false)).collect::<Vec<_>>())
}

fn file() -> Schema {
    schema(&[
        ("TRANSACTION_ID", DataType::Int64),
        ("TX_DATETIME", DataType::Timestamp(TimeUnit::Millisecond, None)),
        ("TX_AMOUNT", DataType::Float64),
        ("TX_FRAUD", DataType::Int8),
        ("TX_FRAUD_SCENARIO", DataType::Int8),
    ])
}

#[track_caller]
fn check_found(wanted: &str, map: &[(&str, &str)], expected: Result<&str, &str>) {
    let map = map.iter().map(|(name, column)| ((*name).to_owned(), (*column).to_owned())).collect();
    let fields = schema(&[(wanted, DataType::Float64)]);
    let found = Columns::find(&fields, &file(), &map, Some("event_time"));
    let found =
        found.map(|columns| file().field(columns.get(0).unwrap()).name().clone()).map_err(|error| error.to_string());
    assert_eq!(found.as_deref().map_err(String::as_str), expected);
}

#[test]
fn columns_find_each_other_by_name_words_or_type() {
    check_found("TX_AMOUNT", &[], Ok("TX_AMOUNT"));
    check_found("transaction_id", &[], Ok("TRANSACTION_ID"));
    check_found("transactionId", &[], Ok("TRANSACTION_ID"));
    check_found("amount", &[], Ok("TX_AMOUNT"));
    check_found("is_fraud", &[], Ok("TX_FRAUD"));
    check_found("event_time", &[], Ok("TX_DATETIME"));
    check_found("is_fraud", &[("is_fraud", "tx_fraud_scenario")], Ok("TX_FRAUD_SCENARIO"));
}

#[test]
fn missing_columns_are_named_with_those_there_are() {
    check_found(
        "tx_amuont",
        &[],
        Err(
            "no column for `tx_amuont`; did you mean `TX_AMOUNT`? Say so with --map tx_amuont=TX_AMOUNT; the file has \
             `TRANSACTION_ID`, `TX_DATETIME`, `TX_AMOUNT`, `TX_FRAUD`, `TX_FRAUD_SCENARIO`",
        ),
    );
    check_found(
        "amount",
        &[("amount", "TX_AMUONT")],
        Err("--map amount=TX_AMUONT: the file has no column `TX_AMUONT`; did you mean `TX_AMOUNT`?"),
    );
    let unknown = check_map(&vec![("amuont".into(), "x".into())], &["amount", "id"]).unwrap_err().to_string();
    assert_eq!(unknown, "--map amuont=x: the schema has no `amuont`; did you mean `amount`?");
}

#[track_caller]
fn check_value(array: impl arrow::array::Array + 'static, wanted: DataType, expected: Result<(), &str>) {
    let array: ArrayRef = Arc::new(array);
    let converted =
        convert(&array, "C", &Field::new("f", wanted.clone(), false), 10).map_err(|error| error.to_string());
    assert_eq!(converted.as_ref().map(|_| ()).map_err(String::as_str), expected);
    if let Ok(converted) = converted {
        assert_eq!(converted.data_type(), &wanted);
    }
}

#[test]
fn values_become_what_the_schema_wants_or_are_named() {
    let time = DataType::Timestamp(TimeUnit::Millisecond, Some("+00:00".into()));
    check_value(Int8Array::from(vec![0, 1]), DataType::Boolean, Ok(()));
    check_value(StringArray::from(vec!["0", "true"]), DataType::Boolean, Ok(()));
    check_value(StringArray::from(vec!["2018-04-01 00:00:31", "2018-04-01T00:00:31.5Z"]), time.clone(), Ok(()));
    check_value(TimestampMillisecondArray::from(vec![1]), time.clone(), Ok(()));
    check_value(Float64Array::from(vec![1.0, 2.0]), DataType::Int32, Ok(()));
    let row = |rest: &str| format!("row 12: column `C` has {rest}");
    check_value(StringArray::from(vec!["1", "x"]), DataType::Float64, Err(&row("`x`, and `f` must be a number")));
    check_value(
        Float64Array::from(vec![1.0, 2.5]),
        DataType::Int32,
        Err(&row("`2.5`, and `f` must be a whole number that fits Int32")),
    );
    check_value(
        Int64Array::from(vec![1, 1 << 40]),
        DataType::Int32,
        Err(&row("`1099511627776`, and `f` must be a whole number that fits Int32")),
    );
    check_value(Int64Array::from(vec![Some(1), None]), DataType::Int64, Err(&row("no value, and `f` must be given")));
    check_value(
        StringArray::from(vec!["2018-04-01", "yesterday"]),
        time,
        Err(&row("`yesterday`, and `f` must be a time such as 2018-04-01T09:30:00Z")),
    );
}

/// Three events an hour apart; labels are known 90 minutes after them, the second has none.
fn table() -> RecordBatch {
    const HOUR_MS: i64 = 3_600_000;
    let columns: Vec<(&str, ArrayRef)> = vec![
        ("TRANSACTION_ID", Arc::new(Int64Array::from(vec![1, 2, 3]))),
        ("TX_DATETIME", Arc::new(TimestampMillisecondArray::from(vec![0, HOUR_MS, 2 * HOUR_MS]))),
        ("CUSTOMER_ID", Arc::new(Int32Array::from(vec![5, 6, 5]))),
        ("TERMINAL_ID", Arc::new(Int32Array::from(vec![9, 9, 9]))),
        ("TX_AMOUNT", Arc::new(Float64Array::from(vec![1.5, 2.5, 3.5]))),
        ("TX_FRAUD", Arc::new(Int8Array::from(vec![Some(1), None, Some(0)]))),
    ];
    RecordBatch::try_from_iter(columns).unwrap()
}

fn context(dir: &std::path::Path) -> Context {
    let yaml = crate::loading::SHIPPED.iter().find(|(name, _)| *name == include_str!("../../default-pipeline").trim());
    let resolve = |path: &str| schemas::contracts::avro(path).map(str::to_owned).ok_or_else(String::new);
    let pipeline = flow::config::parse(yaml.unwrap().1, &resolve).unwrap();
    let plan = plan(&pipeline);
    let registry = Arc::new(FileRegistry::new(Store::memory()));
    let context = Context::new(Arc::new(Embedded::open(dir).unwrap()), registry, pipeline, plan);
    apply(&context).unwrap();
    context
}

fn options(label_column: Option<&str>) -> Options {
    Options {
        map: Vec::new(),
        label_column: label_column.map(str::to_owned),
        label_delay_us: 90 * 60_000_000,
        pace: Pace::Full,
    }
}

/// All records of a topic, by append order: partition, key, value.
fn read(context: &Context, topic: &str) -> Vec<(i32, String, Value)> {
    let partitions = context.topic(topic).unwrap().partitions as i32;
    let tps: Vec<_> = (0..partitions).map(|partition| TopicPartition::new(topic, partition)).collect();
    let held: i64 = tps.iter().map(|tp| context.log.watermarks(tp).unwrap().1).sum();
    let positions = tps.into_iter().map(|tp| (tp, 0)).collect();
    let mut session = context.log.session(SessionOptions::assigned("test", positions)).unwrap();
    let (mut values, mut found) = (Values::default(), Vec::new());
    while (found.len() as i64) < held {
        for (tp, records) in session.poll(Duration::from_secs(1)).unwrap().records {
            let decoded = values.decode(&*context.schemas, &records).unwrap();
            for (record, value) in records.iter().zip(decoded) {
                let key = String::from_utf8(record.key.clone().unwrap().to_vec()).unwrap();
                found.push((tp.partition, key, value));
            }
        }
    }
    found.sort_by(|left, right| left.1.cmp(&right.1));
    found
}

#[test]
fn events_and_labels_arrive_keyed_and_decodable() {
    let dir = tempfile::tempdir().unwrap();
    let context = context(dir.path());
    let table = table();
    let mut publisher =
        Publisher::open(&context, &table.schema(), &options(Some("TX_FRAUD")), Arc::new(|| false)).unwrap();
    assert!(publisher.push(&table).unwrap());
    // The first label is known before the third event, the other not before the end.
    assert_eq!((publisher.summary().events, publisher.summary().labels), (3, 1));
    let summary = publisher.finish().unwrap();
    assert_eq!((summary.events, summary.labels), (3, 2));
    let events = read(&context, &context.pipeline.events.topic);
    assert_eq!(events.iter().map(|event| event.1.as_str()).collect::<Vec<_>>(), ["1", "2", "3"]);
    assert_eq!(events[2].2["amount"], 3.5);
    assert_eq!(events[2].2["event_time"], "1970-01-01T02:00:00Z");
    for (partition, key, _) in &events {
        assert_eq!(
            *partition,
            runtime::log::partition_of_key(key.as_bytes(), context.pipeline.events.partitions as i32)
        );
    }
    let source = context.pipeline.labels.as_ref().unwrap();
    let labels = read(&context, &source.topic);
    assert_eq!(labels.iter().map(|label| label.1.as_str()).collect::<Vec<_>>(), ["1", "3"]);
    assert_eq!((&labels[0].2["is_fraud"], &labels[1].2["is_fraud"]), (&Value::Bool(true), &Value::Bool(false)));
    assert_eq!(labels[0].2["known_time"], "1970-01-01T01:30:00Z");
}

#[test]
fn being_told_to_stop_ends_a_paced_publish() {
    let dir = tempfile::tempdir().unwrap();
    let context = context(dir.path());
    let table = table();
    let options = Options { pace: Pace::SpeedUp(0.001), ..options(None) };
    let mut publisher = Publisher::open(&context, &table.schema(), &options, Arc::new(|| true)).unwrap();
    assert!(!publisher.push(&table).unwrap());
    assert_eq!(publisher.end().unwrap().events, 1);
}

#[test]
fn words_become_symbols_of_enums() {
    const AVRO: &str = r#"{"type":"record","name":"Trip","fields":[
        {"name":"mode","type":{"type":"enum","name":"Mode","symbols":["BUS","TRAM","TRAIN"]}},
        {"name":"back","type":["null","Mode"],"default":null}]}"#;
    let schema = schemas::codec::arrow_schema(AVRO).unwrap();
    let table = |modes: [&str; 3]| {
        let back: ArrayRef = Arc::new(StringArray::from(vec![None, Some("BUS"), Some("TRAM")]));
        let modes: ArrayRef = Arc::new(StringArray::from(modes.to_vec()));
        RecordBatch::try_from_iter_with_nullable([("mode", modes, false), ("back", back, true)]).unwrap()
    };
    let good = table(["TRAIN", "BUS", "TRAIN"]);
    let columns = Columns::find(&schema, &good.schema(), &Vec::new(), None).unwrap();
    let batch = columns.convert(&good, &schema, 0).unwrap();
    let rows = schemas::codec::Encoder::new(&schema, 1).unwrap().encode(&batch).unwrap();
    // Places of symbols in the order of the schema, as zigzag numbers; the second field says first which branch it is.
    let bodies: Vec<Vec<u8>> = rows.iter().map(|row| row[5..].to_vec()).collect();
    assert_eq!(bodies, [vec![4, 0], vec![0, 2, 0], vec![4, 2, 2]]);
    let error = columns.convert(&table(["BUS", "CAR", "BUS"]), &schema, 10).unwrap_err().to_string();
    assert_eq!(error, "row 12: column `mode` has `CAR`, and `mode` must be one of `BUS`, `TRAM`, `TRAIN`");
}

#[track_caller]
fn check_file(name: &str, text: &str) {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join(name);
    std::fs::File::create(&path).unwrap().write_all(text.as_bytes()).unwrap();
    let source = Source::open(&path).unwrap();
    let batches: Vec<RecordBatch> = source.batches.collect::<Result<_, _>>().unwrap();
    let wanted =
        Schema::new(vec![Field::new("id", DataType::Int64, false), Field::new("amount", DataType::Float64, true)]);
    let columns = Columns::find(&wanted, &source.schema, &Vec::new(), None).unwrap();
    let batch = columns.convert(&batches[0], &Arc::new(wanted), 0).unwrap();
    let expected: Vec<ArrayRef> =
        vec![Arc::new(Int64Array::from(vec![1, 2])), Arc::new(Float64Array::from(vec![Some(1.5), None]))];
    assert_eq!(batch.columns(), expected);
}

#[test]
fn text_files_of_every_kind_are_read() {
    check_file("a.csv", "id,amount\n1,1.5\n2,\n");
    check_file("a.tsv", "id\tamount\n1\t1.5\n2\t\n");
    check_file("a.jsonl", "{\"id\": 1, \"amount\": 1.5}\n{\"id\": 2, \"more\": {}}\n");
}

#[test]
fn a_column_of_lines_may_come_first_in_the_last_one() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("a.jsonl");
    let early: String = (0..5_000).map(|id| format!("{{\"id\": {id}}}\n")).collect();
    std::fs::write(&path, early + "{\"id\": 5000, \"amount\": 1.5}\n").unwrap();
    let source = Source::open(&path).unwrap();
    let at = source.schema.index_of("amount").unwrap();
    let batches: Vec<RecordBatch> = source.batches.collect::<Result<_, _>>().unwrap();
    let amounts: Vec<Option<&str>> = batches.iter().flat_map(|batch| batch.column(at).as_string::<i32>()).collect();
    assert_eq!((amounts.len(), amounts.iter().flatten().collect::<Vec<_>>()), (5_001, vec![&"1.5"]));
}

/// A compressed file with these mappings, as texts: each computed column with its values.
fn computed(text: &str, map: &[(&str, &str)]) -> Result<Vec<Vec<String>>, String> {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("a.csv.zst");
    std::fs::write(&path, zstd::encode_all(text.as_bytes(), 1).unwrap()).unwrap();
    let map = map.iter().map(|(name, text)| ((*name).to_owned(), (*text).to_owned())).collect();
    let options = Options { map, ..options(None) };
    let source = Source::open(&path).unwrap().computed(&options).map_err(|error| error.to_string())?;
    let schema = source.schema.clone();
    let mut found = vec![Vec::new(); options.map.len()];
    for batch in source.batches {
        let batch = batch.map_err(|error| error.to_string())?;
        for ((_, text), found) in options.map.iter().zip(&mut found) {
            let column = arrow::compute::cast(batch.column(schema.index_of(text).unwrap()), &DataType::Utf8).unwrap();
            found.extend(column.as_string::<i32>().iter().map(|value| value.unwrap_or("null").to_owned()));
        }
    }
    Ok(found)
}

const HOURS: &str = "instant,dteday,hr,temp\n1,2011-01-01,0,0.24\n2,2011-01-01,9,0.5\n3,2011-01-01,23,\n";

#[test]
fn columns_may_be_computed_by_sql_from_a_compressed_file() {
    let time = "to_timestamp(dteday) + make_interval_hours(hr)";
    assert!(computed(HOURS, &[("event_time", time)]).unwrap_err().starts_with("--map event_time=to_timestamp(dteday)"));
    let map = [
        ("event_time", "cast(dteday as timestamp) + cast(hr || ' hours' as interval)"),
        ("half_hour", "to_timestamp_seconds(831427200 + (row_number - 1) * 1800)"),
        ("warm", "cast(temp as double) > 0.3"),
        ("city", "'Washington'"),
    ];
    let expected = [
        ["2011-01-01T00:00:00", "2011-01-01T09:00:00", "2011-01-01T23:00:00"],
        ["1996-05-07T00:00:00", "1996-05-07T00:30:00", "1996-05-07T01:00:00"],
        ["false", "true", "null"],
        ["Washington"; 3],
    ];
    assert_eq!(computed(HOURS, &map).unwrap(), expected);
}

#[test]
fn sql_that_cannot_be_used_is_named_with_its_row() {
    let error = computed(HOURS, &[("hour", "cast(hour as int)")]).unwrap_err();
    assert!(error.contains("--map hour=cast(hour as int)") && error.contains("not SQL"), "{error}");
    let error = computed("id,hr\n1,4\n2,x\n", &[("hour", "cast(hr as int)")]).unwrap_err();
    assert!(error.starts_with("row 2: ") && error.contains('x'), "{error}");
    let error = computed(HOURS, &[("time", "cast(now() as text)")]).unwrap_err();
    assert!(error.contains("not the same at every run"), "{error}");
}

#[test]
fn files_that_cannot_be_read_say_why() {
    let open = |name: &str| Source::open(std::path::Path::new(name)).err().unwrap().to_string();
    assert!(open("nowhere.csv").contains("there is no such file"));
    assert!(open("nowhere.parquet").contains("no such file"));
    assert!(open("Cargo.toml").contains("its kind is unknown"));
    let dir = tempfile::tempdir().unwrap();
    let broken = dir.path().join("broken.csv.zst");
    std::fs::write(&broken, "a,b\n1,2\n").unwrap();
    assert!(open(broken.to_str().unwrap()).contains("cannot read"), "it is not compressed");
}
