//! Vectors in the places of categories: the bits are those of a plain network that is given them by hand.
#![allow(clippy::unwrap_used)]

use crate::network::{Dense, Embedding, Head, INPUTS_MAX, InstructionSet, Network, Standardisation, sigmoid};
use candle_core::{Device, Tensor};

/// Numbers between -1 and 1 that look random and are the same everywhere.
fn drawn(seed: u32, count: usize) -> Vec<f32> {
    let mut state = seed;
    let mut next = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 8) as f32 / 8_388_608.0 - 1.0
    };
    (0..count).map(|_| next()).collect()
}

fn layers(width: usize, hidden: &[usize]) -> Vec<Dense> {
    let mut inputs = width;
    let layer = |(at, &outputs): (usize, &usize)| {
        let weight = drawn(at as u32, inputs * outputs);
        let dense = Dense { inputs, outputs, weight, bias: drawn(90 + at as u32, outputs) };
        inputs = outputs;
        dense
    };
    hidden.iter().chain(&[1]).enumerate().map(layer).collect()
}

/// Five inputs, of which the second has four slots and three dimensions and the last five slots and one.
fn embedded(hidden: &[usize], head: Head) -> Network {
    let numbers = |category: f64, number: f64| vec![number, category, number + 1.0, number, category];
    let s = Standardisation { mean: numbers(0.0, 2.0), std: numbers(1.0, 3.0), fill: numbers(0.0, 2.5) };
    let embeddings = vec![
        Embedding { input: 1, dimension: 3, table: drawn(5, 12) },
        Embedding { input: 4, dimension: 1, table: drawn(6, 5) },
    ];
    Network::with_embeddings(s, embeddings, layers(7, hidden), head).unwrap()
}

/// The same network over seven numbers.
fn plain(hidden: &[usize], head: Head) -> Network {
    let numbers = |vector: f64, number: f64| vec![number, vector, vector, vector, number + 1.0, number, vector];
    let s = Standardisation { mean: numbers(0.0, 2.0), std: numbers(1.0, 3.0), fill: numbers(0.0, 2.5) };
    Network::with_head(s, layers(7, hidden), head).unwrap()
}

/// Rows with every slot, null, and numbers that are no slot; and the same rows with vectors put in.
fn rows(count: usize) -> (Vec<f32>, Vec<f32>) {
    let (first, second) = (drawn(5, 12), drawn(6, 5));
    let cells = [f32::NAN, 0.0, 1.0, 2.0, 3.0, 4.0, 5.0, -2.0, 2.5, 1e9];
    let slot = |cell: f32, slots: usize| match cell {
        cell if cell.is_nan() => 0,
        cell if [0.0, 1.0, 2.0, 3.0, 4.0].contains(&cell) && (cell as usize) < slots => cell as usize,
        _ => 1,
    };
    let (mut raw, mut wide) = (Vec::new(), Vec::new());
    for row in 0..count {
        let mut numbers = drawn(1000 + row as u32, 3);
        if row % 5 == 3 {
            numbers[1] = f32::NAN;
        }
        let (a, b) = (cells[row % 10], cells[row / 3 % 10]);
        raw.extend([numbers[0], a, numbers[1], numbers[2], b]);
        wide.push(numbers[0]);
        wide.extend(&first[slot(a, 4) * 3..][..3]);
        wide.extend([numbers[1], numbers[2], second[slot(b, 5)]]);
    }
    (raw, wide)
}

#[test]
fn vectors_take_the_places_of_categories_in_every_form_and_batch() {
    let (raw, wide) = rows(300);
    let number = Head::Number { mean: 189.46, std: 181.39 };
    for (hidden, head) in [(&[][..], Head::Probability), (&[17, 6], Head::Probability), (&[9], number)] {
        let (embedded, plain) = (embedded(hidden, head), plain(hidden, head));
        let mut expected = vec![0.0; 300];
        plain.score(&wide, &mut expected);
        for set in InstructionSet::available() {
            for batch in [1, 2, 5, 8, 37, 255, 256, 257, 300] {
                let mut scores = vec![0.0; 300];
                for (rows, scores) in raw.chunks(batch * 5).zip(scores.chunks_mut(batch)) {
                    embedded.score_with(set, rows, scores);
                }
                let equal = scores.iter().zip(&expected).all(|(a, b): (&f32, &f32)| a.to_bits() == b.to_bits());
                assert!(equal, "{hidden:?} {set:?} in batches of {batch}");
            }
        }
        assert_eq!(embedded.score_rows(&raw).unwrap(), expected);
        assert_eq!((embedded.inputs(), embedded.dense()[0].inputs), (5, 7));
    }
}

/// By hand: 0.5 - 0.25 + the weight of the slot.
#[test]
fn a_linear_model_adds_the_weight_of_the_category() {
    let s = Standardisation { mean: vec![0.0; 2], std: vec![1.0; 2], fill: vec![0.0; 2] };
    let weights = Embedding { input: 1, dimension: 1, table: vec![0.0, 0.125, 1.5, -2.0] };
    let dense = Dense { inputs: 2, outputs: 1, weight: vec![0.5, 1.0], bias: vec![-0.25] };
    let network = Network::with_embeddings(s, vec![weights], vec![dense], Head::Probability).unwrap();
    let scores = network.score_rows(&[1.0, f32::NAN, 1.0, 1.0, 1.0, 2.0, 1.0, 3.0]).unwrap();
    assert_eq!(scores, [0.25, 0.375, 1.75, -1.75].map(sigmoid));
}

#[test]
fn candles_own_layers_agree_to_1e_5() {
    let network = embedded(&[17, 6], Head::Probability);
    let rows: Vec<f32> = rows(300)
        .0
        .chunks(5)
        .flat_map(|row| {
            let in_range =
                |cell: f32, slots: usize| if cell.is_nan() { cell } else { (cell.abs() as usize % slots) as f32 };
            [row[0], in_range(row[1], 4), row[2], row[3], in_range(row[4], 5)]
        })
        .collect();
    let tensor = Tensor::from_slice(&rows, (300, 5), &Device::Cpu).unwrap();
    let stock = network.stock(&Device::Cpu).unwrap().score(&tensor).unwrap().to_vec1::<f32>().unwrap();
    let ours = network.score_rows(&rows).unwrap();
    let worst = ours.iter().zip(&stock).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
    assert!(worst <= 1e-5, "{worst}");
}

#[track_caller]
fn refused(change: impl FnOnce(&mut Standardisation, &mut Vec<Embedding>, &mut Vec<Dense>), message: &str) {
    let network = embedded(&[4], Head::Probability);
    let (mut s, mut embeddings, mut dense) =
        (network.standardisation().clone(), network.embeddings().to_vec(), network.dense().to_vec());
    change(&mut s, &mut embeddings, &mut dense);
    let error = Network::with_embeddings(s, embeddings, dense, Head::Probability).unwrap_err().to_string();
    assert!(error.starts_with(message), "{error}");
}

#[test]
fn unusable_embeddings_are_refused() {
    refused(|_, e, _| e[1].input = 5, "the embedding of input 5 is unusable: inputs must rise and be there");
    refused(|_, e, _| e.swap(0, 1), "the embedding of input 1 is unusable: inputs must rise");
    refused(|_, e, _| e[0].dimension = 0, "the embedding of input 1 is unusable: its vectors have 0 numbers");
    refused(|_, e, _| e[0].dimension = 65, "the embedding of input 1 is unusable: its vectors have 65 numbers");
    refused(|_, e, _| e[0].table.truncate(11), "the embedding of input 1 is unusable: 11 numbers do not fill");
    refused(|_, e, _| e[1].table.truncate(1), "the embedding of input 4 is unusable: 1 numbers do not fill");
    refused(|_, e, _| e[0].table[7] = f32::NAN, "embedding of input 1 has the value NaN at position 7");
    refused(|s, _, _| s.mean[4] = 1.0, "the embedding of input 4 is unusable: a category has mean 0");
    refused(|_, e, _| (e[0].dimension, e[0].table) = (2, vec![0.0; 4]), "layer 0 inputs has 7 values, expected 6");
    let many = INPUTS_MAX + 1;
    let s = Standardisation { mean: vec![0.0; many - 1], std: vec![1.0; many - 1], fill: vec![0.0; many - 1] };
    let wide = vec![Embedding { input: 0, dimension: 2, table: vec![0.0; 4] }];
    let error = Network::with_embeddings(s, wide, layers(many, &[]), Head::Probability).unwrap_err().to_string();
    assert!(error.starts_with("1025 numbers enter the first layer"), "{error}");
}
