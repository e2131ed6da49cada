//! What the system can do with files and Node does not offer.

mod mapped;

use std::io;

pub use mapped::release_mapped;

/// Reads what the page cache holds of a file, and waits for no disk.
///
/// Copying 64 KiB takes about 10 µs; to have another thread do it takes ten times as long.
///
/// # Errors
/// What the system says of the file or the descriptor.
///
/// @returns bytes read, from `offset` on without a gap and perhaps fewer than asked; `None` when the first of them
/// would have to come from the disk, or the system cannot tell
#[cfg(target_os = "linux")]
pub fn read_cached(descriptor: i32, bytes: &mut [u8], offset: u64) -> io::Result<Option<usize>> {
    use rustix::fd::BorrowedFd;
    use rustix::io::{Errno, ReadWriteFlags, preadv2};
    use std::io::IoSliceMut;

    if descriptor < 0 {
        return Err(Errno::BADF.into());
    }
    // SAFETY: it is used for this one call, which says `EBADF` of a descriptor that is not open.
    let file = unsafe { BorrowedFd::borrow_raw(descriptor) };
    match preadv2(file, &mut [IoSliceMut::new(bytes)], offset, ReadWriteFlags::NOWAIT) {
        Ok(read) => Ok(Some(read)),
        // Not in the cache; or a file system, or kernel, that does not know the flag.
        Err(Errno::AGAIN | Errno::OPNOTSUPP | Errno::INVAL | Errno::NOSYS) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

/// Other systems do not say what their caches hold.
#[cfg(not(target_os = "linux"))]
pub fn read_cached(_descriptor: i32, _bytes: &mut [u8], _offset: u64) -> io::Result<Option<usize>> {
    Ok(None)
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::read_cached;
    use std::io::Write;
    use std::os::fd::AsRawFd;

    #[test]
    fn what_was_just_written_is_read_at_once() {
        let mut file = tempfile::tempfile().expect("a file");
        file.write_all(&[7; 100_000]).expect("room");
        let mut bytes = [0; 65_536];
        // A file system without the flag says nothing, which is right as well.
        if let Some(read) = read_cached(file.as_raw_fd(), &mut bytes, 1_000).expect("readable") {
            assert!(bytes[..read].iter().all(|&byte| byte == 7));
            assert_eq!(read_cached(file.as_raw_fd(), &mut bytes, 100_000).expect("readable"), Some(0));
        }
    }

    #[test]
    fn a_descriptor_that_is_not_open_is_an_error() {
        assert!(read_cached(-1, &mut [0; 1], 0).is_err());
        assert!(read_cached(1_000_000, &mut [0; 1], 0).is_err());
    }
}
