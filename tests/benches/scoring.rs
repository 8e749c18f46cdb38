//! Scoring: CPU time per row of our forward pass beside candle's own layers, on a 15-64-32-1 network.
//!
//! `cargo bench -p tests --bench scoring`. Targets: at most 400 ns at batch 1 and 80 ns a row at batch 256. Times are of
//! the process's CPU, all threads, the fastest of several rounds, for other work on the machine only slows. Both sides
//! go through candle: tensor from a slice, forward pass, scores read back.
#![allow(clippy::unwrap_used, clippy::print_stdout)]

use candle_core::{Device, Tensor};
use model::{Dense, InstructionSet, Network, Standardisation};
use std::hint::black_box;
use tests::clock::cpu_ns;

const INPUTS: usize = 15;
const BATCHES: [usize; 4] = [1, 8, 64, 256];
const ROWS_PER_ROUND: usize = 32_768;
const ROUNDS: usize = 15;

/// Nanoseconds per row of the fastest round.
fn measure(batch: usize, rows: &[f32], mut score: impl FnMut(&[f32])) -> f64 {
    let round = |score: &mut dyn FnMut(&[f32])| {
        let start = cpu_ns();
        for at in (0..ROWS_PER_ROUND).step_by(batch) {
            let from = at % 4096 * INPUTS;
            score(&rows[from..from + batch * INPUTS]);
        }
        (cpu_ns() - start) as f64 / ROWS_PER_ROUND as f64
    };
    (0..ROUNDS).map(|_| round(&mut score)).fold(f64::INFINITY, f64::min)
}

fn network() -> Network {
    let mut state = 1u32;
    let mut next = move || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 8) as f32 / 8_388_608.0 - 1.0
    };
    let dense = [(INPUTS, 64), (64, 32), (32, 1)].map(|(inputs, outputs)| Dense {
        inputs,
        outputs,
        weight: (0..inputs * outputs).map(|_| next() * 0.3).collect(),
        bias: (0..outputs).map(|_| next() * 0.1).collect(),
    });
    let s = Standardisation { mean: vec![0.5; INPUTS], std: vec![2.0; INPUTS], fill: vec![0.5; INPUTS] };
    Network::new(s, dense.to_vec()).unwrap()
}

fn main() {
    // Candle asks for its number of threads in every matrix product, and without this variable it reads
    // /proc/cpuinfo each time, which costs 30 µs: the stock side is measured without that.
    // SAFETY: no other thread runs yet.
    unsafe { std::env::set_var("RAYON_NUM_THREADS", "1") };
    let network = network();
    let stock = network.stock(&Device::Cpu).unwrap();
    let rows: Vec<f32> = (0..4096 * INPUTS).map(|i| (i * 7919 % 1000) as f32 / 100.0 - 4.0).collect();
    println!("MLP 15-64-32-1, ns per row (process CPU), our form: {:?}", InstructionSet::best());
    println!("{:>6} {:>12} {:>12} {:>12} {:>8}", "batch", "ours, candle", "ours, slice", "stock candle", "ratio");
    for batch in BATCHES {
        let mut out = vec![0.0; batch];
        let ours = measure(batch, &rows, |rows| network.score_into(black_box(rows), black_box(&mut out)).unwrap());
        let slice = measure(batch, &rows, |rows| network.score(black_box(rows), black_box(&mut out)));
        let stock = measure(batch, &rows, |rows| {
            let rows = Tensor::from_slice(black_box(rows), (batch, INPUTS), &Device::Cpu).unwrap();
            // Nulls are left to ours: the stock side is timed on its shortest path.
            black_box(stock.score_present(&rows).unwrap().to_vec1::<f32>().unwrap());
        });
        println!("{batch:>6} {ours:>12.1} {slice:>12.1} {stock:>12.1} {:>8.1}", stock / ours);
    }
}
