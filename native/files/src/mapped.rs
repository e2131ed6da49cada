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
    let maps = read_to_string("/proc/self/maps")?;
    let places = CLEAN.with_borrow_mut(|clean| -> io::Result<_> {
        let wanted = releasable(&maps, path);
        if wanted.iter().any(|mapping| !clean.contains_key(mapping.line)) {
            *clean = verdicts(&read_to_string("/proc/self/smaps")?);
        }
        Ok(wanted.into_iter().filter(|mapping| clean.get(mapping.line) == Some(&true)).collect::<Vec<_>>())
    })?;
    for Mapping { start, length, .. } in places {
        let place = std::ptr::with_exposed_provenance_mut(start);
        // SAFETY: nobody has written to these pages, so that what comes back into place is the same bytes of the file.
        unsafe { madvise(place, length, Advice::LinuxDontNeed) }?;
    }
    Ok(in_place)
}

#[cfg(target_os = "linux")]
thread_local! {
    /// By the line that describes a mapping, whether every page of it was the file's own. To find out, the system looks
    /// at each page of the process, for ten milliseconds; a mapping that may not be written to stays as it was.
    static CLEAN: std::cell::RefCell<std::collections::HashMap<String, bool>> = std::cell::RefCell::default();
}

/// Other systems count what is mapped in other ways.
#[cfg(not(target_os = "linux"))]
pub fn release_mapped(_path: &str, _above: u64) -> io::Result<u64> {
    Ok(0)
}

/// A line "RANGE PERMISSIONS OFFSET DEVICE INODE FILE".
#[cfg(target_os = "linux")]
struct Mapping<'a> {
    line: &'a str,
    start: usize,
    length: usize,
    permissions: &'a str,
    file: &'a str,
}

#[cfg(target_os = "linux")]
impl<'a> Mapping<'a> {
    /// Nothing for what has no file.
    fn read(line: &'a str) -> Option<Self> {
        // What has no file has no path that could begin with a slash.
        let file = &line[line.find('/')?..];
        let mut words = line.split_ascii_whitespace();
        let (start, end) = words.next()?.split_once('-')?;
        let start = usize::from_str_radix(start, 16).ok()?;
        let length = usize::from_str_radix(end, 16).ok()?.checked_sub(start)?;
        Some(Self { line, start, length, permissions: words.next()?, file })
    }
}

/// Of what `/proc/self/maps` tells: mappings that are not written to, of files with code and of that at `path`.
#[cfg(target_os = "linux")]
fn releasable<'a>(maps: &'a str, path: &str) -> Vec<Mapping<'a>> {
    let all: Vec<_> = maps.lines().filter_map(Mapping::read).collect();
    let code: std::collections::HashSet<_> =
        all.iter().filter(|of| of.permissions.starts_with("r-x")).map(|of| of.file).collect();
    let is_wanted =
        |of: &Mapping| !of.permissions.contains('w') && (of.file == path || code.contains(of.file));
    all.into_iter().filter(is_wanted).collect()
}

/// Of what `/proc/self/smaps` tells, in lines "NAME: VALUE kB" behind that of each mapping: those of which no page is a
/// copy.
#[cfg(target_os = "linux")]
fn verdicts(smaps: &str) -> std::collections::HashMap<String, bool> {
    let mut mapping = "";
    let mut verdicts = std::collections::HashMap::new();
    for line in smaps.lines() {
        if Mapping::read(line).is_some() {
            mapping = line;
        } else if line.starts_with("Anonymous:") {
            verdicts.insert(mapping.to_owned(), kibibytes(line, "Anonymous:") == 0);
        } else if line.split_ascii_whitespace().next().is_some_and(|word| !word.ends_with(':')) {
            mapping = "";
        }
    }
    verdicts.remove("");
    verdicts
}

/// The number in a line "NAME NUMBER kB"; 0 without one.
#[cfg(target_os = "linux")]
fn kibibytes(text: &str, name: &str) -> u64 {
    let line = text.lines().find_map(|line| line.strip_prefix(name));
    line.and_then(|rest| rest.trim().strip_suffix(" kB")?.parse().ok()).unwrap_or(0)
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::{releasable, release_mapped, verdicts};

    const MAPS: &str = "\
00400000-00500000 r--p 00000000 fe:00 1 /usr/bin/a program
00500000-00700000 r-xp 00100000 fe:00 1 /usr/bin/a program
00700000-00800000 r--p 00300000 fe:00 1 /usr/bin/a program
00800000-00900000 rw-p 00400000 fe:00 1 /usr/bin/a program
01000000-02000000 r--s 00000000 fe:00 2 /var/data.mdb
03000000-04000000 r--s 00000000 fe:00 3 /var/other
05000000-06000000 r-xp 00000000 00:00 0 
";

    #[test]
    fn code_and_the_named_file_are_given_back_where_nothing_is_written() {
        let places: Vec<_> =
            releasable(MAPS, "/var/data.mdb").iter().map(|mapping| (mapping.start, mapping.length)).collect();
        assert_eq!(
            places,
            [
                (0x40_0000, 0x10_0000),
                (0x50_0000, 0x20_0000),
                (0x70_0000, 0x10_0000),
                (0x100_0000, 0x100_0000)
            ]
        );
    }

    #[test]
    fn a_mapping_with_a_page_that_is_a_copy_is_told_apart() {
        let smaps: String = MAPS
            .lines()
            .enumerate()
            .map(|(at, line)| format!("{line}\nRss: 100 kB\nAnonymous: {} kB\nVmFlags: rd mr\n", at % 2 * 64))
            .collect();
        let verdicts = verdicts(&smaps);
        let told: Vec<_> = MAPS.lines().map(|line| verdicts.get(line).copied()).collect();
        assert_eq!(told, [Some(true), Some(false), Some(true), Some(false), Some(true), Some(false), None]);
    }

    #[test]
    fn a_process_goes_on_without_its_pages() {
        let before = release_mapped("/nowhere", 0).expect("readable");
        let after = release_mapped("/nowhere", u64::MAX).expect("readable");
        assert!(before > 0 && after > 0);
    }
}
