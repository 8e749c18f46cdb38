//! State beyond memory: what rows cost and what the process takes, with many more keys than may be in memory.
//!
//! `cargo bench --workspace --bench state -- [KEYS [LIMIT]]`, by default ten million keys and 256 MiB. The windows are those
//! of the shipped pipeline's first stage. Rows come in four ways, one after the other: every key once; ten thousand keys
//! again and again, beside the same without a limit; one key with half of the rows and any key with the others.
#![allow(clippy::unwrap_used, clippy::print_stdout)]

use std::fs;
use std::path::Path;
use std::time::Instant;

use features::spec::{Declaration, Group, Scope};
use features::window::{Column, Engine, Key, Row};
use runtime::cold::Spill;
use tests::clock::cpu_ns;

const KEYS: u64 = 10_000_000;
const LIMIT_BYTES: usize = 256 << 20;
const BATCH: u64 = 1_024;
const HOT_KEYS: u64 = 10_000;
const HOT_ROWS: u64 = 300_000;
const MIXED_ROWS: u64 = 500_000;
/// So far apart that nothing expires.
const STEP_US: i64 = 100_000;

/// Memory of this process in MiB: now, and at most so far.
fn memory_mib() -> (u64, u64) {
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let of = |name: &str| {
        let line = status.lines().find_map(|line| line.strip_prefix(name)).unwrap();
        line.trim_matches([':', ' ', '\t', 'k', 'B']).parse::<u64>().unwrap() / 1_024
    };
    (of("VmRSS"), of("VmHWM"))
}

fn disk_mib(folder: &Path) -> u64 {
    let entries = fs::read_dir(folder).into_iter().flatten().filter_map(Result::ok);
    let size = |entry: fs::DirEntry| match entry.file_type().is_ok_and(|kind| kind.is_dir()) {
        true => disk_mib(&entry.path()) << 20,
        false => entry.metadata().map_or(0, |data| data.len()),
    };
    entries.map(size).sum::<u64>() >> 20
}

fn customer() -> Group {
    let aggregates = vec![("tx_count", "count()"), ("tx_amount_avg", "avg(amount)")];
    let (name, key, windows) = ("customer", "id", vec!["1d", "7d", "30d"]);
    let declaration = Declaration { name, key, windows, delay: None, aggregates };
    Group::parse(&declaration, &Scope { numeric: vec!["amount"], other: vec![], target: None }).unwrap()
}

/// Applies so many rows, whose keys `key` names.
fn feed(what: &str, engine: &mut Engine, now_us: &mut i64, rows: u64, key: impl Fn(u64) -> u64) {
    let (started, cpu, mut done) = (Instant::now(), cpu_ns(), 0);
    let mut out = vec![None; BATCH as usize * engine.width()];
    while done < rows {
        let count = BATCH.min(rows - done);
        let texts: Vec<String> = (done..done + count).map(|row| key(row).to_string()).collect();
        let times_us = (0..).map(|at| *now_us + at * STEP_US);
        let row = |(text, time_us)| Row::Event { key: Some(Key::new(text)), time_us };
        let events: Vec<Row<'_>> = texts.iter().map(String::as_str).zip(times_us).map(row).collect();
        let amounts = vec![0.25; count as usize];
        engine.apply_batch(&events, &[Column { values: &amounts, nulls: None }], &mut out);
        *now_us += count as i64 * STEP_US;
        done += count;
    }
    assert_eq!(engine.fault(), None);
    let (cpu_ns, wall_ns) = ((cpu_ns() - cpu) / rows, started.elapsed().as_nanos() as u64 / rows);
    let (here, there, (now, most)) = (engine.keys_in_memory(), engine.keys_on_disk(), memory_mib());
    println!("{what:<44} {cpu_ns:>6} {wall_ns:>6} {here:>10} {there:>10} {now:>6} {most:>6}");
}

/// A number that is spread evenly.
fn mixed(number: u64) -> u64 {
    let mixed = (number ^ number >> 31).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    mixed ^ mixed >> 29
}

fn main() {
    let mut arguments = std::env::args().skip(1).filter(|argument| !argument.starts_with('-'));
    let keys = arguments.next().map_or(KEYS, |keys| keys.parse().unwrap());
    let limit = arguments.next().map_or(LIMIT_BYTES, |limit| flow::config::parse_bytes(&limit).unwrap() as usize);
    let dir = tempfile::tempdir().unwrap();
    println!("{keys} keys, {} MiB of state in memory", limit >> 20);
    println!(
        "{:<44} {:>6} {:>6} {:>10} {:>10} {:>6} {:>6}",
        "rows", "CPU ns", "ns", "in memory", "on disk", "MiB", "most"
    );
    let (mut plain, mut now_us) = (Engine::new(&customer(), 0), 0);
    feed("ten thousand keys, no limit, first", &mut plain, &mut now_us, HOT_ROWS, |row| mixed(row) % HOT_KEYS);
    feed("ten thousand keys, no limit", &mut plain, &mut now_us, HOT_ROWS, |row| mixed(row) % HOT_KEYS);
    drop(plain);
    let (mut engine, mut now_us) = (Engine::new(&customer(), 0), 0);
    engine.spill(Box::new(Spill::new(dir.path(), limit).table()));
    feed("each key once", &mut engine, &mut now_us, keys, |row| row);
    feed("ten thousand keys, first", &mut engine, &mut now_us, HOT_ROWS, |row| mixed(row) % HOT_KEYS);
    feed("ten thousand keys", &mut engine, &mut now_us, HOT_ROWS, |row| mixed(row) % HOT_KEYS);
    let half = |row: u64| if row.is_multiple_of(2) { 0 } else { mixed(row) % keys };
    feed("one key with half of the rows, the rest any", &mut engine, &mut now_us, MIXED_ROWS, half);
    println!("on disk: {} MiB", disk_mib(dir.path()));
}
