//! More than two classes: optima with witnesses, what networks learn, weights, temperatures, refusals.

use super::*;
use crate::dataset::Category;

fn names(count: usize) -> Vec<String> {
    (0..count).map(|at| format!("class-{at}")).collect()
}

fn config(network: Kind, classes: usize) -> Config {
    Config { loss: Loss::Softmax, classes: names(classes), top_per_day: None, ..quick(network) }
}

/// Ten rows of two numbers and three classes.
fn ten() -> Dataset {
    let rows = [0., 1., 1., 0., 2., 1., 3., 5., 4., 2., 5., 3., 6., 1., 7., 4., 2., 2., 3., 0.].to_vec();
    let label = vec![0., 0., 1., 0., 2., 1., 2., 2., 1., 2.];
    let text: Vec<String> = (0..10).map(|i| i.to_string()).collect();
    let inputs = vec!["a".into(), "b".into()];
    Dataset { inputs, rows, label, time_us: vec![0; 10], id: text.clone(), entity: text, ..Dataset::default() }
}

/// Weights of class 0, of class 1, of class 2, then the biases.
fn parameters(trained: &Trained) -> Vec<f64> {
    let layer = &trained.network.dense()[0];
    layer.weight.iter().chain(&layer.bias).map(|w| f64::from(*w)).collect()
}

/// Expected: scikit-learn 1.9's `LogisticRegression(tol=1e-13, solver="newton-cg")` on the standardised rows, also with
/// `class_weight="balanced"`, its intercepts less their mean.
#[test]
fn a_linear_model_is_the_multinomial_optimum() {
    let trained = train(&config(Kind::Linear, 3), &ten()).unwrap();
    let expected = [
        -0.950_357_203,
        0.360_301_833,
        -0.053_133_787,
        0.092_206_176,
        1.003_490_99,
        -0.452_508_009,
        -0.255_028_682,
        0.092_996_677,
        0.162_032_006,
    ];
    near(&parameters(&trained), &expected, 1e-6);
    assert_eq!((trained.threshold, trained.dataset.class_rows.clone()), (None, vec![3, 3, 4]));
    let class_weights = balanced(&ten(), 3);
    near(&class_weights, &[10.0 / 9.0, 10.0 / 9.0, 10.0 / 12.0], 1e-12);
    let weighted = train(&Config { class_weights, ..config(Kind::Linear, 3) }, &ten()).unwrap();
    let expected = [
        -0.970_497_874,
        0.367_788_456,
        -0.013_072_878,
        0.069_517_811,
        0.983_570_752,
        -0.437_306_267,
        -0.208_120_243,
        0.187_574_337,
        0.020_545_906,
    ];
    near(&parameters(&weighted), &expected, 1e-6);
}

/// Two classes by a softmax are the two classes of a sigmoid with half of its penalty: the difference of the outputs.
#[test]
fn two_classes_by_softmax_are_those_of_a_sigmoid() {
    let mut data = ten();
    data.label.iter_mut().for_each(|label| *label = label.min(1.0));
    let softmax = parameters(&train(&Config { l2: 2.0, ..config(Kind::Linear, 2) }, &data).unwrap());
    let sigmoid = parameters(&train(&quick(Kind::Linear), &data).unwrap());
    let difference = [softmax[2] - softmax[0], softmax[3] - softmax[1], softmax[5] - softmax[4]];
    near(&difference, &sigmoid, 1e-5);
}

/// Expected: scikit-learn's as above on the standardised number and a column per slot: null, unknown, x, y, w, z.
#[test]
fn a_linear_model_has_a_weight_for_each_word_and_class() {
    let cities =
        [Some("x"), Some("y"), Some("x"), None, Some("z"), Some("x"), Some("y"), Some("w"), Some("x"), Some("y")];
    let mut data = ten();
    data.inputs[1] = "city".into();
    data.rows = (0..10).flat_map(|a| [a as f32, f32::NAN]).collect();
    data.categories = vec![Category::new(1, cities)];
    data.label = vec![0., 1., 2., 1., 1., 0., 2., 2., 1., 0.];
    let city = CategoryConfig { input: "city".into(), dimension: None, words_max: 100, min_count: 1 };
    let told = Config { categories: vec![city], ..config(Kind::Linear, 3) };
    let trained = train(&told, &data).unwrap();
    assert_eq!(trained.vocabularies[0].words(), ["x", "y", "w", "z"]);
    let layer = &trained.network.dense()[0];
    let expected = [
        [0.066_447_276, -0.176_412_657, 0.0, 0.444_380_503, 0.120_597_494, -0.206_539_64, -0.182_025_701],
        [-0.129_557_419, 0.384_631_7, 0.0, -0.345_090_829, -0.147_699_474, -0.288_327_031, 0.396_485_633],
        [0.063_110_142, -0.208_219_043, 0.0, -0.099_289_675, 0.027_101_98, 0.494_866_671, -0.214_459_933],
    ];
    let table = &trained.network.embeddings()[0].table;
    for (class, expected) in expected.iter().enumerate() {
        let words = table.iter().skip(class).step_by(3).map(|w| f64::from(*w));
        let found: Vec<f64> = std::iter::once(f64::from(layer.weight[class * 4])).chain(words).collect();
        near(&found, expected, 1e-6);
    }
    near(
        &layer.bias.iter().map(|b| f64::from(*b)).collect::<Vec<_>>(),
        &[-0.260_606_311, 0.325_384_273, -0.064_777_962],
        1e-6,
    );
    let artefact = trained.artefact(facts()).unwrap();
    let model = model::Artefact::open_as(artefact.files(), artefact.digest()).unwrap();
    let rows = data.cells(model.vocabularies()).unwrap();
    assert_eq!(model.network().score_rows(&rows).unwrap(), trained.score(&rows));
    let error = train(&Config { classes: names(65), ..told }, &data).unwrap_err().to_string();
    assert!(error.contains("up to 64 classes; train an mlp"), "{error}");
}

/// Four classes, one per quadrant, of which no linear model can tell more than its outputs' halves; a few values are null.
fn quadrants(rows: usize) -> Dataset {
    let mut data = crossed(rows);
    for row in 0..rows {
        let (a, b) = (data.rows[row * 2], data.rows[row * 2 + 1]);
        let ring = f32::from(u8::from(a.abs() > 0.5));
        data.label[row] = f32::from(u8::from(a * b > 0.0)) * 2.0 + ring;
    }
    data
}

#[test]
fn hidden_layers_learn_classes_that_a_linear_model_cannot_tell() {
    let data = quadrants(3000);
    let accuracy = |network| {
        let trained = train(&Config { epochs: 30, ..config(network, 4) }, &data).unwrap();
        let scores = trained.score(&data.rows);
        assert_eq!(scores.len(), 12_000);
        crate::metrics::class_accuracy(&scores, &data.label, 4).value
    };
    assert!(accuracy(Kind::Linear) < 0.5);
    let mlp = accuracy(Kind::Mlp(vec![24, 12]));
    assert!(mlp > 0.9, "{mlp}");
}

#[test]
fn a_model_of_classes_is_the_same_again_and_scores_the_same_bits_from_its_artefact() {
    let data = quadrants(800);
    for kind in [Kind::Mlp(vec![8]), Kind::Linear] {
        let config = Config { epochs: 3, ..config(kind, 4) };
        let trained = train(&config, &data).unwrap();
        let artefact = trained.artefact(facts()).unwrap();
        assert_eq!(train(&config, &data).unwrap().artefact(facts()).unwrap().digest(), artefact.digest());
        let model = model::Artefact::open_as(artefact.files(), artefact.digest()).unwrap();
        assert_eq!(model.classes(), config.classes);
        assert_eq!(model.network().score_rows(&data.rows).unwrap(), trained.score(&data.rows));
        let score = model.profile().column("score").unwrap();
        assert_eq!(score.counts.iter().sum::<u64>(), 800, "one score per row: of the most probable class");
        assert!(score.edges[0] > 0.25, "{score:?}");
    }
}

/// The best loss stays, and is what the measures find of it.
#[test]
fn early_stopping_keeps_the_best_epoch_of_classes() {
    let mut data = quadrants(1000);
    (800..1000).for_each(|row| data.label[row] = (row % 4) as f32);
    let early = Some(EarlyStopping { share: 0.2, patience: 2 });
    let config = Config { early_stopping: early, epochs: 40, ..config(Kind::Mlp(vec![16]), 4) };
    let trained = train(&config, &data).unwrap();
    let losses: Vec<f64> = trained.history.iter().map(|e| e.validation_loss.unwrap()).collect();
    let best = losses.iter().copied().fold(f64::MAX, f64::min);
    let held = data.select(&(800..1000).collect::<Vec<_>>());
    let kept = crate::metrics::class_log_loss(&trained.score(&held.rows), &held.label, 4).value;
    assert!((kept - best).abs() < 1e-5 && losses.len() < 40, "{kept} {losses:?}");
}

#[test]
fn weights_of_classes_raise_their_probabilities() {
    let mut data = crossed(900);
    // One label in nine is of the last class, and nothing tells which.
    data.label
        .iter_mut()
        .enumerate()
        .for_each(|(row, label)| *label = if row % 9 == 0 { 2.0 } else { (row % 2) as f32 });
    let mean = |class_weights: Vec<f64>| {
        let config = Config { class_weights, epochs: 6, ..config(Kind::Mlp(vec![8]), 3) };
        let scores = train(&config, &data).unwrap().score(&data.rows);
        scores.iter().skip(2).step_by(3).map(|s| f64::from(*s)).sum::<f64>() / 900.0
    };
    near(&[mean(Vec::new())], &[1.0 / 9.0], 0.03);
    near(&[mean(balanced(&data, 3))], &[1.0 / 3.0], 0.05);
}

/// Expected: SciPy's minimiser of the log-loss over the slope alone.
#[test]
fn the_temperature_of_classes_is_that_of_the_greatest_likelihood() {
    let outputs = [
        [2., 0., -1.],
        [0., 1.5, 0.5],
        [1., 1., 0.],
        [-1., 0., 2.],
        [0.5, 0.25, 0.],
        [0., 0., 3.],
        [1., 2., 0.],
        [3., -1., 0.],
        [0., 0.5, 1.],
        [-0.5, 1., 0.5],
    ];
    let softmax = |row: &[f64; 3]| {
        let sum: f64 = row.iter().map(|z| z.exp()).sum();
        row.map(|z| (z.exp() / sum) as f32)
    };
    let probabilities: Vec<f32> = outputs.iter().flat_map(softmax).collect();
    let label = [0., 1., 0., 2., 1., 2., 1., 0., 1., 1.];
    let model::Calibration::Logistic { slope, offset } = temperature::fit(&probabilities, &label, 3) else {
        panic!("it is a slope")
    };
    near(&[slope, offset], &[2.446_384_71, 0.0], 1e-5);
}

#[test]
fn a_temperature_makes_weighted_probabilities_less_certain_and_keeps_the_classes() {
    let mut data = quadrants(3000);
    // Half of the labels mean nothing: a network that is sure of them is wrong.
    (0..3000).filter(|row| row % 2 == 0).for_each(|row| data.label[row] = (row / 2 % 4) as f32);
    let trained = |calibrate| {
        let config =
            Config { dropout: 0.0, epochs: 60, calibrate, weight_decay: 0.0, ..config(Kind::Mlp(vec![64]), 4) };
        train(&config, &data).unwrap()
    };
    let held = data.select(&(2100..3000).collect::<Vec<_>>());
    let calibrated = trained(Some(Calibrate { method: Method::Temperature, share: 0.3 }));
    let Some(model::Calibration::Logistic { slope, offset: 0.0 }) = calibrated.network.calibration().cloned() else {
        panic!("it has a slope")
    };
    assert!(slope < 0.95, "it was too sure: {slope}");
    let bare = calibrated.network.headed(Head::Classes).unwrap();
    let scores = bare.score_rows(&held.rows).unwrap();
    let loss = |scores: &[f32]| crate::metrics::class_log_loss(scores, &held.label, 4).value;
    assert!(loss(&calibrated.score(&held.rows)) < loss(&scores));
    let winners = |scores: &[f32]| scores.chunks(4).map(most_probable).collect::<Vec<_>>();
    assert_eq!(winners(&calibrated.score(&held.rows)), winners(&scores));
}

/// The tensor form of the softmax's loss is its formula, and its gradient the slope.
#[test]
fn the_loss_of_classes_has_the_slope_of_its_formula() {
    use candle_core::{Device, Tensor, Var};
    let outputs = [[1.0f32, -2.0, 0.5], [90.0, 88.0, -90.0], [0.0, 0.0, 0.0]];
    let labels = [2usize, 1, 0];
    let variable = Var::new(&outputs, &Device::Cpu).unwrap();
    let column = Tensor::from_vec(labels.map(|label| label as f32).to_vec(), (3, 1), &Device::Cpu).unwrap();
    let losses = Loss::Softmax.tensor(&variable, &column).unwrap();
    assert_eq!(losses.dims(), [3, 1]);
    let slopes = losses.sum_all().unwrap().backward().unwrap().get(&variable).unwrap().to_vec2::<f32>().unwrap();
    let losses = losses.flatten_all().unwrap().to_vec1::<f32>().unwrap();
    for (row, z) in outputs.iter().enumerate() {
        let z = z.map(f64::from);
        let most = z.iter().copied().fold(f64::MIN, f64::max);
        let sum: f64 = z.iter().map(|z| (z - most).exp()).sum();
        near(&[f64::from(losses[row])], &[most + sum.ln() - z[labels[row]]], 1e-5);
        for class in 0..3 {
            let slope = (z[class] - most).exp() / sum - f64::from(u8::from(class == labels[row]));
            near(&[f64::from(slopes[row][class])], &[slope], 1e-6);
        }
    }
}

#[test]
fn a_class_without_a_row_is_refused_where_its_bias_would_be_infinite() {
    let error = train(&config(Kind::Linear, 4), &ten()).unwrap_err().to_string();
    assert_eq!(
        error,
        "no row to fit has class \"class-3\", and a linear model needs one of each; widen the window, or train an mlp"
    );
    let trained = train(&config(Kind::Mlp(vec![4]), 4), &ten()).unwrap();
    assert_eq!(trained.dataset.class_rows, [3, 3, 4, 0]);
    assert!(trained.artefact(facts()).is_ok(), "an mlp gives it a low probability and is finite");
    assert_eq!(balanced(&ten(), 4)[3], 1.0);
}

#[test]
fn settings_of_classes_that_do_not_fit_are_refused() {
    let error = |change: fn(&mut Config)| {
        let mut config = config(Kind::Mlp(vec![4]), 3);
        change(&mut config);
        train(&config, &ten()).unwrap_err().to_string()
    };
    let platt = |c: &mut Config| c.calibrate = Some(Calibrate { method: Method::Platt, share: 0.2 });
    assert!(error(platt).contains("of more than two only the temperature"));
    assert!(error(|c| c.classes.truncate(1)).contains("setting classes is 1 names, allowed are 2 to 256"));
    assert!(error(|c| c.classes = names(257)).contains("setting classes is 257 names"));
    assert!(error(|c| c.classes[1] = "class-0".into()).contains("names must differ"));
    assert!(error(|c| c.class_weights = vec![1.0; 2]).contains("allowed is one per class"));
    assert!(error(|c| c.class_weights = vec![1.0, 0.0, 1.0]).contains("allowed are 1e-6 to 1e6"));
    assert!(error(|c| c.positive_weight = 2.0).contains("each has its own weight"));
    assert!(error(|c| c.top_per_day = Some(5)).contains("nothing is decided of more than two classes"));
    assert!(error(|c| c.alert_above = Some(0.5)).contains("nothing is decided of more than two classes"));
    assert!(error(|c| c.loss = Loss::Logistic).contains("setting classes is 3 names, allowed are two names or none"));
    assert!(error(|c| c.loss = Loss::Squared).contains("a number has no classes"));
    let wide = |c: &mut Config| (c.classes, c.network) = (names(2), Kind::Linear);
    assert!(error(wide).contains("label of row 4 is 2, allowed are 0 to 1, the positions of the classes"));
}

#[test]
fn a_sigmoid_may_carry_the_names_of_its_classes() {
    let data = crossed(200);
    let config = Config { classes: names(2), ..quick(Kind::Linear) };
    let trained = train(&config, &data).unwrap();
    let plain = train(&quick(Kind::Linear), &data).unwrap();
    assert_eq!(trained.score(&data.rows), plain.score(&data.rows));
    let artefact = trained.artefact(facts()).unwrap();
    let model = model::Artefact::open_as(artefact.files(), artefact.digest()).unwrap();
    assert_eq!((model.classes().len(), model.network().outputs()), (2, 1));
    assert_eq!(trained.dataset.class_rows, [200 - data.positives() as u64, data.positives() as u64]);
}
