//! Many signatures at once, as they come with the records of a publisher: each is checked by itself, by the same rule
//! as one alone. A key is read once for all that it signed, and R is not read at all: the R that there should be is
//! computed, and its one canonical encoding compared.

use crate::{KEY_BYTES, SIGNATURE_BYTES, is_canonical};
use curve25519_dalek::edwards::{CompressedEdwardsY, EdwardsPoint};
use curve25519_dalek::scalar::Scalar;
use sha2::{Digest, Sha512};
use std::collections::HashMap;

/// A message with a signature over it, whoever's that is.
#[derive(Clone, Copy, Debug)]
pub struct Signed<'a> {
    /// Of the key that is said to have signed, 32 bytes.
    pub public: &'a [u8],
    /// What was signed.
    pub message: &'a [u8],
    /// 64 bytes.
    pub signature: &'a [u8],
}

/// Which of them [`verify`](crate::verify) holds for, in their order.
#[must_use]
pub fn verify_many(all: &[Signed]) -> Vec<bool> {
    let mut keys: HashMap<&[u8], Option<PublicKey>> = HashMap::new();
    all.iter()
        .map(|&Signed { public, message, signature }| {
            let key = keys.entry(public).or_insert_with(|| PublicKey::read(public));
            key.as_ref().is_some_and(|key| key.has_signed(message, signature))
        })
        .collect()
}

/// One that obeys the rule.
struct PublicKey {
    encoded: [u8; KEY_BYTES],
    /// −A.
    negated: EdwardsPoint,
}

impl PublicKey {
    fn read(encoded: &[u8]) -> Option<Self> {
        let encoded = <[u8; KEY_BYTES]>::try_from(encoded).ok()?;
        let point = CompressedEdwardsY(encoded).decompress()?;
        (is_canonical(&encoded) && !point.is_small_order()).then(|| Self { encoded, negated: -point })
    }

    /// Whether R is the encoding of S·B − k·A, where k is the hash of R, A and the message.
    fn has_signed(&self, message: &[u8], signature: &[u8]) -> bool {
        let Some((r, s)) = signature.split_at_checked(KEY_BYTES) else { return false };
        let Ok(s) = <[u8; SIGNATURE_BYTES - KEY_BYTES]>::try_from(s) else { return false };
        let Some(s) = Scalar::from_canonical_bytes(s).into_option() else { return false };
        let k =
            Scalar::from_hash(Sha512::new().chain_update(r).chain_update(self.encoded).chain_update(message));
        let expected = EdwardsPoint::vartime_double_scalar_mul_basepoint(&k, &self.negated, &s);
        expected.compress().as_bytes() == r && !expected.is_small_order()
    }
}
