//! Ed25519 by one strict rule, so that no two nodes disagree on a signature: single and cofactorless, with canonical
//! encodings of A and R, neither of small order, and S < L. `src/model/ed25519.ts` states the same rule over OpenSSL;
//! both are held to the published edge cases in `test/vectors/ed25519.json`.
//!
//! Sources: RFC 8032 §5.1; "Taming the many EdDSAs" (Chalkias et al., 2020) for the edge cases.

mod many;

pub use many::{Signed, verify_many};

use ed25519_dalek::{Signature, Signer, SigningKey, VerifyingKey};

/// Bytes of a seed, and of a public key.
pub const KEY_BYTES: usize = 32;
/// Bytes of a signature: R, then S.
pub const SIGNATURE_BYTES: usize = 64;

/// The field's prime 2²⁵⁵ − 19, little-endian.
const PRIME: [u8; KEY_BYTES] = {
    let mut prime = [0xff; KEY_BYTES];
    prime[0] = 0xed;
    prime[KEY_BYTES - 1] = 0x7f;
    prime
};

/// A private key with its public one.
pub struct Key(SigningKey);

impl Key {
    /// The key of a seed, the private key of RFC 8032.
    #[must_use]
    pub fn from_seed(seed: &[u8; KEY_BYTES]) -> Self {
        Self(SigningKey::from_bytes(seed))
    }

    /// The public key.
    #[must_use]
    pub fn public(&self) -> [u8; KEY_BYTES] {
        self.0.verifying_key().to_bytes()
    }

    /// The one signature of this key over a message.
    #[must_use]
    pub fn sign(&self, message: &[u8]) -> [u8; SIGNATURE_BYTES] {
        self.0.sign(message).to_bytes()
    }
}

/// Whether `signature` is `public`'s over `message`, by the strict rule. Arguments of other lengths never are.
#[must_use]
pub fn verify(public: &[u8], message: &[u8], signature: &[u8]) -> bool {
    let (Ok(public), Ok(signature)) =
        (<&[u8; KEY_BYTES]>::try_from(public), <&[u8; SIGNATURE_BYTES]>::try_from(signature))
    else {
        return false;
    };
    // The library reduces a y of p and more instead of refusing it; the rest of the rule is its own.
    if !is_canonical(public) || !is_canonical(&signature[..KEY_BYTES]) {
        return false;
    }
    let signature = Signature::from_bytes(signature);
    VerifyingKey::from_bytes(public).is_ok_and(|key| key.verify_strict(message, &signature).is_ok())
}

/// Whether the y of an encoded point is less than p; the highest bit is the sign of x.
fn is_canonical(point: &[u8]) -> bool {
    let last = point[KEY_BYTES - 1] & 0x7f;
    let y = point[..KEY_BYTES - 1].iter().chain([&last]).rev();
    y.lt(PRIME.iter().rev())
}
