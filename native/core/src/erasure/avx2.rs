//! Products by AVX2: one look-up for each half of a byte.
//!
//! See Plank, Greenan and Miller, Screaming Fast Galois Field Arithmetic Using Intel SIMD Instructions, FAST 2013.

#![allow(unsafe_code)]

use super::field;
use super::product::{Kernel, Part};
use super::vector::{self, ABREAST, Vector};
use crate::Features;
use std::arch::x86_64::*;

/// The products of a weight with 0…15, and with 0…15 × 16.
type Products = [[u8; 16]; 2];

/// Those of each weight.
static PRODUCTS: [Products; 256] = {
    let mut products = [[[0; 16]; 2]; 256];
    let mut weight = 0;
    while weight < 256 {
        let mut half = 0;
        while half < 16 {
            products[weight][0][half] = field::multiply(weight as u8, half as u8);
            products[weight][1][half] = field::multiply(weight as u8, (half as u8) << 4);
            half += 1;
        }
        weight += 1;
    }
    products
};

/// Proof that this processor has AVX2.
#[derive(Clone, Copy)]
pub(super) struct Avx2(());

impl Avx2 {
    /// `None` when the processor, or its operating system, does not offer it.
    pub(super) fn detect() -> Option<Self> {
        Features::detected().avx2.then_some(Self(()))
    }
}

impl Kernel for Avx2 {
    const STEP: usize = ABREAST * Self::BYTES;

    fn compute<const ROWS: usize>(self, part: Part<'_, ROWS>) {
        #[target_feature(enable = "avx2")]
        fn compiled<const ROWS: usize>(part: Part<'_, ROWS>) {
            // SAFETY: this function is compiled for the instructions of `Avx2`.
            unsafe { vector::compute::<Avx2, ROWS>(part) }
        }
        // SAFETY: `self` exists, so `detect` has found the instructions.
        unsafe { compiled(part) }
    }
}

impl Vector for Avx2 {
    const BYTES: usize = 32;
    type Lanes = __m256i;
    /// The lower halves of the bytes, then the upper ones.
    type Operand = [__m256i; 2];
    type Table = Products;
    /// The table for the lower halves, then that for the upper ones.
    type Weight = [__m256i; 2];

    #[inline]
    fn table(weight: u8) -> Products {
        PRODUCTS[usize::from(weight)]
    }

    #[inline]
    #[target_feature(enable = "avx2")]
    unsafe fn zero() -> __m256i {
        _mm256_setzero_si256()
    }

    #[inline]
    #[target_feature(enable = "avx2")]
    unsafe fn load(from: *const u8) -> __m256i {
        // SAFETY: the caller promises 32 readable bytes, and this load asks for no alignment.
        unsafe { _mm256_loadu_si256(from.cast()) }
    }

    #[inline]
    #[target_feature(enable = "avx2")]
    unsafe fn store(to: *mut u8, lanes: __m256i) {
        // SAFETY: the caller promises 32 writable bytes, and this store asks for no alignment.
        unsafe { _mm256_storeu_si256(to.cast(), lanes) }
    }

    #[inline]
    #[target_feature(enable = "avx2")]
    unsafe fn operand(lanes: __m256i) -> [__m256i; 2] {
        let lower = _mm256_set1_epi8(0x0f);
        [_mm256_and_si256(lanes, lower), _mm256_and_si256(_mm256_srli_epi64::<4>(lanes), lower)]
    }

    #[inline]
    #[target_feature(enable = "avx2")]
    unsafe fn weight([lower, upper]: &Products) -> [__m256i; 2] {
        // SAFETY: both are 16 readable bytes, and these loads ask for no alignment.
        let (lower, upper) =
            unsafe { (_mm_loadu_si128(lower.as_ptr().cast()), _mm_loadu_si128(upper.as_ptr().cast())) };
        [_mm256_broadcastsi128_si256(lower), _mm256_broadcastsi128_si256(upper)]
    }

    #[inline]
    #[target_feature(enable = "avx2")]
    unsafe fn add_product(sum: __m256i, weight: [__m256i; 2], operand: [__m256i; 2]) -> __m256i {
        let lower = _mm256_shuffle_epi8(weight[0], operand[0]);
        let upper = _mm256_shuffle_epi8(weight[1], operand[1]);
        _mm256_xor_si256(sum, _mm256_xor_si256(lower, upper))
    }
}
