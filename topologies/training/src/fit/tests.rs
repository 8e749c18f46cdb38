//! Training: optima with witnesses, reproducibility, early stopping, refusals.
#![allow(clippy::unwrap_used)]

mod categories;
mod classes;

use super::*;
use crate::dataset::DAY_US;
use crate::random::{Purpose, Random};
use crate::trained::Facts;
use std::collections::BTreeMap;

/// Two inputs whose product decides, which no linear model can learn; one value in fifty is null.
fn crossed(rows: usize) -> Dataset {
    let mut random = Random::new(42, Purpose::Order);
    let mut data = Dataset { inputs: vec!["a".into(), "b".into()], ..Dataset::default() };
    for row in 0..rows {
        let (a, b) = (random.symmetric(1.0), random.symmetric(1.0));
        data.rows.extend([if row % 50 == 7 { f32::NAN } else { a }, b]);
        data.label.push(f32::from(u8::from(a * b > 0.0)));
        data.time_us.push(row as i64 * DAY_US / 500);
        data.id.push(row.to_string());
        data.entity.push((row % 97).to_string());
    }
    data
}

fn quick(network: Kind) -> Config {
    Config { epochs: 15, batch_rows: 64, dropout: 0.05, ..Config::recommended(network, 1, 100) }
}

fn facts() -> Facts {
    Facts { name: "t".into(), parent: None, feature_set: "f".into(), metrics: BTreeMap::new() }
}

/// Eight rows and the weights that scikit-learn 1.9's `LogisticRegression(tol=1e-12)` gives on them, standardised.
#[track_caller]
fn check_linear(positive_weight: f64, weight: [f64; 2], bias: f64) {
    let rows = [0., 1., 1., 0., 2., 1., 3., 5., 4., 2., 5., 3., 6., 1., 7., 4.].to_vec();
    let label = vec![0., 0., 1., 0., 1., 0., 1., 1.];
    let text: Vec<String> = (0..8).map(|i| i.to_string()).collect();
    let inputs = vec!["a".into(), "b".into()];
    let data =
        Dataset { inputs, rows, label, time_us: vec![0; 8], id: text.clone(), entity: text, ..Dataset::default() };
    let config = Config { positive_weight, ..Config::recommended(Kind::Linear, 1, 2) };
    let layer = train(&config, &data).unwrap().network.dense()[0].clone();
    for (actual, expected) in layer.weight.iter().chain(&layer.bias).zip(weight.iter().chain(&[bias])) {
        assert!((f64::from(*actual) - expected).abs() < 1e-6, "{layer:?}");
    }
}

#[test]
fn linear_model_is_the_regularised_optimum() {
    check_linear(1.0, [0.891_834_69, -0.398_866_72], 0.005_782_88);
    check_linear(3.0, [1.121_357_15, -0.580_880_52], 0.968_482_44);
}

/// Eight rows of numbers and the linear model of a loss on them, its parameters in deviations of the target.
fn linear_of(loss: Loss, l2: f64) -> (Trained, Vec<f64>) {
    let rows = [0., 1., 1., 0., 2., 1., 3., 5., 4., 2., 5., 3., 6., 1., 7., 4.].to_vec();
    let label = vec![11., 12., 9.5, 27., 25., 18., 4., 50.];
    let text: Vec<String> = (0..8).map(|i| i.to_string()).collect();
    let inputs = vec!["a".into(), "b".into()];
    let data =
        Dataset { inputs, rows, label, time_us: vec![0; 8], id: text.clone(), entity: text, ..Dataset::default() };
    let config = Config { loss, l2, top_per_day: None, ..Config::recommended(Kind::Linear, 1, 2) };
    let trained = train(&config, &data).unwrap();
    let layer = &trained.network.dense()[0];
    let parameters = layer.weight.iter().chain(&layer.bias).map(|w| f64::from(*w)).collect();
    (trained, parameters)
}

#[track_caller]
fn near(actual: &[f64], expected: &[f64], tolerance: f64) {
    assert!(actual.iter().zip(expected).all(|(a, e)| (a - e).abs() <= tolerance), "{actual:?}, expected {expected:?}");
}

/// Expected: scikit-learn 1.9's `Ridge(alpha=1)` on standardised rows and target; Huber's by SciPy's minimiser on the
/// same sum; quantiles by `QuantileRegressor(alpha=0)`, an exact linear program.
#[test]
fn linear_models_of_numbers_are_their_losses_optima() {
    let (trained, squared) = linear_of(Loss::Squared, 1.0);
    near(&squared, &[0.207_979_79, 0.569_915_54, 0.0], 1e-6);
    assert_eq!(trained.network.head(), Head::Number { mean: 19.5625, std: 13.636_892_745_416_75 });
    assert_eq!((trained.threshold, trained.dataset.positives), (None, 0), "it decides nothing");
    near(&linear_of(Loss::Huber(0.5), 1.0).1, &[0.118_071_98, 0.432_385_11, -0.097_456_06], 1e-5);
    near(&linear_of(Loss::Quantile(0.9), 0.0).1, &[0.705_689_28, 0.379_055_5, 0.714_055_63], 2e-3);
    near(&linear_of(Loss::Absolute, 0.0).1, &[-0.048_006_07, 0.499_202_56, -0.353_557_71], 2e-3);
}

/// The score of a model of numbers is in the target's units: its mean over the rows is the target's.
#[test]
fn numbers_come_back_in_the_targets_units() {
    let (trained, _) = linear_of(Loss::Squared, 1.0);
    let rows = [0., 1., 1., 0., 2., 1., 3., 5., 4., 2., 5., 3., 6., 1., 7., 4.];
    let mean = trained.score(&rows).iter().map(|s| f64::from(*s)).sum::<f64>() / 8.0;
    near(&[mean], &[19.5625], 1e-4);
    let artefact = trained.artefact(facts()).unwrap();
    let model = model::Artefact::open_as(artefact.files(), artefact.digest()).unwrap();
    assert_eq!(model.network().score_rows(&rows).unwrap(), trained.score(&rows));
}

/// Each loss learns what is best by it: of a target that is one in a quarter of the rows and else zero, the mean is 1/4,
/// the median 0 and the 0.9-quantile 1.
#[test]
fn hidden_layers_learn_by_each_loss() {
    let mut data = crossed(1200);
    data.label = (0..1200).map(|row| if row % 4 == 0 { 100.0 } else { 0.0 }).collect();
    let mean = |loss: Loss| {
        let quick = quick(Kind::Mlp(vec![4]));
        let config = Config { loss, top_per_day: None, dropout: 0.0, epochs: 30, ..quick };
        let scores = train(&config, &data).unwrap().score(&data.rows);
        scores.iter().map(|s| f64::from(*s)).sum::<f64>() / 1200.0
    };
    near(&[mean(Loss::Squared)], &[25.0], 4.0);
    near(&[mean(Loss::Absolute)], &[0.0], 4.0);
    near(&[mean(Loss::Quantile(0.9))], &[100.0], 8.0);
    let huber = mean(Loss::Huber(0.5));
    assert!((2.0..22.0).contains(&huber), "between median and mean: {huber}");
}

/// The tensor form of a loss is the scalar one, and its gradient the slope.
#[test]
fn both_forms_of_a_loss_agree() {
    use candle_core::{Device, Var};
    let (z, y) = ([-3.0f32, -0.4, 0.1, 0.9, 2.5], [0.5f32, 0.0, 1.0, 1.0, -1.0]);
    for loss in [Loss::Logistic, Loss::Squared, Loss::Absolute, Loss::Huber(0.75), Loss::Quantile(0.9)] {
        let outputs = Var::from_slice(&z, 5, &Device::Cpu).unwrap();
        let labels = candle_core::Tensor::from_slice(&y, 5, &Device::Cpu).unwrap();
        let losses = loss.tensor(&outputs, &labels).unwrap();
        let gradients = losses.sum_all().unwrap().backward().unwrap();
        let slopes = gradients.get(&outputs).unwrap().to_vec1::<f32>().unwrap();
        for (at, value) in losses.to_vec1::<f32>().unwrap().into_iter().enumerate() {
            let (z, y) = (f64::from(z[at]), f64::from(y[at]));
            let (slope, curve) = loss.derivatives(z, y, 1.0);
            near(&[f64::from(value), f64::from(slopes[at])], &[loss.value(z, y), slope], 1e-4);
            assert!(curve > 0.0, "{loss:?}");
        }
    }
}

/// Twelve outputs with their labels.
fn held() -> (Vec<f32>, Dataset) {
    let outputs = vec![-2.0, -1.5, -1.0, -0.5, -0.25, 0.0, 0.25, 0.5, 1.0, 1.5, 2.0, 3.0];
    let label = vec![0., 0., 1., 0., 0., 1., 0., 1., 0., 1., 1., 1.];
    (outputs, Dataset { label, ..Dataset::default() })
}

/// Expected: scikit-learn 1.9's `_sigmoid_calibration` (which has the signs reversed), SciPy's minimiser of the log-loss
/// over the slope alone, and `IsotonicRegression` on the sigmoids.
#[test]
fn calibrations_equal_scikit_learn() {
    let (outputs, rows) = held();
    let fit = |method| calibrate::fit(method, &outputs, &rows);
    let model::Calibration::Logistic { slope, offset } = fit(Method::Platt) else { panic!("it is a sigmoid") };
    near(&[slope, offset], &[0.669_142_31, -0.152_021_61], 1e-5);
    let model::Calibration::Logistic { slope, offset } = fit(Method::Temperature) else { panic!("it is a sigmoid") };
    near(&[slope, offset], &[1.020_900_52, 0.0], 1e-5);
    let model::Calibration::Curve { score, value } = fit(Method::Isotonic) else { panic!("it is a curve") };
    let third = 1.0 / 3.0;
    let expected = [0.0, 0.0, third, third, 0.5, 0.5, 1.0, 1.0];
    near(&value, &expected, 1e-9);
    assert_eq!(score.len(), 8);
    near(&score[..4], &[0.119_202_92, 0.182_425_52, 0.268_941_42, 0.437_823_5], 1e-6);
}

/// Weighted positives make scores too high; each calibration brings their mean back near to the share of positives, and
/// the order stays.
#[test]
fn calibration_makes_probabilities_of_weighted_scores() {
    let mut data = crossed(3000);
    for row in 0..3000 {
        data.label[row] = f32::from(u8::from(data.label[row] == 1.0 && row % 4 == 0));
    }
    let share = data.positives() as f64 / 3000.0;
    let mean = |method: Option<Method>| {
        let calibrate = method.map(|method| Calibrate { method, share: 0.3 });
        let config = Config { positive_weight: 10.0, calibrate, ..quick(Kind::Mlp(vec![16, 8])) };
        let trained = train(&config, &data).unwrap();
        let scores = trained.score(&data.rows);
        let artefact = trained.artefact(facts()).unwrap();
        let model = model::Artefact::open_as(artefact.files(), artefact.digest()).unwrap();
        assert_eq!(model.network().score_rows(&data.rows).unwrap(), scores);
        scores.iter().map(|s| f64::from(*s)).sum::<f64>() / 3000.0
    };
    assert!(mean(None) > share + 0.1, "weights alone leave them too high");
    near(&[mean(Some(Method::Platt))], &[share], 0.03);
    near(&[mean(Some(Method::Isotonic))], &[share], 0.03);
    assert!(mean(Some(Method::Temperature)) < 0.5, "a slope alone can only do so much");
}

#[test]
fn rows_kept_for_calibration_must_have_both_classes() {
    let mut data = crossed(100);
    data.label[80..].fill(0.0);
    let calibrate = Some(Calibrate { method: Method::Platt, share: 0.1 });
    let error = train(&Config { calibrate, ..quick(Kind::Linear) }, &data).unwrap_err().to_string();
    assert!(error.contains("kept aside to calibrate on") && error.contains("0 positive of 10 rows"), "{error}");
    let number = Config { calibrate, loss: Loss::Squared, ..quick(Kind::Linear) };
    assert!(train(&number, &data).unwrap_err().to_string().contains("setting calibrate"));
}

#[test]
fn a_target_that_is_no_number_is_refused() {
    let mut data = crossed(20);
    data.label = (0..20).map(|row| row as f32).collect();
    let config = |loss| Config { loss, top_per_day: None, ..quick(Kind::Linear) };
    let error = |config: &Config, data: &Dataset| train(config, data).unwrap_err().to_string();
    assert!(error(&config(Loss::Logistic), &data).contains("label of row 2 is 2, allowed are 0 and 1"));
    data.label[7] = f32::NAN;
    assert!(error(&config(Loss::Squared), &data).contains("label of row 7 is NaN, allowed are finite numbers"));
    data.label[7] = f32::INFINITY;
    assert!(error(&config(Loss::Absolute), &data).contains("label of row 7 is inf"));
    let wide = error(&config(Loss::Huber(0.0)), &data);
    assert!(wide.contains("setting loss") && error(&config(Loss::Quantile(1.0)), &data).contains("setting loss"));
    let weighted = Config { positive_weight: 2.0, ..config(Loss::Squared) };
    assert!(error(&weighted, &data).contains("no weights of classes for numbers"));
}

#[test]
fn hidden_layers_learn_what_a_linear_model_cannot() {
    let data = crossed(3000);
    let auc = |network| {
        let trained = train(&quick(network), &data).unwrap();
        crate::metrics::roc_auc(&trained.score(&data.rows), &data.label).value
    };
    assert!(auc(Kind::Linear) < 0.6);
    assert!(auc(Kind::Mlp(vec![16, 8])) > 0.97);
}

#[test]
fn same_inputs_give_the_same_model_digest() {
    let data = crossed(800);
    let digest = |config: &Config| train(config, &data).unwrap().artefact(facts()).unwrap().digest().to_owned();
    let config = Config { epochs: 3, ..quick(Kind::Mlp(vec![8])) };
    assert_eq!(digest(&config), digest(&config));
    assert_ne!(digest(&config), digest(&Config { seed: 2, ..config.clone() }));
    assert_eq!(digest(&quick(Kind::Linear)), digest(&quick(Kind::Linear)));
}

#[test]
fn dataset_digest_sees_every_part() {
    let data = crossed(10);
    let changes: [fn(&mut Dataset); 6] = [
        |d| d.inputs[0].push('x'),
        |d| d.rows[3] += 1.0,
        |d| d.label[0] = 1.0 - d.label[0],
        |d| d.time_us[9] += 1,
        |d| d.id.swap(0, 1),
        |d| d.entity[5].push('x'),
    ];
    for change in changes {
        let mut other = data.clone();
        change(&mut other);
        assert_ne!(other.digest(), data.digest());
    }
    assert_eq!(data.clone().digest(), data.digest());
}

#[test]
fn early_stopping_keeps_the_best_epoch() {
    let mut data = crossed(1000);
    // Labels that mean nothing in the newest rows: nothing learnt can help there.
    for row in 800..1000 {
        data.label[row] = f32::from(u8::from(row % 3 == 0));
    }
    let early = Some(EarlyStopping { share: 0.2, patience: 2 });
    let config = Config { early_stopping: early, epochs: 40, ..quick(Kind::Mlp(vec![16])) };
    let trained = train(&config, &data).unwrap();
    let losses: Vec<f64> = trained.history.iter().map(|e| e.validation_loss.unwrap()).collect();
    let best = losses.iter().enumerate().min_by(|a, b| a.1.total_cmp(b.1)).unwrap();
    assert!(losses.len() < 40, "{losses:?}");
    assert_eq!(best.0 + 3, losses.len());
    let held: Vec<usize> = (800..1000).collect();
    let held = data.select(&held);
    let kept = crate::metrics::log_loss(&trained.score(&held.rows), &held.label).value;
    assert!((kept - best.1).abs() < 1e-5, "{kept} {losses:?}");
}

#[test]
fn positive_weight_raises_scores() {
    let mut data = crossed(600);
    // One label in four is positive, and nothing tells which.
    data.label.iter_mut().enumerate().for_each(|(row, label)| *label = f32::from(u8::from(row % 4 == 0)));
    let mean = |positive_weight| {
        let config = Config { positive_weight, epochs: 4, ..quick(Kind::Mlp(vec![8])) };
        let scores = train(&config, &data).unwrap().score(&data.rows);
        scores.iter().sum::<f32>() / scores.len() as f32
    };
    assert!(mean(5.0) > mean(1.0) + 0.1);
}

#[test]
fn nulls_count_as_the_mean_of_what_is_there() {
    let data = Dataset {
        inputs: vec!["a".into(), "b".into()],
        rows: vec![1.0, 5.0, f32::NAN, 5.0, 4.0, 5.0],
        ..Dataset::default()
    };
    let s = standardisation(&data);
    assert_eq!((s.mean, s.fill), (vec![2.5, 5.0], vec![2.5, 5.0]));
    assert_eq!(s.std, [1.5, 1.0], "a constant input keeps its scale");
}

#[test]
fn trained_model_carries_its_profile_and_threshold() {
    let data = crossed(1000);
    let trained = train(&quick(Kind::Linear), &data).unwrap();
    let names: Vec<&str> = trained.profile.columns.iter().map(|c| c.name.as_str()).collect();
    assert_eq!(names, ["a", "b", "score"]);
    assert_eq!(trained.profile.columns[0].nulls, 20);
    let alerts = trained.score(&data.rows).iter().filter(|s| **s >= trained.threshold.as_ref().unwrap().value).count();
    // Two days of 500 rows, 100 alerts a day.
    assert!((190..=200).contains(&alerts), "{alerts}");
}

#[track_caller]
fn refused(change: impl FnOnce(&mut Config, &mut Dataset), message: &str) {
    let (mut config, mut data) = (quick(Kind::Mlp(vec![4])), crossed(100));
    change(&mut config, &mut data);
    let error = train(&config, &data).unwrap_err().to_string();
    assert!(error.contains(message), "{error}");
}

#[test]
fn unusable_settings_and_data_are_refused() {
    refused(|c, _| c.epochs = 0, "setting epochs is 0, allowed are 1 to 10000");
    refused(|c, _| c.dropout = f64::NAN, "setting dropout is NaN");
    refused(|c, _| c.early_stopping = Some(EarlyStopping { share: 0.2, patience: 0 }), "setting early_stopping");
    refused(|c, _| c.learning_rate = 0.0, "setting learning_rate is 0");
    refused(
        |c, _| c.network = Kind::Mlp(vec![4; 9]),
        "setting network is Mlp([4, 4, 4, 4, 4, 4, 4, 4, 4]), allowed are 1 to 4 hidden layers",
    );
    refused(|_, d| d.label[3] = 0.5, "label of row 3 is 0.5, allowed are 0 and 1");
    refused(|_, d| d.label.fill(0.0), "dataset has 0 positive of 100 rows");
    refused(|_, d| drop(d.id.pop()), "column id has 99 values, expected 100");
}
