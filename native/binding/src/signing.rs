//! Ed25519. One signature or check is made where it is asked for; many at once on another thread.

use crate::failure::{Coded, Failure, guarded};
use crate::runtime::blocking;
use catalog_signing::{KEY_BYTES, Key, SIGNATURE_BYTES, Signed};
use napi::Env;
use napi::bindgen_prelude::{Buffer, PromiseRaw, Result, Uint8ArraySlice};
use napi_derive::napi;
use std::sync::Arc;

/// Whether a signature (64 bytes) is a key's (32 bytes) over a message, by the strict rule of `src/model/ed25519.ts`.
#[napi(catch_unwind, ts_return_type = "boolean")]
pub fn ed25519_verify(
    #[napi(ts_arg_type = "Uint8Array")] public_key: Uint8ArraySlice,
    #[napi(ts_arg_type = "Uint8Array")] message: Uint8ArraySlice,
    #[napi(ts_arg_type = "Uint8Array")] signature: Uint8ArraySlice,
) -> Coded<bool> {
    guarded(|| Ok(catalog_signing::verify(&public_key, &message, &signature)))
}

/// Checks many signatures on another thread, each by the rule of `ed25519Verify`.
///
/// @param publicKeys - 32 bytes for each, one behind the other; copied, as all are
/// @param messages - one behind the other
/// @param ends - where each message ends, ascending
/// @param signatures - 64 bytes for each
/// @returns a byte for each, 1 where it holds
/// @throws Error `CORE_RANGE` unless the ends cut up the messages, and there are as many of all
#[napi(catch_unwind, ts_return_type = "Promise<Buffer>")]
pub fn ed25519_verify_many<'env>(
    env: &'env Env,
    #[napi(ts_arg_type = "Uint8Array")] public_keys: Uint8ArraySlice,
    #[napi(ts_arg_type = "Uint8Array")] messages: Uint8ArraySlice,
    ends: Vec<u32>,
    #[napi(ts_arg_type = "Uint8Array")] signatures: Uint8ArraySlice,
) -> Result<PromiseRaw<'env, Coded<Buffer>>> {
    let (public_keys, messages, signatures) = (public_keys.to_vec(), messages.to_vec(), signatures.to_vec());
    blocking(env, move || {
        let messages = cut(&messages, &ends)?;
        let (publics, signatures) = (public_keys.chunks(KEY_BYTES), signatures.chunks(SIGNATURE_BYTES));
        if publics.len() != messages.len() || signatures.len() != messages.len() {
            let message = format!(
                "{} keys and {} signatures of {} messages",
                publics.len(),
                signatures.len(),
                messages.len()
            );
            return Err(Failure { code: "CORE_RANGE", message });
        }
        let all: Vec<_> = publics
            .zip(signatures)
            .zip(messages)
            .map(|((public, signature), message)| Signed { public, message, signature })
            .collect();
        Ok(catalog_signing::verify_many(&all).into_iter().map(u8::from).collect::<Vec<_>>().into())
    })
}

/// A private key.
#[napi]
pub struct Ed25519Key {
    key: Arc<Key>,
}

#[napi]
impl Ed25519Key {
    /// The key of a seed of 32 bytes.
    ///
    /// @throws Error `CORE_LENGTH` for a seed of another length
    #[napi(catch_unwind, ts_return_type = "Ed25519Key")]
    pub fn from_seed(#[napi(ts_arg_type = "Uint8Array")] seed: Uint8ArraySlice) -> Coded<Ed25519Key> {
        guarded(|| {
            let seed = <&[u8; KEY_BYTES]>::try_from(&seed[..])
                .map_err(|_| length(format!("a seed of {} bytes", seed.len())))?;
            Ok(Self { key: Arc::new(Key::from_seed(seed)) })
        })
    }

    /// The public key, 32 bytes.
    #[napi(getter, catch_unwind)]
    pub fn public_key(&self) -> Buffer {
        self.key.public().to_vec().into()
    }

    /// The signature over a message, 64 bytes.
    #[napi(catch_unwind, ts_return_type = "Buffer")]
    pub fn sign(&self, #[napi(ts_arg_type = "Uint8Array")] message: Uint8ArraySlice) -> Coded<Buffer> {
        guarded(|| Ok(self.key.sign(&message).to_vec().into()))
    }

    /// The signatures over many messages, made on another thread.
    ///
    /// @param messages - one behind the other; copied
    /// @param ends - where each ends, ascending
    /// @returns 64 bytes for each, in their order
    /// @throws Error `CORE_RANGE` unless the ends cut up the messages
    #[napi(catch_unwind, ts_return_type = "Promise<Buffer>")]
    pub fn sign_many<'env>(
        &self,
        env: &'env Env,
        #[napi(ts_arg_type = "Uint8Array")] messages: Uint8ArraySlice,
        ends: Vec<u32>,
    ) -> Result<PromiseRaw<'env, Coded<Buffer>>> {
        let (key, messages) = (Arc::clone(&self.key), messages.to_vec());
        blocking(env, move || {
            let signatures = cut(&messages, &ends)?.into_iter().flat_map(|message| key.sign(message));
            Ok(signatures.collect::<Vec<_>>().into())
        })
    }
}

/// The messages that end at these places.
fn cut<'a>(messages: &'a [u8], ends: &[u32]) -> std::result::Result<Vec<&'a [u8]>, Failure> {
    let starts = std::iter::once(0).chain(ends.iter().copied());
    let each = starts.zip(ends).map(|(start, &end)| {
        messages.get(start as usize..end as usize).ok_or_else(|| Failure {
            code: "CORE_RANGE",
            message: format!("no message lies at {start} to {end} of {}", messages.len()),
        })
    });
    each.collect()
}

fn length(what: String) -> Failure {
    Failure { code: "CORE_LENGTH", message: format!("{what} instead of {KEY_BYTES}") }
}
