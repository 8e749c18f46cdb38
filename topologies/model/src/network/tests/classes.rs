//! The softmax: its definition, its bits in every form, and values with a witness.

use super::*;

/// The softmax, number by number, with nothing clever: the exponential is the sigmoid's.
fn defined_softmax(outputs: &[f32], slope: f32) -> Vec<f32> {
    let z: Vec<f32> = outputs.iter().map(|output| output * slope).collect();
    let most = z.iter().copied().fold(f32::MIN, f32::max);
    let e: Vec<f32> = z.iter().map(|z| sigmoid::exp_negative((z - most).max(-80.0))).collect();
    let sum = e.iter().fold(0.0, |sum, e| sum + e);
    e.iter().map(|e| e / sum).collect()
}

/// A network of one layer that hands its inputs on.
fn bare(outputs: usize) -> Network {
    let s = Standardisation { mean: vec![0.0; outputs], std: vec![1.0; outputs], fill: vec![0.0; outputs] };
    let weight = (0..outputs * outputs).map(|at| f32::from(u8::from(at % (outputs + 1) == 0))).collect();
    let dense = Dense { inputs: outputs, outputs, weight, bias: vec![0.0; outputs] };
    Network::with_head(s, vec![dense], Head::Classes).unwrap()
}

fn temperature(slope: f64) -> Calibration {
    Calibration::Logistic { slope, offset: 0.0 }
}

#[track_caller]
fn check_bits(network: &Network, slope: f32) {
    let (inputs, count) = (network.inputs(), network.outputs());
    let rows = rows(37, inputs);
    let bits = |scores: &[f32]| scores.iter().map(|score| score.to_bits()).collect::<Vec<_>>();
    let expected: Vec<f32> =
        rows.chunks_exact(inputs).flat_map(|row| defined_softmax(&outputs(network, row), slope)).collect();
    for set in InstructionSet::available() {
        for batch in [1, 2, 3, 4, 5, 7, 8, 9, 12, 15, 16, 37] {
            let mut scores = vec![0.0; 37 * count];
            for (rows, scores) in rows.chunks(batch * inputs).zip(scores.chunks_mut(batch * count)) {
                network.score_with(set, rows, scores);
            }
            assert_eq!(bits(&scores), bits(&expected), "{inputs} to {count}, {set:?}, batches of {batch}");
        }
    }
}

#[test]
fn every_form_has_the_bits_of_the_definition_at_any_batch_size() {
    for (hidden, inputs, count) in
        [(&[64, 32][..], 15, 3), (&[], 15, 5), (&[1], 1, 2), (&[17], 3, 16), (&[33, 48], 40, 17), (&[8], 4, 256)]
    {
        let network = of_outputs(hidden, inputs, count);
        check_bits(&network, 1.0);
        check_bits(&network.calibrated(temperature(0.625)).unwrap(), 0.625);
    }
}

#[test]
fn categories_go_in_where_classes_come_out() {
    let s = Standardisation { mean: vec![0.0; 2], std: vec![1.0; 2], fill: vec![0.0; 2] };
    let embedding = Embedding { input: 1, dimension: 2, table: vec![0.5, -0.5, 1.0, 0.0, -1.0, 0.25] };
    let weight = vec![0.5, -0.25, 1.0, 0.75, -0.5, 0.1, -1.0, 0.3, 0.2];
    let dense = Dense { inputs: 3, outputs: 3, weight, bias: vec![0.0, 0.1, -0.1] };
    let network = Network::with_embeddings(s, vec![embedding], vec![dense.clone()], Head::Classes).unwrap();
    // More rows than are laid out at once.
    let rows: Vec<f32> = (0..700).flat_map(|at| [at as f32 / 100.0 - 3.0, (at % 4) as f32]).collect();
    let scores = network.score_rows(&rows).unwrap();
    let wide = Standardisation { mean: vec![0.0; 3], std: vec![1.0; 3], fill: vec![0.0; 3] };
    let plain = Network::with_head(wide, vec![dense], Head::Classes).unwrap();
    let vector = |slot: f32| match slot as usize {
        2 => [-1.0, 0.25],
        0 => [0.5, -0.5],
        _ => [1.0, 0.0],
    };
    let laid: Vec<f32> = rows.chunks(2).flat_map(|row| [[row[0]].as_slice(), &vector(row[1])].concat()).collect();
    assert_eq!(scores, plain.score_rows(&laid).unwrap());
}

#[test]
fn candle_agrees_and_returns_a_column_per_class() {
    for hidden in [&[64, 32][..], &[]] {
        let network = of_outputs(hidden, 15, 7).calibrated(temperature(1.5)).unwrap();
        let rows = rows(300, 15);
        let tensor = Tensor::from_slice(&rows, (300, 15), &Device::Cpu).unwrap();
        let ours = network.score_rows(&rows).unwrap();
        let operation = network.score_tensor(&tensor).unwrap();
        assert_eq!(operation.dims(), [300, 7]);
        assert_eq!(operation.flatten_all().unwrap().to_vec1::<f32>().unwrap(), ours);
        let stock = network.stock(&Device::Cpu).unwrap().score(&tensor).unwrap();
        assert_eq!(stock.dims(), [300, 7]);
        let stock = stock.flatten_all().unwrap().to_vec1::<f32>().unwrap();
        let worst = ours.iter().zip(&stock).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
        assert!(worst <= 1e-5, "{hidden:?}: {worst}");
    }
}

/// Expected: scipy.special.softmax 1.17 of the f32 in double precision; what is below e^-80 counts as that.
#[test]
fn softmax_equals_scipy() {
    let check = |outputs: &[f32], expected: &[f64]| {
        let scores = bare(outputs.len()).score_rows(outputs).unwrap();
        for (score, expected) in scores.iter().zip(expected) {
            let difference = (f64::from(*score) - expected).abs();
            let tolerance = 4.0 * f64::from(f32::EPSILON) * expected + (-79.9_f64).exp();
            assert!(difference <= tolerance, "{scores:?}, expected {expected}");
        }
        let sum: f64 = scores.iter().map(|score| f64::from(*score)).sum();
        assert!((sum - 1.0).abs() < 1e-6, "{sum}");
    };
    check(&[0.5, -1.25, 2.0], &[0.176_820_182_107_444_27, 0.030_726_740_326_436_432, 0.792_453_077_566_119_3]);
    check(
        &[10.0, 0.0, -30.0, 9.5],
        &[0.622_441_741_241_051_1, 2.825_881_133_358_25e-5, 2.644_353_020_072_526_2e-18, 0.377_529_999_947_645_1],
    );
    check(&[0.0; 5], &[0.2; 5]);
    check(&[1e4, -1e4, 9990.0], &[0.999_954_602_131_297_6, 0.0, 4.539_786_870_243_439_5e-5]);
}

#[test]
fn the_first_of_equally_probable_classes_is_the_most_probable() {
    assert_eq!(most_probable(&[0.2, 0.4, 0.4]), 1);
    assert_eq!(most_probable(&[0.25; 4]), 0);
    assert_eq!(most_probable(&[0.1, 0.2, 0.7]), 2);
}

#[test]
fn probabilities_are_normal_numbers_whatever_comes_in() {
    let network = of_outputs(&[64], 15, 256);
    let mut layers = network.dense().to_vec();
    for layer in &mut layers {
        let sign = |at: usize| if at.is_multiple_of(2) { WEIGHT_ABS_MAX } else { -WEIGHT_ABS_MAX };
        layer.weight.iter_mut().enumerate().for_each(|(at, weight)| *weight = sign(at / layer.inputs));
    }
    let network = Network::with_head(network.standardisation().clone(), layers, Head::Classes).unwrap();
    for slope in [1.0, -1.0, 1e38] {
        let network = network.clone().calibrated(temperature(slope)).unwrap();
        for value in [f32::MAX, f32::MIN, f32::INFINITY, f32::NAN, 0.0, f32::MIN_POSITIVE] {
            for set in InstructionSet::available() {
                let mut scores = [f32::NAN; 256];
                network.score_with(set, &[value; 15], &mut scores);
                assert!(scores.iter().all(|score| score.is_normal() && *score <= 1.0), "{value}: {scores:?}");
            }
        }
    }
}

#[test]
fn unusable_parts_of_classes_are_refused() {
    let good = of_outputs(&[4], 3, 3);
    let with = |outputs: usize| {
        let mut layers = good.dense().to_vec();
        layers[1] = Dense { inputs: 4, outputs, weight: vec![0.5; 4 * outputs], bias: vec![0.0; outputs] };
        Network::with_head(good.standardisation().clone(), layers, Head::Classes).map(|network| network.outputs())
    };
    assert_eq!((with(2), with(256)), (Ok(2), Ok(256)));
    for outputs in [1, 257] {
        let error = with(outputs).unwrap_err().to_string();
        assert!(error.contains(&format!("layer 1 has {outputs} outputs")) && error.contains("2 to 256"), "{error}");
    }
    let refused = |calibration| {
        let error = good.clone().calibrated(calibration).unwrap_err().to_string();
        assert!(error.contains("must be a finite slope, with offset 0"), "{error}");
    };
    refused(logistic());
    refused(curve());
    refused(temperature(f64::INFINITY));
}
