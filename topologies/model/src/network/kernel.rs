//! The forward pass: one body, compiled once per instruction set.
//!
//! A tile of rows by vectors of outputs is held in registers while the inputs go by in ascending order. How large the
//! tile is changes which sums are worked on side by side, never the order within a sum.

use super::head::Finish;
use super::lanes::{InstructionSet, LANES, Lanes, Plain};
#[cfg(target_arch = "x86_64")]
use super::lanes::{Pair, Wide};
use super::{Dense, Standardisation};

/// Most rows in a register tile, so that many rows of intermediate values are kept.
const TILE_ROWS_MAX: usize = 8;

/// Intermediate values that fit on the stack: one row of a network up to 128 wide, where an allocation would show.
const SCRATCH_SMALL: usize = 256;

/// Standardisation folded into one fused multiply-add per input, padded with zeros to whole vectors.
#[derive(Debug, Clone)]
pub(super) struct Scaler {
    inputs: usize,
    scale: Vec<[f32; LANES]>,
    shift: Vec<[f32; LANES]>,
    null: Vec<[f32; LANES]>,
}

impl Scaler {
    pub fn new(s: &Standardisation) -> Self {
        let inputs = s.mean.len();
        let padded = |f: fn(f64, f64, f64) -> f64| -> Vec<[f32; LANES]> {
            let mut vectors = vec![[0.0; LANES]; inputs.div_ceil(LANES)];
            for i in 0..inputs {
                vectors[i / LANES][i % LANES] = f(s.mean[i], s.std[i], s.fill[i]) as f32;
            }
            vectors
        };
        Self {
            inputs,
            scale: padded(|_, std, _| 1.0 / std),
            shift: padded(|mean, std, _| -mean / std),
            null: padded(|mean, std, fill| (fill - mean) / std),
        }
    }

    /// Length that `to` of [`Scaler::apply`] has to have.
    pub fn padded(&self) -> usize {
        self.scale.len() * LANES
    }

    /// Standardises one row into whole vectors; what lies behind the row becomes some finite number.
    pub fn apply(&self, row: &[f32], to: &mut [f32]) {
        // SAFETY: plain code needs no instruction set.
        unsafe { self.apply_as::<Plain>(row, to) }
    }

    #[inline(always)]
    unsafe fn apply_as<V: Lanes>(&self, row: &[f32], to: &mut [f32]) {
        let constants = self.scale.iter().zip(&self.shift).zip(&self.null);
        let parts = row[..self.inputs].chunks(LANES).zip(to.as_chunks_mut::<LANES>().0);
        for ((values, to), ((scale, shift), null)) in parts.zip(constants) {
            // SAFETY: constants and target are arrays of sixteen values, of the row only what is there is read, and
            // the caller vouches for the instruction set.
            unsafe {
                let [scale, shift, null] = [scale, shift, null].map(|v| V::load(v.as_ptr()));
                let values = V::load_part(values.as_ptr(), values.len());
                values.standardise(scale, shift, null).store(to.as_mut_ptr());
            }
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

/// A network as the forward pass sees it.
#[derive(Clone, Copy)]
pub(super) struct Parts<'a> {
    pub scaler: &'a Scaler,
    pub layers: &'a [Layer],
    pub finish: &'a Finish,
    /// Numbers that a row gives.
    pub outputs: usize,
}

/// Scores the rows in the form for `set`.
pub(super) fn forward(set: InstructionSet, parts: &Parts<'_>, rows: &[f32], out: &mut [f32]) {
    let (inputs, outputs) = (parts.scaler.inputs, parts.outputs);
    let count = rows.len() / inputs;
    assert!(
        rows.len() == count * inputs && out.len() == count * outputs,
        "rows must hold one value per row and input, and there must be a place per row and output"
    );
    match set {
        // SAFETY: plain code needs no instruction set.
        InstructionSet::Portable => unsafe { run::<Plain, 1, 1, 1>(parts, rows, out) },
        #[cfg(target_arch = "x86_64")]
        InstructionSet::Avx2 => {
            assert!(is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma"), "this machine has no AVX2");
            // SAFETY: just detected.
            unsafe { forward_avx2(parts, rows, out) }
        }
        #[cfg(target_arch = "x86_64")]
        InstructionSet::Avx512 => {
            assert!(
                is_x86_feature_detected!("avx512f") && is_x86_feature_detected!("fma"),
                "this machine has no AVX-512"
            );
            // SAFETY: just detected.
            unsafe { forward_avx512(parts, rows, out) }
        }
        #[cfg(not(target_arch = "x86_64"))]
        InstructionSet::Avx2 | InstructionSet::Avx512 => panic!("{set:?} is not an instruction set of this machine"),
    }
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2,fma")]
fn forward_avx2(parts: &Parts<'_>, rows: &[f32], out: &mut [f32]) {
    // SAFETY: this function runs only where the instruction set is there. Four rows of one vector are eight
    // registers of sums, enough to keep both multipliers busy; more would not fit in sixteen.
    unsafe { run::<Pair, 4, 1, 2>(parts, rows, out) }
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx512f,avx2,fma")]
fn forward_avx512(parts: &Parts<'_>, rows: &[f32], out: &mut [f32]) {
    // SAFETY: as above. Eight rows of two vectors are sixteen of thirty-two registers.
    unsafe { run::<Wide, 8, 2, 4>(parts, rows, out) }
}

/// All rows: full tiles of `R` rows by `T` vectors, then half tiles, then row by row with `T1` vectors side by side.
#[inline(always)]
unsafe fn run<V: Lanes, const R: usize, const T: usize, const T1: usize>(
    parts: &Parts<'_>,
    rows: &[f32],
    out: &mut [f32],
) {
    let Parts { scaler, layers, outputs, .. } = *parts;
    const { assert!(R <= TILE_ROWS_MAX) };
    let inputs = scaler.inputs;
    let count = out.len() / outputs;
    let width = layers.iter().map(|l| l.vectors * LANES).max().unwrap_or(0).max(scaler.padded());
    let tile_rows = count.min(R);
    let (mut small, mut large) = ([0.0; SCRATCH_SMALL], Vec::new());
    let scratch = match 2 * tile_rows * width {
        needed if needed <= SCRATCH_SMALL => &mut small[..needed],
        needed => {
            large.resize(needed, 0.0);
            large.as_mut_slice()
        }
    };
    let (front, back) = scratch.split_at_mut(tile_rows * width);
    let mut tile = Tile { parts: *parts, front, back, width };
    let mut at = 0;
    // SAFETY: the caller vouches for the instruction set.
    unsafe {
        while at + R <= count {
            tile.score::<V, R, T>(&rows[at * inputs..], &mut out[at * outputs..]);
            at += R;
        }
        while R > 4 && at + 4 <= count {
            tile.score::<V, 4, T>(&rows[at * inputs..], &mut out[at * outputs..]);
            at += 4;
        }
        while at < count {
            tile.score::<V, 1, T1>(&rows[at * inputs..], &mut out[at * outputs..]);
            at += 1;
        }
    }
}

/// What a tile of rows needs on its way through the layers.
struct Tile<'a> {
    parts: Parts<'a>,
    /// Values entering the next layer, `width` apart per row; swapped with `back` after each layer.
    front: &'a mut [f32],
    back: &'a mut [f32],
    width: usize,
}

impl Tile<'_> {
    #[inline(always)]
    unsafe fn score<V: Lanes, const R: usize, const T: usize>(&mut self, rows: &[f32], out: &mut [f32]) {
        let Parts { scaler, layers, finish, outputs } = self.parts;
        let (inputs, padded) = (scaler.inputs, scaler.padded());
        for r in 0..R {
            let to = &mut self.front[r * self.width..r * self.width + padded];
            // SAFETY: the caller vouches for the instruction set.
            unsafe { scaler.apply_as::<V>(&rows[r * inputs..(r + 1) * inputs], to) };
        }
        for layer in layers {
            let mut vector = 0;
            // SAFETY: the caller vouches for the instruction set.
            unsafe {
                while vector + T <= layer.vectors {
                    block::<V, R, T>(layer, vector, self.front, self.back, self.width);
                    vector += T;
                }
                // What is left over still runs in pairs: two sums side by side take the time of one.
                while T > 2 && vector + 2 <= layer.vectors {
                    block::<V, R, 2>(layer, vector, self.front, self.back, self.width);
                    vector += 2;
                }
                while vector < layer.vectors {
                    block::<V, R, 1>(layer, vector, self.front, self.back, self.width);
                    vector += 1;
                }
            }
            std::mem::swap(&mut self.front, &mut self.back);
        }
        for r in 0..R {
            finish.row(&self.front[r * self.width..][..outputs], &mut out[r * outputs..][..outputs]);
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
