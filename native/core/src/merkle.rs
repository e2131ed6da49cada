//! The Merkle root that names a blob.
//!
//! The tree has the shape of RFC 9162 §2.1.1. Unlike there, every hash also binds the bytes below it,
//! so that a fetcher knows where a subtree lies in the blob before it has seen the chunks:
//!
//! ```text
//! leaf = H(0x00 ‖ u64be chunk bytes ‖ chunk id)
//! node = H(0x01 ‖ u64be bytes below ‖ left ‖ right)
//! root = H(0x02 ‖ u8 version ‖ u8 algorithm ‖ u8 profile ‖ u64be total bytes ‖ u32be chunks ‖ top)
//! ```

mod node;
mod tree;
mod verify;

use crate::error::check_length;
use crate::sha256::Digest;
use crate::{CoreError, DIGEST_BYTES, Sha256};

pub use node::MERKLE_NODE_BYTES;
pub use verify::merkle_verify;

const ROOT_PREFIX: u8 = 0x02;
/// Version of the tree's construction.
const TREE_VERSION: u8 = 1;
/// Number of SHA-256 in the root's algorithm byte.
const ALGORITHM_SHA256: u8 = 1;

/// The profile whose chunks are the longest: cut by content, 64 KiB on average.
const PROFILE_CONTENT_64K: u8 = 2;

/// The longest chunk, in bytes, of a blob that was cut by `profile`.
pub fn max_chunk_bytes(profile: u8) -> u32 {
    if profile == PROFILE_CONTENT_64K { 262_144 } else { 65_536 }
}

/// Merkle root over chunk ids.
///
/// `ids` is n × 32 bytes, the SHA-256 of each chunk in order, and `lengths` their n lengths in bytes, each 1 to
/// [`max_chunk_bytes`]; n may be 0. `profile` names how the blob was cut. `out` is 32 bytes and receives the root.
/// `nodes`, if given, is (2n − 1) × 40 bytes (none for n = 0) and receives every leaf and node as u64be bytes below ‖
/// hash: the leaves, then level by level upwards, each from left to right. A node without a right neighbour moves up
/// as it is and stands on its lowest level only; the last one is the top. Without `nodes` the work space is some
/// 16 KB of stack, whatever n. Returns the number of roots written: 1.
///
/// # Errors
/// `CORE_LENGTH` when `ids`, `out` or `nodes` has another length, `CORE_RANGE` when a chunk's length is out of bounds
/// or n does not fit 32 bits. Nothing is written then.
///
/// See RFC 9162 §2.1.1 for the shape.
pub fn merkle_root(
    ids: &[u8],
    lengths: &[u32],
    profile: u8,
    out: &mut [u8],
    nodes: Option<&mut [u8]>,
) -> Result<usize, CoreError> {
    let count = lengths.len();
    check_length("ids", ids.len(), count * DIGEST_BYTES)?;
    check_length("out", out.len(), DIGEST_BYTES)?;
    if let Some(nodes) = &nodes {
        check_length("nodes", nodes.len(), tree::nodes_of(count) * MERKLE_NODE_BYTES)?;
    }
    let stated_count = u32::try_from(count).map_err(|_| CoreError::ChunkCount(count))?;
    let max = max_chunk_bytes(profile);
    if let Some(index) = lengths.iter().position(|&bytes| bytes == 0 || bytes > max) {
        return Err(CoreError::ChunkLength { index, bytes: lengths[index], max });
    }
    let sha256 = Sha256::best();
    let ids = ids.as_chunks().0;
    let top = match nodes {
        Some(nodes) => tree::build(sha256, ids, lengths, nodes.as_chunks_mut().0),
        None => tree::top(sha256, ids, lengths),
    };
    let (bytes, hash) = match &top {
        Some(top) => (node::bytes_below(top), *node::hash_of(top)),
        None => (0, sha256.digest(b"")),
    };
    out.copy_from_slice(&hash_root(sha256, profile, bytes, stated_count, &hash));
    Ok(1)
}

fn hash_root(sha256: Sha256, profile: u8, total: u64, count: u32, top: &Digest) -> Digest {
    let mut message = [0; 48];
    message[..4].copy_from_slice(&[ROOT_PREFIX, TREE_VERSION, ALGORITHM_SHA256, profile]);
    message[4..12].copy_from_slice(&total.to_be_bytes());
    message[12..16].copy_from_slice(&count.to_be_bytes());
    message[16..].copy_from_slice(top);
    sha256.digest(&message)
}
