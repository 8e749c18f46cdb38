//! Measures of classes against scikit-learn 1.9 and hand counts.

use super::*;

/// Twelve rows of three classes; the tenth has two that are most probable.
const ROWS: [[f32; 3]; 12] = [
    [0.7, 0.2, 0.1],
    [0.1, 0.8, 0.1],
    [0.3, 0.3, 0.4],
    [0.2, 0.5, 0.3],
    [0.05, 0.05, 0.9],
    [0.6, 0.3, 0.1],
    [0.1, 0.1, 0.8],
    [0.25, 0.5, 0.25],
    [0.9, 0.05, 0.05],
    [0.4, 0.4, 0.2],
    [0.0, 1.0, 0.0],
    [0.15, 0.15, 0.7],
];
const CLASS: [f32; 12] = [0., 1., 2., 0., 2., 1., 2., 1., 0., 1., 2., 0.];

/// Expected: sklearn.metrics.log_loss of the f32 rows with its own f32 arithmetic, and the same in double precision by
/// NumPy with the standard error; accuracy_score, balanced_accuracy_score, f1_score(average="macro"), confusion_matrix.
#[test]
fn measures_of_classes_equal_scikit_learn() {
    let rows = ROWS.as_flattened();
    let loss = class_log_loss(rows, &CLASS, 3);
    near(loss.value, 2.016_027_212_142_944_3, 1e-6);
    near(loss.value, 2.016_027_291_062_405, 1e-12);
    near(loss.high - loss.value, Z_95 * 1.277_529_552_271_277_7, 1e-12);
    let accuracy = class_accuracy(rows, &CLASS, 3);
    near(accuracy.value, 7.0 / 12.0, 1e-12);
    near(accuracy.high - accuracy.value, Z_95 * 0.148_647_097_502_640_8, 1e-12);
    near(balanced_accuracy(rows, &CLASS, 3).value, 0.583_333_333_333_333_4, 1e-12);
    near(f1_macro(rows, &CLASS, 3).value, 0.583_333_333_333_333_4, 1e-12);
    assert_eq!(confusion(rows, &CLASS, 3), [[2, 1, 1], [2, 2, 0], [0, 1, 3]], "the first of equals is predicted");
    for metric in [balanced_accuracy(rows, &CLASS, 3), f1_macro(rows, &CLASS, 3)] {
        assert!(metric.low < metric.value && metric.value < metric.high && metric.low >= 0.0, "{metric:?}");
    }
    assert_eq!(f1_macro(rows, &CLASS, 3), f1_macro(rows, &CLASS, 3), "the bootstrap is seeded");
}

/// Expected: the same functions of scikit-learn on labels 0 1 0 1 1 and predictions 0 1 2 1 0: of four classes the third
/// is only predicted, and the fourth nowhere.
#[test]
fn absent_classes_count_as_in_scikit_learn() {
    let predicted = [0, 1, 2, 1, 0];
    let rows: Vec<f32> = predicted.iter().flat_map(|at| (0..4).map(move |c| f32::from(u8::from(c == *at)))).collect();
    let label = [0., 1., 0., 1., 1.];
    near(balanced_accuracy(&rows, &label, 4).value, 0.583_333_333_333_333_3, 1e-12);
    near(f1_macro(&rows, &label, 4).value, 0.433_333_333_333_333_35, 1e-12);
    // A certain error costs -ln(2^-23), as it does with two classes.
    near(class_log_loss(&rows[8..12], &[1.0], 4).value, 23.0 * std::f64::consts::LN_2, 1e-9);
}

#[test]
fn evaluation_of_classes_needs_positions_and_a_probability_per_class() {
    let rows: Vec<(i64, String, f32)> =
        CLASS.iter().enumerate().map(|(at, label)| (0, at.to_string(), *label)).collect();
    let rows: Vec<_> = rows.iter().map(|(day, id, label)| (*day, id.as_str(), "x", 0.0, *label)).collect();
    let (_, mut data) = table(&rows);
    let scores = ROWS.as_flattened();
    let names: Vec<String> = evaluate_classes(scores, &data, 3).unwrap().into_keys().collect();
    assert_eq!(names, ["accuracy", "balanced_accuracy", "f1_macro", "log_loss"]);
    let error = |scores: &[f32], data: &Dataset| evaluate_classes(scores, data, 3).unwrap_err().to_string();
    assert_eq!(error(&scores[3..], &data), "column scores has 33 values, expected 36");
    for wrong in [3.0, -1.0, 0.5, -0.0, f32::NAN] {
        data.label[4] = wrong;
        let expected = format!("label of row 4 is {wrong}, allowed are 0 to 2, the positions of the classes");
        assert_eq!(error(scores, &data), expected);
    }
    data.label.fill(1.0);
    assert_eq!(error(scores, &data), "dataset has rows of 1 of 3 classes, at least 2 are needed");
}
