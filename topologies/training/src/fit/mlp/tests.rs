//! Gradients of the vectors of categories, against differences of the loss.
#![allow(clippy::unwrap_used)]

use super::*;
use crate::fit::Kind;

/// Two numbers and two categories between them, of four and three slots, every slot present.
fn examples() -> (Vec<f32>, Vec<f32>) {
    let row = |at: usize| [at as f32 / 7.0 - 1.0, (at % 4) as f32, (at % 3) as f32, (at * at % 11) as f32 / 5.0 - 1.0];
    ((0..24).flat_map(row).collect(), (0..24).map(|at| f32::from(u8::from(at % 5 < 2))).collect())
}

#[test]
fn the_gradient_of_every_vector_is_the_slope_of_the_loss() {
    let (rows, label) = examples();
    let examples = Examples { rows, label: &label, width: 4 };
    let embeddings = [
        Embedding { input: 1, dimension: 3, table: vec![0.0; 12] },
        Embedding { input: 2, dimension: 2, table: vec![0.0; 6] },
    ];
    let net = Net::new(4, &[5, 1], &embeddings, 3).unwrap();
    let config = Config { positive_weight: 2.0, ..Config::recommended(Kind::Mlp(vec![5]), 3, 1) };
    let fit = Fit::new(&config, &net, 24).unwrap();
    let all: Vec<usize> = (0..24).collect();
    let (rows, labels) = examples.batch(&all).unwrap();
    let loss = || fit.loss(&net.forward(&rows, |hidden| Ok(hidden.clone())).unwrap(), &labels).unwrap();
    let gradients = loss().backward().unwrap();
    for vectors in &net.vectors {
        let gradient = gradients.get(vectors).unwrap().flatten_all().unwrap().to_vec1::<f32>().unwrap();
        let table = vectors.flatten_all().unwrap().to_vec1::<f32>().unwrap();
        for at in 0..table.len() {
            const STEP: f32 = 1e-2;
            let at_distance = |step: f32| {
                let mut moved = table.clone();
                moved[at] += step;
                vectors.set(&Tensor::from_vec(moved, vectors.shape(), &Device::Cpu).unwrap()).unwrap();
                f64::from(loss().to_scalar::<f32>().unwrap())
            };
            let slope = (at_distance(STEP) - at_distance(-STEP)) / (2.0 * f64::from(STEP));
            at_distance(0.0);
            let found = f64::from(gradient[at]);
            assert!(
                (found - slope).abs() < 1e-3 + 0.02 * slope.abs(),
                "number {at}: {found}, differences give {slope}"
            );
        }
        assert!(gradient.iter().filter(|slope| slope.abs() > 1e-4).count() > gradient.len() / 2, "{gradient:?}");
    }
}
