//! Random rows, kept small in time and keys so that edges, ties and expiry are met all the time.

use flow::snapshot::{Changes, Merged};
use proptest::prelude::*;

use super::cold::limited;
use super::model::{Expected, Model};
use super::{Key, group, key};
use crate::spec::Group;
use crate::window::{Column, Engine, Row};

#[derive(Debug, Clone)]
enum Op {
    /// Key, time relative to the newest so far, values of `a` and `b`.
    Event(Option<u8>, i64, Option<f64>, Option<f64>),
    Label(u8, i64, f64),
    /// Save, and go on with a restored engine.
    Cut,
}

/// Values whose sums stay in range; all kinds of trouble otherwise.
fn value() -> impl Strategy<Value = f64> {
    prop_oneof![
        6 => (0..30_000_i32).prop_map(|cents| f64::from(cents) / 100.0),
        4 => (-2..5_i32).prop_map(f64::from),
        2 => -5.0..5.0_f64,
        1 => (-40..40_i32, -1.0..1.0_f64).prop_map(|(exponent, fraction)| fraction * 10_f64.powi(exponent)),
        1 => prop::sample::select(vec![0.0, -0.0, f64::NAN, f64::INFINITY, f64::NEG_INFINITY, 5e-324, 1e200, -1e200, 1e-200, 1e300]),
    ]
}

fn op(late_us: i64) -> impl Strategy<Value = Op> {
    let key = prop_oneof![9 => (0..4_u8).prop_map(Some), 1 => Just(None)];
    // Mostly small steps with many ties, sometimes a leap that expires keys.
    let step = prop_oneof![8 => -late_us..4_i64, 4 => Just(0_i64), 1 => 20..90_i64];
    prop_oneof![
        12 => (key, step, prop::option::weighted(0.8, value()), prop::option::weighted(0.8, value()))
            .prop_map(|(key, step, a, b)| Op::Event(key, step, a, b)),
        6 => (0..4_u8, -60..3_i64, value()).prop_map(|(key, step, value)| Op::Label(key, step, value)),
        1 => Just(Op::Cut),
    ]
}

fn groups() -> impl Strategy<Value = Group> {
    let windows = prop::sample::select(vec![&["10us"][..], &["40us", "5us", "11us"], &["3us", "30us"]]);
    let delay = prop::sample::select(vec!["0s", "4us", "25us"]);
    const ALL: [(&str, &str); 41] = [
        ("events", "count()"),
        ("since", "time_since_last()"),
        ("since0", "coalesce(time_since_last(), -1)"),
        ("sum_a", "sum(a)"),
        ("avg_a", "avg(a)"),
        ("min_a", "min(a)"),
        ("max_a", "max(a)"),
        ("std_a", "stddev(a)"),
        ("last_a", "last(a)"),
        ("n_a", "count(a)"),
        ("max_b", "coalesce(max(b), -7)"),
        ("std_b", "stddev(b)"),
        ("last_b", "last(b)"),
        ("min_b", "min(b)"),
        ("risk", "coalesce(avg(y), 0)"),
        ("sum_y", "sum(y)"),
        ("min_y", "min(y)"),
        ("max_y", "max(y)"),
        ("last_y", "last(y)"),
        ("std_y", "stddev(y)"),
        ("n_y", "count(y)"),
        ("first_a", "first(a)"),
        ("first_y", "first(y)"),
        ("rate", "rate()"),
        ("rate_a", "rate(a)"),
        ("burst", "ratio(count(), {0}, {1})"),
        ("rate_burst", "ratio(rate(), {1}, {0})"),
        ("ratio_max", "coalesce(ratio(max(a), {0}, {1}), -3)"),
        ("ratio_y", "ratio(count(y), {0}, {1})"),
        ("distinct_a", "distinct(a)"),
        ("distinct_y", "distinct(y)"),
        ("mode_a", "most_frequent(a)"),
        ("mode_y", "coalesce(most_frequent(y), -2)"),
        ("median_a", "quantile(a, 0.5)"),
        ("high_a", "quantile(a, 0.95)"),
        ("low_y", "quantile(y, 0)"),
        ("top_b", "coalesce(quantile(b, 1), -4)"),
        ("faded_n", "decayed_count(2us)"),
        ("faded_a", "decayed_sum(a, 3us)"),
        ("faded_avg", "decayed_avg(a, 9us)"),
        ("faded_y", "decayed_avg(y, 1us)"),
    ];
    (windows, delay, prop::sample::subsequence(ALL.to_vec(), 1..=ALL.len())).prop_map(|(windows, delay, aggregates)| {
        let (first, last) = (windows[0], windows[windows.len() - 1]);
        let named = |(name, text): &(&'static str, &str)| (*name, text.replace("{0}", first).replace("{1}", last));
        let aggregates: Vec<(&str, String)> = aggregates.iter().map(named).collect();
        let aggregates: Vec<(&str, &str)> = aggregates.iter().map(|(name, text)| (*name, text.as_str())).collect();
        group(windows, delay, &aggregates)
    })
}

/// Groups whose aggregates see late events, or all do not, or some.
fn policies() -> impl Strategy<Value = Group> {
    let skips = prop_oneof![
        2 => Just(vec![false]),
        1 => Just(vec![true]),
        5 => prop::collection::vec(any::<bool>(), 2..12),
    ];
    (groups(), skips).prop_map(|(group, skips)| group.skipping_late(skips.into_iter().cycle()))
}

/// How many of the four keys may be in memory; none means all.
fn in_memory() -> impl Strategy<Value = Option<usize>> {
    prop::sample::select(vec![None, Some(0), Some(1), Some(2)])
}

/// Half a bucket of a sketch.
const SKETCHED: f64 = 1.0 / 128.0;

/// Where the model multiplies, what is nearer to zero has lost digits.
const LOST: f64 = 1e-150;

/// How far the model's own rounding may be from ours, beside the value.
fn tolerance(name: &str) -> Option<f64> {
    let rounding = [
        ("avg", 1e-15),
        ("risk", 1e-15),
        ("std", 1e-7),
        ("rate", 1e-15),
        ("faded", 1e-11),
        ("median", SKETCHED),
        ("high", SKETCHED),
        ("low", SKETCHED),
        ("top", SKETCHED),
    ];
    rounding.iter().filter(|(part, _)| name.contains(part)).map(|(_, tolerance)| *tolerance).reduce(f64::max)
}

/// `scale` bounds the values: what cancels leaves rounding of this size.
fn near(left: Option<f64>, expected: Expected, name: &str, scale: f64) -> bool {
    let right = expected.value;
    let exact = match (left, right) {
        (Some(left), Some(right)) => left.to_bits() == right.to_bits() || (left.is_nan() && right.is_nan()),
        (left, right) => left == right,
    };
    match (left, right, tolerance(name)) {
        // What is smaller than the smallest normal number is zero to a sketch.
        (Some(left), Some(right), Some(tolerance)) if tolerance == SKETCHED && !exact => {
            let is_zero = right.abs() < f64::MIN_POSITIVE && left == 0.0;
            is_zero || right.is_finite() && (left - right).abs() <= tolerance * right.abs()
        }
        // The model squares, which may leave the range where the root of the squares is in it.
        (Some(left), Some(right), Some(_)) if !exact && !right.is_finite() => {
            expected.of_finite && name.contains("std") && left.is_finite()
        }
        (Some(left), Some(right), Some(tolerance)) if !exact => {
            let size = if name.contains("faded") { scale } else { right.abs() };
            (left - right).abs() <= (tolerance * size).max(LOST)
        }
        _ => exact,
    }
}

fn inputs(group: &Group, a: Option<f64>, b: Option<f64>) -> Vec<Option<f64>> {
    group.inputs().iter().map(|input| if input.column.as_deref() == Some("a") { a } else { b }).collect()
}

/// Digest, hash and clocks of an engine.
type AtCut = (String, u128, Vec<(u8, i64)>);

/// What was collected of an engine so far, and its digest and hash at the cut that is being collected.
#[derive(Default)]
struct Saved {
    changes: Vec<Changes>,
    open: Option<AtCut>,
}

impl Saved {
    fn cut(&mut self, engine: &mut Engine) {
        self.open = Some((engine.digest(), engine.hash(), engine.clocks()));
        engine.cut();
    }

    /// Goes on collecting; what is collected to the end must restore to the engine that was cut.
    fn collect(&mut self, engine: &mut Engine, group: &Group, in_memory: Option<usize>, keys_max: usize) {
        let Some((digest, hash, clocks)) = &self.open else { return };
        let Some(changes) = engine.collect(keys_max) else { return };
        assert_eq!(changes.sum, *hash, "the sum that was kept is that of all keys");
        self.changes.push(changes);
        let mut merged = Merged::default();
        self.changes.iter().for_each(|changes| merged.add(&changes.bytes).unwrap());
        merged.verify(*hash).unwrap();
        let mut restored = limited(group, 7, in_memory);
        merged.each(|entry| restored.load(entry.key, entry.value.unwrap()).unwrap()).unwrap();
        restored.set_clocks(clocks);
        assert_eq!((restored.digest(), restored.hash()), (digest.clone(), *hash));
        self.open = None;
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 600, ..ProptestConfig::default() })]

    #[test]
    fn features_equal_a_recomputation_from_all_rows(
        group in policies(),
        retention_us in prop::sample::select(vec![0_i64, 7, 1_000]),
        in_memory in in_memory(),
        ops in prop::collection::vec(op(12), 1..120),
    ) {
        let mut engine = limited(&group, retention_us, in_memory);
        let mut model = Model::new(&group, retention_us);
        let (mut newest_us, mut scale) = (1_000, 1.0_f64);
        for (number, op) in ops.iter().enumerate() {
            match op {
                Op::Event(None, step, a, b) => {
                    let mut out = vec![Some(1.0); engine.width()];
                    engine.event(None, newest_us + step, &inputs(&group, *a, *b), &mut out);
                    prop_assert!(out.iter().all(Option::is_none));
                }
                Op::Event(Some(owner), step, a, b) => {
                    let time_us = newest_us + step;
                    newest_us = newest_us.max(time_us);
                    let owner = key(*owner);
                    let values = inputs(&group, *a, *b);
                    // Over all events: more than a window has.
                    scale += a.filter(|a| a.is_finite()).map_or(0.0, f64::abs);
                    let mut out = vec![None; engine.width()];
                    engine.event(Some(Key { hash: owner.0, text: &owner.1 }), time_us, &values, &mut out);
                    let expected = model.event(&owner, time_us, &values);
                    for ((output, found), wanted) in group.outputs().iter().zip(&out).zip(&expected) {
                        prop_assert!(
                            near(*found, *wanted, &output.name, scale),
                            "op {number} at {time_us}: {} is {found:?}, should be {wanted:?}", output.name
                        );
                    }
                }
                Op::Label(owner, step, value) => {
                    let owner = key(*owner);
                    scale += if value.is_finite() { value.abs() } else { 0.0 };
                    engine.label(Some(Key { hash: owner.0, text: &owner.1 }), newest_us + step, Some(*value));
                    model.label(&owner, newest_us + step, *value);
                }
                Op::Cut => {
                    let mut bytes = Vec::new();
                    engine.snapshot(&mut bytes);
                    let mut restored = limited(&group, retention_us, in_memory);
                    restored.restore(&bytes).unwrap();
                    let mut again = Vec::new();
                    restored.snapshot(&mut again);
                    prop_assert_eq!(bytes, again);
                    engine = restored;
                }
            }
        }
    }

    #[test]
    fn batches_and_restarts_change_no_bit(
        group in policies(),
        in_memory in in_memory(),
        ops in prop::collection::vec(op(12), 1..120),
        cuts in prop::collection::vec(1..40_usize, 1..10),
    ) {
        let ops: Vec<&Op> = ops.iter().filter(|op| !matches!(op, Op::Cut)).collect();
        let owners: Vec<(u64, String)> = (0..4).map(key).collect();
        let key_of = |owner: u8| Key { hash: owners[usize::from(owner)].0, text: &owners[usize::from(owner)].1 };
        let mut single = Engine::new(&group, 9);
        let mut batched = limited(&group, 9, in_memory);
        let (mut newest_us, mut sizes) = (1_000, cuts.iter().cycle());
        let mut rest = &ops[..];
        while !rest.is_empty() {
            let (chunk, next) = rest.split_at((*sizes.next().unwrap()).min(rest.len()));
            rest = next;
            let (mut rows, mut alone) = (Vec::new(), Vec::new());
            let (mut a_column, mut b_column) = ((vec![], vec![]), (vec![], vec![]));
            for op in chunk {
                match op {
                    Op::Event(owner, step, a, b) => {
                        let time_us = newest_us + step;
                        if owner.is_some() {
                            newest_us = newest_us.max(time_us);
                        }
                        rows.push(Row::Event { key: owner.map(key_of), time_us });
                        for (column, value) in [(&mut a_column, a), (&mut b_column, b)] {
                            column.0.push(value.unwrap_or(99.0));
                            column.1.push(value.is_some());
                        }
                        let mut out = vec![None; single.width()];
                        single.event(owner.map(key_of), time_us, &inputs(&group, *a, *b), &mut out);
                        alone.extend(out);
                    }
                    Op::Label(owner, step, value) => {
                        let time_us = newest_us + step;
                        rows.push(Row::Label { key: Some(key_of(*owner)), time_us, value: Some(*value) });
                        single.label(Some(key_of(*owner)), time_us, Some(*value));
                    }
                    Op::Cut => {}
                }
            }
            let nulls = [a_column.1.into(), b_column.1.into()];
            let columns = [Column { values: &a_column.0, nulls: Some(&nulls[0]) }, Column { values: &b_column.0, nulls: Some(&nulls[1]) }];
            let columns: Vec<Column<'_>> = group.inputs().iter().map(|input| columns[usize::from(input.column.as_deref() == Some("b"))]).collect();
            let mut out = vec![None; alone.len()];
            batched.apply_batch(&rows, &columns, &mut out);
            let bits = |out: &[Option<f64>]| out.iter().map(|value| value.map(f64::to_bits)).collect::<Vec<_>>();
            prop_assert_eq!(bits(&alone), bits(&out));
            let mut bytes = Vec::new();
            batched.snapshot(&mut bytes);
            batched = limited(&group, 9, in_memory);
            batched.restore(&bytes).unwrap();
        }
        prop_assert_eq!(single.digest(), batched.digest());
    }

    #[test]
    fn a_cut_collected_while_rows_go_on_is_the_state_at_the_cut(
        group in policies(),
        in_memory in in_memory(),
        ops in prop::collection::vec(op(12), 1..200),
        collected in prop::collection::vec(0..3_usize, 1..20),
    ) {
        let mut engine = limited(&group, 7, in_memory);
        engine.track();
        let (mut saved, mut newest_us, mut budgets) = (Saved::default(), 1_000, collected.iter().cycle());
        for op in &ops {
            match op {
                Op::Event(Some(owner), step, a, b) => {
                    super::event(&mut engine, *owner, newest_us + step, &inputs(&group, *a, *b));
                    newest_us += step.max(&0);
                }
                Op::Label(owner, step, value) => super::label(&mut engine, *owner, newest_us + step, *value),
                Op::Cut if saved.open.is_none() => saved.cut(&mut engine),
                _ => {}
            }
            saved.collect(&mut engine, &group, in_memory, *budgets.next().unwrap());
        }
        if saved.open.is_none() {
            saved.cut(&mut engine);
        }
        saved.collect(&mut engine, &group, in_memory, usize::MAX);
        prop_assert!(saved.open.is_none());
    }

    #[test]
    fn late_events_leave_the_state_and_bits_of_events_in_order(
        group in groups(),
        values in prop::collection::vec((value(), value()), 2..40),
        order in any::<u64>(),
    ) {
        let mut shuffled: Vec<usize> = (0..values.len()).collect();
        // Any permutation will do: sort by a mix of the index.
        shuffled.sort_by_key(|index| (*index as u64 ^ order).wrapping_mul(0x9e37_79b9_7f4a_7c15));
        let (mut sorted_engine, mut shuffled_engine) = (Engine::new(&group, 1_000), Engine::new(&group, 1_000));
        let apply = |engine: &mut Engine, index: usize| {
            let (a, b) = values[index];
            super::label(engine, 0, 2 * index as i64 - 30, b);
            super::event(engine, 0, 2 * index as i64, &inputs(&group, Some(a), Some(b)))
        };
        (0..values.len()).for_each(|index| drop(apply(&mut sorted_engine, index)));
        shuffled.iter().for_each(|index| drop(apply(&mut shuffled_engine, *index)));
        prop_assert_eq!(sorted_engine.digest(), shuffled_engine.digest());
        let last = |engine: &mut Engine| {
            let out = super::event(engine, 0, 2 * values.len() as i64, &inputs(&group, Some(1.0), None));
            out.iter().map(|value| value.map(f64::to_bits)).collect::<Vec<_>>()
        };
        prop_assert_eq!(last(&mut sorted_engine), last(&mut shuffled_engine));
    }

    #[test]
    fn entry_numbers_may_wrap(
        group in policies(),
        ops in prop::collection::vec(op(30), 1..120),
        before_end in 0..40_u32,
    ) {
        const RETENTION_US: i64 = 1_000_000;
        let mut engines = [Engine::new(&group, RETENTION_US), Engine::new(&group, RETENTION_US)];
        (0..4).for_each(|number| super::start_numbers_at(&mut engines[1], number, u32::MAX - before_end));
        let mut newest_us = 1_000;
        for op in &ops {
            let mut bits = engines.iter_mut().map(|engine| match op {
                Op::Event(Some(owner), step, a, b) => {
                    let out = super::event(engine, *owner, newest_us + step, &inputs(&group, *a, *b));
                    out.iter().map(|value| value.map(f64::to_bits)).collect::<Vec<_>>()
                }
                Op::Label(owner, step, value) => {
                    super::label(engine, *owner, newest_us + step, *value);
                    Vec::new()
                }
                _ => Vec::new(),
            });
            prop_assert_eq!(bits.next(), bits.next());
            if let Op::Event(Some(_), step, ..) = op {
                newest_us += step.max(&0);
            }
        }
    }
}
