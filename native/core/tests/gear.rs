//! Cuts against a word-for-word reading of their definition, which sums every window anew.

use catalog_core::{CoreError, PROFILE_CONTENT_16K, PROFILE_CONTENT_64K, chunk};
use proptest::prelude::*;
use sha2::{Digest, Sha256};

const KIB: usize = 1_024;
const PROFILES: [u32; 2] = [PROFILE_CONTENT_16K, PROFILE_CONTENT_64K];

/// SplitMix64 (Steele, Lea and Flood, 2014).
fn splitmix64(seed: u64) -> impl Iterator<Item = u64> {
    let mut state = seed;
    std::iter::repeat_with(move || {
        state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (state ^ (state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    })
}

fn random_bytes(seed: u64, length: usize) -> Vec<u8> {
    splitmix64(seed).flat_map(u64::to_le_bytes).take(length).collect()
}

fn gear_table() -> Vec<u64> {
    splitmix64(0x4361_7461_6c6f_6731).take(256).collect()
}

/// The shortest and the longest chunk of a profile, and log2 of the average.
fn lengths(profile: u32) -> (usize, usize, u32) {
    if profile == PROFILE_CONTENT_16K { (4 * KIB, 64 * KIB, 14) } else { (16 * KIB, 256 * KIB, 16) }
}

fn gear_hash(table: &[u64], window: &[u8]) -> u64 {
    assert_eq!(window.len(), 64);
    let mut sum = 0_u64;
    for (j, &byte) in window.iter().enumerate() {
        sum = sum.wrapping_add(table[usize::from(byte)] << (63 - j));
    }
    sum
}

/// The ends of all chunks of `data`, which ends where it ends.
fn reference(data: &[u8], profile: u32) -> Vec<u32> {
    let table = gear_table();
    let (min, max, log2) = lengths(profile);
    let ends_at = |chunk: &[u8], length: usize| {
        let zeros = gear_hash(&table, &chunk[length - 64..length]).leading_zeros();
        length == max || zeros >= if length <= 1 << log2 { log2 + 2 } else { log2 - 2 }
    };
    let (mut cuts, mut start) = (Vec::new(), 0);
    while start < data.len() {
        let rest = &data[start..];
        start += (min..=rest.len()).find(|&length| ends_at(rest, length)).unwrap_or(rest.len());
        cuts.push(start as u32);
    }
    cuts
}

fn cut(data: &[u8], profile: u32) -> Vec<u32> {
    let mut cuts = vec![0; data.len() / (4 * KIB) + 1];
    let count = chunk(data, 0, data.len() as u64, profile, true, &mut cuts).expect("valid arguments");
    cuts.truncate(count);
    cuts
}

/// Cuts data that comes in pieces of these lengths, again and again, with room for `room` cuts a call.
fn cut_in_pieces(data: &[u8], profile: u32, pieces: &[usize], room: usize) -> Vec<u32> {
    let (mut cuts, mut start, mut end) = (Vec::new(), 0, 0);
    for &piece in pieces.iter().cycle() {
        end = data.len().min(end + piece);
        loop {
            let mut found = vec![u32::MAX; room];
            let length = (end - start) as u64;
            let count = chunk(data, start as u64, length, profile, end == data.len(), &mut found)
                .expect("valid arguments");
            assert!(found[count..].iter().all(|&unused| unused == u32::MAX));
            cuts.extend(found[..count].iter().map(|&cut| start as u32 + cut));
            start = cuts.last().map_or(0, |&cut| cut as usize);
            if count < room {
                break;
            }
        }
        if end == data.len() {
            break;
        }
    }
    cuts
}

/// 64 bytes whose hash starts with at least `at_least` zeros and fewer than `below`.
fn window_with_zeros(at_least: u32, below: u32) -> Vec<u8> {
    let table = gear_table();
    let bytes = random_bytes(7, 4 << 20);
    let mut hash = 0_u64;
    let end = bytes.iter().enumerate().position(|(index, &byte)| {
        hash = (hash << 1).wrapping_add(table[usize::from(byte)]);
        index >= 63 && (at_least..below).contains(&hash.leading_zeros())
    });
    let end = end.expect("such a window in 4 MiB") + 1;
    bytes[end - 64..end].to_vec()
}

#[test]
fn cuts_random_bytes_where_the_definition_says() {
    for profile in PROFILES {
        for length in [0, 1, 63, 64, 4_095, 4_096, 4_097, 16_384, 16_385, 400_001] {
            let data = random_bytes(length as u64, length);
            assert_eq!(cut(&data, profile), reference(&data, profile), "profile {profile}, {length} bytes");
        }
    }
}

#[test]
fn cuts_bytes_without_variety_where_the_definition_says() {
    let text: Vec<u8> = b"export const answer = 42\n".iter().copied().cycle().take(300 * KIB).collect();
    let zeros = vec![0; 300 * KIB];
    let halves = [random_bytes(1, 50 * KIB), vec![0xff; 200 * KIB], random_bytes(2, 50 * KIB)].concat();
    for data in [text, zeros, halves] {
        for profile in PROFILES {
            assert_eq!(cut(&data, profile), reference(&data, profile), "profile {profile}");
        }
    }
}

#[test]
fn cuts_at_every_least_length_when_every_window_is_a_cut() {
    let data: Vec<u8> = window_with_zeros(18, 64).into_iter().cycle().take(256 * KIB + 5).collect();
    for profile in PROFILES {
        let (min, _, _) = lengths(profile);
        let mut expected: Vec<u32> = (min..=256 * KIB).step_by(min).map(|cut| cut as u32).collect();
        expected.push(data.len() as u32);
        assert_eq!(cut(&data, profile), expected);
    }
}

#[test]
fn changes_masks_after_the_average_and_ends_at_the_longest() {
    for profile in PROFILES {
        let (min, max, log2) = lengths(profile);
        let avg = 1 << log2;
        // In zeros, which hold no cut, one window that ends at a chosen length.
        let first_cut = |window: &[u8], end: usize| {
            let mut data = vec![0; 2 * max];
            data[end - 64..end].copy_from_slice(window);
            cut(&data, profile)[0] as usize
        };
        let strict = window_with_zeros(log2 + 2, 64);
        let loose = window_with_zeros(log2 - 2, log2 + 2);
        assert_eq!(first_cut(&strict, min - 1), max, "before the shortest chunk there is no cut");
        assert_eq!([min, min + 1, avg].map(|end| first_cut(&strict, end)), [min, min + 1, avg]);
        assert_eq!([min, avg].map(|end| first_cut(&loose, end)), [max, max], "the strict mask holds at avg");
        assert_eq!([avg + 1, max - 1].map(|end| first_cut(&loose, end)), [avg + 1, max - 1]);
        assert_eq!(first_cut(&strict, max + 1), max);
    }
}

#[test]
fn cuts_a_tail_the_same_from_any_cut_on() {
    for profile in PROFILES {
        let data = random_bytes(3, 2 << 20);
        let cuts = cut(&data, profile);
        for (index, &start) in cuts.iter().enumerate() {
            let tail: Vec<u32> = cuts[index + 1..].iter().map(|cut| cut - start).collect();
            assert_eq!(cut(&data[start as usize..], profile), tail, "profile {profile}, from {start}");
        }
    }
}

#[test]
fn keeps_the_cuts_away_from_an_insertion() {
    const MOST_CHANGED: usize = 8;
    for profile in PROFILES {
        let before = random_bytes(4, 8 << 20);
        let (head, tail) = before.split_at(4 << 20);
        let after = [head, b"something that was not there", tail].concat();
        let (old, new) = (cut(&before, profile), cut(&after, profile));
        let same_head = old.iter().zip(&new).take_while(|(old, new)| old == new).count();
        let from_end = |cuts: &[u32]| {
            let end = cuts[cuts.len() - 1];
            cuts.iter().rev().map(|cut| end - cut).collect::<Vec<u32>>()
        };
        let same_tail =
            from_end(&old).iter().zip(&from_end(&new)).take_while(|(old, new)| old == new).count();
        let changed = new.len() - same_head - same_tail;
        assert!(changed <= MOST_CHANGED, "profile {profile}: {changed} of {} cuts are new", new.len());
        assert!(old.len() > 10 * MOST_CHANGED);
    }
}

#[test]
fn finds_the_same_cuts_however_the_bytes_come() {
    let data = [random_bytes(5, 700 * KIB), vec![0; 600 * KIB], random_bytes(6, 100)].concat();
    for profile in PROFILES {
        let cuts = cut(&data, profile);
        for pieces in [&[8 * KIB][..], &[70_000, 1], &[1 << 30], &[300 * KIB, 17, 5_000]] {
            for room in [1, 2, 100] {
                assert_eq!(cut_in_pieces(&data, profile, pieces, room), cuts, "{pieces:?}, room for {room}");
            }
        }
    }
}

#[test]
fn asks_for_more_until_a_cut_is_certain() {
    let zeros = vec![0; 300 * KIB];
    for profile in PROFILES {
        let (_, max, _) = lengths(profile);
        let mut cuts = [7; 4];
        assert_eq!(chunk(&zeros, 0, max as u64 - 1, profile, false, &mut cuts), Ok(0));
        assert_eq!(cuts, [7; 4]);
        assert_eq!(chunk(&zeros, 0, max as u64, profile, false, &mut cuts), Ok(1));
        assert_eq!(cuts, [max as u32, 7, 7, 7]);
        assert_eq!(chunk(&zeros, 9, 0, profile, true, &mut cuts), Ok(0));
    }
}

#[test]
fn gives_the_frozen_cuts() {
    let data = random_bytes(1, 1 << 20);
    let frozen: [(u32, usize, [u32; 10], &str); 2] = [
        (
            PROFILE_CONTENT_16K,
            54,
            [21302, 30638, 49207, 59250, 76310, 102229, 127176, 150678, 176069, 194332],
            "f2027882669b86bf22cacf526e1d11789bf35a4068708be4376983d44aa12ba3",
        ),
        (
            PROFILE_CONTENT_64K,
            14,
            [59250, 135424, 258466, 353019, 453822, 519499, 605762, 685104, 713742, 786190],
            "80e796347a1b4012de79012cdb7358b00075d6678d0f1068daad346cd1ba5150",
        ),
    ];
    for (profile, count, first, digest) in frozen {
        let cuts = cut(&data, profile);
        let bytes: Vec<u8> = cuts.iter().flat_map(|cut| cut.to_le_bytes()).collect();
        let hex: String = Sha256::digest(&bytes).iter().map(|byte| format!("{byte:02x}")).collect();
        assert_eq!((cuts.len(), &cuts[..10], hex.as_str()), (count, &first[..], digest));
    }
}

#[test]
fn refuses_what_does_not_fit_and_leaves_the_cuts_alone() {
    let data = [0; 100];
    let mut cuts = [7; 2];
    let empty = chunk(&data, 0, 100, PROFILE_CONTENT_16K, true, &mut []).expect_err("no room");
    assert_eq!(empty, CoreError::Length { what: "cuts", actual: 0, expected: 1 });
    assert_eq!(empty.code(), "CORE_LENGTH");
    for (offset, length) in [(0, 101), (1, 100), (101, 0), (u64::MAX, 1), (1, u64::MAX), (0, 1 << 32)] {
        let error = chunk(&data, offset, length, PROFILE_CONTENT_16K, true, &mut cuts).expect_err("beyond");
        let end = offset.saturating_add(length);
        assert_eq!(error, CoreError::Range { index: 0, offset, end, buffer_bytes: 100 });
        assert_eq!(error.code(), "CORE_RANGE");
    }
    for profile in [0, 3, 257, u32::MAX] {
        let error = chunk(&data, 0, 100, profile, true, &mut cuts).expect_err("no such profile");
        assert_eq!(error, CoreError::Bounds { what: "profile", value: profile.into(), allowed: "1 and 2" });
        assert_eq!(error.code(), "CORE_RANGE");
    }
    assert_eq!(cuts, [7; 2]);
}

/// Runs of random bytes, of one byte and of a short pattern: what real files are made of.
fn runs() -> impl Strategy<Value = Vec<u8>> {
    let pattern = prop::collection::vec(any::<u8>(), 1..80);
    let run = prop_oneof![
        (any::<u64>(), 1..40_000_usize).prop_map(|(seed, length)| random_bytes(seed, length)),
        (pattern, 1..40_000_usize).prop_map(|(pattern, length)| pattern
            .into_iter()
            .cycle()
            .take(length)
            .collect()),
    ];
    prop::collection::vec(run, 0..6).prop_map(|runs| runs.concat())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn cuts_any_bytes_where_the_definition_says(
        data in runs(),
        profile in prop::sample::select(&PROFILES[..]),
        pieces in prop::collection::vec(1..100_000_usize, 1..4),
        room in 1..5_usize,
    ) {
        let cuts = reference(&data, profile);
        prop_assert_eq!(&cut(&data, profile), &cuts);
        prop_assert_eq!(&cut_in_pieces(&data, profile, &pieces, room), &cuts);
    }
}
