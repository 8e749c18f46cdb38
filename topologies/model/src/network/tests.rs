//! The definition of the forward pass, and that every form keeps to it.
#![allow(clippy::unwrap_used)]

mod classes;

use super::*;
use candle_core::{Device, Tensor};

/// A network whose numbers look random and are the same everywhere.
fn network(hidden: &[usize], inputs: usize) -> Network {
    of_outputs(hidden, inputs, 1)
}

/// The same with so many outputs; more than one are classes.
fn of_outputs(hidden: &[usize], inputs: usize, outputs: usize) -> Network {
    let mut state = 7u32;
    let mut next = move || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 8) as f32 / 8_388_608.0 - 1.0
    };
    let mut layers = Vec::new();
    let mut width = inputs;
    for &outputs in hidden.iter().chain(&[outputs]) {
        let weight = (0..outputs * width).map(|_| next() * 0.5).collect();
        layers.push(Dense { inputs: width, outputs, weight, bias: (0..outputs).map(|_| next()).collect() });
        width = outputs;
    }
    let mean: Vec<f64> = (0..inputs).map(|i| i as f64 * 0.7 - 2.0).collect();
    let std = (0..inputs).map(|i| 0.5 + i as f64 * 0.3).collect();
    let head = if outputs == 1 { Head::Probability } else { Head::Classes };
    Network::with_head(Standardisation { fill: mean.clone(), mean, std }, layers, head).unwrap()
}

fn rows(count: usize, inputs: usize) -> Vec<f32> {
    let value = |i: usize| ((i * 7919) % 1000) as f32 / 100.0 - 3.0;
    (0..count * inputs).map(|i| if i % 13 == 5 { f32::NAN } else { value(i) }).collect()
}

/// The definition, number by number, with nothing clever.
fn defined(network: &Network, row: &[f32]) -> f32 {
    let values = outputs(network, row);
    match network.head() {
        Head::Probability => match network.calibration() {
            None => sigmoid(values[0]),
            Some(Calibration::Logistic { slope, offset }) => sigmoid(values[0].mul_add(*slope as f32, *offset as f32)),
            Some(Calibration::Curve { score, value }) => {
                let (score, value): (Vec<f32>, Vec<f32>) =
                    score.iter().zip(value).map(|(s, v)| (*s as f32, *v as f32)).unzip();
                calibration::along(&score, &value, sigmoid(values[0]))
            }
        },
        Head::Number { mean, std } => values[0].mul_add(std as f32, mean as f32),
        Head::Classes => unreachable!("classes have a definition of their own"),
    }
}

/// What the last layer gives.
fn outputs(network: &Network, row: &[f32]) -> Vec<f32> {
    let s = network.standardisation();
    let standardise = |(i, &x): (usize, &f32)| {
        let (mean, std, fill) = (s.mean[i], s.std[i], s.fill[i]);
        match x.is_finite() {
            true => x.mul_add((1.0 / std) as f32, (-mean / std) as f32).clamp(-STANDARDISED_MAX, STANDARDISED_MAX),
            false => ((fill - mean) / std) as f32,
        }
    };
    let mut values: Vec<f32> = row.iter().enumerate().map(standardise).collect();
    for (at, layer) in network.dense().iter().enumerate() {
        let output = |(weights, &bias): (&[f32], &f32)| {
            let sum = weights.iter().zip(&values).fold(bias, |sum, (w, x)| x.mul_add(*w, sum));
            if sum > 0.0 || at + 1 == network.dense().len() { sum } else { 0.0 }
        };
        values = layer.weight.chunks_exact(layer.inputs).zip(&layer.bias).map(output).collect();
    }
    values
}

fn logistic() -> Calibration {
    Calibration::Logistic { slope: 1.7, offset: -0.4 }
}

fn curve() -> Calibration {
    Calibration::Curve { score: vec![0.1, 0.4, 0.45, 0.9], value: vec![0.0, 0.25, 0.25, 1.0] }
}

/// Expected by linear interpolation on paper; beyond its ends a curve is flat.
#[test]
fn calibrated_scores_lie_where_the_calibration_says() {
    let one = |z: f32, calibration: Calibration| {
        let s = Standardisation { mean: vec![0.0], std: vec![1.0], fill: vec![0.0] };
        let dense = Dense { inputs: 1, outputs: 1, weight: vec![1.0], bias: vec![0.0] };
        let network = Network::new(s, vec![dense]).unwrap().calibrated(calibration).unwrap();
        network.score_rows(&[z]).unwrap()[0]
    };
    let logit = |p: f32| (p / (1.0 - p)).ln();
    for (score, expected) in [(0.05, 0.0), (0.25, 0.125), (0.42, 0.25), (0.675, 0.625), (0.95, 1.0)] {
        let actual = one(logit(score), curve());
        assert!((actual - expected).abs() < 1e-5, "{score} gives {actual}, expected {expected}");
    }
    assert_eq!(one(0.3, logistic()), sigmoid(0.3f32.mul_add(1.7, -0.4)));
}

#[test]
fn unusable_calibrations_are_refused() {
    let refused = |network: Network, calibration: Calibration, said: &str| {
        let error = network.calibrated(calibration).unwrap_err().to_string();
        assert!(error.starts_with("the calibration is unusable") && error.contains(said), "{error}");
    };
    let curve = |score: &[f64], value: &[f64]| Calibration::Curve { score: score.to_vec(), value: value.to_vec() };
    let good = || network(&[4], 3);
    refused(good(), Calibration::Logistic { slope: f64::NAN, offset: 0.0 }, "finite");
    refused(good(), Calibration::Logistic { slope: 1.0, offset: 1e39 }, "finite");
    refused(good(), curve(&[], &[]), "1 to 4096 points");
    refused(good(), curve(&[0.1], &[0.1, 0.2]), "1 to 4096 points");
    refused(good(), curve(&[0.2, 0.1], &[0.1, 0.2]), "scores rising");
    refused(good(), curve(&[0.1, 0.2], &[0.2, 0.1]), "never falling");
    refused(good(), curve(&[0.1, 0.2], &[0.2, 1.1]), "from 0 to 1");
    let (s, dense) = (good().standardisation().clone(), good().dense().to_vec());
    let number = Network::with_head(s, dense, Head::Number { mean: 0.0, std: 1.0 }).unwrap();
    refused(number, logistic(), "only a probability");
}

#[track_caller]
fn check_bits(hidden: &[usize], inputs: usize) {
    let probability = network(hidden, inputs);
    let (s, dense) = (probability.standardisation().clone(), probability.dense().to_vec());
    check_bits_of(&probability, hidden);
    for calibration in [logistic(), curve()] {
        check_bits_of(&probability.clone().calibrated(calibration).unwrap(), hidden);
    }
    check_bits_of(&Network::with_head(s, dense, Head::Number { mean: 189.46, std: 181.39 }).unwrap(), hidden);
}

#[track_caller]
fn check_bits_of(network: &Network, hidden: &[usize]) {
    let inputs = network.inputs();
    let rows = rows(37, inputs);
    let expected: Vec<u32> = rows.chunks_exact(inputs).map(|row| defined(network, row).to_bits()).collect();
    for set in InstructionSet::available() {
        for batch in [1, 2, 3, 4, 5, 7, 8, 9, 12, 15, 16, 37] {
            let mut scores = [0.0; 37];
            for (rows, scores) in rows.chunks(batch * inputs).zip(scores.chunks_mut(batch)) {
                network.score_with(set, rows, scores);
            }
            let bits: Vec<u32> = scores.iter().map(|s| s.to_bits()).collect();
            assert_eq!(bits, expected, "{hidden:?} with {inputs} inputs, {set:?}, batches of {batch}");
        }
    }
}

#[test]
fn every_form_has_the_bits_of_the_definition_at_any_batch_size() {
    check_bits(&[64, 32], 15);
    check_bits(&[], 15);
    check_bits(&[1], 1);
    check_bits(&[17], 3);
    check_bits(&[33, 48, 16, 5], 40);
    check_bits(&[130], 129);
}

#[test]
fn candle_operation_returns_the_same_bits() {
    let network = network(&[64, 32], 15);
    let rows = rows(10, 15);
    let mut expected = vec![0.0; 10];
    network.score(&rows, &mut expected);
    assert_eq!(network.score_rows(&rows).unwrap(), expected);
    let tensor = Tensor::from_slice(&rows, (10, 15), &Device::Cpu).unwrap();
    let middle = network.score_tensor(&tensor.narrow(0, 3, 4).unwrap()).unwrap();
    assert_eq!(middle.to_vec1::<f32>().unwrap(), expected[3..7]);
}

#[test]
fn candle_operation_refuses_what_it_cannot_score() {
    let network = network(&[4], 3);
    let tensor = |shape: (usize, usize)| Tensor::zeros(shape, candle_core::DType::F32, &Device::Cpu).unwrap();
    let error = |t: &Tensor| network.score_tensor(t).unwrap_err().to_string();
    assert!(error(&tensor((2, 4))).contains("network takes 3 inputs, the tensor has 4 columns"));
    assert!(error(&tensor((3, 2)).t().unwrap()).contains("call contiguous() first"));
    assert!(error(&tensor((2, 3)).to_dtype(candle_core::DType::F64).unwrap()).contains("takes f32 inputs"));
    assert!(network.score_rows(&[0.0; 4]).is_err());
}

#[test]
fn candles_own_layers_agree_to_1e_5() {
    for hidden in [&[64, 32][..], &[]] {
        let network = network(hidden, 15);
        let rows = rows(300, 15);
        let ours = network.score_rows(&rows).unwrap();
        let tensor = Tensor::from_slice(&rows, (300, 15), &Device::Cpu).unwrap();
        let stock = network.stock(&Device::Cpu).unwrap().score(&tensor).unwrap().to_vec1::<f32>().unwrap();
        let worst = ours.iter().zip(&stock).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
        assert!(worst <= 1e-5, "{hidden:?}: {worst}");
    }
}

/// A number agrees with candle's layers to 1e-5 of the target's deviation.
#[test]
fn candles_own_layers_agree_on_numbers() {
    let probability = network(&[64, 32], 15);
    let (s, dense) = (probability.standardisation().clone(), probability.dense().to_vec());
    let network = Network::with_head(s, dense, Head::Number { mean: 1e3, std: 50.0 }).unwrap();
    let rows = rows(300, 15);
    let tensor = Tensor::from_slice(&rows, (300, 15), &Device::Cpu).unwrap();
    let stock = network.stock(&Device::Cpu).unwrap().score(&tensor).unwrap().to_vec1::<f32>().unwrap();
    let ours = network.score_rows(&rows).unwrap();
    let worst = ours.iter().zip(&stock).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
    assert!(worst <= 50.0 * 1e-5, "{worst}");
}

#[test]
fn score_is_a_number_whatever_comes_in() {
    let mut network = network(&[64, 32], 15);
    let mut layers = network.dense().to_vec();
    for layer in &mut layers {
        layer.weight.fill(WEIGHT_ABS_MAX);
        layer.bias.fill(-WEIGHT_ABS_MAX);
    }
    network = Network::new(network.standardisation().clone(), layers).unwrap();
    for value in [f32::MAX, f32::MIN, f32::INFINITY, f32::NEG_INFINITY, f32::NAN, 0.0, -0.0, f32::MIN_POSITIVE] {
        for set in InstructionSet::available() {
            let mut score = [9.0];
            network.score_with(set, &[value; 15], &mut score);
            assert!((0.0..=1.0).contains(&score[0]), "{value} scores {}", score[0]);
        }
    }
    let head = Head::Number { mean: -3e38, std: 3e38 };
    let number = Network::with_head(network.standardisation().clone(), network.dense().to_vec(), head).unwrap();
    for set in InstructionSet::available() {
        let mut scores = [f32::NAN; 2];
        number.score_with(set, &[f32::MAX; 30], &mut scores);
        assert!(scores.iter().all(|score| score.is_finite()), "{scores:?}");
    }
}

/// Expected values from scipy.special.expit of the f32 in double precision.
#[test]
fn sigmoid_equals_scipy_within_two_units_in_the_last_place() {
    let table = [
        (-80.0, 1.804_851_387_845_415_3e-35),
        (-20.0, 2.061_153_618_190_203_7e-9),
        (-5.5, 0.004_070_137_715_896_128),
        (-1.0, 0.268_941_421_369_995_1),
        (-0.001, 0.499_750_000_008_958_9),
        (0.0, 0.5),
        (0.3, 0.574_442_519_725_829),
        (1.0, 0.731_058_578_630_004_9),
        (2.5, 0.924_141_819_978_756_6),
        (10.0, 0.999_954_602_131_297_6),
        (17.5, 0.999_999_974_890_009),
    ];
    for (x, expected) in table {
        let difference = (f64::from(sigmoid(x)) - expected).abs() / expected;
        assert!(difference <= 2.0 * f64::from(f32::EPSILON), "sigmoid({x}) = {}, expected {expected}", sigmoid(x));
    }
    assert_eq!((sigmoid(-1e30), sigmoid(1e30)), (sigmoid(-87.0), 1.0));
    // Against the double-precision formula on a grid of a million.
    for i in -500_000..500_000 {
        let x = i as f32 * 1.6e-4;
        let expected = 1.0 / (1.0 + f64::from(-x).exp());
        let difference = (f64::from(sigmoid(x)) - expected).abs() / expected;
        assert!(difference <= 2.0 * f64::from(f32::EPSILON), "sigmoid({x}) = {}, expected {expected}", sigmoid(x));
    }
}

#[track_caller]
fn refused(change: impl FnOnce(&mut Standardisation, &mut Vec<Dense>), message: &str) {
    let network = network(&[4], 3);
    let (mut s, mut layers) = (network.standardisation().clone(), network.dense().to_vec());
    change(&mut s, &mut layers);
    let error = Network::new(s, layers).unwrap_err().to_string();
    assert!(error.starts_with(message), "{error}");
}

#[test]
fn unusable_parts_are_refused() {
    for (mean, std) in [(f64::NAN, 1.0), (1e39, 1.0), (0.0, 0.0), (0.0, -1.0), (0.0, 1e-60), (0.0, f64::INFINITY)] {
        let good = network(&[4], 3);
        let (s, layers) = (good.standardisation().clone(), good.dense().to_vec());
        let error = Network::with_head(s, layers, Head::Number { mean, std }).unwrap_err().to_string();
        assert!(error.starts_with("the target's mean"), "{error}");
    }
    refused(|_, l| l.clear(), "network has 0 layers");
    refused(|s, _| s.mean.clear(), "network has 0 inputs");
    refused(|s, _| s.std[1] = 0.0, "standardisation of input 1 is unusable");
    refused(|s, _| s.std[1] = 1e-60, "standardisation of input 1 is unusable");
    refused(|s, _| s.fill[2] = f64::NAN, "standardisation of input 2 is unusable");
    refused(|s, _| s.fill.truncate(2), "fill has 2 values, expected 3");
    refused(|_, l| l[0].bias.push(0.0), "layer 0 bias has 5 values, expected 4");
    refused(|_, l| l[1].outputs = 2, "layer 1 has 2 outputs");
    refused(|_, l| l[0].outputs = 0, "layer 0 has 0 outputs");
    refused(|_, l| l[0].weight[5] = f32::NAN, "layer 0 weight has the value NaN at position 5");
    refused(|_, l| l[1].weight[0] = 1001.0, "layer 1 weight has the value 1001 at position 0");
    refused(|_, l| l[1].inputs = 3, "layer 1 inputs has 3 values, expected 4");
}
