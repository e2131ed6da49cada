//! A segment on its way from a peer to the disk.
//!
//! Two buffers take turns: while one is being filled, the chunks of the other are hashed and written, on a thread that
//! moves no packets. Between QUIC and the file each byte is copied once.

use crate::buffers::{Buffer, Buffers};
use crate::dial::Provider;
use crate::disk;
use crate::endpoint::Shared;
use crate::error::{Code, TransferError};
use crate::fetch::{Parts, Wanted, corrupt, first_wrong};
use crate::reply::{Terms, Reply, Watch, too_short};
use crate::wire::{CHUNK_BYTES, ID_BYTES};
use std::fs::{File, OpenOptions};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::time::{Duration, Instant};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

/// Chunks hashed side by side: as many as the widest kernel takes.
const BATCH_CHUNKS: usize = 16;
pub(crate) const BATCH_BYTES: usize = BATCH_CHUNKS * CHUNK_BYTES;
/// A slow peer's chunks wait no longer than this for the rest of their batch.
const BATCH_WAIT: Duration = Duration::from_millis(250);

/// What to fetch, and where to put it.
pub struct Job {
    /// The blob.
    pub wanted: Wanted,
    /// The first chunk.
    pub first: u32,
    /// How many.
    pub count: u32,
    /// Their ids, already checked against the root.
    pub outline: Vec<u8>,
    /// A file that is there.
    pub path: PathBuf,
    /// Where in it the first byte of the blob is to be.
    pub offset: u64,
}

/// How far a segment is. What it counts is verified and written.
#[derive(Debug, Default)]
pub struct Progress {
    chunks: AtomicU32,
    bytes: AtomicU64,
}

impl Progress {
    /// Chunks from the first one on.
    pub fn chunks(&self) -> u32 {
        self.chunks.load(Ordering::Acquire)
    }

    /// Their bytes.
    pub fn bytes(&self) -> u64 {
        self.bytes.load(Ordering::Acquire)
    }
}

/// How a segment ended.
#[derive(Debug)]
pub struct End {
    /// Chunks from the first one on that are verified and written, also when it failed.
    pub chunks: u32,
    /// Their bytes; exact.
    pub bytes: u64,
    /// From the call to the end.
    pub took: Duration,
    /// Why there are not more.
    pub failure: Option<Failure>,
}

/// Why not all of it came.
#[derive(Clone, Debug)]
pub struct Failure {
    /// What happened.
    pub error: TransferError,
    /// The chunk that is not what its id says, counted from the blob's first.
    pub lie: Option<u32>,
}

impl From<TransferError> for Failure {
    fn from(error: TransferError) -> Self {
        Self { error, lie: None }
    }
}

/// A segment under way.
pub struct Segment {
    progress: Arc<Progress>,
    cancel: CancellationToken,
    task: JoinHandle<End>,
}

impl Segment {
    pub(crate) fn start(shared: &Arc<Shared>, provider: Provider, job: Job, terms: Terms) -> Self {
        let (progress, cancel) = (Arc::new(Progress::default()), terms.cancel.clone());
        let (inner, counted) = (shared.clone(), progress.clone());
        let begun = Instant::now();
        let work = async move {
            let failure = run(&inner, provider, job, terms, &counted).await.err();
            End { chunks: counted.chunks(), bytes: counted.bytes(), took: begun.elapsed(), failure }
        };
        let task = shared.tasks.spawn_on(work, &shared.runtime);
        Self { progress, cancel, task }
    }

    /// Live counters.
    pub fn progress(&self) -> Arc<Progress> {
        self.progress.clone()
    }

    /// Ends it by `ABORTED` as soon as nothing is being written any more.
    pub fn cancel(&self) {
        self.cancel.cancel();
    }

    /// Waits for the end. Nothing is written to the file after it.
    pub async fn end(self) -> End {
        let Self { progress, task, .. } = self;
        task.await.unwrap_or_else(|error| {
            let error = TransferError::new(Code::Internal, format!("A transfer failed: {error}."));
            let (chunks, bytes) = (progress.chunks(), progress.bytes());
            End { chunks, bytes, took: Duration::ZERO, failure: Some(error.into()) }
        })
    }
}

async fn run(
    shared: &Arc<Shared>,
    provider: Provider,
    job: Job,
    terms: Terms,
    progress: &Progress,
) -> Result<(), Failure> {
    let request = job.wanted.request(Parts { outline: false, data: true }, job.first, job.count)?;
    if job.outline.len() != job.count as usize * ID_BYTES {
        return Err(TransferError::new(Code::Usage, "The outline is not that of the segment.").into());
    }
    let (_, length) = request.contents(job.wanted.size).unwrap_or_default();
    let mut watch = Watch::new(terms, shared);
    let turn = watch.own(shared.fetches.clone().acquire_owned()).await?;
    let _turn = turn.map_err(|_| crate::dial::closed())?;
    let path = job.path.clone();
    let opened = tokio::task::spawn_blocking(move || OpenOptions::new().write(true).open(path)).await;
    let file = opened.map_err(|error| failed(&error))?.map_err(|error| TransferError::writing(&error))?;
    let reply = Reply::open(shared, provider, &request, job.wanted.size, &mut watch).await?;
    let place = job.offset + u64::from(job.first) * CHUNK_BYTES as u64;
    let target = Arc::new(Target { file, place, first: job.first, ids: job.outline });
    let batches = shared.batches.clone();
    let mut intake = Intake { reply, target, batches, length, taken: 0, writing: None, progress };
    let received = intake.receive(&mut watch).await;
    // What is on its way to the disk still counts, and nothing may be written after the end.
    intake.settle().await.and(received)?;
    intake.reply.end(&mut watch).await?;
    Ok(())
}

/// Where a segment's bytes go, and what they must be.
struct Target {
    file: File,
    /// Of the segment's first byte.
    place: u64,
    first: u32,
    ids: Vec<u8>,
}

impl Target {
    /// Writes the chunks of a batch up to the first one that is wrong. `at` is their place in the segment.
    fn write(&self, batch: &[u8], at: u64) -> Written {
        let first = (at / CHUNK_BYTES as u64) as usize;
        let wrong = match first_wrong(batch, &self.ids[first * ID_BYTES..]) {
            Ok(wrong) => wrong,
            Err(error) => return Written { bytes: 0, failure: Some(error.into()) },
        };
        let good = wrong.map_or(batch, |chunk| &batch[..chunk * CHUNK_BYTES]);
        if let Err(error) = disk::write_at(&self.file, good, self.place + at) {
            return Written { bytes: 0, failure: Some(TransferError::writing(&error).into()) };
        }
        let lie = wrong.map(|chunk| self.first + (first + chunk) as u32);
        Written { bytes: good.len(), failure: lie.map(corrupt) }
    }
}

/// What became of a batch.
struct Written {
    /// Bytes of its leading chunks that are verified and on the disk.
    bytes: usize,
    failure: Option<Failure>,
}

struct Intake<'a> {
    reply: Reply,
    target: Arc<Target>,
    batches: Arc<Buffers>,
    /// Bytes of the segment, and how many of them have been handed on to be written.
    length: u64,
    taken: u64,
    writing: Option<JoinHandle<Written>>,
    progress: &'a Progress,
}

impl Intake<'_> {
    async fn receive(&mut self, watch: &mut Watch) -> Result<(), Failure> {
        let mut batch = self.batches.take();
        let mut filled = 0;
        while self.taken < self.length {
            let wanted = (self.length - self.taken).min(BATCH_BYTES as u64) as usize;
            filled = self.fill(&mut batch, filled, wanted, watch).await?;
            let whole = if filled == wanted { filled } else { filled - filled % CHUNK_BYTES };
            self.settle().await?;
            watch.progress();
            let mut next = self.batches.take();
            next[..filled - whole].copy_from_slice(&batch[whole..filled]);
            self.write(std::mem::replace(&mut batch, next), whole);
            filled -= whole;
        }
        Ok(())
    }

    /// Fills the batch up to `wanted`, or with at least a chunk when the rest does not come soon.
    async fn fill(
        &mut self,
        batch: &mut [u8],
        mut filled: usize,
        wanted: usize,
        watch: &mut Watch,
    ) -> Result<usize, TransferError> {
        let due = Instant::now() + BATCH_WAIT;
        while filled < wanted {
            let due = (filled >= CHUNK_BYTES).then_some(due);
            match self.reply.read(&mut batch[filled..wanted], due, watch).await? {
                None => break,
                Some(0) => return Err(too_short()),
                Some(count) => filled += count,
            }
        }
        Ok(filled)
    }

    /// Begins to check and write the first `whole` bytes of a batch.
    fn write(&mut self, batch: Buffer, whole: usize) {
        let (target, at) = (self.target.clone(), self.taken);
        self.taken += whole as u64;
        self.writing = Some(tokio::task::spawn_blocking(move || target.write(&batch[..whole], at)));
    }

    /// Waits for the batch that is being written, and counts it.
    async fn settle(&mut self) -> Result<(), Failure> {
        let Some(writing) = self.writing.take() else { return Ok(()) };
        let Written { bytes, failure } = writing.await.map_err(|error| failed(&error))?;
        self.progress.chunks.fetch_add(bytes.div_ceil(CHUNK_BYTES) as u32, Ordering::AcqRel);
        self.progress.bytes.fetch_add(bytes as u64, Ordering::AcqRel);
        failure.map_or(Ok(()), Err)
    }
}

fn failed(error: &tokio::task::JoinError) -> TransferError {
    TransferError::new(Code::Internal, format!("Work on the disk failed: {error}."))
}
