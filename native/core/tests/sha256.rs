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

/// FIPS 180-2 appendix B, NIST's example values and its "additional test vectors": a message repeats its unit.
#[rustfmt::skip]
const PUBLISHED: [(&[u8], usize, &str); 14] = [
    (b"", 1, "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"),
    (b"abc", 1, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"),
    (b"abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq", 1,
        "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1"),
    (b"abcdefghbcdefghicdefghijdefghijkefghijklfghijklmghijklmnhijklmnoijklmnopjklmnopqklmnopqrlmnopqrs\
        mnopqrstnopqrstu", 1,
        "cf5b16a778af8380036ce59e7b0492370b249b11e8f07a51afac45037afee9d1"),
    (b"a", 1_000_000, "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0"),
    (b"\xbd", 1, "68325720aabd7c82f30f554b313d0570c95accbb7dc4b5aae11204c08ffe732b"),
    (b"\xc9\x8c\x8e\x55", 1, "7abc22c0ae5af26ce93dbb94433a0e0b2e119d014f8e7f65bd56c61ccccd9504"),
    (b"\0", 55, "02779466cdec163811d078815c633f21901413081449002f24aa3e80f0b88ef7"),
    (b"\0", 56, "d4817aa5497628e7c77e6b606107042bbba3130888c5f47a375e6179be789fbb"),
    (b"\0", 57, "65a16cb7861335d5ace3c60718b5052e44660726da4cd13bb745381b235a1785"),
    (b"\0", 64, "f5a5fd42d16a20302798ef6ed309979b43003d2320d9f0e8ea9831a92759fb4b"),
    (b"\0", 1_000, "541b3e9daa09b20bf85fa273e5cbd3e80185aa4ec298e765db87742b70138a53"),
    (b"A", 1_000, "c2e686823489ced2017f6059b8b239318b6364f6dcd835d0a519105a1eadd6e4"),
    (b"U", 1_005, "f4d62ddec0f3dd90ea1380fa16a5ff8dc4c54b21740650f24afc4120903552b0"),
];

#[test]
fn gives_the_published_digests() {
    let messages: Vec<_> = PUBLISHED.iter().map(|&(unit, times, _)| unit.repeat(times)).collect();
    let mut ranges = Vec::new();
    let mut end = 0;
    for message in &messages {
        ranges.extend([end, message.len() as u32]);
        end += message.len() as u32;
    }
    for sha256 in available() {
        let mut out = vec![0; messages.len() * DIGEST_BYTES];
        assert_eq!(sha256.many(&messages.concat(), &ranges, &mut out), Ok(messages.len()));
        for ((message, (.., digest)), of_range) in
            messages.iter().zip(PUBLISHED).zip(out.chunks(DIGEST_BYTES))
        {
            let variant = sha256.variant();
            assert_eq!(hex(&sha256.digest(message)), digest, "{variant:?}, {} bytes", message.len());
            assert_eq!(hex(of_range), digest, "{variant:?}, {} bytes as a range", message.len());
        }
    }
}

#[test]
fn handles_every_length_at_every_alignment() {
    const LENGTHS: usize = 1_101;
    let message = Random::new(1).bytes(LENGTHS);
    let expected: Vec<_> = (0..LENGTHS).map(|length| oracle(&message[..length])).collect();
    let mut buf = vec![0; LENGTHS + 64 + 64];
    // Counted from a cache line, wherever the allocator has put the buffer.
    let start = buf.as_ptr().align_offset(64);
    for alignment in 0..64 {
        let offset = start + alignment;
        buf[offset..offset + LENGTHS].copy_from_slice(&message);
        let ranges: Vec<_> = (0..LENGTHS as u32).flat_map(|length| [offset as u32, length]).collect();
        for sha256 in available() {
            let variant = sha256.variant();
            let mut out = vec![0; LENGTHS * DIGEST_BYTES];
            assert_eq!(sha256.many(&buf, &ranges, &mut out), Ok(LENGTHS));
            assert!(out == expected.concat(), "{variant:?} in lanes, {alignment} bytes past a line");
            for length in (alignment..LENGTHS).step_by(64) {
                let alone = sha256.digest(&buf[offset..offset + length]);
                assert_eq!(alone, expected[length], "{variant:?}, {length} bytes at {alignment}");
            }
        }
    }
}

#[test]
fn fills_any_number_of_lanes() {
    let buf = Random::new(2).bytes(9_000);
    for count in 0..=50 {
        assert_matches_oracle(&buf, &vec![(3, 1_000); count as usize]);
        let lengths = (0..count).map(|i| (i * 31, (i * 977) % 3_000));
        assert_matches_oracle(&buf, &lengths.collect::<Vec<_>>());
    }
}

#[test]
fn keeps_lanes_apart_when_lengths_differ() {
    let buf = Random::new(2).bytes(200_000);
    assert_matches_oracle(&buf, &[(7, 65_536)]);
    assert_matches_oracle(&buf, &[(0, 65_536), (65_536, 65_536), (131_072, 3)]);
    assert_matches_oracle(
        &buf,
        &[(0, 0), (1, 199_999), (3, 55), (4, 56), (5, 63), (6, 64), (7, 119), (9, 120)],
    );
    assert_matches_oracle(&buf, &[(3, 55), (1, 199_999), (0, 0), (0, 0), (17, 1), (100, 65_535), (5, 128)]);
    // One range that outlasts all the others, in front and at the end.
    let short: Vec<_> = (0..60).map(|i| (i * 1_000, (i * 389) % 4_096)).collect();
    assert_matches_oracle(&buf, &[&[(1, 199_999)], &short[..]].concat());
    assert_matches_oracle(&buf, &[&short[..], &[(1, 30_000)]].concat());
}

#[test]
fn best_variant_is_the_last_one_available() {
    let last = available().last().map(|sha256| sha256.variant());
    assert_eq!(Some(Sha256::best().variant()), last);
    assert!(catalog_core::features().contains(&Sha256::best().variant().name()));
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
        let total = random.below(8_000);
        let buf = random.bytes(total as usize);
        let count = random.below(70);
        let ranges: Vec<_> = (0..count)
            .map(|_| {
                let offset = random.below(total + 1);
                (offset, random.below(total - offset + 1))
            })
            .collect();
        assert_matches_oracle(&buf, &ranges);
    }
}
