//! SHA-256 with the x86 SHA extension, for any number of interleaved streams.
//!
//! The register layout (ABEF and CDGH) and the order of the schedule instructions follow Intel's paper
//! "Intel SHA Extensions" (Gulley et al., 2013). The only unsafe steps are loads, stores and the
//! entry into code compiled for these instructions.

#![allow(unsafe_code)]
// Lanes are numbered throughout: one index walks several arrays in step.
#![allow(clippy::needless_range_loop)]

use super::{Block, Kernel, ROUND_CONSTANTS, State, States};
use crate::Features;
use std::arch::x86_64::*;

/// Proof that this processor has the instructions: it can only be made by [`ShaNi::detect`].
#[derive(Clone, Copy)]
pub(super) struct ShaNi(());

impl ShaNi {
    /// `None` when this process may not use the SHA extension.
    pub(super) fn detect() -> Option<Self> {
        Features::active().sha_ni.then_some(Self(()))
    }
}

impl<const N: usize> Kernel<N> for ShaNi {
    fn compress(self, states: &mut States<N>, blocks: [&[Block]; N]) {
        // SAFETY: `self` exists, so `detect` has found every feature that `compress` is compiled for.
        unsafe { compress(states, blocks) }
    }
}

/// One stream's chaining value in the order the round instruction wants it.
#[derive(Clone, Copy)]
struct Registers {
    abef: __m128i,
    cdgh: __m128i,
}

/// AVX is not used as such: it gives the three-operand encoding, which saves the copies that the
/// two-operand form of these instructions needs.
#[target_feature(enable = "sha,ssse3,sse4.1,avx")]
fn compress<const N: usize>(states: &mut States<N>, blocks: [&[Block]; N]) {
    let count = blocks.iter().map(|stream| stream.len()).min().unwrap_or(0);
    debug_assert!(blocks.iter().all(|stream| stream.len() == count), "streams differ in length");
    let mut registers = [Registers { abef: _mm_setzero_si128(), cdgh: _mm_setzero_si128() }; N];
    for lane in 0..N {
        registers[lane] = unpack(&states.get(lane));
    }
    for index in 0..count {
        let mut words = [[_mm_setzero_si128(); 4]; N];
        for lane in 0..N {
            words[lane] = load_block(&blocks[lane][index]);
        }
        let before = registers;
        // 64 rounds are 16 steps of four; each of the first twelve also makes the four schedule words
        // that are due four steps later.
        for group in 0..3 {
            step::<N, 0>(&mut registers, &mut words, group, true);
            step::<N, 1>(&mut registers, &mut words, group, true);
            step::<N, 2>(&mut registers, &mut words, group, true);
            step::<N, 3>(&mut registers, &mut words, group, true);
        }
        step::<N, 0>(&mut registers, &mut words, 3, false);
        step::<N, 1>(&mut registers, &mut words, 3, false);
        step::<N, 2>(&mut registers, &mut words, 3, false);
        step::<N, 3>(&mut registers, &mut words, 3, false);
        for lane in 0..N {
            registers[lane].abef = _mm_add_epi32(registers[lane].abef, before[lane].abef);
            registers[lane].cdgh = _mm_add_epi32(registers[lane].cdgh, before[lane].cdgh);
        }
    }
    for lane in 0..N {
        states.set(lane, pack(registers[lane]));
    }
}

/// Four rounds of every stream with schedule words `QUAD` of `group`.
///
/// The streams take turns instruction by instruction: while one waits for its round to finish, the
/// other one's is issued.
#[inline]
#[target_feature(enable = "sha,ssse3,sse4.1,avx")]
fn step<const N: usize, const QUAD: usize>(
    registers: &mut [Registers; N],
    words: &mut [[__m128i; 4]; N],
    group: usize,
    extend: bool,
) {
    let constants = load_constants(group * 4 + QUAD);
    let mut sums = [_mm_setzero_si128(); N];
    for lane in 0..N {
        sums[lane] = _mm_add_epi32(words[lane][QUAD], constants);
    }
    for lane in 0..N {
        let Registers { abef, cdgh } = registers[lane];
        registers[lane].cdgh = _mm_sha256rnds2_epu32(cdgh, abef, sums[lane]);
    }
    for lane in 0..N {
        let Registers { abef, cdgh } = registers[lane];
        registers[lane].abef = _mm_sha256rnds2_epu32(abef, cdgh, _mm_shuffle_epi32::<0x0e>(sums[lane]));
    }
    if extend {
        for stream in words {
            stream[QUAD] = next_words(
                stream[QUAD],
                stream[(QUAD + 1) % 4],
                stream[(QUAD + 2) % 4],
                stream[(QUAD + 3) % 4],
            );
        }
    }
}

/// Four new schedule words from the sixteen before them, oldest first.
#[inline]
#[target_feature(enable = "sha,ssse3,sse4.1,avx")]
fn next_words(w0: __m128i, w4: __m128i, w8: __m128i, w12: __m128i) -> __m128i {
    let sigma0 = _mm_sha256msg1_epu32(w0, w4);
    let seventh = _mm_alignr_epi8::<4>(w12, w8);
    _mm_sha256msg2_epu32(_mm_add_epi32(sigma0, seventh), w12)
}

#[inline]
#[target_feature(enable = "sha,ssse3,sse4.1,avx")]
fn load_block(block: &Block) -> [__m128i; 4] {
    // The words of a message are big-endian.
    let swap = _mm_set_epi64x(0x0c0d_0e0f_0809_0a0b, 0x0405_0607_0001_0203);
    let mut words = [_mm_setzero_si128(); 4];
    for (word, bytes) in words.iter_mut().zip(block.as_chunks::<16>().0) {
        // SAFETY: `bytes` is 16 readable bytes, and this load asks for no alignment.
        *word = _mm_shuffle_epi8(unsafe { _mm_loadu_si128(bytes.as_ptr().cast()) }, swap);
    }
    words
}

#[inline]
#[target_feature(enable = "sha,ssse3,sse4.1,avx")]
fn load_constants(quad: usize) -> __m128i {
    let constants = &ROUND_CONSTANTS.as_chunks::<4>().0[quad];
    // SAFETY: `constants` is 16 readable bytes, and this load asks for no alignment.
    unsafe { _mm_loadu_si128(constants.as_ptr().cast()) }
}

#[inline]
#[target_feature(enable = "sha,ssse3,sse4.1,avx")]
fn unpack(state: &State) -> Registers {
    let (low, high) = (state.as_ptr(), state[4..].as_ptr());
    // SAFETY: both pointers stand before four readable words, and these loads ask for no alignment.
    let (abcd, efgh) = unsafe { (_mm_loadu_si128(low.cast()), _mm_loadu_si128(high.cast())) };
    let cdab = _mm_shuffle_epi32::<0xb1>(abcd);
    let hgfe = _mm_shuffle_epi32::<0x1b>(efgh);
    Registers { abef: _mm_alignr_epi8::<8>(cdab, hgfe), cdgh: _mm_blend_epi16::<0xf0>(hgfe, cdab) }
}

#[inline]
#[target_feature(enable = "sha,ssse3,sse4.1,avx")]
fn pack(registers: Registers) -> State {
    let feba = _mm_shuffle_epi32::<0x1b>(registers.abef);
    let dchg = _mm_shuffle_epi32::<0xb1>(registers.cdgh);
    let mut state: State = [0; 8];
    let (low, high) = state.split_at_mut(4);
    // SAFETY: both halves are four writable words, and these stores ask for no alignment.
    unsafe {
        _mm_storeu_si128(low.as_mut_ptr().cast(), _mm_blend_epi16::<0xf0>(feba, dchg));
        _mm_storeu_si128(high.as_mut_ptr().cast(), _mm_alignr_epi8::<8>(dchg, feba));
    }
    state
}
