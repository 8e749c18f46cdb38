//! Measures against scikit-learn 1.9 and hand counts.
#![allow(clippy::unwrap_used)]

mod classes;

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

const NUMBERS: [f32; 8] = [10.5, 12.25, 8.0, 30.0, 22.5, 18.0, 5.5, 41.0];
const TARGETS: [f32; 8] = [11.0, 12.0, 9.5, 27.0, 25.0, 18.0, 4.0, 50.0];

/// Expected: sklearn.metrics' mean_absolute_error, mean_squared_error rooted, r2_score and mean_pinball_loss of 1.9;
/// standard errors by NumPy.
#[test]
fn measures_of_numbers_equal_scikit_learn() {
    let mae = mae(&NUMBERS, &TARGETS);
    near(mae.value, 2.281_25, 1e-12);
    near(mae.high - mae.value, Z_95 * 1.030_167_180_433_766_9, 1e-12);
    let rmse = rmse(&NUMBERS, &TARGETS);
    near(rmse.value, 3.554_266_802_028_233, 1e-12);
    near(rmse.high, (12.632_812_5 + Z_95 * 9.833_025_886_710_951).sqrt(), 1e-12);
    assert_eq!(rmse.low, 0.0, "a mean square is not below zero");
    let r2 = r2(&NUMBERS, &TARGETS);
    near(r2.value, 0.932_068_813_409_792_6, 1e-12);
    assert!(r2.low < r2.value && r2.value < r2.high && r2.high <= 1.0, "{r2:?}");
    near(pinball(&NUMBERS, &TARGETS, 0.5).value, 1.140_625, 1e-12);
    near(pinball(&NUMBERS, &TARGETS, 0.9).value, 1.578_125, 1e-12);
}

/// Expected by scikit-learn's convention for a target that does not vary.
#[test]
fn a_target_that_does_not_vary_has_its_own_r2() {
    near(r2(&[3.0; 4], &[3.0; 4]).value, 1.0, 0.0);
    near(r2(&[2.0; 4], &[3.0; 4]).value, 0.0, 0.0);
}

#[test]
fn accuracy_counts_decisions() {
    // At 0.5 seven of the twelve are decided as their label says, at 0.6 nine, and at 2, where
    // nobody is alarmed, eight.
    near(accuracy(&SCORES, &LABEL, 0.5).value, 7.0 / 12.0, 1e-12);
    near(accuracy(&SCORES, &LABEL, 0.6).value, 9.0 / 12.0, 1e-12);
    near(accuracy(&SCORES, &LABEL, 2.0).value, 8.0 / 12.0, 1e-12);
}

#[test]
fn numbers_must_be_finite_and_at_least_two() {
    let (scores, mut data) = table(&[(0, "1", "x", 3.0, 10.0), (0, "2", "x", 4.0, 20.0)]);
    let names: Vec<String> = evaluate_numbers(&scores, &data, None).unwrap().into_keys().collect();
    assert_eq!(names, ["mae", "r2", "rmse"]);
    assert!(evaluate_numbers(&scores, &data, Some(0.9)).unwrap().contains_key("pinball"));
    let error = evaluate_numbers(&scores[1..], &data.select(&[1]), None).unwrap_err().to_string();
    assert_eq!(error, "dataset has 1 rows, at least 2 are needed");
    data.label[1] = f32::NAN;
    let error = evaluate_numbers(&scores, &data, None).unwrap_err().to_string();
    assert_eq!(error, "label of row 1 is NaN, allowed are finite numbers");
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
