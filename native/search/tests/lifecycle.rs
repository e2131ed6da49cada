//! Changing, closing, reopening and damaging an index.

mod support;

use catalog_search::{Document, SearchIndex};
use std::fs;
use std::path::{Path, PathBuf};
use support::{Fixture, document, unpack};
use tempfile::TempDir;

fn names(index: &SearchIndex, query: &str) -> Vec<String> {
    let packed = index.search(query, None, 10).expect("a valid query");
    unpack(&packed).into_iter().map(|(name, _)| name).collect()
}

/// A closed index with some segments, as a process that ended well leaves it.
fn closed_index() -> TempDir {
    let Fixture { index, dir } = Fixture::new();
    for i in 1..=3 {
        let batch = [document(&format!("package-{i}"), "Something"), document("shared", "Everything")];
        index.apply(&batch, &[], i).expect("documents are added");
    }
    index.close().expect("closes");
    dir
}

fn files(dir: &Path, extension: &str) -> Vec<PathBuf> {
    let entries = fs::read_dir(dir).expect("a directory").map(|entry| entry.expect("an entry").path());
    let mut files: Vec<PathBuf> =
        entries.filter(|path| path.extension().is_some_and(|found| found == extension)).collect();
    files.sort();
    assert!(!files.is_empty(), "the index has {extension} files");
    files
}

#[test]
fn a_later_document_replaces_the_one_with_the_same_key() {
    let Fixture { index, dir: _dir } = Fixture::new();
    let renamed = Document { key: "before".into(), ..document("after", "Second") };
    index.apply(&[document("before", "First")], &[], 1).expect("added");
    index.apply(&[document("other", "First"), renamed.clone()], &[], 2).expect("replaced");
    assert_eq!(index.count(), 2);
    assert!(names(&index, "before").is_empty());
    assert_eq!(names(&index, "second"), ["after"]);
    let twice = [document("before", "Third"), renamed];
    index.apply(&twice, &[], 3).expect("the last of a batch stays");
    assert_eq!(index.count(), 2);
    assert_eq!(names(&index, "second"), ["after"]);
}

#[test]
fn deletes_by_key_before_it_adds() {
    let Fixture { index, dir: _dir } = Fixture::new();
    index.apply(&[document("one", ""), document("two", "")], &[], 1).expect("added");
    let deletes = ["one".to_owned(), "two".to_owned(), "never-there".to_owned()];
    index.apply(&[document("two", "again")], &deletes, 2).expect("deleted");
    assert_eq!(index.count(), 1);
    assert!(names(&index, "one").is_empty());
    assert_eq!(names(&index, "again"), ["two"]);
}

#[test]
fn keeps_documents_and_sequence_when_reopened() {
    let dir = closed_index();
    let index = SearchIndex::open(dir.path()).expect("reopens");
    assert_eq!(index.committed_sequence(), 3);
    assert_eq!(index.count(), 4);
    assert_eq!(names(&index, "package-2")[0], "package-2");
    index.apply(&[], &[], u64::MAX).expect("an empty batch still moves the sequence");
    drop(index);
    let index = SearchIndex::open(dir.path()).expect("reopens after a drop");
    assert_eq!(index.committed_sequence(), u64::MAX);
    assert_eq!(index.count(), 4);
}

#[test]
fn keeps_the_sequence_through_merges() {
    let Fixture { index, dir } = Fixture::new();
    for i in 1..=16 {
        index.apply(&[document(&format!("package-{i}"), "")], &[], i).expect("added");
    }
    index.close().expect("waits for merges");
    assert!(files(dir.path(), "store").len() < 40, "some segments were merged");
    let index = SearchIndex::open(dir.path()).expect("reopens");
    assert_eq!((index.committed_sequence(), index.count()), (16, 16));
}

#[test]
fn has_one_owner_at_a_time() {
    let Fixture { index, dir } = Fixture::new();
    let refused = SearchIndex::open(dir.path()).err().expect("the directory is owned");
    assert_eq!(refused.code(), "SEARCH_LOCKED");
    index.apply(&[document("mine", "")], &[], 1).expect("the owner may write");
    index.close().expect("closes");
    let next = SearchIndex::open(dir.path()).expect("free after close");
    let closed = index.apply(&[], &[], 2).expect_err("the first one is closed");
    assert_eq!(closed.code(), "SEARCH_INDEX");
    index.close().expect("closing twice is allowed");
    next.apply(&[document("yours", "")], &[], 2).expect("the next owner may write");
    assert_eq!(names(&index, "mine"), ["mine"], "a closed index still answers");
}

#[test]
fn refuses_malformed_documents_and_keeps_what_was_there() {
    let Fixture { index, dir: _dir } = Fixture::new();
    index.apply(&[document("good", "")], &[], 1).expect("added");
    let fat = Document { payload: vec![0; 65], ..document("fat", "") };
    let nameless = Document { key: String::new(), ..document("nameless", "") };
    let endless = Document { key: "k".repeat(1_025), ..document("endless", "") };
    for bad in [fat, nameless, endless] {
        let error = index.apply(&[document("before", ""), bad], &["good".into()], 2).expect_err("malformed");
        assert_eq!(error.code(), "SEARCH_INDEX", "{error}");
        assert_eq!((index.count(), index.committed_sequence()), (1, 1));
    }
    index.apply(&[document("after", "")], &[], 2).expect("the next batch is accepted");
    assert_eq!((index.count(), index.committed_sequence()), (2, 2));
    assert!(names(&index, "before").is_empty());
}

#[test]
fn accepts_payloads_up_to_their_limit_and_long_texts() {
    let Fixture { index, dir: _dir } = Fixture::new();
    let payload = vec![b'p'; 64];
    let description = "word ".repeat(100_000) + "unseen";
    let mut long =
        Document { key: "k".repeat(1_024), payload: payload.clone(), ..document("long", &description) };
    long.scored.name = "n".repeat(100_000);
    index.apply(&[long, document("none", "")], &[], 1).expect("added");
    assert_eq!(names(&index, "word"), [String::from_utf8(payload).expect("ASCII")]);
    assert!(names(&index, "unseen").is_empty(), "only the beginning of a long text counts");
}

#[test]
fn empties_a_damaged_directory_and_starts_again() {
    type Damage = fn(&Path);
    let damages: [(&str, Damage); 7] = [
        ("meta.json is not JSON", |dir| fs::write(dir.join("meta.json"), "{").expect("written")),
        ("meta.json is empty", |dir| fs::write(dir.join("meta.json"), "").expect("written")),
        ("meta.json has no sequence", |dir| {
            let meta = fs::read_to_string(dir.join("meta.json")).expect("read");
            fs::write(dir.join("meta.json"), meta.replace("payload", "otherwise")).expect("written");
        }),
        ("the list of files is not JSON", |dir| fs::write(dir.join(".managed.json"), "[").expect("written")),
        ("a segment file is missing", |dir| fs::remove_file(&files(dir, "term")[0]).expect("removed")),
        ("a segment file is cut short", |dir| {
            let file = fs::OpenOptions::new().write(true).open(&files(dir, "idx")[0]).expect("opened");
            file.set_len(3).expect("cut");
        }),
        ("a bit has flipped", |dir| {
            let path = &files(dir, "store")[0];
            let mut bytes = fs::read(path).expect("read");
            bytes[1] ^= 0x10;
            fs::write(path, bytes).expect("written");
        }),
    ];
    for (what, damage) in damages {
        let dir = closed_index();
        damage(dir.path());
        fs::write(dir.path().join("notes.txt"), "not ours").expect("written");
        let index = SearchIndex::open(dir.path()).unwrap_or_else(|error| panic!("{what}: {error}"));
        assert_eq!((index.committed_sequence(), index.count()), (0, 0), "{what}");
        assert!(dir.path().join("notes.txt").exists(), "a file that is not the index's stays");
        index.apply(&[document("fresh", "")], &[], 9).expect("usable again");
        assert_eq!(names(&index, "fresh"), ["fresh"], "{what}");
    }
}

/// Kinds of files of a segment.
const KINDS: [&str; 6] = ["term", "idx", "pos", "store", "fast", "fieldnorm"];

#[test]
fn empties_an_index_of_which_a_byte_of_any_kind_of_file_has_changed() {
    for kind in KINDS {
        let dir = closed_index();
        let path = &files(dir.path(), kind)[0];
        let mut bytes = fs::read(path).expect("read");
        let middle = bytes.len() / 2;
        bytes[middle] ^= 0xff;
        fs::write(path, bytes).expect("written");
        let index = SearchIndex::open(dir.path()).expect("opened");
        assert_eq!((index.committed_sequence(), index.count()), (0, 0), "{kind}");
    }
}

#[test]
fn survives_damage_of_any_kind_of_file_while_it_is_open() {
    for (kind, byte) in KINDS.into_iter().flat_map(|kind| [0x00, 0x5a, 0xff].map(|byte| (kind, byte))) {
        let dir = closed_index();
        let index = SearchIndex::open(dir.path()).expect("opened");
        for path in files(dir.path(), kind) {
            let length = fs::metadata(&path).expect("there").len() as usize;
            // In place: the index has mapped this very file.
            let mut file = fs::OpenOptions::new().write(true).open(&path).expect("opened");
            std::io::Write::write_all(&mut file, &vec![byte; length]).expect("written");
        }
        let mut failed = false;
        for query in ["package-1", "shared", "everythign", "pac", "something else", "type:npm"] {
            failed |= index.search(query, Some("public"), 10).is_err();
            failed |= index.suggest(query, Some("public")).is_err();
            failed |= index.complete(query, "", Some("public"), 10).is_err();
            failed |= index.score(query, &[document("package-1", "").scored]).is_err();
        }
        failed |= index.apply(&[document("package-1", "Again")], &[], 4).is_err();
        failed |= index.compact().is_err();
        assert!(!failed || index.is_damaged(), "{kind} {byte}: who fails says why");
        // What it could not write, it need not keep.
        let _closed = index.close();
        let index = SearchIndex::open(dir.path()).expect("opened anew");
        index.apply(&[document("fresh", "")], &[], 9).expect("usable again");
        assert_eq!(names(&index, "fresh"), ["fresh"], "{kind} {byte}");
    }
}

#[test]
fn empties_an_index_with_another_schema_or_other_text_rules() {
    for (old, new) in [("\"edge\"", "\"brink\""), ("\"payload\":\"3:3\"", "\"payload\":\"0:3\"")] {
        let dir = closed_index();
        let meta = fs::read_to_string(dir.path().join("meta.json")).expect("read");
        let compact = meta.replace("\": ", "\":");
        assert!(compact.contains(old), "{old} stands in {compact}");
        fs::write(dir.path().join("meta.json"), compact.replace(old, new)).expect("written");
        let index = SearchIndex::open(dir.path()).expect("opens");
        assert_eq!((index.committed_sequence(), index.count()), (0, 0), "{new}");
    }
}

#[test]
fn compacts_while_merges_go_on_by_themselves() {
    let Fixture { index, dir: _dir } = Fixture::new();
    for i in 1..=16 {
        index.apply(&[document(&format!("package-{i}"), "")], &[], i).expect("added");
        if i % 8 == 0 {
            index.compact().expect("compacted");
        }
    }
    assert_eq!((index.count(), index.committed_sequence()), (16, 16));
}

#[test]
fn refuses_a_directory_that_cannot_be_one() {
    let dir = TempDir::new().expect("a temporary directory");
    let file = dir.path().join("file");
    fs::write(&file, "not a directory").expect("written");
    let error = SearchIndex::open(&file).err().expect("a file is no directory");
    assert_eq!(error.code(), "SEARCH_INDEX");
    assert_eq!(fs::read_to_string(&file).expect("untouched"), "not a directory");
}
