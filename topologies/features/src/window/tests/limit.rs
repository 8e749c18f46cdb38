//! Limits: what goes depends on the rows alone, and is what the plainest words say.

use std::collections::BTreeMap;
use std::panic::catch_unwind;

use flow::flaw::{Flaw, make};
use flow::snapshot::Merged;
use proptest::prelude::*;
use xxhash_rust::xxh3::xxh3_64_with_seed;

use super::cold::limited;
use crate::Key;
use crate::spec::{Group, Limits};
use crate::window::{Column, Engine, Evicted, Row};

/// A group with limits of a single key group.
fn group(keys: Option<u64>, bytes: Option<u64>) -> Group {
    let aggregates = [("n", "count()"), ("m", "max(a)"), ("r", "avg(y)")];
    let limits = Limits { keys_max: keys.map(|keys| keys * 256), bytes_max: bytes.map(|b| b * 256), retention_us: 5 };
    super::group(&["10us", "40us"], "0s", &aggregates).limited(limits)
}

/// All keys here are of one group.
fn key(number: u8) -> (u64, String) {
    (u64::from(number % 5), format!("key-{number}"))
}

#[derive(Debug, Clone)]
enum Op {
    Event(u8, i64),
    Label(u8, i64),
}

fn ops() -> impl Strategy<Value = Vec<Op>> {
    let step = prop_oneof![8 => -4_i64..3, 1 => 10..60_i64];
    let op = prop_oneof![
        4 => (0..12_u8, step).prop_map(|(key, step)| Op::Event(key, step)),
        1 => (0..12_u8, -20..2_i64).prop_map(|(key, step)| Op::Label(key, step)),
    ];
    prop::collection::vec(op, 1..160)
}

/// What engines give for the same rows.
#[derive(Debug, PartialEq)]
struct Given {
    features: Vec<Option<u64>>,
    evicted: Evicted,
    /// Rows with which something went, and what had gone then.
    pushed: Vec<(usize, Evicted)>,
    digest: String,
}

/// Applies rows in batches; after each the engine goes on, restored from a snapshot of its entries if wanted.
fn run(group: &Group, ops: &[Op], batch: usize, in_memory: Option<usize>, restarts: bool) -> Given {
    let mut engine = limited(group, 5, in_memory);
    engine.track();
    let (mut newest_us, mut seen, mut features, mut saved) = (1_000, 0, Vec::new(), Vec::new());
    let mut pushed = Vec::new();
    for (at, chunk) in ops.chunks(batch).enumerate() {
        let owners: Vec<(u64, String)> = (0..12).map(key).collect();
        let key_of =
            |number: u8| Some(Key { hash: owners[usize::from(number)].0, text: &owners[usize::from(number)].1 });
        let mut row = |op: &Op| match *op {
            Op::Event(number, step) => {
                let time_us = newest_us + step;
                newest_us = newest_us.max(time_us);
                Row::Event { key: key_of(number), time_us }
            }
            Op::Label(number, step) => Row::Label { key: key_of(number), time_us: newest_us + step, value: Some(1.0) },
        };
        let rows: Vec<Row<'_>> = chunk.iter().map(&mut row).collect();
        let events = rows.iter().filter(|row| matches!(row, Row::Event { .. })).count();
        let values: Vec<f64> = (seen..seen + events).map(|event| (event * 7 % 11) as f64).collect();
        seen += events;
        let mut out = vec![None; events * engine.width()];
        engine.apply_batch(&rows, &[Column { values: &values, nulls: None }], &mut out);
        features.extend(out.iter().map(|value| value.map(f64::to_bits)));
        pushed.extend(engine.pushed().iter().map(|(row, evicted)| (at * batch + row, *evicted)));
        if restarts {
            engine.cut();
            saved.push(engine.collect(usize::MAX).unwrap().bytes);
            let mut merged = Merged::default();
            saved.iter().for_each(|bytes| merged.add(bytes).unwrap());
            let mut again = limited(group, 5, in_memory);
            merged.each(|entry| again.load(entry.key, entry.value.unwrap()).unwrap()).unwrap();
            again.set_clocks(&engine.clocks());
            again.set_evicted(engine.evicted());
            again.track();
            engine = again;
        }
    }
    assert_eq!(engine.fault(), None);
    assert_eq!(pushed.last().map(|(_, evicted)| *evicted).unwrap_or_default(), engine.evicted());
    Given { features, evicted: engine.evicted(), pushed, digest: engine.digest() }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, ..ProptestConfig::default() })]

    #[test]
    fn what_goes_depends_on_the_rows_alone(
        keys in prop::option::of(1..6_u64),
        bytes in prop::option::of(100..2_000_u64),
        ops in ops(),
        in_memory in prop::sample::select(vec![Some(0), Some(1), Some(3)]),
    ) {
        let group = group(keys, bytes);
        let expected = run(&group, &ops, 1, None, false);
        for (batch, in_memory, restarts) in
            [(7, None, false), (4_096, None, true), (7, None, true), (1, in_memory, false), (7, in_memory, true)]
        {
            prop_assert_eq!(&run(&group, &ops, batch, in_memory, restarts), &expected, "batches of {}", batch);
        }
    }

    #[test]
    fn the_key_goes_whose_newest_row_is_oldest(keys in 1..6_u64, ops in ops()) {
        const KEEP_US: i64 = 45;
        let mut engine = Engine::new(&group(Some(keys), None), 5);
        let mut out = vec![None; engine.width()];
        // The newest row of each key that is left.
        let (mut left, mut clock_us, mut evicted) = (BTreeMap::<(u64, String), i64>::new(), 1_000, 0);
        for op in &ops {
            let Op::Event(number, step) = *op else { continue };
            let ((hash, text), time_us) = (key(number), clock_us + step);
            clock_us = clock_us.max(time_us);
            engine.event(Some(Key { hash, text: &text }), time_us, &[Some(1.0)], &mut out);
            left.retain(|_, newest_us| *newest_us > clock_us - KEEP_US);
            let newest_us = left.entry((hash, text)).or_insert(time_us);
            *newest_us = time_us.max(*newest_us);
            while left.len() as u64 > keys {
                let age = |((hash, text), newest_us): (&(u64, String), &i64)| {
                    (*newest_us, *hash, xxh3_64_with_seed(text.as_bytes(), 0x6167_6573), text.clone())
                };
                let (_, hash, _, text) = left.iter().map(age).min().unwrap();
                left.remove(&(hash, text));
                evicted += 1;
            }
            prop_assert_eq!((engine.keys(), engine.evicted().keys), (left.len(), evicted));
        }
    }
}

#[test]
fn the_oldest_key_goes_for_a_new_one() {
    let mut engine = Engine::new(&group(Some(2), None), 5);
    let mut out = vec![None; engine.width()];
    let mut event = |number: u8, time_us: i64| {
        let (hash, text) = key(number);
        engine.event(Some(Key { hash, text: &text }), time_us, &[Some(1.0)], &mut out);
        (out[0], engine.evicted().keys, engine.keys())
    };
    assert_eq!(event(1, 100), (Some(1.0), 0, 1));
    assert_eq!(event(2, 101), (Some(1.0), 0, 2));
    assert_eq!(event(1, 102), (Some(2.0), 0, 2));
    assert_eq!(event(3, 103), (Some(1.0), 1, 2), "key 2 goes");
    assert_eq!(event(1, 104), (Some(3.0), 1, 2));
    assert_eq!(event(2, 105), (Some(1.0), 2, 2), "it comes back with nothing, and key 3 goes");
    assert_eq!(event(4, 90), (Some(1.0), 3, 2), "a late one is the oldest and goes at once");
    assert_eq!(event(1, 106), (Some(4.0), 3, 2));
    assert_eq!(event(5, 200), (Some(1.0), 3, 1), "those that have expired are no eviction");
}

#[test]
fn a_key_that_goes_uncounted_is_noticed() {
    let _made = make(&[Flaw::EvictedUncounted]);
    assert!(catch_unwind(the_oldest_key_goes_for_a_new_one).is_err());
}

#[test]
fn a_key_that_is_too_large_alone_loses_its_oldest_entries() {
    // 128 and 5 bytes for the key and its text; time, value and link of an event are three words.
    let mut engine = Engine::new(&group(None, Some(133 + 8 * 24)), 5);
    let mut out = vec![None; engine.width()];
    let mut counts = Vec::new();
    for time_us in 0..12 {
        let (hash, text) = key(1);
        engine.event(Some(Key { hash, text: &text }), time_us, &[Some(1.0)], &mut out);
        counts.push(out[0].unwrap());
    }
    // After the ninth event three of nine go.
    assert_eq!(counts, [1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0, 9.0, 7.0, 8.0, 9.0]);
    assert_eq!(engine.evicted(), Evicted { keys: 0, entries: 6 });
}
