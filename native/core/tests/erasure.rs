//! Erasure coding against its definition, computed bit by bit, in every variant the processor has.

mod support;

use catalog_core::{CoreError, Erasure, ErasureVariant, Features, SHARDS_MAX, rs_encode, rs_reconstruct};
use proptest::prelude::*;
use std::sync::LazyLock;
use support::Random;

/// What shards hold that are not there.
const GARBAGE: u8 = 0xa5;

fn available() -> Vec<Erasure> {
    ErasureVariant::ALL.into_iter().filter_map(Erasure::with).collect()
}

/// Russian peasant multiplication, reduced by x⁸ + x⁴ + x³ + x² + 1.
fn product(mut a: u8, mut b: u8) -> u8 {
    let mut sum = 0;
    while b > 0 {
        if b % 2 == 1 {
            sum ^= a;
        }
        a = (a << 1) ^ if a >= 0x80 { 0x1d } else { 0 };
        b /= 2;
    }
    sum
}

/// For each divisor but 0 all products with its inverse.
static QUOTIENTS: LazyLock<Vec<[u8; 256]>> = LazyLock::new(|| {
    let inverse = |divisor| (1..=255).find(|&candidate| product(divisor, candidate) == 1);
    let inverses = (1..=255).map(|divisor| inverse(divisor).expect("an inverse"));
    inverses.map(|inverse| std::array::from_fn(|byte| product(byte as u8, inverse))).collect()
});

/// The data of a stripe, and after it the parity that the definition gives.
fn reference_stripe(k: usize, m: usize, shard_bytes: usize, data: &[u8]) -> Vec<u8> {
    assert_eq!(data.len(), k * shard_bytes);
    let mut stripe = data.to_vec();
    for j in 0..m {
        let mut parity = vec![0; shard_bytes];
        for (i, shard) in data.chunks_exact(shard_bytes).enumerate() {
            let quotients = &QUOTIENTS[((k + j) ^ i) - 1];
            for (sum, byte) in parity.iter_mut().zip(shard) {
                *sum ^= quotients[usize::from(*byte)];
            }
        }
        stripe.extend(parity);
    }
    stripe
}

fn random_stripe(k: usize, m: usize, shard_bytes: usize, random: &mut Random) -> Vec<u8> {
    reference_stripe(k, m, shard_bytes, &random.bytes(k * shard_bytes))
}

fn assert_encodes(erasure: Erasure, k: usize, m: usize, shard_bytes: usize, stripe: &[u8]) {
    let (data, parity) = stripe.split_at(k * shard_bytes);
    let mut out = vec![GARBAGE; parity.len()];
    assert_eq!(erasure.encode(k, m, shard_bytes, data, &mut out), Ok(m));
    assert!(out == parity, "{:?}: parity of {k}+{m} shards of {shard_bytes} bytes", erasure.variant());
}

/// Loses what is not `present`, asks for `want`, and expects those shards back and all others as they were.
fn assert_rebuilds(erasure: Erasure, k: usize, stripe: &[u8], present: &[u8], want: &[u8]) {
    let (m, shard_bytes) = (present.len() - k, stripe.len() / present.len());
    let (mut shards, mut expected) = (stripe.to_vec(), stripe.to_vec());
    let mut missing = 0;
    for z in 0..k + m {
        let shard = z * shard_bytes..(z + 1) * shard_bytes;
        if present[z] == 0 {
            shards[shard.clone()].fill(GARBAGE);
            if want[z] == 0 {
                expected[shard].fill(GARBAGE);
            } else {
                missing += 1;
            }
        }
    }
    let written = erasure.reconstruct(k, m, shard_bytes, &mut shards, present, want);
    let variant = erasure.variant();
    assert_eq!(written, Ok(missing), "{variant:?}: present {present:?}, want {want:?}");
    assert!(shards == expected, "{variant:?}: {k}+{m} × {shard_bytes}, present {present:?}, want {want:?}");
}

/// Any k of the shards.
fn random_presence(k: usize, m: usize, random: &mut Random) -> Vec<u8> {
    let mut present = vec![0; k + m];
    let mut missing = k;
    while missing > 0 {
        let z = random.below((k + m) as u32) as usize;
        missing -= usize::from(present[z] == 0);
        present[z] = 1 + random.below(255) as u8;
    }
    present
}

#[test]
fn multiplies_with_the_published_inverses() {
    // One byte in one data shard shows a single weight: 1/2 and 1/3 for k = 2, where 2 × 0x8e = 3 × 0xf4 = 1.
    for erasure in available() {
        for (data, parity) in [([1, 0], 0x8e), ([0, 1], 0xf4), ([2, 0], 1), ([0, 3], 1), ([2, 3], 0)] {
            let mut out = [0];
            assert_eq!(erasure.encode(2, 1, 1, &data, &mut out), Ok(1));
            assert_eq!(out, [parity], "{:?}: {data:?}", erasure.variant());
        }
    }
}

#[test]
fn encodes_shards_of_every_length() {
    let mut random = Random::new(1);
    for shard_bytes in 1..=200 {
        for (k, m) in [(10, 4), (3, 5)] {
            let stripe = random_stripe(k, m, shard_bytes, &mut random);
            available().into_iter().for_each(|erasure| assert_encodes(erasure, k, m, shard_bytes, &stripe));
        }
    }
}

#[test]
fn encodes_stripes_of_every_width() {
    // Around the four targets and the sixteen sources that are computed together, and the ends of the range.
    let widths = [1, 2, 3, 4, 5, 15, 16, 17, 31, 32, 33];
    let ends = [(254, 1), (1, 254), (127, 128), (128, 127), (29, 51)];
    let mut random = Random::new(2);
    for (k, m) in widths.iter().flat_map(|&k| widths.map(|m| (k, m))).chain(ends) {
        let stripe = random_stripe(k, m, 131, &mut random);
        available().into_iter().for_each(|erasure| assert_encodes(erasure, k, m, 131, &stripe));
    }
}

#[test]
fn encodes_and_rebuilds_long_shards() {
    // Longer than a block of columns, and not a multiple of anything.
    let mut random = Random::new(3);
    for (k, m, shard_bytes) in [(10, 4, 65_537), (10, 4, 104_858), (40, 20, 9_999), (1, 1, 300_007)] {
        let stripe = random_stripe(k, m, shard_bytes, &mut random);
        let present = random_presence(k, m, &mut random);
        for erasure in available() {
            assert_encodes(erasure, k, m, shard_bytes, &stripe);
            assert_rebuilds(erasure, k, &stripe, &present, &vec![1; k + m]);
        }
    }
}

#[test]
fn rebuilds_every_loss_of_a_small_stripe() {
    let (k, m) = (4, 3);
    let mut random = Random::new(4);
    for shard_bytes in [1, 130] {
        let stripe = random_stripe(k, m, shard_bytes, &mut random);
        for pattern in 0u32..1 << (k + m) {
            let present: Vec<u8> = (0..k + m).map(|z| (pattern >> z & 1) as u8).collect();
            if pattern.count_ones() as usize >= k {
                for erasure in available() {
                    assert_rebuilds(erasure, k, &stripe, &present, &[1; 7]);
                }
            }
        }
    }
}

#[test]
fn rebuilds_losses_of_wide_stripes() {
    let mut random = Random::new(5);
    let shapes =
        [(10, 4, 40), (29, 51, 10), (127, 128, 3), (1, 1, 3), (254, 1, 10), (1, 254, 3), (2, 253, 3)];
    for (k, m, samples) in shapes {
        let shard_bytes = 1 + random.below(300) as usize;
        let stripe = random_stripe(k, m, shard_bytes, &mut random);
        for _ in 0..samples {
            let present = random_presence(k, m, &mut random);
            for erasure in available() {
                assert_rebuilds(erasure, k, &stripe, &present, &vec![1; k + m]);
            }
        }
    }
}

#[test]
fn writes_what_is_wanted_and_nothing_else() {
    let mut random = Random::new(6);
    let (k, m) = (10, 4);
    let stripe = random_stripe(k, m, 77, &mut random);
    for _ in 0..60 {
        let present = random_presence(k, m, &mut random);
        let want: Vec<u8> = (0..k + m).map(|_| (random.below(2) * 7) as u8).collect();
        for erasure in available() {
            assert_rebuilds(erasure, k, &stripe, &present, &want);
        }
    }
}

#[test]
fn needs_no_shards_when_nothing_is_to_be_rebuilt() {
    let mut shards = [GARBAGE; 12];
    assert_eq!(rs_reconstruct(4, 2, 2, &mut shards, &[0, 0, 1, 0, 0, 0], &[0, 0, 1, 0, 0, 0]), Ok(0));
    assert_eq!(rs_reconstruct(4, 2, 2, &mut shards, &[1; 6], &[1; 6]), Ok(0));
    assert_eq!(shards, [GARBAGE; 12]);
}

#[test]
fn takes_shards_at_any_address_and_touches_nothing_around_them() {
    let mut random = Random::new(7);
    let (k, m, shard_bytes) = (5, 3, 203);
    let stripe = random_stripe(k, m, shard_bytes, &mut random);
    let (data, parity) = stripe.split_at(k * shard_bytes);
    for offset in 0..64 {
        let aligned = |bytes: &[u8]| [&vec![GARBAGE; offset], bytes, &[GARBAGE; 200][..]].concat();
        for erasure in available() {
            let input = aligned(data);
            let mut out = aligned(&vec![0; parity.len()]);
            let (input, target) =
                (&input[offset..offset + data.len()], &mut out[offset..offset + parity.len()]);
            assert_eq!(erasure.encode(k, m, shard_bytes, input, target), Ok(m));
            assert!(out == aligned(parity), "{:?}, {offset} bytes from the start", erasure.variant());
            let mut shards = aligned(&stripe);
            shards[offset..offset + 2 * shard_bytes].fill(0);
            let whole = &mut shards[offset..offset + stripe.len()];
            let present = [0, 0, 1, 1, 1, 1, 1, 1];
            assert_eq!(erasure.reconstruct(k, m, shard_bytes, whole, &present, &[1; 8]), Ok(2));
            assert!(shards == aligned(&stripe), "{:?}, {offset} bytes from the start", erasure.variant());
        }
    }
}

#[test]
fn keeps_apart_more_losses_than_it_remembers() {
    let mut random = Random::new(8);
    let (k, m) = (6, 3);
    let stripe = random_stripe(k, m, 16, &mut random);
    let losses: Vec<Vec<u8>> = (0..40).map(|_| random_presence(k, m, &mut random)).collect();
    for round in 0..3 {
        for (index, present) in losses.iter().enumerate() {
            // Some come back at once, some after a few others, some when they have long been forgotten.
            for present in [present, &losses[index / 2], &losses[index * round % losses.len()]] {
                assert_rebuilds(Erasure::best(), k, &stripe, present, &[1; 9]);
            }
        }
    }
}

#[test]
fn best_variant_is_the_last_one_allowed() {
    let Features { avx2, avx512, gfni, .. } = Features::active();
    let expected = match (gfni, avx512, avx2) {
        (true, true, _) => ErasureVariant::Gfni512,
        (true, false, true) => ErasureVariant::Gfni256,
        (_, _, true) => ErasureVariant::Avx2,
        _ => ErasureVariant::Portable,
    };
    assert_eq!(Erasure::best().variant(), expected);
    let names = ErasureVariant::ALL.map(ErasureVariant::name);
    assert_eq!(names, ["erasure:portable", "erasure:avx2", "erasure:gfni-256", "erasure:gfni-512"]);
}

#[test]
fn refuses_numbers_out_of_bounds() {
    let mut out = [GARBAGE; 8];
    let numbers = [
        (0, 1, 1),
        (1, 0, 1),
        (1, 1, 0),
        (0, 0, 0),
        (255, 1, 1),
        (1, 255, 1),
        (128, 128, 1),
        (usize::MAX, 1, 1),
        (1, usize::MAX, 1),
    ];
    for (k, m, shard_bytes) in numbers {
        let expected = CoreError::Stripe { data: k, parity: m, shard_bytes };
        assert_eq!(expected.code(), "CORE_RANGE");
        assert_eq!(rs_encode(k, m, shard_bytes, &[1], &mut out[..1]), Err(expected.clone()));
        assert_eq!(rs_reconstruct(k, m, shard_bytes, &mut out, &[1; 2], &[1; 2]), Err(expected));
    }
    assert_eq!(out, [GARBAGE; 8]);
}

#[test]
fn refuses_buffers_of_other_lengths() {
    let mut out = [GARBAGE; 40];
    let longest = usize::MAX / 2;
    for (shard_bytes, data, parity) in [(4, 11, 8), (4, 12, 7), (4, 13, 8), (4, 0, 0), (longest, 12, 8)] {
        let error = rs_encode(3, 2, shard_bytes, &[0; 40][..data], &mut out[..parity]);
        assert_eq!(error.map_err(|error| error.code()), Err("CORE_LENGTH"));
    }
    for (shard_bytes, shards, present, want) in
        [(4, 19, 5, 5), (4, 21, 5, 5), (4, 20, 4, 5), (4, 20, 5, 6), (longest, 20, 5, 5)]
    {
        let (present, want) = (&[1, 0, 1, 1, 1, 1][..present], &[1; 6][..want]);
        let error = rs_reconstruct(3, 2, shard_bytes, &mut out[..shards], present, want);
        assert_eq!(error.map_err(|error| error.code()), Err("CORE_LENGTH"));
    }
    assert_eq!(out, [GARBAGE; 40]);
}

#[test]
fn refuses_to_rebuild_from_too_few_shards() {
    let mut shards = [GARBAGE; 20];
    let error = rs_reconstruct(3, 2, 4, &mut shards, &[1, 0, 0, 0, 9], &[0, 1, 0, 0, 0]);
    assert_eq!(error, Err(CoreError::TooFewShards { present: 2, needed: 3 }));
    assert_eq!(error.map_err(|error| error.code()), Err("CORE_RANGE"));
    assert_eq!(shards, [GARBAGE; 20]);
}

/// Data, parity, length of a shard and a seed for everything else.
fn stripes() -> impl Strategy<Value = (usize, usize, usize, u64)> {
    let shape = (1..SHARDS_MAX).prop_flat_map(|k| (Just(k), 1..=SHARDS_MAX - k));
    let small = (1usize..20, 1usize..10);
    (prop_oneof![4 => small, 1 => shape], 1usize..400, any::<u64>())
        .prop_map(|((k, m), shard_bytes, seed)| (k, m, shard_bytes, seed))
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn brings_back_whatever_is_lost((k, m, shard_bytes, seed) in stripes()) {
        let mut random = Random::new(seed);
        let data = random.bytes(k * shard_bytes);
        let mut parity = vec![0; m * shard_bytes];
        let variants = available();
        let encoder = variants[random.below(variants.len() as u32) as usize];
        prop_assert_eq!(encoder.encode(k, m, shard_bytes, &data, &mut parity), Ok(m));
        let stripe = [data, parity].concat();
        let present = random_presence(k, m, &mut random);
        let want = random.bytes(k + m);
        assert_rebuilds(variants[random.below(variants.len() as u32) as usize], k, &stripe, &present, &want);
    }

    #[test]
    fn survives_any_arguments(
        k in prop_oneof![0usize..6, 0usize..300, any::<usize>()],
        m in prop_oneof![0usize..6, 0usize..300, any::<usize>()],
        shard_bytes in prop_oneof![0usize..6, any::<usize>()],
        fitting in any::<bool>(),
        lengths in prop::array::uniform4(0usize..600),
        seed in any::<u64>(),
    ) {
        let mut random = Random::new(seed);
        let count = k.saturating_add(m);
        let fits = fitting && count <= 600 && shard_bytes <= 600;
        let [shards, present, want, parity] =
            if fits { [count * shard_bytes, count, count, m * shard_bytes] } else { lengths };
        let mut shards = random.bytes(shards);
        let (present, want) = (random.bytes(present), random.bytes(want));
        // Half of the bytes are 0, so that it comes to a computation now and then.
        let [present, want] = [present, want].map(|bytes| -> Vec<u8> { bytes.iter().map(|b| b & 1).collect() });
        for erasure in available() {
            let before = shards.clone();
            if erasure.reconstruct(k, m, shard_bytes, &mut shards, &present, &want).is_err() {
                prop_assert_eq!(&shards, &before);
            }
            let data = shards[..shards.len().min(k.saturating_mul(shard_bytes))].to_vec();
            let mut out = vec![GARBAGE; parity];
            if erasure.encode(k, m, shard_bytes, &data, &mut out).is_err() {
                prop_assert_eq!(out, vec![GARBAGE; parity]);
            }
        }
    }
}
