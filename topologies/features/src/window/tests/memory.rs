//! What a key costs, and that rows cost no allocation.

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

use super::{Engine, group};
use crate::Key;
use crate::window::{Column, Row};

thread_local! {
    static ALLOCATIONS: Cell<usize> = const { Cell::new(0) };
}

/// Counts the allocations of each thread.
struct Counting;

// SAFETY: everything is passed on to the system's allocator as it came; counting touches no memory of its own.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        ALLOCATIONS.with(|count| count.set(count.get() + 1));
        // SAFETY: the caller's promises are those that the system asks for.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // SAFETY: the pointer came from the system's allocator above.
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static COUNTING: Counting = Counting;

#[test]
fn rows_of_the_steady_state_allocate_nothing() {
    let aggregates =
        [("n", "count()"), ("m", "avg(a)"), ("s", "stddev(b)"), ("h", "max(a)"), ("r", "avg(y)"), ("l", "last(a)")];
    let group = group(&["10us", "50us"], "3us", &aggregates);
    let mut engine = Engine::new(&group, 5);
    let (mut out, mut late) = (vec![None; 2 * engine.width()], 0);
    let columns = [Column { values: &[0.5, 1.5], nulls: None }; 2];
    let mut allocations = 0;
    for time_us in 0..2_000 {
        if time_us == 1_000 {
            allocations = ALLOCATIONS.get();
        }
        let key = |number: u64| Some(Key { hash: number << 60, text: ["a", "b", "c"][number as usize] });
        let rows = [
            Row::Label { key: key(time_us as u64 % 3), time_us: time_us - 7, value: Some(1.0) },
            Row::Event { key: key(time_us as u64 % 3), time_us },
            Row::Event { key: key(time_us as u64 % 2), time_us },
        ];
        late += engine.apply_batch(&rows, &columns, &mut out);
    }
    assert_eq!((ALLOCATIONS.get() - allocations, late), (0, 0));
}

#[test]
fn a_key_with_twenty_events_takes_less_than_1200_bytes() {
    // A million such keys must fit into 1.5 GB; slabs that have just doubled may hold twice the heads they need.
    const BYTES_MAX: usize = 1_200;
    let keys = 20_000_usize;
    let customer = group(&["1d", "7d", "30d"], "0s", &[("n", "count()"), ("m", "avg(a)")]);
    let terminal = group(&["1d", "7d", "30d"], "7d", &[("n", "count()"), ("r", "avg(y)")]);
    for group in [customer, terminal] {
        let mut engine = Engine::new(&group, 0);
        let mut out = vec![None; engine.width()];
        let values = vec![Some(1.0); group.inputs().len()];
        for round in 0..20_i64 {
            for number in 0..keys {
                let text = number.to_string();
                let key = Key::new(&text);
                let time_us = round * 86_400_000_000;
                engine.label(Some(key), time_us - 604_800_000_000, Some(0.0));
                engine.event(Some(key), time_us, &values, &mut out);
            }
        }
        assert!(engine.bytes() / keys <= BYTES_MAX, "{} bytes a key", engine.bytes() / keys);
    }
}
