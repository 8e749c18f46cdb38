//! Mistakes in what a model is to predict.

use expect_test::expect;

use super::{changed, check, resolve};
use crate::config::{AlertRule, Loss, Objective, parse};

/// The model's settings with these lines before its network, and the training's with these.
fn with(model: &str, training: &str, alert: &str) -> String {
    let yaml = changed("    network: {", &format!("{model}    network: {{"));
    yaml.replace("class_weight: balanced", training).replace("top_per_day: 10", alert)
}

#[test]
fn a_model_of_a_number_has_losses_of_its_own() {
    let model = |loss: &str, alert: &str| {
        let pipeline = parse(&with("    objective: regression\n", loss, alert), &resolve).unwrap();
        let model = pipeline.models[0].clone();
        (model.objective, model.training.loss, model.alert)
    };
    let number = Objective::Regression;
    let top = Some(AlertRule::TopPerDay(10));
    assert_eq!(model("loss: squared", "top_per_day: 10"), (number, Loss::OfObjective, top));
    assert_eq!(model("loss: absolute", "above: -40"), (number, Loss::Absolute, Some(AlertRule::Above(-40.0))));
    assert_eq!(model("loss: huber", "above: 4.5").1, Loss::Huber(1.0));
    assert_eq!(model("loss: { huber: 0.5 }", "above: 4.5").1, Loss::Huber(0.5));
    assert_eq!(model("loss: { quantile: 0.9 }", "above: 4.5").1, Loss::Quantile(0.9));
    let plain = parse(&with("", "loss: logistic", "above: 0.5"), &resolve).unwrap();
    assert_eq!((plain.models[0].objective, plain.models[0].alert), (Objective::Binary, Some(AlertRule::Above(0.5))));
}

#[test]
fn an_objective_is_one_of_those_known() {
    check(
        "    network: {",
        "    objective: regresion\n    network: {",
        expect![[r#"
            51 TM0008: `regresion` is no choice for `objective`
                objective: regresion
                           ^^^^^^^^^
                did you mean `regression`?
        "#]],
    );
}

#[test]
fn a_loss_must_fit_the_objective() {
    check(
        "class_weight: balanced",
        "loss: squared",
        expect![[r#"
            52 TM0016: `squared` is a loss of numbers, and this model's objective is binary
                training: { epochs: 5, batch_size: 32, learning_rate: 0.01, dropout: 0.1, l2: 0.001, loss: squared, early_stopping: 2 }
                                                                                                           ^^^^^^^
                write `logistic` for `objective: binary`, `softmax` for `objective: multiclass`, and for `objective: regression` `squared`, `absolute`, `{ huber: 1.0 }` or `{ quantile: 0.9 }`
        "#]],
    );
    check(
        "class_weight: balanced",
        "loss: { huber: 1.0 }",
        expect![[r#"
            52 TM0016: `huber` is a loss of numbers, and this model's objective is binary
                training: { epochs: 5, batch_size: 32, learning_rate: 0.01, dropout: 0.1, l2: 0.001, loss: { huber: 1.0 }, early_stopping: 2 }
                                                                                                           ^
                write `logistic` for `objective: binary`, `softmax` for `objective: multiclass`, and for `objective: regression` `squared`, `absolute`, `{ huber: 1.0 }` or `{ quantile: 0.9 }`
        "#]],
    );
    check(
        "class_weight: balanced",
        "loss: logistik",
        expect![[r#"
        52 TM0008: `logistik` is no loss
            training: { epochs: 5, batch_size: 32, learning_rate: 0.01, dropout: 0.1, l2: 0.001, loss: logistik, early_stopping: 2 }
                                                                                                       ^^^^^^^^
            did you mean `logistic`?
    "#]],
    );
    check(
        "class_weight: balanced",
        "loss: quantile",
        expect![[r#"
            52 TM0003: `quantile` needs to know which
                training: { epochs: 5, batch_size: 32, learning_rate: 0.01, dropout: 0.1, l2: 0.001, loss: quantile, early_stopping: 2 }
                                                                                                           ^^^^^^^^
                write `logistic` for `objective: binary`, `softmax` for `objective: multiclass`, and for `objective: regression` `squared`, `absolute`, `{ huber: 1.0 }` or `{ quantile: 0.9 }`
        "#]],
    );
    check(
        "class_weight: balanced",
        "loss: { quantile: 1.5 }",
        expect![[r#"
            52 TM0016: `quantile` is a loss of numbers, and this model's objective is binary
                training: { epochs: 5, batch_size: 32, learning_rate: 0.01, dropout: 0.1, l2: 0.001, loss: { quantile: 1.5 }, early_stopping: 2 }
                                                                                                           ^
                write `logistic` for `objective: binary`, `softmax` for `objective: multiclass`, and for `objective: regression` `squared`, `absolute`, `{ huber: 1.0 }` or `{ quantile: 0.9 }`
            52 TM0006: `quantile` must be from 0.001 to 0.999, not 1.5
                training: { epochs: 5, batch_size: 32, learning_rate: 0.01, dropout: 0.1, l2: 0.001, loss: { quantile: 1.5 }, early_stopping: 2 }
                                                                                                                       ^^^
        "#]],
    );
    check(
        "class_weight: balanced",
        "loss: { hubre: 1.5 }",
        expect![[r#"
        52 TM0008: `hubre` is no loss
            training: { epochs: 5, batch_size: 32, learning_rate: 0.01, dropout: 0.1, l2: 0.001, loss: { hubre: 1.5 }, early_stopping: 2 }
                                                                                                         ^^^^^
            did you mean `huber`?
    "#]],
    );
    check(
        "class_weight: balanced",
        "loss: {}",
        expect![[r#"
            52 TM0004: `loss` names one loss
                training: { epochs: 5, batch_size: 32, learning_rate: 0.01, dropout: 0.1, l2: 0.001, loss: {}, early_stopping: 2 }
                                                                                                           ^
                write `logistic` for `objective: binary`, `softmax` for `objective: multiclass`, and for `objective: regression` `squared`, `absolute`, `{ huber: 1.0 }` or `{ quantile: 0.9 }`
        "#]],
    );
    check(
        "class_weight: balanced",
        "loss: [absolute]",
        expect![[r#"
            52 TM0004: `loss` must be a word or a map, not a list
                training: { epochs: 5, batch_size: 32, learning_rate: 0.01, dropout: 0.1, l2: 0.001, loss: [absolute], early_stopping: 2 }
                                                                                                           ^
                write `logistic` for `objective: binary`, `softmax` for `objective: multiclass`, and for `objective: regression` `squared`, `absolute`, `{ huber: 1.0 }` or `{ quantile: 0.9 }`
        "#]],
    );
}

#[test]
fn a_number_has_no_classes_to_weight() {
    check(
        "    network: {",
        "    objective: regression\n    network: {",
        expect![[r#"
        53 TM0016: `class_weight` weights classes, and `objective: regression` has none
            training: { epochs: 5, batch_size: 32, learning_rate: 0.01, dropout: 0.1, l2: 0.001, class_weight: balanced, early_stopping: 2 }
                                                                                                               ^^^^^^^^
            take it out
    "#]],
    );
}

#[test]
fn a_threshold_is_set_once_and_within_the_scores() {
    check(
        "top_per_day: 10",
        "top_per_day: 10, above: 0.5",
        expect![[r#"
        53 TM0016: `top_per_day` and `above` both set the threshold
            alert: { top_per_day: 10, above: 0.5 }
                                             ^^^
            keep one of them
    "#]],
    );
    check(
        "top_per_day: 10",
        "above: 1.5",
        expect![[r#"
        53 TM0006: `above` must be from 0 to 1, not 1.5
            alert: { above: 1.5 }
                            ^^^
    "#]],
    );
    check(
        "top_per_day: 10",
        "above: high",
        expect![[r#"
        53 TM0004: `above` must be a number, not a text
            alert: { above: high }
                            ^^^^
    "#]],
    );
}

#[test]
fn only_probabilities_are_calibrated_and_on_rows_kept_aside() {
    let good = parse(&with("", "calibration: isotonic", "above: 0.5"), &resolve).unwrap();
    assert_eq!(good.models[0].training.calibration, crate::config::Calibration::Isotonic);
    check(
        "class_weight: balanced",
        "calibration: plat",
        expect![[r#"
        52 TM0008: `plat` is no choice for `calibration`
            training: { epochs: 5, batch_size: 32, learning_rate: 0.01, dropout: 0.1, l2: 0.001, calibration: plat, early_stopping: 2 }
                                                                                                              ^^^^
            did you mean `platt`?
    "#]],
    );
    check(
        "class_weight: balanced, early_stopping: 2",
        "calibration: platt, validation_share: 0",
        expect![[r#"
        52 TM0016: `calibration` is fitted on the newest rows and needs a `validation_share` above 0
            training: { epochs: 5, batch_size: 32, learning_rate: 0.01, dropout: 0.1, l2: 0.001, calibration: platt, validation_share: 0 }
                                                                                                              ^^^^^
    "#]],
    );
    let number = "    objective: regression\n    network: {";
    let yaml = changed("    network: {", number).replace("class_weight: balanced", "calibration: platt");
    let problems = parse(&yaml, &resolve).unwrap_err();
    assert_eq!((problems.len(), problems[0].code), (1, "TM0016"), "{problems:?}");
}
