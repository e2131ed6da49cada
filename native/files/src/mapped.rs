//! Pages of mapped files that a process has in place, and how it gives them back.
//!
//! A database that is read through a map, and programs as large as Node's, come into place page by page and stay,
//! although most of it is never looked at again. The system has all of it in its cache: to give back a page costs
//! nothing but a fault of under a microsecond, should somebody look there after all.

use std::io;

/// Gives back what is in place of the code of this process, and of the file at `path` that it has mapped.
///
/// To be called on the thread that maps that file and takes its map away, for otherwise something else might lie there
/// by the time that it is given back. Programs and their libraries stay where they are.
///
/// # Errors
/// What the system says of `/proc`.
///
/// @param above - nothing is done while no more bytes of files than these are in place
/// @returns bytes of files that were in place
#[cfg(target_os = "linux")]
pub fn release_mapped(path: &str, above: u64) -> io::Result<u64> {
    use rustix::mm::{Advice, madvise};
    use std::fs::read_to_string;

    let status = read_to_string("/proc/self/status")?;
    let in_place = kibibytes(&status, "RssFile:") << 10;
    if in_place <= above {
        return Ok(in_place);
    }
    for Mapping { start, length } in releasable(&read_to_string("/proc/self/smaps")?, path) {
        let place = std::ptr::with_exposed_provenance_mut(start);
        // SAFETY: nobody has written to these pages, so that what comes back into place is the same bytes of the file.
        unsafe { madvise(place, length, Advice::LinuxDontNeed) }?;
    }
    Ok(in_place)
}

/// Other systems count what is mapped in other ways.
#[cfg(not(target_os = "linux"))]
pub fn release_mapped(_path: &str, _above: u64) -> io::Result<u64> {
    Ok(0)
}

#[cfg(target_os = "linux")]
struct Mapping {
    start: usize,
    length: usize,
}

/// Of what `/proc/self/smaps` tells: mappings that are not written to, of files with code and of that at `path`, of
/// which every page is still the file's own.
#[cfg(target_os = "linux")]
fn releasable(smaps: &str, path: &str) -> Vec<Mapping> {
    let described = described(smaps);
    let is_code =
        |file: &str| described.iter().any(|of| of.file == file && of.permissions.starts_with("r-x"));
    described
        .iter()
        .filter(|of| !of.permissions.contains('w') && of.has_pages && (of.file == path || is_code(of.file)))
        .filter_map(|of| {
            let (start, end) = of.range.split_once('-')?;
            let [start, end] = [start, end].map(|address| usize::from_str_radix(address, 16).ok());
            let start = start?;
            Some(Mapping { start, length: end?.checked_sub(start)? })
        })
        .collect()
}

#[cfg(target_os = "linux")]
struct Described<'a> {
    range: &'a str,
    permissions: &'a str,
    file: &'a str,
    /// Some in place, and none of them a copy.
    has_pages: bool,
}

/// A mapping is a line "RANGE PERMISSIONS OFFSET DEVICE INODE FILE", and lines "NAME: VALUE kB" that follow it.
#[cfg(target_os = "linux")]
fn described(smaps: &str) -> Vec<Described<'_>> {
    let mut all: Vec<Described<'_>> = Vec::new();
    for line in smaps.lines() {
        let mut words = line.split_ascii_whitespace();
        let first = words.next().unwrap_or_default();
        if !first.ends_with(':') {
            let permissions = words.next().unwrap_or_default();
            // What has no file has no path that could begin with a slash.
            let file = line.find('/').map_or("", |at| &line[at..]);
            all.push(Described { range: first, permissions, file, has_pages: false });
        } else if let Some(last) = all.last_mut() {
            match first {
                "Rss:" => last.has_pages = kibibytes(line, first) > 0,
                "Anonymous:" => last.has_pages &= kibibytes(line, first) == 0,
                _ => {}
            }
        }
    }
    all.retain(|of| of.file.starts_with('/'));
    all
}

/// The number in a line "NAME NUMBER kB"; 0 without one.
#[cfg(target_os = "linux")]
fn kibibytes(text: &str, name: &str) -> u64 {
    let line = text.lines().find_map(|line| line.strip_prefix(name));
    line.and_then(|rest| rest.trim().strip_suffix(" kB")?.parse().ok()).unwrap_or(0)
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::{Mapping, releasable, release_mapped};

    const SMAPS: &str = "\
00400000-00500000 r--p 00000000 fe:00 1 /usr/bin/a program
Rss:                 100 kB
Anonymous:             0 kB
00500000-00700000 r-xp 00100000 fe:00 1 /usr/bin/a program
Rss:                 200 kB
Anonymous:             0 kB
00700000-00800000 r--p 00300000 fe:00 1 /usr/bin/a program
Rss:                  64 kB
Anonymous:            64 kB
00800000-00900000 rw-p 00400000 fe:00 1 /usr/bin/a program
Rss:                  64 kB
Anonymous:             0 kB
01000000-02000000 r--s 00000000 fe:00 2 /var/data.mdb
Rss:                4000 kB
Anonymous:             0 kB
03000000-04000000 r--s 00000000 fe:00 3 /var/other
Rss:                4000 kB
Anonymous:             0 kB
05000000-06000000 r-xp 00000000 00:00 0 
Rss:                   4 kB
Anonymous:             0 kB
";

    #[test]
    fn code_and_the_named_file_are_given_back_where_nothing_was_written() {
        let places: Vec<_> = releasable(SMAPS, "/var/data.mdb")
            .iter()
            .map(|&Mapping { start, length }| (start, length))
            .collect();
        assert_eq!(places, [(0x40_0000, 0x10_0000), (0x50_0000, 0x20_0000), (0x100_0000, 0x100_0000)]);
    }

    #[test]
    fn a_process_goes_on_without_its_pages() {
        let before = release_mapped("/nowhere", 0).expect("readable");
        let after = release_mapped("/nowhere", u64::MAX).expect("readable");
        assert!(before > 0 && after > 0);
    }
}
