//! The journal from bytes to bytes: who meets whom in which order, what comes out, and that neither batches nor restarts
//! change it.
#![allow(clippy::unwrap_used)]

mod corrections;
mod harness;
mod naive;

use crate::pairing::Known;
use crate::table::ENTRY_BYTES;
use expect_test::{Expect, expect};
use flow::config::LabelPolicy;
use flow::snapshot::Merged;
use harness::{Harness, Like};

const HORIZON_S: i64 = 1_000;
/// All ids in memory, arrival order, the first label counts.
const PLAIN: Like =
    Like { holds: false, horizon_s: HORIZON_S, policy: LabelPolicy::First, in_memory: None, classes: &[] };

/// Runs the script in arrival order and in batches of 1, 7 and 4096 records, with all ids in memory or none or some, and
/// again with a restart before every record. All of these must give the same lines; the ledger must account for every item.
#[track_caller]
fn check(script: &str, expected: &Expect) {
    check_like(PLAIN, script, expected);
}

#[track_caller]
fn check_like(like: Like, script: &str, expected: &Expect) {
    let run = |size, in_memory| {
        let mut harness = Harness::new(Like { in_memory, ..like });
        let records = harness.records(script);
        let lines = harness.run(&records, size);
        (lines, harness.state(), (harness.counts(), harness.ended()), records)
    };
    let (lines, state, (counts, ended), records) = run(1, None);
    for (size, in_memory) in [(7, None), (4096, None), (1, Some(0)), (7, Some(0)), (7, Some(1))] {
        let (again, saved, counted, _) = run(size, in_memory);
        let how = format!("in batches of {size} with {in_memory:?} in memory");
        assert_eq!((&again, &saved, counted), (&lines, &state, (counts, ended)), "{how}");
    }
    let items = script.lines().flat_map(|line| line.split(" + ")).filter(|part| part.contains('=')).count() as u64;
    assert_eq!((ended.total(), ended.waiting), (items, counts.waiting), "the ledger: {ended:?}");
    for at in 0..=records.len() {
        let mut harness = Harness::new(like);
        harness.records(script);
        let nothing = harness.feed(&records[..at], 3, true).unwrap();
        assert_eq!(nothing, [""; 0], "a replay writes nothing");
        harness.feed(&records[at..], 3, false).unwrap();
        assert_eq!((harness.state(), harness.ended()), (state.clone(), ended), "restarted at record {at}");
    }
    for (size, in_memory) in [(1, None), (7, None), (4096, None), (1, Some(0)), (7, Some(1))] {
        check_snapshots(Like { in_memory, ..like }, script, size);
    }
    let counters = format!(
        "{lines}\nemitted {} filtered {} duplicate {} (conflict {}) dead {} behind {} waiting {}\n",
        ended.emitted,
        ended.filtered,
        ended.duplicate,
        state.asides.conflict,
        ended.dead,
        state.asides.behind,
        counts.waiting,
        lines = lines.join("\n"),
    );
    expected.assert_eq(counters.trim_start());
}

/// A journal is cut after every batch; one restored from any of these cuts gives what the one that went on gave.
#[track_caller]
fn check_snapshots(like: Like, script: &str, size: usize) {
    let mut live = Harness::new(like);
    let records = live.records(script);
    live.saved().track();
    let (mut outputs, mut cuts) = (Vec::new(), Vec::new());
    for batch in records.chunks(size) {
        outputs.push(live.feed(batch, size, false).unwrap());
        let blob = live.saved().cut();
        cuts.push((live.saved().collect(1).unwrap(), blob, live.saved().hash()));
    }
    let ended = live.ended();
    for at in 1..=cuts.len() {
        let mut merged = Merged::default();
        cuts[..at].iter().for_each(|(changes, ..)| merged.add(&changes.bytes).unwrap());
        let (changes, blob, hash) = &cuts[at - 1];
        merged.verify(changes.sum).unwrap();
        assert_eq!(changes.sum, *hash, "the sum that was kept is that of the table");
        let mut again = Harness::empty(like);
        let from = merged.restore(blob, again.saved()).unwrap();
        assert_eq!(again.saved().hash(), *hash, "restored at batch {at}");
        let position = (at * size).min(records.len());
        let held: Vec<_> = records[..position].iter().filter(|record| record.offset >= from).cloned().collect();
        again.feed(&held, 3, true).unwrap();
        for (batch, output) in records.chunks(size).zip(&outputs).skip(at) {
            assert_eq!(&again.feed(batch, size, false).unwrap(), output, "restored at batch {at} of {size}");
        }
        assert_eq!((again.state(), again.counts()), (live.state(), live.counts()), "restored at batch {at} of {size}");
        assert_eq!(again.ended(), ended, "restored at batch {at} of {size}");
        assert_eq!(again.saved().hash(), live.saved().hash());
    }
}

#[test]
fn a_label_after_its_scored_event_gives_outcome_and_labelled_event() {
    check(
        "T0 event a t=10 c=7 m=3
         F0 prediction a t=10 s=0.75
         L0 label a t=500 v=1",
        &expect![[r#"
            outcome a t=10 known=500 key=7 label=1.0 0.75 true m@1 labels/0@0 3.0.0
            terminal/0 #1 a t=500 key=3 label=1.0 event=10 labels/0@0 3.0.1
            emitted 3 filtered 0 duplicate 0 (conflict 0) dead 0 behind 0 waiting 0
        "#]],
    );
}

#[test]
fn a_label_may_come_before_its_event() {
    check(
        "L0 label a t=5 v=1
         T0 event a t=10 c=7 m=3",
        &expect![[r#"
            outcome a t=10 known=5 key=7 label=1.0 unscored labels/0@0 2.0.0
            terminal/0 #1 a t=10 key=3 label=1.0 event=10 labels/0@0 2.0.1
            emitted 2 filtered 0 duplicate 0 (conflict 0) dead 0 behind 0 waiting 0
        "#]],
    );
}

#[test]
fn a_label_for_an_unknown_id_waits_and_nothing_else() {
    check(
        "L0 label a t=20 v=1",
        &expect![[r#"
        emitted 0 filtered 0 duplicate 0 (conflict 0) dead 0 behind 0 waiting 1
    "#]],
    );
}

#[test]
fn a_prediction_after_the_outcome_is_counted_and_changes_nothing() {
    check(
        "T0 event a t=10 c=7 m=3 + L0 label a t=20 v=1
         F0 prediction a t=10 s=0.75",
        &expect![[r#"
            outcome a t=10 known=20 key=7 label=1.0 unscored labels/0@0 1.1.0
            terminal/0 #1 a t=20 key=3 label=1.0 event=10 labels/0@0 1.1.1
            emitted 2 filtered 1 duplicate 0 (conflict 0) dead 0 behind 0 waiting 0
        "#]],
    );
}

#[test]
fn a_prediction_may_come_before_everything_else_and_counts_once() {
    check(
        "F0 prediction a t=10 s=0.25
         F1 prediction a t=10 s=0.75
         T0 event a t=10 c=7 m=3
         L0 label a t=20 v=0",
        &expect![[r#"
            outcome a t=10 known=20 key=7 label=0.0 0.25 false m@1 labels/0@0 4.0.0
            terminal/0 #1 a t=20 key=3 label=0.0 event=10 labels/0@0 4.0.1
            emitted 3 filtered 0 duplicate 1 (conflict 0) dead 0 behind 0 waiting 0
        "#]],
    );
}

#[test]
fn copies_are_dropped_and_those_that_disagree_are_conflicts() {
    check(
        "T0 event a t=10 c=7 m=3
         T1 event a t=10 c=7 m=3
         T1 event a t=11 c=7 m=3
         T1 event a t=10 c=7 m=-
         L0 label a t=20 v=1
         T1 event a t=10 c=7 m=3
         T1 event a t=10 c=8 m=3",
        &expect![[r#"
            outcome a t=10 known=20 key=7 label=1.0 unscored labels/0@0 5.0.0
            terminal/0 #1 a t=20 key=3 label=1.0 event=10 labels/0@0 5.0.1
            emitted 2 filtered 0 duplicate 5 (conflict 3) dead 0 behind 0 waiting 0
        "#]],
    );
}

#[test]
fn an_event_without_the_key_gives_an_outcome_alone() {
    check(
        "T0 event a t=10 c=- m=- + L0 label a t=20 v=1",
        &expect![[r#"
        outcome a t=10 known=20 key= label=1.0 unscored labels/0@0 1.1.0
        emitted 2 filtered 0 duplicate 0 (conflict 0) dead 0 behind 0 waiting 0
    "#]],
    );
}

#[test]
fn marks_go_to_every_partition_once_all_validators_spoke() {
    check(
        "T0 mark 10 + T1 mark 20",
        &expect![[r#"
        emitted 0 filtered 0 duplicate 0 (conflict 0) dead 0 behind 0 waiting 0
    "#]],
    );
    check(
        "T0 event a t=10 c=7 m=3 + L0 label a t=20 v=1 + T0 mark 10 + T1 mark 20 + L0 mark 15
         T0 mark 30",
        &expect![[r#"
            outcome a t=10 known=20 key=7 label=1.0 unscored labels/0@0 1.1.0
            terminal/0 #1 a t=20 key=3 label=1.0 event=10 labels/0@0 1.1.1
            terminal/0 mark journal 10
            terminal/1 mark journal 10
            emitted 2 filtered 0 duplicate 0 (conflict 0) dead 0 behind 0 waiting 0
        "#]],
    );
}

#[test]
fn event_time_order_pairs_by_time_and_predictions_are_never_held() {
    check_like(
        Like { holds: true, ..PLAIN },
        "L0 label b t=40 v=0 + L0 label a t=20 v=1 + F0 prediction a t=10 s=0.75
         T1 event b t=12 c=8 m=4 + T1 event a t=11 c=7 m=9
         T0 event a t=10 c=7 m=3
         T0 mark 30 + T1 mark 30
         L0 mark 25
         T0 event c t=24 c=7 m=3
         L0 mark 50 + T0 mark 50 + T1 mark 50",
        &expect![[r#"
            outcome a t=10 known=20 key=7 label=1.0 0.75 true m@1 labels/0@1 5.0.0
            terminal/0 #1 a t=20 key=3 label=1.0 event=10 labels/0@1 5.0.1
            outcome b t=12 known=40 key=8 label=0.0 unscored labels/0@0 7.0.0
            terminal/1 #1 b t=40 key=4 label=0.0 event=12 labels/0@0 7.0.1
            terminal/0 mark journal 50
            terminal/1 mark journal 50
            emitted 5 filtered 0 duplicate 1 (conflict 1) dead 0 behind 1 waiting 1
        "#]],
    );
}

#[test]
fn ids_leave_when_the_watermark_is_a_horizon_past_them() {
    check(
        "T0 event a t=10 c=7 m=3 + F0 prediction a t=10 s=0.75 + L0 label b t=20 v=1
         T0 event c t=900 c=7 m=3 + L0 label c t=950 v=0
         T0 mark 1100 + T1 mark 1100 + L0 mark 1100
         L0 label a t=1090 v=1 + T0 event b t=1091 c=7 m=3 + T0 event c t=900 c=7 m=3",
        &expect![[r#"
            outcome c t=900 known=950 key=7 label=0.0 unscored labels/0@1 2.1.0
            terminal/0 #1 c t=950 key=3 label=0.0 event=900 labels/0@1 2.1.1
            refused b known=20 label=1.0 LABEL_UNKNOWN_EVENT standing=null labels/0@0 3.0.0
            terminal/0 mark journal 1100
            terminal/1 mark journal 1100
            emitted 2 filtered 2 duplicate 1 (conflict 0) dead 1 behind 0 waiting 2
        "#]],
    );
}

/// What `docs/explanation/state.md` says: an id, and what is kept of an outcome that may be corrected.
#[test]
fn ids_take_as_many_bytes_as_is_said() {
    assert_eq!((ENTRY_BYTES, size_of::<Known>()), (72, 152));
}

/// Whole numbers below what is asked for, the same for the same seed.
fn draws(seed: u64) -> impl FnMut(u64) -> u64 {
    let mut random = seed;
    move |below| {
        random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (random >> 33) % below
    }
}

/// A script of any items in any order, whose watermark passes some of them.
fn any_script(seed: u64) -> String {
    let mut draw = draws(seed);
    let (mut lines, mut now_s) = (Vec::new(), 0);
    for _ in 0..60 {
        now_s += draw(90);
        let (id, time_s) = (draw(12), (now_s + draw(200)).saturating_sub(150));
        lines.push(match draw(10) {
            0..4 => format!("T{} event e{id} t={time_s} c={} m={}", id % 2, draw(3), draw(3)),
            4..6 => format!("L0 label e{id} t={time_s} v={}", draw(2)),
            6..8 => format!("F{} prediction e{id} t={time_s} s=0.5", id % 2),
            _ => format!("T0 mark {now_s} + T1 mark {now_s} + L0 mark {now_s}"),
        });
    }
    lines.join("\n")
}

#[test]
fn outcomes_name_the_class_of_the_label_and_the_one_predicted() {
    let classes: &[&str] = &["bus", "tram", "train"];
    check_like(
        Like { classes, policy: LabelPolicy::Last, ..PLAIN },
        "
        T0 event a t=10 c=7 m=3
        F0 prediction a t=10 s=0.75 k=train
        L0 label a t=20 v=2
        L0 label a t=30 v=0
        F0 prediction b t=11 s=0.5 k=tram
        L0 label b t=21 v=1
        T0 event b t=11 c=7 m=3
        T0 event c t=12 c=7 m=3
        L0 label c t=22 v=1
        L0 label a t=29 v=1",
        &expect![[r#"
            outcome a t=10 known=20 key=7 label=2.0 (train) 0.75 null m@1 train labels/0@0 3.0.0
            terminal/0 #1 a t=20 key=3 label=2.0 event=10 labels/0@0 3.0.1
            outcome a t=10 known=30 key=7 label=0.0 (bus) revision 1 0.75 null m@1 train labels/0@1 4.0.0
            outcome b t=11 known=21 key=7 label=1.0 (tram) 0.5 null m@1 tram labels/0@2 7.0.0
            terminal/0 #2 b t=21 key=3 label=1.0 event=11 labels/0@2 7.0.1
            outcome c t=12 known=22 key=7 label=1.0 (tram) unscored labels/0@3 9.0.0
            terminal/0 #3 c t=22 key=3 label=1.0 event=12 labels/0@3 9.0.1
            refused a known=29 label=1.0 (tram) LABEL_SUPERSEDED standing=0.0 (bus) labels/0@4 10.0.0
            emitted 9 filtered 0 duplicate 0 (conflict 0) dead 1 behind 0 waiting 0
        "#]],
    );
}

#[test]
fn which_ids_are_in_memory_never_shows() {
    for seed in 0..12 {
        let policy = if seed % 4 < 2 { LabelPolicy::First } else { LabelPolicy::Last };
        let (like, script) = (Like { holds: seed % 2 == 1, policy, ..PLAIN }, any_script(seed));
        let run = |in_memory| {
            let mut harness = Harness::new(Like { in_memory, ..like });
            let records = harness.records(&script);
            (harness.run(&records, 3), harness.state(), harness.counts(), harness.ended(), harness.saved().hash())
        };
        let all = run(None);
        for in_memory in [0, 1, 3] {
            assert_eq!(run(Some(in_memory)), all, "seed {seed} with {in_memory} in memory");
            check_snapshots(Like { in_memory: Some(in_memory), ..like }, &script, 5);
        }
    }
}
