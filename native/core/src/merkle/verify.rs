//! Proofs that a chunk is part of a blob.

use super::node::{self, Node};
use super::{hash_root, max_chunk_bytes};
use crate::error::sized;
use crate::sha256::Digest;
use crate::{CoreError, MERKLE_NODE_BYTES, Sha256};

/// The most bytes a blob may have: what JavaScript's numbers count without gaps.
const TOTAL_MAX: u64 = (1 << 53) - 1;

/// Whether a chunk is part of the blob with a given root, and where the root says.
///
/// `root` and `id` are 32 bytes, `id` the SHA-256 of the chunk; `profile`, `total` bytes (at most 2⁵³ − 1) and `count`
/// chunks are those of the root. `index` numbers the chunk from 0, `length` is its length in bytes. `proof` is the
/// sibling at each level from the leaf upwards, 40 bytes each: u64be bytes below ‖ hash. Returns false for anything
/// that does not lead to `root`, shapes of `proof`, `index` and `length` included.
///
/// # Errors
/// `CORE_LENGTH` when `root` or `id` has another length, `CORE_RANGE` when `total` is out of bounds.
///
/// See RFC 9162 §2.1.3.2.
#[allow(clippy::too_many_arguments)] // The claim has that many parts, and both cores take them one by one.
pub fn merkle_verify(
    root: &[u8],
    profile: u8,
    total: u64,
    count: u32,
    index: u32,
    id: &[u8],
    length: u32,
    proof: &[u8],
) -> Result<bool, CoreError> {
    let root: &Digest = sized("root", root)?;
    let id: &Digest = sized("id", id)?;
    if total > TOTAL_MAX {
        let value = i64::try_from(total).unwrap_or(i64::MAX);
        return Err(CoreError::Bounds { what: "total", value, allowed: "0 to 2^53 - 1" });
    }
    let (steps, odd) = proof.as_chunks::<MERKLE_NODE_BYTES>();
    if !odd.is_empty() || index >= count || length == 0 || length > max_chunk_bytes(profile) {
        return Ok(false);
    }
    let sha256 = Sha256::best();
    let leaf = node::hash_message(sha256, &node::leaf_message(id, length));
    let top = climb(sha256, leaf, index, count - 1, steps, total);
    Ok(top.is_some_and(|top| hash_root(sha256, profile, total, count, &top) == *root))
}

/// The top that a proof leads to from leaf `index` of `last` + 1: `None` when it has too few steps or too many, or
/// when not just `total` bytes lie below.
fn climb(
    sha256: Sha256,
    leaf: Node,
    mut index: u32,
    mut last: u32,
    steps: &[Node],
    total: u64,
) -> Option<Digest> {
    let mut reached = leaf;
    for sibling in steps {
        let elsewhere = total.checked_sub(node::bytes_below(&reached))?;
        if last == 0 || node::bytes_below(sibling) > elsewhere {
            return None;
        }
        let is_right = index % 2 == 1 || index == last;
        let (left, right) = if is_right { (sibling, &reached) } else { (&reached, sibling) };
        reached = node::hash_message(sha256, &node::node_message(left, right));
        // A node without a right neighbour has met its sibling on a higher level.
        let skipped = if is_right { index.trailing_zeros() } else { 0 };
        (index, last) = (index >> skipped >> 1, last >> skipped >> 1);
    }
    (last == 0 && node::bytes_below(&reached) == total).then_some(*node::hash_of(&reached))
}
