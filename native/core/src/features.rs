//! Which of the processor's extensions the kernels may use.
//!
//! Detected once per process. `CATALOG_CORE_FEATURES` narrows them, so that every variant can be tested on a machine
//! that has better ones: a comma-separated list of the names below, empty for the portable code alone. It can take
//! away what the processor has and never add what it lacks.

use std::sync::OnceLock;

/// The extensions that some kernel asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Features {
    /// `sha-ni`: SHA-256 rounds, with SSSE3, SSE4.1 and the three-operand forms of AVX around them.
    pub sha_ni: bool,
    /// `avx2`: 256-bit integer vectors.
    pub avx2: bool,
    /// `avx512`: 512-bit vectors of 32-bit words and of bytes (F and BW).
    pub avx512: bool,
    /// `gfni`: affine maps over GF(2)⁸, in vectors of any width that is there.
    pub gfni: bool,
}

const VARIABLE: &str = "CATALOG_CORE_FEATURES";

impl Features {
    /// Nothing but the portable code.
    pub const NONE: Self = Self { sha_ni: false, avx2: false, avx512: false, gfni: false };

    /// What this process uses.
    pub fn active() -> Self {
        static ACTIVE: OnceLock<Features> = OnceLock::new();
        *ACTIVE.get_or_init(|| {
            let detected = Self::detected();
            std::env::var(VARIABLE).map_or(detected, |list| detected.narrowed(&list))
        })
    }

    /// What the processor has.
    #[cfg(target_arch = "x86_64")]
    pub fn detected() -> Self {
        Self {
            sha_ni: is_x86_feature_detected!("sha")
                && is_x86_feature_detected!("ssse3")
                && is_x86_feature_detected!("sse4.1")
                && is_x86_feature_detected!("avx"),
            avx2: is_x86_feature_detected!("avx2"),
            avx512: is_x86_feature_detected!("avx512f") && is_x86_feature_detected!("avx512bw"),
            gfni: is_x86_feature_detected!("gfni") && is_x86_feature_detected!("avx"),
        }
    }

    /// What the processor has.
    #[cfg(not(target_arch = "x86_64"))]
    pub fn detected() -> Self {
        Self::NONE
    }

    /// Those of `self` that the comma-separated `list` names.
    pub fn narrowed(self, list: &str) -> Self {
        let named = |name| list.split(',').any(|word| word.trim() == name);
        Self {
            sha_ni: self.sha_ni && named("sha-ni"),
            avx2: self.avx2 && named("avx2"),
            avx512: self.avx512 && named("avx512"),
            gfni: self.gfni && named("gfni"),
        }
    }
}
