//! The compute core of Catalog: SHA-256, Merkle trees, content-defined chunks, erasure coding and set sketches.
//!
//! Everything here is pure: byte views in, byte views out, owned by the caller. Nothing is kept but a bounded cache of
//! decode matrices, and nothing is allocated but short lists of work. The WebAssembly core offers the same functions
//! and must give the same bytes.

#![deny(unsafe_code)]

mod erasure;
mod error;
mod features;
mod gear;
mod merkle;
mod sha256;
mod sketch;

pub use erasure::{Erasure, SHARDS_MAX, Variant as ErasureVariant, rs_encode, rs_reconstruct};
pub use error::CoreError;
pub use features::Features;
pub use gear::{PROFILE_CONTENT_16K, PROFILE_CONTENT_64K, chunk};
pub use merkle::{MERKLE_NODE_BYTES, max_chunk_bytes, merkle_root, merkle_verify};
pub use sha256::{DIGEST_BYTES, SHA256_STATE_BYTES, Sha256, Variant, sha256_many, sha256_update};
pub use sketch::{SYMBOL_BYTES, sketch_decode, sketch_update};

/// Version of the surface both cores share; it rises when a function changes shape or meaning.
pub const ABI_VERSION: u32 = 2;

/// The kernels this process uses, one `"function:variant"` entry per function with more than one,
/// for status pages and bug reports.
pub fn features() -> [&'static str; 2] {
    [Sha256::best().variant().name(), Erasure::best().variant().name()]
}
