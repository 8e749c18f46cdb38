//! Avro and JSON to Arrow: CPU time per record of our decoder beside apache-avro, on one record of 15 fields.
//!
//! `cargo bench -p tests --bench decode`. Target: at most 200 ns a record at batch 1,024. Times are of this thread's
//! CPU, the fastest of several rounds over the same bytes, for other work on the machine only slows. Ours includes the
//! framing; apache-avro is given bare bodies and a reader that was made once.
#![allow(clippy::unwrap_used, clippy::print_stdout)]

use std::hint::black_box;

use apache_avro::Schema;
use apache_avro::reader::datum::GenericDatumReader;
use schemas::codec::{Decoder, Encoder};
use schemas::framing::{self, Framed};
use schemas::json::{Bodies, JsonWriter, Unknown};
use serde_json::{Value, json};

/// A card payment as payment processors describe it: 15 fields, about 140 bytes.
const SCHEMA: &str = r#"{"type":"record","name":"Payment","fields":[
    {"name":"transaction_id","type":"long"},
    {"name":"event_time","type":{"type":"long","logicalType":"timestamp-millis"}},
    {"name":"customer_id","type":"int"},
    {"name":"terminal_id","type":"int"},
    {"name":"amount","type":"double"},
    {"name":"currency","type":"string"},
    {"name":"card","type":"string"},
    {"name":"merchant","type":"string"},
    {"name":"country","type":"string"},
    {"name":"category","type":"int"},
    {"name":"entry","type":{"type":"enum","name":"Entry","symbols":["CHIP","SWIPE","ONLINE"]}},
    {"name":"present","type":"boolean"},
    {"name":"latitude","type":["null","double"],"default":null},
    {"name":"longitude","type":["null","double"],"default":null},
    {"name":"note","type":["null","string"],"default":null}]}"#;

/// The same fields as an older producer writes them: resolution promotes, fills in and skips.
fn older() -> String {
    let longer =
        SCHEMA.replace(r#"{"name":"transaction_id","type":"long"}"#, r#"{"name":"transaction_id","type":"int"}"#);
    longer.replace(
        r#"{"name":"present","type":"boolean"}"#,
        r#"{"name":"present","type":"boolean"},{"name":"old","type":"string"}"#,
    )
}

const RECORDS: usize = 65_536;
const ROUNDS: usize = 9;

fn payment(n: usize) -> Value {
    let place = |base: f64| if n.is_multiple_of(5) { Value::Null } else { json!(base + n as f64 * 1e-5) };
    json!({
        "transaction_id": 790_000 + n, "event_time": 1_529_684_058_000_i64 + 9_000 * n as i64, "customer_id": n % 4_984,
        "terminal_id": n * 7 % 10_000, "amount": (n % 22_000) as f64 / 100.0, "currency": "EUR",
        "card": format!("4{:015}", n * 97), "merchant": format!("merchant number {:06} in the old town, open all day", n % 1_000),
        "country": "DE", "category": n % 9_999, "entry": (["CHIP", "SWIPE", "ONLINE"][n % 3]), "present": n % 3 != 2,
        "latitude": place(52.5), "longitude": place(13.4),
        "note": if n.is_multiple_of(2) { json!("paid in two parts, on 2018-06-22") } else { Value::Null },
    })
}

fn framed(schema: &str, id: u32, extra: Option<&str>) -> Vec<Vec<u8>> {
    let writer = JsonWriter::new(schema).unwrap();
    let value = |n: usize| {
        let mut payment = payment(n);
        extra.into_iter().for_each(|field| payment[field] = json!("a value nobody reads"));
        writer.framed(id, &payment).unwrap()
    };
    (0..RECORDS).map(value).collect()
}

/// JSON as a source has it: each text to a body, and all bodies of a batch to Arrow.
fn json_in_batches(decoder: &mut Decoder, texts: &[String], batch_records: usize) {
    let writer = JsonWriter::new(SCHEMA).unwrap();
    let mut room = Vec::new();
    for chunk in texts.chunks(batch_records) {
        let read = |bodies: &mut Bodies<'_>, text: &String| bodies.text(text.as_bytes());
        let framed = writer.frames((1, Unknown::Ignore), chunk, &mut room, read);
        let framed: Vec<Framed<'_>> = framed.into_iter().map(Result::unwrap).collect();
        black_box(decoder.decode(&framed).batch);
    }
}

/// CPU time of this thread.
fn cpu_ns() -> u64 {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: the pointer is to a live timespec that the call fills in.
    let done = unsafe { libc::clock_gettime(libc::CLOCK_THREAD_CPUTIME_ID, &raw mut time) };
    assert_eq!(done, 0, "the thread's CPU clock can be read");
    time.tv_sec as u64 * 1_000_000_000 + time.tv_nsec as u64
}

/// CPU time per record of the fastest pass over all records.
fn measure(name: &str, mut pass: impl FnMut()) -> f64 {
    pass();
    let timed = (0..ROUNDS).map(|_| {
        let start = cpu_ns();
        pass();
        cpu_ns() - start
    });
    let per_record = timed.min().unwrap() as f64 / RECORDS as f64;
    println!("{name:<58} {per_record:>8.1} ns/record");
    per_record
}

fn decode_in_batches(decoder: &mut Decoder, values: &[Vec<u8>], batch_records: usize) {
    let mut framed: Vec<Framed<'_>> = Vec::with_capacity(batch_records);
    for chunk in values.chunks(batch_records) {
        framed.clear();
        framed.extend(chunk.iter().map(|value| framing::split(Some(value), []).unwrap()));
        let decoded = decoder.decode(&framed);
        assert_eq!(decoded.batch.num_rows(), chunk.len());
        black_box(decoded.batch);
    }
}

fn main() {
    let values = framed(SCHEMA, 1, None);
    let older_values = framed(&older(), 2, Some("old"));
    let bytes: usize = values.iter().map(Vec::len).sum();
    println!("15 fields, {} bytes a record, {RECORDS} records, fastest of {ROUNDS} rounds", bytes / RECORDS);

    let mut decoder = Decoder::new(SCHEMA).unwrap();
    decoder.add_writer(1, SCHEMA).unwrap();
    decoder.add_writer(2, &older()).unwrap();
    let mut ours = f64::NAN;
    for batch_records in [1, 16, 256, 1_024, 4_096] {
        let name = format!("decode, batch {batch_records}");
        let took = measure(&name, || decode_in_batches(&mut decoder, &values, batch_records));
        ours = if batch_records == 1_024 { took } else { ours };
    }
    measure("decode an older schema, batch 1024", || decode_in_batches(&mut decoder, &older_values, 1_024));
    let mixed: Vec<Vec<u8>> = values
        .iter()
        .zip(&older_values)
        .enumerate()
        .map(|(n, (a, b))| if n % 2 == 0 { a } else { b }.clone())
        .collect();
    measure("decode two schemas in turn, batch 1024", || decode_in_batches(&mut decoder, &mixed, 1_024));

    let texts: Vec<String> = (0..RECORDS).map(|n| payment(n).to_string()).collect();
    let bytes: usize = texts.iter().map(String::len).sum();
    println!("the same in JSON: {} bytes a record, fields in the order of their names", bytes / RECORDS);
    measure("decode JSON, batch 1024", || json_in_batches(&mut decoder, &texts, 1_024));
    measure("decode JSON, batch 1", || json_in_batches(&mut decoder, &texts, 1));
    let writer = JsonWriter::new(SCHEMA).unwrap();
    measure("JSON to Avro alone", || {
        let mut bodies = writer.bodies(Unknown::Ignore);
        texts.iter().for_each(|text| bodies.text(text.as_bytes()).unwrap());
        black_box(bodies.len());
    });
    measure("JSON to Avro alone, through generic values", || {
        for text in &texts {
            black_box(writer.body(&serde_json::from_str(text).unwrap()).unwrap());
        }
    });

    let schema = Schema::parse_str(SCHEMA).unwrap();
    let reader = GenericDatumReader::builder(&schema).build().unwrap();
    let peer = measure("apache-avro, to its value type", || {
        for value in &values {
            black_box(reader.read_value(&mut &value[framing::PREFIX_BYTES..]).unwrap());
        }
    });
    println!("apache-avro takes {:.1} times as long as ours at batch 1024", peer / ours);

    let framed: Vec<Framed<'_>> =
        values[..1_024].iter().map(|value| framing::split(Some(value), []).unwrap()).collect();
    let batch = decoder.decode(&framed).batch;
    let mut encoder = Encoder::new(decoder.schema(), 1).unwrap();
    measure("encode, batch 1024", || {
        for _ in 0..RECORDS / 1_024 {
            black_box(encoder.encode(&batch).unwrap());
        }
    });
}
