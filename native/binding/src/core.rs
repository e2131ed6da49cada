//! The compute core. Views may lie on a SharedArrayBuffer, as long as nobody writes to them meanwhile. What each
//! function computes is said where the surface is defined, `src/core/surface.ts`.

use crate::failure::{Coded, Failure, guarded};
use napi::bindgen_prelude::{BigUint64ArraySlice, Int8ArraySlice, Uint8ArraySlice, Uint32ArraySlice};
use napi_derive::napi;
use std::ops::Deref;

/// The largest integer a JavaScript number holds exactly, 2⁵³ − 1.
const MAX_SAFE_INTEGER: f64 = 9_007_199_254_740_991.0;

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
#[napi(catch_unwind, ts_return_type = "number")]
pub fn sha256_many(
    #[napi(ts_arg_type = "Uint8Array")] buf: Uint8ArraySlice,
    #[napi(ts_arg_type = "Uint32Array")] ranges: Uint32ArraySlice,
    #[napi(ts_arg_type = "Uint8Array")] mut out: Uint8ArraySlice,
) -> Coded<u32> {
    guarded(|| {
        let out = writable(&mut out, "out", &[span(&buf), span(&ranges)])?;
        Ok(catalog_core::sha256_many(&buf, &ranges, out)? as u32)
    })
}

/// SHA-256 of a message that comes in pieces.
#[napi(catch_unwind, ts_return_type = "number")]
pub fn sha256_update(
    #[napi(ts_arg_type = "Uint8Array")] mut state: Uint8ArraySlice,
    #[napi(ts_arg_type = "Uint8Array")] buf: Uint8ArraySlice,
    offset: f64,
    length: f64,
    last: bool,
) -> Coded<u32> {
    guarded(|| {
        let (offset, length) = (integer("offset", offset)?, integer("length", length)?);
        let state = writable(&mut state, "state", &[span(&buf)])?;
        Ok(catalog_core::sha256_update(state, &buf, offset, length, last)? as u32)
    })
}

/// Cuts bytes into chunks by their content.
#[napi(catch_unwind, ts_return_type = "number")]
pub fn chunk(
    #[napi(ts_arg_type = "Uint8Array")] buf: Uint8ArraySlice,
    offset: f64,
    length: f64,
    profile: f64,
    last: bool,
    #[napi(ts_arg_type = "Uint32Array")] mut cuts: Uint32ArraySlice,
) -> Coded<u32> {
    guarded(|| {
        let (offset, length) = (integer("offset", offset)?, integer("length", length)?);
        let profile = integer("profile", profile)?;
        let cuts = writable(&mut cuts, "cuts", &[span(&buf)])?;
        Ok(catalog_core::chunk(&buf, offset, length, profile, last, cuts)? as u32)
    })
}

/// Merkle root over chunk ids, and the tree below it when asked for.
#[napi(catch_unwind, ts_return_type = "number")]
pub fn merkle_root(
    #[napi(ts_arg_type = "Uint8Array")] ids: Uint8ArraySlice,
    #[napi(ts_arg_type = "Uint32Array")] lengths: Uint32ArraySlice,
    profile: f64,
    #[napi(ts_arg_type = "Uint8Array")] mut out: Uint8ArraySlice,
    #[napi(ts_arg_type = "Uint8Array | undefined | null")] nodes: Option<Uint8ArraySlice>,
) -> Coded<u32> {
    guarded(|| {
        let profile = integer("profile", profile)?;
        let mut nodes = nodes;
        let inputs = [span(&ids), span(&lengths), nodes.as_deref().map_or((0, 0), span)];
        let out = writable(&mut out, "out", &inputs)?;
        let nodes = match &mut nodes {
            Some(nodes) => Some(writable(nodes, "nodes", &inputs[..2])?),
            None => None,
        };
        Ok(catalog_core::merkle_root(&ids, &lengths, profile, out, nodes)? as u32)
    })
}

/// Whether a chunk is part of the blob with a given root.
#[napi(catch_unwind, ts_return_type = "boolean")]
#[allow(clippy::too_many_arguments)] // They are the root's and the chunk's own parts.
pub fn merkle_verify(
    #[napi(ts_arg_type = "Uint8Array")] root: Uint8ArraySlice,
    profile: f64,
    total: f64,
    count: f64,
    index: f64,
    #[napi(ts_arg_type = "Uint8Array")] id: Uint8ArraySlice,
    length: f64,
    #[napi(ts_arg_type = "Uint8Array")] proof: Uint8ArraySlice,
) -> Coded<bool> {
    guarded(|| {
        let (profile, total) = (integer("profile", profile)?, integer("total", total)?);
        let (count, index, length) =
            (integer("count", count)?, integer("index", index)?, integer("length", length)?);
        Ok(catalog_core::merkle_verify(&root, profile, total, count, index, &id, length, &proof)?)
    })
}

/// Parity of one stripe.
#[napi(catch_unwind, ts_return_type = "number")]
pub fn rs_encode(
    k: f64,
    m: f64,
    shard_bytes: f64,
    #[napi(ts_arg_type = "Uint8Array")] data: Uint8ArraySlice,
    #[napi(ts_arg_type = "Uint8Array")] mut parity: Uint8ArraySlice,
) -> Coded<u32> {
    guarded(|| {
        let (k, m, shard_bytes) = (integer("k", k)?, integer("m", m)?, integer("shardBytes", shard_bytes)?);
        let parity = writable(&mut parity, "parity", &[span(&data)])?;
        Ok(catalog_core::rs_encode(k, m, shard_bytes, &data, parity)? as u32)
    })
}

/// Rebuilds lost shards of a stripe.
#[napi(catch_unwind, ts_return_type = "number")]
pub fn rs_reconstruct(
    k: f64,
    m: f64,
    shard_bytes: f64,
    #[napi(ts_arg_type = "Uint8Array")] mut shards: Uint8ArraySlice,
    #[napi(ts_arg_type = "Uint8Array")] present: Uint8ArraySlice,
    #[napi(ts_arg_type = "Uint8Array")] want: Uint8ArraySlice,
) -> Coded<u32> {
    guarded(|| {
        let (k, m, shard_bytes) = (integer("k", k)?, integer("m", m)?, integer("shardBytes", shard_bytes)?);
        let shards = writable(&mut shards, "shards", &[span(&present), span(&want)])?;
        Ok(catalog_core::rs_reconstruct(k, m, shard_bytes, shards, &present, &want)? as u32)
    })
}

/// Adds ids to a sketch, or takes them out.
#[napi(catch_unwind, ts_return_type = "number")]
pub fn sketch_update(
    #[napi(ts_arg_type = "Uint8Array")] mut sketch: Uint8ArraySlice,
    symbols: f64,
    #[napi(ts_arg_type = "BigUint64Array")] ids: BigUint64ArraySlice,
    sign: f64,
) -> Coded<u32> {
    guarded(|| {
        let symbols = integer("symbols", symbols)?;
        let size: i32 = integer("sign", sign.abs())?;
        let sign = if sign < 0.0 { -size } else { size };
        let sketch = writable(&mut sketch, "sketch", &[span(&ids)])?;
        Ok(catalog_core::sketch_update(sketch, symbols, &ids, sign)? as u32)
    })
}

/// The ids in a difference of two sketches; null when more symbols are needed.
#[napi(catch_unwind, ts_return_type = "number | null")]
pub fn sketch_decode(
    #[napi(ts_arg_type = "Uint8Array")] mut diff: Uint8ArraySlice,
    symbols: f64,
    #[napi(ts_arg_type = "BigUint64Array")] mut out_ids: BigUint64ArraySlice,
    #[napi(ts_arg_type = "Int8Array")] mut out_signs: Int8ArraySlice,
) -> Coded<Option<u32>> {
    guarded(|| {
        let symbols = integer("symbols", symbols)?;
        let (ids, signs) = (span(&out_ids), span(&out_signs));
        let diff = writable(&mut diff, "diff", &[ids, signs])?;
        let out_ids = writable(&mut out_ids, "outIds", &[signs])?;
        let out_signs = writable(&mut out_signs, "outSigns", &[ids])?;
        let found = catalog_core::sketch_decode(diff, symbols, out_ids, out_signs)?;
        Ok(found.map(|count| count as u32))
    })
}

/// A JavaScript number as the integer that a function of the core takes.
fn integer<T: TryFrom<u64>>(name: &str, value: f64) -> Result<T, Failure> {
    let whole = value.fract() == 0.0 && (0.0..=MAX_SAFE_INTEGER).contains(&value);
    let converted = if whole { T::try_from(value as u64).ok() } else { None };
    converted.ok_or_else(|| Failure {
        code: "CORE_RANGE",
        message: format!("{name} is {value}, which is out of bounds"),
    })
}

/// First address and one past the last.
type Span = (usize, usize);

fn span<T>(slice: &[T]) -> Span {
    let range = slice.as_ptr_range();
    (range.start as usize, range.end as usize)
}

/// A view that napi lends, of any element type.
trait View: Deref<Target = [Self::Element]> {
    type Element;
    /// # Safety
    /// No other reference to these bytes may be in use.
    unsafe fn exclusive(&mut self) -> &mut [Self::Element];
}

macro_rules! view {
    ($($slice:ident: $element:ty),+) => {
        $(impl View for $slice<'_> {
            type Element = $element;
            unsafe fn exclusive(&mut self) -> &mut [$element] {
                // SAFETY: passed on to the caller.
                unsafe { self.as_mut() }
            }
        })+
    };
}
view!(Uint8ArraySlice: u8, Uint32ArraySlice: u32, BigUint64ArraySlice: u64, Int8ArraySlice: i8);

/// An output view as a slice, unless it shares bytes with another argument. JavaScript may well pass the same
/// memory twice; in Rust that must never become a `&[u8]` and a `&mut [u8]`.
fn writable<'a, V: View>(
    view: &'a mut V,
    name: &str,
    others: &[Span],
) -> Result<&'a mut [V::Element], Failure> {
    let (start, end) = span(view);
    if others.iter().any(|&(from, to)| start.max(from) < end.min(to)) {
        return Err(Failure { code: "CORE_RANGE", message: format!("{name} overlaps another argument") });
    }
    // SAFETY: no other slice of this call covers these bytes, as just checked, and JavaScript of this
    // thread stands still until it returns. Other threads keep off by the contract of this module.
    Ok(unsafe { view.exclusive() })
}
