//! The Merkle root and its nodes, against a recursive reading of RFC 9162 §2.1.1.

mod support;
#[path = "support/tree.rs"]
mod tree;

use catalog_core::{CoreError, MERKLE_NODE_BYTES, max_chunk_bytes, merkle_root};
use support::Random;
use tree::{Chunk, Hash, Node, chunks};

fn root(chunks: &[Chunk], profile: u8) -> Result<Hash, CoreError> {
    let (ids, lengths) = arguments(chunks);
    let mut out = [0; 32];
    assert_eq!(merkle_root(&ids, &lengths, profile, &mut out, None)?, 1);
    Ok(out)
}

fn root_and_nodes(chunks: &[Chunk], profile: u8) -> Result<(Hash, Vec<u8>), CoreError> {
    let (ids, lengths) = arguments(chunks);
    let mut out = [0; 32];
    let mut nodes = vec![0; (2 * chunks.len()).saturating_sub(1) * MERKLE_NODE_BYTES];
    assert_eq!(merkle_root(&ids, &lengths, profile, &mut out, Some(&mut nodes))?, 1);
    Ok((out, nodes))
}

fn arguments(chunks: &[Chunk]) -> (Vec<u8>, Vec<u32>) {
    (chunks.iter().flat_map(|(id, _)| *id).collect(), chunks.iter().map(|&(_, length)| length).collect())
}

/// Leaves and nodes level by level, each where it stands first.
fn nodes(chunks: &[Chunk]) -> Vec<u8> {
    let mut written = Vec::new();
    let mut level: Vec<Node> = chunks.iter().map(tree::leaf).collect();
    written.extend(level.iter().flat_map(Node::bytes));
    while level.len() > 1 {
        let pairs = level.chunks(2).map(|children| match *children {
            [left, right] => {
                let made = tree::parent(left, right);
                written.extend(made.bytes());
                made
            }
            _ => children[0],
        });
        level = pairs.collect();
    }
    written
}

#[test]
fn has_the_shape_of_the_rfc_for_every_small_count() {
    for n in 0..=300 {
        let chunks = chunks(n);
        assert_eq!(root(&chunks, 1), Ok(tree::root(&chunks, 1)), "{n} chunks");
    }
}

#[test]
fn has_the_shape_of_the_rfc_around_powers_of_two() {
    for n in [511, 512, 513, 1_023, 1_025, 4_097, 10_000] {
        let chunks = chunks(n);
        assert_eq!(root(&chunks, 0), Ok(tree::root(&chunks, 0)), "{n} chunks");
    }
}

#[test]
fn writes_every_node_once_level_by_level() {
    for n in (0..=70).chain([127, 128, 129, 1_000, 1_025, 3_000]) {
        let chunks = chunks(n);
        let (root, written) = root_and_nodes(&chunks, 0).expect("a good tree");
        assert_eq!(root, tree::root(&chunks, 0), "{n} chunks");
        assert!(written == nodes(&chunks), "nodes of {n} chunks");
    }
}

#[test]
fn binds_order_lengths_and_profile() {
    let plain = chunks(5);
    let mut swapped = plain.clone();
    swapped.swap(1, 2);
    let mut shorter = plain.clone();
    shorter[0].1 -= 1;
    let roots =
        [root(&plain, 1), root(&plain, 2), root(&swapped, 1), root(&shorter, 1), root(&plain[..4], 1)];
    for (i, left) in roots.iter().enumerate() {
        assert!(roots[..i].iter().all(|right| right != left), "root {i} repeats an earlier one");
    }
}

#[test]
fn refuses_wrong_shapes_and_writes_nothing() {
    let cases = [("ids", 63, 32, 120, 64), ("out", 64, 31, 120, 32), ("out", 64, 33, 120, 32)];
    let cases = cases.into_iter().chain([("nodes", 64, 32, 119, 120), ("nodes", 64, 32, 0, 120)]);
    for (what, ids, out, nodes, expected) in cases {
        let (mut out, mut nodes) = (vec![7; out], vec![7; nodes]);
        let error = merkle_root(&vec![0; ids], &[1, 1], 1, &mut out, Some(&mut nodes)).expect_err(what);
        let CoreError::Length { what: blamed, expected: wanted, .. } = error else {
            panic!("{error} instead of a length");
        };
        assert_eq!((blamed, wanted, error.code()), (what, expected, "CORE_LENGTH"));
        assert!(out.iter().chain(&nodes).all(|&byte| byte == 7));
    }
    let error = merkle_root(&[], &[], 1, &mut [0; 32], Some(&mut [0; 40])).expect_err("no nodes at all");
    assert_eq!(error, CoreError::Length { what: "nodes", actual: 40, expected: 0 });
}

#[test]
fn refuses_chunks_that_their_profile_does_not_allow() {
    for profile in [0, 1, 2, 3, 255] {
        let max = max_chunk_bytes(profile);
        assert_eq!(max, if profile == 2 { 262_144 } else { 65_536 });
        let longest = [([1; 32], max), ([2; 32], 1)];
        assert_eq!(root(&longest, profile), Ok(tree::root(&longest, profile)));
        for bytes in [0, max + 1, u32::MAX] {
            let (mut out, mut nodes) = ([7; 32], [7; 120]);
            let error = merkle_root(&[0; 64], &[1, bytes], profile, &mut out, Some(&mut nodes))
                .expect_err("a length out of bounds");
            assert_eq!(error, CoreError::ChunkLength { index: 1, bytes, max });
            assert_eq!(error.code(), "CORE_RANGE");
            assert_eq!((out, nodes), ([7; 32], [7; 120]));
        }
    }
}

#[test]
fn agrees_with_the_reference_on_any_chunks() {
    for seed in 0..300 {
        println!("seed {seed}");
        let mut random = Random::new(seed);
        let count = random.below(200);
        let profile = random.below(256) as u8;
        let chunks: Vec<Chunk> = (0..count)
            .map(|_| {
                let id = random.bytes(32).try_into().expect("32 bytes");
                (id, 1 + random.below(max_chunk_bytes(profile)))
            })
            .collect();
        let expected = tree::root(&chunks, profile);
        assert_eq!(root(&chunks, profile), Ok(expected));
        assert_eq!(root_and_nodes(&chunks, profile), Ok((expected, nodes(&chunks))));
    }
}
