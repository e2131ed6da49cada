//! The compute core. Views may lie on a SharedArrayBuffer, as long as nobody writes to them meanwhile.

use crate::failure::{Coded, Failure, guarded};
use napi::bindgen_prelude::{Uint8ArraySlice, Uint32ArraySlice};
use napi_derive::napi;

/// Version of the functions below; another one means another shape or meaning.
#[napi(catch_unwind)]
pub fn abi() -> u32 {
    catalog_core::ABI_VERSION
}

/// Which kernels this process uses, as `function:variant`.
#[napi(catch_unwind)]
pub fn features() -> Vec<&'static str> {
    catalog_core::features().to_vec()
}

/// SHA-256 of each of n ranges of a buffer.
///
/// @param buf - the bytes
/// @param ranges - 2n numbers: offset and length in bytes, alternating
/// @param out - n × 32 bytes, receives the digests in the order of the ranges; must not overlap the others
/// @returns n
/// @throws Error `CORE_LENGTH` when the shapes disagree, `CORE_RANGE` when a range leaves the buffer or
/// `out` overlaps an input
#[napi(catch_unwind, ts_return_type = "number")]
pub fn sha256_many(
    #[napi(ts_arg_type = "Uint8Array")] buf: Uint8ArraySlice,
    #[napi(ts_arg_type = "Uint32Array")] ranges: Uint32ArraySlice,
    #[napi(ts_arg_type = "Uint8Array")] mut out: Uint8ArraySlice,
) -> Coded<u32> {
    guarded(|| {
        let out = writable(&mut out, &[span(&buf), span(&ranges)])?;
        Ok(catalog_core::sha256_many(&buf, &ranges, out)? as u32)
    })
}

/// Merkle root over chunk ids.
///
/// @param ids - n × 32 bytes, in chunk order; n ≥ 0
/// @param lengths - n chunk lengths in bytes, each 1…65,536
/// @param profile - how the blob was cut, 0…255
/// @param out - 32 bytes, receives the root; must not overlap the others
/// @returns the number of digests written: 1
/// @throws Error `CORE_LENGTH` when the shapes disagree, `CORE_RANGE` when a length or the profile is out of
/// bounds or `out` overlaps an input
#[napi(catch_unwind, ts_return_type = "number")]
pub fn merkle_root(
    #[napi(ts_arg_type = "Uint8Array")] ids: Uint8ArraySlice,
    #[napi(ts_arg_type = "Uint32Array")] lengths: Uint32ArraySlice,
    profile: u32,
    #[napi(ts_arg_type = "Uint8Array")] mut out: Uint8ArraySlice,
) -> Coded<u32> {
    guarded(|| {
        let profile = u8::try_from(profile).map_err(|_| Failure {
            code: "CORE_RANGE",
            message: format!("the profile is {profile}, allowed are 0 to 255"),
        })?;
        let out = writable(&mut out, &[span(&ids), span(&lengths)])?;
        let actual = out.len();
        let root = out.try_into().map_err(|_| Failure {
            code: "CORE_LENGTH",
            message: format!("out holds {actual} elements, expected 32"),
        })?;
        Ok(catalog_core::merkle_root(&ids, &lengths, profile, root)? as u32)
    })
}

/// First address and one past the last.
type Span = (usize, usize);

fn span<T>(slice: &[T]) -> Span {
    let range = slice.as_ptr_range();
    (range.start as usize, range.end as usize)
}

/// The output view as a slice, unless it shares bytes with an input. JavaScript may well pass the same
/// memory twice; in Rust that must never become a `&[u8]` and a `&mut [u8]`.
fn writable<'a>(out: &'a mut Uint8ArraySlice, inputs: &[Span]) -> Result<&'a mut [u8], Failure> {
    let (start, end) = span(out);
    if inputs.iter().any(|&(from, to)| start.max(from) < end.min(to)) {
        return Err(Failure { code: "CORE_RANGE", message: "out overlaps an input".into() });
    }
    // SAFETY: no other slice of this call covers these bytes, as just checked, and JavaScript of this
    // thread stands still until it returns. Other threads keep off by the contract of this module.
    Ok(unsafe { out.as_mut() })
}
