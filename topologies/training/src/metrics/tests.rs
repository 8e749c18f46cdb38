//! Measures against scikit-learn 1.9 and hand counts.
#![allow(clippy::unwrap_used)]

use super::*;
use crate::dataset::DAY_US;

const SCORES: [f32; 12] = [0.9, 0.8, 0.8, 0.7, 0.6, 0.55, 0.5, 0.5, 0.3, 0.1, 0.05, 0.5];
const LABEL: [f32; 12] = [1.0, 1.0, 0.0, 0.0, 1.0, 0.0, 1.0, 0.0, 0.0, 0.0, 0.0, 0.0];

#[track_caller]
fn near(actual: f64, expected: f64, tolerance: f64) {
    assert!((actual - expected).abs() <= tolerance, "{actual}, expected {expected}");
}

/// Expected: sklearn.metrics.roc_auc_score; the standard error by DeLong's definition over all 32 pairs in NumPy.
#[test]
fn auc_counts_ties_half() {
    let auc = roc_auc(&SCORES, &LABEL);
    near(auc.value, 0.796_875, 1e-12);
    near(auc.value - auc.low, Z_95 * 0.140_831_528_235_825_43, 1e-12);
    assert_eq!(auc.high, 1.0);
    near(roc_auc(&[0.5; 4], &[1.0, 0.0, 1.0, 0.0]).value, 0.5, 0.0);
}

/// Expected: sklearn.metrics.average_precision_score.
#[test]
fn average_precision_takes_ties_together() {
    let ap = average_precision(&SCORES, &LABEL);
    near(ap.value, 0.677_777_777_777_777_8, 1e-12);
    assert!(ap.low < ap.value && ap.value < ap.high && ap.low >= 0.0 && ap.high <= 1.0, "{ap:?}");
    assert_eq!(ap, average_precision(&SCORES, &LABEL), "the bootstrap is seeded");
    near(average_precision(&[0.5; 4], &[1.0, 0.0, 0.0, 0.0]).value, 0.25, 1e-12);
}

/// Expected: sklearn.metrics.log_loss and brier_score_loss of the f32 scores as doubles; standard error by NumPy.
#[test]
fn losses_equal_scikit_learn() {
    let loss = log_loss(&SCORES, &LABEL);
    near(loss.value, 0.587_001_536_421_847_5, 1e-12);
    near(loss.high - loss.value, Z_95 * 0.136_146_937_975_886_25, 1e-12);
    near(brier(&SCORES, &LABEL).value, 0.207_916_666_995_734_1, 1e-12);
    // A certain error costs -ln(2^-23).
    near(log_loss(&[1.0], &[0.0]).value, 23.0 * std::f64::consts::LN_2, 1e-9);
}

/// Rows of (day, id, entity, score, label).
fn table(rows: &[(i64, &str, &str, f32, f32)]) -> (Vec<f32>, Dataset) {
    let dataset = Dataset {
        label: rows.iter().map(|r| r.4).collect(),
        time_us: rows.iter().map(|r| r.0 * DAY_US + 5).collect(),
        id: rows.iter().map(|r| r.1.into()).collect(),
        entity: rows.iter().map(|r| r.2.into()).collect(),
        ..Dataset::default()
    };
    (rows.iter().map(|r| r.3).collect(), dataset)
}

#[test]
fn precision_at_k_divides_by_k_and_breaks_ties_by_id() {
    let (scores, data) =
        table(&[(0, "a", "x", 0.9, 1.0), (0, "c", "y", 0.5, 1.0), (0, "b", "z", 0.5, 0.0), (1, "d", "x", 0.1, 1.0)]);
    // Day 0: a and b, one right of two. Day 1: one right of two asked for.
    near(precision_at(&scores, &data, 2).value, 0.5, 1e-12);
}

#[test]
fn entity_found_once_does_not_count_again() {
    let (scores, data) = table(&[
        (0, "1", "x", 0.9, 0.0),
        (0, "2", "x", 0.2, 1.0),
        (0, "3", "y", 0.8, 0.0),
        (0, "4", "z", 0.7, 1.0),
        (1, "5", "x", 0.9, 1.0),
        (1, "6", "z", 0.3, 1.0),
        (1, "7", "y", 0.1, 0.0),
    ]);
    // Day 0: x (its best score, its worst label) and y: one right of two. Day 1 without x: z and y, one of two.
    let precision = entity_precision(&scores, &data, 2);
    near(precision.value, 0.5, 1e-12);
    assert_eq!((precision.low, precision.high), (0.5, 0.5));
}

#[test]
fn evaluation_needs_both_classes_and_a_score_per_row() {
    let (scores, data) = table(&[(0, "1", "x", 0.9, 1.0), (0, "2", "x", 0.2, 0.0)]);
    let names: Vec<String> = evaluate(&scores, &data, 100).unwrap().into_keys().collect();
    let expected = ["average_precision", "brier", "entity_precision_at_100", "log_loss", "precision_at_100", "roc_auc"];
    assert_eq!(names, expected);
    assert_eq!(evaluate(&scores[1..], &data, 1).unwrap_err().to_string(), "column scores has 1 values, expected 2");
    let error = evaluate(&scores[1..], &data.select(&[1]), 1).unwrap_err().to_string();
    assert_eq!(error, "dataset has 0 positive of 1 rows, both classes are needed");
}
