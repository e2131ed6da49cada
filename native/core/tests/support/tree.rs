//! The tree over chunks as RFC 9162 writes it, hashed by the `sha2` crate: slow, and plain to read.

use sha2::{Digest, Sha256};

pub type Hash = [u8; 32];

/// A chunk: its id and its length in bytes.
pub type Chunk = (Hash, u32);

/// A leaf or node: bytes below and hash.
#[derive(Clone, Copy)]
pub struct Node(pub u64, pub Hash);

impl Node {
    /// As it stands in trees and proofs.
    pub fn bytes(&self) -> Vec<u8> {
        [&self.0.to_be_bytes(), &self.1[..]].concat()
    }
}

pub fn hash(parts: &[&[u8]]) -> Hash {
    Sha256::digest(parts.concat()).into()
}

pub fn leaf(&(id, length): &Chunk) -> Node {
    let bytes = u64::from(length);
    Node(bytes, hash(&[&[0], &bytes.to_be_bytes(), &id]))
}

/// The bytes below wrap round, for trees that nobody can have made in earnest.
pub fn parent(left: Node, right: Node) -> Node {
    let bytes = left.0.wrapping_add(right.0);
    Node(bytes, hash(&[&[1], &bytes.to_be_bytes(), &left.1, &right.1]))
}

/// MTH of §2.1.1: split at the largest power of two below n.
pub fn top(chunks: &[Chunk]) -> Node {
    match chunks {
        [] => Node(0, hash(&[])),
        [chunk] => leaf(chunk),
        _ => {
            let (left, right) = chunks.split_at(split(chunks.len()));
            parent(top(left), top(right))
        }
    }
}

/// The largest power of two below `count`.
pub fn split(count: usize) -> usize {
    count.next_power_of_two() / 2
}

pub fn root_over(top: Node, count: u32, profile: u8) -> Hash {
    hash(&[&[2, 1, 1, profile], &top.0.to_be_bytes(), &count.to_be_bytes(), &top.1])
}

pub fn root(chunks: &[Chunk], profile: u8) -> Hash {
    root_over(top(chunks), chunks.len() as u32, profile)
}

/// `count` chunks of 64 KiB with a shorter last one, as blobs have them.
pub fn chunks(count: u32) -> Vec<Chunk> {
    let length = |i| {
        if i + 1 == count { 1 + count % 1_000 } else { 65_536 }
    };
    (0..count).map(|i| (hash(&[&i.to_be_bytes()]), length(i))).collect()
}
