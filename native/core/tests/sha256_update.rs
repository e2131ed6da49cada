//! SHA-256 in pieces against SHA-256 in one go, and the states in between.

mod support;

use catalog_core::{CoreError, DIGEST_BYTES, SHA256_STATE_BYTES, Sha256, sha256_update};
use support::Random;

type State = [u8; SHA256_STATE_BYTES];

const FRESH: State = [0; SHA256_STATE_BYTES];
/// Where the state says what phase it is in.
const PHASE: usize = 104;

/// Takes in pieces of these lengths, one after the other; the last one ends the message.
fn in_pieces(message: &[u8], lengths: &[usize]) -> [u8; DIGEST_BYTES] {
    let mut state = FRESH;
    let mut offset = 0;
    for (index, &length) in lengths.iter().enumerate() {
        let last = index + 1 == lengths.len();
        let written = sha256_update(&mut state, message, offset as u64, length as u64, last);
        assert_eq!(written, Ok(if last { DIGEST_BYTES } else { 0 }));
        offset += length;
        if !last {
            assert_begun(&state, &message[..offset]);
        }
    }
    assert_eq!(offset, message.len());
    let (digest, rest) = state.split_first_chunk().expect("112 bytes");
    assert_eq!(rest[..8], (message.len() as u64).to_le_bytes());
    assert_eq!(rest[8..], [&[0; 64][..], &[2, 0, 0, 0, 0, 0, 0, 0]].concat());
    *digest
}

/// All that the surface says of a state, but for its chaining words.
fn assert_begun(state: &State, taken: &[u8]) {
    let held = taken.len() % 64;
    assert_eq!(state[32..40], (taken.len() as u64).to_le_bytes());
    assert_eq!(state[40..40 + held], taken[taken.len() - held..]);
    assert!(state[40 + held..PHASE].iter().all(|&byte| byte == 0));
    assert_eq!(state[PHASE..], [1, 0, 0, 0, 0, 0, 0, 0]);
}

fn oracle(message: &[u8]) -> [u8; DIGEST_BYTES] {
    Sha256::best().digest(message)
}

#[test]
fn cuts_messages_anywhere() {
    let data = Random::new(1).bytes(260);
    for length in 0..=data.len() {
        let message = &data[..length];
        let expected = oracle(message);
        assert_eq!(in_pieces(message, &[length]), expected, "{length} bytes");
        assert_eq!(in_pieces(message, &[length, 0]), expected, "{length} bytes and an empty end");
        for first in 0..=length {
            assert_eq!(in_pieces(message, &[first, length - first]), expected, "{first} of {length} bytes");
        }
    }
}

#[test]
fn agrees_with_one_go_on_any_pieces() {
    for seed in 0..500 {
        println!("seed {seed}");
        let mut random = Random::new(seed);
        let longest = 1 + random.below(300);
        let lengths: Vec<_> = (0..1 + random.below(12)).map(|_| random.below(longest) as usize).collect();
        let message = random.bytes(lengths.iter().sum());
        assert_eq!(in_pieces(&message, &lengths), oracle(&message), "pieces of {lengths:?}");
    }
}

#[test]
fn takes_the_piece_from_its_place() {
    let buf = Random::new(3).bytes(1_000);
    let mut state = FRESH;
    assert_eq!(sha256_update(&mut state, &buf, 900, 100, false), Ok(0));
    assert_eq!(sha256_update(&mut state, &buf, 1_000, 0, false), Ok(0));
    assert_eq!(sha256_update(&mut state, &buf, 17, 300, true), Ok(32));
    assert_eq!(state[..32], oracle(&[&buf[900..], &buf[17..317]].concat()));
}

#[test]
fn shows_the_chaining_words() {
    // One block of zeros: SHA-256's compression function says so in any other implementation too.
    let mut state = FRESH;
    assert_eq!(sha256_update(&mut state, &[0; 64], 0, 64, false), Ok(0));
    let words: Vec<u32> = state[..32].as_chunks().0.iter().map(|&bytes| u32::from_le_bytes(bytes)).collect();
    let mut expected = INITIAL;
    sha2::block_api::compress256(&mut expected, &[[0; 64]]);
    assert_eq!(words, expected);
}

/// FIPS 180-4 §5.3.3.
const INITIAL: [u32; 8] =
    [0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a, 0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19];

#[test]
fn refuses_what_is_out_of_range_and_writes_nothing() {
    let with = |at: usize, byte: u8| {
        let mut state = FRESH;
        state[at] = byte;
        state
    };
    let begun = |bytes: u64| {
        let mut state = with(PHASE, 1);
        state[32..40].copy_from_slice(&bytes.to_le_bytes());
        state
    };
    let mut odd = with(PHASE, 1);
    odd[111] = 1;
    let cases = [
        (FRESH, 6, 5),
        (FRESH, 11, 0),
        (FRESH, u64::MAX, 2),
        (with(PHASE, 2), 0, 1),
        (with(PHASE, 3), 0, 1),
        (with(PHASE + 3, 1), 0, 1),
        (with(108, 1), 0, 1),
        (odd, 0, 1),
        (with(0, 1), 0, 1),
        (with(32, 64), 0, 1),
        (with(50, 1), 0, 1),
        (begun((1 << 61) - 10), 0, 10),
        (begun(u64::MAX), 0, 0),
    ];
    for (mut state, offset, length) in cases {
        let before = state;
        let error = sha256_update(&mut state, &[0; 10], offset, length, true).expect_err("must be refused");
        assert_eq!(error.code(), "CORE_RANGE", "{error}");
        assert_eq!(state, before);
    }
    assert_eq!(sha256_update(&mut begun((1 << 61) - 10), &[0; 10], 0, 9, true), Ok(32));
    for bytes in [0, 111, 113] {
        let error = sha256_update(&mut vec![0; bytes], &[], 0, 0, false);
        assert_eq!(error, Err(CoreError::Length { what: "state", actual: bytes as u64, expected: 112 }));
    }
}
