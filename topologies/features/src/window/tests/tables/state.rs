//! The state behind the values: places of keys, groups that move, snapshots, memory.

use super::super::{Engine, event, group};
use crate::window::{Error, GROUPS};

#[test]
fn expired_keys_give_their_place_back() {
    let group = group(&["10us"], "0s", &[("n", "count()"), ("s", "sum(a)")]);
    let mut engine = Engine::new(&group, 0);
    for time_us in 0..1_000_i64 {
        let text = format!("k{time_us}");
        let mut out = [None; 2];
        engine.event(Some(crate::Key { hash: 3 << 56 | time_us as u64, text: &text }), time_us, &[Some(1.0)], &mut out);
        assert_eq!(out, [Some(1.0), Some(1.0)]);
    }
    assert!(engine.keys() < 50, "{} keys are left", engine.keys());
}

#[test]
fn groups_are_handed_over_one_by_one() {
    let group = group(&["10us"], "0s", &[("s", "sum(a)")]);
    let (mut from, mut to) = (Engine::new(&group, 0), Engine::new(&group, 0));
    for number in 0..6 {
        event(&mut from, number, 1, &[Some(f64::from(number))]);
    }
    let whole = from.digest();
    for key_group in 0..GROUPS {
        let mut bytes = Vec::new();
        from.snapshot_group(key_group, &mut bytes);
        from.drop_group(key_group);
        let touched = bytes.len() > 30;
        to.restore(&bytes).unwrap();
        assert_eq!(to.restore(&bytes).is_err(), touched);
    }
    assert_eq!((from.keys(), to.keys(), to.digest()), (0, 6, whole));
}

#[test]
fn damaged_snapshots_are_refused() {
    let group_a = group(&["10us"], "0s", &[("s", "sum(a)")]);
    let group_b = group(&["10us"], "1us", &[("s", "sum(a)")]);
    let mut engine = Engine::new(&group_a, 0);
    event(&mut engine, 0, 1, &[Some(2.0)]);
    let mut bytes = Vec::new();
    engine.snapshot(&mut bytes);
    assert_eq!(Engine::new(&group_b, 0).restore(&bytes), Err(Error::Layout));
    for length in 0..bytes.len() {
        assert!(matches!(Engine::new(&group_a, 0).restore(&bytes[..length]), Err(Error::Truncated(_))));
    }
    bytes.push(0);
    assert!(matches!(Engine::new(&group_a, 0).restore(&bytes), Err(Error::Damaged { .. })));
    bytes[0] = 9;
    assert_eq!(Engine::new(&group_a, 0).restore(&bytes), Err(Error::Version(9)));
}

#[test]
fn many_values_that_leave_give_their_memory_back() {
    let aggregates = [("d", "distinct(a)"), ("m", "most_frequent(a)"), ("q", "quantile(a, 0.9)")];
    let group = group(&["1s", "10s"], "0s", &aggregates);
    let mut engine = Engine::new(&group, 0);
    let small = |engine: &Engine| (engine.states.used_bytes(&engine.plan), engine.bytes());
    event(&mut engine, 0, 0, &[Some(0.0)]);
    let (used, all) = small(&engine);
    for number in 0..10_000 {
        let found = event(&mut engine, 0, number, &[Some(f64::from(number as i32 % 5_000))]);
        assert_eq!(found[0], Some((number + 1).min(5_000) as f64));
    }
    let (used_then, all_then) = small(&engine);
    assert!(used_then > used + 200_000 && all_then >= used_then, "{used_then} and {all_then} bytes");
    for step in 0..100 {
        let found = event(&mut engine, 0, 9_990_000 + step * 300, &[Some(2.0)]);
        assert_eq!(found[0], Some(1.0));
    }
    let (used_now, all_now) = small(&engine);
    assert!(used_now < used + 10_000 && all_now < all + 10_000, "{used_now} and {all_now} bytes");
}
