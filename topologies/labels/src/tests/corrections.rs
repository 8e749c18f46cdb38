//! Labels that contest each other, and those that nobody waits for, by policy.

use super::harness::{Harness, Like};
use super::naive::{naive, part};
use super::{PLAIN, check, check_like, check_snapshots, draws};
use expect_test::expect;
use flow::config::LabelPolicy;
use std::collections::BTreeMap;

/// The last label counts.
const LAST: Like = Like { policy: LabelPolicy::Last, ..PLAIN };

const CONTESTED: &str = "
    T0 event a t=10 c=7 m=3
    F0 prediction a t=10 s=0.75
    L0 label a t=20 v=1
    L0 label a t=25 v=1
    L0 label a t=30 v=0
    L0 label a t=22 v=1
    T1 event a t=10 c=7 m=3
    F0 prediction a t=10 s=0.75
    L0 label a t=40 v=1
    L0 label b t=20 v=1
    L0 label b t=15 v=0
    L0 label b t=30 v=0
    T1 event b t=11 c=8 m=4";

#[test]
fn first_keeps_the_first_label_and_tells_of_others_that_disagree() {
    check(
        CONTESTED,
        &expect![[r#"
            outcome a t=10 known=20 key=7 label=1.0 0.75 true m@1 labels/0@0 3.0.0
            terminal/0 #1 a t=20 key=3 label=1.0 event=10 labels/0@0 3.0.1
            refused a known=30 label=0.0 LABEL_CONFLICT standing=1.0 labels/0@2 5.0.0
            refused b known=15 label=0.0 LABEL_CONFLICT standing=1.0 labels/0@6 11.0.0
            refused b known=30 label=0.0 LABEL_CONFLICT standing=1.0 labels/0@7 12.0.0
            outcome b t=11 known=20 key=8 label=1.0 unscored labels/0@5 13.0.0
            terminal/1 #1 b t=20 key=4 label=1.0 event=11 labels/0@5 13.0.1
            emitted 5 filtered 1 duplicate 4 (conflict 0) dead 3 behind 0 waiting 0
        "#]],
    );
}

#[test]
fn last_corrects_the_outcome_and_counts_the_event_once() {
    check_like(
        LAST,
        CONTESTED,
        &expect![[r#"
            outcome a t=10 known=20 key=7 label=1.0 0.75 true m@1 labels/0@0 3.0.0
            terminal/0 #1 a t=20 key=3 label=1.0 event=10 labels/0@0 3.0.1
            outcome a t=10 known=30 key=7 label=0.0 revision 1 0.75 true m@1 labels/0@2 5.0.0
            refused a known=22 label=1.0 LABEL_SUPERSEDED standing=0.0 labels/0@3 6.0.0
            outcome a t=10 known=40 key=7 label=1.0 revision 2 0.75 true m@1 labels/0@4 9.0.0
            refused b known=15 label=0.0 LABEL_SUPERSEDED standing=1.0 labels/0@6 11.0.0
            refused b known=20 label=1.0 LABEL_SUPERSEDED standing=0.0 labels/0@5 12.0.0
            outcome b t=11 known=30 key=8 label=0.0 unscored labels/0@7 13.0.0
            terminal/1 #1 b t=30 key=4 label=0.0 event=11 labels/0@7 13.0.1
            emitted 7 filtered 1 duplicate 2 (conflict 0) dead 3 behind 0 waiting 0
        "#]],
    );
}

#[test]
fn event_time_order_takes_labels_in_the_order_in_which_they_became_known() {
    let script = "
        L0 label a t=40 v=1 + L0 label a t=30 v=0 + L0 label a t=20 v=1 + T0 event a t=10 c=7 m=3
        T0 mark 50 + T1 mark 50 + L0 mark 50
        L0 label a t=45 v=0 + L0 label a t=35 v=0";
    check_like(
        Like { holds: true, ..LAST },
        script,
        &expect![[r#"
            outcome a t=10 known=20 key=7 label=1.0 unscored labels/0@2 2.0.0
            terminal/0 #1 a t=20 key=3 label=1.0 event=10 labels/0@2 2.0.1
            outcome a t=10 known=30 key=7 label=0.0 revision 1 unscored labels/0@1 2.0.2
            outcome a t=10 known=40 key=7 label=1.0 revision 2 unscored labels/0@0 2.0.3
            outcome a t=10 known=45 key=7 label=0.0 revision 3 unscored labels/0@3 3.0.0
            terminal/0 mark journal 50
            terminal/1 mark journal 50
            emitted 5 filtered 0 duplicate 1 (conflict 0) dead 0 behind 2 waiting 0
        "#]],
    );
    check_like(
        Like { holds: true, ..PLAIN },
        script,
        &expect![[r#"
            outcome a t=10 known=20 key=7 label=1.0 unscored labels/0@2 2.0.0
            terminal/0 #1 a t=20 key=3 label=1.0 event=10 labels/0@2 2.0.1
            refused a known=30 label=0.0 LABEL_CONFLICT standing=1.0 labels/0@1 2.0.2
            refused a known=45 label=0.0 LABEL_CONFLICT standing=1.0 labels/0@3 3.0.0
            refused a known=35 label=0.0 LABEL_CONFLICT standing=1.0 labels/0@4 3.1.0
            terminal/0 mark journal 50
            terminal/1 mark journal 50
            emitted 2 filtered 0 duplicate 1 (conflict 0) dead 3 behind 2 waiting 0
        "#]],
    );
}

#[test]
fn a_label_of_an_unknown_event_is_told_of_when_its_horizon_is_over() {
    let script = "
        T0 event c t=5 c=7 m=3 + L0 label c t=6 v=1
        L0 label a t=30 v=1 + L0 label b t=20 v=0 + L0 label b t=21 v=0 + F0 prediction b t=20 s=0.5
        T0 mark 1200 + T1 mark 1200 + L0 mark 1200
        L0 label c t=1190 v=0 + L0 label d t=10 v=1
        T0 mark 3000 + T1 mark 3000 + L0 mark 3000";
    for like in [PLAIN, LAST] {
        check_like(
            like,
            script,
            &expect![[r#"
                outcome c t=5 known=6 key=7 label=1.0 unscored labels/0@0 1.1.0
                terminal/0 #1 c t=6 key=3 label=1.0 event=5 labels/0@0 1.1.1
                refused b known=20 label=0.0 LABEL_UNKNOWN_EVENT standing=null labels/0@2 3.0.0
                refused a known=30 label=1.0 LABEL_UNKNOWN_EVENT standing=null labels/0@1 3.0.1
                refused d known=10 label=1.0 LABEL_UNKNOWN_EVENT standing=null labels/0@5 5.0.0
                refused c known=1190 label=0.0 LABEL_UNKNOWN_EVENT standing=null labels/0@4 5.0.1
                terminal/0 mark journal 3000
                terminal/1 mark journal 3000
                emitted 2 filtered 1 duplicate 1 (conflict 0) dead 4 behind 0 waiting 0
            "#]],
        );
    }
}

/// Labels and events of few ids in any order, so that most of them meet. Known times differ unless `ties`.
fn contested(seed: u64, ties: bool) -> Vec<String> {
    let mut draw = draws(seed);
    let mut lines: Vec<String> = (0..5).map(|id| format!("T{} event e{id} t=10 c=1 m=2", id % 2)).collect();
    for at in 0..30 {
        let known_s = if ties { 20 + draw(4) } else { 20 + at };
        lines.push(format!("L0 label e{} t={known_s} v={}", draw(6), draw(3)));
    }
    for last in (1..lines.len()).rev() {
        lines.swap(last, draw(last as u64 + 1) as usize);
    }
    lines
}

/// The words of a line that the naive journal writes, too.
fn told(line: &str) -> String {
    let words = line.split_whitespace();
    let is_told = |word: &&str| !["t=", "key=", "labels/", "unscored"].iter().any(|other| word.starts_with(other));
    let mut words: Vec<&str> = words.filter(is_told).collect();
    words.pop();
    words.join(" ")
}

#[test]
fn shuffled_redelivered_and_restarted_labels_end_as_a_naive_journal_says() {
    for seed in 0..60 {
        let policy = if seed % 2 == 0 { LabelPolicy::First } else { LabelPolicy::Last };
        let lines = contested(seed, seed % 4 < 2);
        let (expected, same) = naive(&lines, policy);
        let (like, script) = (Like { policy, ..PLAIN }, lines.join("\n"));
        let mut harness = Harness::new(like);
        let records = harness.records(&script);
        // After each record an earlier one comes again: a parent that was restarted writes the same items under the same
        // numbers.
        let twice = (0..records.len()).flat_map(|at| [at, at * 5 % (at + 1)]);
        let mut all: Vec<_> = twice.map(|at| records[at].clone()).collect();
        (records[0].offset..).zip(&mut all).for_each(|(offset, record)| record.offset = offset);
        let written = harness.run(&all, 5);
        let public: Vec<String> =
            written.iter().filter(|line| !line.starts_with("terminal")).map(|line| told(line)).collect();
        assert_eq!(public, expected, "seed {seed}:\n{script}");
        assert_eq!(harness.counts().same_labels, same, "seed {seed}");
        let labelled = written.iter().filter(|line| line.starts_with("terminal") && line.contains('#')).count();
        let paired = expected.iter().filter(|line| line.starts_with("outcome") && !line.contains("revision")).count();
        assert_eq!(labelled, paired, "an entity counts an event once, seed {seed}");
        check_sums(&mut harness, &lines, seed);
        check_snapshots(like, &script, 3);
    }
}

/// Every label is in one bucket, for the operator and in the ledger.
#[track_caller]
fn check_sums(harness: &mut Harness, lines: &[String], seed: u64) {
    let labels: BTreeMap<&str, u64> = harness.labels().into_iter().collect();
    let count = lines.iter().filter(|line| line.starts_with('L')).count() as u64;
    assert_eq!(labels.values().sum::<u64>(), count, "seed {seed}: {labels:?}");
    let ended = harness.ended();
    assert_eq!(ended.total(), lines.len() as u64, "seed {seed}");
    assert_eq!(ended.dead, labels["conflict"] + labels["superseded"], "seed {seed}");
    assert_eq!(ended.emitted, 2 * labels["paired"] + labels["corrected"], "seed {seed}");
}

#[test]
fn the_last_label_is_the_one_known_last_in_whatever_order_labels_come() {
    for seed in 0..40 {
        let lines = contested(seed, false);
        let run = |lines: &[String]| {
            let mut harness = Harness::new(LAST);
            let records = harness.records(&lines.join("\n"));
            let mut last = BTreeMap::new();
            for line in harness.run(&records, 4).iter().filter(|line| line.starts_with("outcome")) {
                last.insert(line.split_whitespace().nth(1).unwrap().to_owned(), part(line, "label=").to_owned());
            }
            last
        };
        let mut sorted = lines.clone();
        sorted.sort_by_key(|line| (!line.starts_with('T'), part(line, "t=").parse::<i64>().unwrap()));
        let mut backwards = sorted.clone();
        backwards.reverse();
        assert_eq!(run(&lines), run(&sorted), "seed {seed}");
        assert_eq!(run(&backwards), run(&sorted), "seed {seed}");
    }
}
