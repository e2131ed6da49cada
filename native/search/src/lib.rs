//! Full-text search over package records, on Tantivy.
//!
//! The index is a cache: everything in it can be replayed from the records. So a directory that is
//! damaged, or was written by another version of this crate, is emptied rather than repaired, and
//! [`SearchIndex::committed_sequence`] tells the caller from where to replay.

#![forbid(unsafe_code)]

mod damage;
mod error;
mod explain;
mod filter;
mod hints;
mod index;
mod near;
mod outshone;
mod overlap;
mod plan;
mod rank;
mod schema;
mod score;
mod suggest;
mod text;
mod typo;

pub use error::SearchError;
pub use explain::Explanation;
pub use index::SearchIndex;
pub use overlap::{DocumentTerms, QueryTerms};
pub use plan::{MAX_LIMIT, MAX_QUERY_CHARS, MAX_QUERY_WORDS, MAX_WORD_CHARS};
pub use schema::{Document, MAX_KEY_BYTES, MAX_PAYLOAD_BYTES};
pub use score::{Match, Scored};
