//! Both steps from bytes to bytes, and the index against numbers from elsewhere.
#![allow(clippy::unwrap_used)]

mod harness;

use crate::report::Level;
use crate::sketch::{ColumnSketch, Sketches};
use crate::statistic::{level, psi, two_sample_psi};
use expect_test::{Expect, expect};
use harness::{Logs, judge, judge_resumed, monitor};
use model::Column;

/// Runs the logs in batches of 1, 7 and 4096 records, and both steps again with a restart before every record, from
/// the start and from saved state.
#[track_caller]
fn check(script: &str, expected: &Expect) {
    let logs = Logs::new(script);
    let sketches = logs.sketches(1, 0);
    let values = |records: &[flow::processor::InRecord]| -> Vec<_> {
        records.iter().map(|record| (record.key.clone(), record.value.clone(), record.headers.clone())).collect()
    };
    for size in [7, 4096] {
        assert_eq!(values(&logs.sketches(size, 0)), values(&sketches), "in batches of {size}");
    }
    for suppressed in 0..script.lines().count() {
        for record in values(&logs.sketches(3, suppressed)) {
            assert!(values(&sketches).contains(&record), "restarted at record {suppressed}");
        }
    }
    let lines = judge(&sketches, 0);
    for suppressed in 0..=sketches.len() {
        let rest = judge(&sketches, suppressed);
        assert!(lines.ends_with(&rest), "restarted at sketch {suppressed}");
    }
    // The same from state that was saved before every record.
    for at in 0..=script.lines().count() {
        assert_eq!(values(&logs.resumed(at)), values(&sketches), "taken up at record {at}");
    }
    for at in 0..=sketches.len() {
        assert_eq!(judge_resumed(&sketches, at), lines, "taken up at sketch {at}");
    }
    // Everything sent again, and another order of the tasks, changes nothing.
    let twice: Vec<_> = sketches.iter().chain(&sketches).cloned().collect();
    assert_eq!(judge(&twice, 0), lines);
    let reversed: Vec<_> = {
        let (features, journal): (Vec<_>, Vec<_>) =
            sketches.iter().cloned().partition(|record| record.offset < sketches.len() as i64 / 2);
        journal.into_iter().chain(features).collect()
    };
    assert_eq!(judge(&reversed, 0), lines);
    let shown: String = lines.iter().map(|line| format!("{line}\n")).collect();
    expected.assert_eq(&shown);
}

#[test]
fn an_incident_opens_goes_on_and_ends() {
    // Against halves below and above 0.5: an even window gives 0, three quarters to one give 0.25 ln 3 = 0.2747, all on
    // one side gives far more. Against 80 to 20 scores: 4 of 4 low give (1-0.8) ln(1/0.8) + (1e-4-0.2) ln(1e-4/0.2).
    check(
        "F0 events t=1 n=2 x=0.2
         F0 fence 1 m@1
         F1 fence 1 m@1
         F0 events t=2 n=2 x=0.2
         F1 events t=3 n=2 x=0.7
         F0 events t=11 n=3 x=0.2
         F1 events t=12 n=1 x=0.7
         F0 events t=21 n=4 x=0.2
         F1 events t=31 n=4 x=0.5
         F1 events t=32 n=4 x=0.6
         F0 events t=41 n=3 x=0.2
         F0 mark 60
         F1 mark 60
         J0 scores t=1 n=4 s=0.1 m@1
         J0 scores t=2 n=1 s=0.9 m@1
         J0 scores t=12 n=4 s=0.1 m@1
         J0 mark 60",
        &expect![[r#"
            report 00:00..00:10 m@1 5 true NONE: x 0.0000 NONE 4+0 score 0.0000 NONE 5+0
            report 00:10..00:20 m@1 4 true ALARM: x 0.2747 ALARM 4+0 score 1.5640 ALARM 4+0
            report 00:20..00:30 m@1 4 true ALARM: x 4.6043 ALARM 4+0
            report 00:30..00:40 m@1 8 true NONE: x 0.0000 NONE 8+0
            report 00:40..00:50 m@1 3 false NONE:
            alert shop/watch/m@1/features-dig OPEN 1 CRITICAL at 00:20 since 00:10: drift against m@1: psi 1.56 of score; 1 of 1 watched inputs moved away from what m@1 was trained on; so did the scores [score x]
            alert shop/watch/m@1/features-dig UPDATED 2 CRITICAL at 00:30 since 00:10: drift against m@1: psi 4.60 of x; 1 of 1 watched inputs moved away from what m@1 was trained on; too few scores to tell whether they did [x]
            alert shop/watch/m@1/features-dig RESOLVED 3 INFO at 00:40 since 00:10: drift against m@1 is over; 0 of 1 watched inputs moved away from what m@1 was trained on; too few scores to tell whether they did []
            request shop/m@1/digest-of-m@/20000000 at 00:20: train m on 58:25..00:05; monitor watch found drift against m@1
        "#]],
    );
}

#[test]
fn nothing_is_judged_before_every_partition_closed_the_window() {
    check(
        "F0 fence 1 m@1
         F0 events t=2 n=5 x=0.2
         F0 mark 10
         F1 mark 9
         J0 mark 10",
        &expect![[""]],
    );
    check(
        "F0 fence 1 m@1
         F0 events t=2 n=5 x=0.2
         F0 mark 10
         F1 mark 10",
        &expect![[""]],
    );
}

#[test]
fn a_new_model_ends_the_incident_of_the_old_one_after_a_full_window() {
    check(
        "F0 fence 1 m@1
         F0 events t=2 n=5 x=0.2
         F0 events t=11 n=5 x=0.2
         F0 fence 2 m@2
         F0 events t=14 n=4 x=0.2
         F0 events t=22 n=4 x=0.2
         F0 events t=23 n=4 x=0.7
         F0 fence 3 other@1
         F0 events t=33 n=9 x=0.2
         F0 mark 40
         F1 mark 40
         J0 mark 40",
        &expect![[r#"
            report 00:00..00:10 m@1 5 true ALARM: x 4.6043 ALARM 5+0
            report 00:10..00:20 m@1 5 true ALARM: x 4.6043 ALARM 5+0
            report 00:10..00:20 m@2 4 true ALARM: x 4.6043 ALARM 4+0
            report 00:20..00:30 m@2 8 true NONE: x 0.0000 NONE 8+0
            alert shop/watch/m@1/features-dig OPEN 1 CRITICAL at 00:10 since 00:00: drift against m@1: psi 4.60 of x; 1 of 1 watched inputs moved away from what m@1 was trained on; too few scores to tell whether they did [x]
            alert shop/watch/m@1/features-dig RESOLVED 2 INFO at 00:30 since 00:00: drift against m@1 is over; m@1 no longer scores, m@2 does []
            request shop/m@1/digest-of-m@/10000000 at 00:10: train m on 58:15..59:55; monitor watch found drift against m@1
        "#]],
    );
}

#[test]
fn nulls_are_a_bin_and_events_behind_the_watermark_are_left_out() {
    check(
        "F0 fence 1 m@1
         F0 events t=2 n=2 x=0.2
         F0 events t=3 n=2 x=0.7
         F0 events t=4 n=4 x=-
         F0 mark 10
         F0 events t=9 n=9 x=0.2
         F1 mark 10
         J0 mark 10",
        &expect![[r#"
            report 00:00..00:10 m@1 8 true ALARM: x 4.6043 ALARM 4+4
            alert shop/watch/m@1/features-dig OPEN 1 CRITICAL at 00:10 since 00:00: drift against m@1: psi 4.60 of x; 1 of 1 watched inputs moved away from what m@1 was trained on; too few scores to tell whether they did [x]
            request shop/m@1/digest-of-m@/10000000 at 00:10: train m on 58:15..59:55; monitor watch found drift against m@1
        "#]],
    );
}

/// Counts per decile of the reference and the index, computed with NumPy over the car-loan set of NannyML (scores of the
/// reference; chunks 4 and 5 of the analysis, 5,000 rows each; drift begins with chunk 5).
const LOAN_REFERENCE: [u64; 10] = [7732, 3264, 4384, 4749, 4903, 5344, 4992, 7686, 3751, 3195];
const LOAN_CHUNKS: [([u64; 10], f64, Level); 2] = [
    ([757, 305, 437, 447, 539, 512, 481, 813, 388, 321], 0.002_534_308_198_301_848, Level::None),
    ([358, 203, 336, 480, 1023, 1092, 622, 547, 207, 132], 0.312_783_806_298_585_3, Level::Alarm),
];

#[test]
fn index_equals_published_values() {
    let edges = (1..10).map(f64::from).collect();
    let reference = Column { name: "score".into(), nulls: 0, edges, counts: LOAN_REFERENCE.to_vec() };
    for (counts, expected, verdict) in LOAN_CHUNKS {
        let sketch = ColumnSketch { name: "score".into(), counts: counts.to_vec(), nulls: 0, nans: 0 };
        let value = psi(&reference, &sketch);
        assert!((value - expected).abs() < 1e-12, "{value} instead of {expected}");
        assert_eq!(level(value, &monitor().psi), verdict);
    }
}

#[test]
fn index_of_two_samples_equals_the_closed_form() {
    let reference: Vec<f64> = (1..=100).map(f64::from).collect();
    assert_eq!(two_sample_psi(&reference, &reference), 0.0);
    // Shifted by half its width: five deciles empty, four as before, one with 60 of 100.
    let current: Vec<f64> = (51..=150).map(f64::from).collect();
    let expected = 5.0 * (1e-4 - 0.1) * (1e-4_f64 / 0.1).ln() + 0.5 * 6.0_f64.ln();
    assert!((two_sample_psi(&reference, &current) - expected).abs() < 1e-12);
}

#[test]
fn sketches_survive_their_topic() {
    let schema = schemas::arrow_schema(schemas::contracts::avro(schemas::contracts::SKETCHES).unwrap()).unwrap();
    let none = Sketches::to_batch(&[], &schema).unwrap();
    assert_eq!(Sketches::from_batch(&none).unwrap(), []);
    let logs = Logs::new("F0 fence 1 m@1\nF0 events t=2 n=5 x=0.2\nF0 mark 10\nF0 mark 30");
    assert_eq!(logs.sketches(1, 0).len(), 2);
}
