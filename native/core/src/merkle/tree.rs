//! The tree over the chunks of a blob, many hashes at a time.

use super::node::{self, Node};
use crate::sha256::Digest;
use crate::{MERKLE_NODE_BYTES, Sha256};

/// Hashes at a time, as many as the widest kernel has lanes.
const BATCH: usize = 16;
/// Chunks whose tree is made at once where only the top is wanted.
const SUBTREE_CHUNKS: usize = 128;
/// A chunk count below 2³² leaves at most one subtree per bit waiting.
const PEAKS_MAX: usize = 32;

/// How many leaves and nodes there are over `chunks` chunks.
pub(super) fn nodes_of(chunks: usize) -> usize {
    (2 * chunks).saturating_sub(1)
}

/// The top over all chunks, `None` when there are none.
///
/// Found the way RFC 9162 §2.1.2 does it, with subtrees over many chunks in place of leaves: after subtree i there is
/// one waiting for each 1 in the binary form of i + 1, the largest first, and a new one merges with as many of them
/// as i ends in 1s.
pub(super) fn top(sha256: Sha256, ids: &[Digest], lengths: &[u32]) -> Option<Node> {
    let mut nodes = [[0; MERKLE_NODE_BYTES]; 2 * SUBTREE_CHUNKS - 1];
    let mut peaks = [[0; MERKLE_NODE_BYTES]; PEAKS_MAX];
    let mut height = 0;
    let subtrees = ids.chunks(SUBTREE_CHUNKS).zip(lengths.chunks(SUBTREE_CHUNKS));
    for (index, (ids, lengths)) in subtrees.enumerate() {
        let mut subtree = build(sha256, ids, lengths, &mut nodes[..nodes_of(ids.len())])?;
        for _ in 0..index.trailing_ones() {
            height -= 1;
            subtree = parent(sha256, &peaks[height], &subtree);
        }
        peaks[height] = subtree;
        height += 1;
    }
    // The peaks shrink to the right, and each is the right-hand subtree of all those before it.
    peaks[..height].iter().rev().copied().reduce(|right, left| parent(sha256, &left, &right))
}

fn parent(sha256: Sha256, left: &Node, right: &Node) -> Node {
    node::hash_message(sha256, &node::node_message(left, right))
}

/// Writes the leaves and nodes over some chunks, level by level, into `nodes`, which has just the room for them.
/// Returns the top, `None` when there are no chunks.
pub(super) fn build(sha256: Sha256, ids: &[Digest], lengths: &[u32], nodes: &mut [Node]) -> Option<Node> {
    hash_leaves(sha256, ids, lengths, &mut nodes[..ids.len()]);
    let mut level = 0..ids.len();
    // A node without a right neighbour waits for one on a higher level.
    let mut lone: Option<Node> = None;
    while level.len() + usize::from(lone.is_some()) > 1 {
        let (below, above) = nodes.split_at_mut(level.end);
        let children = below[level.start..].iter().chain(&lone);
        let count = level.len() + usize::from(lone.is_some());
        hash_parents(sha256, children, &mut above[..count / 2]);
        lone = if count % 2 == 0 { None } else { lone.or(below.last().copied()) };
        level = level.end..level.end + count / 2;
    }
    nodes.last().copied()
}

fn hash_leaves(sha256: Sha256, ids: &[Digest], lengths: &[u32], leaves: &mut [Node]) {
    let mut chunks = ids.iter().zip(lengths);
    for leaves in leaves.chunks_mut(BATCH) {
        let mut messages = [[[0; _]; _]; BATCH];
        for (message, (id, &bytes)) in messages.iter_mut().zip(chunks.by_ref().take(BATCH)) {
            *message = node::leaf_message(id, bytes);
        }
        node::hash_messages(sha256, &messages[..leaves.len()], leaves);
    }
}

/// Hashes two children for each parent.
fn hash_parents<'a>(sha256: Sha256, mut children: impl Iterator<Item = &'a Node>, parents: &mut [Node]) {
    for parents in parents.chunks_mut(BATCH) {
        let mut messages = [[[0; _]; _]; BATCH];
        for message in &mut messages[..parents.len()] {
            if let (Some(left), Some(right)) = (children.next(), children.next()) {
                *message = node::node_message(left, right);
            }
        }
        node::hash_messages(sha256, &messages[..parents.len()], parents);
    }
}
