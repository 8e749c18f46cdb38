//! Window engine: CPU time per transaction of the 14 fraud features' windowed part (customer counts and means over 1, 7
//! and 30 days, terminal counts and risks behind a week's delay, labels included), and what a key costs in memory.
//!
//! `cargo bench -p tests --bench features`. Target: at most 1,000 ns per transaction with 15,000 keys. Times are of the
//! process's CPU and cover both stages and the label of each transaction. The stream has the shape of the handbook's:
//! 5,000 customers and 10,000 terminals, 9,590 transactions a day, two months of state before the clock starts.
#![allow(clippy::unwrap_used, clippy::print_stdout)]

use std::hint::black_box;

use arrow::buffer::NullBuffer;
use features::spec::{Declaration, Group, Scope};
use features::window::{Column, Engine, Key, Row};
use tests::clock::cpu_ns;

const DAY_US: i64 = 86_400_000_000;
const TRANSACTIONS_PER_DAY: i64 = 9_590;
const LABEL_DELAY_US: i64 = 7 * DAY_US;
const WARM_UP_DAYS: i64 = 45;
const MEASURED_DAYS: i64 = 30;
const BATCHES: [usize; 3] = [1, 64, 1_024];
const ROUNDS: usize = 5;

fn group(name: &str, delay: &str, aggregates: &[(&str, &str)]) -> Group {
    let declaration = Declaration {
        name,
        key: "id",
        windows: vec!["1d", "7d", "30d"],
        delay: Some(delay),
        aggregates: aggregates.to_vec(),
    };
    Group::parse(
        &declaration,
        &Scope { numeric: vec!["amount"], texts: vec![], other: vec![], target: Some("is_fraud") },
    )
    .unwrap()
}

fn customer() -> Group {
    group("customer", "0s", &[("tx_count", "count()"), ("tx_amount_avg", "avg(amount)")])
}

fn terminal() -> Group {
    group("terminal", "7d", &[("tx_count", "count()"), ("risk", "coalesce(avg(is_fraud), 0)")])
}

/// Rows of one stage in order, as a decoded batch has them: keys, times and amounts side by side.
struct Stream {
    rows: Vec<StreamRow>,
    texts: String,
    amounts: Vec<f64>,
}

struct StreamRow {
    is_event: bool,
    hash: u64,
    text: std::ops::Range<u32>,
    time_us: i64,
}

/// Transactions numbered through time, with the labels of a week before among them if wanted.
fn stream(transactions: std::ops::Range<i64>, keys: u32, salt: u64, labels: bool) -> Stream {
    let key_of = |number: i64| ((number as u64 ^ salt).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 33) as u32 % keys;
    let time_of = |number: i64| number * DAY_US / TRANSACTIONS_PER_DAY;
    let mut stream = Stream { rows: Vec::new(), texts: String::new(), amounts: Vec::new() };
    let mut push = |is_event: bool, number: i64| {
        let from = stream.texts.len();
        stream.texts.push_str(&key_of(number).to_string());
        let hash = Key::new(&stream.texts[from..]).hash;
        let text = from as u32..stream.texts.len() as u32;
        stream.rows.push(StreamRow { is_event, hash, text, time_us: time_of(number) });
    };
    let delay = LABEL_DELAY_US / (DAY_US / TRANSACTIONS_PER_DAY);
    for number in transactions.clone() {
        if labels && number >= delay {
            push(false, number - delay);
        }
        push(true, number);
    }
    stream.amounts = transactions.map(|number| (number.wrapping_mul(7_919) % 30_000) as f64 / 100.0).collect();
    stream
}

fn feed(engine: &mut Engine, stream: &Stream, columns: usize, batch: usize) {
    let mut out = vec![None; batch * engine.width()];
    let mut rows = Vec::with_capacity(batch);
    let mut event = 0;
    for chunk in stream.rows.chunks(batch) {
        rows.clear();
        rows.extend(chunk.iter().map(|row| {
            let text = &stream.texts[row.text.start as usize..row.text.end as usize];
            let (key, time_us) = (Some(Key { hash: row.hash, text }), row.time_us);
            if row.is_event {
                Row::Event { key, time_us }
            } else {
                Row::Label { key, time_us, value: Some(f64::from(u8::from(time_us % 97 == 0))) }
            }
        }));
        let events = chunk.iter().filter(|row| row.is_event).count();
        let column = [Column { values: &stream.amounts[event..event + events], nulls: None }];
        engine.apply_batch(&rows, &column[..columns], &mut out);
        black_box(&out);
        event += events;
    }
}

/// Nanoseconds per transaction of one stage, the fastest of the rounds.
fn measure(group: &Group, keys: u32, labels: bool, batch: usize) -> f64 {
    let columns = group.inputs().len();
    let warm = stream(0..WARM_UP_DAYS * TRANSACTIONS_PER_DAY, keys, u64::from(labels), labels);
    let from = WARM_UP_DAYS * TRANSACTIONS_PER_DAY;
    let measured = stream(from..from + MEASURED_DAYS * TRANSACTIONS_PER_DAY, keys, u64::from(labels), labels);
    let round = || {
        let mut engine = Engine::new(group, 0);
        feed(&mut engine, &warm, columns, 1_024);
        let start = cpu_ns();
        feed(&mut engine, &measured, columns, batch);
        (cpu_ns() - start) as f64 / (MEASURED_DAYS * TRANSACTIONS_PER_DAY) as f64
    };
    (0..ROUNDS).map(|_| round()).fold(f64::INFINITY, f64::min)
}

/// Bytes per key with 20 live events, and with 20 labels where the group reads them.
fn bytes_per_key(group: &Group, keys: usize) -> usize {
    let mut engine = Engine::new(group, 0);
    let mut out = vec![None; engine.width()];
    let values = vec![Some(1.0); group.inputs().len()];
    let texts: Vec<String> = (0..keys).map(|key| key.to_string()).collect();
    for round in 0..20 {
        for text in &texts {
            let key = Some(Key::new(text));
            engine.label(key, (round - 7) * DAY_US, Some(0.0));
            engine.event(key, round * DAY_US, &values, &mut out);
        }
    }
    engine.bytes() / keys
}

/// Aggregates whose cost must not depend on the number of live events.
const AGGREGATES: [&str; 27] = [
    "count()",
    "count(where amount > 100)",
    "sum(amount)",
    "sum(amount where amount > 100)",
    "avg(amount)",
    "stddev(amount)",
    "min(amount)",
    "max(amount)",
    "first(amount)",
    "last(amount)",
    "time_since_last()",
    "rate(amount)",
    "ratio(count(), 12h, 1d)",
    "decayed_count(1h)",
    "decayed_sum(amount, 1h)",
    "decayed_avg(amount, 12h)",
    "distinct(amount)",
    "most_frequent(amount)",
    "quantile(amount, 0.95)",
    "quantile(amount, 0.5)",
    "count(is_fraud)",
    "avg(is_fraud)",
    "stddev(is_fraud)",
    "max(is_fraud)",
    "last(is_fraud)",
    "decayed_avg(is_fraud, 12h)",
    "most_frequent(is_fraud)",
];

/// Amounts of events.
#[derive(Clone, Copy)]
enum Amounts {
    /// Whole cents from 1 to 10,000, small ones more often.
    Spread,
    /// Each above all before it, the worst case of a most frequent value.
    Rising,
}

/// Nanoseconds an event of one key with so many live events in its windows of half a day and a day; the fastest of the
/// rounds. A label comes with each event where the aggregate wants labels: that of the event a tenth of a day before. What a
/// condition itself costs is that of a row feature and not in here.
fn flat(aggregate: &str, amounts: Amounts, live: i64) -> f64 {
    const EVENTS: i64 = 200_000;
    let declaration = Declaration {
        name: "k",
        key: "id",
        windows: vec!["12h", "1d"],
        delay: None,
        aggregates: vec![("a", aggregate)],
    };
    let scope = Scope { numeric: vec!["amount"], texts: vec![], other: vec![], target: Some("is_fraud") };
    let group = Group::parse(&declaration, &scope).unwrap();
    let step_us = DAY_US / live;
    let mut engine = Engine::new(&group, 0);
    let key = Some(Key::new("one"));
    let label = |at: i64| Row::Label { key, time_us: (at - live / 10) * step_us, value: Some((at % 97 / 96) as f64) };
    let rows_per_event = 1 + usize::from(group.reads_label());
    let rows: Vec<Row<'_>> = (0..EVENTS + 2 * live)
        .flat_map(|at| [label(at), Row::Event { key, time_us: at * step_us }].into_iter().skip(2 - rows_per_event))
        .collect();
    let mixed = |at: usize| (at as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 32;
    let amount = |at: usize| match amounts {
        Amounts::Spread => (10_000_f64.powf(mixed(at) as f64 / 4_294_967_296.0) * 100.0).round() / 100.0,
        Amounts::Rising => at as f64,
    };
    let amounts: Vec<f64> = (0..rows.len() / rows_per_event).map(amount).collect();
    // About half of the events fulfil the condition.
    let is_fulfilled = || amounts.iter().map(|amount| *amount > 100.0).collect::<Vec<_>>();
    let fulfilled = aggregate.contains("where ").then(|| NullBuffer::from(is_fulfilled()));
    let mut out = vec![None; amounts.len() * engine.width()];
    let mut apply = |engine: &mut Engine, range: std::ops::Range<usize>| {
        for from in range.clone().step_by(1_024) {
            let batch = from..(from + 1_024).min(range.end);
            let values = &amounts[batch.clone()];
            let nulls = fulfilled.as_ref().map(|all| all.slice(batch.start, batch.len()));
            let column = [Column { values, nulls: nulls.as_ref() }];
            let rows = &rows[batch.start * rows_per_event..batch.end * rows_per_event];
            engine.apply_batch(rows, &column[..group.inputs().len()], &mut out);
            black_box(&out);
        }
    };
    let warm = 2 * live as usize;
    apply(&mut engine, 0..warm);
    let part = EVENTS as usize / ROUNDS;
    let mut round = |number: usize| {
        let start = cpu_ns();
        apply(&mut engine, warm + number * part..warm + (number + 1) * part);
        (cpu_ns() - start) as f64 / part as f64
    };
    (0..ROUNDS).map(&mut round).fold(f64::INFINITY, f64::min)
}

fn main() {
    const LIVE: [i64; 4] = [10, 100, 1_000, 10_000];
    println!("ns an event of one key by live events in its longest window");
    println!("{:<30} {:>8} {:>8} {:>8} {:>8}", "aggregate", LIVE[0], LIVE[1], LIVE[2], LIVE[3]);
    let show = |name: &str, aggregate: &str, amounts: Amounts| {
        let [a, b, c, d] = LIVE.map(|live| flat(aggregate, amounts, live));
        println!("{name:<30} {a:>8.0} {b:>8.0} {c:>8.0} {d:>8.0}");
    };
    AGGREGATES.iter().for_each(|aggregate| show(aggregate, aggregate, Amounts::Spread));
    show("most_frequent(amount), rising", "most_frequent(amount)", Amounts::Rising);
    println!("windowed fraud features, ns per transaction (process CPU), 5,000 customers and 10,000 terminals");
    println!("{:>6} {:>10} {:>10} {:>10}", "batch", "customer", "terminal", "both");
    for batch in BATCHES {
        let customer = measure(&customer(), 5_000, false, batch);
        let terminal = measure(&terminal(), 10_000, true, batch);
        println!("{batch:>6} {customer:>10.0} {terminal:>10.0} {:>10.0}", customer + terminal);
    }
    const KEYS: usize = 1_000_000;
    for group in [customer(), terminal()] {
        let bytes = bytes_per_key(&group, KEYS);
        println!("{}: {bytes} bytes a key, {:.2} GB for a million", group.name(), bytes as f64 * KEYS as f64 / 1e9);
    }
}
