//! SHA-256 against the published vectors and against the `sha2` crate, in every variant the processor has.

mod support;

use catalog_core::{CoreError, DIGEST_BYTES, Sha256, Variant, sha256_many};
use sha2::Digest;
use support::Random;

fn available() -> Vec<Sha256> {
    Variant::ALL.into_iter().filter_map(Sha256::with).collect()
}

fn oracle(message: &[u8]) -> [u8; DIGEST_BYTES] {
    sha2::Sha256::digest(message).into()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Hashes the ranges with every variant and compares each digest with the oracle's.
fn assert_matches_oracle(buf: &[u8], ranges: &[(u32, u32)]) {
    let flat: Vec<u32> = ranges.iter().flat_map(|&(offset, length)| [offset, length]).collect();
    let expected: Vec<u8> = ranges
        .iter()
        .flat_map(|&(offset, length)| oracle(&buf[offset as usize..(offset + length) as usize]))
        .collect();
    for sha256 in available() {
        let mut out = vec![0; ranges.len() * DIGEST_BYTES];
        assert_eq!(sha256.many(buf, &flat, &mut out), Ok(ranges.len()));
        assert!(out == expected, "{:?} differs for ranges {ranges:?}", sha256.variant());
    }
}

#[test]
fn gives_the_published_digests() {
    // FIPS 180-2 appendix B and NIST's example values.
    let long =
        b"abcdefghbcdefghicdefghijdefghijkefghijklfghijklmghijklmnhijklmnoijklmnopjklmnopqklmnopqrlmnopqrsm\
                 nopqrstnopqrstu";
    let million = vec![b'a'; 1_000_000];
    let vectors: [(&[u8], &str); 5] = [
        (b"", "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"),
        (b"abc", "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"),
        (
            b"abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq",
            "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1",
        ),
        (long, "cf5b16a778af8380036ce59e7b0492370b249b11e8f07a51afac45037afee9d1"),
        (&million, "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0"),
    ];
    for sha256 in available() {
        for (message, digest) in vectors {
            let variant = sha256.variant();
            assert_eq!(hex(&sha256.digest(message)), digest, "{variant:?}, {} bytes", message.len());
            let mut out = [0; DIGEST_BYTES];
            assert_eq!(sha256.many(message, &[0, message.len() as u32], &mut out), Ok(1));
            assert_eq!(hex(&out), digest, "{variant:?}, {} bytes as a range", message.len());
        }
    }
}

#[test]
fn handles_every_length_around_the_padding_edges() {
    let buf = Random::new(1).bytes(300);
    let ranges: Vec<_> = (0..=300).map(|length| (0, length)).collect();
    assert_matches_oracle(&buf, &ranges);
}

#[test]
fn keeps_both_lanes_apart_when_lengths_differ() {
    let buf = Random::new(2).bytes(200_000);
    assert_matches_oracle(&buf, &[]);
    assert_matches_oracle(&buf, &[(7, 65_536)]);
    assert_matches_oracle(&buf, &[(0, 65_536), (65_536, 65_536), (131_072, 3)]);
    assert_matches_oracle(
        &buf,
        &[(0, 0), (1, 199_999), (3, 55), (4, 56), (5, 63), (6, 64), (7, 119), (9, 120)],
    );
    assert_matches_oracle(&buf, &[(3, 55), (1, 199_999), (0, 0), (0, 0), (17, 1), (100, 65_535), (5, 128)]);
}

#[test]
fn best_variant_is_the_last_one_available() {
    let last = available().last().map(|sha256| sha256.variant());
    assert_eq!(Some(Sha256::best().variant()), last);
    assert_eq!(catalog_core::features().len(), 1);
}

#[test]
fn refuses_wrong_shapes_and_leaves_the_output_alone() {
    let buf = [0u8; 10];
    let mut out = [7u8; 64];
    let cases: [(&[u32], usize, &str); 5] = [
        (&[0, 1, 2], 32, "CORE_LENGTH"),
        (&[0, 1], 64, "CORE_LENGTH"),
        (&[0, 1, 1, 1], 63, "CORE_LENGTH"),
        (&[0, 10, 1, 10], 64, "CORE_RANGE"),
        (&[0, 10, u32::MAX, u32::MAX], 64, "CORE_RANGE"),
    ];
    for (ranges, room, code) in cases {
        let error = sha256_many(&buf, ranges, &mut out[..room]).expect_err("must be refused");
        assert_eq!(error.code(), code, "{error}");
        assert_eq!(out, [7; 64]);
    }
    let beyond = sha256_many(&buf, &[8, 3], &mut out[..32]);
    assert_eq!(beyond, Err(CoreError::Range { index: 0, offset: 8, end: 11, buffer_bytes: 10 }));
}

#[test]
fn agrees_with_the_oracle_on_any_ranges() {
    for seed in 0..300 {
        println!("seed {seed}");
        let mut random = Random::new(seed);
        let total = random.below(4_000);
        let buf = random.bytes(total as usize);
        let count = random.below(40);
        let ranges: Vec<_> = (0..count)
            .map(|_| {
                let offset = random.below(total + 1);
                (offset, random.below(total - offset + 1))
            })
            .collect();
        assert_matches_oracle(&buf, &ranges);
    }
}
