//! The rule's parts, one by one; the published edge cases are run from JavaScript, over both implementations.

use catalog_signing::{KEY_BYTES, Key, SIGNATURE_BYTES, Signed, verify, verify_many};
use proptest::prelude::*;

/// RFC 8032 §7.1, the second test: seed, public key, signature over the byte 0x72.
const SEED: &str = "4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb";
const PUBLIC: &str = "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c";
const SIGNATURE: &str = "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da\
    085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00";

fn bytes<const N: usize>(hex: &str) -> [u8; N] {
    std::array::from_fn(|i| u8::from_str_radix(&hex[2 * i..2 * i + 2], 16).expect("hexadecimal"))
}

#[test]
fn keys_and_signatures_are_those_of_the_rfc() {
    let key = Key::from_seed(&bytes(SEED));
    assert_eq!(key.public(), bytes::<KEY_BYTES>(PUBLIC));
    assert_eq!(key.sign(&[0x72]), bytes::<SIGNATURE_BYTES>(SIGNATURE));
    assert!(verify(&key.public(), &[0x72], &key.sign(&[0x72])));
}

#[test]
fn other_lengths_are_refused_among_many() {
    let key = Key::from_seed(&[0; KEY_BYTES]);
    let (public, signature) = (key.public(), key.sign(&[]));
    let cases: [(&[u8], &[u8]); 5] = [
        (&public, &signature),
        (&public[1..], &signature),
        (&[0; KEY_BYTES + 1], &signature),
        (&public, &signature[1..]),
        (&public, &[]),
    ];
    let all = cases.map(|(public, signature)| Signed { public, message: &[], signature });
    assert_eq!(verify_many(&all), [true, false, false, false, false]);
}

#[test]
fn other_lengths_are_refused() {
    let key = Key::from_seed(&[0; KEY_BYTES]);
    let signature = key.sign(&[]);
    assert!(!verify(&key.public()[1..], &[], &signature));
    assert!(!verify(&[0; KEY_BYTES + 1], &[], &signature));
    assert!(!verify(&key.public(), &[], &signature[1..]));
    assert!(!verify(&key.public(), &[], &[]));
}

#[test]
fn a_y_of_p_and_more_is_refused() {
    let key = Key::from_seed(&[1; KEY_BYTES]);
    let mut signature = key.sign(b"message");
    for low in 0xed..=0xff {
        let mut point = [0xff; KEY_BYTES];
        point[0] = low;
        for high in [0x7f, 0xff] {
            point[KEY_BYTES - 1] = high;
            assert!(!verify(&point, b"message", &signature));
            signature[..KEY_BYTES].copy_from_slice(&point);
            assert!(!verify(&key.public(), b"message", &signature));
        }
    }
}

/// Some that hold, by a few keys, and each of them with one bit of something else.
fn signed() -> impl Strategy<Value = (Vec<u8>, Vec<u8>, Vec<u8>)> {
    let message = prop::collection::vec(any::<u8>(), 0..200);
    (0..3_u8, message, prop::option::of((0..3_usize, any::<prop::sample::Index>()))).prop_map(
        |(seed, message, flip)| {
            let key = Key::from_seed(&[seed; KEY_BYTES]);
            let signature = key.sign(&message).to_vec();
            let mut parts = [key.public().to_vec(), message, signature];
            if let Some((part, bit)) = flip.filter(|&(part, _)| !parts[part].is_empty()) {
                let bit = bit.index(8 * parts[part].len());
                parts[part][bit / 8] ^= 1 << (bit % 8);
            }
            parts.into()
        },
    )
}

proptest! {
    #[test]
    fn many_are_checked_as_each_alone(all in prop::collection::vec(signed(), 0..20)) {
        let signed = all.iter().map(|(public, message, signature)| Signed { public, message, signature });
        let all: Vec<_> = signed.collect();
        let alone: Vec<_> = all.iter().map(|each| verify(each.public, each.message, each.signature)).collect();
        prop_assert_eq!(verify_many(&all), alone);
    }

    #[test]
    fn only_what_was_signed_verifies(
        seed: [u8; KEY_BYTES],
        message in prop::collection::vec(any::<u8>(), 0..200),
        flip in 0..8 * (KEY_BYTES + SIGNATURE_BYTES),
    ) {
        let key = Key::from_seed(&seed);
        let (mut public, mut signature) = (key.public(), key.sign(&message));
        prop_assert!(verify(&public, &message, &signature));
        let (byte, bit) = (flip / 8, 1 << (flip % 8));
        match byte.checked_sub(KEY_BYTES) {
            None => public[byte] ^= bit,
            Some(at) => signature[at] ^= bit,
        }
        prop_assert!(!verify(&public, &message, &signature));
        let longer = [&message[..], &[0]].concat();
        prop_assert!(!verify(&key.public(), &longer, &key.sign(&message)));
    }
}
