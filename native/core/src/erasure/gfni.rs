//! Products by the affine maps of GFNI, in vectors of 256 or 512 bits.
//!
//! The multiplication that this extension has is of another polynomial. But to multiply with a constant is linear over
//! the bits of the other factor, thus a matrix of 8 × 8 bits, and that is what an affine map takes.

#![allow(unsafe_code)]

use super::field;
use super::product::{Kernel, Part};
use super::vector::{self, ABREAST, Vector};
use crate::Features;
use std::arch::x86_64::*;

/// The matrix of each weight. Byte 7 − i is the row that makes bit i of the product; bit j of it tells whether bit j
/// of the other factor takes part.
static MATRICES: [u64; 256] = {
    let mut matrices = [0; 256];
    let mut weight = 0;
    while weight < 256 {
        let mut j = 0;
        while j < 8 {
            let product = field::multiply(weight as u8, 1 << j);
            let mut i = 0;
            while i < 8 {
                matrices[weight] |= ((product >> i & 1) as u64) << (8 * (7 - i) + j);
                i += 1;
            }
            j += 1;
        }
        weight += 1;
    }
    matrices
};

/// Proof that this processor has GFNI and AVX2.
#[derive(Clone, Copy)]
pub(super) struct Gfni256(());

impl Gfni256 {
    /// `None` when the processor, or its operating system, does not offer both.
    pub(super) fn detect() -> Option<Self> {
        let Features { avx2, gfni, .. } = Features::detected();
        (avx2 && gfni).then_some(Self(()))
    }
}

impl Kernel for Gfni256 {
    const STEP: usize = ABREAST * Self::BYTES;

    fn compute<const ROWS: usize>(self, part: Part<'_, ROWS>) {
        #[target_feature(enable = "gfni,avx2")]
        fn compiled<const ROWS: usize>(part: Part<'_, ROWS>) {
            // SAFETY: this function is compiled for the instructions of `Gfni256`.
            unsafe { vector::compute::<Gfni256, ROWS>(part) }
        }
        // SAFETY: `self` exists, so `detect` has found the instructions.
        unsafe { compiled(part) }
    }
}

impl Vector for Gfni256 {
    const BYTES: usize = 32;
    type Lanes = __m256i;
    type Operand = __m256i;
    type Table = u64;
    type Weight = __m256i;

    #[inline]
    fn table(weight: u8) -> u64 {
        MATRICES[usize::from(weight)]
    }

    #[inline]
    #[target_feature(enable = "gfni,avx2")]
    unsafe fn zero() -> __m256i {
        _mm256_setzero_si256()
    }

    #[inline]
    #[target_feature(enable = "gfni,avx2")]
    unsafe fn load(from: *const u8) -> __m256i {
        // SAFETY: the caller promises 32 readable bytes, and this load asks for no alignment.
        unsafe { _mm256_loadu_si256(from.cast()) }
    }

    #[inline]
    #[target_feature(enable = "gfni,avx2")]
    unsafe fn store(to: *mut u8, lanes: __m256i) {
        // SAFETY: the caller promises 32 writable bytes, and this store asks for no alignment.
        unsafe { _mm256_storeu_si256(to.cast(), lanes) }
    }

    #[inline]
    #[target_feature(enable = "gfni,avx2")]
    unsafe fn operand(lanes: __m256i) -> __m256i {
        lanes
    }

    #[inline]
    #[target_feature(enable = "gfni,avx2")]
    unsafe fn weight(matrix: &u64) -> __m256i {
        _mm256_set1_epi64x(matrix.cast_signed())
    }

    #[inline]
    #[target_feature(enable = "gfni,avx2")]
    unsafe fn add_product(sum: __m256i, matrix: __m256i, operand: __m256i) -> __m256i {
        _mm256_xor_si256(sum, _mm256_gf2p8affine_epi64_epi8::<0>(operand, matrix))
    }
}

/// Proof that this processor has GFNI and AVX-512.
#[derive(Clone, Copy)]
pub(super) struct Gfni512(());

impl Gfni512 {
    /// `None` when the processor, or its operating system, does not offer both.
    pub(super) fn detect() -> Option<Self> {
        let Features { avx512, gfni, .. } = Features::detected();
        (avx512 && gfni).then_some(Self(()))
    }
}

impl Kernel for Gfni512 {
    const STEP: usize = ABREAST * Self::BYTES;

    fn compute<const ROWS: usize>(self, part: Part<'_, ROWS>) {
        #[target_feature(enable = "gfni,avx512f")]
        fn compiled<const ROWS: usize>(part: Part<'_, ROWS>) {
            // SAFETY: this function is compiled for the instructions of `Gfni512`.
            unsafe { vector::compute::<Gfni512, ROWS>(part) }
        }
        // SAFETY: `self` exists, so `detect` has found the instructions.
        unsafe { compiled(part) }
    }
}

impl Vector for Gfni512 {
    const BYTES: usize = 64;
    type Lanes = __m512i;
    type Operand = __m512i;
    type Table = u64;
    type Weight = __m512i;

    #[inline]
    fn table(weight: u8) -> u64 {
        MATRICES[usize::from(weight)]
    }

    #[inline]
    #[target_feature(enable = "gfni,avx512f")]
    unsafe fn zero() -> __m512i {
        _mm512_setzero_si512()
    }

    #[inline]
    #[target_feature(enable = "gfni,avx512f")]
    unsafe fn load(from: *const u8) -> __m512i {
        // SAFETY: the caller promises 64 readable bytes, and this load asks for no alignment.
        unsafe { _mm512_loadu_si512(from.cast()) }
    }

    #[inline]
    #[target_feature(enable = "gfni,avx512f")]
    unsafe fn store(to: *mut u8, lanes: __m512i) {
        // SAFETY: the caller promises 64 writable bytes, and this store asks for no alignment.
        unsafe { _mm512_storeu_si512(to.cast(), lanes) }
    }

    #[inline]
    #[target_feature(enable = "gfni,avx512f")]
    unsafe fn operand(lanes: __m512i) -> __m512i {
        lanes
    }

    #[inline]
    #[target_feature(enable = "gfni,avx512f")]
    unsafe fn weight(matrix: &u64) -> __m512i {
        _mm512_set1_epi64(matrix.cast_signed())
    }

    /// Two of these for the same sum become one three-way XOR, which leaves more of the processor to the affine maps:
    /// 10 + 4 shards take 44 rather than 38 GB/s on Zen 4.
    #[inline]
    #[target_feature(enable = "gfni,avx512f")]
    unsafe fn add_product(sum: __m512i, matrix: __m512i, operand: __m512i) -> __m512i {
        _mm512_xor_si512(sum, _mm512_gf2p8affine_epi64_epi8::<0>(operand, matrix))
    }
}
