//! Fetching: an outline, a small blob whole, or a segment of a large one straight to its place on the disk.

use crate::dial::Provider;
use crate::endpoint::Endpoint;
use crate::error::{Code, TransferError};
use crate::reply::{Terms, Reply, Watch};
use crate::segment::{Failure, Job, Segment};
use crate::wire::{CHUNK_BYTES, ID_BYTES, Id, Request, chunks_of};
use catalog_core::{merkle_root, sha256_many};

/// The longest blob that comes whole.
pub const WHOLE_BYTES_MAX: u64 = 1024 * 1024;
/// How blobs are cut here: into chunks of one length.
const PROFILE_FIXED: u8 = 0;

/// A blob and the release that names it.
#[derive(Clone, Copy, Debug)]
pub struct Wanted {
    /// The blob's address.
    pub root: Id,
    /// Id of the record that names it; permission is decided by that record.
    pub release: Id,
    /// The blob's length as the record has it, at least 1.
    pub size: u64,
}

impl Wanted {
    pub(crate) fn request(&self, parts: Parts, first: u32, count: u32) -> Result<Request, TransferError> {
        let Self { root, release, size } = *self;
        let request = Request { outline: parts.outline, data: parts.data, root, release, first, count };
        if count == 0 || request.contents(size).is_none() {
            let message = format!("There are no {count} chunks from {first} on in a blob of {size} bytes.");
            return Err(TransferError::new(Code::Usage, message));
        }
        Ok(request)
    }
}

/// What of a range is wanted.
#[derive(Clone, Copy)]
pub(crate) struct Parts {
    pub(crate) outline: bool,
    pub(crate) data: bool,
}

/// A blob that came whole.
#[derive(Debug)]
pub struct Whole {
    /// The ids of its chunks, checked against its root.
    pub outline: Vec<u8>,
    /// Its bytes, each chunk checked against its id.
    pub bytes: Vec<u8>,
}

impl Endpoint {
    /// Ids of the chunks [first, first + count), not checked: only the root can tell, and it takes all of them.
    ///
    /// # Errors
    /// What the peer refuses with, `PEER_UNREACHABLE`, `PEER_TIMEOUT`, `PEER_PROTOCOL`, `ABORTED`, `CLOSED`, `USAGE`.
    pub async fn fetch_outline(
        &self,
        provider: Provider,
        wanted: Wanted,
        range: (u32, u32),
        terms: Terms,
    ) -> Result<Vec<u8>, TransferError> {
        let request = wanted.request(Parts { outline: true, data: false }, range.0, range.1)?;
        let mut watch = Watch::new(terms, &self.shared);
        let _turn = self.turn(&mut watch).await?;
        let mut reply = Reply::open(&self.shared, provider, &request, wanted.size, &mut watch).await?;
        let mut ids = vec![0; range.1 as usize * ID_BYTES];
        // In steps, each of which counts as a sign of life.
        for step in ids.chunks_mut(CHUNK_BYTES) {
            reply.fill(step, &mut watch).await?;
            watch.progress();
        }
        reply.end(&mut watch).await?;
        Ok(ids)
    }

    /// A blob of at most [`WHOLE_BYTES_MAX`] in one round trip, with its outline.
    ///
    /// # Errors
    /// As [`Endpoint::fetch_outline`], and `BLOB_CORRUPT` when the outline has another root, or a chunk another id.
    pub async fn fetch_blob(
        &self,
        provider: Provider,
        wanted: Wanted,
        terms: Terms,
    ) -> Result<Whole, Failure> {
        if wanted.size > WHOLE_BYTES_MAX {
            return Err(TransferError::new(Code::Usage, "A blob of this size does not come whole.").into());
        }
        let count = chunks_of(wanted.size);
        let request = wanted.request(Parts { outline: true, data: true }, 0, count)?;
        let mut watch = Watch::new(terms, &self.shared);
        let _turn = self.turn(&mut watch).await?;
        let mut reply = Reply::open(&self.shared, provider, &request, wanted.size, &mut watch).await?;
        let mut outline = vec![0; count as usize * ID_BYTES];
        reply.fill(&mut outline, &mut watch).await?;
        watch.progress();
        let mut bytes = vec![0; wanted.size as usize];
        for chunk in bytes.chunks_mut(CHUNK_BYTES) {
            reply.fill(chunk, &mut watch).await?;
            watch.progress();
        }
        reply.end(&mut watch).await?;
        let checking = tokio::task::spawn_blocking(move || check(&wanted.root, outline, bytes));
        checking.await.map_err(|error| TransferError::new(Code::Internal, format!("Checking failed: {error}.")))?
    }

    /// A part of a blob to its place in a file, each chunk checked before it is written. It has begun when this
    /// returns, and goes on when the handle is dropped.
    pub fn fetch_segment(&self, provider: Provider, job: Job, terms: Terms) -> Segment {
        Segment::start(&self.shared, provider, job, terms)
    }

    async fn turn(&self, watch: &mut Watch) -> Result<tokio::sync::OwnedSemaphorePermit, TransferError> {
        let turn = watch.own(self.shared.fetches.clone().acquire_owned()).await?;
        turn.map_err(|_| crate::dial::closed())
    }
}

fn check(root: &Id, outline: Vec<u8>, bytes: Vec<u8>) -> Result<Whole, Failure> {
    let lengths: Vec<u32> = bytes.chunks(CHUNK_BYTES).map(|chunk| chunk.len() as u32).collect();
    let mut named = [0; ID_BYTES];
    let computed = merkle_root(&outline, &lengths, PROFILE_FIXED, &mut named, None);
    computed.map_err(|error| TransferError::new(Code::Internal, error.to_string()))?;
    if named != *root {
        return Err(TransferError::new(Code::BlobCorrupt, "The peer's outline is that of another blob.").into());
    }
    match first_wrong(&bytes, &outline)? {
        None => Ok(Whole { outline, bytes }),
        Some(chunk) => Err(corrupt(chunk as u32)),
    }
}

/// The first chunk of `bytes` that is not what its id says.
pub(crate) fn first_wrong(bytes: &[u8], ids: &[u8]) -> Result<Option<usize>, TransferError> {
    let count = bytes.len().div_ceil(CHUNK_BYTES);
    let mut ranges = Vec::with_capacity(2 * count);
    for at in (0..bytes.len()).step_by(CHUNK_BYTES) {
        ranges.extend([at as u32, CHUNK_BYTES.min(bytes.len() - at) as u32]);
    }
    let mut found = vec![0; count * ID_BYTES];
    sha256_many(bytes, &ranges, &mut found)
        .map_err(|error| TransferError::new(Code::Internal, error.to_string()))?;
    Ok(found.chunks(ID_BYTES).zip(ids.chunks(ID_BYTES)).position(|(found, id)| found != id))
}

pub(crate) fn corrupt(chunk: u32) -> Failure {
    let message = format!("Chunk {chunk} that the peer sent is not what its id says.");
    Failure { error: TransferError::new(Code::BlobCorrupt, message), lie: Some(chunk) }
}
