//! Leaves and nodes: what is hashed for them, and how they stand in trees and proofs.

use crate::Sha256;
use crate::sha256::{BLOCK_BYTES, Block, Digest};
use std::ops::Range;
use std::slice;

/// Length of a leaf or node in a tree or proof.
pub const MERKLE_NODE_BYTES: usize = 40;

/// u64be bytes below ‖ hash.
pub(super) type Node = [u8; MERKLE_NODE_BYTES];

/// What is hashed for a leaf, with SHA-256's padding.
pub(super) type LeafMessage = [Block; 1];
/// What is hashed for a node, with SHA-256's padding.
pub(super) type NodeMessage = [Block; 2];

// Where the parts of both messages stand, after a prefix of one byte.
const BYTES_BELOW: Range<usize> = 1..9;
const ID_OR_LEFT: Range<usize> = 9..41;
const RIGHT: Range<usize> = 41..73;

const LEAF: LeafMessage = padded(0x00, ID_OR_LEFT.end);
const NODE: NodeMessage = padded(0x01, RIGHT.end);

/// A message of `length` bytes that is all zero but for its prefix, and the padding of FIPS 180-4 §5.1.1.
const fn padded<const B: usize>(prefix: u8, length: usize) -> [Block; B] {
    let mut blocks = [[0; BLOCK_BYTES]; B];
    blocks[0][0] = prefix;
    blocks[length / BLOCK_BYTES][length % BLOCK_BYTES] = 0x80;
    [blocks[B - 1][BLOCK_BYTES - 2], blocks[B - 1][BLOCK_BYTES - 1]] = (8 * length as u16).to_be_bytes();
    blocks
}

pub(super) fn leaf_message(id: &Digest, bytes: u32) -> LeafMessage {
    let mut message = LEAF;
    let flat = message.as_flattened_mut();
    flat[BYTES_BELOW].copy_from_slice(&u64::from(bytes).to_be_bytes());
    flat[ID_OR_LEFT].copy_from_slice(id);
    message
}

/// The bytes below both must not sum up beyond 64 bits.
pub(super) fn node_message(left: &Node, right: &Node) -> NodeMessage {
    let mut message = NODE;
    let flat = message.as_flattened_mut();
    flat[BYTES_BELOW].copy_from_slice(&(bytes_below(left) + bytes_below(right)).to_be_bytes());
    flat[ID_OR_LEFT].copy_from_slice(hash_of(left));
    flat[RIGHT].copy_from_slice(hash_of(right));
    message
}

/// Writes the leaf or node that each message is hashed for.
pub(super) fn hash_messages<const B: usize>(sha256: Sha256, messages: &[[Block; B]], nodes: &mut [Node]) {
    for (node, message) in nodes.iter_mut().zip(messages) {
        node[..8].copy_from_slice(&message[0][BYTES_BELOW]);
    }
    sha256.digest_padded(messages, nodes.iter_mut().filter_map(|node| node.last_chunk_mut()));
}

/// The leaf or node that one message is hashed for.
pub(super) fn hash_message<const B: usize>(sha256: Sha256, message: &[Block; B]) -> Node {
    let mut node = [0; MERKLE_NODE_BYTES];
    hash_messages(sha256, slice::from_ref(message), slice::from_mut(&mut node));
    node
}

/// How many bytes of the blob lie below.
pub(super) fn bytes_below(node: &Node) -> u64 {
    u64::from_be_bytes(node.first_chunk().copied().unwrap_or_default())
}

pub(super) fn hash_of(node: &Node) -> &Digest {
    node.last_chunk().unwrap_or(&[0; 32])
}
