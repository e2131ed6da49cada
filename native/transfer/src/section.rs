//! Bytes that follow each other in a reply, from memory or read from a file a little ahead of QUIC.
//!
//! Files are read, not mapped: one that was cut short meanwhile is then an error and not the end of the process.

use crate::disk;
use crate::error::{Code, TransferError};
use crate::owner::Source;
use crate::pieces::{PIECE_BYTES, Piece, Share};
use bytes::Bytes;
use std::collections::VecDeque;
use std::fs::File;
use std::io;
use std::sync::Arc;
use tokio::task::{JoinError, JoinHandle, spawn_blocking};

/// Read at once: one thread hop for two system calls.
const READ_PIECES: usize = 2;

/// A range of bytes that can be read.
pub(crate) struct Section {
    place: Place,
    offset: u64,
    length: u64,
}

enum Place {
    File(Arc<File>),
    Memory(Bytes),
}

impl Section {
    /// `length` bytes of a source, after its first `skip` ones.
    pub(crate) async fn open(source: &Source, skip: u64, length: u64) -> Result<Self, TransferError> {
        match source {
            Source::Memory(bytes) if skip.saturating_add(length) > bytes.len() as u64 => {
                Err(TransferError::reading(&io::ErrorKind::UnexpectedEof.into()))
            }
            Source::Memory(bytes) => Ok(Self { place: Place::Memory(bytes.clone()), offset: skip, length }),
            Source::File { path, offset } => {
                let (path, offset) = (path.clone(), offset.saturating_add(skip));
                let file = read(spawn_blocking(move || File::open(path)).await)?;
                Ok(Self { place: Place::File(Arc::new(file)), offset, length })
            }
        }
    }

    fn is_empty(&self) -> bool {
        self.length == 0
    }

    /// Where the next piece begins, and its length; it is counted as read.
    fn step(&mut self) -> (u64, usize) {
        let (at, length) = (self.offset, self.length.min(PIECE_BYTES as u64));
        self.offset += length;
        self.length -= length;
        (at, length as usize)
    }
}

type Reading = JoinHandle<io::Result<Vec<Bytes>>>;

/// A section cut into pieces, the next ones read while one is being sent.
pub(crate) struct Reader<'a> {
    section: Section,
    share: &'a Share,
    ready: VecDeque<Bytes>,
    ahead: Option<Reading>,
}

impl<'a> Reader<'a> {
    pub(crate) fn new(section: Section, share: &'a Share) -> Self {
        Self { section, share, ready: VecDeque::new(), ahead: None }
    }

    /// The next piece; nothing at the end.
    pub(crate) async fn next(&mut self) -> Result<Option<Bytes>, TransferError> {
        if self.ready.is_empty() {
            self.refill().await?;
        }
        Ok(self.ready.pop_front())
    }

    async fn refill(&mut self) -> Result<(), TransferError> {
        let file = match &self.section.place {
            Place::File(file) => file.clone(),
            Place::Memory(_) if self.section.is_empty() => return Ok(()),
            Place::Memory(bytes) => {
                let bytes = bytes.clone();
                let (at, length) = self.section.step();
                self.ready.push_back(bytes.slice(at as usize..at as usize + length));
                return Ok(());
            }
        };
        let reading = match self.ahead.take() {
            Some(reading) => reading,
            None if self.section.is_empty() => return Ok(()),
            None => {
                let piece = self.share.piece().await;
                let closed = || TransferError::new(Code::Closed, "The endpoint is closed.");
                self.start(&file, piece.ok_or_else(closed)?)
            }
        };
        self.ready.extend(read(reading.await)?);
        if !self.section.is_empty() {
            // Only with memory that is free: others may wait for what this reply holds already.
            self.ahead = self.share.try_piece().map(|piece| self.start(&file, piece));
        }
        Ok(())
    }

    /// Begins to read into this piece, and into further ones that are free.
    fn start(&mut self, file: &Arc<File>, piece: Piece) -> Reading {
        let mut pieces = vec![(piece, self.section.step())];
        while pieces.len() < READ_PIECES && !self.section.is_empty() {
            let Some(piece) = self.share.try_piece() else { break };
            pieces.push((piece, self.section.step()));
        }
        let file = file.clone();
        spawn_blocking(move || {
            let fill = |(mut piece, (at, length)): (Piece, (u64, usize))| {
                disk::read_at(&file, piece.room(length), at)?;
                Ok(piece.into_bytes())
            };
            pieces.into_iter().map(fill).collect()
        })
    }
}

fn read<T>(result: Result<io::Result<T>, JoinError>) -> Result<T, TransferError> {
    match result {
        Ok(read) => read.map_err(|error| TransferError::reading(&error)),
        Err(error) => Err(TransferError::new(Code::Internal, format!("Reading failed: {error}."))),
    }
}
