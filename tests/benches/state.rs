//! State beyond memory: what rows cost and what the process takes, with many more keys than may be in memory.
//!
//! `cargo bench --workspace --bench state -- [KEYS [LIMIT]]`, by default ten million keys and 256 MiB. The windows are those
//! of the shipped pipeline's first stage. Rows come in four ways, one after the other: every key once; ten thousand keys
//! again and again, beside the same without a limit; one key with half of the rows and any key with the others. Then every
//! key comes once more while snapshots are taken as a service takes them, and the state is restored from the last one.
#![allow(clippy::unwrap_used, clippy::print_stdout)]

use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use features::spec::{Declaration, Group, Scope};
use features::window::{Column, Engine, Key, PART, Row};
use flow::snapshot::{Changes, Entry, Error, State};
use flow::state::Pointer;
use registry::store::Store;
use runtime::cold::Spill;
use runtime::snapshot::{Cut, Owner, Vault, Writer};
use tests::clock::cpu_ns;

const KEYS: u64 = 10_000_000;
const LIMIT_BYTES: usize = 256 << 20;
const BATCH: u64 = 1_024;
const HOT_KEYS: u64 = 10_000;
const HOT_ROWS: u64 = 300_000;
const MIXED_ROWS: u64 = 500_000;
/// Longest that a snapshot may take.
const WAIT: Duration = Duration::from_secs(600);
/// Changes that wait for a snapshot are at most so many bytes, as in a service, and are collected in such steps.
const NOTED_BYTES: usize = 32 << 20;
const COLLECTED: usize = 4_096;
/// So far apart that nothing expires.
const STEP_US: i64 = 100_000;

/// From now on the most memory is counted anew.
fn forget_most() {
    fs::write("/proc/self/clear_refs", "5").unwrap();
}

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
    Group::parse(&declaration, &Scope { numeric: vec!["amount"], texts: vec![], other: vec![], target: None }).unwrap()
}

/// The windows as the state of a task, and its snapshots.
struct Windows {
    engine: Engine,
    writer: Option<Writer>,
    writing: bool,
    position: i64,
    last: Option<Pointer>,
}

impl Windows {
    fn new(spill: Option<&Spill>, writer: Option<Writer>) -> Self {
        let mut engine = Engine::new(&customer(), 0);
        spill.iter().for_each(|spill| engine.spill(Box::new(spill.table())));
        writer.iter().for_each(|_| engine.track());
        Windows { engine, writer, writing: false, position: 0, last: None }
    }

    /// Looks whether a snapshot is written that was begun, or waits for it.
    fn heed(&mut self, wait: bool) {
        let Some(writer) = self.writer.as_ref().filter(|_| self.writing) else { return };
        let Some(done) = (if wait { writer.wait(WAIT) } else { writer.done().next() }) else { return };
        self.writing = false;
        self.last = done.pointer;
        writer.committed(owner(), self.last.clone().unwrap());
    }

    /// Takes a snapshot when it is time, or now.
    fn step(&mut self, now: bool) {
        self.heed(now);
        if self.writing || self.writer.is_none() || !now && self.engine.noted_bytes() < NOTED_BYTES {
            return;
        }
        let blob = State::cut(self);
        let changes = std::iter::repeat_with(|| State::collect(self, COLLECTED)).find_map(|changes| changes).unwrap();
        self.position += 1;
        let (owner, position, layout) = (owner(), self.position, State::layout(self));
        let Some(writer) = &self.writer else { return };
        writer.write(Cut { owner, position, layout, blob, changes });
        self.writing = true;
    }
}

impl State for Windows {
    fn layout(&self) -> String {
        self.engine.layout()
    }

    fn track(&mut self) {
        self.engine.track();
    }

    fn noted_bytes(&self) -> usize {
        self.engine.noted_bytes()
    }

    fn cut(&mut self) -> String {
        self.engine.cut();
        serde_json::to_string(&self.engine.clocks()).unwrap()
    }

    fn collect(&mut self, entries_max: usize) -> Option<Changes> {
        self.engine.collect(entries_max)
    }

    fn load(&mut self, entry: &Entry<'_>) -> Result<(), Error> {
        let loaded = self.engine.load(entry.key, entry.value.unwrap());
        loaded.map_err(|error| Error::Entry { part: PART, detail: error.to_string() })
    }

    fn resume(&mut self, blob: &str) -> Result<i64, Error> {
        self.engine.set_clocks(&serde_json::from_str::<Vec<(u8, i64)>>(blob).unwrap());
        Ok(0)
    }

    fn hash(&self) -> u128 {
        self.engine.hash()
    }
}

fn owner() -> Owner {
    Owner { group: "bench".to_owned(), log: "bench".to_owned(), partition: 0 }
}

/// Says what something took, and how much memory there is.
fn tell(what: &str, engine: &Engine, (cpu_ns, wall_ns): (u64, u64)) {
    assert_eq!(engine.fault(), None);
    let (here, there, (now, most)) = (engine.keys_in_memory(), engine.keys_on_disk(), memory_mib());
    println!("{what:<44} {cpu_ns:>6} {wall_ns:>6} {here:>10} {there:>10} {now:>6} {most:>6}");
}

/// Applies so many rows, whose keys `key` names.
fn feed(what: &str, windows: &mut Windows, now_us: &mut i64, rows: u64, key: impl Fn(u64) -> u64) {
    forget_most();
    let (started, cpu, mut done) = (Instant::now(), cpu_ns(), 0);
    let mut out = vec![None; BATCH as usize * windows.engine.width()];
    while done < rows {
        let count = BATCH.min(rows - done);
        let texts: Vec<String> = (done..done + count).map(|row| key(row).to_string()).collect();
        let times_us = (0..).map(|at| *now_us + at * STEP_US);
        let row = |(text, time_us)| Row::Event { key: Some(Key::new(text)), time_us };
        let events: Vec<Row<'_>> = texts.iter().map(String::as_str).zip(times_us).map(row).collect();
        let amounts = vec![0.25; count as usize];
        windows.engine.apply_batch(&events, &[Column { values: &amounts, nulls: None }], &mut out);
        windows.step(false);
        *now_us += count as i64 * STEP_US;
        done += count;
    }
    let (cpu_ns, wall_ns) = ((cpu_ns() - cpu) / rows, started.elapsed().as_nanos() as u64 / rows);
    tell(what, &windows.engine, (cpu_ns, wall_ns));
}

/// Puts the state back from the last snapshot.
fn restart(vault: &Vault, spill: &Spill, last: &Pointer) {
    forget_most();
    let (started, cpu, mut windows) = (Instant::now(), cpu_ns(), Windows::new(Some(spill), None));
    let loaded = vault.load(&owner(), &last.into()).unwrap();
    loaded.restore(&mut windows).unwrap();
    let entries: u64 = loaded.manifest.files.iter().map(|file| file.entries).sum();
    let (cpu_ns, wall_ns) = ((cpu_ns() - cpu) / entries, started.elapsed().as_nanos() as u64 / entries);
    tell("the same restored", &windows.engine, (cpu_ns, wall_ns));
    println!("snapshot: {} MiB in {} files", loaded.manifest.bytes() >> 20, loaded.manifest.files.len());
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
    let (mut plain, mut now_us) = (Windows::new(None, None), 0);
    feed("ten thousand keys, no limit, first", &mut plain, &mut now_us, HOT_ROWS, |row| mixed(row) % HOT_KEYS);
    feed("ten thousand keys, no limit", &mut plain, &mut now_us, HOT_ROWS, |row| mixed(row) % HOT_KEYS);
    drop(plain);
    let (mut windows, mut now_us) = (Windows::new(Some(&Spill::new(&dir.path().join("a"), limit)), None), 0);
    feed("each key once", &mut windows, &mut now_us, keys, |row| row);
    feed("ten thousand keys, first", &mut windows, &mut now_us, HOT_ROWS, |row| mixed(row) % HOT_KEYS);
    feed("ten thousand keys", &mut windows, &mut now_us, HOT_ROWS, |row| mixed(row) % HOT_KEYS);
    let half = |row: u64| if row.is_multiple_of(2) { 0 } else { mixed(row) % keys };
    feed("one key with half of the rows, the rest any", &mut windows, &mut now_us, MIXED_ROWS, half);
    println!("on disk: {} MiB", disk_mib(&dir.path().join("a")));
    drop(windows);
    let vault = Vault::new(Store::local(&dir.path().join("store")).unwrap());
    let (spill, writer) = (Spill::new(&dir.path().join("b"), limit), Writer::start(vault.clone()).unwrap());
    let (mut windows, mut now_us) = (Windows::new(Some(&spill), Some(writer)), 0);
    feed("each key once, with snapshots", &mut windows, &mut now_us, keys, |row| row);
    windows.step(true);
    windows.heed(true);
    let last = windows.last.clone().unwrap();
    drop(windows);
    restart(&vault, &spill, &last);
}
