//! Keys on disk: nothing that is seen depends on which keys are in memory.

use flow::cold::{Cold, Memory, Shelf};

use crate::spec::Group;
use crate::window::Engine;

/// An engine with at most so many keys in memory, if there is a limit.
pub fn limited(group: &Group, retention_us: i64, entries_min: Option<usize>) -> Engine {
    let mut engine = Engine::new(group, retention_us);
    if let Some(entries_min) = entries_min {
        engine.spill(Box::new(Shelf::new(Memory { bytes_max: 0, entries_min })));
    }
    engine
}

fn counts() -> Group {
    super::group(&["10us", "40us"], "0s", &[("n", "count()"), ("m", "avg(a)")])
}

#[test]
fn a_stream_of_new_keys_leaves_few_in_memory_and_none_on_disk_that_expired() {
    const KEYS: i64 = 200_000;
    const IN_MEMORY: usize = 1_000;
    let shelf = Shelf::new(Memory { bytes_max: 0, entries_min: IN_MEMORY });
    let mut engine = Engine::new(&counts(), 0);
    engine.spill(Box::new(shelf.clone()));
    let (mut out, mut most_on_disk) = (vec![None; engine.width()], 0);
    for number in 0..KEYS {
        let text = number.to_string();
        // Every key lives for 40 us, in which 40,000 come.
        engine.event(Some(super::Key::new(&text)), number / 1_000, &[Some(1.0)], &mut out);
        assert!(engine.keys_in_memory() <= IN_MEMORY + 1, "{} keys in memory", engine.keys_in_memory());
        most_on_disk = most_on_disk.max(engine.keys_on_disk());
    }
    assert!((38_000..80_000).contains(&most_on_disk), "{most_on_disk} keys on disk");
    assert!(shelf.len() < 80_000, "{} entries on disk", shelf.len());
    assert_eq!(engine.fault(), None);
}

#[test]
fn a_key_with_half_of_the_rows_stays_in_memory() {
    let mut plain = Engine::new(&counts(), 0);
    let shelf = Shelf::new(Memory { bytes_max: 0, entries_min: 64 });
    let mut engine = Engine::new(&counts(), 0);
    engine.spill(Box::new(shelf.clone()));
    let (mut out, mut expected) = (vec![None; engine.width()], vec![None; engine.width()]);
    for number in 0..20_000_i64 {
        let text = if number % 2 == 0 { "half".to_owned() } else { (number * 7_919 % 5_003).to_string() };
        let (key, time_us) = (Some(super::Key::new(&text)), number / 700);
        engine.event(key, time_us, &[Some(number as f64)], &mut out);
        plain.event(key, time_us, &[Some(number as f64)], &mut expected);
        assert_eq!(out, expected, "row {number}");
    }
    assert_eq!(engine.digest(), plain.digest());
    let mut value = Vec::new();
    let mut name = Vec::new();
    super::Key::new("half").write_name(&mut name);
    assert!(!shelf.get(&name, &mut value).unwrap(), "it never went to disk");
    assert!(shelf.len() > 1_000);
}

#[test]
fn a_full_disk_is_a_fault() {
    let mut engine = Engine::new(&counts(), 0);
    let memory = Memory { bytes_max: 0, entries_min: 4 };
    engine.spill(Box::new(Shelf::new(memory).with_room(10)));
    let mut out = vec![None; engine.width()];
    for number in 0..20_i64 {
        let text = number.to_string();
        engine.event(Some(super::Key::new(&text)), 0, &[None], &mut out);
        assert_eq!(engine.fault().is_some(), number >= 14, "after key {number}");
    }
}

#[test]
fn the_limit_is_one_of_bytes() {
    const BYTES_MAX: usize = 1 << 20;
    let memory = Memory { bytes_max: BYTES_MAX, entries_min: 16 };
    let mut engine = Engine::new(&counts(), 0);
    engine.spill(Box::new(Shelf::new(memory)));
    let mut out = vec![None; engine.width()];
    for number in 0..60_000_i64 {
        let text = (number % 20_000).to_string();
        engine.event(Some(super::Key::new(&text)), 0, &[Some(0.5)], &mut out);
    }
    assert_eq!(engine.keys(), 20_000);
    assert!(engine.bytes() < BYTES_MAX * 5 / 4, "{} bytes in memory", engine.bytes());
    assert!(engine.bytes() > BYTES_MAX / 2, "{} bytes in memory", engine.bytes());
}
