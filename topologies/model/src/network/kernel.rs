//! The forward pass: one body, compiled once per instruction set.
//!
//! A tile of rows by vectors of outputs is held in registers while the inputs go by in ascending order. How large the
//! tile is changes which sums are worked on side by side, never the order within a sum.

use super::lanes::{InstructionSet, LANES, Lanes, Plain};
#[cfg(target_arch = "x86_64")]
use super::lanes::{Pair, Wide};
use super::sigmoid::sigmoid;
use super::{Dense, STANDARDISED_MAX, Standardisation};

/// Most rows in a register tile, so that many rows of intermediate values are kept.
const TILE_ROWS_MAX: usize = 8;

/// Standardisation folded into one fused multiply-add per input.
#[derive(Debug, Clone)]
pub(super) struct Scaler {
    scale: Vec<f32>,
    shift: Vec<f32>,
    null: Vec<f32>,
}

impl Scaler {
    pub fn new(s: &Standardisation) -> Self {
        let per_input = |f: fn(f64, f64, f64) -> f64| -> Vec<f32> {
            (0..s.mean.len()).map(|i| f(s.mean[i], s.std[i], s.fill[i]) as f32).collect()
        };
        Self {
            scale: per_input(|_, std, _| 1.0 / std),
            shift: per_input(|mean, std, _| -mean / std),
            null: per_input(|mean, std, fill| (fill - mean) / std),
        }
    }

    /// Standardises one row.
    #[inline(always)]
    pub fn apply(&self, row: &[f32], to: &mut [f32]) {
        let n = to.len();
        let (row, scale, shift, null) = (&row[..n], &self.scale[..n], &self.shift[..n], &self.null[..n]);
        for i in 0..n {
            let scaled = row[i].mul_add(scale[i], shift[i]);
            let finite = row[i].abs() <= f32::MAX;
            let z = if finite { scaled } else { null[i] };
            let z = if z < STANDARDISED_MAX { z } else { STANDARDISED_MAX };
            to[i] = if z > -STANDARDISED_MAX { z } else { -STANDARDISED_MAX };
        }
    }
}

/// A layer laid out for the kernel: per vector of sixteen outputs, sixteen weights per input in input order.
#[derive(Debug, Clone)]
pub(super) struct Layer {
    inputs: usize,
    vectors: usize,
    weight: Vec<f32>,
    bias: Vec<f32>,
    rectified: bool,
}

impl Layer {
    pub fn new(dense: &Dense, rectified: bool) -> Self {
        let (inputs, vectors) = (dense.inputs, dense.outputs.div_ceil(LANES));
        let mut weight = vec![0.0; vectors * inputs * LANES];
        for (output, row) in dense.weight.chunks_exact(inputs).enumerate() {
            let (vector, lane) = (output / LANES, output % LANES);
            for (input, &w) in row.iter().enumerate() {
                weight[(vector * inputs + input) * LANES + lane] = w;
            }
        }
        let mut bias = dense.bias.clone();
        bias.resize(vectors * LANES, 0.0);
        Self { inputs, vectors, weight, bias, rectified }
    }
}

/// Scores the rows in the form for `set`.
pub(super) fn forward(set: InstructionSet, scaler: &Scaler, layers: &[Layer], rows: &[f32], out: &mut [f32]) {
    assert_eq!(rows.len(), out.len() * scaler.scale.len(), "rows must hold one value per row and input");
    match set {
        // SAFETY: plain code needs no instruction set.
        InstructionSet::Portable => unsafe { run::<Plain, 1, 1, 1>(scaler, layers, rows, out) },
        #[cfg(target_arch = "x86_64")]
        InstructionSet::Avx2 => {
            assert!(is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma"), "this machine has no AVX2");
            // SAFETY: just detected.
            unsafe { forward_avx2(scaler, layers, rows, out) }
        }
        #[cfg(target_arch = "x86_64")]
        InstructionSet::Avx512 => {
            assert!(is_x86_feature_detected!("avx512f") && is_x86_feature_detected!("fma"), "this machine has no AVX-512");
            // SAFETY: just detected.
            unsafe { forward_avx512(scaler, layers, rows, out) }
        }
        #[cfg(not(target_arch = "x86_64"))]
        InstructionSet::Avx2 | InstructionSet::Avx512 => panic!("{set:?} is not an instruction set of this machine"),
    }
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2,fma")]
fn forward_avx2(scaler: &Scaler, layers: &[Layer], rows: &[f32], out: &mut [f32]) {
    // SAFETY: this function runs only where the instruction set is there. Four rows of one vector are eight
    // registers of sums, enough to keep both multipliers busy; more would not fit in sixteen.
    unsafe { run::<Pair, 4, 1, 2>(scaler, layers, rows, out) }
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx512f,avx2,fma")]
fn forward_avx512(scaler: &Scaler, layers: &[Layer], rows: &[f32], out: &mut [f32]) {
    // SAFETY: as above. Eight rows of two vectors are sixteen of thirty-two registers.
    unsafe { run::<Wide, 8, 2, 4>(scaler, layers, rows, out) }
}

/// All rows: full tiles of `R` rows by `T` vectors, then half tiles, then row by row with `T1` vectors side by side.
#[inline(always)]
unsafe fn run<V: Lanes, const R: usize, const T: usize, const T1: usize>(
    scaler: &Scaler,
    layers: &[Layer],
    rows: &[f32],
    out: &mut [f32],
) {
    const { assert!(R <= TILE_ROWS_MAX) };
    let inputs = scaler.scale.len();
    let width = layers.iter().map(|l| l.vectors * LANES).max().unwrap_or(0).max(inputs);
    let tile_rows = out.len().min(R);
    let mut scratch = vec![0.0; 2 * tile_rows * width];
    let (front, back) = scratch.split_at_mut(tile_rows * width);
    let mut tile = Tile { scaler, layers, front, back, width };
    let mut at = 0;
    // SAFETY: the caller vouches for the instruction set.
    unsafe {
        while at + R <= out.len() {
            tile.score::<V, R, T>(&rows[at * inputs..], &mut out[at..]);
            at += R;
        }
        while R > 4 && at + 4 <= out.len() {
            tile.score::<V, 4, T>(&rows[at * inputs..], &mut out[at..]);
            at += 4;
        }
        while at < out.len() {
            tile.score::<V, 1, T1>(&rows[at * inputs..], &mut out[at..]);
            at += 1;
        }
    }
}

/// What a tile of rows needs on its way through the layers.
struct Tile<'a> {
    scaler: &'a Scaler,
    layers: &'a [Layer],
    /// Values entering the next layer, `width` apart per row; swapped with `back` after each layer.
    front: &'a mut [f32],
    back: &'a mut [f32],
    width: usize,
}

impl Tile<'_> {
    #[inline(always)]
    unsafe fn score<V: Lanes, const R: usize, const T: usize>(&mut self, rows: &[f32], out: &mut [f32]) {
        let inputs = self.scaler.scale.len();
        for r in 0..R {
            let to = &mut self.front[r * self.width..r * self.width + inputs];
            self.scaler.apply(&rows[r * inputs..(r + 1) * inputs], to);
        }
        for layer in self.layers {
            let mut vector = 0;
            // SAFETY: the caller vouches for the instruction set.
            unsafe {
                while vector + T <= layer.vectors {
                    block::<V, R, T>(layer, vector, self.front, self.back, self.width);
                    vector += T;
                }
                while vector < layer.vectors {
                    block::<V, R, 1>(layer, vector, self.front, self.back, self.width);
                    vector += 1;
                }
            }
            std::mem::swap(&mut self.front, &mut self.back);
        }
        for r in 0..R {
            out[r] = sigmoid(self.front[r * self.width]);
        }
    }
}

/// `R` rows by `T` vectors of one layer's outputs.
#[inline(always)]
unsafe fn block<V: Lanes, const R: usize, const T: usize>(
    layer: &Layer,
    first: usize,
    from: &[f32],
    to: &mut [f32],
    width: usize,
) {
    let (inputs, end) = (layer.inputs, first + T);
    assert!(width >= inputs && width >= end * LANES && from.len() >= R * width && to.len() >= R * width);
    assert!(layer.weight.len() >= end * inputs * LANES && layer.bias.len() >= end * LANES);
    // SAFETY: the assertions above bound every address below, and the caller vouches for the instruction set.
    unsafe {
        let (weight, bias) = (layer.weight.as_ptr(), layer.bias.as_ptr());
        let (from, to) = (from.as_ptr(), to.as_mut_ptr());
        let start: [V; T] = std::array::from_fn(|t| V::load(bias.add((first + t) * LANES)));
        let mut sums = [start; R];
        for i in 0..inputs {
            let w: [V; T] = std::array::from_fn(|t| V::load(weight.add(((first + t) * inputs + i) * LANES)));
            for (r, row) in sums.iter_mut().enumerate() {
                let x = V::splat(*from.add(r * width + i));
                for t in 0..T {
                    row[t] = x.fma(w[t], row[t]);
                }
            }
        }
        for (r, row) in sums.iter().enumerate() {
            for (t, &sum) in row.iter().enumerate() {
                let value = if layer.rectified { sum.rectify() } else { sum };
                value.store(to.add(r * width + (first + t) * LANES));
            }
        }
    }
}
