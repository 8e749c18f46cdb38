//! Labels with classes, and mistakes in them.

use expect_test::{Expect, expect};

use super::{GOOD, check_file, resolve};
use crate::config::{Calibration, Objective, parse};

/// The good file with a text for a label, with these lines of its source and these of its model.
fn with(source: &str, model: &str) -> String {
    let alert = "    alert: { top_per_day: 10 }\n";
    let aggregate = "        returns: coalesce(avg(returned), 0)\n";
    let changes = [
        ("target: returned\n    known", format!("target: reason\n{source}    known")),
        (aggregate, "        sold: count()\n".to_owned()),
        ("seller_returns_30d", "seller_sold_30d".to_owned()),
        ("    target: returned\n    inputs", format!("    target: reason\n{model}    inputs")),
        (alert, String::new()),
        (", class_weight: balanced", String::new()),
    ];
    changes.iter().fold(GOOD.to_owned(), |yaml, (from, to)| {
        assert_eq!(yaml.matches(from).count(), 1, "`{from}`");
        yaml.replacen(from, to, 1)
    })
}

const CLASSES: &str = "    classes: [broken, unwanted, late]\n";
const MULTICLASS: &str = "    objective: multiclass\n";

#[track_caller]
fn check(source: &str, model: &str, expected: Expect) {
    check_file(&with(source, model), expected);
}

#[test]
fn a_label_with_classes_is_read_in_their_order() {
    let yaml = with(CLASSES, MULTICLASS);
    let pipeline = parse(&yaml, &resolve).unwrap();
    assert_eq!(pipeline.classes(), ["broken", "unwanted", "late"]);
    assert!(pipeline.predicts_classes() && pipeline.models[0].objective == Objective::Multiclass);
    assert_eq!(pipeline.models[0].alert, None);
    let chosen = "early_stopping: 2, loss: softmax, calibration: temperature, class_weight: balanced";
    let training = parse(&yaml.replace("early_stopping: 2", chosen), &resolve).unwrap().models[0].training.clone();
    assert_eq!(training.calibration, Calibration::Temperature);
    let two = parse(&with("    classes: [kept, sent_back]\n", ""), &resolve).unwrap();
    assert_eq!((two.classes().len(), two.models[0].objective), (2, Objective::Binary));
    assert!(!two.predicts_classes());
    let numbers = with("    classes: [3, 4, 5]\n", MULTICLASS).replace("target: reason", "target: order_ref");
    let refused = parse(&numbers, &resolve).unwrap_err();
    assert!(refused.iter().all(|problem| problem.code == "TM0012"), "{refused:?}");
}

#[test]
fn the_order_of_classes_is_part_of_the_feature_set() {
    let digest = |classes: &str| parse(&with(classes, MULTICLASS), &resolve).unwrap().features.digest;
    let known = digest(CLASSES);
    assert_eq!(known, digest(CLASSES));
    assert_ne!(known, digest("    classes: [unwanted, broken, late]\n"));
    assert_ne!(known, digest("    classes: [broken, unwanted, late, other]\n"));
}

#[test]
fn a_text_is_a_label_with_classes_only() {
    check(
        "",
        MULTICLASS,
        expect![[r#"
        25 TM0012: `reason` is a text and cannot be a label
            target: reason
                    ^^^^^^
            name its values in order: `classes: [bus, tram, train]`
    "#]],
    );
}

#[test]
fn several_classes_must_be_named() {
    check_file(
        &super::changed("    network: {", "    objective: multiclass\n    network: {")
            .replace("    alert: { top_per_day: 10 }\n", ""),
        expect![[r#"
            51 TM0003: `objective: multiclass` needs the classes of `returned`
                objective: multiclass
                           ^^^^^^^^^^
                name them in source `returns`: `classes: [bus, tram, train]`
        "#]],
    );
}

#[test]
fn classes_are_from_2_to_256_different_values_of_the_column() {
    check(
        "    classes: [broken]\n",
        MULTICLASS,
        expect![[r#"
        26 TM0006: `classes` has from 2 to 256 classes, not 1
            classes: [broken]
                     ^
    "#]],
    );
    let many = (0..257).map(|class| format!("c{class}")).collect::<Vec<_>>().join(", ");
    let problems = parse(&with(&format!("    classes: [{many}]\n"), MULTICLASS), &resolve).unwrap_err();
    assert_eq!(problems.len(), 1, "{problems:?}");
    assert_eq!(problems[0].message, "`classes` has from 2 to 256 classes, not 257");
    check(
        "    classes: broken\n",
        MULTICLASS,
        expect![[r#"
        26 TM0004: `classes` must be a list, not a text
            classes: broken
                     ^^^^^^
            write `classes: [a, b]`
    "#]],
    );
    check(
        "    classes: [broken, late, broken]\n",
        MULTICLASS,
        expect![[r#"
        26 TM0013: class `broken` is declared a second time
            classes: [broken, late, broken]
                                    ^^^^^^
    "#]],
    );
    check(
        "    classes: [broken, 7, true, \"\", [late]]\n",
        MULTICLASS,
        expect![[r#"
        26 TM0012: no value of the column is `7`
            classes: [broken, 7, true, "", [late]]
                              ^
            write `"7"`
        26 TM0012: no value of the column is `true`
            classes: [broken, 7, true, "", [late]]
                                 ^^^^
            write `"true"`
        26 TM0006: a class has from 1 to 128 bytes, not 0
            classes: [broken, 7, true, "", [late]]
                                       ^^
        26 TM0004: a class is a text, a whole number or true or false, not a list
            classes: [broken, 7, true, "", [late]]
                                           ^
    "#]],
    );
}

#[test]
fn an_objective_must_fit_the_classes() {
    check(
        "    classes: [broken, late]\n",
        MULTICLASS,
        expect![[r#"
        51 TM0016: `objective: multiclass` needs at least 3 classes, and source `returns` has 2
            objective: multiclass
                       ^^^^^^^^^^
            write `objective: binary`: the second class is the positive one
    "#]],
    );
    check(
        CLASSES,
        "",
        expect![[r#"
        49 TM0016: `objective: binary` tells two classes apart, and source `returns` has 3
            risk:
            ^^^^
            write `objective: multiclass`
    "#]],
    );
    check(
        CLASSES,
        "    objective: binary\n",
        expect![[r#"
        51 TM0016: `objective: binary` tells two classes apart, and source `returns` has 3
            objective: binary
                       ^^^^^^
            write `objective: multiclass`
    "#]],
    );
    check(
        CLASSES,
        "    objective: regression\n",
        expect![[r#"
        51 TM0016: `objective: regression` predicts a number, and source `returns` has classes
            objective: regression
                       ^^^^^^^^^^
            write `objective: multiclass` or `objective: binary`, or take `classes` out
    "#]],
    );
}

#[test]
fn nothing_is_computed_of_the_numbers_of_classes() {
    let yaml = with(CLASSES, MULTICLASS).replace("sold: count()", "sold: coalesce(avg(reason), 0)");
    check_file(
        &yaml,
        expect![[r#"
        47 TM0012: `reason` has classes, and an aggregate of their numbers says nothing
            sold: coalesce(avg(reason), 0)
                               ^^^^^^
            aggregate columns of the events
    "#]],
    );
}

#[test]
fn settings_of_one_score_are_refused_where_there_are_several() {
    let yaml =
        with(CLASSES, MULTICLASS).replace("early_stopping: 2", "class_weight: 3, calibration: platt, loss: logistic");
    check_file(
        &format!("{yaml}\n").replace("monitors:", "    alert: { above: 0.5 }\nmonitors:"),
        expect![[r#"
        54 TM0016: `class_weight: 3` weights the positive class, and this model has several
            training: { epochs: 5, batch_size: 32, learning_rate: 0.01, dropout: 0.1, l2: 0.001, class_weight: 3, calibration: platt, loss: logistic }
                                                                                                               ^
            write `class_weight: balanced`, or take it out
        54 TM0016: `platt` calibrates one probability, and this model has one per class
            training: { epochs: 5, batch_size: 32, learning_rate: 0.01, dropout: 0.1, l2: 0.001, class_weight: 3, calibration: platt, loss: logistic }
                                                                                                                               ^^^^^
            write `calibration: temperature`, or take it out
        54 TM0016: `logistic` is a loss of two classes, and this model's objective is multiclass
            training: { epochs: 5, batch_size: 32, learning_rate: 0.01, dropout: 0.1, l2: 0.001, class_weight: 3, calibration: platt, loss: logistic }
                                                                                                                                            ^^^^^^^^
            write `logistic` for `objective: binary`, `softmax` for `objective: multiclass`, and for `objective: regression` `squared`, `absolute`, `{ huber: 1.0 }` or `{ quantile: 0.9 }`
        55 TM0016: `alert` acts on one score, and `objective: multiclass` names a class
            alert: { above: 0.5 }
            ^^^^^
            take it out; whoever acts on a class reads `class` of the predictions
    "#]],
    );
    let yaml = with(CLASSES, MULTICLASS).replace("early_stopping: 2", "loss: squared, calibration: isotonic");
    check_file(
        &yaml,
        expect![[r#"
        54 TM0016: `squared` is a loss of numbers, and this model's objective is multiclass
            training: { epochs: 5, batch_size: 32, learning_rate: 0.01, dropout: 0.1, l2: 0.001, loss: squared, calibration: isotonic }
                                                                                                       ^^^^^^^
            write `logistic` for `objective: binary`, `softmax` for `objective: multiclass`, and for `objective: regression` `squared`, `absolute`, `{ huber: 1.0 }` or `{ quantile: 0.9 }`
        54 TM0016: `isotonic` calibrates one probability, and this model has one per class
            training: { epochs: 5, batch_size: 32, learning_rate: 0.01, dropout: 0.1, l2: 0.001, loss: squared, calibration: isotonic }
                                                                                                                             ^^^^^^^^
            write `calibration: temperature`, or take it out
    "#]],
    );
}
