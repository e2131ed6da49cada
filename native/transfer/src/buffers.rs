//! Buffers of one length that are used again: neither zeroed nor mapped anew each time.

use crate::endpoint::locked;
use std::ops::{Deref, DerefMut};
use std::sync::{Arc, Mutex};

/// Those that are not in use.
pub(crate) struct Buffers {
    free: Mutex<Vec<Box<[u8]>>>,
    length: usize,
    kept: usize,
}

impl Buffers {
    /// Buffers of this length, of which at most `kept` wait for their next use.
    pub(crate) fn new(length: usize, kept: usize) -> Arc<Self> {
        Arc::new(Self { free: Mutex::default(), length, kept })
    }

    pub(crate) fn take(self: &Arc<Self>) -> Buffer {
        let used = locked(&self.free).pop();
        Buffer { bytes: used.unwrap_or_else(|| vec![0; self.length].into()), home: self.clone() }
    }

    /// Gives those that are not in use back to the system.
    pub(crate) fn clear(&self) {
        locked(&self.free).clear();
    }
}

/// A buffer with whatever its last user left in it; it goes back when it is dropped.
pub(crate) struct Buffer {
    bytes: Box<[u8]>,
    home: Arc<Buffers>,
}

impl Deref for Buffer {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.bytes
    }
}

impl DerefMut for Buffer {
    fn deref_mut(&mut self) -> &mut [u8] {
        &mut self.bytes
    }
}

impl Drop for Buffer {
    fn drop(&mut self) {
        let mut free = locked(&self.home.free);
        if free.len() < self.home.kept {
            free.push(std::mem::take(&mut self.bytes));
        }
    }
}
