//! The bulk plane of Catalog: blobs between the disks of two nodes, over QUIC.
//!
//! An [`Endpoint`] listens on a UDP port of its own. Both sides of a connection show a certificate that names their
//! libp2p identity. One stream carries one request; `src/wire/WIRE.md` has every byte. Who may have what, the
//! endpoint's [`Owner`] decides, once a request. Bytes then go from disk to QUIC to disk, and every chunk is held
//! against its id before it is written.
//!
//! What others can make this node do is bounded by [`Limits`], in memory above all: what is being sent, what has come
//! and is not read yet, and what waits to be hashed are each a fixed sum over all connections.

#![deny(unsafe_code)]

// The nodes that tests are made of are shared with those outside of this crate.
#[cfg(test)]
extern crate self as catalog_transfer;

mod answer;
mod buffers;
mod certificate;
mod congestion;
mod dial;
mod disk;
mod door;
mod endpoint;
mod error;
mod fetch;
#[cfg(test)]
mod hostile;
mod options;
mod owner;
mod peer;
mod pieces;
mod reply;
mod section;
mod segment;
mod serve;
mod tls;
mod transport;
pub mod wire;

pub use catalog_flow::Priority;
pub use certificate::{CertificateKey, Identity};
pub use dial::Provider;
pub use endpoint::{ConnectionInfo, Endpoint};
pub use error::{Code, TransferError};
pub use fetch::{WHOLE_BYTES_MAX, Wanted, Whole};
pub use options::{Congestion, Limits, Options};
pub use owner::{Asked, Decision, Grant, Outcome, Owner, Source};
pub use peer::PeerId;
pub use reply::Terms;
pub use segment::{End, Failure, Job, Progress, Segment};
pub use tls::ALPN;
pub use tokio_util::sync::CancellationToken;
pub use wire::{CHUNK_BYTES, ID_BYTES, Id, Request};
