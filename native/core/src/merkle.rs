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

use crate::{CoreError, DIGEST_BYTES, Sha256};

/// The longest chunk a root may cover.
pub const MAX_CHUNK_BYTES: u32 = 65_536;

const LEAF_PREFIX: u8 = 0x00;
const NODE_PREFIX: u8 = 0x01;
const ROOT_PREFIX: u8 = 0x02;
/// Version of the tree's construction.
const TREE_VERSION: u8 = 1;
/// Number of SHA-256 in the root's algorithm byte.
const ALGORITHM_SHA256: u8 = 1;

/// A chunk count below 2³² keeps at most one subtree per bit waiting.
const MAX_PEAKS: usize = 32;

/// The top of a subtree and how many bytes lie below it.
#[derive(Clone, Copy)]
struct Subtree {
    hash: [u8; DIGEST_BYTES],
    bytes: u64,
}

/// Merkle root over chunk ids.
///
/// `ids` is n × 32 bytes, the SHA-256 of each chunk in order, and `lengths` their n lengths in bytes,
/// each 1 to 65,536; n may be 0. `profile` names how the blob was cut. `out` receives the root. The
/// work space is a fixed 1.3 KB of stack, whatever n. Returns the number of digests written: 1.
///
/// # Errors
/// `CORE_LENGTH` when `ids` is not 32 × `lengths`, `CORE_RANGE` when a length is out of bounds or n does
/// not fit 32 bits. Nothing is written then.
///
/// See RFC 9162 §2.1.1 for the shape.
pub fn merkle_root(
    ids: &[u8],
    lengths: &[u32],
    profile: u8,
    out: &mut [u8; DIGEST_BYTES],
) -> Result<usize, CoreError> {
    let (actual, expected) = (ids.len() as u64, lengths.len() as u64 * DIGEST_BYTES as u64);
    if actual != expected {
        return Err(CoreError::Length { what: "ids", actual, expected });
    }
    let count = u32::try_from(lengths.len()).map_err(|_| CoreError::ChunkCount(lengths.len()))?;
    let sha256 = Sha256::best();
    let chunks = ids.as_chunks::<DIGEST_BYTES>().0.iter().zip(lengths);
    let top = top(sha256, chunks)?;
    *out = root(sha256, profile, count, top);
    Ok(1)
}

/// The subtree over all chunks, found the way RFC 9162 §2.1.2 does it: after chunk i there is one
/// waiting subtree for each 1 in the binary form of i + 1, the largest first, and a new leaf merges
/// with as many of them as i ends in 1s.
fn top<'a>(
    sha256: Sha256,
    chunks: impl Iterator<Item = (&'a [u8; DIGEST_BYTES], &'a u32)>,
) -> Result<Subtree, CoreError> {
    let mut peaks = [Subtree { hash: [0; DIGEST_BYTES], bytes: 0 }; MAX_PEAKS];
    let mut height = 0;
    for (index, (id, &bytes)) in chunks.enumerate() {
        if bytes == 0 || bytes > MAX_CHUNK_BYTES {
            return Err(CoreError::ChunkLength { index, bytes });
        }
        let mut subtree = leaf(sha256, id, bytes);
        for _ in 0..index.trailing_ones() {
            height -= 1;
            subtree = node(sha256, peaks[height], subtree);
        }
        peaks[height] = subtree;
        height += 1;
    }
    // The peaks shrink to the right, and each is the right-hand subtree of all those before it.
    let whole = peaks[..height].iter().rev().copied().reduce(|right, left| node(sha256, left, right));
    Ok(whole.unwrap_or_else(|| Subtree { hash: sha256.digest(b""), bytes: 0 }))
}

fn leaf(sha256: Sha256, id: &[u8; DIGEST_BYTES], bytes: u32) -> Subtree {
    let bytes = u64::from(bytes);
    let mut message = [LEAF_PREFIX; 41];
    message[1..9].copy_from_slice(&bytes.to_be_bytes());
    message[9..].copy_from_slice(id);
    Subtree { hash: sha256.digest(&message), bytes }
}

fn node(sha256: Sha256, left: Subtree, right: Subtree) -> Subtree {
    let bytes = left.bytes + right.bytes;
    let mut message = [NODE_PREFIX; 73];
    message[1..9].copy_from_slice(&bytes.to_be_bytes());
    message[9..41].copy_from_slice(&left.hash);
    message[41..].copy_from_slice(&right.hash);
    Subtree { hash: sha256.digest(&message), bytes }
}

fn root(sha256: Sha256, profile: u8, count: u32, top: Subtree) -> [u8; DIGEST_BYTES] {
    let mut message = [0; 48];
    message[..4].copy_from_slice(&[ROOT_PREFIX, TREE_VERSION, ALGORITHM_SHA256, profile]);
    message[4..12].copy_from_slice(&top.bytes.to_be_bytes());
    message[12..16].copy_from_slice(&count.to_be_bytes());
    message[16..].copy_from_slice(&top.hash);
    sha256.digest(&message)
}
