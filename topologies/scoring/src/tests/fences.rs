//! How a scorer's task goes by the outcomes of its fences.

use super::harness::{Harness, Outcomes, Shelf};
use expect_test::{Expect, expect};
use flow::fence::Outcome::{self, Taken, Void};
use std::sync::Arc;

const SWITCHES: &str = "fence 1 m@1
    event a t=10 c=7 amount=3 risk=0.5
    fence 2 m@2
    event b t=11 c=7 amount=3 risk=0.5
    fence 3 m@2 0.9
    event c t=12 c=7 amount=3 risk=0.5";

/// Public predictions as `event model threshold`, then the outcomes of all fences and the one in force.
fn run(shelf: &Arc<Shelf>, fences: &Arc<Outcomes>, script: &str, size: usize) -> (Vec<String>, String) {
    let mut harness = Harness::with(shelf.clone(), fences.clone());
    let records = harness.records(script);
    let lines = harness.feed(&records, size, false).unwrap();
    let word = |line: &str, at: usize| line.split(' ').nth(at).unwrap_or_default().to_owned();
    let scored = lines.iter().filter(|line| line.starts_with("prediction"));
    let scored: String =
        scored.map(|line| format!("{} {} {}\n", word(line, 1), word(line, 7), word(line, 5))).collect();
    (lines, format!("{scored}{:?} {:?}\n", fences.all(), harness.in_force()))
}

/// The same in batches of any size, and again by a replay that only reads what was recorded.
#[track_caller]
fn check(make: impl Fn() -> Arc<Outcomes>, script: &str, expected: &Expect) {
    let shelf = Arc::new(Shelf::new());
    let fences = make();
    let (live, told) = run(&shelf, &fences, script, 1);
    for size in [2, 4096] {
        assert_eq!(run(&shelf, &make(), script, size), (live.clone(), told.clone()), "in batches of {size}");
    }
    let ended: Vec<(i64, Outcome)> = fences.all();
    assert_eq!(run(&shelf, &Outcomes::ended(&ended), script, 3), (live, told.clone()), "replayed");
    expected.assert_eq(&told);
}

#[test]
fn a_fence_is_recorded_as_taken() {
    check(
        Arc::default,
        SWITCHES,
        &expect![[r#"
        a m@1 threshold=0.5
        b m@2 threshold=0.5
        c m@2 threshold=0.9
        [(1, Taken), (2, Taken), (3, Taken)] Some(3)
    "#]],
    );
}

#[test]
fn after_a_void_fence_the_state_before_it_stays_in_force() {
    check(
        || Outcomes::ended(&[(2, Void)]),
        SWITCHES,
        &expect![[r#"
        a m@1 threshold=0.5
        b m@1 threshold=0.5
        c m@2 threshold=0.9
        [(1, Taken), (2, Void), (3, Taken)] Some(3)
    "#]],
    );
    check(
        || Outcomes::ended(&[(1, Void), (3, Void)]),
        SWITCHES,
        &expect![[r#"
        b m@2 threshold=0.5
        c m@2 threshold=0.5
        [(1, Void), (2, Taken), (3, Void)] Some(2)
    "#]],
    );
}

#[test]
fn a_fence_declared_void_while_its_model_was_loaded_is_not_taken() {
    check(
        || Arc::new(Outcomes { void_at_last: vec![2], ..Outcomes::default() }),
        SWITCHES,
        &expect![[r#"
        a m@1 threshold=0.5
        b m@1 threshold=0.5
        c m@2 threshold=0.9
        [(1, Taken), (2, Void), (3, Taken)] Some(3)
    "#]],
    );
}

#[test]
fn a_void_fence_needs_no_model_and_no_readable_state() {
    check(
        || Outcomes::ended(&[(2, Void), (3, Void)]),
        "fence 1 m@1
         fence 2 m@9
         event a t=10 c=7 amount=3 risk=0.5
         unreadable 3
         event b t=11 c=7 amount=3 risk=0.5",
        &expect![[r#"
            a m@1 threshold=0.5
            b m@1 threshold=0.5
            [(1, Taken), (2, Void), (3, Void)] Some(1)
        "#]],
    );
}

#[test]
fn a_task_that_stopped_goes_on_once_the_fence_is_void() {
    let (shelf, fences) = (Arc::new(Shelf::new()), Arc::new(Outcomes::default()));
    let script = SWITCHES.replace("fence 2 m@2", "fence 2 m@9");
    let mut live = Harness::with(shelf.clone(), fences.clone());
    let records = live.records(&script);
    let mut lines = live.feed(&records[..2], 1, false).unwrap();
    let committed = live.state();
    assert!(live.feed(&records[2..], 9, false).is_err(), "model 9 is not there");
    assert_eq!(fences.all(), [(1, Taken)], "nothing is decided by a task that cannot honour a fence");

    fences.ended.lock().unwrap().insert(2, Void);
    let mut restarted = Harness::with(shelf.clone(), fences.clone());
    restarted.records(&script);
    assert_eq!(restarted.feed(&records[..2], 9, true).unwrap(), [""; 0]);
    assert_eq!(restarted.state(), committed, "restored as it was");
    lines.extend(restarted.feed(&records[2..], 9, false).unwrap());
    assert_eq!(fences.all(), [(1, Taken), (2, Void), (3, Taken)]);
    let replayed = run(&shelf, &Outcomes::ended(&fences.all()), &script, 4);
    assert_eq!(replayed.0, lines, "a replay gives what the two live tasks gave together");
}
