//! The compute core of Catalog: many SHA-256 digests at once, and the Merkle root over chunk ids.
//!
//! Everything here is pure: byte views in, byte views out, owned by the caller; nothing is kept and
//! nothing is allocated. The WebAssembly core offers the same functions and must give the same bytes.

#![deny(unsafe_code)]

mod error;
mod features;
mod gear;
mod merkle;
mod sha256;
mod sketch;

pub use error::CoreError;
pub use features::Features;
pub use gear::{PROFILE_CONTENT_16K, PROFILE_CONTENT_64K, chunk};
pub use merkle::{MAX_CHUNK_BYTES, merkle_root};
pub use sha256::{DIGEST_BYTES, Sha256, Variant, sha256_many};
pub use sketch::{SYMBOL_BYTES, sketch_decode, sketch_update};

/// Version of the surface both cores share; it rises when a function changes shape or meaning.
pub const ABI_VERSION: u32 = 2;

/// The kernels this process uses, one `"function:variant"` entry per function with more than one,
/// for status pages and bug reports.
pub fn features() -> &'static [&'static str] {
    match Sha256::best().variant() {
        Variant::Portable => &["sha256:portable"],
        Variant::ShaNi => &["sha256:sha-ni"],
        Variant::ShaNiPair => &["sha256:sha-ni-x2"],
    }
}
