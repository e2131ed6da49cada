//! The Merkle root against a recursive reading of RFC 9162 §2.1.1, hashed by the `sha2` crate.

mod support;

use catalog_core::{CoreError, MAX_CHUNK_BYTES, merkle_root};
use sha2::{Digest, Sha256};
use support::Random;

type Hash = [u8; 32];

fn hash(parts: &[&[u8]]) -> Hash {
    Sha256::digest(parts.concat()).into()
}

/// MTH of the RFC, word for word but for the lengths: split at the largest power of two below n.
fn reference_top(chunks: &[(Hash, u32)]) -> Hash {
    let bytes: u64 = chunks.iter().map(|&(_, length)| u64::from(length)).sum();
    match chunks {
        [] => hash(&[]),
        [(id, _)] => hash(&[&[0], &bytes.to_be_bytes(), id]),
        _ => {
            let split = chunks.len().next_power_of_two() / 2;
            let (left, right) = chunks.split_at(split);
            hash(&[&[1], &bytes.to_be_bytes(), &reference_top(left), &reference_top(right)])
        }
    }
}

fn reference_root(chunks: &[(Hash, u32)], profile: u8) -> Hash {
    let bytes: u64 = chunks.iter().map(|&(_, length)| u64::from(length)).sum();
    let count = (chunks.len() as u32).to_be_bytes();
    hash(&[&[2, 1, 1, profile], &bytes.to_be_bytes(), &count, &reference_top(chunks)])
}

fn root(chunks: &[(Hash, u32)], profile: u8) -> Result<Hash, CoreError> {
    let ids: Vec<u8> = chunks.iter().flat_map(|(id, _)| *id).collect();
    let lengths: Vec<u32> = chunks.iter().map(|&(_, length)| length).collect();
    let mut out = [0; 32];
    assert_eq!(merkle_root(&ids, &lengths, profile, &mut out)?, 1);
    Ok(out)
}

/// n chunks of 64 KiB with a shorter last one, as blobs have them.
fn chunks(n: u32) -> Vec<(Hash, u32)> {
    let length = |i| {
        if i + 1 == n { 1 + n % 1_000 } else { MAX_CHUNK_BYTES }
    };
    (0..n).map(|i| (hash(&[&i.to_be_bytes()]), length(i))).collect()
}

#[test]
fn has_the_shape_of_the_rfc_for_every_small_count() {
    for n in 0..=300 {
        let chunks = chunks(n);
        assert_eq!(root(&chunks, 1), Ok(reference_root(&chunks, 1)), "{n} chunks");
    }
}

#[test]
fn has_the_shape_of_the_rfc_around_powers_of_two() {
    for n in [1_023, 1_024, 1_025, 4_095, 4_097, 10_000] {
        let chunks = chunks(n);
        assert_eq!(root(&chunks, 0), Ok(reference_root(&chunks, 0)), "{n} chunks");
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
fn refuses_wrong_shapes_and_lengths() {
    let mut out = [7; 32];
    let shape = merkle_root(&[0; 63], &[1, 1], 1, &mut out).expect_err("63 bytes are not two ids");
    assert_eq!(shape, CoreError::Length { what: "ids", actual: 63, expected: 64 });
    assert_eq!(shape.code(), "CORE_LENGTH");
    for bytes in [0, MAX_CHUNK_BYTES + 1, u32::MAX] {
        let error = merkle_root(&[0; 64], &[1, bytes], 1, &mut out).expect_err("length out of bounds");
        assert_eq!(error, CoreError::ChunkLength { index: 1, bytes });
        assert_eq!(error.code(), "CORE_RANGE");
    }
    assert_eq!(out, [7; 32]);
}

#[test]
fn agrees_with_the_reference_on_any_chunks() {
    for seed in 0..300 {
        println!("seed {seed}");
        let mut random = Random::new(seed);
        let count = random.below(200);
        let profile = random.below(256) as u8;
        let chunks: Vec<(Hash, u32)> = (0..count)
            .map(|_| {
                let id = random.bytes(32).try_into().expect("32 bytes");
                (id, 1 + random.below(MAX_CHUNK_BYTES))
            })
            .collect();
        assert_eq!(root(&chunks, profile), Ok(reference_root(&chunks, profile)));
    }
}
