//! Sixteen numbers at a time, in the forms that a processor may offer.
//!
//! Left to itself the compiler turns a tile of rows into code forty times slower than the processor allows, so the
//! vectors are named explicitly. Each form does the same rounding per number; a test compares their bits.

use super::STANDARDISED_MAX as LIMIT;
use serde::{Deserialize, Serialize};

/// Numbers per vector, in every form; weights are padded to a multiple of it.
pub(super) const LANES: usize = 16;

/// A form of the forward pass.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum InstructionSet {
    /// Plain code; the fast form on machines whose fused multiply-add is always there (64-bit Arm), slow on old x86.
    Portable,
    /// 256-bit vectors with fused multiply-add.
    Avx2,
    /// 512-bit vectors.
    Avx512,
}

impl InstructionSet {
    /// The fastest form that this machine has.
    #[must_use]
    pub fn best() -> Self {
        *Self::available().last().unwrap_or(&Self::Portable)
    }

    /// Every form that this machine has, slowest first.
    #[must_use]
    pub fn available() -> Vec<Self> {
        #[allow(unused_mut)]
        let mut sets = vec![Self::Portable];
        #[cfg(target_arch = "x86_64")]
        {
            let avx2 = is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma");
            if avx2 {
                sets.push(Self::Avx2);
            }
            if avx2 && is_x86_feature_detected!("avx512f") {
                sets.push(Self::Avx512);
            }
        }
        sets
    }
}

/// Sixteen `f32`. Every method is per lane.
///
/// # Safety
/// The caller runs on a machine with the instruction set, and pointers are valid for sixteen values.
pub(super) trait Lanes: Copy {
    unsafe fn load(from: *const f32) -> Self;
    /// The first `count` values, and zeros; only those are read.
    unsafe fn load_part(from: *const f32, count: usize) -> Self;
    unsafe fn store(self, to: *mut f32);
    unsafe fn splat(value: f32) -> Self;
    /// `self * weight + sum`, rounded once.
    unsafe fn fma(self, weight: Self, sum: Self) -> Self;
    /// The value where it is above zero, else +0.
    unsafe fn rectify(self) -> Self;
    /// `null` where the value is not finite, else `self * scale + shift` rounded once and kept within ±[`LIMIT`].
    unsafe fn standardise(self, scale: Self, shift: Self, null: Self) -> Self;
}

/// The portable form.
#[derive(Clone, Copy)]
pub(super) struct Plain([f32; LANES]);

impl Lanes for Plain {
    #[inline(always)]
    unsafe fn load(from: *const f32) -> Self {
        // SAFETY: the caller vouches for sixteen readable values.
        Self(unsafe { from.cast::<[f32; LANES]>().read_unaligned() })
    }

    #[inline(always)]
    unsafe fn load_part(from: *const f32, count: usize) -> Self {
        // SAFETY: the caller vouches for `count` readable values.
        Self(std::array::from_fn(|l| if l < count { unsafe { *from.add(l) } } else { 0.0 }))
    }

    #[inline(always)]
    unsafe fn store(self, to: *mut f32) {
        // SAFETY: the caller vouches for sixteen writable values.
        unsafe { to.cast::<[f32; LANES]>().write_unaligned(self.0) }
    }

    #[inline(always)]
    unsafe fn splat(value: f32) -> Self {
        Self([value; LANES])
    }

    #[inline(always)]
    unsafe fn fma(self, weight: Self, sum: Self) -> Self {
        Self(std::array::from_fn(|l| self.0[l].mul_add(weight.0[l], sum.0[l])))
    }

    #[inline(always)]
    unsafe fn rectify(self) -> Self {
        Self(self.0.map(|v| if v > 0.0 { v } else { 0.0 }))
    }

    #[inline(always)]
    unsafe fn standardise(self, scale: Self, shift: Self, null: Self) -> Self {
        Self(std::array::from_fn(|l| {
            let scaled = self.0[l].mul_add(scale.0[l], shift.0[l]);
            let z = if self.0[l].abs() <= f32::MAX { scaled } else { null.0[l] };
            let z = if z < LIMIT { z } else { LIMIT };
            if z > -LIMIT { z } else { -LIMIT }
        }))
    }
}

#[cfg(target_arch = "x86_64")]
pub(super) use x86::{Pair, Wide};

#[cfg(target_arch = "x86_64")]
mod x86 {
    use super::{LANES, LIMIT, Lanes};
    use std::arch::x86_64::{
        __m256, __m512, _CMP_LE_OQ, _mm256_andnot_ps, _mm256_blendv_ps, _mm256_cmp_ps, _mm256_cmpgt_epi32,
        _mm256_fmadd_ps, _mm256_loadu_ps, _mm256_maskload_ps, _mm256_max_ps, _mm256_min_ps, _mm256_set1_epi32,
        _mm256_set1_ps, _mm256_setr_epi32, _mm256_setzero_ps, _mm256_storeu_ps, _mm512_abs_ps, _mm512_cmp_ps_mask,
        _mm512_fmadd_ps, _mm512_loadu_ps, _mm512_mask_blend_ps, _mm512_maskz_loadu_ps, _mm512_max_ps, _mm512_min_ps,
        _mm512_set1_ps, _mm512_setzero_ps, _mm512_storeu_ps,
    };

    /// One 512-bit register.
    #[derive(Clone, Copy)]
    pub struct Wide(__m512);

    // SAFETY of all methods: the trait's contract gives the instruction set and the sixteen values. The maximum
    // returns its second operand when the first is NaN or both are zero, which is the rule of `rectify`.
    impl Lanes for Wide {
        #[inline(always)]
        unsafe fn load(from: *const f32) -> Self {
            Self(unsafe { _mm512_loadu_ps(from) })
        }

        #[inline(always)]
        unsafe fn load_part(from: *const f32, count: usize) -> Self {
            let mask = ((1u32 << count.min(LANES)) - 1) as u16;
            Self(unsafe { _mm512_maskz_loadu_ps(mask, from) })
        }

        #[inline(always)]
        unsafe fn store(self, to: *mut f32) {
            unsafe { _mm512_storeu_ps(to, self.0) }
        }

        #[inline(always)]
        unsafe fn splat(value: f32) -> Self {
            Self(unsafe { _mm512_set1_ps(value) })
        }

        #[inline(always)]
        unsafe fn fma(self, weight: Self, sum: Self) -> Self {
            Self(unsafe { _mm512_fmadd_ps(self.0, weight.0, sum.0) })
        }

        #[inline(always)]
        unsafe fn rectify(self) -> Self {
            Self(unsafe { _mm512_max_ps(self.0, _mm512_setzero_ps()) })
        }

        #[inline(always)]
        unsafe fn standardise(self, scale: Self, shift: Self, null: Self) -> Self {
            unsafe {
                let scaled = _mm512_fmadd_ps(self.0, scale.0, shift.0);
                let finite = _mm512_cmp_ps_mask::<_CMP_LE_OQ>(_mm512_abs_ps(self.0), _mm512_set1_ps(f32::MAX));
                let z = _mm512_mask_blend_ps(finite, null.0, scaled);
                Self(_mm512_max_ps(_mm512_min_ps(z, _mm512_set1_ps(LIMIT)), _mm512_set1_ps(-LIMIT)))
            }
        }
    }

    /// Two 256-bit registers.
    #[derive(Clone, Copy)]
    pub struct Pair(__m256, __m256);

    impl Lanes for Pair {
        #[inline(always)]
        unsafe fn load(from: *const f32) -> Self {
            unsafe { Self(_mm256_loadu_ps(from), _mm256_loadu_ps(from.add(8))) }
        }

        #[inline(always)]
        unsafe fn load_part(from: *const f32, count: usize) -> Self {
            unsafe {
                // A lane is read where its number is below the count.
                let count = _mm256_set1_epi32(count.min(LANES) as i32);
                let low = _mm256_cmpgt_epi32(count, _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7));
                let high = _mm256_cmpgt_epi32(count, _mm256_setr_epi32(8, 9, 10, 11, 12, 13, 14, 15));
                Self(_mm256_maskload_ps(from, low), _mm256_maskload_ps(from.wrapping_add(8), high))
            }
        }

        #[inline(always)]
        unsafe fn store(self, to: *mut f32) {
            unsafe {
                _mm256_storeu_ps(to, self.0);
                _mm256_storeu_ps(to.add(8), self.1);
            }
        }

        #[inline(always)]
        unsafe fn splat(value: f32) -> Self {
            let half = unsafe { _mm256_set1_ps(value) };
            Self(half, half)
        }

        #[inline(always)]
        unsafe fn fma(self, weight: Self, sum: Self) -> Self {
            unsafe { Self(_mm256_fmadd_ps(self.0, weight.0, sum.0), _mm256_fmadd_ps(self.1, weight.1, sum.1)) }
        }

        #[inline(always)]
        unsafe fn rectify(self) -> Self {
            unsafe {
                let zero = _mm256_setzero_ps();
                Self(_mm256_max_ps(self.0, zero), _mm256_max_ps(self.1, zero))
            }
        }

        #[inline(always)]
        unsafe fn standardise(self, scale: Self, shift: Self, null: Self) -> Self {
            unsafe {
                let half = |x, scale, shift, null| {
                    let scaled = _mm256_fmadd_ps(x, scale, shift);
                    let magnitude = _mm256_andnot_ps(_mm256_set1_ps(-0.0), x);
                    let finite = _mm256_cmp_ps::<_CMP_LE_OQ>(magnitude, _mm256_set1_ps(f32::MAX));
                    let z = _mm256_blendv_ps(null, scaled, finite);
                    _mm256_max_ps(_mm256_min_ps(z, _mm256_set1_ps(LIMIT)), _mm256_set1_ps(-LIMIT))
                };
                Self(half(self.0, scale.0, shift.0, null.0), half(self.1, scale.1, shift.1, null.1))
            }
        }
    }
}
