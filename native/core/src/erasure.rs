//! Erasure coding: parity shards for a stripe, and any k of its shards back to the rest.
//!
//! A systematic Reed–Solomon code: the data shards stay as they are, and each parity shard is a sum of them, weighted
//! with a row of a Cauchy matrix over GF(2⁸). Both directions are the same product of a matrix with shards; only its
//! weights (`pattern.rs`) differ.

#[cfg(target_arch = "x86_64")]
mod avx2;
mod cache;
mod field;
#[cfg(target_arch = "x86_64")]
mod gfni;
mod pattern;
mod portable;
mod product;
#[cfg(target_arch = "x86_64")]
mod vector;

use crate::{CoreError, Features};
use pattern::{Pattern, Positions};
use std::sync::OnceLock;

/// Data and parity shards of one stripe, together: what a byte can number, less one.
pub const SHARDS_MAX: usize = 255;

/// A way to multiply in GF(2⁸). All give the same bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Variant {
    /// Look-ups of single bytes, on every architecture.
    Portable,
    /// Look-ups of half bytes in vectors of 32.
    Avx2,
    /// Affine maps of 32 bytes.
    Gfni256,
    /// Affine maps of 64 bytes.
    Gfni512,
}

impl Variant {
    /// Every variant there is, slowest first, whether or not this processor has it.
    pub const ALL: [Self; 4] = [Self::Portable, Self::Avx2, Self::Gfni256, Self::Gfni512];

    /// Its name in status pages and bug reports.
    pub fn name(self) -> &'static str {
        match self {
            Self::Portable => "erasure:portable",
            Self::Avx2 => "erasure:avx2",
            Self::Gfni256 => "erasure:gfni-256",
            Self::Gfni512 => "erasure:gfni-512",
        }
    }

    fn is_allowed(self, features: Features) -> bool {
        let Features { avx2, avx512, gfni, .. } = features;
        match self {
            Self::Portable => true,
            Self::Avx2 => avx2,
            Self::Gfni256 => avx2 && gfni,
            Self::Gfni512 => avx512 && gfni,
        }
    }
}

/// Erasure coding with a variant this processor is known to have.
#[derive(Clone, Copy)]
pub struct Erasure(Backend);

#[derive(Clone, Copy)]
enum Backend {
    Portable(portable::Portable),
    #[cfg(target_arch = "x86_64")]
    Avx2(avx2::Avx2),
    #[cfg(target_arch = "x86_64")]
    Gfni256(gfni::Gfni256),
    #[cfg(target_arch = "x86_64")]
    Gfni512(gfni::Gfni512),
}

impl Erasure {
    /// The fastest variant that [`Features::active`] allows; chosen once per process.
    pub fn best() -> Self {
        static BEST: OnceLock<Erasure> = OnceLock::new();
        *BEST.get_or_init(|| {
            let allowed = Variant::ALL.into_iter().filter(|variant| variant.is_allowed(Features::active()));
            allowed.rev().find_map(Self::with).unwrap_or(Self(Backend::Portable(portable::Portable)))
        })
    }

    /// The given variant, or `None` when this processor lacks it. For tests and measurements.
    pub fn with(variant: Variant) -> Option<Self> {
        match variant {
            Variant::Portable => Some(Backend::Portable(portable::Portable)),
            #[cfg(target_arch = "x86_64")]
            Variant::Avx2 => avx2::Avx2::detect().map(Backend::Avx2),
            #[cfg(target_arch = "x86_64")]
            Variant::Gfni256 => gfni::Gfni256::detect().map(Backend::Gfni256),
            #[cfg(target_arch = "x86_64")]
            Variant::Gfni512 => gfni::Gfni512::detect().map(Backend::Gfni512),
            #[cfg(not(target_arch = "x86_64"))]
            _ => None,
        }
        .map(Self)
    }

    /// Which variant this is.
    pub fn variant(self) -> Variant {
        match self.0 {
            Backend::Portable(_) => Variant::Portable,
            #[cfg(target_arch = "x86_64")]
            Backend::Avx2(_) => Variant::Avx2,
            #[cfg(target_arch = "x86_64")]
            Backend::Gfni256(_) => Variant::Gfni256,
            #[cfg(target_arch = "x86_64")]
            Backend::Gfni512(_) => Variant::Gfni512,
        }
    }

    /// [`rs_encode`] with this variant.
    ///
    /// # Errors
    /// As [`rs_encode`].
    pub fn encode(
        self,
        k: usize,
        m: usize,
        shard_bytes: usize,
        data: &[u8],
        parity: &mut [u8],
    ) -> Result<usize, CoreError> {
        check_numbers(k, m, shard_bytes)?;
        check_length("data", data.len(), k, shard_bytes)?;
        check_length("parity", parity.len(), m, shard_bytes)?;
        let pattern = Pattern { data: k, sources: (0..k).collect(), targets: (k..k + m).collect() };
        let sources: Vec<&[u8]> = data.chunks_exact(shard_bytes).collect();
        let mut targets: Vec<&mut [u8]> = parity.chunks_exact_mut(shard_bytes).collect();
        self.compute(&pattern, &sources, &mut targets);
        Ok(m)
    }

    /// [`rs_reconstruct`] with this variant.
    ///
    /// # Errors
    /// As [`rs_reconstruct`].
    pub fn reconstruct(
        self,
        k: usize,
        m: usize,
        shard_bytes: usize,
        shards: &mut [u8],
        present: &[u8],
        want: &[u8],
    ) -> Result<usize, CoreError> {
        check_numbers(k, m, shard_bytes)?;
        check_length("shards", shards.len(), k + m, shard_bytes)?;
        check_length("present", present.len(), k + m, 1)?;
        check_length("want", want.len(), k + m, 1)?;
        let missing = |&z: &usize| want[z] != 0 && present[z] == 0;
        let targets: Positions = (0..k + m).filter(missing).collect();
        let written = targets.count();
        if written == 0 {
            return Ok(0);
        }
        // Data first: they need the least work.
        let sources: Positions = (0..k + m).filter(|&z| present[z] != 0).take(k).collect();
        if sources.count() < k {
            return Err(CoreError::TooFewShards { present: sources.count(), needed: k });
        }
        let pattern = Pattern { data: k, sources, targets };
        let (mut sources, mut targets) = (Vec::with_capacity(k), Vec::with_capacity(written));
        for (z, shard) in shards.chunks_exact_mut(shard_bytes).enumerate() {
            if pattern.sources.contains(z) {
                sources.push(&*shard);
            } else if pattern.targets.contains(z) {
                targets.push(shard);
            }
        }
        self.compute(&pattern, &sources, &mut targets);
        Ok(written)
    }

    fn compute(self, pattern: &Pattern, sources: &[&[u8]], targets: &mut [&mut [u8]]) {
        cache::with_matrix(pattern, |matrix| match self.0 {
            Backend::Portable(kernel) => product::multiply(kernel, matrix, sources, targets),
            #[cfg(target_arch = "x86_64")]
            Backend::Avx2(kernel) => product::multiply(kernel, matrix, sources, targets),
            #[cfg(target_arch = "x86_64")]
            Backend::Gfni256(kernel) => product::multiply(kernel, matrix, sources, targets),
            #[cfg(target_arch = "x86_64")]
            Backend::Gfni512(kernel) => product::multiply(kernel, matrix, sources, targets),
        });
    }
}

/// Parity of one stripe: any k of its k + m shards give back the rest.
///
/// Parity j is Σ dataᵢ / ((k + j) ⊕ i) over GF(2⁸) with x⁸ + x⁴ + x³ + x² + 1, byte by byte. `data` is k shards of
/// `shard_bytes` ≥ 1 each, `parity` receives m of them; k and m are at least 1, together at most 255. Returns m.
///
/// # Errors
/// `CORE_RANGE` when k, m or `shard_bytes` is out of bounds, `CORE_LENGTH` when a buffer has another length. Nothing
/// is written then.
///
/// See Blömer et al., An XOR-Based Erasure-Resilient Coding Scheme, ICSI TR-95-048, for Cauchy matrices.
pub fn rs_encode(
    k: usize,
    m: usize,
    shard_bytes: usize,
    data: &[u8],
    parity: &mut [u8],
) -> Result<usize, CoreError> {
    Erasure::best().encode(k, m, shard_bytes, data, parity)
}

/// Rebuilds lost shards of a stripe from any k of it.
///
/// `shards` is k + m shards of `shard_bytes` each, data, then parity; those that are absent and wanted are written,
/// no others. `present` and `want` are k + m bytes, not 0 where a shard is there or shall be. Each thread keeps the
/// weights for the losses it met last, up to 254 KiB. Returns the number of shards written.
///
/// # Errors
/// `CORE_RANGE` when k, m or `shard_bytes` is out of bounds or fewer than k shards are present while one is to be
/// rebuilt, `CORE_LENGTH` when a buffer has another length. Nothing is written then.
pub fn rs_reconstruct(
    k: usize,
    m: usize,
    shard_bytes: usize,
    shards: &mut [u8],
    present: &[u8],
    want: &[u8],
) -> Result<usize, CoreError> {
    Erasure::best().reconstruct(k, m, shard_bytes, shards, present, want)
}

fn check_numbers(k: usize, m: usize, shard_bytes: usize) -> Result<(), CoreError> {
    let together = k.saturating_add(m);
    if k == 0 || m == 0 || together > SHARDS_MAX || shard_bytes == 0 {
        return Err(CoreError::Stripe { data: k, parity: m, shard_bytes });
    }
    Ok(())
}

fn check_length(
    what: &'static str,
    actual: usize,
    shards: usize,
    shard_bytes: usize,
) -> Result<(), CoreError> {
    // A product beyond 64 bits is no length that a buffer can have, and neither is the largest that fits them.
    let (actual, expected) = (actual as u64, (shards as u64).saturating_mul(shard_bytes as u64));
    if actual == expected { Ok(()) } else { Err(CoreError::Length { what, actual, expected }) }
}
