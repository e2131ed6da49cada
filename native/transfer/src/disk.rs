//! Files by offset, on the threads that may wait for a disk.

use std::fs::File;
use std::io;

/// Fills `buffer` from `offset` on.
///
/// # Errors
/// `UnexpectedEof` when the file is too short.
pub(crate) fn read_at(file: &File, buffer: &mut [u8], offset: u64) -> io::Result<()> {
    #[cfg(unix)]
    return std::os::unix::fs::FileExt::read_exact_at(file, buffer, offset);
    #[cfg(windows)]
    return piecewise(buffer.len(), io::ErrorKind::UnexpectedEof, |done| {
        std::os::windows::fs::FileExt::seek_read(file, &mut buffer[done..], offset + done as u64)
    });
}

/// Writes all of `bytes` from `offset` on.
pub(crate) fn write_at(file: &File, bytes: &[u8], offset: u64) -> io::Result<()> {
    #[cfg(unix)]
    return std::os::unix::fs::FileExt::write_all_at(file, bytes, offset);
    #[cfg(windows)]
    return piecewise(bytes.len(), io::ErrorKind::WriteZero, |done| {
        std::os::windows::fs::FileExt::seek_write(file, &bytes[done..], offset + done as u64)
    });
}

#[cfg(windows)]
fn piecewise(
    length: usize,
    short: io::ErrorKind,
    mut step: impl FnMut(usize) -> io::Result<usize>,
) -> io::Result<()> {
    let mut done = 0;
    while done < length {
        match step(done) {
            Ok(0) => return Err(short.into()),
            Ok(count) => done += count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}
