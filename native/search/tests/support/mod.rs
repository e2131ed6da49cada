//! An index in a temporary directory, and its packed answers taken apart.

// Each test file uses a part of this.
#![allow(dead_code)]

use catalog_search::{Document, Scored, SearchIndex};
use tempfile::TempDir;

/// Deleted with its directory when dropped.
pub struct Fixture {
    pub index: SearchIndex,
    pub dir: TempDir,
}

/// A public npm package whose key and payload are its name.
pub fn document(name: &str, description: &str) -> Document {
    let scored = Scored {
        name: name.into(),
        description: description.into(),
        labels: vec!["type:npm".into()],
        ..Scored::default()
    };
    Document { key: name.into(), payload: name.into(), audience: "public".into(), scored }
}

/// Payloads, read as text, with their scores.
pub fn unpack(packed: &[u8]) -> Vec<(String, f32)> {
    let (count, mut rest) = packed.split_first_chunk::<4>().expect("a count");
    let mut hits = Vec::new();
    for _ in 0..u32::from_le_bytes(*count) {
        let (payload, after) = rest[1..].split_at(rest[0].into());
        let (score, after) = after.split_first_chunk::<4>().expect("a score");
        hits.push((String::from_utf8(payload.to_vec()).expect("a name"), f32::from_le_bytes(*score)));
        rest = after;
    }
    assert!(rest.is_empty(), "bytes after the last hit");
    hits
}

impl Fixture {
    pub fn new() -> Self {
        let dir = TempDir::new().expect("a temporary directory");
        let index = SearchIndex::open(dir.path()).expect("a new index");
        Self { index, dir }
    }

    /// Adds documents and raises the sequence by one.
    pub fn add<const N: usize>(&self, documents: [Document; N]) {
        let sequence = self.index.committed_sequence() + 1;
        self.index.apply(&documents, &[], sequence).expect("documents are added");
    }

    pub fn hits(&self, query: &str, audience: Option<&str>, limit: usize) -> Vec<(String, f32)> {
        unpack(&self.index.search(query, audience, limit).expect("a valid query"))
    }

    pub fn names(&self, query: &str) -> Vec<String> {
        self.names_for(query, None)
    }

    pub fn names_for(&self, query: &str, audience: Option<&str>) -> Vec<String> {
        self.hits(query, audience, 10).into_iter().map(|(name, _)| name).collect()
    }
}
