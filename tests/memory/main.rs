//! What windows of many keys take of a process's memory: measured by the system, not told by the engine.
//!
//! A test binary of its own, which starts itself once per line of the table: what others allocate would be counted, too.
//! There are a sixteenth of a million keys, so that tables which grow by doubling are as full as with a million;
//! `TIDEMILL_MEMORY_KEYS=1000000 cargo test --workspace --test memory -- --nocapture` takes as many.
#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, clippy::print_stdout)]

use std::fs;
use std::process::Command;

use features::spec::{Declaration, Group, Scope};
use features::window::{Engine, Key};

/// The one that services have.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// How many keys there are.
const KEYS: &str = "TIDEMILL_MEMORY_KEYS";
/// Where users read it.
const REFERENCE: &str = include_str!("../../docs/reference/features.md");
/// Set for the process that measures a line of the table.
const LINE: &str = "TIDEMILL_MEMORY_LINE";
const KEYS_DEFAULT: u64 = 1_000_000 / 16;
/// Live events of each key, one a day.
const EVENTS: i64 = 20;
const DAY_US: i64 = 86_400_000_000;
/// A million keys of the shipped pipeline's entities are to fit into 1.5 GB.
const SHIPPED_BYTES_MAX: u64 = 1_500;

/// Aggregates over 1, 7 and 30 days, and the bytes per key that the reference says they take.
const LINES: [(&[&str], u64); 9] = [
    (&["count()", "avg(x)"], 900),
    (&["count()", "avg(label)"], 1_060),
    (&["min(x)", "max(x)"], 1_240),
    (&["stddev(x)"], 1_200),
    (&["first(x)", "last(x)"], 1_180),
    (&["decayed_avg(x, 12h)"], 1_020),
    (&["distinct(x)"], 2_100),
    (&["most_frequent(x)"], 4_800),
    (&["quantile(x, 0.95)"], 1_930),
];
/// How many of them, from the first, are entities of the shipped pipeline.
const SHIPPED: usize = 2;
/// What the reference says may be so many percent more or less: the allocator takes memory in pieces, and gives it back
/// late, the later the busier the machine is.
const ROUNDED_PERCENT: u64 = 25;
/// What the engine tells of itself is at least this part of it: an allocator rounds up.
const TOLD_PERCENT_MIN: u64 = 65;

/// What a process measured, in bytes.
struct Measured {
    /// More than before, when all is there.
    resident: u64,
    /// More than before, at most.
    most: u64,
    /// What the engine says it takes.
    told: u64,
}

/// Resident memory of this process in bytes: now, and at most so far.
fn memory() -> (u64, u64) {
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let of = |name: &str| {
        let line = status.lines().find_map(|line| line.strip_prefix(name)).unwrap();
        line.trim_matches([':', ' ', '\t', 'k', 'B']).parse::<u64>().unwrap() * 1_024
    };
    (of("VmRSS"), of("VmHWM"))
}

fn group(aggregates: &[&str]) -> Group {
    let of_label = aggregates.iter().any(|text| text.contains("(label)"));
    let names = ["a", "b"];
    let declaration = Declaration {
        name: "entity",
        key: "id",
        windows: vec!["1d", "7d", "30d"],
        // As the shipped pipeline has it where it waits for labels.
        delay: Some(if of_label { "7d" } else { "0s" }),
        aggregates: names.into_iter().zip(aggregates.iter().copied()).collect(),
    };
    let scope = Scope { numeric: vec!["x"], texts: vec![], other: vec![], target: Some("label") };
    Group::parse(&declaration, &scope).unwrap()
}

/// Feeds an engine: every key has an event a day and a label of the one a week before, amounts in cents that all differ.
fn measure(aggregates: &[&str], keys: u64) -> Measured {
    let group = group(aggregates);
    let mut engine = Engine::new(&group, 0);
    let mut out = vec![None; engine.width()];
    let mut values = vec![None; group.inputs().len()];
    let (before, _) = memory();
    for day in 0..EVENTS {
        for number in 0..keys {
            let text = number.to_string();
            let key = Some(Key::new(&text));
            engine.label(key, (day - 7) * DAY_US, Some((number % 2) as f64));
            let mixed = (number * 31 + day as u64 + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 32;
            // From 1 to 10,000, small ones more often.
            let amount = (10_000_f64.powf(mixed as f64 / 4_294_967_296.0) * 100.0).round() / 100.0;
            values.fill(Some(amount));
            engine.event(key, day * DAY_US, &values, &mut out);
        }
    }
    let (resident, most) = memory();
    assert_eq!(engine.fault(), None);
    Measured { resident: resident - before, most: most - before, told: engine.bytes() as u64 }
}

/// Measures a line in a process of its own.
fn measured(line: usize, keys: u64) -> Measured {
    let mut process = Command::new(std::env::current_exe().unwrap());
    process.args(["--exact", "keys_take_no_more_memory_than_the_reference_says", "--nocapture"]);
    let output = process.env(LINE, line.to_string()).env(KEYS, keys.to_string()).output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    let found = text.lines().find_map(|text| text.split_once("measured: ")).unwrap_or_else(|| panic!("{text}"));
    let numbers: Vec<u64> = found.1.split(' ').map(|number| number.parse().unwrap()).collect();
    Measured { resident: numbers[0], most: numbers[1], told: numbers[2] }
}

#[test]
fn keys_take_no_more_memory_than_the_reference_says() {
    let keys = std::env::var(KEYS).map_or(KEYS_DEFAULT, |keys| keys.parse().unwrap());
    if let Ok(line) = std::env::var(LINE) {
        let Measured { resident, most, told } = measure(LINES[line.parse::<usize>().unwrap()].0, keys);
        println!("measured: {resident} {most} {told}");
        return;
    }
    println!("{:<30} {:>10} {:>10} {:>10} bytes a key of {keys}", "aggregates", "resident", "most", "told");
    for (line, (aggregates, said)) in LINES.iter().enumerate() {
        let found = measured(line, keys);
        let [resident, most, told] = [found.resident, found.most, found.told].map(|bytes| bytes / keys);
        let aggregates = aggregates.join(", ");
        println!("{aggregates:<30} {resident:>10} {most:>10} {told:>10}");
        let row = format!("| `{aggregates}` | {} | {:.2} |", thousands(*said), *said as f64 / 1e3);
        assert!(REFERENCE.contains(&row), "the reference does not say `{row}`");
        let rounding = said * ROUNDED_PERCENT / 100;
        assert!(most <= said + rounding, "{aggregates}: {most} bytes a key, and the reference says {said}");
        assert!(
            told * 100 >= resident * TOLD_PERCENT_MIN,
            "{aggregates}: {resident} bytes a key, the engine tells {told}"
        );
        if keys == KEYS_DEFAULT {
            assert!(most + rounding >= *said, "{aggregates}: only {most} bytes a key, and the reference says {said}");
        }
        assert!(line >= SHIPPED || most <= SHIPPED_BYTES_MAX, "{aggregates}: {most} bytes a key");
    }
}

/// A number as the reference writes it.
fn thousands(number: u64) -> String {
    if number < 1_000 { number.to_string() } else { format!("{},{:03}", number / 1_000, number % 1_000) }
}
