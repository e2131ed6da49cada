//! The index on disk: opening, changing and asking it.

use crate::damage::Damage;
use crate::error::{SearchError, means_damage};
use crate::plan::{self, Plan};
use crate::rank::ranked;
use crate::schema::{Document, Fields, MAX_PAYLOAD_BYTES};
use crate::score::{self, Scored, Verdict};
use crate::text::TEXT_VERSION;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use tantivy::directory::{Directory, DirectoryLock, Lock, MmapDirectory};
use tantivy::indexer::IndexWriterOptions;
use tantivy::schema::Value;
use tantivy::store::Compressor;
use tantivy::{
    DocAddress, Index, IndexReader, IndexSettings, IndexWriter, ReloadPolicy, Searcher, TantivyDocument, Term,
};

/// Held for as long as an index is open. Tantivy's own lock is taken by its writer, which is only made
/// when there is something to write; by then two owners might each believe to be the only one.
const OWNER_LOCK: &str = "catalog-owner.lock";

/// Memory for documents of a commit that is under way; a larger one is spilled into several segments.
const WRITER_HEAP_BYTES: usize = 64 << 20;

/// A full-text index in a directory of its own.
///
/// All methods may be called from several threads; changes take turns, searches do not wait for them.
pub struct SearchIndex {
    index: Index,
    reader: IndexReader,
    fields: Fields,
    sequence: AtomicU64,
    writer: Mutex<Writer>,
    damage: Damage,
}

/// What the only one who may write holds; whoever has locked it changes the index.
enum Writer {
    Idle(DirectoryLock),
    Ready(Box<IndexWriter>, DirectoryLock),
    Closed,
}

impl Writer {
    /// Waits for merges under way.
    fn rest(&mut self) -> tantivy::Result<()> {
        let (writer, lock) = match std::mem::replace(self, Self::Closed) {
            Self::Ready(writer, lock) => (writer, lock),
            resting => {
                *self = resting;
                return Ok(());
            }
        };
        *self = Self::Idle(lock);
        writer.wait_merging_threads()
    }
}

impl SearchIndex {
    /// Opens the index in `dir`, or creates it there.
    ///
    /// A directory that is damaged (every file's checksum is read) or was written by another version is
    /// emptied first; [`committed_sequence`](Self::committed_sequence) is 0 then. It
    /// should hold nothing else, and is owned until [`close`](Self::close) or drop.
    ///
    /// # Errors
    /// `SEARCH_LOCKED` when somebody else owns the directory, `SEARCH_INDEX` when it cannot be used.
    pub fn open(dir: &Path) -> Result<Self, SearchError> {
        std::fs::create_dir_all(dir).map_err(|cause| unusable(dir, &cause))?;
        let directory = MmapDirectory::open(dir).map_err(|cause| unusable(dir, &cause))?;
        let lock =
            directory.acquire_lock(&Lock { filepath: PathBuf::from(OWNER_LOCK), is_blocking: false })?;
        let opened = match try_open(&directory)? {
            Some(opened) => opened,
            None => {
                empty(dir).map_err(|cause| unusable(dir, &cause))?;
                // A fresh handle: the old one remembers the files it has mapped.
                let directory = MmapDirectory::open(dir).map_err(|cause| unusable(dir, &cause))?;
                try_open(&directory)?.ok_or_else(|| SearchError::Index("a new index is damaged".into()))?
            }
        };
        let Opened { index, reader, sequence } = opened;
        let fields = Fields::build().1;
        Ok(Self {
            index,
            reader,
            fields,
            sequence: sequence.into(),
            writer: Mutex::new(Writer::Idle(lock)),
            damage: Damage::default(),
        })
    }

    /// Applies one batch as one commit: after a crash all of it is there, or none.
    ///
    /// Deletes (of keys) come first, then upserts in their order, so the last document of a key stays.
    /// `sequence` is kept with the commit. Searches see the batch when this returns.
    ///
    /// # Errors
    /// `SEARCH_INDEX` when a document is malformed, the disk fails or the index is closed. The same call
    /// may be repeated: a batch that was kept after all is replaced by itself.
    pub fn apply(&self, upserts: &[Document], deletes: &[String], sequence: u64) -> Result<(), SearchError> {
        self.damage.watch(|| {
            // Before the writer sees anything, so that a malformed document costs nothing but this call.
            let filled =
                upserts.iter().map(|document| self.fields.fill(document)).collect::<Result<Vec<_>, _>>()?;
            let replacements = upserts.iter().map(|document| &document.key).zip(filled);
            self.write(&mut self.lock_writer(), |writer| self.commit(writer, replacements, deletes, sequence))
        })
    }

    fn write(
        &self,
        slot: &mut Writer,
        work: impl FnOnce(&mut IndexWriter) -> tantivy::Result<()>,
    ) -> Result<(), SearchError> {
        let (mut writer, lock) = match std::mem::replace(slot, Writer::Closed) {
            Writer::Closed => return Err(SearchError::Index("the search index is closed".into())),
            Writer::Ready(writer, lock) => (writer, lock),
            Writer::Idle(lock) => match self.new_writer() {
                Ok(writer) => (Box::new(writer), lock),
                Err(error) => {
                    *slot = Writer::Idle(lock);
                    return Err(error.into());
                }
            },
        };
        let done = work(&mut writer);
        *slot = match done {
            Ok(()) => Writer::Ready(writer, lock),
            // It may hold half a batch or have lost its thread; the next call makes a new one.
            Err(_) => Writer::Idle(lock),
        };
        Ok(done?)
    }

    /// The sequence of the last commit; 0 when there is none.
    pub fn committed_sequence(&self) -> u64 {
        self.sequence.load(Ordering::Acquire)
    }

    /// Whether something has shown that a file is not what was written. [`close`](Self::close) and
    /// [`open`](Self::open) mend that: such an index is emptied.
    pub fn is_damaged(&self) -> bool {
        self.damage.is_noticed()
    }

    /// How many documents a search can find.
    pub fn count(&self) -> u64 {
        self.reader.searcher().num_docs()
    }

    /// The best documents for a query, packed: u32le count, then for each hit, best first, u8 payload
    /// length ‖ payload ‖ f32le score.
    ///
    /// `audience` restricts the search to documents with that audience. A query without letters and
    /// digits finds nothing.
    ///
    /// # Errors
    /// `SEARCH_QUERY` beyond the limits ([`MAX_QUERY_WORDS`](crate::MAX_QUERY_WORDS) and its neighbours),
    /// `SEARCH_INDEX` when reading fails.
    pub fn search(&self, query: &str, audience: Option<&str>, limit: usize) -> Result<Vec<u8>, SearchError> {
        self.damage.watch(|| {
            plan::check_limit(limit)?;
            let plan = Plan::new(self.fields, query, audience)?;
            let searcher = self.reader.searcher();
            let hits = ranked(&searcher, &plan, limit)?;
            self.pack(&searcher, &hits)
        })
    }

    /// What each candidate is worth for a query, wherever it comes from; 0 for those that have nothing of it.
    ///
    /// # Errors
    /// As [`search`](Self::search).
    pub fn score(&self, query: &str, candidates: &[Scored]) -> Result<Vec<f32>, SearchError> {
        self.damage.watch(|| {
            let plan = Plan::new(self.fields, query, None)?;
            let verdicts = score::verdicts(&self.reader.searcher(), self.fields, &plan, candidates)?;
            Ok(verdicts.iter().map(Verdict::score).collect())
        })
    }

    /// Merges all into one segment when there are several: every look-up is made in each. Searches go on
    /// meanwhile, changes wait.
    ///
    /// # Errors
    /// `SEARCH_INDEX` when the disk fails or the index is closed.
    pub fn compact(&self) -> Result<(), SearchError> {
        self.damage.watch(|| {
            let mut slot = self.lock_writer();
            // A merge that has begun by itself would take segments away from this one.
            slot.rest()?;
            self.write(&mut slot, |writer| {
                let segments = self.index.searchable_segment_ids()?;
                if segments.len() > 1 {
                    writer.merge(&segments).wait()?;
                }
                self.reader.reload()
            })
        })
    }

    /// Waits for merges under way, then gives the directory free. Searches keep answering from the last
    /// commit; changes are refused. Closing twice is allowed.
    ///
    /// # Errors
    /// `SEARCH_INDEX` when a merge failed; the directory is free all the same.
    pub fn close(&self) -> Result<(), SearchError> {
        let mut slot = self.lock_writer();
        let merged = slot.rest();
        *slot = Writer::Closed;
        Ok(merged?)
    }

    /// A panic while changing leaves the slot closed, which is a sound state; so poison is ignored.
    fn lock_writer(&self) -> MutexGuard<'_, Writer> {
        self.writer.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// One thread: batches are small, and each thread would leave a segment of its own behind.
    fn new_writer(&self) -> tantivy::Result<IndexWriter> {
        let options = IndexWriterOptions::builder()
            .num_worker_threads(1)
            .memory_budget_per_thread(WRITER_HEAP_BYTES)
            .num_merge_threads(1)
            .build();
        self.index.writer_with_options(options)
    }

    fn commit<'a>(
        &self,
        writer: &mut IndexWriter,
        replacements: impl Iterator<Item = (&'a String, TantivyDocument)>,
        deletes: &[String],
        sequence: u64,
    ) -> tantivy::Result<()> {
        for key in deletes {
            writer.delete_term(Term::from_field_text(self.fields.key, key));
        }
        for (key, document) in replacements {
            // A delete only reaches documents added before it.
            writer.delete_term(Term::from_field_text(self.fields.key, key));
            writer.add_document(document)?;
        }
        let mut commit = writer.prepare_commit()?;
        commit.set_payload(&stamp(sequence));
        commit.commit()?;
        self.sequence.store(sequence, Ordering::Release);
        self.reader.reload()
    }

    pub(crate) fn watch<T>(&self, work: impl FnOnce() -> Result<T, SearchError>) -> Result<T, SearchError> {
        self.damage.watch(work)
    }

    pub(crate) fn fields(&self) -> Fields {
        self.fields
    }

    pub(crate) fn searcher(&self) -> Searcher {
        self.reader.searcher()
    }

    pub(crate) fn pack(
        &self,
        searcher: &Searcher,
        hits: &[(f32, DocAddress)],
    ) -> Result<Vec<u8>, SearchError> {
        let mut packed = Vec::with_capacity(4 + hits.len() * 37);
        packed.extend_from_slice(&(hits.len() as u32).to_le_bytes());
        for &(score, address) in hits {
            let document: TantivyDocument = searcher.doc(address)?;
            let payload = document.get_first(self.fields.payload).and_then(|value| value.as_bytes());
            let payload = payload.unwrap_or_default();
            if payload.len() > MAX_PAYLOAD_BYTES {
                return Err(SearchError::Damaged("a payload is too long".into()));
            }
            packed.push(payload.len() as u8);
            packed.extend_from_slice(payload);
            packed.extend_from_slice(&score.to_le_bytes());
        }
        Ok(packed)
    }
}

struct Opened {
    index: Index,
    reader: IndexReader,
    sequence: u64,
}

/// What is stored of a document is a record id, which does not compress, and a block is copied for each that is read.
fn settings() -> IndexSettings {
    IndexSettings {
        docstore_compression: Compressor::None,
        docstore_blocksize: 512,
        ..IndexSettings::default()
    }
}

/// `None` when the directory holds an index that cannot be trusted.
fn try_open(directory: &MmapDirectory) -> Result<Option<Opened>, SearchError> {
    // Tantivy panics on some damage instead of returning an error; nothing outlives the attempt.
    let attempt = catch_unwind(AssertUnwindSafe(|| {
        let builder = Index::builder().schema(Fields::build().0).settings(settings());
        let index = builder.open_or_create(directory.clone())?;
        if !index.validate_checksum()?.is_empty() {
            return Ok(None);
        }
        let reader = index.reader_builder().reload_policy(ReloadPolicy::Manual).try_into()?;
        let metas = index.load_metas()?;
        let sequence = match metas.payload {
            Some(payload) => parse_stamp(&payload),
            None => metas.segments.is_empty().then_some(0),
        };
        Ok(sequence.map(|sequence| Opened { index, reader, sequence }))
    }));
    match attempt {
        Ok(Ok(opened)) => Ok(opened),
        Ok(Err(error)) if means_damage(&error) => Ok(None),
        Ok(Err(error)) => Err(error.into()),
        Err(_) => Ok(None),
    }
}

/// Removes the files of an index, and leaves all others: whoever names the wrong directory loses nothing.
fn empty(dir: &Path) -> std::io::Result<()> {
    for entry in std::fs::read_dir(dir)? {
        let entry = entry?;
        if entry.file_name().to_str().is_some_and(is_index_file) {
            std::fs::remove_file(entry.path())?;
        }
    }
    Ok(())
}

/// Tantivy's two lists, and segment files, whose names begin with an identifier of 32 hexadecimal digits.
fn is_index_file(name: &str) -> bool {
    let is_segment = |(id, _): (&str, &str)| id.len() == 32 && id.bytes().all(|b| b.is_ascii_hexdigit());
    matches!(name, "meta.json" | ".managed.json") || name.split_once('.').is_some_and(is_segment)
}

fn unusable(dir: &Path, cause: &dyn std::fmt::Display) -> SearchError {
    SearchError::Index(format!("{} cannot be used: {cause}", dir.display()))
}

/// What a commit carries: which text rules made its terms, and the caller's sequence.
fn stamp(sequence: u64) -> String {
    format!("{TEXT_VERSION}:{sequence}")
}

fn parse_stamp(stamp: &str) -> Option<u64> {
    let (version, sequence) = stamp.split_once(':')?;
    (version.parse() == Ok(TEXT_VERSION)).then(|| sequence.parse().ok()).flatten()
}
