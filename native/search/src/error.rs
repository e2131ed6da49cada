//! What can go wrong in the index.

use tantivy::TantivyError;
use tantivy::directory::error::LockError;
use thiserror::Error;

/// A failed call.
#[derive(Clone, Debug, Error)]
pub enum SearchError {
    /// The query breaks a limit; the text says which.
    #[error("{0}")]
    Query(String),
    /// Another process, or another [`SearchIndex`](crate::SearchIndex) of this one, owns the directory.
    #[error("the search index is in use by another process")]
    Locked,
    /// The directory cannot be used, a document is malformed, or Tantivy failed; the text is the cause.
    #[error("{0}")]
    Index(String),
}

impl SearchError {
    /// The stable code callers may match on: `SEARCH_QUERY`, `SEARCH_LOCKED` or `SEARCH_INDEX`.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Query(_) => "SEARCH_QUERY",
            Self::Locked => "SEARCH_LOCKED",
            Self::Index(_) => "SEARCH_INDEX",
        }
    }
}

impl From<TantivyError> for SearchError {
    fn from(error: TantivyError) -> Self {
        match error {
            TantivyError::LockFailure(LockError::LockBusy, _) => Self::Locked,
            other => Self::Index(other.to_string()),
        }
    }
}

impl From<LockError> for SearchError {
    fn from(error: LockError) -> Self {
        TantivyError::LockFailure(error, None).into()
    }
}
