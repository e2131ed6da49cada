//! Files.

use crate::failure::{Coded, Failure, guarded};
use napi::bindgen_prelude::Uint8ArraySlice;
use napi_derive::napi;

/// Reads what the page cache holds of an open file, and waits for no disk.
///
/// @param descriptor - open for reading
/// @param bytes - to be filled from its start
/// @param offset - in the file
/// @returns bytes read, perhaps fewer than asked; -1 when they would have to come from the disk
/// @throws Error `FILE_UNREADABLE`
#[napi(catch_unwind, ts_return_type = "number")]
pub fn read_cached(
    descriptor: i32,
    #[napi(ts_arg_type = "Uint8Array")] mut bytes: Uint8ArraySlice,
    offset: f64,
) -> Coded<i32> {
    guarded(|| {
        // SAFETY: JavaScript stands still until this returns, and nobody else is given these bytes.
        let bytes = unsafe { bytes.as_mut() };
        match catalog_files::read_cached(descriptor, bytes, offset as u64) {
            Ok(Some(read)) => Ok(i32::try_from(read).unwrap_or(i32::MAX)),
            Ok(None) => Ok(-1),
            Err(error) => Err(Failure { code: "FILE_UNREADABLE", message: error.to_string() }),
        }
    })
}

/// Gives back the pages that are in place of this process's code, and of a file that this thread has mapped.
///
/// @param path - of that file, as the system tells it
/// @param above - bytes; nothing is done while no more of files is in place
/// @returns bytes that were in place; 0 where the system does not tell
/// @throws Error `FILE_UNREADABLE`
#[napi(catch_unwind, ts_return_type = "number")]
pub fn release_mapped(path: String, above: f64) -> Coded<f64> {
    guarded(|| match catalog_files::release_mapped(&path, above as u64) {
        Ok(in_place) => Ok(in_place as f64),
        Err(error) => Err(Failure { code: "FILE_UNREADABLE", message: error.to_string() }),
    })
}
